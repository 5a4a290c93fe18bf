//! `longshore queues`: what waits where, under which limits; pause one, or let it go on.

use clap::{Args, ValueEnum};
use reqwest::header::HeaderMap;
use serde_json::Value;

use super::connect::Connect;
use super::exit::Exit;
use super::failure::Failure;
use super::get::pretty;
use super::http::Http;
use super::screen::{Paint, Screen};
use super::table::{Cell, Table};
use super::text::{clean, span};

#[derive(Args, Debug)]
pub(crate) struct Queues {
    /// Show this queue alone
    queue: Option<String>,

    /// What to do with it: start nothing more of it, or go on
    #[arg(requires = "queue")]
    action: Option<Action>,

    /// Print JSON, as the server gave it
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    pub(super) connect: Connect,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Action {
    Pause,
    Resume,
}

impl Queues {
    pub(super) fn json(&self) -> bool {
        self.json
    }

    pub(super) async fn run(&self, screen: &Screen) -> Result<Exit, Failure> {
        let http = Http::new(&self.connect, screen)?;
        let answer = match (&self.queue, self.action) {
            (None, _) => http.get(http.url(&["queues"])).await?,
            (Some(queue), None) => http.get(http.url(&["queues", queue])).await?,
            (Some(queue), Some(action)) => {
                let action = match action {
                    Action::Pause => "pause",
                    Action::Resume => "resume",
                };
                http.post(http.url(&["queues", queue, action]), None, HeaderMap::new()).await?
            }
        };
        if self.json {
            screen.say(&pretty(&answer))?;
            return Ok(Exit::Ok);
        }
        let queues = answer.get("data").and_then(Value::as_array).map_or(std::slice::from_ref(&answer), Vec::as_slice);
        let mut table = Table::with_head(["QUEUE", "QUEUED", "RUNNING", "WORKERS", "SLOTS", "LIMITS"]);
        for queue in queues {
            table.row(row(queue));
        }
        table.print(screen, "")?;
        Ok(Exit::Ok)
    }
}

fn row(queue: &Value) -> [Cell; 6] {
    let number = |pointer: &str| queue.pointer(pointer).and_then(Value::as_u64).map_or("?".into(), |n| n.to_string());
    let is_paused = queue.pointer("/settings/paused") == Some(&Value::Bool(true));
    let limits = match (is_paused, limits(queue)) {
        (true, limits) if limits.is_empty() => Cell::painted(Paint::Yellow, "paused"),
        (true, limits) => Cell::painted(Paint::Yellow, format!("paused; {limits}")),
        (false, limits) => limits.into(),
    };
    let name = queue.get("name").and_then(Value::as_str).map(clean).unwrap_or_default();
    [
        name.into(),
        number("/counts/queued").into(),
        number("/counts/running").into(),
        number("/workers").into(),
        number("/slots").into(),
        limits,
    ]
}

/// What is limited, in words.
fn limits(queue: &Value) -> String {
    let of = |within: &str, whose: &str| {
        let number = |name: &str| queue.pointer(&format!("{within}/{name}")).and_then(Value::as_u64);
        let running = number("concurrency").map(|n| format!("{n} running{whose}"));
        let waiting = number("max_queued").map(|n| format!("{n} waiting{whose}"));
        let rate = number("rate/limit").zip(number("rate/per_ms"));
        let rate = rate.map(|(limit, per_ms)| format!("{limit} in {}{whose}", span(per_ms)));
        [running, rate, waiting]
    };
    let all = of("/settings", "").into_iter().chain(of("/settings/group_defaults", " a group"));
    all.flatten().collect::<Vec<_>>().join(", ")
}
