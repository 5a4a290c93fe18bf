//! What running attempts say: progress and log lines, those of many attempts in one statement.

use jobs_core::{LogLevel, Progress, TaskId, WorkerId};
use serde::Serialize;

use crate::{EventType, Store, StoreError};

/// One thing an attempt says.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub enum Word {
    /// How far it is.
    Progress {
        /// The progress, whole.
        progress: Progress,
    },
    /// A line of its log.
    Log {
        /// How much it matters.
        level: LogLevel,
        /// The line.
        message: String,
    },
}

/// One thing that one attempt says.
#[derive(Debug, Clone)]
pub struct Report {
    /// The task.
    pub task: TaskId,
    /// The attempt's fencing token.
    pub epoch: i32,
    /// What it says.
    pub word: Word,
}

impl Store {
    /// Writes down what attempts of `worker` say, in their order, and gives the tasks that changed. The words of an
    /// attempt that is not the worker's any more are dropped.
    ///
    /// # Errors
    /// When Postgres is not available.
    pub async fn report(&self, worker: WorkerId, reports: &[Report]) -> Result<Vec<TaskId>, StoreError> {
        let mut ids = Vec::with_capacity(reports.len());
        let mut epochs = Vec::with_capacity(reports.len());
        let mut types = Vec::with_capacity(reports.len());
        let mut data = Vec::with_capacity(reports.len());
        for report in reports {
            let event_type = match report.word {
                Word::Progress { .. } => EventType::Progress,
                Word::Log { .. } => EventType::Log,
            };
            ids.push(report.task.0);
            epochs.push(report.epoch);
            types.push(event_type.name().to_owned());
            data.push(serde_json::to_string(&report.word).map_err(StoreError::broken)?);
        }
        let changed = run!(
            self,
            sqlx::query_scalar!(
                "WITH words AS (
                    SELECT *, row_number() OVER (PARTITION BY id, epoch ORDER BY nth) AS k
                    FROM unnest($2::uuid[], $3::int[], $4::text[], $5::text[])
                    WITH ORDINALITY AS words (id, epoch, type, data, nth)
                ), said AS (
                    SELECT id, epoch, count(*) AS n,
                        (array_agg(data ORDER BY nth DESC) FILTER (WHERE type = 'progress'))[1]::json -> 'progress' AS progress
                    FROM words GROUP BY id, epoch ORDER BY id
                ), moved AS (
                    UPDATE tasks t SET seq = t.seq + said.n, progress = COALESCE(said.progress, t.progress),
                        progress_at = CASE WHEN said.progress IS NULL THEN t.progress_at ELSE now() END
                    FROM said
                    WHERE t.id = said.id AND t.epoch = said.epoch AND t.worker = $1 AND t.state IN ('running', 'canceling')
                    RETURNING t.id, t.epoch, t.attempt, t.seq - said.n AS before
                ), told AS (
                    INSERT INTO task_events (task_id, seq, type, attempt, epoch, worker, data)
                    SELECT moved.id, moved.before + words.k, words.type, moved.attempt, moved.epoch, $1, words.data::json
                    FROM moved JOIN words ON words.id = moved.id AND words.epoch = moved.epoch
                )
                SELECT id FROM moved",
                worker.0,
                &ids,
                &epochs,
                &types,
                &data,
            ),
            fetch_all
        )?;
        Ok(changed.into_iter().map(TaskId).collect())
    }
}
