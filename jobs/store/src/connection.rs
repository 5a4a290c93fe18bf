//! The connection to Postgres, and how a statement is run on it.
//!
//! Faults of the pool are kept away from callers here: a connection whose peer died in silence, and one whose statement was
//! abandoned half way (a client went away), do not go back into the pool; and when one connection broke, those that
//! are as old are not trusted either, so that a restart of Postgres costs one failure and not one a connection.

use std::{
    str::FromStr,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use sqlx::{
    PgConnection, PgPool, Postgres,
    pool::PoolConnection,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use tokio::time::error::Elapsed;

use crate::{StoreError, metrics::CONNECTS};

/// Runs one statement: `run!(store, sqlx::query!(…), fetch_all)`.
macro_rules! run {
    ($store:expr, $query:expr, $fetch:ident) => {{
        let store: &$crate::Store = $store;
        let mut leased = store.acquire().await?;
        let result = tokio::time::timeout(store.limit, $query.$fetch(leased.raw())).await;
        leased.settle(result)
    }};
}

/// How to reach Postgres.
#[derive(Debug, Clone)]
pub struct StoreConfig {
    /// `postgres://…`; it may hold a password, so it is never logged.
    pub url: String,
    /// So many connections at most.
    pub pool_size: u32,
    /// A statement that takes longer is given up.
    pub statement_timeout: Duration,
    /// A statement that waits longer for a lock is given up.
    pub lock_timeout: Duration,
    /// Whoever waits longer for a free connection is told that Postgres is not available.
    pub acquire_timeout: Duration,
}

impl StoreConfig {
    /// The defaults for the database at `url`.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            pool_size: 10,
            statement_timeout: Duration::from_secs(8),
            lock_timeout: Duration::from_secs(5),
            acquire_timeout: Duration::from_secs(3),
        }
    }
}

/// The store. Cheap to clone; clones share their connections.
#[derive(Debug, Clone)]
pub struct Store {
    pool: PgPool,
    broke: Broke,
    pub(crate) options: PgConnectOptions,
    pub(crate) limit: Duration,
}

/// When a connection broke last.
type Broke = Arc<Mutex<Option<Instant>>>;

impl Store {
    /// A store that connects when it is first used, and again whenever it has to.
    ///
    /// # Errors
    /// When the URL cannot be read.
    pub fn new(config: &StoreConfig) -> Result<Self, StoreError> {
        let limit_ms = config.statement_timeout.as_millis().to_string();
        let lock_ms = config.lock_timeout.as_millis().to_string();
        let options =
            PgConnectOptions::from_str(&config.url).map_err(StoreError::from)?.application_name("longshore").options([
                ("statement_timeout", limit_ms.as_str()),
                ("lock_timeout", lock_ms.as_str()),
                ("idle_in_transaction_session_timeout", limit_ms.as_str()),
                // A client whose machine is gone must not keep its locks: Postgres finds out within about 15 s.
                ("tcp_keepalives_idle", "5"),
                ("tcp_keepalives_interval", "3"),
                ("tcp_keepalives_count", "3"),
                // Plans are made once for a connection, perhaps while the tables are empty. A scan of all rows would look cheap
                // then, and stay.
                ("enable_seqscan", "off"),
                // It compiles for longer than our statements run.
                ("jit", "off"),
            ]);
        let broke = Broke::default();
        let last_break = broke.clone();
        let pool = PgPoolOptions::new()
            .max_connections(config.pool_size)
            .acquire_timeout(config.acquire_timeout)
            // A test of a connection on every use doubles the round trips; a broken one shows itself and is replaced.
            .test_before_acquire(false)
            .before_acquire(move |_, meta| {
                let last_break = *last_break.lock().unwrap_or_else(PoisonError::into_inner);
                let younger = last_break.is_none_or(|at| meta.age < at.elapsed());
                Box::pin(async move { Ok(younger) })
            })
            .after_connect(|_, _| {
                CONNECTS.one();
                Box::pin(async { Ok(()) })
            })
            .idle_timeout(Duration::from_secs(300))
            .connect_lazy_with(options.clone());
        // The server gives up first, and says so; this bound is for a server that says nothing any more.
        let limit = config.statement_timeout + Duration::from_secs(1);
        Ok(Self { pool, broke, options, limit })
    }

    pub(crate) async fn acquire(&self) -> Result<Leased, StoreError> {
        Ok(Leased { connection: Some(self.pool.acquire().await?), clean: true, broke: self.broke.clone() })
    }

    /// Bounds what is done on a connection of its own.
    pub(crate) async fn within<T>(&self, work: impl Future<Output = sqlx::Result<T>>) -> Result<T, StoreError> {
        match tokio::time::timeout(self.limit, work).await {
            Ok(done) => Ok(done?),
            Err(Elapsed { .. }) => Err(StoreError::silent()),
        }
    }

    /// Whether Postgres answers.
    ///
    /// # Errors
    /// When it does not.
    pub async fn ping(&self) -> Result<(), StoreError> {
        run!(self, sqlx::query_scalar!("SELECT 1 AS one"), fetch_one).map(drop)
    }

    /// How many connections there are, how many of them do nothing, and how many there may be.
    pub(crate) fn connections(&self) -> (u32, u32, u32) {
        let idle = u32::try_from(self.pool.num_idle()).unwrap_or(u32::MAX);
        (self.pool.size(), idle, self.pool.options().get_max_connections())
    }

    /// Closes all connections after their statements.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}

/// A connection out of the pool. It goes back when its statement ended in a known way, and is thrown away otherwise.
pub(crate) struct Leased {
    connection: Option<PoolConnection<Postgres>>,
    clean: bool,
    broke: Broke,
}

impl Leased {
    pub(crate) fn raw(&mut self) -> &mut PgConnection {
        self.clean = false;
        // Taken by `drop` alone.
        #[expect(clippy::expect_used, reason = "the option is emptied by `drop` only")]
        self.connection.as_deref_mut().expect("a leased connection")
    }

    pub(crate) fn settle<T>(&mut self, result: Result<sqlx::Result<T>, Elapsed>) -> Result<T, StoreError> {
        match result {
            Ok(Ok(value)) => {
                self.clean = true;
                Ok(value)
            }
            Ok(Err(error)) => {
                let answered = matches!(error, sqlx::Error::Database(_) | sqlx::Error::RowNotFound);
                let error = StoreError::from(error);
                // A server that goes down ends its connections with a last word.
                self.clean = answered && !error.is_refusal();
                if !self.clean {
                    self.note_break();
                }
                Err(error)
            }
            Err(Elapsed { .. }) => {
                self.note_break();
                Err(StoreError::silent())
            }
        }
    }

    fn note_break(&self) {
        *self.broke.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }
}

impl Drop for Leased {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take()
            && !self.clean
        {
            drop(connection.detach());
        }
    }
}
