//! The operations on schedules, a file each.

mod change;
pub(crate) mod create;
mod definition;
pub(crate) mod delete;
pub(crate) mod get;
pub(crate) mod list;
pub(crate) mod patch;
pub(crate) mod pause;
pub(crate) mod preview;
pub(crate) mod run;
pub(crate) mod runs;
mod view;

use axum::{
    Json,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use jobs_core::ScheduleId;
use jobs_store::ScheduleRow;

pub(crate) use definition::CreateSchedule;
pub(crate) use pause::PauseSchedule;
pub(crate) use preview::{Preview, PreviewSchedule};
pub(crate) use run::RunSchedule;
pub(crate) use view::{RunPage, SchedulePage};

use self::view::ScheduleView;
use crate::{
    app::App,
    caller::Caller,
    etag,
    links::Links,
    problem::{Code, Problem},
};

/// A schedule of the caller's project.
async fn find(app: &App, caller: &Caller, id: ScheduleId) -> Result<ScheduleRow, Problem> {
    let row = app.store.schedule(caller.project, id).await?;
    row.ok_or_else(|| Problem::no_schedule(&id.to_string()))
}

/// The tag of what a client can change: fires leave it as it is, so that none comes between a client and its change.
fn tag(row: &ScheduleRow) -> String {
    etag::strong(&row.version.to_string())
}

/// Refuses a change of another version than the client means.
fn check_version(headers: &HeaderMap, row: &ScheduleRow) -> Result<(), Problem> {
    if etag::is_meant(headers, &tag(row)) {
        return Ok(());
    }
    let detail = format!("the schedule is in version {}; If-Match names another one", row.version);
    Err(Problem::new(Code::PreconditionFailed, detail))
}

/// A schedule as an answer.
fn answer(status: StatusCode, row: ScheduleRow, links: &Links) -> Response {
    let tag = tag(&row);
    let mut response = (status, Json(ScheduleView::new(row, links))).into_response();
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}
