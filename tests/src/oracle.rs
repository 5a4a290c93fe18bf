//! The oracle: whether the rows, and what the workers say they ran, show that the promise was kept.
//!
//! All SQL that judges the history is here.

use std::fmt;

use jobs_core::TaskId;
use sqlx::{AssertSqlSafe, PgPool};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::Executions;

/// Something that must never be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The task that it happened to.
    pub task: String,
    /// Which sort of fault it is.
    pub sort: Sort,
    /// What is wrong, as the end of a sentence.
    pub what: &'static str,
}

/// The sorts of faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sort {
    /// A task that was accepted is not there, or has not ended.
    Lost,
    /// A row, a history or a result that is not what happened.
    Wrong,
    /// Something happened twice that may happen once.
    Double,
}

use Sort::{Double, Lost, Wrong};

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.task, self.what)
    }
}

/// A statement that gives the tasks with one fault.
type Check = (Sort, &'static str, &'static str);

const ENDED: &str = "('succeeded', 'failed', 'canceled', 'expired')";
const ENDS: &str = "('succeed', 'fail', 'retry', 'stop', 'release', 'lose', 'poison')";

/// What must never be in the rows. `{ENDED}` are the states of tasks that have ended, `{ENDS}` the events that end an attempt.
const OF_ROWS: [Check; 11] = [
    (Lost, "has not ended", "SELECT id FROM tasks WHERE state NOT IN {ENDED}"),
    (
        Wrong,
        "has not exactly one terminal row of history for each opening, the last of which says its state",
        "SELECT t.id FROM tasks t LEFT JOIN task_history e ON e.task_id = t.id AND e.type = 'status'
        GROUP BY t.id HAVING count(*) FILTER (WHERE e.state IN {ENDED}) <> 1 + count(*) FILTER (WHERE e.event = 'reopen')
            OR (array_agg(e.state ORDER BY e.seq DESC) FILTER (WHERE e.state IN {ENDED}))[1] IS DISTINCT FROM t.state",
    ),
    (
        Wrong,
        "moved between an end and a new opening",
        "SELECT e.task_id FROM task_history e JOIN task_history n ON n.task_id = e.task_id AND n.seq = e.seq + 1
        WHERE e.state IN {ENDED} AND n.event IS DISTINCT FROM 'reopen'",
    ),
    (
        Double,
        "was started twice in one epoch",
        "SELECT task_id FROM task_history WHERE event = 'start' GROUP BY task_id, epoch HAVING count(*) > 1",
    ),
    (
        Wrong,
        "has an epoch that nobody started",
        "SELECT t.id FROM tasks t LEFT JOIN task_history e ON e.task_id = t.id AND e.event = 'start'
        GROUP BY t.id HAVING count(e.seq) <> t.epoch",
    ),
    (
        Wrong,
        "has a start without exactly one end",
        "SELECT s.task_id FROM task_history s LEFT JOIN task_history e
            ON e.task_id = s.task_id AND e.epoch = s.epoch AND e.seq > s.seq AND e.event IN {ENDS}
        WHERE s.event = 'start' GROUP BY s.task_id, s.epoch HAVING count(e.seq) <> 1",
    ),
    (
        Wrong,
        "has words of an attempt outside of its time",
        "SELECT w.task_id FROM task_history w WHERE w.type <> 'status' AND (
            NOT EXISTS (SELECT FROM task_history s WHERE s.task_id = w.task_id AND s.epoch = w.epoch
                AND s.event = 'start' AND s.seq < w.seq AND s.worker = w.worker)
            OR EXISTS (SELECT FROM task_history e WHERE e.task_id = w.task_id AND e.epoch = w.epoch
                AND e.event IN {ENDS} AND e.seq < w.seq))",
    ),
    (
        Wrong,
        "has a history with gaps",
        "SELECT t.id FROM tasks t LEFT JOIN task_history e ON e.task_id = t.id
        GROUP BY t.id HAVING count(e.seq) <> t.seq OR min(e.seq) <> 1 OR max(e.seq) <> t.seq",
    ),
    (
        Wrong,
        "has the result of another attempt or of another task",
        "SELECT id FROM tasks WHERE kind = 'echo' AND state = 'succeeded' AND ((output ->> 'attempt')::int <> attempt
            OR output ->> 'text' <> COALESCE(input ->> 'text', ''))",
    ),
    (
        Wrong,
        "was started after somebody had asked to stop it",
        "SELECT s.task_id FROM task_history s JOIN task_history c ON c.task_id = s.task_id AND c.seq < s.seq
        WHERE s.event = 'start' AND c.event = 'cancel' AND NOT EXISTS (SELECT FROM task_history r
            WHERE r.task_id = s.task_id AND r.event = 'reopen' AND r.seq BETWEEN c.seq AND s.seq)",
    ),
    (
        Wrong,
        "has a history and no row",
        "SELECT DISTINCT task_id FROM task_history e WHERE NOT EXISTS (SELECT FROM tasks WHERE id = e.task_id)",
    ),
];

