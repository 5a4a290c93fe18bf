//! `longshore explain`: why a task stands where it stands, and when it should start and end.

use clap::Args;
use serde_json::Value;

use super::connect::Connect;
use super::exit::Exit;
use super::failure::Failure;
use super::get::{now, pretty};
use super::http::Http;
use super::screen::{Paint, Screen};
use super::task::status_paint;
use super::text::{clean, instant, ms_between, span};

#[derive(Args, Debug)]
pub(crate) struct Explain {
    /// The task's id
    id: String,

    /// Print JSON, as the server gave it
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    pub(super) connect: Connect,
}

impl Explain {
    pub(super) fn json(&self) -> bool {
        self.json
    }

    pub(super) async fn run(&self, screen: &Screen) -> Result<Exit, Failure> {
        let http = Http::new(&self.connect, screen)?;
        let told = http.get(http.url(&["tasks", &self.id, "explain"])).await?;
        if self.json {
            screen.say(&pretty(&told))?;
        } else {
            show(screen, &told)?;
        }
        Ok(Exit::Ok)
    }
}

fn show(screen: &Screen, told: &Value) -> Result<(), Failure> {
    let status = text(told, "status");
    let painted = screen.paint(status_paint(&status), &status);
    screen.say(&format!("{}  {painted}", screen.paint(Paint::Bold, &text(told, "task"))))?;
    screen.say(&format!("  {}", text(told, "summary")))?;
    let line = |name: &str, value: &str| {
        let name = screen.paint(Paint::Dim, &format!("{name:<10}"));
        screen.say(&format!("  {name} {value}"))
    };
    for (index, gate) in told["gates"].as_array().into_iter().flatten().enumerate() {
        let mut words = vec![text(gate, "code")];
        if let Some(limit) = gate["limit"].as_u64() {
            words.push(format!("{} of {limit} run", gate["running"].as_u64().unwrap_or_default()));
        }
        if let Some(until) = gate["until"].as_str().and_then(instant) {
            words.push(format!("opens in {}", span(ms_between(now(), until))));
        }
        words.extend(gate["tasks"].as_array().into_iter().flatten().filter_map(Value::as_str).map(clean));
        line(if index == 0 { "gates" } else { "" }, &words.join("  "))?;
    }
    let position = &told["position"];
    if let Some(ahead) = position["ahead"].as_u64() {
        let number = |name: &str| position[name].as_u64().unwrap_or_default();
        let place = format!(
            "{ahead} ahead of {} queued  {} groups  {} of {} slots busy",
            number("queued"),
            number("groups"),
            number("running"),
            number("slots")
        );
        line("position", &place)?;
    }
    for (label, name) in [("starts", "start"), ("ends", "finish")] {
        let within = |share: &str| told["eta"][name][share].as_str().and_then(instant);
        if let (Some(p50), Some(p90)) = (within("p50"), within("p90")) {
            let (p50, p90) = (span(ms_between(now(), p50)), span(ms_between(now(), p90)));
            line(label, &format!("in about {p50}, nine times of ten within {p90}"))?;
        }
    }
    Ok(())
}

fn text(value: &Value, name: &str) -> String {
    value[name].as_str().map(clean).unwrap_or_default()
}
