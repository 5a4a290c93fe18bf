//! An event as clients read it.

use jobs_store::{EventRow, EventType};
use jobs_view::{ErrorView, ProgressView, Status};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::clock::Timestamp;

/// One thing that happened to a task.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Event")]
pub(crate) struct EventView {
    /// Its number within the task, from 1 without a gap.
    pub(crate) seq: i64,
    /// When it happened.
    pub(crate) at: Timestamp,
    /// The attempt it belongs to; 0 before the first.
    pub(crate) attempt: u32,
    /// What happened.
    #[serde(flatten)]
    pub(crate) what: What,
}

/// What happened, by its type.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum What {
    /// The task moved.
    Status {
        /// Where it stands now.
        #[schemars(with = "Status")]
        status: &'static str,
        /// What moved it; `submit` is the first.
        event: String,
        /// Why the attempt failed.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schemars(with = "Option<ErrorView>")]
        error: Option<Value>,
        /// When the next attempt is due.
        #[serde(skip_serializing_if = "Option::is_none")]
        due_at: Option<Timestamp>,
    },
    /// The attempt said how far it is.
    Progress {
        /// How far.
        #[schemars(with = "ProgressView")]
        progress: Value,
    },
    /// The attempt wrote a line.
    Log {
        /// How much it matters: `debug`, `info`, `warn` or `error`.
        level: String,
        /// The line.
        message: String,
    },
    /// The attempt stored a file. Clients can get it when this attempt succeeds.
    Artifact {
        /// Its name.
        name: String,
        /// Its size in bytes.
        size: u64,
        /// Its SHA-256, in hexadecimal.
        sha256: String,
        /// Its media type.
        content_type: String,
    },
}

/// What a row of history may hold beside its columns.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Data {
    error: Option<Value>,
    due_at: Option<String>,
    progress: Value,
    level: String,
    message: String,
    name: String,
    size: u64,
    sha256: String,
    content_type: String,
}

impl EventView {
    pub(crate) fn new(row: EventRow) -> Self {
        let data = row.data.as_deref().and_then(|data| serde_json::from_str(data.get()).ok());
        let data: Data = data.unwrap_or_default();
        let what = match row.event_type {
            EventType::Status => What::Status {
                status: row.state.map_or("queued", jobs_core::State::status),
                event: row.event.unwrap_or_default(),
                error: data.error,
                due_at: data.due_at.and_then(|at| OffsetDateTime::parse(&at, &Rfc3339).ok()).map(Timestamp),
            },
            EventType::Progress => What::Progress { progress: data.progress },
            EventType::Log => What::Log { level: data.level, message: data.message },
            EventType::Artifact => What::Artifact {
                name: data.name,
                size: data.size,
                sha256: data.sha256,
                content_type: data.content_type,
            },
        };
        Self { seq: row.seq, at: Timestamp(row.at), attempt: row.attempt, what }
    }
}

#[cfg(test)]
mod tests {
    use jobs_core::State;
    use serde_json::{json, value::to_raw_value};
    use time::macros::datetime;

    use super::*;

    fn row(event_type: EventType, data: &Value) -> EventRow {
        let at = datetime!(2026-01-02 03:04:05 UTC);
        let is_status = event_type == EventType::Status;
        let event = is_status.then(|| "retry".to_owned());
        let state = is_status.then_some(State::Canceling);
        EventRow { seq: 3, at, event_type, event, state, attempt: 1, data: Some(to_raw_value(data).unwrap()) }
    }

    #[test]
    fn rows_read_as_the_wire_has_them() {
        let wire = |row| serde_json::to_value(EventView::new(row)).unwrap();
        let data = json!({ "error": { "code": "x" }, "due_at": "2026-01-02T03:04:06.123456+00:00" });
        assert_eq!(
            wire(row(EventType::Status, &data)),
            json!({ "type": "status", "seq": 3, "at": "2026-01-02T03:04:05.000Z", "attempt": 1, "status": "running",
                "event": "retry", "error": { "code": "x" }, "due_at": "2026-01-02T03:04:06.123Z" })
        );
        assert_eq!(
            wire(row(EventType::Log, &json!({ "level": "info", "message": "hi" }))),
            json!({ "type": "log", "seq": 3, "at": "2026-01-02T03:04:05.000Z", "attempt": 1, "level": "info", "message": "hi" })
        );
    }
}
