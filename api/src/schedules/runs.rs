//! `GET /schedules/{id}/runs`: what became of the fires of a schedule.

use axum::{
    Json,
    extract::{RawQuery, State},
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use time::OffsetDateTime;

use super::{
    find,
    view::{RunPage, RunView},
};
use crate::{app::Shared, caller::Caller, links::Links, path::SchedulePath, problem::Problem, query::Query};

const LIMIT: i64 = 20;
const LIMIT_MAX: i64 = 100;
const MARK: &str = "r1";

/// List what became of the fires of a schedule.
///
/// The latest first. What was decided more than 30 days ago is forgotten. Fires that were left out together, because nobody was there for
/// them or the schedule was paused, are one item: it stands for all from `fire_at` and before `until`.
#[utoipa::path(
    get,
    path = "/schedules/{id}/runs",
    operation_id = "listScheduleRuns",
    tag = "schedules",
    security(("key" = ["schedules"])),
    params(
        ("id" = String, Path, description = "The schedule, `sched_…`."),
        ("limit" = Option<u32>, Query, description = "So many at most; 20 when left out.", minimum = 1, maximum = 100),
        ("cursor" = Option<String>, Query, pattern = "^r1[0-9a-f]{16}$", description = "`next_cursor` of the page before."),
    ),
    responses((status = 200, description = "A page of runs.", body = ref("#/components/schemas/ScheduleRunPage"),
        headers(("Link" = String, description = "The next page, `rel=\"next\"`; if there is one.")))),
    extensions(("x-problems" = json!(["schedule_not_found", "not_acceptable", "invalid"])))
)]
pub(crate) async fn runs(
    State(app): State<Shared>,
    caller: Caller,
    SchedulePath(id): SchedulePath,
    RawQuery(query): RawQuery,
    links: Links,
) -> Result<Response, Problem> {
    let mut query = Query::read(query.as_deref(), &["limit", "cursor"]);
    let limit = query.number("limit", 1, LIMIT_MAX).unwrap_or(LIMIT);
    let before = query.one("cursor").and_then(|text| {
        let before = read(&text);
        if before.is_none() {
            query.fault("cursor", "is not a cursor of this list");
        }
        before
    });
    let query = query.finish()?;
    find(&app, &caller, id).await?;
    let limit = usize::try_from(limit).unwrap_or(1);
    let most = u32::try_from(limit + 1).unwrap_or(u32::MAX);
    let mut rows = app.store.schedule_runs(caller.project, id, before, most).await?;
    let has_more = rows.len() > limit;
    rows.truncate(limit);
    let next_cursor = rows.last().filter(|_| has_more).map(|last| write(last.fire_at));
    let next = next_cursor.as_deref().map(|cursor| query.with("cursor", cursor));
    let link = next.map(|query| format!("<{}?{query}>; rel=\"next\"", links.schedule(id, "runs")));
    let data = rows.into_iter().map(|row| RunView::new(id, row, &links)).collect();
    let mut response = Json(RunPage { data, has_more, next_cursor }).into_response();
    if let Some(link) = link.and_then(|link| HeaderValue::from_str(&link).ok()) {
        response.headers_mut().insert(header::LINK, link);
    }
    Ok(response)
}

/// The cursor behind a fire: its time in microseconds, as Postgres keeps it.
fn write(at: OffsetDateTime) -> String {
    let micros = i64::try_from(at.unix_timestamp_nanos() / 1_000).unwrap_or_default();
    format!("{MARK}{:016x}", micros.cast_unsigned())
}

fn read(text: &str) -> Option<OffsetDateTime> {
    let digits = text.strip_prefix(MARK).filter(|digits| digits.len() == 16)?;
    let micros = u64::from_str_radix(digits, 16).ok()?.cast_signed();
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(micros) * 1_000).ok()
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn a_cursor_is_read_back_and_nothing_else_is_one() {
        let at = datetime!(2026-03-29 01:00:00.123456 UTC);
        assert_eq!(read(&write(at)), Some(at));
        for bad in ["", "r1", "r1zz", "r1ffff", "c10000000000000000", "r17fffffffffffffff"] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