/// What must never be between the rows and `executions` (task, epoch, worker, ended, event): what workers say they ran.
const OF_EXECUTIONS: [Check; 4] = [
    (Double, "was run twice in one epoch", "SELECT task FROM executions GROUP BY task, epoch HAVING count(*) > 1"),
    (
        Wrong,
        "was run by a worker that had not claimed it",
        "SELECT task FROM executions x WHERE NOT EXISTS (SELECT FROM task_history e
            WHERE e.task_id = x.task AND e.epoch = x.epoch AND e.worker = x.worker AND e.event = 'start')",
    ),
    (
        Wrong,
        "succeeded before, or without, the attempt that is said to have done it",
        "SELECT task_id FROM task_history e WHERE e.event = 'succeed' AND NOT EXISTS (SELECT FROM executions x
            WHERE x.task = e.task_id AND x.epoch = e.epoch AND x.worker = e.worker AND x.event = 'succeed'
                AND x.ended <= e.at)",
    ),
    (
        Double,
        "was run more often than it was taken back, given back, retried and opened again",
        "SELECT x.task FROM (SELECT task, count(*) AS runs FROM executions GROUP BY task) x
        WHERE x.runs > 1 + (SELECT count(*) FROM task_history e WHERE e.task_id = x.task
            AND e.event IN ('lose', 'poison', 'release', 'retry', 'reopen'))",
    ),
];

/// Everything that is wrong with the rows. `accepted` are the tasks that clients were told of: no more and no fewer must
/// be there.
///
/// # Panics
/// When Postgres cannot be asked.
pub async fn faults(pool: &PgPool, accepted: &[String]) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (sort, what, sql) in OF_ROWS {
        let sql = sql.replace("{ENDED}", ENDED).replace("{ENDS}", ENDS);
        let ids: Vec<Uuid> = sqlx::query_scalar(AssertSqlSafe(sql)).fetch_all(pool).await.expect("the rows");
        faults.extend(ids.into_iter().map(|id| Fault { task: TaskId(id).to_string(), sort, what }));
    }
    let mut rows: Vec<String> = sqlx::query_scalar("SELECT id FROM tasks")
        .fetch_all(pool)
        .await
        .expect("the rows")
        .into_iter()
        .map(|id: Uuid| TaskId(id).to_string())
        .collect();
    let mut told = accepted.to_vec();
    rows.sort_unstable();
    told.sort_unstable();
    told.dedup();
    let without = |these: &[String], others: &[String], sort, what| -> Vec<Fault> {
        let missing = these.iter().filter(|id| others.binary_search(id).is_err());
        missing.map(|id| Fault { task: id.clone(), sort, what }).collect()
    };
    faults.extend(without(&told, &rows, Lost, "was accepted and is lost"));
    faults.extend(without(&rows, &told, Wrong, "was never accepted"));
    faults
}

/// Everything in which the rows and the workers disagree. The clocks of the workers must be right.
///
/// # Panics
/// When Postgres cannot be asked.
pub async fn contradictions(pool: &PgPool, executions: &Executions) -> Vec<Fault> {
    let all = &executions.all;
    let tasks: Vec<Uuid> = all.iter().map(|execution| execution.task.0).collect();
    let epochs: Vec<i32> = all.iter().map(|execution| execution.epoch).collect();
    let workers: Vec<Uuid> = all.iter().map(|execution| execution.worker.0).collect();
    let ends = all.iter().map(|execution| execution.ended.clone().unzip());
    let (ended, events): (Vec<Option<OffsetDateTime>>, Vec<Option<String>>) = ends.unzip();
    let mut faults = Vec::new();
    for (sort, what, sql) in OF_EXECUTIONS {
        let sql = format!(
            "WITH executions AS (SELECT * FROM unnest($1::uuid[], $2::int[], $3::uuid[], $4::timestamptz[], $5::text[])
                AS executions (task, epoch, worker, ended, event)) {sql}"
        );
        let query = sqlx::query_scalar(AssertSqlSafe(sql)).bind(&tasks).bind(&epochs).bind(&workers);
        let ids: Vec<Uuid> = query.bind(&ended).bind(&events).fetch_all(pool).await.expect("the rows");
        faults.extend(ids.into_iter().map(|id| Fault { task: TaskId(id).to_string(), sort, what }));
    }
    faults
}

/// How often something happened to tasks, by the name of the event: `lose`, `release`, …
///
/// # Panics
/// When Postgres cannot be asked.
pub async fn happened(pool: &PgPool, event: &str) -> i64 {
    let sql = "SELECT count(*) FROM task_history WHERE event = $1";
    sqlx::query_scalar(sql).bind(event).fetch_one(pool).await.expect("the rows")
}
