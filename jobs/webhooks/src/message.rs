//! What is sent: `{type, timestamp, data}`, rendered once.

use jobs_core::{MessageId, ProjectId, State, Task, WebhookId};
use jobs_store::{
    Artifact,
    webhook::{Moment, NewMessage},
};
use jobs_view::{
    Links, TaskView,
    clock::{Timestamp, now},
};
use serde_json::{Value, json, value::RawValue};
use time::OffsetDateTime;

/// A task that is longer than this as JSON is told thin: receivers have limits, and it can be read at its address.
const THICKEST: usize = 20_000;

/// The body of a message.
pub(crate) fn body(event_type: &str, at: OffsetDateTime, data: &RawValue) -> String {
    let (event_type, at) = (json!(event_type), json!(Timestamp(at)));
    format!(r#"{{"type":{event_type},"timestamp":{at},"data":{data}}}"#)
}

/// The task as it stood at a moment, as the API shows it.
pub(crate) fn task(
    task: Task,
    artifacts: Vec<Artifact>,
    moved: (i64, Option<&Moment>),
    links: &Links,
) -> Result<Box<RawValue>, serde_json::Error> {
    let (task, artifacts) = as_of(task, artifacts, moved);
    let view = TaskView::new(task, artifacts, links);
    let whole = serde_json::value::to_raw_value(&view)?;
    if whole.get().len() <= THICKEST {
        return Ok(whole);
    }
    serde_json::value::to_raw_value(&json!({
        "id": view.id,
        "object": view.object,
        "thin": true,
        "kind": view.kind,
        "queue": view.queue,
        "status": view.status,
        "attempt": view.attempt,
        "version": view.version,
        "created_at": view.created_at,
        "finished_at": view.finished_at,
        "urls": view.urls,
    }))
}

/// What is left to say of a task that has been removed.
pub(crate) fn removed(id: jobs_core::TaskId) -> Result<Box<RawValue>, serde_json::Error> {
    serde_json::value::to_raw_value(&json!({ "id": id, "object": "task", "thin": true, "removed": true }))
}

/// The task as it was behind a move, when it has moved on since: what came later is taken away.
fn as_of(mut task: Task, mut artifacts: Vec<Artifact>, (seq, moment): (i64, Option<&Moment>)) -> (Task, Vec<Artifact>) {
    let Some(moment) = moment.filter(|_| task.seq > seq) else { return (task, artifacts) };
    task.seq = seq;
    task.state = moment.state;
    task.attempt = moment.attempt;
    task.progress = None;
    task.progress_at = None;
    if moment.state.is_terminal() {
        // It was opened again: how it ended is in its history alone.
        task.finished_at = Some(moment.at);
    } else {
        task.finished_at = None;
        task.cancel_requested_at = None;
        task.output = None;
        artifacts.clear();
    }
    match moment.state {
        State::Queued => {
            task.queued_at = Some(moment.at);
            task.started_at = None;
        }
        State::Running => task.started_at = Some(moment.at),
        _ => {}
    }
    task.error = said(moment, "error").and_then(|error| serde_json::from_value(error).ok());
    if let Some(due_at) = said(moment, "due_at").as_ref().and_then(Value::as_str) {
        task.due_at = OffsetDateTime::parse(due_at, &time::format_description::well_known::Rfc3339).ok();
    }
    (task, artifacts)
}

fn said(moment: &Moment, name: &str) -> Option<Value> {
    let mut data: Value = serde_json::from_str(moment.data.as_ref()?.get()).ok()?;
    data.get_mut(name).map(Value::take).filter(|value| !value.is_null())
}

/// A message for an endpoint that wants to know whether it hears.
#[must_use]
pub fn test_message(project: ProjectId, webhook: WebhookId) -> NewMessage {
    let at = now();
    let data = json!({ "id": webhook, "object": "webhook", "text": "It works." });
    let body = json!({ "type": "webhook.test", "timestamp": Timestamp(at), "data": data }).to_string();
    NewMessage { place: 0, id: MessageId::new(), project, event_type: "webhook.test".to_owned(), task: None, at, body }
}
