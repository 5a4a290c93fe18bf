//! `longshore cancel`, `retry` and `delete`: what is done to tasks, named by their ids or by what they are.

use clap::Args;
use reqwest::header::HeaderMap;
use serde_json::{Map, Value};

use super::connect::Connect;
use super::exit::Exit;
use super::failure::Failure;
use super::http::Http;
use super::screen::{Paint, Screen};
use super::task::{Task, status_paint};
use super::text::{clean, instant};

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    Cancel,
    Retry,
    Delete,
}

#[derive(Args, Debug)]
#[command(
    override_usage = "longshore <cancel|retry|delete> ID...\n       longshore <cancel|retry|delete> [FILTER]... [--dry-run]"
)]
pub(crate) struct Act {
    /// The tasks' ids; or say by filters which tasks are meant
    #[arg(value_name = "ID", conflicts_with_all = ["status", "kind", "queue", "group", "tag", "metadata", "created_after", "created_before", "all", "dry_run"])]
    ids: Vec<String>,

    #[command(flatten)]
    which: Which,

    /// Print JSON: each task, or what became of all that match, as one line
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    pub(super) connect: Connect,
}

/// Which tasks are meant when no id is given.
#[derive(Args, Debug)]
#[command(next_help_heading = "Filters")]
struct Which {
    /// Only tasks of this status; may be repeated
    #[arg(long, value_parser = [
        "scheduled", "blocked", "queued", "running", "retrying", "succeeded", "failed", "canceled", "expired",
    ])]
    status: Vec<String>,

    /// Only tasks of this kind
    #[arg(long)]
    kind: Option<String>,

    /// Only tasks of this queue
    #[arg(long)]
    queue: Option<String>,

    /// Only tasks of this group
    #[arg(long)]
    group: Option<String>,

    /// Only tasks with this tag
    #[arg(long)]
    tag: Option<String>,

    /// Only tasks whose metadata has this; may be repeated
    #[arg(long = "meta", id = "metadata", value_name = "KEY=VALUE", value_parser = super::submit::pair)]
    metadata: Vec<(String, String)>,

    /// Only tasks accepted at this time (RFC 3339) or later
    #[arg(long, value_name = "TIME", value_parser = time)]
    created_after: Option<String>,

    /// Only tasks accepted before this time (RFC 3339)
    #[arg(long, value_name = "TIME", value_parser = time)]
    created_before: Option<String>,

    /// All tasks that there are
    #[arg(long)]
    all: bool,

    /// Only say how many there are and what would be done
    #[arg(long)]
    dry_run: bool,
}

/// What the server did to many tasks, over all requests.
#[derive(Default)]
struct Sum {
    matched: u64,
    changed: u64,
    reasons: Map<String, Value>,
}

impl Act {
    pub(super) fn json(&self) -> bool {
        self.json
    }

    pub(super) async fn run(&self, verb: Verb, screen: &Screen) -> Result<Exit, Failure> {
        let http = Http::new(&self.connect, screen)?;
        if self.ids.is_empty() {
            self.run_on_all(verb, &http, screen).await
        } else {
            self.run_on_each(verb, &http, screen).await
        }
    }

    /// Goes through all ids, whatever happens to the ones before.
    async fn run_on_each(&self, verb: Verb, http: &Http, screen: &Screen) -> Result<Exit, Failure> {
        let mut worst = Exit::Ok;
        for id in &self.ids {
            let done = match verb {
                Verb::Cancel => http.post(http.url(&["tasks", id, "cancel"]), None, HeaderMap::new()).await.map(Some),
                Verb::Retry => http.post(http.url(&["tasks", id, "retry"]), None, HeaderMap::new()).await.map(Some),
                Verb::Delete => http.delete(http.url(&["tasks", id])).await.map(|()| None),
            };
            match done {
                Ok(Some(value)) => self.tell(verb, screen, &Task::new(value))?,
                Ok(None) if self.json => screen.say(&serde_json::json!({ "id": id, "deleted": true }).to_string())?,
                Ok(None) => screen.say(&format!("{} deleted", clean(id)))?,
                Err(Failure::ReaderGone) => return Err(Failure::ReaderGone),
                Err(failure) => {
                    worst = worst.max(failure.exit());
                    if self.json {
                        failure.tell_json(screen);
                    } else {
                        screen.note(&format!("{}:", clean(id)));
                        failure.tell(screen);
                    }
                }
            }
        }
        Ok(worst)
    }

