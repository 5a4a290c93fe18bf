//! `longshore schedules`: declares schedules in a file, shows them, and what becomes of their fires.

mod act;
mod apply;
mod file;
mod fires;
mod list;
mod show;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::connect::Connect;
use super::exit::Exit;
use super::failure::Failure;
use super::http::Http;
use super::problem::Problem;
use super::screen::Screen;
use super::text::{clean, instant, span};

#[derive(Args, Debug)]
pub(crate) struct Schedules {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make the schedules of a file: create, change, leave, and say what was done
    Apply(apply::Apply),
    /// List schedules
    List(list::List),
    /// Show a schedule
    Show(show::Show),
    /// Say when a schedule fires next
    Next(fires::Next),
    /// Say when an expression or an interval would fire, and what is odd about it
    Preview(fires::Preview),
    /// List what became of the fires of a schedule
    Runs(fires::Runs),
    /// Pause a schedule
    Pause(act::Pause),
    /// Let a paused schedule go on
    Resume(act::Act),
    /// Make the task of a schedule now
    Run(act::Run),
    /// Remove a schedule; its tasks stay
    Delete(act::Act),
}

/// A schedule by its name or its id, and how to say what the server answers.
#[derive(Args, Debug)]
struct Target {
    /// The schedule: its name, or sched_...
    schedule: String,

    /// Print JSON, as the server gave it
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    connect: Connect,
}

impl Schedules {
    pub(super) fn json(&self) -> bool {
        match &self.action {
            Action::Apply(apply) => apply.json,
            Action::List(list) => list.json,
            Action::Show(show) => show.target.json,
            Action::Next(next) => next.target.json,
            Action::Preview(preview) => preview.json,
            Action::Runs(runs) => runs.target.json,
            Action::Pause(pause) => pause.target.json,
            Action::Resume(act) | Action::Delete(act) => act.target.json,
            Action::Run(run) => run.target.json,
        }
    }

    pub(super) async fn run(&self, screen: &Screen) -> Result<Exit, Failure> {
        match &self.action {
            Action::Apply(apply) => apply.run(screen).await,
            Action::List(list) => list.run(screen).await,
            Action::Show(show) => show.run(screen).await,
            Action::Next(next) => next.run(screen).await,
            Action::Preview(preview) => preview.run(screen).await,
            Action::Runs(runs) => runs.run(screen).await,
            Action::Pause(pause) => pause.run(screen).await,
            Action::Resume(act) => act.resume(screen).await,
            Action::Run(run) => run.run(screen).await,
            Action::Delete(act) => act.delete(screen).await,
        }
    }
}

impl Target {
    fn http(&self, screen: &Screen) -> Result<Http, Failure> {
        Http::new(&self.connect, screen)
    }

    /// The schedule as it stands.
    async fn find(&self, http: &Http) -> Result<Value, Failure> {
        if self.schedule.starts_with("sched_") {
            return http.get(http.url(&["schedules", &self.schedule])).await;
        }
        let mut url = http.url(&["schedules"]);
        url.query_pairs_mut().append_pair("name", &self.schedule);
        let mut page = http.get(url).await?;
        let found = page.get_mut("data").and_then(Value::as_array_mut).and_then(Vec::pop);
        found.ok_or_else(|| no_schedule(&self.schedule))
    }

    /// Its id.
    async fn id(&self, http: &Http) -> Result<String, Failure> {
        if self.schedule.starts_with("sched_") {
            Ok(self.schedule.clone())
        } else {
            self.find(http).await.map(|found| text(&found, "id"))
        }
    }
}

fn no_schedule(name: &str) -> Failure {
    let detail = format!("there is no schedule `{name}`");
    let body = json!({ "title": "There is no such schedule", "code": "schedule_not_found", "detail": detail });
    Failure::Refused(Box::new(Problem::read(404, body.to_string().as_bytes())))
}

/// All schedules of the project, by name.
async fn all(http: &Http) -> Result<Vec<Value>, Failure> {
    let mut schedules = Vec::new();
    let mut cursor: Option<String> = None;
    loop {
        let mut url = http.url(&["schedules"]);
        url.query_pairs_mut().append_pair("limit", "1000");
        if let Some(cursor) = &cursor {
            url.query_pairs_mut().append_pair("cursor", cursor);
        }
        let mut page = http.get(url).await?;
        let Some(Value::Array(data)) = page.get_mut("data").map(Value::take) else {
            return Err(Failure::Broken("the server's list has no `data`".to_owned()));
        };
        let came = data.len();
        schedules.extend(data);
        let next = page.get("next_cursor").and_then(Value::as_str).map(str::to_owned);
        if next.is_none() || next == cursor || came == 0 {
            return Ok(schedules);
        }
        cursor = next;
    }
}

/// A field of an answer, safe for a terminal.
fn text(value: &Value, name: &str) -> String {
    value.get(name).and_then(Value::as_str).map(clean).unwrap_or_default()
}

/// When it fires, as a person would say it.
fn when(schedule: &Value) -> String {
    match schedule.get("every_ms").and_then(Value::as_u64) {
        Some(ms) => format!("every {}", span(ms)),
        None => text(schedule, "cron"),
    }
}

/// A time of an answer as people read it, to the second.
fn short(value: &Value, name: &str) -> String {
    let at = value.get(name).and_then(Value::as_str).and_then(instant);
    at.map_or_else(
        || "-".to_owned(),
        |at| {
            let (date, time) = (at.date(), at.time());
            format!("{date} {:02}:{:02}:{:02}Z", time.hour(), time.minute(), time.second())
        },
    )
}
