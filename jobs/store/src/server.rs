//! The Postgres server as an operator sees it.

use time::OffsetDateTime;

use crate::{MIGRATOR, Store, StoreError, leader::LEADER_LOCK};

/// What the server says of itself.
#[derive(Debug, Clone)]
pub struct Server {
    /// Its version as a number: 160004 is 16.4.
    pub version: i32,
    /// `synchronous_commit`: with `off`, what was accepted may be lost with the machine.
    pub synchronous_commit: String,
    /// Its clock.
    pub now: OffsetDateTime,
    /// Whether a scheduler leads.
    pub is_led: bool,
    /// Migrations that this program knows and the database does not have.
    pub migrations_missing: usize,
}

impl Store {
    /// Asks the server about itself.
    ///
    /// # Errors
    /// When Postgres is not available.
    pub async fn server(&self) -> Result<Server, StoreError> {
        // Half of the number each, as the server lists it.
        let (high, low) = ((LEADER_LOCK >> 32).cast_unsigned() as u32, LEADER_LOCK.cast_unsigned() as u32);
        let row = run!(
            self,
            sqlx::query!(
                r#"SELECT current_setting('server_version_num')::int AS "version!",
                    current_setting('synchronous_commit') AS "synchronous_commit!", clock_timestamp() AS "now!",
                    EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 1
                        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
                        AND classid::bigint = $1 AND objid::bigint = $2) AS "is_led!",
                    to_regclass('_sqlx_migrations') IS NOT NULL AS "is_migrated!""#,
                i64::from(high),
                i64::from(low),
            ),
            fetch_one
        )?;
        // The table is no part of a migration, so this one statement cannot be checked when it is compiled.
        let applied: i64 = if row.is_migrated {
            run!(self, sqlx::query_scalar("SELECT count(*) FROM _sqlx_migrations WHERE success"), fetch_one)?
        } else {
            0
        };
        let applied = usize::try_from(applied).unwrap_or_default();
        Ok(Server {
            version: row.version,
            synchronous_commit: row.synchronous_commit,
            now: row.now,
            is_led: row.is_led,
            migrations_missing: MIGRATOR.iter().count().saturating_sub(applied),
        })
    }

    /// The queues in which tasks wait, with how many; only the oldest `limit` tasks are looked at.
    ///
    /// # Errors
    /// When Postgres is not available.
    pub async fn waiting_queues(&self, limit: u32) -> Result<Vec<(String, u64)>, StoreError> {
        let rows = run!(
            self,
            sqlx::query!(
                r#"SELECT queue, count(*) AS "count!" FROM
                    (SELECT queue FROM tasks WHERE state = 'queued' ORDER BY queued_at LIMIT $1) AS oldest
                GROUP BY queue ORDER BY queue"#,
                i64::from(limit),
            ),
            fetch_all
        )?;
        Ok(rows.into_iter().map(|row| (row.queue, row.count.unsigned_abs())).collect())
    }
}
