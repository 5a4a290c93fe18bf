//! The HTTP server: from its start to its graceful stop.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, ensure};
use jobs_artifacts::Artifacts;
use jobs_core::schema::Schema;
use jobs_queue::{Hub, Queue};
use jobs_runtime::{Config, ServerSecret, Shutdown, config::configured};
use jobs_store::{Store, StoreConfig};
use jobs_webhooks::SEALED_FOR;
use tokio::{net::TcpListener, time::Instant};

use crate::{
    access::{Access, Gates, KnownKeys},
    app::App,
    cache::TaskCache,
    cors::Origins,
    courier::Courier,
    crowd::Crowd,
    expect::Expectations,
    follow::{self, Feeds},
    foretell, listen,
    metrics::{self, Load},
    openapi,
    rate::{Limiter, Policies, Proxies},
    router,
    sign::Signer,
    submitter::Submitter,
    tasks::submission::CreateTask,
    webhooks::Receivers,
    ws::{Sockets, Topics},
};

/// Between "not ready" and the end of listening: whoever balances load gets to hear it first.
const LINGER: Duration = Duration::from_millis(300);
/// What was accepted is pushed within this, or left to the dispatcher.
const FLUSH: Duration = Duration::from_secs(2);

/// What to do about it when there is no secret.
const NO_SECRET: &str = "there is no secret key: set LONGSHORE_SECRET_KEY, the same for all API processes, for example to what \
    `openssl rand -hex 32` says; or LONGSHORE_SECRET_KEY_FILE";

/// Serves the API until `shutdown`. Soft: it is not ready at once, long polls and streams end, requests that run are
/// answered. Hard: it returns.
///
/// # Errors
/// When the configuration lacks a database or a Redis, the artifact store cannot be opened, or the address is taken.
pub async fn serve(config: Config, shutdown: Shutdown) -> anyhow::Result<()> {
    let listener =
        TcpListener::bind(&config.api.bind).await.with_context(|| format!("listen on {}", config.api.bind))?;
    serve_on(listener, config, shutdown).await
}

/// Serves the API on a socket that is bound already, for example to a port that the system chose. As [`serve`].
///
/// # Errors
/// As [`serve`].
pub async fn serve_on(listener: TcpListener, config: Config, shutdown: Shutdown) -> anyhow::Result<()> {
    let database = config.database.url.clone().context("DATABASE_URL is not set")?;
    let redis = config.redis.url.clone().context("REDIS_URL is not set")?;
    let store = Store::new(&StoreConfig {
        url: database,
        pool_size: config.database.pool_size,
        statement_timeout: config.database.statement_timeout,
        lock_timeout: config.database.lock_timeout,
        acquire_timeout: config.database.acquire_timeout,
    })
    .context("read DATABASE_URL")?;
    let queue = Queue::open(&redis, &config.redis.prefix).context("read REDIS_URL")?;
    queue.warn_of_eviction();
    let artifacts = Artifacts::open(&config.artifacts_url()).context("open the artifact store")?;
    let registry = configured(jobs_kinds::registry(), &config.kinds)?;
    let document = openapi::document(&registry);
    let openapi = serde_json::to_vec(&document).context("write the OpenAPI document")?;
    let gates = Gates::read(&document);
    let (access, signer, secret) = if config.no_auth {
        let address = listener.local_addr().context("read the address of the socket")?;
        ensure!(
            address.ip().to_canonical().is_loopback(),
            "without keys the API listens on a loopback address only, not on {address}: take LONGSHORE_NO_AUTH away"
        );
        tracing::warn!("everybody on this machine may do everything: the API asks for no key");
        let secret = ServerSecret::of(&config)?.unwrap_or_else(ServerSecret::random);
        let signer = Signer::of(&secret);
        (Access::open(gates, secret.clone()), signer, secret)
    } else {
        let secret = ServerSecret::of(&config)?.context(NO_SECRET)?;
        let known = KnownKeys::start(store.clone(), shutdown.hard.clone());
        let signer = Signer::of(&secret);
        (Access::with_keys(gates, secret.clone(), known, config.admin_key.as_ref()), signer, secret)
    };
    let receivers = Receivers::new(jobs_webhooks::outbound(&config.outbound)?, secret.derive(SEALED_FOR));
    let hub = Hub::start(&queue, shutdown.hard.clone());
    let (courier, told) = Courier::start(queue.clone(), hub.clone());
    let submitter = Submitter::start(store.clone(), queue.clone(), courier.clone());
    let app = Arc::new(App {
        access,
        cache: TaskCache::new(hub.clone(), config.api.cache_bytes),
        expectations: Expectations::new(store.clone()),
        forecasts: foretell::Turns::default(),
        signer,
        store: store.clone(),
        hub,
        feeds: Feeds::default(),
        load: Load::default(),
        topics: Topics::default(),
        sockets: Sockets::default(),
        artifacts,
        registry,
        submitter,
        courier,
        envelope: Schema::of::<CreateTask>(),
        receivers,
        limiter: Limiter::new(queue.clone()),
        policies: Policies::new(&config.api.rate_limits),
        proxies: Proxies::new(&config.api.trusted_proxies),
        origins: Origins::new(&config.api.cors_origins),
        crowd: Crowd::new(config.api.max_in_flight, config.api.max_waiting),
        queue,
        stopping: shutdown.soft.clone(),
        openapi: openapi.into(),
        public_url: config.api.public_url.clone(),
        body_limit_bytes: config.api.body_limit_bytes,
        request_timeout: config.api.request_timeout,
        kept: config.retention.shortest(),
        began: Instant::now(),
    });

    let address = listener.local_addr().context("read the address of the socket")?;
    tracing::info!(%address, "the API listens on http://{address}/api/v1, its documentation is at http://{address}/api/v1/docs");
    if let Some(bind) = &config.metrics.bind {
        let listening = jobs_metrics::listen(bind, shutdown.hard.clone(), metrics::Listener(Arc::downgrade(&app)));
        listening.await.with_context(|| format!("listen for metrics on {bind}"))?;
    }
    let beside = Arc::clone(&app);
    let router = router::service(app);
    let soft = shutdown.soft.clone();
    let graceful = async move {
        soft.cancelled().await;
        tokio::time::sleep(LINGER).await;
    };
    let server = listen::serve(listener, router, &config.api, Proxies::new(&config.api.trusted_proxies), graceful);
    tokio::select! {
        () = server => {}
        never = follow::patrol(&beside) => match never {},
        never = beside.topics.resolve(&beside) => match never {},
        () = shutdown.hard.cancelled() => tracing::warn!("the API stops with requests unanswered"),
    }
    drop(beside);
    // The server is gone, and with it the last submitter: what it took is stored, and Redis is told of it.
    if tokio::time::timeout(FLUSH, told).await.is_err() {
        tracing::warn!("left to the dispatcher: tasks that could not be pushed in time");
    }
    store.close().await;
    tracing::info!("the API has stopped");
    Ok(())
}
