//! `GET /tasks`: tasks by what they are, the newest first.

use axum::{
    Json,
    extract::{RawQuery, State},
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use jobs_core::State as TaskState;
use jobs_store::Filter;

use crate::{
    app::Shared,
    caller::Caller,
    cursor,
    links::Links,
    problem::Problem,
    query::Query,
    view::{TaskPage, TaskView},
};

const LIMIT: i64 = 20;
const LIMIT_MAX: i64 = 100;
const PARAMETERS: &[&str] =
    &["status", "kind", "queue", "group", "tag", "created_after", "created_before", "limit", "cursor", "metadata."];

/// List tasks.
///
/// The newest come first, and tasks that come in while you read do not shift the pages. `metadata.NAME=TEXT` keeps those whose
/// metadata has this text; it can be given for several names.
#[utoipa::path(
    get,
    path = "/tasks",
    operation_id = "listTasks",
    tag = "tasks",
    security(("key" = ["tasks:read"])),
    params(
        ("status" = Option<String>, Query, pattern = "^(scheduled|blocked|queued|running|retrying|succeeded|failed|canceled|expired)(,(scheduled|blocked|queued|running|retrying|succeeded|failed|canceled|expired))*$", description = "Only tasks of this status; several with commas, or by giving it again."),
        ("kind" = Option<String>, Query, pattern = r"^[^\u0000]*$", description = "Only tasks of this kind."),
        ("queue" = Option<String>, Query, pattern = r"^[^\u0000]*$", description = "Only tasks of this queue."),
        ("group" = Option<String>, Query, pattern = r"^[^\u0000]*$", description = "Only tasks of this group."),
        ("tag" = Option<String>, Query, pattern = r"^[^\u0000]*$", description = "Only tasks with this tag."),
        ("created_after" = Option<String>, Query, description = "Only tasks accepted at this time or later.", format = DateTime),
        ("created_before" = Option<String>, Query, description = "Only tasks accepted before this time.", format = DateTime),
        ("limit" = Option<u32>, Query, description = "So many at most; 20 when left out.", minimum = 1, maximum = 100),
        ("cursor" = Option<String>, Query, pattern = "^c1[0-9a-f]{32}$", description = "`next_cursor` of the page before."),
    ),
    responses(
        (status = 200, description = "A page of tasks.", body = ref("#/components/schemas/TaskPage"),
            headers(("Link" = String, description = "The next page, `rel=\"next\"`; if there is one."))),
    ),
    extensions(("x-problems" = json!(["not_acceptable", "invalid"])))
)]
pub(crate) async fn list(
    State(app): State<Shared>,
    caller: Caller,
    RawQuery(query): RawQuery,
    links: Links,
) -> Result<Response, Problem> {
    let mut query = Query::read(query.as_deref(), PARAMETERS);
    let filter = Filter {
        states: states(&mut query),
        kind: query.one("kind"),
        queue: query.one("queue"),
        group: query.one("group"),
        tag: query.one("tag"),
        metadata: query.under("metadata.").map(|(name, value)| (name.to_owned(), value.into())).collect(),
        created_after: query.instant("created_after"),
        created_before: query.instant("created_before"),
    };
    let limit = query.number("limit", 1, LIMIT_MAX).unwrap_or(LIMIT);
    let before = query.one("cursor").and_then(|text| {
        let last = cursor::read(&text);
        if last.is_none() {
            query.fault("cursor", "is not a cursor of this server");
        }
        last
    });
    let limit = u32::try_from(limit).unwrap_or(u32::MAX);
    let query = query.finish()?;
    let page = app.store.list(caller.project, &filter, before, limit).await?;

    let next_cursor = page.next.map(cursor::write);
    let link = next_cursor
        .as_deref()
        .map(|cursor| format!("<{}?{}>; rel=\"next\"", links.api("tasks"), query.with("cursor", cursor)));
    let ids: Vec<_> = page.tasks.iter().filter(|task| task.state == TaskState::Succeeded).map(|task| task.id).collect();
    let mut artifacts = app.store.artifacts_of(caller.project, &ids).await?;
    let data = page.tasks.into_iter().map(|task| {
        let artifacts = artifacts.remove(&task.id).unwrap_or_default();
        TaskView::new(task, artifacts, &links)
    });
    let body = TaskPage { data: data.collect(), has_more: next_cursor.is_some(), next_cursor };

    let mut response = Json(body).into_response();
    if let Some(link) = link.and_then(|link| HeaderValue::from_str(&link).ok()) {
        response.headers_mut().insert(header::LINK, link);
    }
    Ok(response)
}

fn states(query: &mut Query) -> Vec<TaskState> {
    let words: Vec<_> =
        query.all("status").flat_map(|value| value.split(',')).map(|word| word.trim().to_owned()).collect();
    let mut states = Vec::new();
    for word in words {
        let meant: Vec<_> = TaskState::ALL.into_iter().filter(|state| state.status() == word).collect();
        if meant.is_empty() {
            let mut known: Vec<_> = TaskState::ALL.iter().map(|state| state.status()).collect();
            known.dedup();
            query.fault("status", format!("unknown status; known are {}", known.join(", ")));
        }
        states.extend(meant);
    }
    states
}
