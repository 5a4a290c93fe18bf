//! The control side of a worker process: what beats, records and reports, whatever the process runs.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use anyhow::Context;
use jobs_artifacts::Artifacts;
use jobs_core::{Engines, Registry, WorkerId};
use jobs_queue::Queue;
use jobs_runtime::config::Config;
use jobs_store::{Channel, Listener, Store, StoreConfig};
use tokio::{runtime::Runtime, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::{
    attempt::Attempts,
    courier::Courier,
    fetch::Files,
    held::Held,
    life::{Heart, HeartConfig, Lives},
    limits::Limits,
    media::MediaProcess,
    recorder::{self, Recorder},
    reporter::Reporter,
    scratch::Scratch,
    tally::Tally,
    web::WebClient,
};

/// What still runs when the worker has to stop may tidy up for so long.
pub(crate) const STOPPING: Duration = Duration::from_millis(1_500);
/// How long results may take to be written down before the process ends without them.
const FAREWELL: Duration = Duration::from_millis(1_000);
/// How long the last words to Redis and Postgres may take, each.
pub(crate) const GOODBYE: Duration = Duration::from_millis(500);

/// As whom a process registers.
pub(crate) struct Registration {
    /// What the operator calls it.
    pub(crate) name: String,
    /// The queues it serves, with how many tasks of each at once.
    pub(crate) queues: BTreeMap<String, u32>,
    /// The only life it has; else one follows the other.
    pub(crate) only: Option<WorkerId>,
}

/// The control side.
pub(crate) struct Control {
    pub(crate) store: Store,
    pub(crate) queue: Queue,
    pub(crate) lives: Lives,
    pub(crate) held: Arc<Held>,
    pub(crate) courier: Courier,
    pub(crate) recorder: Recorder,
    pub(crate) reporter: Arc<Reporter>,
    pub(crate) attempts: Arc<Attempts>,
    /// Cancelled when what still runs is to be given back.
    pub(crate) release: CancellationToken,
    scratch: Scratch,
    heart: Arc<Heart>,
    kinds: Runtime,
    /// Cancelled when nobody is left who reports or hears.
    stop: CancellationToken,
    listening: JoinHandle<()>,
    recorder_done: JoinHandle<()>,
    tally_done: JoinHandle<()>,
    courier_done: JoinHandle<()>,
}

impl Control {
    /// Starts everything. Outages of Postgres or Redis are waited for.
    ///
    /// # Errors
    /// When the configuration is not complete or a part of it cannot be used.
    pub(crate) fn start(
        config: &Config,
        registry: Registry,
        engines: Engines,
        registration: Registration,
    ) -> anyhow::Result<Self> {
        let store_config = StoreConfig {
            url: config.database.url.clone().context("DATABASE_URL is not set")?,
            pool_size: config.database.pool_size,
            statement_timeout: config.database.statement_timeout,
            lock_timeout: config.database.lock_timeout,
            acquire_timeout: config.database.acquire_timeout,
        };
        let store = Store::new(&store_config).context("read DATABASE_URL")?;
        let redis_url = config.redis.url.as_deref().context("REDIS_URL is not set")?;
        let queue = Queue::open(redis_url, &config.redis.prefix).context("read REDIS_URL")?;
        queue.warn_of_eviction();
        let artifacts = Artifacts::open(&config.artifacts_url()).context("open the artifact store")?;
        let scratch = Scratch::open(&config.data_dir).context("make a place for scratch directories")?;

        let held = Arc::new(Held::default());
        let (courier, courier_done) = Courier::start(queue.clone());
        let stop = CancellationToken::new();
        let (tally, tally_done) = Tally::start(store.clone(), stop.clone());
        let (recorder, recorder_done) = recorder::start(store.clone(), held.clone(), courier.clone(), tally.clone());
        let reporter = Reporter::start(store.clone(), courier.clone(), stop.clone());
        let heart_config = HeartConfig {
            store: store_config,
            only: registration.only,
            name: registration.name,
            queues: registration.queues,
            beat: config.worker.heartbeat,
            lease: config.worker.lease,
        };
        let (heart, lives) = Heart::start(heart_config, held.clone()).context("start the heart")?;
        let heart = Arc::new(heart);
        let listening = tokio::spawn(hear_cancels(store.clone(), lives.clone(), heart.clone(), stop.clone()));

        // Kinds may block their threads: they get a runtime of their own.
        let kinds = tokio::runtime::Builder::new_multi_thread().thread_name("kinds").enable_all().build()?;
        let release = CancellationToken::new();
        let attempts = Arc::new(Attempts {
            registry,
            engines,
            store: store.clone(),
            artifacts,
            scratch: scratch.clone(),
            reporter: reporter.clone(),
            recorder: recorder.clone(),
            held: held.clone(),
            tally,
            limits: Limits::of(&config.worker),
            runtime: kinds.handle().clone(),
            release: release.clone(),
        });
        Ok(Self {
            store,
            queue,
            lives,
            held,
            courier,
            recorder,
            reporter,
            attempts,
            release,
            scratch,
            heart,
            kinds,
            stop,
            listening,
            recorder_done,
            tally_done,
            courier_done,
        })
    }

    /// Stops everything in order. Nothing may run any more: what still does is abandoned, and its lease ends with this process.
    pub(crate) async fn stop(self) {
        drop((self.attempts, self.reporter, self.recorder, self.courier));
        if tokio::time::timeout(FAREWELL, self.recorder_done).await.is_err() {
            warn!("results could not be recorded in time; their tasks will run again");
        }
        self.stop.cancel();
        let _ = self.listening.await;
        if self.tally_done.await.is_err() {
            warn!("what was measured last is lost");
        }
        if tokio::time::timeout(GOODBYE, self.courier_done).await.is_err() {
            warn!("Redis was not told of everything; the scheduler will make up for it");
        }
        // Last: until here nobody may take this worker for dead.
        if let Some(heart) = Arc::into_inner(self.heart)
            && tokio::time::timeout(GOODBYE, heart.stop()).await.is_err()
        {
            warn!("could not say goodbye; the lease ends by itself");
        }
        self.scratch.close();
        // A thread that a kind blocks for ever must not keep the process.
        self.kinds.shutdown_background();
        let _ = tokio::time::timeout(GOODBYE, self.store.close()).await;
    }
}

/// The engines that this process has.
pub(crate) fn engines(config: &Config) -> Engines {
    let mut engines = Engines { may_crash: config.worker.echo_faults, ..Engines::default() };
    match MediaProcess::find(config.worker.media_bin.as_deref(), Limits::of(&config.worker)) {
        Ok(media) => engines.video = Some(Arc::new(media)),
        Err(error) => warn!(error = &error as &dyn std::error::Error, "this worker renders no videos"),
    }
    match WebClient::open(config) {
        Ok(web) => {
            engines.fetch = Some(Arc::new(Files::new(web.outbound.clone())));
            engines.web = Some(web);
        }
        Err(error) => warn!(error = format!("{error:#}"), "this worker fetches nothing"),
    }
    engines
}

/// Nudges the heart when a running task of ours is canceled, so that it hears of it at once and not with the next beat.
async fn hear_cancels(store: Store, lives: Lives, heart: Arc<Heart>, stop: CancellationToken) {
    let hear = async {
        let mut listener: Option<Listener> = None;
        loop {
            let heard = match &mut listener {
                Some(listener) => listener.hear().await,
                None => match store.listen(Channel::Cancel).await {
                    Ok(new) => {
                        listener = Some(new);
                        continue;
                    }
                    Err(error) => Err(error),
                },
            };
            match heard {
                Ok(Some(word)) => {
                    let ours = lives.borrow().as_ref().is_some_and(|life| Listener::names(&word, life.id.0));
                    if ours {
                        heart.nudge();
                    }
                }
                // A gap: words may have been missed.
                Ok(None) => heart.nudge(),
                Err(_) => {
                    // The heart says what is wrong.
                    listener = None;
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            }
        }
    };
    tokio::select! { () = hear => {}, () = stop.cancelled() => {} }
}
