//! `longshore list`: the tasks that match a filter, newest first.

use clap::Args;
use reqwest::Url;
use serde_json::{Value, json};

use super::connect::Connect;
use super::exit::Exit;
use super::failure::Failure;
use super::get::{now, pretty};
use super::http::Http;
use super::screen::{Paint, Screen};
use super::table::{Cell, Table};
use super::task::{Task, status_paint};
use super::text::{age, clean, ms_between, span};

#[derive(Args, Debug)]
pub(crate) struct List {
    /// Only tasks of this status
    #[arg(long, value_parser = [
        "scheduled", "blocked", "queued", "running", "retrying", "succeeded", "failed", "canceled", "expired",
    ])]
    status: Option<String>,

    /// Only tasks of this kind
    #[arg(long)]
    kind: Option<String>,

    /// Only tasks of this queue
    #[arg(long)]
    queue: Option<String>,

    /// Only tasks with this tag
    #[arg(long)]
    tag: Option<String>,

    /// How many tasks per page
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    limit: Option<u32>,

    /// Go on behind an earlier page
    #[arg(long, value_name = "CURSOR")]
    cursor: Option<String>,

    /// Fetch all pages
    #[arg(long)]
    all: bool,

    /// Print the page as JSON, as the server gave it
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    pub(super) connect: Connect,
}

impl List {
    pub(super) fn json(&self) -> bool {
        self.json
    }

    pub(super) async fn run(&self, screen: &Screen) -> Result<Exit, Failure> {
        let http = Http::new(&self.connect, screen)?;
        let mut tasks = Vec::new();
        let mut cursor = self.cursor.clone();
        let more = loop {
            let mut page = http.get(self.page(&http, cursor.as_deref())).await?;
            let data = page.get_mut("data").map(Value::take);
            let Some(Value::Array(data)) = data else {
                return Err(Failure::Broken("the server's list has no `data`".to_owned()));
            };
            let came = data.len();
            tasks.extend(data);
            let next = page.get("next_cursor").and_then(Value::as_str).map(str::to_owned);
            // A page that is empty or points to itself would go on for ever.
            let goes_on = next.is_some() && next != cursor && came > 0;
            if !self.all || !goes_on {
                break next;
            }
            cursor = next;
        };
        if self.json {
            let page = json!({ "data": tasks, "has_more": more.is_some(), "next_cursor": more });
            screen.say(&pretty(&page))?;
        } else {
            let tasks: Vec<_> = tasks.into_iter().map(Task::new).collect();
            self.show(screen, &tasks, more.as_deref())?;
        }
        Ok(Exit::Ok)
    }

    fn page(&self, http: &Http, cursor: Option<&str>) -> Url {
        let mut url = http.url(&["tasks"]);
        let limit = self.limit.map(|limit| limit.to_string());
        let wanted = [
            ("status", self.status.as_deref()),
            ("kind", self.kind.as_deref()),
            ("queue", self.queue.as_deref()),
            ("tag", self.tag.as_deref()),
            ("limit", limit.as_deref()),
            ("cursor", cursor),
        ];
        for (name, value) in wanted {
            if let Some(value) = value {
                url.query_pairs_mut().append_pair(name, value);
            }
        }
        url
    }

    fn show(&self, screen: &Screen, tasks: &[Task], more: Option<&str>) -> Result<(), Failure> {
        let suffix = self.connect.suffix();
        if tasks.is_empty() {
            return self.show_empty(screen, &suffix);
        }
        let now = now();
        let mut table = Table::with_head(["ID", "KIND", "STATUS", "PROGRESS", "AGE", "DURATION"]);
        for task in tasks {
            let percent = task.percent().map(|percent| format!("{percent:.0} %"));
            let age = task.at("created_at").map(|at| age(ms_between(at, now)));
            table.row([
                clean(task.id()).into(),
                clean(task.kind()).into(),
                Cell::painted(status_paint(task.status()), clean(task.status())),
                percent.unwrap_or_else(|| "-".to_owned()).into(),
                age.unwrap_or_else(|| "-".to_owned()).into(),
                task.run_ms(now).map(span).unwrap_or_else(|| "-".to_owned()).into(),
            ]);
        }
        table.print(screen, "")?;
        if let Some(cursor) = more {
            let line = format!("more: add --cursor {}, or --all", clean(cursor));
            screen.note(&screen.paint_err(Paint::Dim, &line));
        }
        Ok(())
    }

    /// Says on standard error what to do about an empty list: a script still reads nothing.
    fn show_empty(&self, screen: &Screen, suffix: &str) -> Result<(), Failure> {
        let is_filtered =
            [&self.status, &self.kind, &self.queue, &self.tag, &self.cursor].into_iter().any(Option::is_some);
        if is_filtered {
            screen.note("No task matches.");
        } else {
            screen.note("No tasks yet. Submit the first one:");
            screen.note(&format!("  longshore submit echo --watch{suffix}"));
            screen.note(&format!("  longshore kinds{suffix}    # what else this server can do"));
        }
        Ok(())
    }
}
