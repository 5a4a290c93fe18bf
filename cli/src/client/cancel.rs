//! `longshore cancel`: asks the server to stop tasks.

use clap::Args;
use reqwest::header::HeaderMap;

use super::connect::Connect;
use super::exit::Exit;
use super::failure::Failure;
use super::http::Http;
use super::screen::{Paint, Screen};
use super::task::{Task, status_paint};
use super::text::clean;

#[derive(Args, Debug)]
pub(crate) struct Cancel {
    /// The tasks' ids
    #[arg(required = true, value_name = "ID")]
    ids: Vec<String>,

    /// Print each task as one line of JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    pub(super) connect: Connect,
}

impl Cancel {
    pub(super) fn json(&self) -> bool {
        self.json
    }

    /// Goes through all ids, whatever happens to the ones before.
    pub(super) async fn run(&self, screen: &Screen) -> Result<Exit, Failure> {
        let http = Http::new(&self.connect, screen)?;
        let mut worst = Exit::Ok;
        for id in &self.ids {
            let url = http.url(&["tasks", id, "cancel"]);
            match http.post(url, None, HeaderMap::new()).await {
                Ok(value) => self.tell(screen, &Task::new(value))?,
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

    fn tell(&self, screen: &Screen, task: &Task) -> Result<(), Failure> {
        if self.json {
            return screen.say(&task.value().to_string());
        }
        let status = task.status();
        let what = match status {
            "canceled" => "canceled".to_owned(),
            _ if task.has_ended() => format!("was {} before", clean(status)),
            // The running process is told, and the task ends when it has stopped.
            _ => "is being canceled".to_owned(),
        };
        let paint = if task.has_ended() { status_paint(status) } else { Paint::Yellow };
        screen.say(&format!("{} {}", clean(task.id()), screen.paint(paint, &what)))
    }
}
