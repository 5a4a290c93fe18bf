//! `GET /webhooks/{id}/deliveries`, one of them, and `GET /tasks/{id}/deliveries`: what was sent, and what came of it.

use axum::{
    Json,
    extract::{RawQuery, State},
};
use jobs_core::{DeliveryId, TaskId};
use jobs_store::webhook::{DeliveryStatus, Whose};
use schemars::JsonSchema;
use serde::Serialize;

use super::{DeliveryView, find, list::behind};
use crate::{
    app::{App, Shared},
    caller::Caller,
    cursor,
    path::{DeliveryPath, TaskPath, WebhookPath},
    problem::Problem,
    query::Query,
};

const LIMIT: i64 = 50;
const LIMIT_MAX: i64 = 200;

/// One page of deliveries, the newest first.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct DeliveryPage {
    /// The deliveries.
    data: Vec<DeliveryView>,
    /// Whether there are more behind them.
    has_more: bool,
    /// The `cursor` of the next page, if there is one.
    next_cursor: Option<String>,
}

/// List the deliveries of a webhook.
///
/// The newest first, each with its attempts: what was sent, the head of what was answered, and how long it took.
#[utoipa::path(
    get,
    path = "/webhooks/{id}/deliveries",
    operation_id = "listWebhookDeliveries",
    tag = "webhooks",
    security(("key" = ["webhooks"])),
    params(
        ("id" = String, Path, description = "The webhook, `whk_…`."),
        ("status" = Option<String>, Query, pattern = "^(pending|succeeded|failed|canceled)$", description = "Only those of this status."),
        ("type" = Option<String>, Query, description = "Only those of this type of event."),
        ("limit" = Option<u32>, Query, description = "So many at most; 50 when left out.", minimum = 1, maximum = 200),
        ("cursor" = Option<String>, Query, pattern = "^c1[0-9a-f]{32}$", description = "Where to go on: `next_cursor` of the page before."),
    ),
    responses((status = 200, description = "A page of deliveries.", body = ref("#/components/schemas/DeliveryPage"))),
    extensions(("x-problems" = json!(["webhook_not_found", "not_acceptable", "invalid"])))
)]
pub(crate) async fn list(
    State(app): State<Shared>,
    caller: Caller,
    WebhookPath(id): WebhookPath,
    RawQuery(query): RawQuery,
) -> Result<Json<DeliveryPage>, Problem> {
    find(&app, &caller, id).await?;
    page(&app, &caller, Whose::Endpoint(id), query.as_deref()).await
}

/// List the deliveries of a task's own webhook.
///
/// Those to the receiver that its submission named; what endpoints of the project were told is in their logs.
#[utoipa::path(
    get,
    path = "/tasks/{id}/deliveries",
    operation_id = "listTaskDeliveries",
    tag = "tasks",
    security(("key" = ["tasks:read"])),
    params(
        ("id" = String, Path, description = "The task."),
        ("status" = Option<String>, Query, pattern = "^(pending|succeeded|failed|canceled)$", description = "Only those of this status."),
        ("type" = Option<String>, Query, description = "Only those of this type of event."),
        ("limit" = Option<u32>, Query, description = "So many at most; 50 when left out.", minimum = 1, maximum = 200),
        ("cursor" = Option<String>, Query, pattern = "^c1[0-9a-f]{32}$", description = "Where to go on: `next_cursor` of the page before."),
    ),
    responses((status = 200, description = "A page of deliveries.", body = ref("#/components/schemas/DeliveryPage"))),
    extensions(("x-problems" = json!(["task_not_found", "not_acceptable", "invalid"])))
)]
pub(crate) async fn of_task(
    State(app): State<Shared>,
    caller: Caller,
    TaskPath(id): TaskPath,
    RawQuery(query): RawQuery,
) -> Result<Json<DeliveryPage>, Problem> {
    app.store.get(caller.project, id).await?;
    page(&app, &caller, Whose::Task(id), query.as_deref()).await
}

/// Read about a delivery.
///
/// As in the list, and with the body that is sent.
#[utoipa::path(
    get,
    path = "/webhooks/{id}/deliveries/{delivery_id}",
    operation_id = "getWebhookDelivery",
    tag = "webhooks",
    security(("key" = ["webhooks"])),
    params(
        ("id" = String, Path, description = "The webhook, `whk_…`."),
        ("delivery_id" = String, Path, description = "The delivery, `dlv_…`."),
    ),
    responses((status = 200, description = "The delivery.", body = ref("#/components/schemas/Delivery"))),
    extensions(("x-problems" = json!(["webhook_not_found", "delivery_not_found", "not_acceptable"])))
)]
pub(crate) async fn get(
    State(app): State<Shared>,
    caller: Caller,
    DeliveryPath { webhook, delivery }: DeliveryPath,
) -> Result<Json<DeliveryView>, Problem> {
    find(&app, &caller, webhook).await?;
    let row = app.store.delivery(caller.project, webhook, delivery).await?;
    let row = row.ok_or_else(|| Problem::no_delivery(&delivery.to_string()))?;
    Ok(Json(DeliveryView::new(row)))
}

async fn page(app: &App, caller: &Caller, whose: Whose, query: Option<&str>) -> Result<Json<DeliveryPage>, Problem> {
    let mut query = Query::read(query, &["status", "type", "limit", "cursor"]);
    let limit = query.number("limit", 1, LIMIT_MAX).unwrap_or(LIMIT).unsigned_abs();
    let status = query.one("status").and_then(|text| {
        let status = DeliveryStatus::ALL.into_iter().find(|status| status.name() == text);
        if status.is_none() {
            query.fault("status", "must be pending, succeeded, failed or canceled");
        }
        status
    });
    let event_type = query.one("type");
    if event_type.as_deref().is_some_and(|text| text.contains('\0')) {
        query.fault("type", "must not contain U+0000");
    }
    let before = behind(&mut query).map(|id| DeliveryId(id.0));
    query.finish()?;
    let limit = usize::try_from(limit).unwrap_or(1);
    let most = u32::try_from(limit + 1).unwrap_or(u32::MAX);
    let mut rows = app.store.deliveries(caller.project, whose, status, event_type.as_deref(), before, most).await?;
    let has_more = rows.len() > limit;
    rows.truncate(limit);
    let next_cursor = rows.last().filter(|_| has_more).map(|last| cursor::write(TaskId(last.id.0)));
    Ok(Json(DeliveryPage { data: rows.into_iter().map(DeliveryView::new).collect(), has_more, next_cursor }))
}
