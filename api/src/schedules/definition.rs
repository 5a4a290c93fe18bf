//! What a client says of a schedule, and everything that is wrong with it.

use std::sync::LazyLock;

use jobs_core::{
    Fault, ProjectId, ScheduleId,
    fault::pointer_to,
    instant::{NO_INSTANT, read_instant},
    schema::{Schema, find_nul, whole},
    submission::CreateTask,
};
use jobs_schedules::{CatchUp, Dst, Overlap, Schedule, Spec};
use jobs_store::ScheduleRow;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json, value::RawValue};
use time::OffsetDateTime;

use crate::{app::App, clock::Timestamp, problem::Problem};

/// With so many fires `all` catches up when nothing is said.
pub(crate) const CATCH_UP_MAX: u32 = 100;
/// What a schedule decides itself, so that its task says nothing of it.
const NOT_OF_A_SCHEDULE: [(&str, &str); 4] = [
    ("run_at", "a schedule says itself when its tasks start"),
    ("deadline", "one point in time cannot hold for every task of a schedule"),
    ("depends_on", "the tasks of a schedule wait for no others; `overlap` says what happens among themselves"),
    ("coalesce", "the tasks of a schedule are not shared; `overlap` says what happens among themselves"),
];

static SCHEMA: LazyLock<Schema> = LazyLock::new(Schema::of::<CreateSchedule>);

/// A schedule to be made.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(example = json!({
    "name": "nightly-report", "cron": "0 3 * * *", "timezone": "Europe/Paris", "task": { "kind": "echo", "input": { "text": "good night" } }
}))]
pub(crate) struct CreateSchedule {
    /// What people call it. No other schedule of the project is called so.
    #[schemars(regex(pattern = r"^[A-Za-z0-9._:-]{1,100}$"))]
    pub(crate) name: String,
    /// When it fires: an expression of five fields with the meaning of Unix, of six with seconds first, or a name such as `@daily`.
    /// This or `every_ms`.
    #[schemars(length(max = 512))]
    pub(crate) cron: Option<String>,
    /// When it fires: at a steady interval, counted from `starts_at`, or from 1970.
    #[schemars(range(min = 1_000, max = 315_360_000_000_u64))]
    pub(crate) every_ms: Option<u64>,
    /// Whose wall clock the expression means: a name of the IANA database. `UTC` when left out.
    #[schemars(length(max = 100))]
    pub(crate) timezone: Option<String>,
    /// What becomes of times that clocks skip or show twice. `cron` when left out: once where hours are named, by time that passes where
    /// they are not.
    #[schemars(with = "Option<DstWord>")]
    pub(crate) dst: Option<Dst>,
    /// Each fire is put off by less than this, and never up to the next one.
    #[schemars(range(min = 0, max = 86_400_000))]
    pub(crate) jitter_ms: Option<u64>,
    /// No fire before this.
    #[schemars(extend("format" = "date-time"))]
    #[expect(dead_code, reason = "read where its faults are found")]
    pub(crate) starts_at: Option<String>,
    /// No fire at this or after it.
    #[schemars(extend("format" = "date-time"))]
    #[expect(dead_code, reason = "read where its faults are found")]
    pub(crate) ends_at: Option<String>,
    /// The task that each fire makes, as `POST /tasks` takes it, without `run_at`, `deadline`, `depends_on` and `coalesce`.
    #[schemars(with = "CreateTask")]
    #[expect(dead_code, reason = "read where its faults are found")]
    pub(crate) task: Value,
    /// What happens while the task of an earlier fire has not ended; `skip` when left out.
    #[schemars(with = "Option<OverlapWord>")]
    pub(crate) overlap: Option<Overlap>,
    /// What happens to fires that are later than ten seconds, because nobody was there for them; `latest` when left out.
    #[schemars(with = "Option<CatchUpWord>")]
    pub(crate) catch_up: Option<String>,
    /// With how many fires `all` catches up, the latest ones; 100 when left out.
    #[schemars(range(min = 1, max = 1_000))]
    pub(crate) catch_up_max: Option<u32>,
    /// Whether it fires, or is paused; `true` when left out.
    pub(crate) enabled: Option<bool>,
    /// Who keeps it: `file:` and a name, for schedules that are declared in a file.
    #[schemars(regex(pattern = r"^file:[^\x00-\x1f\x7f]{1,200}$"))]
    pub(crate) managed_by: Option<String>,
}

