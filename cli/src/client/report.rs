//! The report of a watch: bars for a person, lines for a log, JSON for a script, or nothing.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::bars::Bars;
use super::failure::Failure;
use super::follow::Update;
use super::screen::{Paint, Screen};
use super::task::{Task, doing, fault, percent, status_paint};
use super::text::{clean, size, span};

/// How a watch is told.
pub(super) struct Report {
    screen: Screen,
    form: Form,
    /// Where each task was last said to be, so that a standstill is not repeated.
    said: HashMap<String, String>,
    /// Whether lines must say which task they are about.
    many: bool,
}

enum Form {
    Bars(Box<Bars>),
    Lines { on_out: bool },
    Json,
    Silent,
}

impl Report {
    /// Bars where they can be drawn, else lines. `on_out` says whether the lines are the result
    /// of the command or only company for it.
    pub(super) fn for_person(screen: &Screen, tasks: &[Task], on_out: bool) -> Self {
        let draws = screen.draws() && (screen.out_is_terminal() || !on_out);
        let form =
            if draws { Form::Bars(Box::new(Bars::new(screen.colours_err(), tasks))) } else { Form::Lines { on_out } };
        Self::new(screen, form, tasks.len() > 1)
    }

    /// One JSON object per line.
    pub(super) fn json(screen: &Screen) -> Self {
        Self::new(screen, Form::Json, true)
    }

    /// Waits without a word.
    pub(super) fn silent(screen: &Screen) -> Self {
        Self::new(screen, Form::Silent, false)
    }

    fn new(screen: &Screen, form: Form, many: bool) -> Self {
        Self { screen: screen.clone(), form, said: HashMap::new(), many }
    }

    /// Tells what happened to the task called `id`.
    pub(super) fn update(&mut self, id: &str, update: &Update) -> Result<(), Failure> {
        match &self.form {
            Form::Json => {
                if let Update::Event { name, seq, data } = update {
                    let line = json!({ "task": id, "event": name, "seq": seq, "data": data });
                    return self.screen.say(&line.to_string());
                }
                // A script's standard output is events alone.
                if let Some(line) = self.line(update) {
                    self.screen.note(&line);
                }
            }
            Form::Bars(bars) => {
                bars.update(id, update);
                if !is_shown_by_the_bar(update)
                    && let Some(line) = self.line(update)
                {
                    self.print(id, &line)?;
                }
            }
            Form::Lines { .. } => {
                if let Some(line) = self.line(update)
                    && self.is_news(id, update)
                {
                    self.print(id, &line)?;
                }
            }
            Form::Silent => {}
        }
        Ok(())
    }

    /// Tells how a task ended.
    pub(super) fn ended(&mut self, task: &Task) -> Result<(), Failure> {
        if let Form::Bars(bars) = &self.form {
            bars.end(task.id());
        }
        if matches!(self.form, Form::Json | Form::Silent) {
            return Ok(());
        }
        let line = self.verdict(task);
        self.print_bare(&line)
    }

    /// Takes the bars away, so that what follows has clean lines.
    pub(super) fn close(&self) {
        if let Form::Bars(bars) = &self.form {
            bars.clear();
        }
    }

    /// Whether an update is worth a line of a log: progress is when the percent or the phase moved.
    fn is_news(&mut self, id: &str, update: &Update) -> bool {
        let Update::Event { name, data, .. } = update else {
            return true;
        };
        if name != "progress" {
            return true;
        }
        let progress = data.get("progress").unwrap_or(data);
        let phase = progress.get("phase").and_then(Value::as_str).unwrap_or_default();
        let place = match percent(progress) {
            Some(percent) => format!("{percent:.0} {phase}"),
            None => doing(progress),
        };
        let before = self.said.insert(id.to_owned(), place.clone());
        before.as_ref() != Some(&place)
    }

