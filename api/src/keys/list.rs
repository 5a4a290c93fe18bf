//! `GET /keys`: the keys of a project.

use axum::{
    Json,
    extract::{RawQuery, State},
};
use jobs_core::KeyId;

use super::{KeyView, create::project};
use crate::{app::Shared, caller::Caller, problem::Problem, query::Query, view::Page};

const LIMIT: i64 = 100;
const LIMIT_MAX: i64 = 1_000;

/// List API keys.
///
/// Those of the project, the newest first; also those that expired or were revoked.
#[utoipa::path(
    get,
    path = "/keys",
    operation_id = "listKeys",
    tag = "keys",
    security(("key" = ["admin"])),
    params(
        ("project" = Option<String>, Query, pattern = "^proj_[0-9a-f]{32}$", description = "Those of another project; takes the scope `operator`."),
        ("limit" = Option<u32>, Query, description = "So many at most; 100 when left out.", minimum = 1, maximum = 1000),
        ("before" = Option<String>, Query, pattern = "^key_[0-9a-f]{32}$", description = "Only keys that were made before this one: the last of the page before."),
    ),
    responses((status = 200, description = "A page of keys.", body = ref("#/components/schemas/ApiKeyPage"))),
    extensions(("x-problems" = json!(["not_acceptable", "invalid", "project_not_found"])))
)]
pub(crate) async fn list(
    State(app): State<Shared>,
    caller: Caller,
    RawQuery(query): RawQuery,
) -> Result<Json<Page<KeyView>>, Problem> {
    let mut query = Query::read(query.as_deref(), &["project", "limit", "before"]);
    let said = query.one("project");
    let limit = query.number("limit", 1, LIMIT_MAX).unwrap_or(LIMIT).unsigned_abs();
    let before = query.one("before").and_then(|text| {
        let id = text.parse::<KeyId>().ok();
        if id.is_none() {
            query.fault("before", "is not the id of a key");
        }
        id
    });
    query.finish()?;
    let project = project(&app, &caller, said.as_deref()).await?;
    let limit = usize::try_from(limit).unwrap_or(1);
    let mut rows = app.store.keys(project, before, u32::try_from(limit + 1).unwrap_or(u32::MAX)).await?;
    let has_more = rows.len() > limit;
    rows.truncate(limit);
    Ok(Json(Page { data: rows.into_iter().map(KeyView::new).collect(), has_more }))
}
