//! `longshore webhooks`: who is told of what happens, and what they were told.

mod listen;

use std::time::Duration;

use clap::{Args, Subcommand};
use reqwest::header::HeaderMap;
use serde_json::{Map, Value, json};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::connect::Connect;
use super::exit::Exit;
use super::failure::Failure;
use super::get::pretty;
use super::http::Http;
use super::screen::{Paint, Screen};
use super::span;
use super::table::{Cell, Table};
use super::text::clean;

#[derive(Args, Debug)]
pub(crate) struct Webhooks {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make a webhook; its secret is shown this once
    Create(Create),
    /// List the webhooks of the project
    List(Plain),
    /// Show a webhook, and how its deliveries went
    Show(One),
    /// Change a webhook: its address, its filters, or whether it is told anything
    Update(Box<Update>),
    /// Delete a webhook; what is pending is canceled
    Delete(One),
    /// Give a webhook another secret; the old one goes on signing for a while
    Rotate(Rotate),
    /// Send an event that says nothing
    Test(One),
    /// List what a webhook was told, or show one delivery
    Deliveries(Deliveries),
    /// Send one delivery again
    Redeliver(Redeliver),
    /// Send everything again that was not received in a time range
    Recover(Recover),
    /// Receive events on this machine, verify them and print them
    Listen(listen::Listen),
}

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  longshore webhooks create https://example.com/hook
  longshore webhooks create https://example.com/hook --event task.failed --kind video.generate")]
struct Create {
    /// Where it is told
    #[arg(value_name = "URL")]
    receiver: String,

    /// Of which events: task.succeeded, task.*, *; can be given again [default: how tasks end]
    #[arg(long = "event", value_name = "PATTERN")]
    events: Vec<String>,

    #[command(flatten)]
    filter: Filter,

    /// What people say of it
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,

    /// Sign with ed25519, too
    #[arg(long)]
    ed25519: bool,

    #[command(flatten)]
    plain: Plain,
}

/// Of which tasks.
#[derive(Args, Debug, Default)]
struct Filter {
    /// Only of tasks of this kind; can be given again
    #[arg(long = "kind", value_name = "KIND")]
    kinds: Vec<String>,

    /// Only of tasks with this tag; can be given again
    #[arg(long = "tag", value_name = "TAG")]
    tags: Vec<String>,

    /// Only of tasks of this group; can be given again
    #[arg(long = "group", value_name = "GROUP")]
    groups: Vec<String>,
}

#[derive(Args, Debug)]
struct Plain {
    /// Print JSON, as the server gave it
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    connect: Connect,
}

#[derive(Args, Debug)]
struct One {
    /// The webhook, whk_...
    id: String,

    #[command(flatten)]
    plain: Plain,
}

#[derive(Args, Debug)]
struct Update {
    /// The webhook, whk_...
    id: String,

    /// Where it is told
    #[arg(long, value_name = "URL")]
    to: Option<String>,

    /// Of which events; can be given again
    #[arg(long = "event", value_name = "PATTERN")]
    events: Vec<String>,

    #[command(flatten)]
    filter: Filter,

    /// What people say of it
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,

    /// It is told again, from now on
    #[arg(long, conflicts_with = "disable")]
    enable: bool,

    /// It is told nothing; what is pending is canceled
    #[arg(long)]
    disable: bool,

    #[command(flatten)]
    plain: Plain,
}

#[derive(Args, Debug)]
struct Rotate {
    /// The webhook, whk_...
    id: String,

    /// The old secret signs beside the new one for so long: 0s, 1h, 7d
    #[arg(long, value_name = "SPAN", default_value = "1d", value_parser = span::parse)]
    overlap: Duration,

    #[command(flatten)]
    plain: Plain,
}

#[derive(Args, Debug)]
struct Deliveries {
    /// The webhook, whk_...
    id: String,

    /// One delivery, dlv_..., with what was sent and answered
    delivery: Option<String>,

    /// Only those that are pending, succeeded, failed or canceled
    #[arg(long, value_name = "STATUS", conflicts_with = "delivery")]
    status: Option<String>,

    /// So many at most
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=200))]
    limit: u16,

    #[command(flatten)]
    plain: Plain,
}

#[derive(Args, Debug)]
struct Redeliver {
    /// The webhook, whk_...
    id: String,

    /// The delivery, dlv_...
    delivery: String,

    #[command(flatten)]
    plain: Plain,
}

#[derive(Args, Debug)]
struct Recover {
    /// The webhook, whk_...
    id: String,

