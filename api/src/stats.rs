//! `GET /stats`: how much there is, how fast it is done, how long it takes, and how good what was foretold of it was.

use std::collections::BTreeMap;

use axum::{
    Json,
    extract::{RawQuery, State},
};
use jobs_core::{Scope, State as TaskState, Times};
use jobs_store::{COUNTED, Count, Done, Measure, Measured, Outcomes};
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    app::Shared,
    calibration::{Calibration, calibrations},
    caller::Caller,
    clock::{Timestamp, millis_between, now},
    problem::{Code, Problem},
    query::Query,
};

/// So many forecasts are compared with what came.
const FORECASTS: u32 = 2_000;

/// How a project does.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Stats {
    /// Always `stats`.
    #[schemars(extend("const" = "stats"))]
    object: &'static str,
    /// What waits and runs now.
    tasks: Now,
    /// What attempts came to in the last minute that is over.
    last_minute: Throughput,
    /// In the last hour.
    last_hour: Throughput,
    /// In the last day.
    last_day: Throughput,
    /// How long tasks of each kind wait and run, lately.
    times: Vec<KindTimes>,
    /// How good what was foretold of tasks of each kind was.
    calibration: Vec<Calibration>,
    /// The time of this answer.
    at: Timestamp,
}

/// What waits and runs now.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "StatsNow")]
struct Now {
    /// So many tasks that have not ended, by status. One that is not there has none.
    by_status: BTreeMap<&'static str, u64>,
    /// The same by kind.
    by_kind: BTreeMap<String, u64>,
    /// The same by queue.
    by_queue: BTreeMap<String, u64>,
    /// Whether these are all. If not, a status has at least as many as are said, and kinds and queues are those of the ones that were
    /// counted.
    is_exact: bool,
    /// How long the first of those that are queued has waited.
    #[serde(skip_serializing_if = "Option::is_none")]
    oldest_queued_ms: Option<u64>,
}

/// What attempts came to in a time. Each attempt is counted once; what a worker had not written down when it died is missing.
#[derive(Debug, Serialize, JsonSchema)]
struct Throughput {
    /// So many succeeded.
    succeeded: u64,
    /// So many failed for good.
    failed: u64,
    /// So many were stopped.
    canceled: u64,
    /// So many failed and are tried again.
    retried: u64,
    /// So many tasks ended, each second.
    per_second: f64,
    /// Which share of those that succeeded or failed succeeded, from 0 to 1; left out when there were none.
    #[serde(skip_serializing_if = "Option::is_none")]
    success_rate: Option<f64>,
}

/// How long tasks of a kind wait and run: of about the last 256 of them, or of the last seconds where there were more.
#[derive(Debug, Serialize, JsonSchema)]
struct KindTimes {
    /// The kind.
    kind: String,
    /// From the queue to the start of an attempt, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    wait_ms: Option<Quantiles>,
    /// From the start of an attempt to its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    run_ms: Option<Quantiles>,
}

/// Half of them, nine of ten, and 99 of a hundred are not longer.
#[derive(Debug, Serialize, JsonSchema)]
struct Quantiles {
    /// Half of them.
    p50: f64,
    /// Nine of ten.
    p90: f64,
    /// 99 of a hundred.
    p99: f64,
}

