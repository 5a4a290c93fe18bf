//! `longshore schedules apply`: makes the schedules of a file, and says what was done.

use std::collections::BTreeMap;

use clap::Args;
use reqwest::header::HeaderMap;
use serde_json::{Map, Value, json};

use super::file::{Difference, File, differences};
use super::{all, fires, text};
use crate::client::connect::Connect;
use crate::client::exit::Exit;
use crate::client::failure::Failure;
use crate::client::get::pretty;
use crate::client::http::Http;
use crate::client::screen::{Paint, Screen};
use crate::client::text::clean;

#[derive(Args, Debug)]
#[command(after_help = "\
The file is TOML, a table for each schedule, with the fields of POST /schedules:

  [schedules.nightly-report]
  cron = \"0 3 * * *\"
  timezone = \"Europe/Paris\"
  overlap = \"queue\"
  task = { kind = \"echo\", input = { text = \"good night\" } }

  [schedules.heartbeat]
  every_ms = 60_000
  task = { kind = \"echo\", input = {} }

What a table leaves out is as it is by default. A schedule that is paused stays paused, unless the table says `enabled`.

Examples:
  longshore schedules apply schedules.toml --dry-run
  longshore schedules apply schedules.toml --prune")]
pub(super) struct Apply {
    /// The file, or - for standard input
    file: String,

    /// Only say what would be done
    #[arg(long)]
    dry_run: bool,

    /// Remove what the file made before and no longer has
    #[arg(long)]
    prune: bool,

    /// The name that the file goes by, when several files are called alike [default: its own]
    #[arg(long, value_name = "NAME")]
    source: Option<String>,

    /// Print what was done as JSON
    #[arg(long)]
    pub(super) json: bool,

    #[command(flatten)]
    connect: Connect,
}

/// What is done to a schedule.
#[derive(Debug)]
enum Step {
    Create(Map<String, Value>),
    Change {
        id: String,
        body: Map<String, Value>,
        differences: Vec<Difference>,
    },
    Leave,
    Delete {
        id: String,
    },
    /// The file had it once.
    Keep,
}

impl Step {
    fn name(&self) -> &'static str {
        match self {
            Self::Create(_) => "create",
            Self::Change { .. } => "change",
            Self::Leave => "leave",
            Self::Delete { .. } => "delete",
            Self::Keep => "keep",
        }
    }
}

impl Apply {
    pub(super) async fn run(&self, screen: &Screen) -> Result<Exit, Failure> {
        let file = File::read(&self.file, self.source.as_deref())?;
        let http = Http::new(&self.connect, screen)?;
        let steps = self.steps(file, all(&http).await?);
        let mut done = Vec::new();
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        let mut worst = Exit::Ok;
        for (name, step) in &steps {
            let result = if self.dry_run { check(&http, step).await } else { carry_out(&http, name, step).await };
            let mut line = json!({ "name": name, "action": step.name() });
            if let Step::Change { differences, .. } = step {
                line["changes"] = differences.iter().map(as_json).collect();
            }
            if !self.json {
                self.tell(screen, name, step)?;
            }
            match result {
                Ok(()) => *counts.entry(step.name()).or_default() += 1,
                Err(failure @ (Failure::Unreachable { .. } | Failure::ReaderGone)) => return Err(failure),
                Err(failure) => {
                    *counts.entry("fail").or_default() += 1;
                    worst = worst.max(failure.exit());
                    if let Failure::Refused(problem) = &failure {
                        line["error"] = problem.as_json();
                    }
                    if self.json { failure.tell_json(screen) } else { failure.tell(screen) }
                }
            }
            done.push(line);
        }
        if self.json {
            screen.say(&pretty(&json!({ "dry_run": self.dry_run, "data": done })))?;
        } else {
            self.sum_up(screen, &counts);
        }
        Ok(worst)
    }

    /// What is to be done to each schedule, by name.
    fn steps(&self, file: File, schedules: Vec<Value>) -> BTreeMap<String, Step> {
        let mut there: BTreeMap<String, Value> =
            schedules.into_iter().map(|schedule| (text(&schedule, "name"), schedule)).collect();
        let mut steps = BTreeMap::new();
        for (name, body) in file.schedules {
            let step = match there.remove(&name) {
                None => Step::Create(body),
                Some(schedule) => match differences(&schedule, &body) {
                    differences if differences.is_empty() => Step::Leave,
                    differences => Step::Change { id: text(&schedule, "id"), body, differences },
                },
            };
            steps.insert(name, step);
        }
        for (name, schedule) in there.into_iter().filter(|(_, schedule)| schedule["managed_by"] == *file.managed_by) {
            let step = if self.prune { Step::Delete { id: text(&schedule, "id") } } else { Step::Keep };
            steps.insert(name, step);
        }
        steps
    }

    fn tell(&self, screen: &Screen, name: &str, step: &Step) -> Result<(), Failure> {
        let name = clean(name);
        match step {
            Step::Create(body) => {
                screen.say(&screen.paint(Paint::Green, &format!("+ {name}")))?;
                for (field, value) in body {
                    screen.say(&format!("    {field}: {}", shown(value)))?;
                }
            }
            Step::Change { differences, .. } => {
                screen.say(&screen.paint(Paint::Yellow, &format!("~ {name}")))?;
                for Difference { field, is, wanted } in differences {
                    let (is, wanted) =
                        (screen.paint(Paint::Red, &shown(is)), screen.paint(Paint::Green, &shown(wanted)));
                    screen.say(&format!("    {field}: {is} -> {wanted}"))?;
                }
            }
            Step::Leave => screen.say(&screen.paint(Paint::Dim, &format!("= {name}")))?,
            Step::Delete { .. } => screen.say(&screen.paint(Paint::Red, &format!("- {name}")))?,
            Step::Keep => {
                let line = format!("? {name} is not in the file any more; --prune removes it");
                screen.say(&screen.paint(Paint::Dim, &line))?;
            }
        }
        Ok(())
    }

    fn sum_up(&self, screen: &Screen, counts: &BTreeMap<&str, usize>) {
        let words = [
            ("create", "created"),
            ("change", "changed"),
            ("leave", "as they were"),
            ("delete", "deleted"),
            ("keep", "no longer in the file"),
            ("fail", "refused"),
        ];
        let parts = words.iter().filter_map(|(step, word)| counts.get(step).map(|count| format!("{count} {word}")));
        let sum = parts.collect::<Vec<_>>().join(", ");
        let sum = if sum.is_empty() { "there is nothing in the file".to_owned() } else { sum };
        screen.note(&if self.dry_run { format!("dry run: {sum}") } else { sum });
    }
}

/// Does it.
async fn carry_out(http: &Http, name: &str, step: &Step) -> Result<(), Failure> {
    match step {
        Step::Create(body) => {
            let mut body = body.clone();
            body.insert("name".to_owned(), name.into());
            http.post(http.url(&["schedules"]), Some(&Value::Object(body)), HeaderMap::new()).await.map(drop)
        }
        Step::Change { id, differences, .. } => {
            let changes: Map<String, Value> =
                differences.iter().map(|difference| (difference.field.clone(), difference.wanted.clone())).collect();
            http.patch(http.url(&["schedules", id]), &Value::Object(changes)).await.map(drop)
        }
        Step::Delete { id } => http.delete(http.url(&["schedules", id])).await,
        Step::Leave | Step::Keep => Ok(()),
    }
}

/// Asks the server what it would say of the times. Of the task it says something only when it is told in earnest.
async fn check(http: &Http, step: &Step) -> Result<(), Failure> {
    let (Step::Create(body) | Step::Change { body, .. }) = step else { return Ok(()) };
    let mut times = fires::times(&Value::Object(body.clone()));
    times.insert("count".to_owned(), 1.into());
    http.post(http.url(&["schedules", "preview"]), Some(&Value::Object(times)), HeaderMap::new()).await.map(drop)
}

fn as_json(difference: &Difference) -> Value {
    json!({ "field": difference.field, "from": difference.is, "to": difference.wanted })
}

fn shown(value: &Value) -> String {
    match value {
        Value::Null => "none".to_owned(),
        Value::String(text) => clean(text),
        other => clean(&other.to_string()),
    }
}
