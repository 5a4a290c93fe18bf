//! Leadership: of any number of schedulers one leads, and looks at everything once a tick with one statement.

use std::time::Duration;

use sqlx::{ConnectOptions, PgConnection};
use time::OffsetDateTime;

use crate::{Store, StoreError, row::millis};

/// Any number that no other program on this database uses: the bytes of "longshor".
pub(crate) const LEADER_LOCK: i64 = 0x6c6f_6e67_7368_6f72;

/// How often a scheduler that does not lead asks whether it may.
const ASK: Duration = Duration::from_secs(1);

/// The leadership among schedulers: a session lock of Postgres, which ends with the connection.
#[derive(Debug)]
pub struct Leadership {
    connection: PgConnection,
    limit: Duration,
}

/// What there is to do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pulse {
    /// Some worker was silent for longer than a lease.
    pub silent_workers: bool,
    /// How long until the next lease ends if its worker stays silent; `None` when there is none, or when one has ended.
    pub next_lease: Option<Duration>,
    /// Some task is held by a worker whose lease has ended.
    pub orphans: bool,
    /// Some task is queued.
    pub queued: bool,
    /// Some task is running.
    pub running: bool,
    /// Some task waits for others.
    pub blocked: bool,
    /// Some task has ended, and not everybody who waits for it has heard.
    pub unsettled: bool,
    /// Some task is gone and its files may still be there.
    pub leftovers: bool,
    /// Something happened of which nobody who listens has been told.
    pub announced: bool,
    /// How long until the next task is due or past its deadline; zero when one already is.
    pub timer: Option<Duration>,
    /// Another number after every change of the settings of queues.
    pub settings: i64,
    /// When the next schedule starts.
    pub next_fire: Option<OffsetDateTime>,
    /// What the next task of some schedule waited for has ended.
    pub released: bool,
    /// What time it is for schedules.
    pub now: Option<OffsetDateTime>,
}

impl Store {
    /// Asks for the leadership until it is free, and takes it. Asked again and again rather than waited for: a connection that
    /// died in silence would be granted the lock, and nobody would lead. Safe to drop half way.
    ///
    /// # Errors
    /// When Postgres is not available.
    pub async fn lead(&self) -> Result<Leadership, StoreError> {
        let options = self.options.clone().application_name("longshore scheduler");
        let mut connection = self.within(options.connect()).await?;
        loop {
            let asked = sqlx::query_scalar!(r#"SELECT pg_try_advisory_lock($1) AS "taken!""#, LEADER_LOCK);
            if self.within(asked.fetch_one(&mut connection)).await? {
                return Ok(Leadership { connection, limit: self.limit });
            }
            tokio::time::sleep(ASK).await;
        }
    }
}

impl Leadership {
    /// Looks what there is to do. An answer also proves that the leadership is still ours.
    ///
    /// # Errors
    /// When Postgres is not available: the leadership is lost.
    pub async fn pulse(&mut self, lease: Duration) -> Result<Pulse, StoreError> {
        let pulse = sqlx::query!(
            r#"SELECT
                EXISTS (SELECT FROM workers WHERE ended_at IS NULL
                    AND beat_at < now() - $1::bigint * interval '1 millisecond') AS "silent!",
                extract(epoch FROM (SELECT min(beat_at) FROM workers WHERE ended_at IS NULL)
                    + $1::bigint * interval '1 millisecond' - clock_timestamp())::float8 AS lease_seconds,
                EXISTS (SELECT FROM tasks WHERE state IN ('running', 'canceling')
                    AND worker <> ALL (ARRAY(SELECT id FROM workers WHERE ended_at IS NULL))) AS "orphans!",
                EXISTS (SELECT FROM tasks WHERE state = 'queued') AS "queued!",
                EXISTS (SELECT FROM tasks WHERE state IN ('running', 'canceling')) AS "running!",
                EXISTS (SELECT FROM tasks WHERE state = 'blocked') AS "blocked!",
                EXISTS (SELECT FROM tasks WHERE has_dependents AND finished_at IS NOT NULL) AS "unsettled!",
                EXISTS (SELECT FROM leftovers) AS "leftovers!",
                EXISTS (SELECT FROM webhook_outbox) OR EXISTS (SELECT FROM webhook_marks) AS "announced!",
                extract(epoch FROM least(
                    (SELECT min(due_at) FROM tasks WHERE state IN ('scheduled', 'retrying')),
                    (SELECT min(deadline) FROM tasks WHERE deadline IS NOT NULL
                        AND state IN ('scheduled', 'blocked', 'queued', 'retrying'))
                ) - clock_timestamp())::float8 AS timer_seconds,
                (SELECT COALESCE(sum(version), 0) FROM queues)::bigint AS "settings!",
                (SELECT min(next_due_at) FROM schedules) AS next_fire,
                EXISTS (SELECT FROM schedules s WHERE waiting_at IS NOT NULL AND NOT EXISTS (SELECT FROM tasks t
                    WHERE t.schedule_id = s.id AND t.finished_at IS NULL)) AS "released!",
                schedule_now() AS now"#,
            millis(lease),
        )
        .fetch_one(&mut self.connection);
        let Ok(row) = tokio::time::timeout(self.limit, pulse).await else { return Err(StoreError::silent()) };
        let row = row?;
        Ok(Pulse {
            silent_workers: row.silent,
            next_lease: row.lease_seconds.filter(|_| !row.silent).map(from_seconds),
            orphans: row.orphans,
            queued: row.queued,
            running: row.running,
            blocked: row.blocked,
            unsettled: row.unsettled,
            leftovers: row.leftovers,
            announced: row.announced,
            timer: row.timer_seconds.map(from_seconds),
            settings: row.settings,
            next_fire: row.next_fire,
            released: row.released,
            now: row.now,
        })
    }
}

/// What is over is zero.
fn from_seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(Duration::MAX)
}
