//! `longshore projects`: makes and lists the tenants of a server.

use clap::{Args, Subcommand};
use reqwest::header::HeaderMap;
use serde_json::{Value, json};

use super::connect::Connect;
use super::exit::Exit;
use super::failure::Failure;
use super::get::pretty;
use super::http::Http;
use super::screen::Screen;
use super::table::Table;
use super::text::clean;

#[derive(Args, Debug)]
pub(crate) struct Projects {
    #[command(subcommand)]
    action: Action,

    /// Print JSON, as the server gave it
    #[arg(long, global = true)]
    json: bool,

    #[command(flatten)]
    connect: Connect,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make a project; `longshore keys create --project` makes it a key
    Create {
        /// What people call it: letters, digits, dots, underscores and hyphens
        name: String,
    },
    /// List the projects
    List,
}

impl Projects {
    pub(super) fn json(&self) -> bool {
        self.json
    }

    pub(super) async fn run(&self, screen: &Screen) -> Result<Exit, Failure> {
        let http = Http::new(&self.connect, screen)?;
        let url = http.url(&["projects"]);
        let answer = match &self.action {
            Action::Create { name } => http.post(url, Some(&json!({ "name": name })), HeaderMap::new()).await?,
            Action::List => http.get(url).await?,
        };
        if self.json {
            screen.say(&pretty(&answer))?;
            return Ok(Exit::Ok);
        }
        let projects =
            answer.get("data").and_then(Value::as_array).map_or(std::slice::from_ref(&answer), Vec::as_slice);
        let mut table = Table::with_head(["ID", "NAME", "MADE"]);
        for project in projects {
            let text = |name: &str| project.get(name).and_then(Value::as_str).map(clean).unwrap_or_default();
            table.row([text("id").into(), text("name").into(), text("created_at").into()]);
        }
        table.print(screen, "")?;
        Ok(Exit::Ok)
    }
}
