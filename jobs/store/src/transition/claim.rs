//! Start: a worker claims tasks that it took from the queue. Postgres alone decides who gets them.

use std::time::Duration;

use jobs_core::{RetryPolicy, TaskId, WorkerId};
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

impl Store {
    /// Claims those of `ids` that are queued. What is left out is somebody else's, or has ended, or is past its
    /// deadline: the queue should forget it. A worker whose lease has ended claims nothing.
    ///
    /// # Errors
    /// When Postgres is not available. The claim may have been carried out all the same: see [`Store::held`].
    pub async fn claim(&self, worker: WorkerId, ids: &[TaskId]) -> Result<Vec<Claim>, StoreError> {
        let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
        let rows = run!(
            self,
            sqlx::query!(
                r#"WITH claimed AS (
                    UPDATE tasks SET state = 'running', epoch = epoch + 1, attempt = attempt + 1, worker = $1,
                        started_at = now(), progress = NULL, progress_at = NULL, seq = seq + 1
                    WHERE id = ANY($2) AND state = 'queued' AND (deadline IS NULL OR deadline > now())
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
