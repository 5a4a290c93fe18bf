//! Start: a worker claims tasks that it took from the queue. Postgres alone decides who gets them.

use std::time::Duration;

use jobs_core::{RetryPolicy, TaskId, WorkerId, task::SUSPECT_LOSSES};
use serde_json::value::RawValue;
use sqlx::types::Json;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{Store, StoreError};

/// A task that a worker holds: all it needs to run one attempt.
#[derive(Debug, Clone)]
pub struct Claim {
    /// The task.
    pub task: TaskId,
    /// The fencing token of this attempt: every later word about it names it.
    pub epoch: i32,
    /// Which kind of job it is.
    pub kind: String,
    /// The group it was taken from.
    pub group: String,
    /// Its input.
    pub input: Box<RawValue>,
    /// Which attempt this is, from 1.
    pub attempt: u32,
    /// How many of the earlier ones ended with their worker's life.
    pub lost: u32,
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
}

/// Who may have a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sort {
    /// It lost no more workers than chance explains: it runs beside others.
    Innocent,
    /// It lost [`SUSPECT_LOSSES`] workers: it runs alone.
    Suspect,
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
                "SELECT id FROM tasks WHERE id = ANY($1) AND state = 'queued' AND lost >= $2
                    AND (deadline IS NULL OR deadline > now())",
                &ids,
                SUSPECT_LOSSES.cast_signed(),
            ),
            fetch_all
        )?;
        Ok(suspects.into_iter().map(TaskId).collect())
    }

    async fn claim_sort(&self, worker: WorkerId, ids: &[TaskId], sort: Sort) -> Result<Vec<Claim>, StoreError> {
        let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
        let rows = run!(
            self,
            sqlx::query!(
                r#"WITH claimed AS (
                    UPDATE tasks SET state = 'running', epoch = epoch + 1, attempt = attempt + 1, worker = $1,
                        started_at = now(), progress = NULL, progress_at = NULL, seq = seq + 1
                    WHERE id = ANY($2) AND state = 'queued' AND (deadline IS NULL OR deadline > now())
                        AND (lost >= $3) = $4
                        AND EXISTS (SELECT FROM workers WHERE id = $1 AND ended_at IS NULL)
                    RETURNING *
                ), told AS (
                    INSERT INTO task_events (task_id, seq, type, event, state, attempt, epoch, worker)
                    SELECT id, seq, 'status', 'start', state, attempt, epoch, worker FROM claimed
                )
                SELECT id, epoch, kind, "group", input as "input: Json<Box<RawValue>>", attempt, lost, max_attempts,
                    retry as "retry: Json<RetryPolicy>", timeout_ms, request_id, queued_at FROM claimed"#,
                worker.0,
                &ids,
                SUSPECT_LOSSES.cast_signed(),
                sort == Sort::Suspect,
            ),
            fetch_all
        )?;
        let claims = rows.into_iter().map(|row| Claim {
            task: TaskId(row.id),
            epoch: row.epoch,
            kind: row.kind,
            group: row.group,
            input: row.input.0,
            attempt: row.attempt.unsigned_abs(),
            lost: row.lost.unsigned_abs(),
            max_attempts: row.max_attempts.unsigned_abs(),
            retry: row.retry.0,
            timeout: Duration::from_millis(row.timeout_ms.unsigned_abs()),
            request_id: row.request_id,
            queued_at: row.queued_at,
        });
        Ok(claims.collect())
    }
}
