//! `POST /schedules/{id}/pause` and `/resume`: whether it fires.

use axum::{extract::State, http::StatusCode, response::Response};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    answer,
    change::{Changed, change},
};
use crate::{
    app::Shared,
    body::{OptionalJson, checked},
    caller::Caller,
    links::Links,
    path::SchedulePath,
    problem::Problem,
};

/// Why a schedule is paused.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(example = serde_json::json!({ "note": "the warehouse moves until Monday" }))]
pub(crate) struct PauseSchedule {
    /// A sentence for whoever finds it paused.
    #[schemars(length(max = 500), regex(pattern = r"^[^\x00]*$"))]
    note: Option<String>,
}

/// Pause a schedule.
///
/// It fires no more until it is resumed. What runs goes on; what waits for its turn is given up. Asking again changes the note.
#[utoipa::path(
    post,
    path = "/schedules/{id}/pause",
    operation_id = "pauseSchedule",
    tag = "schedules",
    security(("key" = ["schedules"])),
    params(("id" = String, Path, description = "The schedule, `sched_…`.")),
    request_body(content = ref("#/components/schemas/PauseSchedule"), content_type = "application/json"),
    responses((status = 200, description = "The schedule.", body = ref("#/components/schemas/Schedule"),
        headers(("ETag" = String, description = "Its version.")))),
    extensions(("x-problems" = json!(["malformed", "schedule_not_found", "not_acceptable", "unsupported_media_type", "invalid"])))
)]
pub(crate) async fn pause(
    State(app): State<Shared>,
    caller: Caller,
    SchedulePath(id): SchedulePath,
    links: Links,
    OptionalJson(body): OptionalJson,
) -> Result<Response, Problem> {
    let PauseSchedule { note } = body.map(checked).transpose()?.unwrap_or_default();
    let row = change(&app, &caller, id, |row| Ok(Changed::of(row).pause(note.clone()))).await?;
    Ok(answer(StatusCode::OK, row, &links))
}

/// Let a schedule go on.
///
/// It goes on with its first fire after now; those of the pause are left out. Asking again changes nothing.
#[utoipa::path(
    post,
    path = "/schedules/{id}/resume",
    operation_id = "resumeSchedule",
    tag = "schedules",
    security(("key" = ["schedules"])),
    params(("id" = String, Path, description = "The schedule, `sched_…`.")),
    responses((status = 200, description = "The schedule.", body = ref("#/components/schemas/Schedule"),
        headers(("ETag" = String, description = "Its version.")))),
    extensions(("x-problems" = json!(["schedule_not_found", "not_acceptable", "invalid"])))
)]
pub(crate) async fn resume(
    State(app): State<Shared>,
    caller: Caller,
    SchedulePath(id): SchedulePath,
    links: Links,
) -> Result<Response, Problem> {
    let resume = |row: &jobs_store::ScheduleRow| {
        if row.enabled { Ok(Changed::of(row)) } else { Changed::of(row).resume() }
    };
    Ok(answer(StatusCode::OK, change(&app, &caller, id, resume).await?, &links))
}
