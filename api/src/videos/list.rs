//! `GET /videos/tasks`: the videos that were asked for.

use axum::{
    Json,
    extract::{RawQuery, State},
};
use jobs_store::{Filter, Order};

use super::{KIND, VideoList, VideoView, view::VideoStatus};
use crate::{app::Shared, caller::Caller, cursor, links::Links, problem::Problem, query::Query};

const LIMIT: i64 = 20;
const LIMIT_MAX: i64 = 100;

/// List videos, the newest first.
#[utoipa::path(
    get,
    path = "/videos/tasks",
    operation_id = "listVideos",
    tag = "videos",
    security(("key" = ["tasks:read"])),
    params(
        ("status" = Option<String>, Query, pattern = "^(pending|processing|completed|failed)$", description = "Only videos of this status: `pending`, `processing`, `completed` or `failed`."),
        ("limit" = Option<u32>, Query, description = "So many at most; 20 when left out.", minimum = 1, maximum = 100),
        ("cursor" = Option<String>, Query, pattern = "^c1[0-9a-f]{32}$", description = "`next_cursor` of the page before."),
    ),
    responses((status = 200, description = "A page of videos.", body = ref("#/components/schemas/VideoList"))),
    extensions(("x-problems" = json!(["not_acceptable", "invalid"])))
)]
pub(crate) async fn list(
    State(app): State<Shared>,
    caller: Caller,
    RawQuery(query): RawQuery,
    links: Links,
) -> Result<Json<VideoList>, Problem> {
    let mut query = Query::read(query.as_deref(), &["status", "limit", "cursor"]);
    let status = query.one("status");
    let states = status.as_deref().map(VideoStatus::states);
    if states.as_ref().is_some_and(Vec::is_empty) {
        query.fault("status", "unknown status; known are pending, processing, completed, failed");
    }
    let limit = query.number("limit", 1, LIMIT_MAX).unwrap_or(LIMIT);
    let cursor = query.one("cursor");
    let before = cursor.as_deref().and_then(cursor::read);
    if cursor.is_some() && before.is_none() {
        query.fault("cursor", "is not a cursor of this server");
    }
    query.finish()?;

    let filter = Filter { states: states.unwrap_or_default(), kind: Some(KIND.to_owned()), ..Filter::default() };
    let limit = u32::try_from(limit).unwrap_or(1);
    let page = app.store.list(caller.project, &filter, Order::Newest, before, limit).await?;
    let tasks = page.tasks.into_iter().map(|(task, artifacts)| VideoView::new(task, artifacts, &links));
    let tasks: Vec<_> = tasks.collect();
    Ok(Json(VideoList { count: tasks.len(), tasks, next_cursor: page.next.map(cursor::write) }))
}
