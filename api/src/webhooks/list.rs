//! `GET /webhooks`: the endpoints of a project.

use axum::{
    Json,
    extract::{RawQuery, State},
};
use jobs_core::{TaskId, WebhookId};
use schemars::JsonSchema;
use serde::Serialize;

use super::WebhookView;
use crate::{app::Shared, caller::Caller, cursor, links::Links, problem::Problem, query::Query};

const LIMIT: i64 = 100;
const LIMIT_MAX: i64 = 1_000;

/// One page of webhooks, the newest first.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct WebhookPage {
    /// The webhooks.
    data: Vec<WebhookView>,
    /// Whether there are more behind them.
    has_more: bool,
    /// The `cursor` of the next page, if there is one.
    next_cursor: Option<String>,
}

/// List webhooks.
///
/// The endpoints of the project, the newest first; also those that are disabled.
#[utoipa::path(
    get,
    path = "/webhooks",
    operation_id = "listWebhooks",
    tag = "webhooks",
    security(("key" = ["webhooks"])),
    params(
        ("limit" = Option<u32>, Query, description = "So many at most; 100 when left out.", minimum = 1, maximum = 1000),
        ("cursor" = Option<String>, Query, pattern = "^c1[0-9a-f]{32}$", description = "Where to go on: `next_cursor` of the page before."),
    ),
    responses((status = 200, description = "A page of webhooks.", body = ref("#/components/schemas/WebhookPage"))),
    extensions(("x-problems" = json!(["not_acceptable", "invalid"])))
)]
pub(crate) async fn list(
    State(app): State<Shared>,
    caller: Caller,
    links: Links,
    RawQuery(query): RawQuery,
) -> Result<Json<WebhookPage>, Problem> {
    let mut query = Query::read(query.as_deref(), &["limit", "cursor"]);
    let limit = query.number("limit", 1, LIMIT_MAX).unwrap_or(LIMIT).unsigned_abs();
    let before = behind(&mut query).map(|id| WebhookId(id.0));
    query.finish()?;
    let limit = usize::try_from(limit).unwrap_or(1);
    let most = u32::try_from(limit + 1).unwrap_or(u32::MAX);
    let mut rows = app.store.endpoints(caller.project, before, most).await?;
    let has_more = rows.len() > limit;
    rows.truncate(limit);
    let next_cursor = rows.last().filter(|_| has_more).map(|last| cursor::write(TaskId(last.id.0)));
    let data = rows.into_iter().map(|row| WebhookView::new(row, app.receivers.under(), &links)).collect();
    Ok(Json(WebhookPage { data, has_more, next_cursor }))
}

/// The id that the cursor of a query stands behind.
pub(super) fn behind(query: &mut Query) -> Option<TaskId> {
    let text = query.one("cursor")?;
    let id = cursor::read(&text);
    if id.is_none() {
        query.fault("cursor", "is not a cursor of this list");
    }
    id
}
