//! `POST /schedules/{id}/run`: make the task of a schedule now.

use axum::{Json, extract::State, http::StatusCode};
use jobs_core::{NewTask, submission::CreateTask};
use jobs_schedules::Overlap;
use jobs_store::{
    ScheduleRow, ScheduleRun,
    transition::{Fate, Firing, Occasion, Planned, Unmade},
};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{definition::OverlapWord, find, view::RunView};
use crate::{
    app::{App, Shared},
    body::{OptionalJson, checked},
    caller::Caller,
    courier::Errand,
    links::Links,
    path::SchedulePath,
    problem::{Code, Problem},
    request::RequestId,
};

/// So often it is tried again while the schedule is changed.
const TRIES: u32 = 5;

/// How the task of a schedule is made now.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(example = serde_json::json!({ "overlap": "allow" }))]
pub(crate) struct RunSchedule {
    /// What happens if an earlier task has not ended; as the schedule says when left out.
    #[schemars(with = "Option<OverlapWord>")]
    overlap: Option<Overlap>,
}

/// Make the task of a schedule now.
///
/// Also while it is paused. Its fires stay as they are. The answer says what became of it: with `overlap` as the schedule has it, an earlier
/// task that has not ended may be a reason to make none.
#[utoipa::path(
    post,
    path = "/schedules/{id}/run",
    operation_id = "runSchedule",
    tag = "schedules",
    security(("key" = ["schedules"])),
    params(("id" = String, Path, description = "The schedule, `sched_…`.")),
    request_body(content = ref("#/components/schemas/RunSchedule"), content_type = "application/json"),
    responses((status = 202, description = "What became of it.", body = ref("#/components/schemas/ScheduleRun"))),
    extensions(("x-problems" = json!(["malformed", "schedule_not_found", "not_acceptable", "unsupported_media_type", "invalid"])))
)]
pub(crate) async fn run(
    State(app): State<Shared>,
    caller: Caller,
    SchedulePath(id): SchedulePath,
    RequestId(request_id): RequestId,
    links: Links,
    OptionalJson(body): OptionalJson,
) -> Result<(StatusCode, Json<RunView>), Problem> {
    let RunSchedule { overlap } = body.map(checked).transpose()?.unwrap_or_default();
    for _ in 0..TRIES {
        let row = find(&app, &caller, id).await?;
        if let Some(run) = fire(&app, &row, overlap, &request_id).await? {
            return Ok((StatusCode::ACCEPTED, Json(RunView::new(id, run, &links))));
        }
    }
    Err(Problem::new(Code::Unavailable, "the schedule is changed by others all the time").retry_after(1))
}

/// Fires once; nothing when the schedule is another one by now.
async fn fire(
    app: &App,
    row: &ScheduleRow,
    overlap: Option<Overlap>,
    request_id: &str,
) -> Result<Option<ScheduleRun>, Problem> {
    let fires = vec![Planned { at: row.now, due: row.now, task: task(app, row, request_id) }];
    let occasion = Occasion::ByHand { overlap };
    let firing = Firing { schedule: row.id, version: row.version, occasion, fires };
    let fired = app.store.fire(&[firing]).await?;
    for (state, ticket) in fired.replaced {
        app.courier.canceled(ticket.task, &ticket.queue, ticket.group, state);
    }
    for task in fired.made {
        let ticket = fired.ready.iter().find(|ticket| ticket.task == task).cloned();
        app.courier.send(Errand::New(task, ticket, None));
    }
    let runs = fired.fates.into_iter().find_map(|fate| if let Fate::Decided(runs) = fate { Some(runs) } else { None });
    Ok(runs.and_then(|runs| runs.into_iter().rfind(|run| run.by_hand)))
}

fn task(app: &App, row: &ScheduleRow, request_id: &str) -> Result<NewTask, Unmade> {
    let unmade = |detail: String| Unmade { reason: "invalid_task", detail };
    let body = serde_json::from_str(row.task.get()).map_err(|error| unmade(error.to_string()))?;
    let task = CreateTask::read(body, &app.envelope, &app.registry, row.project).map_err(|faults| {
        let said = faults.iter().map(|fault| format!("/task{}: {}", fault.pointer, fault.detail));
        unmade(said.collect::<Vec<_>>().join("; "))
    })?;
    Ok(NewTask { request_id: Some(request_id.to_owned()), ..task })
}
