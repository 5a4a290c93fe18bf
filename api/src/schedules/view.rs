//! Schedules and their runs as clients see them.

use jobs_core::ScheduleId;
use jobs_schedules::CatchUp;
use jobs_store::{Outcome, ScheduleRow, ScheduleRun};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, value::RawValue};

use super::definition::{CatchUpWord, DstWord, OverlapWord};
use crate::{
    clock::{Timestamp, millis_between},
    links::Links,
};

/// A schedule as it stands.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Schedule")]
pub(crate) struct ScheduleView {
    /// Its name for programs, `sched_…`.
    id: String,
    /// Always `schedule`.
    #[schemars(extend("const" = "schedule"))]
    object: &'static str,
    /// Its name for people.
    name: String,
    /// `active`; `paused`, or `ended` when it has no fire left.
    #[schemars(extend("enum" = ["active", "paused", "ended"]))]
    status: &'static str,
    /// When it fires: an expression.
    #[serde(skip_serializing_if = "Option::is_none")]
    cron: Option<String>,
    /// When it fires: an interval.
    #[serde(skip_serializing_if = "Option::is_none")]
    every_ms: Option<u64>,
    /// Whose wall clock the expression means.
    timezone: String,
    /// What becomes of times that clocks skip or show twice.
    #[schemars(with = "DstWord")]
    dst: &'static str,
    /// Each fire is put off by less than this.
    jitter_ms: u64,
    /// No fire before this.
    #[serde(skip_serializing_if = "Option::is_none")]
    starts_at: Option<Timestamp>,
    /// No fire at this or after it.
    #[serde(skip_serializing_if = "Option::is_none")]
    ends_at: Option<Timestamp>,
    /// The task that each fire makes, as it was sent.
    #[schemars(with = "Value")]
    task: Box<RawValue>,
    /// What happens while the task of an earlier fire has not ended.
    #[schemars(with = "OverlapWord")]
    overlap: &'static str,
    /// What happens to missed fires.
    #[schemars(with = "CatchUpWord")]
    catch_up: &'static str,
    /// With how many fires it catches up.
    #[serde(skip_serializing_if = "Option::is_none")]
    catch_up_max: Option<u32>,
    /// Whether it fires, or is paused.
    enabled: bool,
    /// Why it is paused.
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
    /// Who keeps it.
    #[serde(skip_serializing_if = "Option::is_none")]
    managed_by: Option<String>,
    /// The time of its next fire.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_fire_at: Option<Timestamp>,
    /// When that starts, if jitter puts it off.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_start_at: Option<Timestamp>,
    /// The fire whose task waits until those of earlier ones have ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    waiting_fire_at: Option<Timestamp>,
    /// The last fire that was decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_fire_at: Option<Timestamp>,
    /// The last task that it made.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_task_id: Option<String>,
    /// What became of its fires until now.
    counts: Counts,
    /// When it was made.
    created_at: Timestamp,
    /// When a client changed it last.
    updated_at: Timestamp,
    /// Counts the changes of clients; also its entity tag.
    version: i64,
    /// Where to go from here.
    urls: Urls,
}

/// What became of fires.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "ScheduleCounts")]
struct Counts {
    /// So many made a task.
    fired: i64,
    /// So often none was made, by the rules of the schedule; many fires that were left out together count once.
    skipped: i64,
    /// So many could make none.
    failed: i64,
}

/// The addresses of a schedule.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "ScheduleUrls")]
struct Urls {
    /// The schedule itself.
    #[serde(rename = "self")]
    itself: String,
    /// POST here to pause it.
    pause: String,
    /// POST here to let it go on.
    resume: String,
    /// POST here to make its task now.
    run: String,
    /// What became of its fires.
    runs: String,
    /// The tasks that it made.
    tasks: String,
}

/// One page of schedules, by name.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct SchedulePage {
    /// The schedules.
    pub(super) data: Vec<ScheduleView>,
    /// Whether there are more behind them.
    pub(super) has_more: bool,
    /// The `cursor` of the next page, if there is one.
    pub(super) next_cursor: Option<String>,
}

