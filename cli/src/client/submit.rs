//! `longshore submit`: hands a task to the server.

use std::time::Duration;

use clap::Args;
use reqwest::header::{HeaderMap, HeaderValue};
use serde_json::{Map, Value, json};
use time::format_description::well_known::Rfc3339;

use super::body;
use super::connect::Connect;
use super::exit::Exit;
use super::failure::Failure;
use super::get::{now, pretty, show};
use super::http::Http;
use super::report::Report;
use super::screen::{Paint, Screen};
use super::span;
use super::task::Task;
use super::text::{clean, instant};
use super::watch::{Vigil, Wait};

#[derive(Args, Debug)]
#[command(
    override_usage = "longshore submit KIND [--input JSON] [OPTIONS]\n       longshore submit --file task.json [OPTIONS]"
)]
pub(crate) struct Submit {
    /// What is to be done; `longshore kinds` lists what the server can do
    #[arg(required_unless_present = "file")]
    kind: Option<String>,

    /// The input: JSON, @FILE, or - for standard input
    #[arg(long, short, value_name = "JSON", conflicts_with = "file", allow_hyphen_values = true)]
    input: Option<String>,

    /// A JSON file (or -) with the whole task {"kind", "input", ...}, or with the input for KIND
    #[arg(long, short, value_name = "FILE")]
    file: Option<String>,

    #[command(flatten)]
    options: Options,

    /// A key that makes this submission safe to repeat: the same key gives the same task
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,

    /// Wait until the task is done, then show it
    #[arg(long)]
    wait: bool,

    /// Follow the task live until it is done
    #[arg(long)]
    watch: bool,

    /// Print JSON: the accepted task, with --wait the finished one, with --watch every event
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    waiting: Wait,

    #[command(flatten)]
    pub(super) connect: Connect,
}

/// The fields of a task that have an option of their own. They win over the file's.
#[derive(Args, Debug, Default)]
#[command(next_help_heading = "Task options")]
pub(super) struct Options {
    /// The queue, when it is not the kind's own
    #[arg(long)]
    queue: Option<String>,

    /// 0 to 9; 9 is taken first
    #[arg(long, value_name = "0..9", value_parser = clap::value_parser!(u8).range(0..=9))]
    priority: Option<u8>,

    /// Start not before this span from now: 5s, 10m, 2h
    #[arg(long, value_name = "SPAN", value_parser = span::parse, conflicts_with = "run_at")]
    delay: Option<Duration>,

    /// Start not before this time (RFC 3339)
    #[arg(long, value_name = "TIME", value_parser = rfc3339)]
    run_at: Option<String>,

    /// Expire when not started by this time: RFC 3339, or a span from now
    #[arg(long, value_name = "TIME|SPAN", value_parser = time_or_span)]
    deadline: Option<String>,

    /// How long an attempt may take: 30s, 5m
    #[arg(long, value_name = "SPAN", value_parser = span::parse)]
    timeout: Option<Duration>,

    /// How many attempts it gets
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    max_attempts: Option<u32>,

    /// The group it shares fairness and limits with
    #[arg(long)]
    group: Option<String>,

    /// Start when this task has succeeded; may be repeated
    #[arg(long, value_name = "ID")]
    depends_on: Vec<String>,

    /// Take the task that is there already for the same work, by this key or by the input
    #[arg(long, value_name = "KEY", num_args = 0..=1)]
    coalesce: Option<Option<String>>,

    /// With --coalesce: take one, too, that succeeded no longer ago than this
    #[arg(long, value_name = "SPAN", value_parser = span::parse, requires = "coalesce")]
    max_age: Option<Duration>,

    /// A tag to find it by; may be repeated
    #[arg(long = "tag", value_name = "TAG")]
    tags: Vec<String>,

    /// A note kept with it; may be repeated
    #[arg(long = "meta", value_name = "KEY=VALUE", value_parser = pair)]
    metadata: Vec<(String, String)>,
}

impl Submit {
    pub(super) fn json(&self) -> bool {
        self.json
    }

    pub(super) async fn run(&self, screen: &Screen) -> Result<Exit, Failure> {
        let http = Http::new(&self.connect, screen)?;
        let body = Value::Object(self.body()?);
        let accepted = http.post(http.url(&["tasks"]), Some(&body), self.headers()?).await?;
        let task = Task::new(accepted);
        if task.text("id").is_none() {
            return Err(Failure::Broken("the server accepted the task without naming its id".to_owned()));
        }
        let waits = self.wait || self.watch || self.waiting.download.is_some();
        self.tell_accepted(screen, &task, waits)?;
        if !waits {
            return Ok(Exit::Ok);
        }
        let vigil = Vigil {
            http: &http,
            screen,
            wait: &self.waiting,
            json: self.json,
            on_out: false,
            suffix: self.connect.suffix(),
        };
        let tasks = [task];
        let report = match (self.watch, self.json) {
            (true, true) => Report::json(screen),
            (true, false) => Report::for_person(screen, &tasks, false),
            // A person who waits likes to see for what; a script wants the end alone.
            (false, false) if screen.draws() => Report::for_person(screen, &tasks, false),
            (false, _) => Report::silent(screen),
        };
        let outcome = vigil.keep(&tasks, report).await?;
        if let ([ended], false) = (outcome.ended.as_slice(), self.watch) {
            match self.json {
                true => screen.say(&pretty(ended.value()))?,
                false if screen.out_is_terminal() => show(screen, ended, now())?,
                false => {}
            }
        }
        Ok(outcome.exit)
    }