/// Read how a project does.
///
/// With `scope=installation`, which needs the scope `operator`, that of all projects together; calibration is always that of one's own. Of each
/// status that tasks can wait in up to 20,000 tasks are counted. What attempts came to is counted by the workers and is some seconds
/// old; times and calibration are estimates.
#[utoipa::path(
    get,
    path = "/stats",
    operation_id = "getStats",
    tag = "system",
    security(("key" = ["tasks:read"])),
    params(("scope" = Option<String>, Query, pattern = "^(project|installation)$", description = "`project` when left out.")),
    responses((status = 200, description = "How the project does.", body = ref("#/components/schemas/Stats"))),
    extensions(("x-problems" = json!(["insufficient_scope", "not_acceptable", "invalid"])))
)]
pub(crate) async fn get(
    State(app): State<Shared>,
    caller: Caller,
    RawQuery(query): RawQuery,
) -> Result<Json<Stats>, Problem> {
    let mut query = Query::read(query.as_deref(), &["scope"]);
    let of_all = match query.one("scope").as_deref() {
        None | Some("project") => false,
        Some("installation") => true,
        Some(_) => {
            query.fault("scope", "must be project or installation");
            false
        }
    };
    query.finish()?;
    if of_all && !caller.scopes.has(Scope::Operator) {
        return Err(Problem::new(Code::InsufficientScope, "what all projects do needs the scope operator"));
    }
    let project = (!of_all).then_some(caller.project);
    let (counts, done, foretold) = tokio::try_join!(
        app.store.counts(project),
        app.store.done(project),
        app.store.foretold(caller.project, FORECASTS),
    )?;
    app.expectations.refresh().await?;
    let measured = app.expectations.measured();
    let mut times: Vec<KindTimes> = measured
        .iter()
        .filter_map(|(measure, measured)| match measure {
            Measure::Kind(of, kind) if project == Some(*of) => Some(KindTimes::new(kind, measured)),
            Measure::KindAnywhere(kind) if of_all => Some(KindTimes::new(kind, measured)),
            _ => None,
        })
        .collect();
    times.sort_by(|one, other| one.kind.cmp(&other.kind));
    Ok(Json(Stats {
        object: "stats",
        tasks: Now::of(&counts),
        last_minute: Throughput::of(&done, |done| done.minute, 60.0),
        last_hour: Throughput::of(&done, |done| done.hour, 3_600.0),
        last_day: Throughput::of(&done, |done| done.day, 86_400.0),
        times,
        calibration: calibrations(&foretold),
        at: Timestamp(now()),
    }))
}

impl Now {
    fn of(counts: &[Count]) -> Self {
        let (mut by_status, mut by_kind, mut by_queue) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        let mut indexes: BTreeMap<&str, u64> = BTreeMap::new();
        for count in counts {
            *by_status.entry(count.state.status()).or_default() += count.count;
            *by_kind.entry(count.kind.clone()).or_default() += count.count;
            *by_queue.entry(count.queue.clone()).or_default() += count.count;
            // States that share an index share what is counted at most.
            let index = match count.state {
                TaskState::Queued => "queued",
                state if state.is_held() => "held",
                _ => "timed",
            };
            *indexes.entry(index).or_default() += count.count;
        }
        let oldest = counts.iter().filter_map(|count| count.oldest).min();
        Self {
            by_status,
            by_kind,
            by_queue,
            is_exact: indexes.values().all(|count| *count < COUNTED),
            oldest_queued_ms: oldest.and_then(|at| millis_between(at, now())),
        }
    }
}

impl KindTimes {
    fn new(kind: &str, measured: &Measured) -> Self {
        Self { kind: kind.to_owned(), wait_ms: quantiles(&measured.wait), run_ms: quantiles(&measured.run) }
    }
}

impl Throughput {
    fn of(done: &[Done], which: fn(&Done) -> Outcomes, seconds: f64) -> Self {
        let mut all = Outcomes::default();
        done.iter().for_each(|done| all.merge(&which(done)));
        let judged = all.succeeded + all.failed;
        Self {
            succeeded: all.succeeded,
            failed: all.failed,
            canceled: all.canceled,
            retried: all.retried,
            per_second: (all.succeeded + all.failed + all.canceled) as f64 / seconds,
            success_rate: (judged > 0).then(|| all.succeeded as f64 / judged as f64),
        }
    }
}

fn quantiles(times: &Times) -> Option<Quantiles> {
    let at = |share| times.quantile(share).map(|time| (time.as_secs_f64() * 1e6).round() / 1e3);
    Some(Quantiles { p50: at(0.5)?, p90: at(0.9)?, p99: at(0.99)? })
}
