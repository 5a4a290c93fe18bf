//! The verdict: what was lost, wrong or done twice.

use std::{
    fmt,
    time::{Duration, Instant},
};

use e2e::{Executions, Fault, Sort, System, happened};
use jobs_core::TaskId;
use uuid::Uuid;

use crate::load::Accepted;

/// So many faults, and so many tasks that have not ended, are shown.
const SHOWN: usize = 20;

/// What came of a drill.
pub(crate) struct Verdict {
    tasks: u64,
    accepted: usize,
    ended: i64,
    /// What must never be, as sentences.
    lost: Vec<String>,
    wrong: Vec<String>,
    double: Vec<String>,
    executions: Executions,
    /// How many attempts were taken back from dead workers, and how many were given back by living ones.
    taken_back: i64,
    given_back: i64,
    took: Duration,
}

impl Verdict {
    /// Judges by the rows, the logs of the workers and what the client was told. `died` processes ended by themselves.
    pub(crate) async fn of(
        system: &System,
        tasks: u64,
        accepted: Option<Accepted>,
        died: usize,
        began: Instant,
    ) -> Self {
        let pool = &system.database.pool;
        let all_accepted = accepted.is_some();
        let accepted = accepted.unwrap_or_default();
        let ids: Vec<String> = accepted.ids.values().cloned().collect();
        let faults = system.faults(&ids).await;
        let of = |sort| faults.iter().filter(move |fault| fault.sort == sort).map(Fault::to_string);
        let mut verdict = Self {
            tasks,
            accepted: ids.len(),
            ended: system.database.count("SELECT count(*) FROM tasks WHERE finished_at IS NOT NULL").await,
            lost: of(Sort::Lost).collect(),
            wrong: of(Sort::Wrong).chain(accepted.wrong).collect(),
            double: of(Sort::Double).collect(),
            executions: system.executions(),
            taken_back: happened(pool, "lose").await,
            given_back: happened(pool, "release").await,
            took: began.elapsed(),
        };
        verdict.wrong.extend(not_succeeded(system).await);
        if died > 0 {
            verdict.wrong.push(format!("{died} processes ended by themselves"));
        }
        if !all_accepted {
            verdict.lost.push("not every task was accepted in time".to_owned());
        }
        verdict.lost.extend(not_ended(system).await);
        verdict
    }

    /// Whether nothing was lost, wrong or done twice.
    pub(crate) fn passed(&self) -> bool {
        self.lost.is_empty() && self.wrong.is_empty() && self.double.is_empty()
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for fault in [&self.lost, &self.wrong, &self.double].into_iter().flat_map(|faults| faults.iter().take(SHOWN)) {
            writeln!(f, "  {fault}")?;
        }
        writeln!(
            f,
            "{} of {} accepted, {} ended: {} lost, {} wrong, {} double",
            self.accepted,
            self.tasks,
            self.ended,
            self.lost.len(),
            self.wrong.len(),
            self.double.len()
        )?;
        writeln!(
            f,
            "{} executions ({} attempts lost with their workers, {} given back), {} late words had no effect ({} fenced, {} abandoned)",
            self.executions.all.len(),
            self.taken_back,
            self.given_back,
            self.executions.late_words(),
            self.executions.fenced,
            self.executions.abandoned
        )?;
        write!(f, "{} in {:.1} s", if self.passed() { "PASSED" } else { "FAILED" }, self.took.as_secs_f32())
    }
}

/// Tasks that ended in another way than they should.
async fn not_succeeded(system: &System) -> Vec<String> {
    let sql = "SELECT id, state, error::text FROM tasks WHERE finished_at IS NOT NULL AND state <> 'succeeded'";
    let rows: Vec<(Uuid, String, Option<String>)> =
        sqlx::query_as(sql).fetch_all(&system.database.pool).await.expect("the rows");
    rows.into_iter().map(|(id, state, error)| format!("{} ended as {state}: {error:?}", TaskId(id))).collect()
}

/// Where tasks are that have not ended.
async fn not_ended(system: &System) -> Vec<String> {
    let sql = "SELECT id, state, epoch, worker FROM tasks WHERE finished_at IS NULL ORDER BY id LIMIT $1";
    let rows: Vec<(Uuid, String, i32, Option<Uuid>)> =
        sqlx::query_as(sql).bind(SHOWN as i64).fetch_all(&system.database.pool).await.expect("the rows");
    let line = |(id, state, epoch, worker)| format!("{} is {state}, epoch {epoch}, worker {worker:?}", TaskId(id));
    rows.into_iter().map(line).collect()
}
