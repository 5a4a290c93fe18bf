//! What can go wrong with the store, by what its caller can do about it.

use jobs_core::{TaskId, state::Refused};

use crate::metrics::{REFUSED, UNAVAILABLE};

/// What can go wrong.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Postgres cannot be reached, or not in time. The statement may or may not have been carried out. Try again later.
    #[error("Postgres is not available")]
    Unavailable {
        /// The server itself said so (it refused the connection, it shuts down, it starts), so that nobody else is
        /// served by it either.
        refused: bool,
        /// What the driver saw.
        #[source]
        source: sqlx::Error,
    },
    /// There is no such task.
    #[error("there is no task {0}")]
    NotFound(TaskId),
    /// The law of tasks says no.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// A mistake of ours: a statement that Postgres does not accept, a row that makes no sense.
    #[error("the store is broken")]
    Broken(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl StoreError {
    pub(crate) fn broken(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Broken(error.into())
    }

    pub(crate) fn silent() -> Self {
        UNAVAILABLE.one();
        let source = std::io::Error::new(std::io::ErrorKind::TimedOut, "no answer from Postgres").into();
        Self::Unavailable { refused: false, source }
    }

    /// Whether a row of the same value under this unique constraint was there.
    pub(crate) fn is_conflict_on(&self, constraint: &str) -> bool {
        let Self::Broken(cause) = self else { return false };
        let database = cause.downcast_ref::<sqlx::Error>().and_then(sqlx::Error::as_database_error);
        database.is_some_and(|error| error.constraint() == Some(constraint))
    }

    /// The project has another schedule of this name.
    #[must_use]
    pub fn is_schedule_name_taken(&self) -> bool {
        self.is_conflict_on("schedules_project_name_key")
    }

    /// The server itself refused: it is down for everybody, not only for us.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        matches!(self, Self::Unavailable { refused: true, .. })
    }

    /// Trying again later may help.
    #[must_use]
    pub fn is_unavailable(&self) -> bool {
        matches!(self, Self::Unavailable { .. })
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        let error = Self::sort(error);
        if error.is_unavailable() {
            UNAVAILABLE.one()
        } else {
            REFUSED.one()
        }
        error
    }
}

impl StoreError {
    fn sort(error: sqlx::Error) -> Self {
        use std::io::ErrorKind::{ConnectionRefused, NotFound};
        match &error {
            sqlx::Error::Io(cause) => {
                // A Unix socket that is not there is a server that is not there.
                let refused = matches!(cause.kind(), ConnectionRefused | NotFound);
                Self::Unavailable { refused, source: error }
            }
            sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed
            | sqlx::Error::Protocol(_) => Self::Unavailable { refused: false, source: error },
            sqlx::Error::Database(cause) => match cause.code().as_deref() {
                // admin_shutdown, crash_shutdown, cannot_connect_now
                Some("57P01" | "57P02" | "57P03") => Self::Unavailable { refused: true, source: error },
                // query_canceled (by statement_timeout), lock_not_available, deadlock_detected, serialization_failure
                Some("57014" | "55P03" | "40P01" | "40001") => Self::Unavailable { refused: false, source: error },
                // connection exceptions, insufficient resources (too many connections, disk full)
                Some(code) if code.starts_with("08") || code.starts_with("53") => {
                    Self::Unavailable { refused: false, source: error }
                }
                _ => Self::broken(error),
            },
            _ => Self::broken(error),
        }
    }
}
