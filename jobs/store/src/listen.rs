//! Words from Postgres: what one process tells the others without anybody polling.

use sqlx::postgres::PgListener;
use uuid::Uuid;

use crate::{Store, StoreError};

/// What is listened to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Channel {
    /// A task became due at a time that may be earlier than any known one.
    Due,
    /// A task ended for which others wait.
    Settle,
    /// A running task is to be stopped; the word is the worker that holds it.
    Cancel,
    /// A key was changed; the word is its id.
    Keys,
    /// A schedule was changed, or what its next task waits for has ended; the word is its id.
    Schedules,
    /// Something happened of which somebody is to be told.
    Announced,
    /// There is something to be delivered.
    Deliver,
}

impl Channel {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Due => "longshore_due",
            Self::Settle => "longshore_settle",
            Self::Cancel => "longshore_cancel",
            Self::Keys => "longshore_keys",
            Self::Schedules => "longshore_schedules",
            Self::Announced => "longshore_announced",
            Self::Deliver => "longshore_deliver",
        }
    }
}

/// Hears words on one channel, on a connection of its own, and connects again when it has to. A word may be missed
/// meanwhile: whoever listens looks at the rows too.
#[derive(Debug)]
pub struct Listener {
    inner: PgListener,
}

impl Store {
    /// Starts to listen.
    ///
    /// # Errors
    /// When Postgres is not available.
    pub async fn listen(&self, channel: Channel) -> Result<Listener, StoreError> {
        let pool = sqlx::postgres::PgPoolOptions::new()
            .max_connections(1)
            .max_lifetime(None)
            .idle_timeout(None)
            .connect_lazy_with(self.options.clone());
        let mut inner = PgListener::connect_with(&pool).await?;
        inner.listen(channel.name()).await?;
        Ok(Listener { inner })
    }
}

impl Listener {
    /// The next word: `None` after a gap in which words may have been missed. Safe to drop half way.
    ///
    /// # Errors
    /// When Postgres is not available; call again later.
    pub async fn hear(&mut self) -> Result<Option<String>, StoreError> {
        Ok(self.inner.try_recv().await?.map(|word| word.payload().to_owned()))
    }

    /// Whether a word on [`Channel::Cancel`] names this worker.
    #[must_use]
    pub fn names(word: &str, worker: Uuid) -> bool {
        word.parse() == Ok(worker)
    }
}
