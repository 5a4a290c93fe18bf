//! The lives of a worker: it registers, beats, and knows when it must not be believed any more.
//!
//! The heart beats on a thread and a connection of its own. When it cannot beat for too long, or hears that the lease has ended,
//! the life is over: all its attempts stop before somebody else starts them, and a new life begins.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use jobs_core::WorkerId;
use jobs_store::{Beat, Store, StoreConfig, StoreError};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::{audit::Audit, held::Held, metrics::LEASES_LOST};

/// So long a server that refuses connections is taken for one that is down for everybody.
const REFUSED_MAX: Duration = Duration::from_secs(60);

/// One life.
#[derive(Debug)]
pub(crate) struct Life {
    /// Its name: the worker incarnation of the fence.
    pub(crate) id: WorkerId,
    /// Cancelled when the life is over: nothing that it holds may go on.
    pub(crate) over: CancellationToken,
}

/// The current life, if there is one.
pub(crate) type Lives = watch::Receiver<Option<Arc<Life>>>;

/// What the heart must know.
pub(crate) struct HeartConfig {
    pub(crate) store: StoreConfig,
    /// The only life there is, for a process that ends with it; else there is a next one.
    pub(crate) only: Option<WorkerId>,
    pub(crate) name: String,
    pub(crate) queues: BTreeMap<String, u32>,
    pub(crate) beat: Duration,
    pub(crate) lease: Duration,
}

