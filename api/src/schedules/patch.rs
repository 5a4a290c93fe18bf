//! `PATCH /schedules/{id}`: change a schedule.

use axum::{
    extract::State,
    http::{HeaderMap, StatusCode},
    response::Response,
};
use jobs_core::Fault;
use jobs_store::ScheduleRow;
use serde_json::{Map, Value};

use super::{
    answer,
    change::{Changed, change},
    check_version,
    definition::{Definition, body_of},
};
use crate::{app::Shared, body::JsonBody, caller::Caller, links::Links, path::SchedulePath, problem::Problem};

/// Change a schedule.
///
/// A field that is sent takes the place of what was there, as a whole; `null` takes it away. The result is checked as a new schedule is.
/// Where its times change, it goes on with its first fire after now.
#[utoipa::path(
    patch,
    path = "/schedules/{id}",
    operation_id = "changeSchedule",
    tag = "schedules",
    security(("key" = ["schedules"])),
    params(
        ("id" = String, Path, description = "The schedule, `sched_…`."),
        ("If-Match" = Option<String>, Header, description = "Change it only in this version."),
    ),
    request_body(content = ref("#/components/schemas/ChangeSchedule"), content_type = "application/json"),
    responses((status = 200, description = "The schedule.", body = ref("#/components/schemas/Schedule"),
        headers(("ETag" = String, description = "Its version.")))),
    extensions(("x-problems" = json!(["malformed", "schedule_not_found", "not_acceptable", "unsupported_media_type", "invalid", "schedule_exists", "precondition_failed"])))
)]
pub(crate) async fn patch(
    State(app): State<Shared>,
    caller: Caller,
    SchedulePath(id): SchedulePath,
    links: Links,
    headers: HeaderMap,
    JsonBody(body): JsonBody,
) -> Result<Response, Problem> {
    let Value::Object(changes) = body else {
        return Err(Problem::invalid(vec![Fault::new("", "must be an object")]));
    };
    let row = change(&app, &caller, id, |row| {
        check_version(&headers, row)?;
        let said = Definition::read(&app, Value::Object(merged(row, &changes)), caller.project)?;
        Changed::of(row).define(said)
    })
    .await?;
    Ok(answer(StatusCode::OK, row, &links))
}

/// The body of the schedule as it is to be.
fn merged(row: &ScheduleRow, changes: &Map<String, Value>) -> Map<String, Value> {
    let mut body = body_of(row);
    let says = |name: &str| changes.get(name).is_some_and(|value| !value.is_null());
    // What says when it fires takes the place of the other way to say so.
    for (one, other) in [("cron", "every_ms"), ("every_ms", "cron")] {
        if says(one) {
            body.remove(other);
        }
    }
    if says("catch_up") {
        body.remove("catch_up_max");
    }
    body.extend(changes.clone());
    body
}
