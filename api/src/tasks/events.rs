//! `GET /tasks/{id}/events`: what happens to a task, as a stream or as a page.

use axum::{
    Json,
    body::Body,
    extract::{RawQuery, State},
    http::{HeaderMap, HeaderName, StatusCode, header},
    response::{IntoResponse, Response},
};

use crate::{
    accept,
    app::{App, Shared},
    caller::Caller,
    follow,
    links::Links,
    path::TaskPath,
    problem::{Code, Problem},
    query::Query,
    view::{EventView, Page},
};
use jobs_core::{ProjectId, TaskId};

const LIMIT: i64 = 100;
const LIMIT_MAX: i64 = 1_000;
const LAST_EVENT_ID: &str = "last-event-id";

/// Follow a task.
///
/// A stream of Server-Sent Events: first what has happened, then what happens, without a gap and without a repetition. Their
/// types are `status`, `progress`, `log` and `artifact`; the last one is `done`, with the task as it ended. A client that comes
/// back goes on behind `Last-Event-ID`, or behind `after`. With `Accept: application/json` the answer is a page of events.
#[utoipa::path(
    get,
    path = "/tasks/{id}/events",
    operation_id = "followTask",
    tag = "tasks",
    security(("key" = ["tasks:read"])),
    params(
        ("id" = String, Path, description = "The task."),
        ("after" = Option<i64>, Query, description = "Only events behind this number.", minimum = 0),
        ("limit" = Option<u32>, Query, description = "So many at most, in a page; 100 when left out.", minimum = 1, maximum = 1000),
        ("Last-Event-ID" = Option<String>, Header, pattern = "^[0-9]{0,18}$", description = "The same as `after`, as browsers send it."),
    ),
    responses(
        (status = 200, description = "The events.", content(
            (ref("#/components/schemas/EventPage") = "application/json"),
            (ref("#/components/schemas/ServerSentEvent") = "text/event-stream"),
        )),
        (status = 204, description = "The client has seen `done`: there is nothing to come back for."),
    ),
    extensions(("x-problems" = json!(["invalid_header", "task_not_found", "not_acceptable", "invalid"])))
)]
pub(crate) async fn events(
    State(app): State<Shared>,
    caller: Caller,
    TaskPath(id): TaskPath,
    RawQuery(query): RawQuery,
    links: Links,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let mut query = Query::read(query.as_deref(), &["after", "limit"]);
    let after = query.number("after", 0, i64::MAX);
    let limit = query.number("limit", 1, LIMIT_MAX).unwrap_or(LIMIT);
    query.finish()?;
    let seen = last_event_id(&headers)?;
    let after = after.or(seen);

    let as_stream = accept::liking(&headers, "text/event-stream");
    let as_page = accept::liking(&headers, "application/json");
    if as_stream == 0 && as_page == 0 {
        let detail = "this operation answers with text/event-stream or application/json";
        return Err(Problem::new(Code::NotAcceptable, detail));
    }
    // A stream is the usual answer, unless JSON is what the client names.
    let named = accept::names(&headers, "application/json") && !accept::names(&headers, "text/event-stream");
    if as_page > as_stream || named {
        return page(&app, caller.project, id, after.unwrap_or(0), limit).await;
    }
    stream(app, caller.project, id, after, links).await
}

async fn page(app: &App, project: ProjectId, id: TaskId, after: i64, limit: i64) -> Result<Response, Problem> {
    app.store.get(project, id).await?;
    let limit = u32::try_from(limit).unwrap_or(1);
    let mut rows = app.store.events(project, id, after, limit + 1).await?;
    let has_more = rows.len() > limit as usize;
    rows.truncate(limit as usize);
    Ok(Json(Page { data: rows.into_iter().map(EventView::new).collect(), has_more }).into_response())
}

async fn stream(
    app: Shared,
    project: ProjectId,
    id: TaskId,
    after: Option<i64>,
    links: Links,
) -> Result<Response, Problem> {
    let feed = app.feeds.follow(&app.hub, id);
    let task = app.store.get(project, id).await?;
    // `done` has the number behind the last event's.
    if task.state.is_terminal() && after.is_some_and(|after| after > task.seq) {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let events = follow::events(app, feed, after.unwrap_or(0), links);
    let headers = [
        (header::CONTENT_TYPE, "text/event-stream"),
        (header::CACHE_CONTROL, "no-cache"),
        // Proxies that gather answers would keep the events to themselves.
        (HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    Ok((headers, Body::from_stream(events)).into_response())
}

fn last_event_id(headers: &HeaderMap) -> Result<Option<i64>, Problem> {
    let Some(sent) = headers.get(LAST_EVENT_ID) else { return Ok(None) };
    let text = sent.to_str().unwrap_or("?").trim();
    // Browsers send an empty one when they have seen none.
    if text.is_empty() {
        return Ok(None);
    }
    let number = text.parse().ok().filter(|number| *number >= 0);
    let wrong = || Problem::new(Code::InvalidHeader, "Last-Event-ID must be the number of an event");
    number.map(Some).ok_or_else(wrong)
}
