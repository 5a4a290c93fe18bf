//! A task as the server describes it.
//!
//! The object is kept as it came, so `--json` repeats every field, also those that are younger
//! than this client; what is missing or has another shape reads as absent.

use serde_json::Value;
use time::OffsetDateTime;

use super::exit::Exit;
use super::screen::Paint;
use super::text::{instant, ms_between};

#[derive(Clone, Debug)]
pub(super) struct Task(Value);

/// A file that a task made.
#[derive(Clone, Debug)]
pub(super) struct Artifact {
    pub(super) name: String,
    pub(super) url: Option<String>,
    pub(super) size: Option<u64>,
    pub(super) sha256: Option<String>,
    pub(super) content_type: Option<String>,
}

impl Task {
    pub(super) fn new(value: Value) -> Self {
        Self(value)
    }

    pub(super) fn value(&self) -> &Value {
        &self.0
    }

    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).and_then(Value::as_str)
    }

    pub(super) fn number(&self, name: &str) -> Option<u64> {
        self.0.get(name).and_then(Value::as_u64)
    }

    pub(super) fn field(&self, name: &str) -> Option<&Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    pub(super) fn id(&self) -> &str {
        self.text("id").unwrap_or("?")
    }

    pub(super) fn kind(&self) -> &str {
        self.text("kind").unwrap_or("?")
    }

    pub(super) fn status(&self) -> &str {
        self.text("status").unwrap_or("unknown")
    }

    pub(super) fn has_ended(&self) -> bool {
        verdict(self.status()).is_some()
    }

    /// What the end of this task means for a command that waited for it.
    pub(super) fn exit(&self) -> Exit {
        verdict(self.status()).unwrap_or(Exit::Ok)
    }

    /// The link called `name`, as the server gave it.
    pub(super) fn link(&self, name: &str) -> Option<&str> {
        self.0.get("urls")?.get(name)?.as_str()
    }

    /// Percent done, 0 to 100.
    pub(super) fn percent(&self) -> Option<f64> {
        percent(self.0.get("progress")?)
    }

    pub(super) fn at(&self, name: &str) -> Option<OffsetDateTime> {
        instant(self.text(name)?)
    }

    pub(super) fn metric_ms(&self, name: &str) -> Option<u64> {
        let value = self.0.get("metrics")?.get(name)?;
        value.as_u64().or_else(|| Some(value.as_f64()?.max(0.0) as u64))
    }

    /// How long it has been running, or ran.
    pub(super) fn run_ms(&self, now: OffsetDateTime) -> Option<u64> {
        let ran = self.has_ended().then(|| self.metric_ms("run_ms")).flatten();
        ran.or_else(|| {
            let until = self.at("finished_at").unwrap_or(now);
            Some(ms_between(self.at("started_at")?, until))
        })
    }

    pub(super) fn artifacts(&self) -> Vec<Artifact> {
        let list = self.0.get("artifacts").and_then(Value::as_array);
        list.into_iter().flatten().filter_map(Artifact::read).collect()
    }
}

impl Artifact {
    fn read(value: &Value) -> Option<Self> {
        let text = |name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
        Some(Self {
            name: text("name")?,
            url: text("url"),
            size: value.get("size").and_then(Value::as_u64),
            sha256: text("sha256").map(|digest| digest.to_ascii_lowercase()),
            content_type: text("content_type"),
        })
    }
}

/// The percent of a `progress` object.
pub(super) fn percent(progress: &Value) -> Option<f64> {
    let percent = progress.get("percent")?.as_f64()?;
    Some(percent.clamp(0.0, 100.0))
}

/// `phase · message` of a `progress` object, as far as it has them.
pub(super) fn doing(progress: &Value) -> String {
    let part = |name: &str| progress.get(name).and_then(Value::as_str);
    let parts = [part("phase"), part("message")].into_iter().flatten();
    let parts: Vec<_> = parts.filter(|part| !part.is_empty()).collect();
    super::text::clean(&parts.join(" · "))
}

/// `code: message` of an `error` object.
pub(super) fn fault(error: &Value) -> String {
    let part = |name: &str| error.get(name).and_then(Value::as_str);
    let text = match (part("code").or_else(|| part("type")), part("message")) {
        (Some(code), Some(message)) => format!("{code}: {message}"),
        (Some(only), None) | (None, Some(only)) => only.to_owned(),
        (None, None) => error.as_str().map_or_else(|| error.to_string(), str::to_owned),
    };
    super::text::clean(&text)
}

/// The colour of a status.
pub(super) fn status_paint(status: &str) -> Paint {
    match status {
        "succeeded" => Paint::Green,
        "failed" | "expired" => Paint::Red,
        "running" => Paint::Cyan,
        "retrying" | "canceled" => Paint::Yellow,
        "queued" => Paint::Blue,
        _ => Paint::Dim,
    }
}

/// What a status means as an end; none while the task has not ended.
fn verdict(status: &str) -> Option<Exit> {
    match status {
        "succeeded" => Some(Exit::Ok),
        "failed" | "expired" => Some(Exit::Failed),
        "canceled" => Some(Exit::Canceled),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_task_of_another_shape_still_reads() {
        let task = Task::new(json!({
            "id": 7, "status": "dreaming", "progress": "half", "artifacts": null,
            "metrics": [], "urls": { "events": 1 },
        }));
        assert_eq!((task.id(), task.status(), task.percent()), ("?", "dreaming", None));
        assert!(task.artifacts().is_empty());
        assert!(!task.has_ended());
        assert_eq!(task.link("events"), None);
    }

    #[test]
    fn the_end_of_a_task_is_its_exit_code() {
        let exit = |status: &str| Task::new(json!({ "status": status })).exit().code();
        let codes = ["succeeded", "failed", "expired", "canceled"].map(exit);
        assert_eq!(codes, [0, 1, 1, 4]);
    }
}
