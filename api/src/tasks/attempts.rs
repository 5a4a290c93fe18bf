//! `GET /tasks/{id}/attempts`: how the attempts of a task went, read from its history.

use axum::{Json, extract::State};
use jobs_core::{Event, State as TaskState};
use jobs_store::{EventRow, EventType};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::{
    app::Shared,
    caller::Caller,
    clock::{Timestamp, millis_between},
    path::TaskPath,
    problem::Problem,
    view::{ErrorView, Page},
};

const STEP: u32 = 500;

/// One attempt.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Attempt")]
pub(crate) struct AttemptView {
    /// Which one it is, from 1. A worker that stops gives its attempt back: then the number comes again.
    attempt: u32,
    /// How it ended: `succeeded`, `failed`, `canceled`, `lost` with its worker or `released` by it; `running` until then.
    outcome: &'static str,
    /// When it started.
    started_at: Timestamp,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    finished_at: Option<Timestamp>,
    /// How long it ran, or runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    run_ms: Option<u64>,
    /// Why it did not succeed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<ErrorView>")]
    error: Option<Value>,
}

/// List the attempts of a task.
#[utoipa::path(
    get,
    path = "/tasks/{id}/attempts",
    operation_id = "listTaskAttempts",
    tag = "tasks",
    security(("key" = ["tasks:read"])),
    params(("id" = String, Path, description = "The task.")),
    responses((status = 200, description = "All attempts, the first one first.", body = ref("#/components/schemas/AttemptPage"))),
    extensions(("x-problems" = json!(["task_not_found", "not_acceptable"])))
)]
pub(crate) async fn attempts(
    State(app): State<Shared>,
    caller: Caller,
    TaskPath(id): TaskPath,
) -> Result<Json<Page<AttemptView>>, Problem> {
    app.store.get(caller.project, id).await?;
    let mut attempts: Vec<AttemptView> = Vec::new();
    let mut after = 0;
    loop {
        let rows = app.store.events(caller.project, id, after, STEP).await?;
        let is_last = rows.len() < STEP as usize;
        after = rows.last().map_or(after, |row| row.seq);
        for row in rows.into_iter().filter(|row| row.event_type == EventType::Status) {
            tell(&mut attempts, row);
        }
        if is_last {
            return Ok(Json(Page { data: attempts, has_more: false }));
        }
    }
}

/// Adds what one row says about attempts.
fn tell(attempts: &mut Vec<AttemptView>, row: EventRow) {
    let (Some(event), Some(state)) = (row.event.as_deref(), row.state) else { return };
    if event == Event::Start.name() {
        attempts.push(AttemptView {
            attempt: row.attempt,
            outcome: "running",
            started_at: Timestamp(row.at),
            finished_at: None,
            run_ms: None,
            error: None,
        });
        return;
    }
    let Some(running) = attempts.last_mut().filter(|attempt| attempt.finished_at.is_none()) else { return };
    let Some(event) = Event::ALL.into_iter().find(|known| known.name() == event) else { return };
    running.outcome = match (event, state) {
        // The attempt goes on until it notices.
        (Event::Cancel, TaskState::Canceling) => return,
        (Event::Succeed, _) => "succeeded",
        (Event::Lose | Event::Poison, _) => "lost",
        (_, TaskState::Canceled) => "canceled",
        (Event::Release, _) => "released",
        _ => "failed",
    };
    running.finished_at = Some(Timestamp(row.at));
    running.run_ms = millis_between(running.started_at.0, row.at);
    let data: Option<Value> = row.data.and_then(|data| serde_json::from_str(data.get()).ok());
    running.error = data.and_then(|mut data| data.get_mut("error").map(Value::take)).filter(|error| !error.is_null());
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn attempts_are_read_from_the_history() {
        let history = [
            (Event::Start, TaskState::Running, 1),
            (Event::Lose, TaskState::Queued, 1),
            (Event::Start, TaskState::Running, 2),
            (Event::Retry, TaskState::Retrying, 2),
            (Event::Due, TaskState::Queued, 2),
            (Event::Start, TaskState::Running, 3),
            (Event::Cancel, TaskState::Canceling, 3),
            (Event::Stop, TaskState::Canceled, 3),
        ];
        let mut attempts = Vec::new();
        for (seq, (event, state, attempt)) in history.into_iter().enumerate() {
            let row = EventRow {
                seq: seq as i64,
                at: datetime!(2026-01-02 03:04:05 UTC),
                event_type: EventType::Status,
                event: Some(event.name().to_owned()),
                state: Some(state),
                attempt,
                data: None,
            };
            tell(&mut attempts, row);
        }
        let told: Vec<_> = attempts.iter().map(|attempt| (attempt.attempt, attempt.outcome)).collect();
        assert_eq!(told, [(1, "lost"), (2, "failed"), (3, "canceled")]);
    }
}
