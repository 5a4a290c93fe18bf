//! `longshore schedules list`.

use clap::Args;
use serde_json::{Value, json};

use super::{all, short, text, when};
use crate::client::connect::Connect;
use crate::client::exit::Exit;
use crate::client::failure::Failure;
use crate::client::get::pretty;
use crate::client::http::Http;
use crate::client::screen::{Paint, Screen};
use crate::client::table::{Cell, Table};

#[derive(Args, Debug)]
pub(super) struct List {
    /// Print JSON, as the server gave it
    #[arg(long)]
    pub(super) json: bool,

    #[command(flatten)]
    connect: Connect,
}

impl List {
    pub(super) async fn run(&self, screen: &Screen) -> Result<Exit, Failure> {
        let http = Http::new(&self.connect, screen)?;
        let schedules = all(&http).await?;
        if self.json {
            screen.say(&pretty(&json!({ "data": schedules, "has_more": false })))?;
            return Ok(Exit::Ok);
        }
        if schedules.is_empty() {
            screen.note("No schedules yet. Write some into a file, and make them:");
            screen.note(&format!("  longshore schedules apply schedules.toml{}", self.connect.suffix()));
            return Ok(Exit::Ok);
        }
        let mut table = Table::with_head(["NAME", "STATUS", "WHEN", "ZONE", "KIND", "NEXT", "LAST", "FIRED", "FAILED"]);
        for schedule in &schedules {
            table.row(row(schedule));
        }
        table.print(screen, "")?;
        Ok(Exit::Ok)
    }
}

fn row(schedule: &Value) -> [Cell; 9] {
    let count = |name: &str| schedule.pointer(&format!("/counts/{name}")).and_then(Value::as_u64).unwrap_or_default();
    let kind = schedule.pointer("/task/kind").and_then(Value::as_str).unwrap_or_default();
    let failed = count("failed");
    [
        text(schedule, "name").into(),
        status(schedule),
        when(schedule).into(),
        text(schedule, "timezone").into(),
        crate::client::text::clean(kind).into(),
        short(schedule, "next_fire_at").into(),
        short(schedule, "last_fire_at").into(),
        count("fired").to_string().into(),
        Cell::painted(if failed > 0 { Paint::Red } else { Paint::Plain }, failed.to_string()),
    ]
}

/// Where a schedule stands, in its colour.
pub(super) fn status(schedule: &Value) -> Cell {
    let status = text(schedule, "status");
    let paint = match status.as_str() {
        "active" => Paint::Green,
        "paused" => Paint::Yellow,
        _ => Paint::Dim,
    };
    Cell::painted(paint, status)
}