    fn print(&self, id: &str, line: &str) -> Result<(), Failure> {
        let line = match self.many {
            true => format!("{}  {line}", self.paint(Paint::Dim, id)),
            false => line.to_owned(),
        };
        self.print_bare(&line)
    }

    fn print_bare(&self, line: &str) -> Result<(), Failure> {
        match &self.form {
            Form::Bars(bars) => bars.println(line),
            Form::Lines { on_out: true } => self.screen.say(line)?,
            _ => self.screen.note(line),
        }
        Ok(())
    }

    fn line(&self, update: &Update) -> Option<String> {
        match update {
            Update::Event { name, data, .. } => self.event(name, data),
            Update::Lost { reason, wait, attempt } => {
                let wait = span(wait.as_millis() as u64);
                let line = format!("lost the server ({}); try {attempt} in {wait}", clean(reason));
                Some(self.paint(Paint::Yellow, &line))
            }
            Update::Back => Some(self.paint(Paint::Dim, "the server is back")),
        }
    }

    fn event(&self, name: &str, data: &Value) -> Option<String> {
        let text = |name: &str| data.get(name).and_then(Value::as_str);
        match name {
            "status" => {
                let status = text("status")?;
                let mut line = self.paint(status_paint(status), &clean(status));
                let attempt = data.get("attempt").and_then(Value::as_u64);
                if let (Some(attempt), "running" | "retrying") = (attempt, status) {
                    line += &format!(" (attempt {attempt})");
                }
                let error = data.get("error").filter(|error| !error.is_null());
                let why = error.map(fault).or_else(|| text("reason").map(clean));
                if let Some(why) = why {
                    line += &format!(": {why}");
                }
                Some(line)
            }
            "progress" => {
                let progress = data.get("progress").unwrap_or(data);
                let percent = percent(progress).map(|percent| format!("{percent:>3.0} %"));
                Some(format!("{}  {}", percent.unwrap_or_default(), doing(progress)).trim_end().to_owned())
            }
            "log" => {
                let level = text("level").unwrap_or("info").to_ascii_lowercase();
                let paint = match level.as_str() {
                    "error" => Paint::Red,
                    "warn" | "warning" => Paint::Yellow,
                    _ => Paint::Dim,
                };
                let message = clean(text("message").unwrap_or_default());
                Some(format!("{} {message}", self.paint(paint, &clean(&level))))
            }
            "artifact" => {
                let bytes = data.get("size").and_then(Value::as_u64).map(size);
                let bytes = bytes.map(|bytes| format!(" ({bytes})")).unwrap_or_default();
                Some(format!("made {}{bytes}", clean(text("name")?)))
            }
            // The end has its own line, and what this client does not know has none.
            _ => None,
        }
    }

    fn verdict(&self, task: &Task) -> String {
        let status = task.status();
        let mut line = match status {
            "succeeded" => "✓ ",
            "failed" | "expired" => "✗ ",
            _ => "- ",
        }
        .to_owned();
        line += &format!("{} {} {}", clean(task.kind()), clean(task.id()), clean(status));
        line = self.paint(status_paint(status), &line);
        if let Some(ms) = task.metric_ms("run_ms") {
            line += &format!(" after {}", span(ms));
        }
        if let Some(error) = task.field("error") {
            line += &format!(": {}", fault(error));
        }
        line
    }

    fn paint(&self, paint: Paint, text: &str) -> String {
        match self.form {
            Form::Lines { on_out: true } => self.screen.paint(paint, text),
            _ => self.screen.paint_err(paint, text),
        }
    }
}

/// Progress, and a status with nothing to explain.
fn is_shown_by_the_bar(update: &Update) -> bool {
    let Update::Event { name, data, .. } = update else {
        return false;
    };
    let has = |name: &str| data.get(name).is_some_and(|value| !value.is_null());
    match name.as_str() {
        "progress" => true,
        "status" => !has("error") && !has("reason"),
        _ => false,
    }
}
