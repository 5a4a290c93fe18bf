//! `POST /schedules`: make a schedule.

use axum::{
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::Response,
};
use jobs_core::ScheduleId;
use jobs_store::{Created, NewSchedule};

use super::{answer, change::exists, definition::Definition, find};
use crate::{
    app::Shared,
    body::JsonBody,
    caller::Caller,
    idempotency,
    links::Links,
    problem::{Code, Problem},
    tasks::create::REPLAYED,
};

/// Make a schedule.
///
/// Each of its fires makes one task, as `POST /tasks` would. `POST /schedules/preview` says beforehand when that is.
#[utoipa::path(
    post,
    path = "/schedules",
    operation_id = "createSchedule",
    tag = "schedules",
    security(("key" = ["schedules"])),
    params(
        ("Idempotency-Key" = Option<String>, Header, pattern = r#"^("[!#-\[\]-~]{1,253}"|[!#-~][!-~]{0,254})$"#, description = "Makes repetitions of this request one schedule: 1 to 255 visible ASCII characters, in quotes or bare."),
    ),
    request_body(content = ref("#/components/schemas/CreateSchedule"), content_type = "application/json"),
    responses(
        (status = 201, description = "The schedule.", body = ref("#/components/schemas/Schedule"),
            headers(("Location" = String, description = "The address of the schedule."), ("ETag" = String, description = "Its version."))),
    ),
    extensions(("x-problems" = json!(["malformed", "invalid_header", "not_acceptable", "unsupported_media_type", "invalid", "schedule_exists", "idempotency_key_reused", "gone"])))
)]
pub(crate) async fn create(
    State(app): State<Shared>,
    caller: Caller,
    links: Links,
    headers: HeaderMap,
    JsonBody(body): JsonBody,
) -> Result<Response, Problem> {
    let key = idempotency::of(&headers, "POST /schedules", &body)?;
    let said = Definition::read(&app, body, caller.project)?;
    let id = ScheduleId::new();
    let next = said.times(id)?.after(app.store.schedule_now().await?);
    if next.is_none() {
        return Err(said.never());
    }
    let new = NewSchedule {
        id,
        project: caller.project,
        name: said.name,
        spec: said.spec,
        task: said.task,
        overlap: said.overlap,
        catch_up: said.catch_up,
        catch_up_max: said.catch_up_max,
        enabled: said.enabled,
        managed_by: said.managed_by,
        next,
    };
    let (id, is_replay) = match app.store.create_schedule(&new, key.as_ref()).await? {
        Created::Yes => (id, false),
        Created::Replayed(first) => (first, true),
        Created::NameTaken => return Err(exists(&new.name)),
        Created::KeyTaken => {
            return Err(Problem::new(Code::KeyReused, "another request came before under this Idempotency-Key"));
        }
    };
    let row = find(&app, &caller, id).await.map_err(|problem| match problem.code {
        Code::ScheduleNotFound => {
            Problem::new(Code::Gone, "the schedule of this Idempotency-Key has been removed; nothing was made")
        }
        _ => problem,
    })?;
    let mut response = answer(StatusCode::CREATED, row, &links);
    let headers = response.headers_mut();
    if let Ok(location) = HeaderValue::from_str(&links.schedule(id, "")) {
        headers.insert(header::LOCATION, location);
    }
    if is_replay {
        headers.insert(REPLAYED, HeaderValue::from_static("true"));
    }
    Ok(response)
}
