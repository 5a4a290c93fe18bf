//! Start: a worker claims tasks that it took from the queue. Postgres alone decides who gets them.

use std::time::Duration;

use jobs_core::{GroupKey, ProjectId, RetryPolicy, TaskId, WorkerId, task::SUSPECT_LOSSES};
use serde_json::value::RawValue;
use sqlx::types::Json;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{Store, StoreError, row::group_key};

/// A task that a worker holds: all it needs to run one attempt.
#[derive(Debug, Clone)]
pub struct Claim {
    /// The task.
    pub task: TaskId,
    /// The fencing token of this attempt: every later word about it names it.
    pub epoch: i32,
    /// The project that it belongs to.
    pub project: ProjectId,
    /// Which kind of job it is.
    pub kind: String,
    /// The group it was taken from.
    pub group: GroupKey,
    /// Its input.
    pub input: Box<RawValue>,
    /// Which attempt this is, from 1.
    pub attempt: u32,
    /// How many of the earlier ones ended with their worker's life.
    pub lost: u32,
    /// How many of the earlier ones do not count any more, because the task was opened again.
    pub forgiven: u32,
    /// How many attempts may fail.
    pub max_attempts: u32,
    /// How long to wait between attempts.
    pub retry: RetryPolicy,
    /// How long the attempt may run.
    pub timeout: Duration,
    /// The request that brought it.
    pub request_id: Option<String>,
    /// Since when it waited.
    pub queued_at: Option<OffsetDateTime>,
    /// For how long, by the clock of Postgres.
    pub waited: Option<Duration>,
}

/// Who may have a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sort {
    /// It lost no more workers than chance explains: it runs beside others.
    Innocent,
    /// It lost [`SUSPECT_LOSSES`] workers: it runs alone.
    Suspect,
}

/// A row of `tasks` as a claim takes it.
struct ClaimedRow {
    id: Uuid,
    epoch: i32,
    kind: String,
    project: i32,
    group: String,
    input: Json<Box<RawValue>>,
    attempt: i32,
    lost: i32,
    forgiven: i32,
    max_attempts: i32,
    retry: Json<RetryPolicy>,
    timeout_ms: i64,
    request_id: Option<String>,
    queued_at: Option<OffsetDateTime>,
    waited_ms: Option<i64>,
}

/// A checked query that claims tasks for the worker `$1`: `$which` says which ones, each of them queued. It hides the state in an
/// expression, so that rows are found by their ids: the index of queued tasks would lead through everything that waits.
macro_rules! claim_query {
    ($which:tt, $($arg:expr),+ $(,)?) => {
        sqlx::query_as!(
            ClaimedRow,
            "UPDATE tasks SET state = 'running', epoch = epoch + 1, attempt = attempt + 1, worker = $1, started_at = now(),
                progress = NULL, progress_at = NULL, seq = seq + 1,
                history = history || moment(seq + 1, 'start', 'running', attempt + 1, epoch + 1, $1)
            WHERE (deadline IS NULL OR deadline > now())
                AND EXISTS (SELECT FROM workers WHERE id = $1 AND ended_at IS NULL) AND " + $which + r#"
            RETURNING id, epoch, kind, project, "group", input as "input: _", attempt, lost, forgiven, max_attempts, retry as "retry: _",
                timeout_ms, request_id, queued_at,
                (extract(epoch FROM now() - queued_at) * 1000)::bigint AS waited_ms"#,
            $($arg),+
        )
    };
}

impl Store {
    /// Claims those of `ids` that are queued. What is left out is somebody else's, or has ended, or is past its
    /// deadline: the queue should forget it. Or it lost too many workers to run beside others: [`Store::suspects`] knows.
    /// A worker whose lease has ended claims nothing.
    ///
    /// # Errors
    /// When Postgres is not available. The claim may have been carried out all the same: see [`Store::held`].
    pub async fn claim(&self, worker: WorkerId, ids: &[TaskId]) -> Result<Vec<Claim>, StoreError> {
        self.claim_sort(worker, ids, Sort::Innocent).await
    }

