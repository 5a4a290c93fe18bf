//! The oracle: whether the rows say that the promise was kept.

use jobs_core::TaskId;
use sqlx::{AssertSqlSafe, PgPool};
use uuid::Uuid;

const ENDED: &str = "('succeeded', 'failed', 'canceled', 'expired')";
const ENDS: &str = "('succeed', 'fail', 'retry', 'stop', 'release', 'lose', 'poison')";

/// What must never be, each as a statement that gives the tasks it is true of.
fn checks() -> Vec<(&'static str, String)> {
    vec![
        ("has not ended", format!("SELECT id FROM tasks WHERE state NOT IN {ENDED}")),
        (
            "has not exactly one terminal row of history that says its state",
            format!(
                "SELECT t.id FROM tasks t LEFT JOIN task_events e
                    ON e.task_id = t.id AND e.type = 'status' AND e.state IN {ENDED}
                GROUP BY t.id HAVING count(e.seq) <> 1 OR min(e.state) <> t.state"
            ),
        ),
        (
            "was started twice in one epoch",
            "SELECT task_id FROM task_events WHERE event = 'start' GROUP BY task_id, epoch HAVING count(*) > 1".into(),
        ),
        (
            "has an epoch that nobody started",
            "SELECT t.id FROM tasks t LEFT JOIN task_events e ON e.task_id = t.id AND e.event = 'start'
            GROUP BY t.id HAVING count(e.seq) <> t.epoch"
                .into(),
        ),
        (
            "has a start without exactly one end",
            format!(
                "SELECT s.task_id FROM task_events s LEFT JOIN task_events e
                    ON e.task_id = s.task_id AND e.epoch = s.epoch AND e.seq > s.seq AND e.event IN {ENDS}
                WHERE s.event = 'start' GROUP BY s.task_id, s.epoch HAVING count(e.seq) <> 1"
            ),
        ),
        (
            "has words of an attempt outside of its time",
            format!(
                "SELECT w.task_id FROM task_events w WHERE w.type <> 'status' AND (
                    NOT EXISTS (SELECT FROM task_events s WHERE s.task_id = w.task_id AND s.epoch = w.epoch
                        AND s.event = 'start' AND s.seq < w.seq AND s.worker = w.worker)
                    OR EXISTS (SELECT FROM task_events e WHERE e.task_id = w.task_id AND e.epoch = w.epoch
                        AND e.event IN {ENDS} AND e.seq < w.seq))"
            ),
        ),
        (
            "has a history with gaps",
            "SELECT t.id FROM tasks t LEFT JOIN task_events e ON e.task_id = t.id
            GROUP BY t.id HAVING count(e.seq) <> t.seq OR min(e.seq) <> 1 OR max(e.seq) <> t.seq"
                .into(),
        ),
        (
            "has a history and no row",
            "SELECT DISTINCT task_id FROM task_events e WHERE NOT EXISTS (SELECT FROM tasks WHERE id = e.task_id)"
                .into(),
        ),
    ]
}

/// Everything that is wrong with the rows. `accepted` are the tasks that clients were told of: no more and no fewer must
/// be there.
///
/// # Panics
/// When Postgres cannot be asked.
pub async fn faults(pool: &PgPool, accepted: &[String]) -> Vec<String> {
    let mut faults = Vec::new();
    for (what, sql) in checks() {
        let ids: Vec<Uuid> = sqlx::query_scalar(AssertSqlSafe(sql)).fetch_all(pool).await.expect("the rows");
        faults.extend(ids.into_iter().map(|id| format!("{} {what}", TaskId(id))));
    }
    let mut rows: Vec<String> = sqlx::query_scalar("SELECT id FROM tasks ORDER BY id")
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
    faults.extend(
        told.iter().filter(|id| rows.binary_search(id).is_err()).map(|id| format!("{id} was accepted and is lost")),
    );
    faults
        .extend(rows.iter().filter(|id| told.binary_search(id).is_err()).map(|id| format!("{id} was never accepted")));
    faults
}

/// Checks that nothing is wrong with the rows.
///
/// # Panics
/// With everything that is wrong.
pub async fn holds(pool: &PgPool, accepted: &[String]) {
    let faults = faults(pool, accepted).await;
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}
