//! `longshore keys`: makes, lists, rotates and revokes API keys.

use std::time::Duration;

use clap::{Args, Subcommand};
use reqwest::header::HeaderMap;
use serde_json::{Value, json};

use super::connect::Connect;
use super::exit::Exit;
use super::failure::Failure;
use super::get::pretty;
use super::http::Http;
use super::screen::{Paint, Screen};
use super::span;
use super::table::{Cell, Table};
use super::text::clean;
use crate::direct;

#[derive(Args, Debug)]
pub(crate) struct Keys {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make a key; its secret is shown this once
    Create(Create),
    /// List the keys of a project
    List(List),
    /// Make another key in the place of one, which goes on for a while
    Rotate(Rotate),
    /// End a key
    Revoke(Revoke),
}

#[derive(Args, Debug)]
#[command(after_help = "\
Scopes: tasks:read, tasks:write, schedules, webhooks; admin (the keys and groups of its
project), operator (the installation: projects, queues, workers).

Examples:
  longshore keys create ci --scope tasks:read --scope tasks:write --expires 90d
  longshore keys create shop --project proj_... --all
  longshore keys create rescue --all --direct     when no key is known any more")]
struct Create {
    /// What people call it
    name: String,

    /// What it may do; can be given again
    #[arg(long = "scope", value_name = "SCOPE", required_unless_present = "all")]
    scopes: Vec<String>,

    /// It may do everything in its project; with --direct also operate the installation
    #[arg(long, conflicts_with = "scopes")]
    all: bool,

    /// It ends after this time: 12h, 90d [default: it does not]
    #[arg(long, value_name = "SPAN", value_parser = span::parse)]
    expires: Option<Duration>,

    /// The project that it belongs to [default: that of the key that makes it]
    #[arg(long, value_name = "PROJECT")]
    project: Option<String>,

    /// Write it straight into the database that the settings of this machine name, in the default project: for who has no key any more
    #[arg(long, conflicts_with = "project")]
    direct: bool,

    /// Print JSON, as the server gave it
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    connect: Connect,
}

#[derive(Args, Debug)]
struct List {
    /// Those of another project
    #[arg(long, value_name = "PROJECT")]
    project: Option<String>,

    /// Print JSON, as the server gave it
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    connect: Connect,
}

#[derive(Args, Debug)]
struct Rotate {
    /// The key, key_...
    id: String,

    /// The old key goes on for so long: 0s, 1h, 7d
    #[arg(long, value_name = "SPAN", default_value = "1d", value_parser = span::parse)]
    grace: Duration,

    /// Print JSON, as the server gave it
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    connect: Connect,
}

#[derive(Args, Debug)]
struct Revoke {
    /// The key, key_...
    id: String,

    /// Print JSON, as the server gave it
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    connect: Connect,
}

/// What a key may do that may do everything in its project.
const OF_A_PROJECT: [&str; 5] = ["tasks:read", "tasks:write", "schedules", "webhooks", "admin"];

impl Keys {
    pub(super) fn json(&self) -> bool {
        match &self.action {
            Action::Create(create) => create.json,
            Action::List(list) => list.json,
            Action::Rotate(rotate) => rotate.json,
            Action::Revoke(revoke) => revoke.json,
        }
    }

    pub(super) async fn run(&self, screen: &Screen) -> Result<Exit, Failure> {
        match &self.action {
            Action::Create(create) => create.run(screen).await,
            Action::List(list) => list.run(screen).await,
            Action::Rotate(rotate) => rotate.run(screen).await,
            Action::Revoke(revoke) => revoke.run(screen).await,
        }
    }
}

impl Create {
    async fn run(&self, screen: &Screen) -> Result<Exit, Failure> {
        if self.direct {
            let made = direct::create_key(&self.name, &self.scopes, self.expires).await;
            let made = made.map_err(|error| Failure::Local(format!("{error:#}")))?;
            return tell_new(screen, &json!({ "secret": made.text, "key": { "id": made.id.to_string() } }), self.json);
        }
        let scopes = if self.all { OF_A_PROJECT.map(str::to_owned).to_vec() } else { self.scopes.clone() };
        let mut body = json!({ "name": self.name, "scopes": scopes });
        if let Some(expires) = self.expires {
            body["expires_in_ms"] = millis(expires).into();
        }
        if let Some(project) = &self.project {
            body["project"] = project.as_str().into();
        }
        let http = Http::new(&self.connect, screen)?;
        let answer = http.post(http.url(&["keys"]), Some(&body), HeaderMap::new()).await?;
        tell_new(screen, &answer, self.json)
    }
}

impl List {
    async fn run(&self, screen: &Screen) -> Result<Exit, Failure> {
        let http = Http::new(&self.connect, screen)?;
        let mut url = http.url(&["keys"]);
        url.query_pairs_mut().append_pair("limit", "1000");
        if let Some(project) = &self.project {
            url.query_pairs_mut().append_pair("project", project);
        }
        let answer = http.get(url).await?;
        if self.json {
            screen.say(&pretty(&answer))?;
            return Ok(Exit::Ok);
        }
        let mut table = Table::with_head(["ID", "NAME", "STATUS", "SCOPES", "LAST USED", "EXPIRES"]);
        for key in answer.get("data").and_then(Value::as_array).into_iter().flatten() {
            table.row(row(key));
        }
        table.print(screen, "")?;
        Ok(Exit::Ok)
    }
}

impl Rotate {
    async fn run(&self, screen: &Screen) -> Result<Exit, Failure> {
        let http = Http::new(&self.connect, screen)?;
        let body = json!({ "grace_ms": millis(self.grace) });
        let answer = http.post(http.url(&["keys", &self.id, "rotate"]), Some(&body), HeaderMap::new()).await?;
        tell_new(screen, &answer, self.json)
    }
}

impl Revoke {
    async fn run(&self, screen: &Screen) -> Result<Exit, Failure> {
        let http = Http::new(&self.connect, screen)?;
        let answer = http.post(http.url(&["keys", &self.id, "revoke"]), None, HeaderMap::new()).await?;
        if self.json {
            screen.say(&pretty(&answer))?;
        } else {
            screen.say(&format!("{} is revoked", clean(&self.id)))?;
        }
        Ok(Exit::Ok)
    }
}

/// Says a key that was just made: the secret alone on standard output, so that a script can keep it.
fn tell_new(screen: &Screen, answer: &Value, json: bool) -> Result<Exit, Failure> {
    if json {
        screen.say(&pretty(answer))?;
        return Ok(Exit::Ok);
    }
    let text = |pointer: &str| answer.pointer(pointer).and_then(Value::as_str).map(clean).unwrap_or_default();
    screen.note(&format!("{}: this is shown once, so keep it now", text("/key/id")));
    screen.say(&text("/secret"))?;
    Ok(Exit::Ok)
}

fn row(key: &Value) -> [Cell; 6] {
    let text = |name: &str| key.get(name).and_then(Value::as_str).map(clean).unwrap_or_default();
    let scopes = key.get("scopes").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    let status = text("status");
    let status = if status == "active" { status.into() } else { Cell::painted(Paint::Yellow, status) };
    [
        text("id").into(),
        text("name").into(),
        status,
        clean(&scopes.collect::<Vec<_>>().join(" ")).into(),
        text("last_used_at").into(),
        text("expires_at").into(),
    ]
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