    /// What was made in the last time: 2h, 3d
    #[arg(long, value_name = "SPAN", value_parser = span::parse)]
    since: Duration,

    #[command(flatten)]
    plain: Plain,
}

/// What a webhook hears that says nothing else: how tasks end.
const ENDED: [&str; 4] = ["task.succeeded", "task.failed", "task.canceled", "task.expired"];

impl Webhooks {
    pub(super) fn json(&self) -> bool {
        match &self.action {
            Action::Create(create) => create.plain.json,
            Action::List(plain) => plain.json,
            Action::Show(one) | Action::Delete(one) | Action::Test(one) => one.plain.json,
            Action::Update(update) => update.plain.json,
            Action::Rotate(rotate) => rotate.plain.json,
            Action::Deliveries(deliveries) => deliveries.plain.json,
            Action::Redeliver(redeliver) => redeliver.plain.json,
            Action::Recover(recover) => recover.plain.json,
            Action::Listen(listen) => listen.json(),
        }
    }

    pub(super) async fn run(&self, screen: &Screen) -> Result<Exit, Failure> {
        match &self.action {
            Action::Create(create) => create.run(screen).await,
            Action::List(plain) => list(plain, screen).await,
            Action::Show(one) => one.show(screen).await,
            Action::Update(update) => update.run(screen).await,
            Action::Delete(one) => one.delete(screen).await,
            Action::Rotate(rotate) => rotate.run(screen).await,
            Action::Test(one) => one.test(screen).await,
            Action::Deliveries(deliveries) => deliveries.run(screen).await,
            Action::Redeliver(redeliver) => redeliver.run(screen).await,
            Action::Recover(recover) => recover.run(screen).await,
            Action::Listen(listen) => listen.run(screen).await,
        }
    }
}

impl Filter {
    /// Puts what is said into a body.
    fn write(&self, body: &mut Map<String, Value>) {
        for (name, words) in [("kinds", &self.kinds), ("tags", &self.tags), ("groups", &self.groups)] {
            if !words.is_empty() {
                body.insert(name.to_owned(), json!(words));
            }
        }
    }
}

impl Create {
    async fn run(&self, screen: &Screen) -> Result<Exit, Failure> {
        let events = if self.events.is_empty() { ENDED.map(str::to_owned).to_vec() } else { self.events.clone() };
        let mut body = Map::from_iter([("url".to_owned(), json!(self.receiver)), ("events".to_owned(), json!(events))]);
        self.filter.write(&mut body);
        body.extend(self.description.iter().map(|text| ("description".to_owned(), json!(text))));
        body.extend(self.ed25519.then(|| ("ed25519".to_owned(), json!(true))));
        let http = Http::new(&self.plain.connect, screen)?;
        let answer = http.post(http.url(&["webhooks"]), Some(&body.into()), HeaderMap::new()).await?;
        tell_secret(screen, &answer, self.plain.json)
    }
}

async fn list(plain: &Plain, screen: &Screen) -> Result<Exit, Failure> {
    let http = Http::new(&plain.connect, screen)?;
    let mut url = http.url(&["webhooks"]);
    url.query_pairs_mut().append_pair("limit", "1000");
    let answer = http.get(url).await?;
    if plain.json {
        screen.say(&pretty(&answer))?;
        return Ok(Exit::Ok);
    }
    let mut table = Table::with_head(["ID", "STATUS", "URL", "EVENTS"]);
    for webhook in items(&answer, "data") {
        table.row([
            text(webhook, "/id").into(),
            status(webhook),
            text(webhook, "/url").into(),
            words(webhook, "events").into(),
        ]);
    }
    table.print(screen, "")?;
    Ok(Exit::Ok)
}

impl One {
    async fn show(&self, screen: &Screen) -> Result<Exit, Failure> {
        let http = Http::new(&self.plain.connect, screen)?;
        let webhook = http.get(http.url(&["webhooks", &self.id])).await?;
        let stats = http.get(http.url(&["webhooks", &self.id, "stats"])).await?;
        if self.plain.json {
            let mut both = webhook;
            both["stats"] = stats;
            screen.say(&pretty(&both))?;
            return Ok(Exit::Ok);
        }
        let mut table = Table::default();
        let mut line = |name: &str, value: Cell| table.row([Cell::painted(Paint::Bold, name), value]);
        line("id", text(&webhook, "/id").into());
        line("url", text(&webhook, "/url").into());
        line("status", status(&webhook));
        line("events", words(&webhook, "events").into());
        for name in ["kinds", "tags", "groups"] {
            if !words(&webhook, name).is_empty() {
                line(name, words(&webhook, name).into());
            }
        }
        for (name, pointer) in
            [("description", "/description"), ("failing since", "/failing_since"), ("public key", "/public_key")]
        {
            if !text(&webhook, pointer).is_empty() {
                line(name, text(&webhook, pointer).into());
            }
        }
        let number = |name: &str| stats.get(name).and_then(Value::as_u64).unwrap_or_default();
        let lately =
            format!("{} received, {} given up, {} requests", number("succeeded"), number("failed"), number("attempts"));
        line("last day", lately.into());
        line("pending", number("pending").to_string().into());
        table.print(screen, "")?;
        Ok(Exit::Ok)
    }

