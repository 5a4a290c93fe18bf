//! `longshore kinds`: what the server can do.

use clap::Args;
use serde_json::Value;

use super::connect::Connect;
use super::exit::Exit;
use super::failure::Failure;
use super::get::pretty;
use super::http::Http;
use super::schema::fields;
use super::screen::{Paint, Screen};
use super::table::{Cell, Table};
use super::text::{clean, shell_word, span};

#[derive(Args, Debug)]
pub(crate) struct Kinds {
    /// Show this kind: its fields, defaults, and an example ready to paste
    kind: Option<String>,

    /// Print JSON, as the server gave it
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    pub(super) connect: Connect,
}

impl Kinds {
    pub(super) fn json(&self) -> bool {
        self.json
    }

    pub(super) async fn run(&self, screen: &Screen) -> Result<Exit, Failure> {
        let http = Http::new(&self.connect, screen)?;
        let url = match &self.kind {
            Some(kind) => http.url(&["kinds", kind]),
            None => http.url(&["kinds"]),
        };
        let answer = http.get(url).await?;
        match (&self.kind, self.json) {
            (_, true) => screen.say(&pretty(&answer))?,
            (Some(kind), false) => self.show(screen, kind, &answer)?,
            (None, false) => self.list(screen, &answer)?,
        }
        Ok(Exit::Ok)
    }

    fn list(&self, screen: &Screen, answer: &Value) -> Result<(), Failure> {
        let kinds = answer.as_array().or_else(|| first(answer, &["data", "kinds"])?.as_array());
        let Some(kinds) = kinds else {
            return Err(Failure::Broken("the server's list has no `data`".to_owned()));
        };
        let mut table = Table::with_head(["KIND", "QUEUE", "TIMEOUT", "ATTEMPTS", "WHAT IT DOES"]);
        for kind in kinds {
            let number = |name: &str| first(kind, &[name]).and_then(Value::as_u64);
            table.row([
                name(kind).into(),
                text(kind, &["queue"]).into(),
                number("timeout_ms").map(span).unwrap_or_default().into(),
                number("max_attempts").map(|n| n.to_string()).unwrap_or_default().into(),
                text(kind, &["summary", "description"]).into(),
            ]);
        }
        table.print(screen, "")?;
        let line = format!("one of them: longshore kinds KIND{}", self.connect.suffix());
        screen.note(&screen.paint_err(Paint::Dim, &line));
        Ok(())
    }

    fn show(&self, screen: &Screen, asked: &str, kind: &Value) -> Result<(), Failure> {
        let name = Some(name(kind)).filter(|name| !name.is_empty()).unwrap_or_else(|| clean(asked));
        let summary = text(kind, &["summary", "description"]);
        screen.say(format!("{}  {summary}", screen.paint(Paint::Bold, &name)).trim_end())?;
        for (title, names) in [("Input", ["input_schema", "input"]), ("Output", ["output_schema", "output"])] {
            let Some(schema) = first(kind, &names) else {
                continue;
            };
            screen.say(&format!("\n{}", screen.paint(Paint::Bold, title)))?;
            table(schema).print(screen, "  ")?;
        }
        let defaults = defaults(kind);
        if !defaults.is_empty() {
            screen.say(&format!("\n{}", screen.paint(Paint::Bold, "Defaults")))?;
            screen.say(&format!("  {defaults}"))?;
        }
        if let Some(example) = example(kind) {
            screen.say(&format!("\n{}", screen.paint(Paint::Bold, "Try it")))?;
            let input = shell_word(&clean(&example.to_string()));
            let suffix = self.connect.suffix();
            screen.say(&format!("  longshore submit {name} --watch{suffix} --input {input}"))?;
        }
        Ok(())
    }
}

fn table(schema: &Value) -> Table {
    let mut table = Table::with_head(["FIELD", "TYPE", "", "RULES", ""]);
    for field in fields(schema) {
        let must = if field.is_required { "required" } else { "" };
        table.row([
            Cell::painted(Paint::Cyan, field.name),
            field.kind.into(),
            Cell::painted(Paint::Yellow, must),
            field.rules.into(),
            Cell::painted(Paint::Dim, field.about),
        ]);
    }
    table
}

/// What applies when a task does not say otherwise: from a `defaults` object or beside the name.
fn defaults(kind: &Value) -> String {
    let of = |name: &str| {
        first(kind, &["defaults"]).and_then(|defaults| first(defaults, &[name])).or_else(|| first(kind, &[name]))
    };
    let mut parts = Vec::new();
    if let Some(queue) = of("queue").and_then(Value::as_str) {
        parts.push(format!("queue {}", clean(queue)));
    }
    if let Some(timeout) = of("timeout_ms").and_then(Value::as_u64) {
        parts.push(format!("timeout {}", span(timeout)));
    }
    if let Some(attempts) = of("max_attempts").and_then(Value::as_u64) {
        parts.push(format!("{attempts} attempts"));
    }
    if let Some(priority) = of("priority").and_then(Value::as_u64) {
        parts.push(format!("priority {priority}"));
    }
    parts.join(", ")
}

/// The example's input. A server may give the input alone or the whole task around it.
fn example(kind: &Value) -> Option<&Value> {
    let example = first(kind, &["example"]).or_else(|| first(kind, &["examples"])?.get(0))?;
    let is_whole_task = example.get("kind").is_some();
    example.get("input").filter(|_| is_whole_task).or(Some(example))
}

fn name(kind: &Value) -> String {
    match kind.as_str() {
        Some(name) => clean(name),
        None => text(kind, &["name", "kind", "id"]),
    }
}

fn text(value: &Value, names: &[&str]) -> String {
    first(value, names).and_then(Value::as_str).map(clean).unwrap_or_default()
}

/// The first of these fields that is there.
fn first<'a>(value: &'a Value, names: &[&str]) -> Option<&'a Value> {
    names.iter().find_map(|name| value.get(name).filter(|value| !value.is_null()))
}