    /// Asks again and again until the server has been through all that match.
    async fn run_on_all(&self, verb: Verb, http: &Http, screen: &Screen) -> Result<Exit, Failure> {
        let mut body = self.which.body()?;
        let mut sum = Sum::default();
        loop {
            let url = http.url(&["tasks", "actions", verb.name()]);
            let done = http.post(url, Some(&Value::Object(body.clone())), HeaderMap::new()).await?;
            sum.add(&done);
            let next = done.get("next_cursor").filter(|cursor| cursor.is_string());
            // A cursor that stays would go on for ever.
            match next.filter(|next| body.get("cursor") != Some(*next)) {
                Some(next) => drop(body.insert("cursor".to_owned(), next.clone())),
                None => break,
            }
        }
        self.tell_sum(verb, screen, &sum)?;
        Ok(Exit::Ok)
    }

    fn tell(&self, verb: Verb, screen: &Screen, task: &Task) -> Result<(), Failure> {
        if self.json {
            return screen.say(&task.value().to_string());
        }
        let status = task.status();
        let what = match (verb, status) {
            (Verb::Retry, _) => format!("is {}", clean(status)),
            (_, "canceled") => "canceled".to_owned(),
            _ if task.has_ended() => format!("was {} before", clean(status)),
            // The running process is told, and the task ends when it has stopped.
            _ => "is being canceled".to_owned(),
        };
        let paint = if task.has_ended() { status_paint(status) } else { Paint::Yellow };
        screen.say(&format!("{} {}", clean(task.id()), screen.paint(paint, &what)))
    }

    fn tell_sum(&self, verb: Verb, screen: &Screen, sum: &Sum) -> Result<(), Failure> {
        if self.json {
            let line = serde_json::json!({
                "dry_run": self.which.dry_run, "matched": sum.matched, "changed": sum.changed, "reasons": sum.reasons,
            });
            return screen.say(&line.to_string());
        }
        let what = verb.what(self.which.dry_run);
        screen.say(&format!("{} of {} tasks {what}", sum.changed, sum.matched))?;
        for (reason, count) in &sum.reasons {
            screen.say(&format!("  {count} left as they are: {}", clean(reason)))?;
        }
        Ok(())
    }
}

impl Verb {
    fn name(self) -> &'static str {
        match self {
            Self::Cancel => "cancel",
            Self::Retry => "retry",
            Self::Delete => "delete",
        }
    }

    fn what(self, is_dry: bool) -> &'static str {
        match (self, is_dry) {
            (Self::Cancel, false) => "are canceled, or told to stop",
            (Self::Cancel, true) => "would be canceled",
            (Self::Retry, false) => "are tried again",
            (Self::Retry, true) => "would be tried again",
            (Self::Delete, false) => "are deleted",
            (Self::Delete, true) => "would be deleted",
        }
    }
}

impl Which {
    /// The body of a request; none that means everything unless that was said.
    fn body(&self) -> Result<Map<String, Value>, Failure> {
        let words = [
            ("kind", &self.kind),
            ("queue", &self.queue),
            ("group", &self.group),
            ("tag", &self.tag),
            ("created_after", &self.created_after),
            ("created_before", &self.created_before),
        ];
        let mut body: Map<String, Value> =
            words.into_iter().filter_map(|(name, word)| Some((name.to_owned(), word.clone()?.into()))).collect();
        if !self.status.is_empty() {
            body.insert("status".to_owned(), self.status.clone().into());
        }
        if !self.metadata.is_empty() {
            let facts = self.metadata.iter().map(|(key, value)| (key.clone(), value.as_str().into()));
            body.insert("metadata".to_owned(), Value::Object(facts.collect()));
        }
        if body.is_empty() && !self.all {
            return Err(Failure::Usage("name tasks by their ids, by filters such as --status, or by --all".to_owned()));
        }
        body.insert("all".to_owned(), self.all.into());
        body.insert("dry_run".to_owned(), self.dry_run.into());
        body.insert("limit".to_owned(), 10_000.into());
        Ok(body)
    }
}

impl Sum {
    fn add(&mut self, done: &Value) {
        let number = |value: Option<&Value>| value.and_then(Value::as_u64).unwrap_or_default();
        self.matched += number(done.get("matched"));
        self.changed += number(done.get("changed"));
        for (reason, count) in done.get("reasons").and_then(Value::as_object).into_iter().flatten() {
            let before = number(self.reasons.get(reason));
            self.reasons.insert(reason.clone(), (before + number(Some(count))).into());
        }
    }
}

fn time(text: &str) -> Result<String, String> {
    let bad = || format!("`{text}` is no RFC 3339 time; write it like 2030-01-31T12:00:00Z");
    instant(text).map(|_| text.to_owned()).ok_or_else(bad)
}
