//! `longshore schedules show`.

use clap::Args;
use serde_json::Value;

use super::{Target, short, text, when};
use crate::client::exit::Exit;
use crate::client::failure::Failure;
use crate::client::get::pretty;
use crate::client::screen::{Paint, Screen};
use crate::client::table::{Cell, Table};
use crate::client::text::span;

#[derive(Args, Debug)]
pub(super) struct Show {
    #[command(flatten)]
    pub(super) target: Target,
}

impl Show {
    pub(super) async fn run(&self, screen: &Screen) -> Result<Exit, Failure> {
        let http = self.target.http(screen)?;
        let schedule = self.target.find(&http).await?;
        if self.target.json {
            screen.say(&pretty(&schedule))?;
            return Ok(Exit::Ok);
        }
        show(screen, &schedule)?;
        Ok(Exit::Ok)
    }
}

/// A schedule for people.
pub(super) fn show(screen: &Screen, schedule: &Value) -> Result<(), Failure> {
    let mut table = Table::default();
    let mut line = |name: &str, value: String| {
        if !value.is_empty() && value != "-" {
            table.row([Cell::painted(Paint::Dim, name), value.into()]);
        }
    };
    let count = |name: &str| schedule.pointer(&format!("/counts/{name}")).and_then(Value::as_u64).unwrap_or_default();
    let mut status = text(schedule, "status");
    let note = text(schedule, "note");
    if !note.is_empty() {
        status = format!("{status}: {note}");
    }
    let jitter = schedule.get("jitter_ms").and_then(Value::as_u64).filter(|ms| *ms > 0);
    line("name", text(schedule, "name"));
    line("id", text(schedule, "id"));
    line("status", status);
    line("when", format!("{} ({})", when(schedule), text(schedule, "timezone")));
    line("put off", jitter.map(|ms| format!("by less than {}", span(ms))).unwrap_or_default());
    line("from", short(schedule, "starts_at"));
    line("until", short(schedule, "ends_at"));
    line("overlap", text(schedule, "overlap"));
    line("catch up", text(schedule, "catch_up"));
    line("dst", text(schedule, "dst"));
    line("kept by", text(schedule, "managed_by"));
    line("next", short(schedule, "next_fire_at"));
    line("waits", short(schedule, "waiting_fire_at"));
    line("last", short(schedule, "last_fire_at"));
    line("last task", text(schedule, "last_task_id"));
    line("fires", format!("{} fired, {} skipped, {} failed", count("fired"), count("skipped"), count("failed")));
    line("task", schedule.get("task").map(Value::to_string).unwrap_or_default());
    table.print(screen, "")
}
