//! What became of fires.

use std::{str::FromStr, time::Duration};

use jobs_core::{ProjectId, ScheduleId, TaskId};
use time::OffsetDateTime;

use crate::{Store, StoreError, row::millis};

/// What became of a fire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It made a task.
    Fired,
    /// Its task waits until those of earlier fires have ended.
    Waiting,
    /// It makes no task, by the rules of its schedule.
    Skipped,
    /// It could make none.
    Failed,
}

/// What became of a fire, or of several that were left out together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScheduleRun {
    /// The time that the schedule means: its name among those of the schedule.
    pub fire_at: OffsetDateTime,
    /// When it was to start.
    pub due_at: OffsetDateTime,
    /// What became of it.
    pub outcome: Outcome,
    /// Why it made no task: a stable word.
    pub reason: Option<String>,
    /// More about that, for a person.
    pub detail: Option<String>,
    /// It stands for all fires before this.
    pub until: Option<OffsetDateTime>,
    /// Its task.
    pub task: Option<TaskId>,
    /// Somebody asked for it.
    pub by_hand: bool,
    /// When that was decided.
    pub decided_at: OffsetDateTime,
}

impl Outcome {
    const ALL: [Self; 4] = [Self::Fired, Self::Waiting, Self::Skipped, Self::Failed];

    /// Its word, as clients and rows have it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Fired => "fired",
            Self::Waiting => "waiting",
            Self::Skipped => "skipped",
            Self::Failed => "failed",
        }
    }
}

impl FromStr for Outcome {
    type Err = StoreError;

    fn from_str(word: &str) -> Result<Self, StoreError> {
        let known = Self::ALL.into_iter().find(|outcome| outcome.name() == word);
        known.ok_or_else(|| StoreError::broken(format!("`{word}` is no outcome of a fire")))
    }
}

impl Store {
    /// What became of the fires of a schedule, the latest first: at most `limit`, before one.
    ///
    /// # Errors
    /// When Postgres is not available.
    pub async fn schedule_runs(
        &self,
        project: ProjectId,
        id: ScheduleId,
        before: Option<OffsetDateTime>,
        limit: u32,
    ) -> Result<Vec<ScheduleRun>, StoreError> {
        let rows = run!(
            self,
            sqlx::query!(
                "SELECT fire_at, due_at, outcome, reason, detail, until_at, task, by_hand, decided_at
                FROM schedule_runs WHERE schedule = (SELECT id FROM schedules WHERE id = $1 AND project = $2)
                    AND ($3::timestamptz IS NULL OR fire_at < $3)
                ORDER BY fire_at DESC LIMIT $4",
                id.0,
                project.0,
                before as Option<OffsetDateTime>,
                i64::from(limit),
            ),
            fetch_all
        )?;
        let read = rows.into_iter().map(|row| {
            Ok(ScheduleRun {
                fire_at: row.fire_at,
                due_at: row.due_at,
                outcome: row.outcome.parse()?,
                reason: row.reason,
                detail: row.detail,
                until: row.until_at,
                task: row.task.map(TaskId),
                by_hand: row.by_hand,
                decided_at: row.decided_at,
            })
        });
        read.collect()
    }

    /// Forgets at most `limit` fires that were decided longer than `age` ago, and gives their number.
    ///
    /// # Errors
    /// When Postgres is not available.
    pub async fn forget_schedule_runs(&self, age: Duration, limit: u32) -> Result<u64, StoreError> {
        let gone = run!(
            self,
            sqlx::query!(
                "DELETE FROM schedule_runs WHERE (schedule, fire_at) IN (SELECT schedule, fire_at FROM schedule_runs
                    WHERE decided_at < schedule_now() - $1::bigint * interval '1 millisecond' AND outcome <> 'waiting' LIMIT $2)",
                millis(age),
                i64::from(limit),
            ),
            execute
        )?;
        Ok(gone.rows_affected())
    }
}
