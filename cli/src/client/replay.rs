//! `longshore replay`: submits a task once more, as a new one.

use clap::Args;
use reqwest::header::HeaderMap;
use serde_json::{Map, Value};

use super::body;
use super::connect::Connect;
use super::exit::Exit;
use super::failure::Failure;
use super::get::pretty;
use super::http::Http;
use super::screen::{Paint, Screen};
use super::submit::Options;
use super::task::Task;
use super::text::clean;

#[derive(Args, Debug)]
pub(crate) struct Replay {
    /// The task that is repeated
    id: String,

    /// Another input: JSON, @FILE, or - for standard input
    #[arg(long, short, value_name = "JSON", allow_hyphen_values = true)]
    input: Option<String>,

    #[command(flatten)]
    options: Options,

    /// Print the new task as JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    pub(super) connect: Connect,
}

impl Replay {
    pub(super) fn json(&self) -> bool {
        self.json
    }

    pub(super) async fn run(&self, screen: &Screen) -> Result<Exit, Failure> {
        let http = Http::new(&self.connect, screen)?;
        let mut changes = Map::new();
        if let Some(input) = &self.input {
            changes.insert("input".to_owned(), body::input(input)?);
        }
        self.options.apply(&mut changes);
        let url = http.url(&["tasks", &self.id, "replay"]);
        let task = Task::new(http.post(url, Some(&Value::Object(changes)), HeaderMap::new()).await?);
        let id = clean(task.id());
        if self.json {
            screen.say(&pretty(task.value()))?;
        } else if screen.out_is_terminal() {
            let accepted = screen.paint(Paint::Green, "✓ accepted");
            screen.say(&format!("{accepted} {} {}", clean(task.kind()), screen.paint(Paint::Bold, &id)))?;
        } else {
            screen.say(&id)?;
        }
        Ok(Exit::Ok)
    }
}
