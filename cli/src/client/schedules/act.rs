//! `longshore schedules pause`, `resume`, `run` and `delete`.

use clap::{Args, ValueEnum};
use reqwest::header::HeaderMap;
use serde_json::{Map, Value, json};

use super::{Target, text};
use crate::client::exit::Exit;
use crate::client::failure::Failure;
use crate::client::get::pretty;
use crate::client::screen::Screen;

#[derive(Args, Debug)]
pub(super) struct Act {
    #[command(flatten)]
    pub(super) target: Target,
}

#[derive(Args, Debug)]
pub(super) struct Pause {
    #[command(flatten)]
    pub(super) target: Target,

    /// Why, for whoever finds it paused
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
}

#[derive(Args, Debug)]
pub(super) struct Run {
    #[command(flatten)]
    pub(super) target: Target,

    /// What happens if an earlier task has not ended [default: as the schedule says]
    #[arg(long)]
    overlap: Option<Overlap>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Overlap {
    Skip,
    Queue,
    Replace,
    Allow,
}

impl Overlap {
    fn name(self) -> &'static str {
        match self {
            Self::Skip => "skip",
            Self::Queue => "queue",
            Self::Replace => "replace",
            Self::Allow => "allow",
        }
    }
}

impl Pause {
    pub(super) async fn run(&self, screen: &Screen) -> Result<Exit, Failure> {
        let http = self.target.http(screen)?;
        let id = self.target.id(&http).await?;
        let body = self.note.as_ref().map(|note| json!({ "note": note }));
        let answer = http.post(http.url(&["schedules", &id, "pause"]), body.as_ref(), HeaderMap::new()).await?;
        self.target.tell(screen, &answer, "is paused")
    }
}

impl Act {
    pub(super) async fn resume(&self, screen: &Screen) -> Result<Exit, Failure> {
        let http = self.target.http(screen)?;
        let id = self.target.id(&http).await?;
        let answer = http.post(http.url(&["schedules", &id, "resume"]), None, HeaderMap::new()).await?;
        let next = super::short(&answer, "next_fire_at");
        self.target.tell(screen, &answer, &format!("goes on; it fires next at {next}"))
    }

    pub(super) async fn delete(&self, screen: &Screen) -> Result<Exit, Failure> {
        let http = self.target.http(screen)?;
        let id = self.target.id(&http).await?;
        http.delete(http.url(&["schedules", &id])).await?;
        self.target.tell(screen, &json!({ "id": id, "deleted": true }), "is removed")
    }
}

impl Run {
    pub(super) async fn run(&self, screen: &Screen) -> Result<Exit, Failure> {
        let http = self.target.http(screen)?;
        let id = self.target.id(&http).await?;
        let overlap = self.overlap.map(|overlap| ("overlap".to_owned(), overlap.name().into()));
        let body = overlap.map(|field| Value::Object(Map::from_iter([field])));
        let run = http.post(http.url(&["schedules", &id, "run"]), body.as_ref(), HeaderMap::new()).await?;
        if self.target.json {
            screen.say(&pretty(&run))?;
        } else {
            match text(&run, "outcome").as_str() {
                "fired" => screen.say(&text(&run, "task_id"))?,
                "waiting" => screen.note("its task waits until the one before has ended"),
                outcome => {
                    let why = run.pointer("/reason/detail").and_then(Value::as_str).unwrap_or_default();
                    screen.note(&format!("{outcome}: {}", crate::client::text::clean(why)));
                }
            }
        }
        Ok(if run["outcome"] == "failed" { Exit::Failed } else { Exit::Ok })
    }
}

impl Target {
    fn tell(&self, screen: &Screen, answer: &Value, what: &str) -> Result<Exit, Failure> {
        if self.json {
            screen.say(&pretty(answer))?;
        } else {
            screen.say(&format!("{} {what}", crate::client::text::clean(&self.schedule)))?;
        }
        Ok(Exit::Ok)
    }
}
