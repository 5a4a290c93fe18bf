//! `longshore get`: one task, as it is now.

use std::path::PathBuf;

use clap::Args;
use serde_json::Value;
use time::OffsetDateTime;

use super::connect::Connect;
use super::download::Download;
use super::exit::Exit;
use super::failure::Failure;
use super::http::Http;
use super::interrupt::or_interrupt;
use super::screen::{Paint, Screen};
use super::task::{Task, doing, fault, status_paint};
use super::text::{age, clean, ms_between, size, span};

#[derive(Args, Debug)]
pub(crate) struct Get {
    /// The task's id
    id: String,

    /// Print the task as JSON, as the server gave it
    #[arg(long)]
    json: bool,

    /// Save its artifacts in this folder
    #[arg(long, value_name = "DIR")]
    download: Option<PathBuf>,

    /// Exit with 1 when the task failed or expired, and with 4 when it was canceled
    #[arg(long)]
    exit_status: bool,

    #[command(flatten)]
    pub(super) connect: Connect,
}

impl Get {
    pub(super) fn json(&self) -> bool {
        self.json
    }

    pub(super) async fn run(&self, screen: &Screen) -> Result<Exit, Failure> {
        let http = Http::new(&self.connect, screen)?;
        let task = fetch(&http, &self.id).await?;
        if self.json {
            screen.say(&pretty(task.value()))?;
        } else {
            show(screen, &task, now())?;
        }
        if let Some(folder) = &self.download {
            let download = Download { http: &http, screen, folder, on_out: !self.json };
            let Some(saved) = or_interrupt(download.all(&task)).await else {
                screen.note("Stopped; the download was not finished.");
                return Ok(Exit::Interrupted);
            };
            saved?;
        } else if !self.json && !task.artifacts().is_empty() && screen.out_is_terminal() {
            let suffix = self.connect.suffix();
            let line = format!("longshore get {} --download .{suffix}", clean(&self.id));
            screen.say(&screen.paint(Paint::Dim, &format!("\n  save them:  {line}")))?;
        }
        Ok(if self.exit_status { task.exit() } else { Exit::Ok })
    }
}

/// The task called `id`.
pub(super) async fn fetch(http: &Http, id: &str) -> Result<Task, Failure> {
    Ok(Task::new(http.get(http.url(&["tasks", id])).await?))
}

pub(super) fn now() -> OffsetDateTime {
    std::time::SystemTime::now().into()
}

pub(super) fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_else(|_| value.to_string())
}

/// Shows a task to a person.
pub(super) fn show(screen: &Screen, task: &Task, now: OffsetDateTime) -> Result<(), Failure> {
    let status = task.status();
    let painted = screen.paint(status_paint(status), &clean(status));
    let id = screen.paint(Paint::Bold, &clean(task.id()));
    screen.say(&format!("{id}  {}  {painted}", clean(task.kind())))?;
    let line = |name: &str, value: &str| {
        let name = screen.paint(Paint::Dim, &format!("{name:<10}"));
        screen.say(&format!("  {name} {value}"))
    };
    if let Some(reason) = task.field("status_reason") {
        line("because", &fault_or_detail(reason))?;
    }
    if let Some(progress) = task.field("progress") {
        let percent = task.percent().map(|percent| format!("{percent:.0} %  ")).unwrap_or_default();
        line("progress", format!("{percent}{}", doing(progress)).trim_end())?;
    }
    if let Some(attempt) = task.number("attempt") {
        let of = task.number("max_attempts").map(|max| format!(" of {max}")).unwrap_or_default();
        line("attempt", &format!("{attempt}{of}"))?;
    }
    if let Some(queue) = task.text("queue") {
        let priority = task.number("priority").map(|p| format!("  priority {p}")).unwrap_or_default();
        let group = task.text("group").map(|g| format!("  group {}", clean(g))).unwrap_or_default();
        line("queue", &format!("{}{priority}{group}", clean(queue)))?;
    }
    for (label, name) in [
        ("created", "created_at"),
        ("due", "scheduled_at"),
        ("deadline", "deadline"),
        ("started", "started_at"),
        ("finished", "finished_at"),
    ] {
        if let Some(text) = task.text(name) {
            line(label, &format!("{}{}", clean(text), ago(task.at(name), now)))?;
        }
    }
    let timings = [("waited", task.metric_ms("queue_ms")), ("ran", task.run_ms(now))];
    for (label, ms) in timings {
        if let Some(ms) = ms {
            line(label, &span(ms))?;
        }
    }
    if let Some(error) = task.field("error") {
        line("error", &screen.paint(Paint::Red, &fault(error)))?;
        if let Some(details) = error.get("details").filter(|details| !details.is_null()) {
            line("", &clean(&details.to_string()))?;
        }
    }
    if let Some(output) = task.field("output") {
        line("output", &clean(&output.to_string()))?;
    }
    for (index, artifact) in task.artifacts().iter().enumerate() {
        let bytes = artifact.size.map(size).unwrap_or_default();
        let kind = artifact.content_type.as_deref().map(clean).unwrap_or_default();
        let text = format!("{}  {bytes}  {kind}", clean(&artifact.name));
        line(if index == 0 { "artifacts" } else { "" }, text.trim_end())?;
    }
    Ok(())
}

fn fault_or_detail(reason: &Value) -> String {
    let detail = reason.get("detail").and_then(Value::as_str).map(clean);
    detail.unwrap_or_else(|| fault(reason))
}

fn ago(at: Option<OffsetDateTime>, now: OffsetDateTime) -> String {
    match at {
        Some(at) if at <= now => format!("  ({} ago)", age(ms_between(at, now))),
        Some(at) => format!("  (in {})", age(ms_between(now, at))),
        None => String::new(),
    }
}
