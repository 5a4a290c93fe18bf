//! What was foretold of some tasks, and what came.

use std::time::Duration;

use jobs_core::{ProjectId, TaskId};
use time::OffsetDateTime;

use crate::{Store, StoreError, row::millis};

/// A time that was foretold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Foretold {
    /// Half of the time it is not later.
    pub p50: OffsetDateTime,
    /// Nine times of ten it is not later.
    pub p90: OffsetDateTime,
}

/// What was foretold of one task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forecast {
    /// The task.
    pub task: TaskId,
    /// When it starts, if it waited.
    pub start: Option<Foretold>,
    /// When it ends.
    pub finish: Option<Foretold>,
}

/// A forecast, and what came.
#[derive(Debug, Clone)]
pub struct ForetoldOutcome {
    /// The kind of the task.
    pub kind: String,
    /// When it was foretold.
    pub made_at: OffsetDateTime,
    /// What was foretold of its start, and when it started.
    pub start: Option<(Foretold, OffsetDateTime)>,
    /// What was foretold of its end, and when it ended.
    pub finish: Option<(Foretold, OffsetDateTime)>,
}

impl Store {
    /// Keeps a forecast of a task; the first one of each.
    ///
    /// # Errors
    /// When Postgres is not available.
    pub async fn foretell(&self, project: ProjectId, forecast: &Forecast) -> Result<(), StoreError> {
        let (start, finish) = (forecast.start, forecast.finish);
        let kept = run!(
            self,
            sqlx::query!(
                "INSERT INTO forecasts (task, project, start_p50, start_p90, finish_p50, finish_p90)
                VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING",
                forecast.task.0,
                project.0,
                start.map(|start| start.p50) as Option<OffsetDateTime>,
                start.map(|start| start.p90) as Option<OffsetDateTime>,
                finish.map(|finish| finish.p50) as Option<OffsetDateTime>,
                finish.map(|finish| finish.p90) as Option<OffsetDateTime>,
            ),
            execute
        );
        kept.map(drop)
    }

    /// The newest forecasts of a project of which is known what came, at most `limit`. Of tasks that ended in their first attempt: nobody
    /// foretells a failure.
    ///
    /// # Errors
    /// When Postgres is not available.
    pub async fn foretold(&self, project: ProjectId, limit: u32) -> Result<Vec<ForetoldOutcome>, StoreError> {
        let rows = run!(
            self,
            sqlx::query!(
                r#"SELECT t.kind, f.made_at, f.start_p50, f.start_p90, f.finish_p50, f.finish_p90, t.started_at, t.finished_at
                FROM (SELECT * FROM forecasts WHERE project = $1 ORDER BY made_at DESC LIMIT $2) f JOIN tasks t ON t.id = f.task
                WHERE t.project = $1 AND t.state = 'succeeded' AND t.attempt = 1"#,
                project.0,
                i64::from(limit),
            ),
            fetch_all
        )?;
        let told = |p50: Option<_>, p90: Option<_>| p50.zip(p90).map(|(p50, p90)| Foretold { p50, p90 });
        let outcomes = rows.into_iter().map(|row| ForetoldOutcome {
            start: told(row.start_p50, row.start_p90).zip(row.started_at),
            finish: told(row.finish_p50, row.finish_p90).zip(row.finished_at),
            kind: row.kind,
            made_at: row.made_at,
        });
        Ok(outcomes.collect())
    }

    /// Forgets forecasts that are older than `age`, and gives their number.
    ///
    /// # Errors
    /// When Postgres is not available.
    pub async fn forget_forecasts(&self, age: Duration) -> Result<u64, StoreError> {
        let gone = run!(
            self,
            sqlx::query!(
                "DELETE FROM forecasts WHERE made_at < now() - $1::bigint * interval '1 millisecond'",
                millis(age)
            ),
            execute
        )?;
        Ok(gone.rows_affected())
    }
}
