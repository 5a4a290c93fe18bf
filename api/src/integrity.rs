//! `GET /integrity`: whether every unfinished task has exactly one place.

use axum::{Json, extract::State};
use jobs_core::Defect;
use jobs_store::{Integrity, Round};
use schemars::JsonSchema;
use serde::Serialize;
use time::OffsetDateTime;

use crate::{app::Shared, clock::Timestamp, problem::Problem};

/// What is known of the places of tasks.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Integrity")]
pub(crate) struct IntegrityView {
    /// `ok`; `repaired` if the last round of the audit found something; `unattended` while no scheduler leads, so that nobody looks.
    #[schemars(extend("enum" = ["ok", "repaired", "unattended"]))]
    status: &'static str,
    /// Whether Redis has an index of what is ready. One that was lost is built again as soon as something is queued or runs. Left
    /// out while Redis is away.
    #[serde(skip_serializing_if = "Option::is_none")]
    index_whole: Option<bool>,
    /// The last round of the audit; left out before the first. It rests while nothing is queued or runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_round: Option<RoundView>,
    /// Every sort of defect, with how often it was found and repaired.
    defects: Vec<DefectView>,
}

/// A round of the audit through all that is queued or runs, and through the whole index.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "IntegrityRound")]
struct RoundView {
    /// When it ended.
    finished_at: Timestamp,
    /// How long it took. It goes slowly, a page a second.
    took_ms: u64,
    /// So many tasks were looked at.
    tasks: u64,
    /// So many entries of the index were looked at.
    entries: u64,
    /// So many defects were found and repaired.
    defects: u64,
}

/// A sort of defect.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "IntegrityDefect")]
struct DefectView {
    /// A stable word for programs.
    defect: &'static str,
    /// What it means and what is done about it.
    meaning: &'static str,
    /// How often it was found, since the first day.
    found: u64,
    /// When it was found last.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_at: Option<Timestamp>,
}

impl IntegrityView {
    fn new(integrity: &Integrity, is_led: bool, index_whole: Option<bool>) -> Self {
        let status = match &integrity.round {
            _ if !is_led => "unattended",
            Some((round, _)) if round.defects > 0 => "repaired",
            _ => "ok",
        };
        let defects = Defect::ALL.into_iter().map(|defect| {
            let known = integrity.defects.iter().find(|(known, ..)| *known == defect);
            DefectView {
                defect: defect.name(),
                meaning: defect.meaning(),
                found: known.map_or(0, |(_, found, _)| *found),
                last_at: known.map(|(.., at)| Timestamp(*at)),
            }
        });
        let last_round = integrity.round.as_ref().map(|(round, at)| RoundView::new(round, *at));
        Self { status, index_whole, last_round, defects: defects.collect() }
    }
}

impl RoundView {
    fn new(round: &Round, finished_at: OffsetDateTime) -> Self {
        Self {
            finished_at: Timestamp(finished_at),
            took_ms: u64::try_from(round.took.as_millis()).unwrap_or(u64::MAX),
            tasks: round.tasks,
            entries: round.entries,
            defects: round.defects,
        }
    }
}

/// Say whether every unfinished task has its place.
///
/// A task that is queued is ready in Redis or was just taken; one that runs is held by a living worker and counted by its group. The
/// leading scheduler compares the two slowly and all the time, repairs what it finds, and counts it. `longshore doctor` does the
/// same at once.
#[utoipa::path(
    get,
    path = "/integrity",
    operation_id = "getIntegrity",
    tag = "system",
    security(("key" = ["operator"])),
    responses((status = 200, description = "What the audit found.", body = ref("#/components/schemas/Integrity"))),
    extensions(("x-problems" = json!(["not_acceptable"])))
)]
pub(crate) async fn get(State(app): State<Shared>) -> Result<Json<IntegrityView>, Problem> {
    let server = app.store.server().await?;
    let integrity = app.store.integrity().await?;
    let index_whole = app.queue.is_whole().await.ok();
    Ok(Json(IntegrityView::new(&integrity, server.is_led, index_whole)))
}