/// What becomes of times that clocks skip or show twice.
#[derive(JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "Dst")]
#[expect(dead_code, reason = "describes the words of jobs_schedules::Dst")]
pub(crate) enum DstWord {
    /// An expression that names hours as `first`; of one that does not, nothing is skipped or repeated: it goes by time that passes.
    Cron,
    /// A skipped time starts when the clocks have been set, a doubled one the first time.
    First,
    /// A skipped time starts when the clocks have been set, a doubled one the second time.
    Second,
    /// A skipped time starts when the clocks have been set, a doubled one both times.
    Both,
}

/// What happens while the task of an earlier fire has not ended.
#[derive(JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "Overlap")]
#[expect(dead_code, reason = "describes the words of jobs_schedules::Overlap")]
pub(crate) enum OverlapWord {
    /// The fire makes no task.
    Skip,
    /// Its task is made when the earlier ones have ended. One waits at most.
    Queue,
    /// The earlier tasks are canceled.
    Replace,
    /// They run beside each other.
    Allow,
}

/// What happens to missed fires.
#[derive(JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "CatchUp")]
#[expect(dead_code, reason = "describes the words of jobs_schedules::CatchUp")]
pub(crate) enum CatchUpWord {
    /// They are left out.
    None,
    /// The latest one starts, if none is on time.
    Latest,
    /// They start, the latest `catch_up_max` of them.
    All,
}

/// What a client says of a schedule, checked.
pub(super) struct Definition {
    pub(super) name: String,
    pub(super) spec: Spec,
    pub(super) task: Box<RawValue>,
    pub(super) overlap: Overlap,
    pub(super) catch_up: CatchUp,
    pub(super) catch_up_max: u32,
    pub(super) enabled: bool,
    pub(super) managed_by: Option<String>,
}

impl Definition {
    /// What `body` says, or everything that is wrong with it.
    pub(super) fn read(app: &App, mut body: Value, project: ProjectId) -> Result<Self, Problem> {
        for name in ["every_ms", "jitter_ms", "catch_up_max"] {
            body.get_mut(name).into_iter().for_each(whole);
        }
        if let Some(task) = body.get_mut("task").and_then(Value::as_object_mut) {
            // As if it were left out.
            task.retain(|_, value| !value.is_null());
        }
        let mut faults = SCHEMA.check(&body);
        faults.extend(find_nul(&body).map(|at| Fault::new(at, "must not contain U+0000")));
        let starts_at = instant(&body, "starts_at", &mut faults);
        let ends_at = instant(&body, "ends_at", &mut faults);
        if let Some(task) = body.get("task").filter(|task| task.is_object()) {
            faults.extend(faults_of_task(app, task, project));
        }
        let is_all = body.get("catch_up").and_then(Value::as_str) == Some("all");
        if !is_all && body.get("catch_up_max").is_some_and(|max| !max.is_null()) {
            faults.push(Fault::new("/catch_up_max", "is for catch_up `all` alone"));
        }
        let task = body.get("task").map(serde_json::value::to_raw_value);
        // Words and numbers that the schema refuses are not looked at any further.
        let says_when =
            !faults.iter().any(|fault| ["/cron", "/every_ms", "/timezone"].contains(&fault.pointer.as_str()));
        if let (true, Some(body)) = (says_when, body.as_object()) {
            faults
                .extend(spec_of(body, starts_at, ends_at).compile(0).err().into_iter().flatten().map(Fault::from_spec));
        }
        let (Some(Ok(task)), true) = (task, faults.is_empty()) else {
            faults.sort();
            faults.dedup();
            return Err(Problem::invalid(faults));
        };
        let asked: CreateSchedule =
            serde_json::from_value(body).map_err(|error| Problem::invalid(vec![Fault::new("", error.to_string())]))?;
        let catch_up_max = asked.catch_up_max.unwrap_or(CATCH_UP_MAX);
        let catch_up = asked.catch_up.as_deref().and_then(|word| CatchUp::read(word, catch_up_max).ok());
        Ok(Self {
            spec: Spec {
                cron: asked.cron,
                every_ms: asked.every_ms,
                timezone: asked.timezone.unwrap_or_else(|| "UTC".to_owned()),
                dst: asked.dst.unwrap_or_default(),
                jitter_ms: asked.jitter_ms.unwrap_or_default(),
                starts_at,
                ends_at,
            },
            name: asked.name,
            task,
            overlap: asked.overlap.unwrap_or_default(),
            catch_up: catch_up.unwrap_or_default(),
            catch_up_max,
            enabled: asked.enabled.unwrap_or(true),
            managed_by: asked.managed_by,
        })
    }