    /// Claims a queued task that lost so many workers that it has to run alone, for a worker that runs nothing else. `None`
    /// when it is no such task, or not queued any more.
    ///
    /// # Errors
    /// As [`Store::claim`].
    pub async fn claim_suspect(&self, worker: WorkerId, id: TaskId) -> Result<Option<Claim>, StoreError> {
        Ok(self.claim_sort(worker, &[id], Sort::Suspect).await?.pop())
    }

    /// Those of `ids` that are queued and have to run alone.
    ///
    /// # Errors
    /// When Postgres is not available.
    pub async fn suspects(&self, ids: &[TaskId]) -> Result<Vec<TaskId>, StoreError> {
        let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
        let suspects = run!(
            self,
            sqlx::query_scalar!(
                "SELECT id FROM tasks WHERE id = ANY($1) AND state || '' = 'queued' AND lost >= $2
                    AND (deadline IS NULL OR deadline > now())",
                &ids,
                SUSPECT_LOSSES.cast_signed(),
            ),
            fetch_all
        )?;
        Ok(suspects.into_iter().map(TaskId).collect())
    }

    /// Claims at most `limit` tasks that wait in a queue, the oldest first: for a worker that has to do without Redis. Workers
    /// that do so at once get different ones. What has a limit on what is started waits for Redis, which counts. Those that
    /// have to run alone are not among them: [`Store::waiting_suspect`] gives them.
    ///
    /// # Errors
    /// As [`Store::claim`].
    pub async fn claim_waiting(&self, worker: WorkerId, queue: &str, limit: usize) -> Result<Vec<Claim>, StoreError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let rows = run!(
            self,
            claim_query!(
                r#"id = ANY (ARRAY(
                    SELECT id FROM tasks t
                    WHERE state = 'queued' AND queue = $2 AND lost < $4 AND (deadline IS NULL OR deadline > now())
                        AND NOT EXISTS (SELECT FROM queues WHERE name = $2 AND limits_starts(settings))
                        AND NOT EXISTS (SELECT FROM queue_groups g WHERE g.queue = $2 AND g."group" = qualified(t.project, t."group")
                            AND limits_starts(g.settings))
                    ORDER BY queued_at, id LIMIT $3 FOR UPDATE OF t SKIP LOCKED))
                AND state || '' = 'queued'"#,
                worker.0,
                queue,
                limit,
                SUSPECT_LOSSES.cast_signed(),
            ),
            fetch_all
        )?;
        Ok(rows.into_iter().map(Claim::from).collect())
    }

    async fn claim_sort(&self, worker: WorkerId, ids: &[TaskId], sort: Sort) -> Result<Vec<Claim>, StoreError> {
        let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
        let rows = run!(
            self,
            claim_query!(
                "id = ANY($2) AND state || '' = 'queued' AND (lost >= $3) = $4",
                worker.0,
                &ids,
                SUSPECT_LOSSES.cast_signed(),
                sort == Sort::Suspect,
            ),
            fetch_all
        )?;
        Ok(rows.into_iter().map(Claim::from).collect())
    }
}

impl From<ClaimedRow> for Claim {
    fn from(row: ClaimedRow) -> Self {
        Self {
            task: TaskId(row.id),
            epoch: row.epoch,
            project: ProjectId(row.project),
            kind: row.kind,
            group: group_key(row.project, &row.group),
            input: row.input.0,
            attempt: row.attempt.unsigned_abs(),
            lost: row.lost.unsigned_abs(),
            forgiven: row.forgiven.unsigned_abs(),
            max_attempts: row.max_attempts.unsigned_abs(),
            retry: row.retry.0,
            timeout: Duration::from_millis(row.timeout_ms.unsigned_abs()),
            request_id: row.request_id,
            queued_at: row.queued_at,
            waited: row.waited_ms.and_then(|ms| u64::try_from(ms).ok()).map(Duration::from_millis),
        }
    }
}
