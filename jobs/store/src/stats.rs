//! How much there is, and how much is done: read off indexes and counts, bounded however many tasks there are.

use jobs_core::{ProjectId, State};
use time::OffsetDateTime;

use crate::{Outcomes, Place, Store, StoreError};

/// Of each state no more than so many tasks are counted.
pub const COUNTED: u64 = 20_000;

/// Tasks of one sort that have not ended, or that ended without success.
#[derive(Debug, Clone)]
pub struct Count {
    /// Where they stand.
    pub state: State,
    /// Their kind.
    pub kind: String,
    /// Their queue.
    pub queue: String,
    /// So many.
    pub count: u64,
    /// Since when the first one of them is in its queue.
    pub oldest: Option<OffsetDateTime>,
}

/// How attempts ended in a time.
#[derive(Debug, Clone)]
pub struct Done {
    /// Of which sort they are.
    pub place: Place,
    /// In the last minute that is over.
    pub minute: Outcomes,
    /// In the last sixty minutes that are over.
    pub hour: Outcomes,
    /// In the last 24 hours.
    pub day: Outcomes,
}

impl Store {
    /// Counts the tasks of a project, or of all, that stand in a state which has an index: all but those that succeeded. Of each state the
    /// first [`COUNTED`] are counted; one that has more has exactly as many here.
    ///
    /// # Errors
    /// When Postgres is not available.
    pub async fn counts(&self, project: Option<ProjectId>) -> Result<Vec<Count>, StoreError> {
        let most = COUNTED.cast_signed();
        let rows = run!(
            self,
            sqlx::query!(
                r#"WITH seen AS (
                    (SELECT state, kind, queue, queued_at FROM tasks
                        WHERE state = 'queued' AND ($1::int IS NULL OR project = $1) ORDER BY queued_at LIMIT $2)
                    UNION ALL (SELECT state, kind, queue, NULL FROM tasks
                        WHERE state IN ('running', 'canceling') AND ($1::int IS NULL OR project = $1) LIMIT $2)
                    UNION ALL (SELECT state, kind, queue, NULL FROM tasks
                        WHERE state IN ('scheduled', 'retrying') AND ($1::int IS NULL OR project = $1) LIMIT $2)
                )
                SELECT state AS "state!", kind AS "kind!", queue AS "queue!", count(*) AS "count!", min(queued_at) AS oldest
                FROM seen GROUP BY 1, 2, 3"#,
                project.map(|project| project.0) as Option<i32>,
                most,
            ),
            fetch_all
        )?;
        let counts = rows.into_iter().map(|row| {
            Ok(Count {
                state: row.state.parse().map_err(StoreError::broken)?,
                kind: row.kind,
                queue: row.queue,
                count: row.count.unsigned_abs(),
                oldest: row.oldest,
            })
        });
        counts.collect()
    }

    /// How attempts of a project, or of all, ended lately, as workers counted them: what a worker had not written down when it died is
    /// missing.
    ///
    /// # Errors
    /// When Postgres is not available.
    pub async fn done(&self, project: Option<ProjectId>) -> Result<Vec<Done>, StoreError> {
        let rows = run!(
            self,
            sqlx::query!(
                r#"SELECT kind, queue, minute >= date_trunc('minute', now()) - interval '1 minute' AS "in_minute!",
                    minute >= date_trunc('minute', now()) - interval '1 hour' AS "in_hour!",
                    sum(succeeded)::bigint AS "succeeded!", sum(failed)::bigint AS "failed!",
                    sum(canceled)::bigint AS "canceled!", sum(retried)::bigint AS "retried!"
                FROM outcomes
                WHERE minute >= date_trunc('minute', now()) - interval '1 day' AND minute < date_trunc('minute', now())
                    AND ($1::int IS NULL OR project = $1)
                GROUP BY 1, 2, 3, 4"#,
                project.map(|project| project.0) as Option<i32>,
            ),
            fetch_all
        )?;
        let mut done: std::collections::BTreeMap<(String, String), Done> = std::collections::BTreeMap::new();
        for row in rows {
            let place =
                Place { project: project.unwrap_or(ProjectId(0)), kind: row.kind.clone(), queue: row.queue.clone() };
            let outcomes = Outcomes {
                succeeded: row.succeeded.unsigned_abs(),
                failed: row.failed.unsigned_abs(),
                canceled: row.canceled.unsigned_abs(),
                retried: row.retried.unsigned_abs(),
            };
            let none = Outcomes::default();
            let entry =
                done.entry((row.kind, row.queue)).or_insert(Done { place, minute: none, hour: none, day: none });
            entry.day.merge(&outcomes);
            if row.in_hour {
                entry.hour.merge(&outcomes);
            }
            if row.in_minute {
                entry.minute.merge(&outcomes);
            }
        }
        Ok(done.into_values().collect())
    }
}
