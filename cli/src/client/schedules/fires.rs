//! `longshore schedules next`, `preview` and `runs`: when it fires, and when it did.

use std::time::Duration;

use clap::Args;
use reqwest::header::HeaderMap;
use serde_json::{Map, Value, json};

use super::{Target, short, text};
use crate::client::connect::Connect;
use crate::client::exit::Exit;
use crate::client::failure::Failure;
use crate::client::get::pretty;
use crate::client::http::Http;
use crate::client::screen::{Paint, Screen};
use crate::client::span;
use crate::client::table::{Cell, Table};
use crate::client::text;

/// What of a schedule decides when it fires.
const TIMES: [&str; 6] = ["cron", "every_ms", "timezone", "dst", "starts_at", "ends_at"];

#[derive(Args, Debug)]
pub(super) struct Next {
    #[command(flatten)]
    pub(super) target: Target,

    /// So many fires
    #[arg(long, short = 'n', value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    count: u32,
}

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  longshore schedules preview '0 9 * * MON-FRI' --zone Europe/Paris
  longshore schedules preview '30 2 * * *' --zone America/New_York --from 2026-03-07T00:00:00Z
  longshore schedules preview --every 90m")]
pub(super) struct Preview {
    /// An expression: five fields, or six with seconds first, or @daily and the like
    #[arg(required_unless_present = "every")]
    cron: Option<String>,

    /// An interval in its place: 30s, 90m
    #[arg(long, value_name = "SPAN", conflicts_with = "cron", value_parser = span::parse)]
    every: Option<Duration>,

    /// The time zone [default: UTC]
    #[arg(long, value_name = "ZONE")]
    zone: Option<String>,

    /// What becomes of times that clocks skip or show twice
    #[arg(long, value_parser = ["cron", "first", "second", "both"])]
    dst: Option<String>,

    /// Fires after this time [default: now]
    #[arg(long, value_name = "TIME")]
    from: Option<String>,

    /// So many fires
    #[arg(long, short = 'n', value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=100))]
    count: u32,

    /// Print JSON, as the server gave it
    #[arg(long)]
    pub(super) json: bool,

    #[command(flatten)]
    connect: Connect,
}

#[derive(Args, Debug)]
pub(super) struct Runs {
    #[command(flatten)]
    pub(super) target: Target,

    /// So many, the latest first
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=100))]
    limit: u32,

    /// Go on behind an earlier page
    #[arg(long, value_name = "CURSOR")]
    cursor: Option<String>,
}

impl Next {
    pub(super) async fn run(&self, screen: &Screen) -> Result<Exit, Failure> {
        let http = self.target.http(screen)?;
        let schedule = self.target.find(&http).await?;
        let mut body = times(&schedule);
        body.insert("count".to_owned(), self.count.into());
        let seen = http.post(http.url(&["schedules", "preview"]), Some(&Value::Object(body)), HeaderMap::new()).await?;
        tell(screen, &seen, self.target.json)?;
        if schedule["status"] == "paused" && !self.target.json {
            screen.note("It is paused: none of these starts until it is resumed.");
        }
        Ok(Exit::Ok)
    }
}

impl Preview {
    pub(super) async fn run(&self, screen: &Screen) -> Result<Exit, Failure> {
        let http = Http::new(&self.connect, screen)?;
        let every_ms = self.every.map(|every| u64::try_from(every.as_millis()).unwrap_or(u64::MAX));
        let body = json!({
            "cron": self.cron, "every_ms": every_ms, "timezone": self.zone, "dst": self.dst, "from": self.from, "count": self.count,
        });
        let seen = http.post(http.url(&["schedules", "preview"]), Some(&body), HeaderMap::new()).await?;
        tell(screen, &seen, self.json)?;
        Ok(Exit::Ok)
    }
}

impl Runs {
    pub(super) async fn run(&self, screen: &Screen) -> Result<Exit, Failure> {
        let http = self.target.http(screen)?;
        let id = self.target.id(&http).await?;
        let mut url = http.url(&["schedules", &id, "runs"]);
        url.query_pairs_mut().append_pair("limit", &self.limit.to_string());
        if let Some(cursor) = &self.cursor {
            url.query_pairs_mut().append_pair("cursor", cursor);
        }
        let page = http.get(url).await?;
        if self.target.json {
            screen.say(&pretty(&page))?;
            return Ok(Exit::Ok);
        }
        let mut table = Table::with_head(["FIRE", "OUTCOME", "LATE", "TASK", "WHY"]);
        for run in page.get("data").and_then(Value::as_array).into_iter().flatten() {
            table.row(row(run));
        }
        table.print(screen, "")?;
        if let Some(cursor) = page.get("next_cursor").and_then(Value::as_str) {
            let line = format!("more: add --cursor {}", text::clean(cursor));
            screen.note(&screen.paint_err(Paint::Dim, &line));
        }
        Ok(Exit::Ok)
    }
}

/// What of a schedule decides when it fires, as a preview takes it.
pub(super) fn times(schedule: &Value) -> Map<String, Value> {
    TIMES.iter().filter_map(|name| Some(((*name).to_owned(), schedule.get(*name)?.clone()))).collect()
}

fn tell(screen: &Screen, seen: &Value, json: bool) -> Result<(), Failure> {
    if json {
        return screen.say(&pretty(seen));
    }
    let mut table = Table::with_head(["LOCAL TIME", "UTC", ""]);
    let fires = seen.get("data").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    for fire in fires {
        let odd = fire.pointer("/oddity/detail").and_then(Value::as_str).map(text::clean).unwrap_or_default();
        let local = text(fire, "local").replacen('T', " ", 1);
        table.row([local.into(), short(fire, "at").into(), Cell::painted(Paint::Yellow, odd)]);
    }
    if fires.is_empty() {
        screen.note("It does not fire any more.");
        return Ok(());
    }
    table.print(screen, "")
}

fn row(run: &Value) -> [Cell; 5] {
    let outcome = text(run, "outcome");
    let paint = match outcome.as_str() {
        "fired" => Paint::Green,
        "failed" => Paint::Red,
        _ => Paint::Yellow,
    };
    let late = run.get("late_ms").and_then(Value::as_u64).map(text::span).unwrap_or_default();
    let mut why = run.pointer("/reason/detail").and_then(Value::as_str).map(text::clean).unwrap_or_default();
    if run.get("until").is_some() {
        why = format!("all before {}: {why}", short(run, "until"));
    } else if run["trigger"] == "manual" {
        why = if why.is_empty() { "by hand".to_owned() } else { format!("by hand: {why}") };
    }
    [short(run, "fire_at").into(), Cell::painted(paint, outcome), late.into(), text(run, "task_id").into(), why.into()]
}
