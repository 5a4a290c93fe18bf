//! `GET /schedules/{id}`: a schedule as it stands.

use axum::{extract::State, http::StatusCode, response::Response};

use super::{answer, find};
use crate::{app::Shared, caller::Caller, links::Links, path::SchedulePath, problem::Problem};

/// Read a schedule.
///
/// `ETag` is its version, which changes of clients raise and fires do not: send it as `If-Match` with a change.
#[utoipa::path(
    get,
    path = "/schedules/{id}",
    operation_id = "getSchedule",
    tag = "schedules",
    security(("key" = ["schedules"])),
    params(("id" = String, Path, description = "The schedule, `sched_…`.")),
    responses((status = 200, description = "The schedule.", body = ref("#/components/schemas/Schedule"),
        headers(("ETag" = String, description = "Its version.")))),
    extensions(("x-problems" = json!(["schedule_not_found", "not_acceptable"])))
)]
pub(crate) async fn get(
    State(app): State<Shared>,
    caller: Caller,
    SchedulePath(id): SchedulePath,
    links: Links,
) -> Result<Response, Problem> {
    Ok(answer(StatusCode::OK, find(&app, &caller, id).await?, &links))
}