/// The heart, on its thread.
pub(crate) struct Heart {
    nudge: Arc<Notify>,
    stop: CancellationToken,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Heart {
    /// Starts to beat; the first life begins as soon as Postgres is there.
    pub(crate) fn start(config: HeartConfig, held: Arc<Held>) -> std::io::Result<(Self, Lives)> {
        let (sender, lives) = watch::channel(None);
        let nudge = Arc::new(Notify::new());
        let stop = CancellationToken::new();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let beating = beat(config, held, sender, nudge.clone(), stop.clone());
        let thread = std::thread::Builder::new().name("heart".into()).spawn(move || runtime.block_on(beating))?;
        Ok((Self { nudge, stop, thread: Some(thread) }, lives))
    }

    /// Asks for a beat now: something may have been canceled.
    pub(crate) fn nudge(&self) {
        self.nudge.notify_one();
    }

    /// Ends the last life in order. Everything it held must have been recorded or given back.
    pub(crate) async fn stop(mut self) {
        self.stop.cancel();
        if let Some(thread) = self.thread.take() {
            // A panic of the heart was logged by its thread.
            let _ = tokio::task::spawn_blocking(move || thread.join()).await;
        }
    }
}

async fn beat(
    config: HeartConfig,
    held: Arc<Held>,
    lives: watch::Sender<Option<Arc<Life>>>,
    nudge: Arc<Notify>,
    stop: CancellationToken,
) {
    // A pool of its own: a connection belongs to the runtime that opened it.
    let store = match Store::new(&StoreConfig { pool_size: 1, ..config.store.clone() }) {
        Ok(store) => store,
        Err(error) => {
            error!(error = &error as &dyn std::error::Error, "the heart has no store");
            return;
        }
    };
    while !stop.is_cancelled() {
        let id = config.only.unwrap_or_default();
        let Some((life, registered)) = begin(&config, id, &store, &stop).await else { break };
        lives.send_replace(Some(life.clone()));
        live(&config, &store, &life, registered, &held, &nudge, &stop).await;
        lives.send_replace(None);
        if !stop.is_cancelled() {
            LEASES_LOST.one();
            life.over.cancel();
            // Goodbye lets others start what we hold: first it has to have stopped here.
            tokio::time::sleep(crate::attempt::FENCED_GRACE + Duration::from_millis(100)).await;
        }
        // In order: what is still held is taken back at once. After a fence: so is what the rows say that we hold.
        let farewell = tokio::time::timeout(config.beat, store.deregister(life.id));
        if let Ok(Err(error)) = farewell.await {
            warn!(error = &error as &dyn std::error::Error, worker = %life.id, "could not say goodbye; the lease will end by itself");
        }
        if config.only.is_some() {
            break;
        }
    }
    let _ = tokio::time::timeout(config.beat, store.close()).await;
}

/// Registers a new life, however long it takes; gives it with the time that its lease counts from.
async fn begin(
    config: &HeartConfig,
    id: WorkerId,
    store: &Store,
    stop: &CancellationToken,
) -> Option<(Arc<Life>, Instant)> {
    let mut told = false;
    loop {
        let sent = Instant::now();
        let registered =
            store.register(id, &config.name, std::process::id(), &config.queues, env!("CARGO_PKG_VERSION"));
        match registered.await {
            Ok(()) => {
                info!(worker = %id, name = config.name, "registered");
                return Some((Arc::new(Life { id, over: CancellationToken::new() }), sent));
            }
            Err(error) if !told => {
                warn!(error = &error as &dyn std::error::Error, "cannot register yet; trying until Postgres is there");
                told = true;
            }
            Err(_) => {}
        }
        tokio::select! { () = tokio::time::sleep(Duration::from_millis(500)) => {}, () = stop.cancelled() => return None }
    }
}

/// Beats until the life is over or the worker stops.
async fn live(
    config: &HeartConfig,
    store: &Store,
    life: &Life,
    registered: Instant,
    held: &Held,
    nudge: &Notify,
    stop: &CancellationToken,
) {
    let mut audit = Audit::new(config.lease * 5);
    let mut heart = store.heart();
    // Before the lease can end by the clock of anybody else, whatever a beat takes on its way.
    let patience = config.lease.saturating_sub(config.beat).max(config.beat);
    let (mut heard, mut proven) = (registered, registered);
    let mut troubled = false;
    loop {
        let sent = Instant::now();
        let left = patience.saturating_sub(proven.elapsed());
        // A connection may have died in silence: there must be time left for a new one.
        let limit = (left / 2).max(config.beat / 4).min(left.max(Duration::from_millis(1)));
        let beaten = tokio::select! {
            beaten = tokio::time::timeout(limit, heart.beat(life.id)) => beaten,
            () = stop.cancelled() => return,
        };
        match beaten {
            Ok(Ok(Beat::Alive(to_stop))) => {
                if troubled {
                    info!(worker = %life.id, "beating again");
                }
                (heard, proven, troubled) = (sent, sent, false);
                for (task, epoch) in to_stop {
                    held.cancel(task, epoch);
                }
                audit.look(store, life.id, held).await;
            }
            Ok(Ok(Beat::Ended)) => {
                warn!(worker = %life.id, "the lease has ended: stopping all attempts and starting anew");
                return;
            }
            Ok(Err(error)) => {
                // A server that refuses everybody gives nobody our tasks, and it blames nobody until it has been up for a
                // lease. But the refusal may be meant for us alone, so this ends, too; the fence holds in any case.
                if error.is_refusal() && heard.elapsed() < REFUSED_MAX {
                    proven = sent;
                }
                if !troubled {
                    warn!(error = &error as &dyn std::error::Error, worker = %life.id, "a beat failed");
                }
                troubled = true;
            }
            Err(_) => {
                if !troubled {
                    warn!(worker = %life.id, "a beat was not answered within {limit:?}");
                }
                troubled = true;
            }
        }
        if proven.elapsed() >= patience {
            warn!(worker = %life.id, "no beat got through for {patience:?}: stopping all attempts before somebody else starts them");
            return;
        }
        let pause = if troubled { config.beat / 4 } else { config.beat };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = nudge.notified() => {}
            () = stop.cancelled() => return,
        }
    }
}

/// Whether an error is one that time may heal.
pub(crate) fn is_passing(error: &StoreError) -> bool {
    error.is_unavailable()
}