    fn body(&self) -> Result<Map<String, Value>, Failure> {
        let mut body = match (&self.file, &self.kind) {
            (Some(path), kind) => body::from_file(&body::read(path)?, kind.as_deref())?,
            (None, Some(kind)) => {
                let input = self.input.as_deref().map(body::input).transpose()?;
                body::from_input(kind, input.unwrap_or_else(|| json!({})))
            }
            (None, None) => return Err(Failure::Usage("name a KIND or a --file".to_owned())),
        };
        self.options.apply(&mut body);
        Ok(body)
    }

    fn headers(&self) -> Result<HeaderMap, Failure> {
        let mut headers = HeaderMap::new();
        if let Some(key) = &self.idempotency_key {
            let value = HeaderValue::from_str(key).map_err(|_| {
                Failure::Usage("--idempotency-key holds a character that no header can carry".to_owned())
            })?;
            headers.insert("idempotency-key", value);
        }
        Ok(headers)
    }

    /// Says that the task is accepted. A script reads the id and nothing else.
    fn tell_accepted(&self, screen: &Screen, task: &Task, waits: bool) -> Result<(), Failure> {
        let id = clean(task.id());
        if self.json {
            return match (self.watch, waits) {
                (true, _) => {
                    let line = json!({ "task": id, "event": "accepted", "seq": null, "data": task.value() });
                    screen.say(&line.to_string())
                }
                (false, false) => screen.say(&pretty(task.value())),
                (false, true) => Ok(()),
            };
        }
        if !screen.out_is_terminal() {
            return screen.say(&id);
        }
        let accepted = screen.paint(Paint::Green, "✓ accepted");
        let status = clean(task.status());
        screen.say(&format!("{accepted} {} {} ({status})", clean(task.kind()), screen.paint(Paint::Bold, &id)))?;
        if waits {
            return Ok(());
        }
        let suffix = self.connect.suffix();
        screen.say("")?;
        for (command, why) in [
            (format!("longshore watch {id}{suffix}"), "follow it live"),
            (format!("longshore get {id}{suffix}"), "where it stands, and its result"),
            (format!("longshore cancel {id}{suffix}"), "stop it"),
        ] {
            screen.say(&format!("  {command}  {}", screen.paint(Paint::Dim, &format!("# {why}"))))?;
        }
        Ok(())
    }
}

impl Options {
    pub(super) fn apply(&self, body: &mut Map<String, Value>) {
        let ms = |span: Duration| Value::from(span.as_millis() as u64);
        let mut set = |name: &str, value: Option<Value>| {
            if let Some(value) = value {
                body.insert(name.to_owned(), value);
            }
        };
        set("queue", self.queue.clone().map(Value::from));
        set("priority", self.priority.map(Value::from));
        set("delay_ms", self.delay.map(ms));
        set("run_at", self.run_at.clone().map(Value::from));
        set("deadline", self.deadline.clone().map(Value::from));
        set("timeout_ms", self.timeout.map(ms));
        set("max_attempts", self.max_attempts.map(Value::from));
        set("group", self.group.clone().map(Value::from));
        set("depends_on", (!self.depends_on.is_empty()).then(|| self.depends_on.clone().into()));
        let coalesce = self.coalesce.as_ref().map(|key| {
            let key = key.clone().map(|key| ("key".to_owned(), key.into()));
            let max_age = self.max_age.map(|max_age| ("max_age_ms".to_owned(), ms(max_age)));
            Value::Object(key.into_iter().chain(max_age).collect())
        });
        set("coalesce", coalesce);
        set("tags", (!self.tags.is_empty()).then(|| self.tags.clone().into()));
        let notes = self.metadata.iter().map(|(key, value)| (key.clone(), value.as_str().into()));
        set("metadata", (!self.metadata.is_empty()).then(|| Value::Object(notes.collect())));
        // The two say the same thing, and the server takes one of them: the option wins.
        if self.delay.is_some() {
            body.remove("run_at");
        } else if self.run_at.is_some() {
            body.remove("delay_ms");
        }
    }
}

fn rfc3339(text: &str) -> Result<String, String> {
    let bad = || format!("`{text}` is no RFC 3339 time; write it like 2030-01-31T12:00:00Z");
    instant(text).map(|_| text.to_owned()).ok_or_else(bad)
}

fn time_or_span(text: &str) -> Result<String, String> {
    let Ok(span) = span::parse(text) else {
        return rfc3339(text);
    };
    (now() + span).format(&Rfc3339).map_err(|err| err.to_string())
}

pub(super) fn pair(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or_else(|| format!("`{text}` is no KEY=VALUE"))?;
    match key.is_empty() {
        true => Err(format!("`{text}` has no key")),
        false => Ok((key.to_owned(), value.to_owned())),
    }
}