/// What became of a fire.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "ScheduleRun")]
pub(crate) struct RunView {
    /// Always `schedule_run`.
    #[schemars(extend("const" = "schedule_run"))]
    object: &'static str,
    /// The schedule.
    schedule_id: String,
    /// The time that the schedule means; of one that was asked for, when that was.
    fire_at: Timestamp,
    /// When it was to start, jitter and all.
    due_at: Timestamp,
    /// Whether its time came, or somebody asked for it.
    #[schemars(extend("enum" = ["schedule", "manual"]))]
    trigger: &'static str,
    /// `fired`: it made a task; `waiting`: its task waits for those of earlier fires; `skipped`: it makes none, by the rules of the
    /// schedule; `failed`: it could make none.
    #[schemars(extend("enum" = ["fired", "waiting", "skipped", "failed"]))]
    outcome: &'static str,
    /// Why it made no task.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<Reason>,
    /// It stands for all fires before this.
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<Timestamp>,
    /// Its task.
    #[serde(skip_serializing_if = "Option::is_none")]
    task_id: Option<String>,
    /// The address of that.
    #[serde(skip_serializing_if = "Option::is_none")]
    task_url: Option<String>,
    /// From its time to the decision.
    #[serde(skip_serializing_if = "Option::is_none")]
    late_ms: Option<u64>,
    /// When it was decided.
    decided_at: Timestamp,
}

/// Why a fire made no task.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "ScheduleRunReason")]
struct Reason {
    /// A stable word for programs: `overlap`, `missed`, `too_many`, `paused`; of one that failed `invalid_task`, `invalid_schedule`,
    /// `not_stored`.
    code: String,
    /// A sentence for people.
    detail: String,
}

/// One page of what became of fires, the latest first.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "ScheduleRunPage")]
pub(crate) struct RunPage {
    /// The runs.
    pub(super) data: Vec<RunView>,
    /// Whether there are more behind them.
    pub(super) has_more: bool,
    /// The `cursor` of the next page, if there is one.
    pub(super) next_cursor: Option<String>,
}

impl ScheduleView {
    pub(super) fn new(row: ScheduleRow, links: &Links) -> Self {
        let id = row.id;
        let status = match (row.next_at, row.enabled) {
            (None, _) => "ended",
            (_, true) => "active",
            (_, false) => "paused",
        };
        let next_at = row.next_at.filter(|_| row.enabled);
        let is_all = matches!(row.catch_up, CatchUp::All { .. });
        Self {
            id: id.to_string(),
            object: "schedule",
            name: row.name,
            status,
            cron: row.spec.cron,
            every_ms: row.spec.every_ms,
            timezone: row.spec.timezone,
            dst: row.spec.dst.name(),
            jitter_ms: row.spec.jitter_ms,
            starts_at: row.spec.starts_at.map(Timestamp),
            ends_at: row.spec.ends_at.map(Timestamp),
            task: row.task,
            overlap: row.overlap.name(),
            catch_up: row.catch_up.name(),
            catch_up_max: is_all.then_some(row.catch_up_max),
            enabled: row.enabled,
            note: row.note,
            managed_by: row.managed_by,
            next_fire_at: next_at.map(Timestamp),
            next_start_at: row.next_due_at.filter(|due| next_at.is_some_and(|at| at != *due)).map(Timestamp),
            waiting_fire_at: row.waiting_at.map(Timestamp),
            last_fire_at: row.last_at.map(Timestamp),
            last_task_id: row.last_task.map(|task| task.to_string()),
            counts: Counts { fired: row.fired, skipped: row.skipped, failed: row.failed },
            created_at: Timestamp(row.created_at),
            updated_at: Timestamp(row.updated_at),
            version: row.version,
            urls: Urls {
                itself: links.schedule(id, ""),
                pause: links.schedule(id, "pause"),
                resume: links.schedule(id, "resume"),
                run: links.schedule(id, "run"),
                runs: links.schedule(id, "runs"),
                tasks: links.api(&format!("tasks?schedule_id={id}")),
            },
        }
    }
}

impl RunView {
    pub(super) fn new(schedule: ScheduleId, run: ScheduleRun, links: &Links) -> Self {
        let detail = run.detail;
        let reason =
            run.reason.map(|code| Reason { detail: detail.unwrap_or_else(|| explained(&code).to_owned()), code });
        let is_late = run.outcome == Outcome::Fired;
        Self {
            object: "schedule_run",
            schedule_id: schedule.to_string(),
            fire_at: Timestamp(run.fire_at),
            due_at: Timestamp(run.due_at),
            trigger: if run.by_hand { "manual" } else { "schedule" },
            outcome: run.outcome.name(),
            reason,
            until: run.until.map(Timestamp),
            task_id: run.task.map(|task| task.to_string()),
            task_url: run.task.map(|task| links.task(task, "")),
            late_ms: millis_between(run.due_at, run.decided_at).filter(|_| is_late),
            decided_at: Timestamp(run.decided_at),
        }
    }
}

fn explained(code: &str) -> &'static str {
    match code {
        "overlap" => "the task of an earlier fire had not ended",
        "missed" => "nobody was there in time, and the schedule does not catch up with it",
        "too_many" => "nobody was there in time, and there were more than the schedule catches up with",
        "paused" => "the schedule was paused",
        _ => "no task could be made",
    }
}
