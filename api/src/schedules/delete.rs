//! `DELETE /schedules/{id}`: remove a schedule.

use axum::{
    extract::State,
    http::{HeaderMap, StatusCode, header},
};

use super::{check_version, find};
use crate::{app::Shared, caller::Caller, path::SchedulePath, problem::Problem};

/// Remove a schedule.
///
/// It fires no more, and what is known of its fires is gone. Tasks that it has made stay, also those that run.
#[utoipa::path(
    delete,
    path = "/schedules/{id}",
    operation_id = "deleteSchedule",
    tag = "schedules",
    security(("key" = ["schedules"])),
    params(
        ("id" = String, Path, description = "The schedule, `sched_…`."),
        ("If-Match" = Option<String>, Header, description = "Remove it only in this version."),
    ),
    responses((status = 204, description = "The schedule is gone.")),
    extensions(("x-problems" = json!(["schedule_not_found", "not_acceptable", "precondition_failed"])))
)]
pub(crate) async fn delete(
    State(app): State<Shared>,
    caller: Caller,
    SchedulePath(id): SchedulePath,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    loop {
        let row = find(&app, &caller, id).await?;
        check_version(&headers, &row)?;
        let version = headers.contains_key(header::IF_MATCH).then_some(row.version);
        // Changed in between, or removed by somebody else: the next look says.
        if app.store.delete_schedule(caller.project, id, version).await? {
            return Ok(StatusCode::NO_CONTENT);
        }
    }
}
