//! `GET`, `PUT` and `DELETE /queues/{queue}/groups/{group}`: the limits of one group.

use axum::{Json, extract::State};
use jobs_core::{GroupKey, GroupSettings};

use super::{GroupView, put::configure};
use crate::{
    app::Shared,
    body::{JsonBody, checked},
    caller::Caller,
    path::GroupPath,
    problem::Problem,
};

/// Read a group of a queue.
///
/// A group needs no making: a name that nobody used yet is an empty group.
#[utoipa::path(
    get,
    path = "/queues/{queue}/groups/{group}",
    operation_id = "getGroup",
    tag = "queues",
    security(("key" = ["admin"])),
    params(("queue" = String, Path, description = "The queue."), ("group" = String, Path, description = "The group.")),
    responses((status = 200, description = "The group.", body = ref("#/components/schemas/Group"))),
    extensions(("x-problems" = json!(["queue_not_found", "group_not_found", "not_acceptable"])))
)]
pub(crate) async fn get(
    State(app): State<Shared>,
    caller: Caller,
    path: GroupPath,
) -> Result<Json<GroupView>, Problem> {
    Ok(Json(GroupView::of(&app, caller.project, &path.queue, &path.group).await?))
}

/// Set the limits of a group.
///
/// What is left out is as the `group_defaults` of the queue say. Replaces what was said of the group before.
#[utoipa::path(
    put,
    path = "/queues/{queue}/groups/{group}",
    operation_id = "setGroup",
    tag = "queues",
    security(("key" = ["admin"])),
    params(("queue" = String, Path, description = "The queue."), ("group" = String, Path, description = "The group.")),
    request_body(content = ref("#/components/schemas/GroupSettings"), content_type = "application/json"),
    responses((status = 200, description = "The group.", body = ref("#/components/schemas/Group"))),
    extensions(("x-problems" = json!(["queue_not_found", "group_not_found", "not_acceptable", "unsupported_media_type", "invalid"])))
)]
pub(crate) async fn put(
    State(app): State<Shared>,
    caller: Caller,
    path: GroupPath,
    JsonBody(body): JsonBody,
) -> Result<Json<GroupView>, Problem> {
    let settings: GroupSettings = checked(body)?;
    app.store.set_group(&path.queue, &GroupKey::new(caller.project, &path.group), Some(&settings)).await?;
    configure(&app, &path.queue).await?;
    Ok(Json(GroupView::of(&app, caller.project, &path.queue, &path.group).await?))
}

/// Forget the limits of a group.
///
/// From now on it has those that the `group_defaults` of the queue say.
#[utoipa::path(
    delete,
    path = "/queues/{queue}/groups/{group}",
    operation_id = "resetGroup",
    tag = "queues",
    security(("key" = ["admin"])),
    params(("queue" = String, Path, description = "The queue."), ("group" = String, Path, description = "The group.")),
    responses((status = 200, description = "The group.", body = ref("#/components/schemas/Group"))),
    extensions(("x-problems" = json!(["queue_not_found", "group_not_found", "not_acceptable"])))
)]
pub(crate) async fn reset(
    State(app): State<Shared>,
    caller: Caller,
    path: GroupPath,
) -> Result<Json<GroupView>, Problem> {
    app.store.set_group(&path.queue, &GroupKey::new(caller.project, &path.group), None).await?;
    configure(&app, &path.queue).await?;
    Ok(Json(GroupView::of(&app, caller.project, &path.queue, &path.group).await?))
}