    async fn delete(&self, screen: &Screen) -> Result<Exit, Failure> {
        let http = Http::new(&self.plain.connect, screen)?;
        http.delete(http.url(&["webhooks", &self.id])).await?;
        screen.note(&format!("{} is gone", clean(&self.id)));
        Ok(Exit::Ok)
    }

    async fn test(&self, screen: &Screen) -> Result<Exit, Failure> {
        let http = Http::new(&self.plain.connect, screen)?;
        let sent = http.post(http.url(&["webhooks", &self.id, "test"]), None, HeaderMap::new()).await?;
        let delivery = text(&sent, "/id");
        // An answer comes at once, or an attempt takes as long as one may.
        let mut seen = sent;
        for _ in 0..200 {
            if items(&seen, "attempts").next().is_some() || text(&seen, "/status") != "pending" {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
            seen = http.get(http.url(&["webhooks", &self.id, "deliveries", &delivery])).await?;
        }
        if self.plain.json {
            screen.say(&pretty(&seen))?;
        } else {
            tell_attempts(screen, &seen)?;
        }
        Ok(if text(&seen, "/status") == "succeeded" { Exit::Ok } else { Exit::Failed })
    }
}

impl Update {
    async fn run(&self, screen: &Screen) -> Result<Exit, Failure> {
        let mut body = Map::new();
        body.extend(self.to.iter().map(|url| ("url".to_owned(), json!(url))));
        body.extend((!self.events.is_empty()).then(|| ("events".to_owned(), json!(self.events))));
        body.extend(self.description.iter().map(|text| ("description".to_owned(), json!(text))));
        body.extend((self.enable || self.disable).then(|| ("enabled".to_owned(), json!(self.enable))));
        self.filter.write(&mut body);
        let http = Http::new(&self.plain.connect, screen)?;
        let answer = http.patch(http.url(&["webhooks", &self.id]), &body.into()).await?;
        if self.plain.json {
            screen.say(&pretty(&answer))?;
        } else {
            screen.say(&format!(
                "{} is {}",
                text(&answer, "/id"),
                if answer["enabled"] == true { "told" } else { "disabled" }
            ))?;
        }
        Ok(Exit::Ok)
    }
}

impl Rotate {
    async fn run(&self, screen: &Screen) -> Result<Exit, Failure> {
        let http = Http::new(&self.plain.connect, screen)?;
        let overlap_ms = u64::try_from(self.overlap.as_millis()).unwrap_or(u64::MAX);
        let body = json!({ "overlap_ms": overlap_ms });
        let answer = http.post(http.url(&["webhooks", &self.id, "rotate"]), Some(&body), HeaderMap::new()).await?;
        tell_secret(screen, &answer, self.plain.json)
    }
}

impl Deliveries {
    async fn run(&self, screen: &Screen) -> Result<Exit, Failure> {
        let http = Http::new(&self.plain.connect, screen)?;
        if let Some(delivery) = &self.delivery {
            let answer = http.get(http.url(&["webhooks", &self.id, "deliveries", delivery])).await?;
            if self.plain.json {
                screen.say(&pretty(&answer))?;
            } else {
                tell_attempts(screen, &answer)?;
                screen.say(&pretty(answer.get("body").unwrap_or(&Value::Null)))?;
            }
            return Ok(Exit::Ok);
        }
        let mut url = http.url(&["webhooks", &self.id, "deliveries"]);
        url.query_pairs_mut().append_pair("limit", &self.limit.to_string());
        if let Some(status) = &self.status {
            url.query_pairs_mut().append_pair("status", status);
        }
        let answer = http.get(url).await?;
        if self.plain.json {
            screen.say(&pretty(&answer))?;
            return Ok(Exit::Ok);
        }
        let mut table = Table::with_head(["ID", "TYPE", "STATUS", "TRIED", "LAST", "CREATED"]);
        for delivery in items(&answer, "data") {
            let last = items(delivery, "attempts").last();
            table.row([
                text(delivery, "/id").into(),
                text(delivery, "/type").into(),
                outcome(delivery),
                items(delivery, "attempts").count().to_string().into(),
                last.map(answer_of).unwrap_or_default().into(),
                text(delivery, "/created_at").into(),
            ]);
        }
        table.print(screen, "")?;
        Ok(Exit::Ok)
    }
}

impl Redeliver {
    async fn run(&self, screen: &Screen) -> Result<Exit, Failure> {
        let http = Http::new(&self.plain.connect, screen)?;
        let url = http.url(&["webhooks", &self.id, "deliveries", &self.delivery, "redeliver"]);
        let answer = http.post(url, None, HeaderMap::new()).await?;
        if self.plain.json {
            screen.say(&pretty(&answer))?;
        } else {
            screen.say(&format!("{} is pending again", text(&answer, "/id")))?;
        }
        Ok(Exit::Ok)
    }
}

impl Recover {
    async fn run(&self, screen: &Screen) -> Result<Exit, Failure> {
        let http = Http::new(&self.plain.connect, screen)?;
        let since = OffsetDateTime::from(std::time::SystemTime::now()) - self.since;
        let since = since.format(&Rfc3339).map_err(|error| Failure::Local(error.to_string()))?;
        let mut body = json!({ "since": since });
        let mut recovered = 0;
        loop {
            let answer = http.post(http.url(&["webhooks", &self.id, "recover"]), Some(&body), HeaderMap::new()).await?;
            recovered += answer.get("recovered").and_then(Value::as_u64).unwrap_or_default();
            match answer.get("next_cursor").filter(|cursor| !cursor.is_null()) {
                Some(cursor) => body["cursor"] = cursor.clone(),
                None => break,
            }
        }
        match self.plain.json {
            true => screen.say(&pretty(&json!({ "recovered": recovered })))?,
            false => screen.say(&format!("{recovered} are pending again"))?,
        }
        Ok(Exit::Ok)
    }
}

/// Says a secret that was just made: alone on standard output, so that a script can keep it.
fn tell_secret(screen: &Screen, answer: &Value, json: bool) -> Result<Exit, Failure> {
    if json {
        screen.say(&pretty(answer))?;
        return Ok(Exit::Ok);
    }
    screen.note(&format!("{}: its secret is shown once, so keep it now", text(answer, "/webhook/id")));
    screen.say(&text(answer, "/secret"))?;
    Ok(Exit::Ok)
}

fn tell_attempts(screen: &Screen, delivery: &Value) -> Result<(), Failure> {
    let head = format!("{} {} {}", text(delivery, "/id"), text(delivery, "/type"), text(delivery, "/status"));
    screen.say(&screen.paint(Paint::Bold, &head))?;
    let mut table = Table::default();
    for attempt in items(delivery, "attempts") {
        let took = attempt.get("took_ms").and_then(Value::as_u64).unwrap_or_default();
        let body = text(attempt, "/details/response/body");
        let said = if body.is_empty() { text(attempt, "/details/response/message") } else { body };
        let number = attempt.get("attempt").map(ToString::to_string).unwrap_or_default();
        table.row([
            number.into(),
            text(attempt, "/at").into(),
            answer_of(attempt).into(),
            format!("{took} ms").into(),
            said.into(),
        ]);
    }
    table.print(screen, "  ")
}

/// What came of an attempt, in a word: its status, or why there is none.
fn answer_of(attempt: &Value) -> String {
    let status = attempt.get("status").and_then(Value::as_u64);
    status.map_or_else(|| text(attempt, "/error"), |status| status.to_string())
}

fn outcome(delivery: &Value) -> Cell {
    let status = text(delivery, "/status");
    match status.as_str() {
        "failed" => Cell::painted(Paint::Red, status),
        "pending" => Cell::painted(Paint::Yellow, status),
        _ => status.into(),
    }
}

fn status(webhook: &Value) -> Cell {
    match text(webhook, "/disabled_reason") {
        reason if reason.is_empty() => "enabled".into(),
        reason => Cell::painted(Paint::Yellow, format!("disabled: {reason}")),
    }
}

fn text(value: &Value, pointer: &str) -> String {
    value.pointer(pointer).and_then(Value::as_str).map(clean).unwrap_or_default()
}

fn words(value: &Value, name: &str) -> String {
    clean(&items(value, name).filter_map(Value::as_str).collect::<Vec<_>>().join(" "))
}

fn items<'a>(value: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    value.get(name).and_then(Value::as_array).into_iter().flatten()
}