    /// Its times. The spec was compiled when it was read.
    pub(super) fn times(&self, id: ScheduleId) -> Result<Schedule, Problem> {
        times(&self.spec, id)
    }

    /// Refuses what will never fire.
    pub(super) fn never(&self) -> Problem {
        let pointer = if self.spec.ends_at.is_some() { "/ends_at" } else { "/cron" };
        Problem::invalid(vec![Fault::new(pointer, "there is no fire before it ends")])
    }
}

/// The times of a schedule.
pub(super) fn times(spec: &Spec, id: ScheduleId) -> Result<Schedule, Problem> {
    spec.compile(id.0.as_u128()).map_err(|faults| Problem::invalid(faults.into_iter().map(Fault::from_spec).collect()))
}

/// The body that makes such a schedule.
pub(super) fn body_of(row: &ScheduleRow) -> Map<String, Value> {
    let is_all = matches!(row.catch_up, CatchUp::All { .. });
    let at = |at: Option<OffsetDateTime>| at.map(|at| Timestamp(at).to_string());
    let body = json!({
        "name": row.name,
        "cron": row.spec.cron,
        "every_ms": row.spec.every_ms,
        "timezone": row.spec.timezone,
        "dst": row.spec.dst.name(),
        "jitter_ms": row.spec.jitter_ms,
        "starts_at": at(row.spec.starts_at),
        "ends_at": at(row.spec.ends_at),
        "task": serde_json::from_str::<Value>(row.task.get()).unwrap_or_default(),
        "overlap": row.overlap.name(),
        "catch_up": row.catch_up.name(),
        "catch_up_max": is_all.then_some(row.catch_up_max),
        "enabled": row.enabled,
        "managed_by": row.managed_by,
    });
    if let Value::Object(body) = body { body } else { Map::new() }
}

/// When a body says that it fires, as far as that can be read.
fn spec_of(body: &Map<String, Value>, starts_at: Option<OffsetDateTime>, ends_at: Option<OffsetDateTime>) -> Spec {
    let text = |name: &str| body.get(name).and_then(Value::as_str).map(str::to_owned);
    Spec {
        cron: text("cron"),
        every_ms: body.get("every_ms").and_then(Value::as_u64),
        timezone: text("timezone").unwrap_or_else(|| "UTC".to_owned()),
        dst: Dst::default(),
        jitter_ms: 0,
        starts_at,
        ends_at,
    }
}

fn faults_of_task(app: &App, task: &Value, project: ProjectId) -> Vec<Fault> {
    let mut faults = CreateTask::read(task.clone(), &app.envelope, &app.registry, project).err().unwrap_or_default();
    faults.extend(app.receivers.faults_of_task(task));
    if task.pointer("/webhook/secret").is_some_and(|secret| !secret.is_null()) {
        let why = "cannot be kept in a schedule: make a webhook of the project, whose requests are signed";
        faults.push(Fault::new("/webhook/secret", why));
    }
    for (name, why) in NOT_OF_A_SCHEDULE {
        let is_said =
            task.get(name).is_some_and(|said| !said.is_null() && said.as_array().is_none_or(|list| !list.is_empty()));
        if is_said {
            faults.retain(|fault| !fault.pointer.starts_with(&pointer_to("", name)));
            faults.push(Fault::new(pointer_to("", name), why));
        }
    }
    faults.into_iter().map(|fault| fault.under("/task")).collect()
}

/// A point in time, to the millisecond: as it is shown.
pub(super) fn instant(body: &Value, name: &str, faults: &mut Vec<Fault>) -> Option<OffsetDateTime> {
    let text = body.get(name)?.as_str()?;
    let instant = read_instant(text).and_then(|at| at.replace_millisecond(at.millisecond()).ok());
    if instant.is_none() {
        faults.push(Fault::new(pointer_to("", name), NO_INSTANT));
    }
    instant
}

/// A fault of a spec, by its place in a body.
pub(super) trait FromSpec {
    /// The fault.
    fn from_spec(fault: jobs_schedules::SpecFault) -> Self;
}

impl FromSpec for Fault {
    fn from_spec(fault: jobs_schedules::SpecFault) -> Self {
        Self::new(pointer_to("", fault.field), fault.detail)
    }
}
