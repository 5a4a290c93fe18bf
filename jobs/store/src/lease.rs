//! The lease of a worker: one row a life, one statement a beat, whatever it runs.

use std::collections::BTreeMap;

use jobs_core::{TaskId, WorkerId};
use sqlx::{ConnectOptions, PgConnection, types::Json};
use time::OffsetDateTime;

use crate::{Store, StoreError};

/// A worker process, in one of its lives.
#[derive(Debug, Clone)]
pub struct WorkerRow {
    /// This life.
    pub id: WorkerId,
    /// What the operator calls the worker.
    pub name: String,
    /// Its process id on its machine.
    pub pid: u32,
    /// The queues it serves, with how many tasks of each at once.
    pub queues: BTreeMap<String, u32>,
    /// When this life began.
    pub started_at: OffsetDateTime,
    /// When it was last heard of.
    pub beat_at: OffsetDateTime,
}

/// The answer to a beat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Beat {
    /// The lease holds; these attempts are to be stopped.
    Alive(Vec<(TaskId, i32)>),
    /// The lease has ended: everything the worker held is somebody else's.
    Ended,
}

/// What beats: a connection of its own, so that a busy pool delays no beat.
#[derive(Debug)]
pub struct Heart {
    store: Store,
    connection: Option<PgConnection>,
}

impl Store {
    /// Starts a life of a worker.
    ///
    /// # Errors
    /// When Postgres is not available.
    pub async fn register(
        &self,
        worker: WorkerId,
        name: &str,
        pid: u32,
        queues: &BTreeMap<String, u32>,
        version: &str,
    ) -> Result<(), StoreError> {
        let registered = run!(
            self,
            sqlx::query!(
                "INSERT INTO workers (id, name, pid, queues, version) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
                worker.0,
                name,
                pid.cast_signed(),
                Json(queues) as _,
                version,
            ),
            execute
        );
        registered.map(drop)
    }

    /// Ends a life of a worker that stops in order. What it still holds is taken back at once.
    ///
    /// # Errors
    /// When Postgres is not available.
    pub async fn deregister(&self, worker: WorkerId) -> Result<(), StoreError> {
        let ended = run!(
            self,
            sqlx::query!(
                "UPDATE workers SET ended_at = now(), end_reason = 'stopped' WHERE id = $1 AND ended_at IS NULL",
                worker.0
            ),
            execute
        );
        ended.map(drop)
    }

    /// Ends a life of a worker that is known to be dead, before anybody notices its silence. What it held is taken back at once.
    /// `false` when the life had ended before.
    ///
    /// # Errors
    /// When Postgres is not available.
    pub async fn bury(&self, worker: WorkerId) -> Result<bool, StoreError> {
        let ended = run!(
            self,
            sqlx::query!(
                "UPDATE workers SET ended_at = now(), end_reason = 'lost' WHERE id = $1 AND ended_at IS NULL",
                worker.0
            ),
            execute
        )?;
        Ok(ended.rows_affected() > 0)
    }

    /// The attempts that the rows say this worker holds: after a claim whose answer was lost they are more than it knows.
    ///
    /// # Errors
    /// When Postgres is not available.
    pub async fn held(&self, worker: WorkerId) -> Result<Vec<(TaskId, i32)>, StoreError> {
        let rows = run!(
            self,
            sqlx::query!(
                "SELECT id, epoch FROM tasks WHERE worker = $1 AND state IN ('running', 'canceling')",
                worker.0
            ),
            fetch_all
        )?;
        Ok(rows.into_iter().map(|row| (TaskId(row.id), row.epoch)).collect())
    }

    /// Whether a life of a worker goes on.
    ///
    /// # Errors
    /// When Postgres is not available.
    pub async fn lives(&self, worker: WorkerId) -> Result<bool, StoreError> {
        let row = run!(
            self,
            sqlx::query_scalar!(
                r#"SELECT EXISTS (SELECT FROM workers WHERE id = $1 AND ended_at IS NULL) AS "lives!""#,
                worker.0
            ),
            fetch_one
        )?;
        Ok(row)
    }

    /// The living workers, the oldest first.
    ///
    /// # Errors
    /// When Postgres is not available.
    pub async fn workers(&self) -> Result<Vec<WorkerRow>, StoreError> {
        let rows = run!(
            self,
            sqlx::query!(
                r#"SELECT id, name, pid, queues as "queues: Json<BTreeMap<String, u32>>", started_at, beat_at
                FROM workers WHERE ended_at IS NULL ORDER BY started_at"#
            ),
            fetch_all
        )?;
        let workers = rows.into_iter().map(|row| WorkerRow {
            id: WorkerId(row.id),
            name: row.name,
            pid: row.pid.unsigned_abs(),
            queues: row.queues.0,
            started_at: row.started_at,
            beat_at: row.beat_at,
        });
        Ok(workers.collect())
    }

    /// What beats for a worker.
    #[must_use]
    pub fn heart(&self) -> Heart {
        Heart { store: self.clone(), connection: None }
    }
}

impl Heart {
    /// Says that the worker lives, and hears what it is to stop.
    ///
    /// # Errors
    /// When Postgres is not available; the next beat connects again.
    pub async fn beat(&mut self, worker: WorkerId) -> Result<Beat, StoreError> {
        // Out of its place while it is used: a beat that is given up half way leaves no broken connection behind.
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.store.options.connect().await?,
        };
        let row = sqlx::query!(
            r#"WITH beat AS (UPDATE workers SET beat_at = now() WHERE id = $1 AND ended_at IS NULL RETURNING id)
            SELECT EXISTS (SELECT FROM beat) AS "alive!",
                ARRAY(SELECT id FROM tasks WHERE worker = $1 AND state = 'canceling' ORDER BY id) AS "ids!",
                ARRAY(SELECT epoch FROM tasks WHERE worker = $1 AND state = 'canceling' ORDER BY id) AS "epochs!""#,
            worker.0,
        )
        .fetch_one(&mut connection)
        .await?;
        self.connection = Some(connection);
        if !row.alive {
            return Ok(Beat::Ended);
        }
        Ok(Beat::Alive(row.ids.into_iter().map(TaskId).zip(row.epochs).collect()))
    }
}
