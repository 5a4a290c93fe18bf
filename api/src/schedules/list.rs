//! `GET /schedules`: the schedules of a project.

use axum::{
    Json,
    extract::{RawQuery, State},
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};

use super::view::{SchedulePage, ScheduleView};
use crate::{app::Shared, caller::Caller, links::Links, problem::Problem, query::Query};

const LIMIT: i64 = 100;
const LIMIT_MAX: i64 = 1_000;
const MARK: &str = "s1";

/// List schedules.
///
/// By name.
#[utoipa::path(
    get,
    path = "/schedules",
    operation_id = "listSchedules",
    tag = "schedules",
    security(("key" = ["schedules"])),
    params(
        ("name" = Option<String>, Query, pattern = r"^[^\u0000]*$", description = "Only the one that is called so."),
        ("managed_by" = Option<String>, Query, pattern = r"^[^\u0000]*$", description = "Only those that this file keeps."),
        ("limit" = Option<u32>, Query, description = "So many at most; 100 when left out.", minimum = 1, maximum = 1000),
        ("cursor" = Option<String>, Query, pattern = "^s1([0-9a-f]{2}){1,100}$", description = "`next_cursor` of the page before."),
    ),
    responses((status = 200, description = "A page of schedules.", body = ref("#/components/schemas/SchedulePage"),
        headers(("Link" = String, description = "The next page, `rel=\"next\"`; if there is one.")))),
    extensions(("x-problems" = json!(["not_acceptable", "invalid"])))
)]
pub(crate) async fn list(
    State(app): State<Shared>,
    caller: Caller,
    RawQuery(query): RawQuery,
    links: Links,
) -> Result<Response, Problem> {
    let mut query = Query::read(query.as_deref(), &["name", "managed_by", "limit", "cursor"]);
    let (name, managed_by) = (query.one("name"), query.one("managed_by"));
    let limit = query.number("limit", 1, LIMIT_MAX).unwrap_or(LIMIT);
    let after = query.one("cursor").and_then(|text| {
        let after = read(&text);
        if after.is_none() {
            query.fault("cursor", "is not a cursor of this list");
        }
        after
    });
    let query = query.finish()?;
    let limit = usize::try_from(limit).unwrap_or(1);
    let most = u32::try_from(limit + 1).unwrap_or(u32::MAX);
    let (name, managed_by, after) = (name.as_deref(), managed_by.as_deref(), after.as_deref());
    let mut rows = app.store.schedules(caller.project, name, managed_by, after, most).await?;
    let has_more = rows.len() > limit;
    rows.truncate(limit);
    let next_cursor = rows.last().filter(|_| has_more).map(|last| write(&last.name));
    let next = next_cursor.as_deref().map(|cursor| query.with("cursor", cursor));
    let link = next.map(|query| format!("<{}?{query}>; rel=\"next\"", links.api("schedules")));
    let data = rows.into_iter().map(|row| ScheduleView::new(row, &links)).collect();
    let mut response = Json(SchedulePage { data, has_more, next_cursor }).into_response();
    if let Some(link) = link.and_then(|link| HeaderValue::from_str(&link).ok()) {
        response.headers_mut().insert(header::LINK, link);
    }
    Ok(response)
}

/// The cursor behind a name.
fn write(name: &str) -> String {
    format!("{MARK}{}", hex::encode(name))
}

fn read(text: &str) -> Option<String> {
    let name = String::from_utf8(hex::decode(text.strip_prefix(MARK)?).ok()?).ok()?;
    (!name.is_empty() && !name.contains('\0')).then_some(name)
}
