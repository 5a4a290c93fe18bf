//! The keys that this process has seen lately, so that a request costs no look at the database.
//!
//! What is known is read again every [`REFRESH`] while it is used, and at once when a change is announced: a key that was revoked opens
//! nothing after [`FRESH`], whatever was lost on the way. While Postgres is away keys that are known go on for [`AWAY`].

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use jobs_core::KeyId;
use jobs_store::{Channel, KeyRow, Listener, Store, StoreError};
use tokio::{
    sync::{Notify, Semaphore},
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;

/// Keys in use are read again this often, all of them in one statement.
const REFRESH: Duration = Duration::from_secs(2);
/// What is known counts for so long.
const FRESH: Duration = Duration::from_secs(4);
/// And for so long while Postgres is away.
const AWAY: Duration = Duration::from_secs(60);
/// A key that was not used for so long is forgotten.
const IDLE: Duration = Duration::from_secs(60);
/// The use of a key is written down so often at most.
const NOTED: Duration = Duration::from_secs(60);
/// So many keys are known at most.
const MOST: usize = 10_000;
/// So many keys that are not known are looked up at once. Others wait for their turn.
const AT_ONCE: usize = 4;

/// The keys that this process has seen lately.
pub(crate) struct KnownKeys {
    store: Store,
    known: Mutex<HashMap<KeyId, Known>>,
    lookups: Semaphore,
    somebody: Notify,
    is_away: AtomicBool,
}

/// A row, and how long ago it was read; `None` when there is no such key.
type Found = Option<(Arc<KeyRow>, Duration)>;

/// What is known of one.
struct Known {
    /// `None` when there is no such key.
    row: Option<Arc<KeyRow>>,
    read: Instant,
    used: Instant,
    noted: Option<Instant>,
}

impl KnownKeys {
    /// Starts to keep what is known, until `stop` is cancelled.
    pub(crate) fn start(store: Store, stop: CancellationToken) -> Arc<Self> {
        let keys = Arc::new(Self {
            store,
            known: Mutex::default(),
            lookups: Semaphore::new(AT_ONCE),
            somebody: Notify::new(),
            is_away: AtomicBool::new(false),
        });
        let (hearing, keeping) = (keys.clone(), keys.clone());
        tokio::spawn(stop.clone().run_until_cancelled_owned(async move { hearing.hear().await }));
        tokio::spawn(stop.run_until_cancelled_owned(async move { keeping.keep().await }));
        keys
    }

    /// The row of a key, as it is or was a moment ago.
    pub(crate) async fn row(&self, id: KeyId) -> Result<Found, StoreError> {
        if let Some(known) = self.recall(id) {
            return Ok(known);
        }
        // Never closed.
        let _turn = self.lookups.acquire().await;
        if let Some(known) = self.recall(id) {
            return Ok(known);
        }
        let row = self.store.key(id).await?.map(Arc::new);
        let now = Instant::now();
        let mut known = self.lock();
        if known.len() >= MOST {
            known.retain(|_, known| known.row.is_some() && known.used.elapsed() < REFRESH);
        }
        if known.len() < MOST {
            known.insert(id, Known { row: row.clone(), read: now, used: now, noted: None });
        }
        self.somebody.notify_one();
        Ok(row.map(|row| (row, Duration::ZERO)))
    }

    /// What is known, if it still counts.
    fn recall(&self, id: KeyId) -> Option<Found> {
        let mut known = self.lock();
        let known = known.get_mut(&id)?;
        let age = known.read.elapsed();
        if age >= FRESH && !(self.is_away.load(Relaxed) && age < AWAY) {
            return None;
        }
        known.used = Instant::now();
        Some(known.row.clone().map(|row| (row, age)))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<KeyId, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads again what is used. Without any use it does nothing at all.
    async fn keep(&self) {
        loop {
            self.somebody.notified().await;
            while !self.lock().is_empty() {
                sleep(REFRESH).await;
                let result = self.refresh().await;
                let was_away = self.is_away.swap(result.is_err(), Relaxed);
                if let Err(error) = result
                    && !was_away
                {
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(error, "API keys that were used lately go on without Postgres");
                }
            }
        }
    }

    async fn refresh(&self) -> Result<(), StoreError> {
        let used: Vec<KeyId> = {
            let mut known = self.lock();
            known.retain(|_, known| known.used.elapsed() < IDLE && known.read.elapsed() < AWAY);
            known.keys().copied().collect()
        };
        let began = Instant::now();
        let rows = self.store.keys_by_id(&used).await?;
        let mut rows: HashMap<KeyId, KeyRow> = rows.into_iter().map(|row| (row.id, row)).collect();
        let mut noted = Vec::new();
        {
            let mut known = self.lock();
            for id in used {
                let Some(known) = known.get_mut(&id) else { continue };
                known.read = began;
                known.row = rows.remove(&id).map(Arc::new);
                let is_noted = known.noted.is_some_and(|noted| noted >= known.used || noted.elapsed() < NOTED);
                if known.row.is_some() && !is_noted {
                    known.noted = Some(began);
                    noted.push((id, known.used.elapsed()));
                }
            }
        }
        if noted.is_empty() { Ok(()) } else { self.store.note_use(&noted).await }
    }

    /// Forgets what somebody changed.
    async fn hear(&self) {
        let mut listener: Option<Listener> = None;
        loop {
            let heard = match &mut listener {
                Some(listener) => listener.hear().await,
                None => match self.store.listen(Channel::Keys).await {
                    Ok(new) => {
                        listener = Some(new);
                        continue;
                    }
                    Err(error) => Err(error),
                },
            };
            match heard {
                Ok(Some(word)) => drop(word.parse().map(|id| self.lock().remove(&KeyId(id)))),
                // What was said in a gap is seen when keys are read again.
                Ok(None) => {}
                Err(_) => {
                    // Whoever looks up a key says what is wrong.
                    listener = None;
                    sleep(Duration::from_secs(1)).await;
                }
            }
        }
    }
}
