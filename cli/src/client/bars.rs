//! The bars of a watch, one per task, on standard error.

use std::collections::HashMap;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::Value;

use super::follow::Update;
use super::get::now;
use super::task::{Task, doing, percent};
use super::text::{clean, instant, ms_between};

/// The bar counts tenths of a percent.
const FULL: u64 = 1000;
const TICK: Duration = Duration::from_millis(120);

pub(super) struct Bars {
    all: MultiProgress,
    bars: HashMap<String, ProgressBar>,
    waiting: ProgressStyle,
    running: ProgressStyle,
}

impl Bars {
    pub(super) fn new(colours: bool, tasks: &[Task]) -> Self {
        Self::on(ProgressDrawTarget::stderr(), colours, tasks)
    }

    fn on(target: ProgressDrawTarget, colours: bool, tasks: &[Task]) -> Self {
        let (spinner, bar) = if colours { ("{spinner:.cyan}", "{bar:28.cyan/dim}") } else { ("{spinner}", "{bar:28}") };
        let waiting = format!("{spinner} {{prefix}}  {{elapsed}}  {{wide_msg}}");
        let running = format!("{spinner} {{prefix}}  {bar} {{percent:>3}} %  {{elapsed}}, {{eta}} left  {{wide_msg}}");
        let all = MultiProgress::with_draw_target(target);
        let mut bars = Self { all, bars: HashMap::new(), waiting: style(&waiting), running: style(&running) };
        for task in tasks {
            bars.add(task, tasks.len() > 1);
        }
        bars
    }

    fn add(&mut self, task: &Task, many: bool) {
        let kind = clean(task.kind());
        // Ids begin with the time, so the ends tell them apart.
        let tail: Vec<char> = task.id().chars().rev().take(6).collect();
        let tail: String = tail.into_iter().rev().collect();
        let prefix = if many { format!("{kind} …{}", clean(&tail)) } else { kind };
        let bar = ProgressBar::new(FULL).with_style(self.waiting.clone()).with_prefix(prefix);
        let bar = self.all.add(bar.with_message(clean(task.status())));
        bar.enable_steady_tick(TICK);
        self.bars.insert(task.id().to_owned(), bar);
    }

    pub(super) fn update(&self, id: &str, update: &Update) {
        let Some(bar) = self.bars.get(id) else { return };
        match update {
            Update::Event { name, data, .. } if name == "status" => self.status(bar, data),
            Update::Event { name, data, .. } if name == "progress" => {
                let progress = data.get("progress").unwrap_or(data);
                // No estimate can be made of nothing.
                if let Some(percent) = percent(progress).filter(|percent| *percent > 0.0) {
                    bar.set_style(self.running.clone());
                    bar.set_position((percent * FULL as f64 / 100.0) as u64);
                }
                bar.set_message(doing(progress));
            }
            Update::Lost { .. } => bar.set_message("waiting for the server"),
            Update::Event { .. } | Update::Back => {}
        }
    }

    /// A new attempt starts over: its bar, its clock and its estimate.
    fn status(&self, bar: &ProgressBar, data: &Value) {
        let status = data.get("status").and_then(Value::as_str).unwrap_or_default();
        if matches!(status, "running" | "retrying") {
            bar.set_style(self.waiting.clone());
            bar.reset();
            // The watch may have begun long after the attempt.
            let began = data.get("at").and_then(Value::as_str).and_then(instant);
            if let Some(began) = began {
                let since = Duration::from_millis(ms_between(began, now()));
                let _same_bar = bar.clone().with_elapsed(since);
            }
        }
        bar.set_message(clean(status));
    }

    pub(super) fn end(&self, id: &str) {
        if let Some(bar) = self.bars.get(id) {
            bar.finish_and_clear();
        }
    }

    /// A line above the bars.
    pub(super) fn println(&self, line: &str) {
        // Standard error is gone; there is nobody to tell.
        let _ = self.all.println(line);
    }

    pub(super) fn clear(&self) {
        for bar in self.bars.values() {
            bar.finish_and_clear();
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    let style = ProgressStyle::with_template(template);
    style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("━╸─")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_new_attempt_starts_its_bar_over() {
        let task = Task::new(json!({ "id": "task_1", "kind": "echo", "status": "queued" }));
        let bars = Bars::on(ProgressDrawTarget::hidden(), false, &[task]);
        let tell = |name: &str, data: Value| {
            let update = Update::Event { name: name.to_owned(), seq: None, data };
            bars.update("task_1", &update);
            let bar = &bars.bars["task_1"];
            (bar.position(), bar.message())
        };

        let progress = json!({ "progress": { "percent": 62.5, "phase": "encode", "message": "9 of 10" } });
        assert_eq!(tell("progress", progress), (625, "encode · 9 of 10".to_owned()));
        assert_eq!(tell("status", json!({ "status": "retrying" })), (0, "retrying".to_owned()));
    }
}
