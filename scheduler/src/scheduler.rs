//! The scheduler process: it waits for the leadership, leads while it has it, and waits again.

use std::{sync::Arc, time::Duration};

use anyhow::Context;
use jobs_artifacts::Artifacts;
use jobs_queue::Queue;
use jobs_runtime::{
    ServerSecret,
    config::{Config, configured},
    shutdown::Shutdown,
};
use jobs_store::{Store, StoreConfig};
use jobs_view::{Links, sign::Signer};
use jobs_webhooks::{Deliverer, FanOut, Options, SEALED_FOR, law::Law};
use tracing::{info, warn};

use crate::{fire::Planner, leader::Leader, metrics};

/// Runs a scheduler until `shutdown`.
///
/// # Errors
/// When the configuration is not complete. Outages of Postgres or Redis are waited for.
pub async fn run(config: Config, shutdown: Shutdown) -> anyhow::Result<()> {
    let store = Store::new(&StoreConfig {
        url: config.database.url.clone().context("DATABASE_URL is not set")?,
        pool_size: config.database.pool_size,
        statement_timeout: config.database.statement_timeout,
        lock_timeout: config.database.lock_timeout,
        acquire_timeout: config.database.acquire_timeout,
    })
    .context("read DATABASE_URL")?;
    let redis_url = config.redis.url.as_deref().context("REDIS_URL is not set")?;
    let queue = Queue::open(redis_url, &config.redis.prefix).context("read REDIS_URL")?;
    queue.warn_of_eviction();
    let artifacts = Artifacts::open(&config.artifacts_url()).context("open the artifact store")?;
    if let Some(bind) = &config.metrics.bind {
        let store = store.clone();
        let listening = jobs_metrics::listen(bind, shutdown.hard.clone(), move || metrics::page(&store));
        listening.await.with_context(|| format!("listen for metrics on {bind}"))?;
    }
    let registry = configured(jobs_kinds::registry(), &config.kinds)?;
    let planner = Arc::new(Planner::new(registry));
    let secret = ServerSecret::of(&config)?;
    let base = config.api.public_url.as_deref().unwrap_or_default().trim_end_matches('/').to_owned();
    let links = Links::new(base, Signer::of(&secret.clone().unwrap_or_else(ServerSecret::random)));
    let delivering = match secret {
        Some(secret) => Some(tokio::spawn(deliverer(&config, &store, &secret)?.run(shutdown.soft.clone()))),
        None => {
            warn!("webhooks wait: their secrets cannot be read without LONGSHORE_SECRET_KEY, which is that of the API");
            None
        }
    };
    let work = async {
        loop {
            let error = match store.lead().await {
                Ok(leadership) => {
                    info!("leading");
                    let leader = Leader {
                        store: store.clone(),
                        queue: queue.clone(),
                        artifacts: artifacts.clone(),
                        planner: Arc::clone(&planner),
                        retention: config.retention.clone(),
                        deliveries_kept: config.webhooks.kept,
                        fan_out: FanOut { store: store.clone(), links: links.clone() },
                        lease: config.worker.lease,
                        tick: config.scheduler.tick,
                    };
                    // On the heap: it does several things at once.
                    let _leading = metrics::LEADING.raise();
                    Box::pin(leader.lead(leadership)).await
                }
                Err(error) => error,
            };
            warn!(error = &error as &dyn std::error::Error, "not leading");
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    };
    tokio::select! {
        () = work => {}
        // Everything it does is one statement at a time, so it may stop between any two.
        () = shutdown.soft.cancelled() => {}
    }
    if let Some(delivering) = delivering {
        delivering.await.context("end the deliveries of webhooks")?;
    }
    store.close().await;
    info!("stopped");
    Ok(())
}

fn deliverer(config: &Config, store: &Store, secret: &ServerSecret) -> anyhow::Result<Deliverer> {
    let settings = &config.webhooks;
    Ok(Deliverer {
        store: store.clone(),
        outbound: jobs_webhooks::outbound(&config.outbound)?,
        under: secret.derive(SEALED_FOR),
        options: Options {
            law: Law { pace: settings.pace },
            timeout: settings.timeout,
            per_endpoint: settings.per_endpoint,
            lease: settings.lease,
        },
    })
}
