//! Looking ahead: the schedules that fire next, before it is time.

use std::time::Duration;

use jobs_core::ScheduleId;
use time::OffsetDateTime;
use uuid::Uuid;

use super::{Row, ScheduleRow, schedule_query};
use crate::{Store, StoreError, row::millis};

/// What comes next.
#[derive(Debug, Clone)]
pub struct Ahead {
    /// What time it was for schedules.
    pub now: OffsetDateTime,
    /// Schedules that start soon, the earliest first.
    pub schedules: Vec<ScheduleRow>,
    /// When the first of all others starts, if there is one: until then these are all.
    pub beyond: Option<OffsetDateTime>,
}

impl Store {
    /// The schedules that start within a time from now, at most about `limit` of them.
    ///
    /// # Errors
    /// When Postgres is not available.
    pub async fn schedules_ahead(&self, within: Duration, limit: u32) -> Result<Ahead, StoreError> {
        let limit = i64::from(limit);
        // A page ends between two times, never between two schedules of one time.
        let seen = run!(
            self,
            sqlx::query!(
                r#"SELECT schedule_now() AS "now!", least(
                    (SELECT min(next_due_at) FROM schedules
                    WHERE next_due_at >= schedule_now() + $1::bigint * interval '1 millisecond'),
                    (SELECT next_due_at + interval '1 microsecond' FROM schedules WHERE next_due_at IS NOT NULL
                    ORDER BY next_due_at OFFSET $2 LIMIT 1)) AS beyond"#,
                millis(within),
                limit,
            ),
            fetch_one
        )?;
        let rows = run!(
            self,
            schedule_query!(
                "WHERE next_due_at IS NOT NULL AND ($1::timestamptz IS NULL OR next_due_at < $1) ORDER BY next_due_at",
                seen.beyond as Option<OffsetDateTime>,
            ),
            fetch_all
        )?;
        let schedules = rows.into_iter().map(Row::read).collect::<Result<_, _>>()?;
        Ok(Ahead { now: seen.now, schedules, beyond: seen.beyond })
    }

    /// Those of `ids` that there are, whosever they are.
    ///
    /// # Errors
    /// When Postgres is not available.
    pub async fn schedules_by_id(&self, ids: &[ScheduleId]) -> Result<Vec<ScheduleRow>, StoreError> {
        let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
        run!(self, schedule_query!("WHERE id = ANY($1)", &ids), fetch_all)?.into_iter().map(Row::read).collect()
    }

    /// At most `limit` schedules of which a task waits, and what it waits for has ended.
    ///
    /// # Errors
    /// When Postgres is not available.
    pub async fn schedules_released(&self, limit: u32) -> Result<Vec<ScheduleRow>, StoreError> {
        let rows = run!(
            self,
            schedule_query!(
                "WHERE waiting_at IS NOT NULL AND NOT EXISTS (SELECT FROM tasks t
                    WHERE t.schedule_id = schedules.id AND t.finished_at IS NULL)
                ORDER BY id LIMIT $1",
                i64::from(limit),
            ),
            fetch_all
        )?;
        rows.into_iter().map(Row::read).collect()
    }
}
