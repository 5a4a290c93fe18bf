//! `GET /tasks/{id}/logs`: what the attempts of a task wrote.

use axum::{
    Json,
    extract::{RawQuery, State},
};
use jobs_store::EventType;

use crate::{
    app::Shared,
    caller::Caller,
    path::TaskPath,
    problem::Problem,
    query::Query,
    view::{EventView, Page},
};

const LIMIT: i64 = 100;
const LIMIT_MAX: i64 = 1_000;
/// Rows of history are read in steps of this.
const STEP: u32 = 500;

/// Read the log of a task.
///
/// The lines of all attempts, in order. `after` is the `seq` of the last line of the page before.
#[utoipa::path(
    get,
    path = "/tasks/{id}/logs",
    operation_id = "listTaskLogs",
    tag = "tasks",
    security(("key" = ["tasks:read"])),
    params(
        ("id" = String, Path, description = "The task."),
        ("after" = Option<i64>, Query, description = "Only lines behind this number.", minimum = 0),
        ("limit" = Option<u32>, Query, description = "So many at most; 100 when left out.", minimum = 1, maximum = 1000),
    ),
    responses((status = 200, description = "A page of lines.", body = ref("#/components/schemas/EventPage"))),
    extensions(("x-problems" = json!(["task_not_found", "not_acceptable", "invalid"])))
)]
pub(crate) async fn logs(
    State(app): State<Shared>,
    caller: Caller,
    TaskPath(id): TaskPath,
    RawQuery(query): RawQuery,
) -> Result<Json<Page<EventView>>, Problem> {
    let mut query = Query::read(query.as_deref(), &["after", "limit"]);
    let mut after = query.number("after", 0, i64::MAX).unwrap_or(0);
    let limit = query.number("limit", 1, LIMIT_MAX).unwrap_or(LIMIT).unsigned_abs() as usize;
    query.finish()?;

    app.store.get(caller.project, id).await?;
    let mut data = Vec::new();
    loop {
        let rows = app.store.events(caller.project, id, after, STEP).await?;
        let is_last = rows.len() < STEP as usize;
        after = rows.last().map_or(after, |row| row.seq);
        let lines = rows.into_iter().filter(|row| row.event_type == EventType::Log);
        data.extend(lines.map(EventView::new));
        if data.len() > limit || is_last {
            break;
        }
    }
    let has_more = data.len() > limit;
    data.truncate(limit);
    Ok(Json(Page { data, has_more }))
}
