//! Prices over time, and the runs that found them.

use jobs_core::ProjectId;
use rust_decimal::Decimal;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{Store, StoreError};

/// A price at a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Point {
    /// When it was asked for.
    pub observed_at: OffsetDateTime,
    /// What it was.
    pub amount: Decimal,
    /// Whether it could be had.
    pub available: Option<bool>,
    /// The task that found it.
    pub task: Uuid,
}

/// What came of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PriceRun {
    /// What was asked.
    pub source: String,
    /// What came of it.
    pub outcome: String,
    /// Why.
    pub detail: Option<String>,
    /// How many prices it found.
    pub rows: i32,
    /// How many items were no offers.
    pub skipped: i32,
    /// Whether nothing had changed.
    pub unchanged: bool,
    /// The task.
    pub task: Uuid,
    /// When.
    pub asked_at: OffsetDateTime,
    /// When a run of this source was good last.
    pub good_at: Option<OffsetDateTime>,
    /// So many runs since then were not.
    pub bad_runs: i64,
}

impl Store {
    /// Prices of an offer of a project from `since` until before `until`, the newest first: every observation, or the changes alone.
    ///
    /// # Errors
    /// When Postgres is not available.
    pub async fn price_points(
        &self,
        project: ProjectId,
        offer: i64,
        (since, until): (Option<OffsetDateTime>, Option<OffsetDateTime>),
        changes_only: bool,
        limit: u32,
    ) -> Result<Vec<Point>, StoreError> {
        if changes_only {
            return run!(
                self,
                sqlx::query_as!(
                    Point,
                    "SELECT observed_at, amount, available, task FROM price_changes
                    WHERE offer = $1 AND project = $2 AND ($3::timestamptz IS NULL OR observed_at >= $3)
                        AND ($4::timestamptz IS NULL OR observed_at < $4)
                    ORDER BY observed_at DESC LIMIT $5",
                    offer,
                    project.0,
                    since,
                    until,
                    i64::from(limit)
                ),
                fetch_all
            );
        }
        run!(
            self,
            sqlx::query_as!(
                Point,
                "SELECT observed_at, amount, available, task FROM price_observations
                WHERE offer = $1 AND project = $2 AND ($3::timestamptz IS NULL OR observed_at >= $3)
                    AND ($4::timestamptz IS NULL OR observed_at < $4)
                ORDER BY observed_at DESC LIMIT $5",
                offer,
                project.0,
                since,
                until,
                i64::from(limit)
            ),
            fetch_all
        )
    }

    /// The last run of each source of a project, and since when it has not been good.
    ///
    /// # Errors
    /// When Postgres is not available.
    pub async fn last_price_runs(&self, project: ProjectId) -> Result<Vec<PriceRun>, StoreError> {
        run!(
            self,
            sqlx::query_as!(
                PriceRun,
                r#"WITH RECURSIVE sources AS (
                    (SELECT source FROM price_runs WHERE project = $1 ORDER BY source LIMIT 1)
                    UNION ALL
                    SELECT (SELECT source FROM price_runs WHERE project = $1 AND source > s.source ORDER BY source LIMIT 1)
                    FROM sources s WHERE s.source IS NOT NULL
                )
                SELECT r.source, r.outcome, r.detail, r.rows, r.skipped, r.unchanged, r.task, r.asked_at,
                    good.asked_at AS "good_at?",
                    (SELECT count(*) FROM price_runs bad WHERE bad.project = $1 AND bad.source = r.source
                        AND bad.id > COALESCE(good.id, 0)) AS "bad_runs!"
                FROM sources s
                CROSS JOIN LATERAL (SELECT * FROM price_runs WHERE project = $1 AND source = s.source ORDER BY id DESC LIMIT 1) r
                LEFT JOIN LATERAL (SELECT id, asked_at FROM price_runs
                    WHERE project = $1 AND source = s.source AND outcome = 'ok' ORDER BY id DESC LIMIT 1) good ON true
                WHERE s.source IS NOT NULL LIMIT 1000"#,
                project.0
            ),
            fetch_all
        )
    }
}
