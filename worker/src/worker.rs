//! The worker process, from its start to its drained end.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use anyhow::Context;
use jobs_artifacts::Artifacts;
use jobs_core::{Engines, Registry};
use jobs_queue::Queue;
use jobs_runtime::{config::Config, shutdown::Shutdown};
use jobs_store::{Channel, Listener, Store, StoreConfig};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::{
    attempt::Attempts,
    courier::Courier,
    held::Held,
    lane::Lane,
    life::{Heart, HeartConfig, Lives},
    limits::Limits,
    media::MediaProcess,
    recorder,
    reporter::Reporter,
    scratch::Scratch,
    source::QueueSource,
};

/// What still runs when the worker has to stop may tidy up for so long.
const STOPPING: Duration = Duration::from_millis(1_500);
/// How long results may take to be written down before the process ends without them.
const FAREWELL: Duration = Duration::from_millis(1_000);
/// How long the last words to Redis and Postgres may take, each.
const GOODBYE: Duration = Duration::from_millis(500);

/// Runs a worker until `shutdown`, then drains: takes nothing new, lets what runs finish, gives back the rest.
///
/// # Errors
/// When the configuration is not complete or a part of it cannot be used. Outages of Postgres or Redis are waited for.
pub async fn run(config: Config, shutdown: Shutdown) -> anyhow::Result<()> {
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
    let registry = jobs_kinds::registry();
    let engines = engines(&config);
    let queues = served(&config, &registry, &engines);

    let held = Arc::new(Held::default());
    let (courier, courier_done) = Courier::start(queue.clone());
    let (recorder, recorder_done) = recorder::start(store.clone(), held.clone(), courier.clone());
    let control = CancellationToken::new();
    let reporter = Reporter::start(store.clone(), courier.clone(), control.clone());
    let heart_config = HeartConfig {
        store: store_config,
        name: config.worker.name(),
        queues: queues.iter().map(|(name, slots)| (name.clone(), u32::try_from(*slots).unwrap_or(u32::MAX))).collect(),
        beat: config.worker.heartbeat,
        lease: config.worker.lease,
    };
    let (heart, lives) = Heart::start(heart_config, held.clone()).context("start the heart")?;
    let heart = Arc::new(heart);
    let listening = tokio::spawn(hear_cancels(store.clone(), lives.clone(), heart.clone(), control.clone()));

    // Kinds may block their threads: they get a runtime of their own.
    let kinds = tokio::runtime::Builder::new_multi_thread().thread_name("kinds").enable_all().build()?;
    let release = CancellationToken::new();
    let attempts = Arc::new(Attempts {
        registry,
        engines,
        store: store.clone(),
        artifacts,
        scratch: scratch.clone(),
        reporter,
        recorder: recorder.clone(),
        held: held.clone(),
        limits: Limits::of(&config.worker),
        runtime: kinds.handle().clone(),
        release: release.clone(),
    });
    let mut lanes = JoinSet::new();
    for (name, slots) in queues {
        let name: Arc<str> = name.into();
        let source = QueueSource::new(
            name.clone(),
            store.clone(),
            queue.clone(),
            lives.clone(),
            held.clone(),
            courier.clone(),
            recorder.clone(),
        );
        let lane = Lane { name, slots, source: Arc::new(source), attempts: attempts.clone() };
        lanes.spawn(lane.run(shutdown.soft.clone()));
    }
    drop((attempts, recorder, courier));

    shutdown.soft.cancelled().await;
    info!(running = held.len(), "draining");
    if !drained(&mut lanes, &shutdown.hard).await {
        warn!(running = held.len(), "giving back what still runs");
        release.cancel();
        if tokio::time::timeout(STOPPING, async { while lanes.join_next().await.is_some() {} }).await.is_err() {
            warn!(running = held.len(), "some attempts do not stop; their lease ends with this process");
        }
    }
    lanes.shutdown().await;
    if tokio::time::timeout(FAREWELL, recorder_done).await.is_err() {
        warn!("results could not be recorded in time; their tasks will run again");
    }
    control.cancel();
    let _ = listening.await;
    if tokio::time::timeout(GOODBYE, courier_done).await.is_err() {
        warn!("Redis was not told of everything; the scheduler will make up for it");
    }
    // Last: until here nobody may take this worker for dead.
    if let Some(heart) = Arc::into_inner(heart)
        && tokio::time::timeout(GOODBYE, heart.stop()).await.is_err()
    {
        warn!("could not say goodbye; the lease ends by itself");
    }
    scratch.close();
    // A thread that a kind blocks for ever must not keep the process.
    kinds.shutdown_background();
    let _ = tokio::time::timeout(GOODBYE, store.close()).await;
    info!("stopped");
    Ok(())
}

/// Waits for all lanes to end; `false` when `hard` comes first.
async fn drained(lanes: &mut JoinSet<()>, hard: &CancellationToken) -> bool {
    tokio::select! {
        () = async { while lanes.join_next().await.is_some() {} } => true,
        () = hard.cancelled() => false,
    }
}

/// The queues of this worker and how many tasks of each run at once. A queue whose own kinds all need an engine that is not here is
/// left to workers that have it: tasks would only fail here.
fn served(config: &Config, registry: &Registry, engines: &Engines) -> BTreeMap<String, usize> {
    let of_use = |queue: &str| {
        let mut own = registry.iter().filter(|kind| kind.spec().queue == queue).peekable();
        own.peek().is_none() || own.any(|kind| kind.runs_on(engines))
    };
    let (served, left): (Vec<_>, Vec<_>) = config.worker.queues.iter().cloned().partition(|(queue, _)| of_use(queue));
    for (queue, _) in left {
        warn!(queue, "not serving a queue: this worker has no engine for its kinds");
    }
    served.into_iter().collect()
}

fn engines(config: &Config) -> Engines {
    let mut engines = Engines { may_crash: config.worker.echo_faults, ..Engines::default() };
    match MediaProcess::find(config.worker.media_bin.as_deref(), Limits::of(&config.worker)) {
        Ok(media) => engines.video = Some(Arc::new(media)),
        Err(error) => warn!(error = &error as &dyn std::error::Error, "this worker renders no videos"),
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
