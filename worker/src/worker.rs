//! The worker process, from its start to its drained end.

use std::{collections::BTreeMap, sync::Arc};

use anyhow::Context;
use jobs_core::{Engines, Registry};
use jobs_runtime::{config::Config, shutdown::Shutdown};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::{
    control::{self, Control, GOODBYE, Registration, STOPPING},
    lane::Lane,
    metrics,
    quarantine::Quarantine,
    source::QueueSource,
};

/// Runs a worker until `shutdown`, then drains: takes nothing new, lets what runs finish, gives back the rest.
///
/// # Errors
/// When the configuration is not complete or a part of it cannot be used. Outages of Postgres or Redis are waited for.
pub async fn run(config: Config, shutdown: Shutdown) -> anyhow::Result<()> {
    let (registry, engines) = (jobs_kinds::registry(), control::engines(&config));
    let queues = served(&config, &registry, &engines);
    let registration = Registration {
        name: config.worker.name(),
        queues: queues.iter().map(|(name, slots)| (name.clone(), u32::try_from(*slots).unwrap_or(u32::MAX))).collect(),
        only: None,
    };
    let control = Control::start(&config, registry, engines, registration)?;
    if let Some(bind) = &config.metrics.bind {
        let store = control.store.clone();
        let listening = jobs_metrics::listen(bind, shutdown.hard.clone(), move || metrics::page(&store));
        listening.await.with_context(|| format!("listen for metrics on {bind}"))?;
    }
    let quarantine = Quarantine::new(control.store.clone(), config.worker.name(), shutdown.clone());
    let mut lanes = JoinSet::new();
    for (name, slots) in queues {
        let name: Arc<str> = name.into();
        let source = Arc::new(QueueSource::new(name.clone(), &control, quarantine.clone()));
        let lane = Lane { name, slots, source, attempts: control.attempts.clone() };
        lanes.spawn(lane.run(shutdown.soft.clone()));
    }
    // One of those that are waited for: a task in quarantine may finish, too.
    lanes.spawn(quarantine.clone().drained());

    shutdown.soft.cancelled().await;
    info!(running = control.held.len(), "draining");
    if !drained(&mut lanes, &shutdown.hard).await {
        warn!(running = control.held.len(), "giving back what still runs");
        control.release.cancel();
        if tokio::time::timeout(STOPPING, async { while lanes.join_next().await.is_some() {} }).await.is_err() {
            warn!(running = control.held.len(), "some attempts do not stop; their lease ends with this process");
        }
    }
    lanes.shutdown().await;
    control.stop().await;
    // Its own life: it says goodbye for itself, also when this process is gone.
    let _ = tokio::time::timeout(GOODBYE, quarantine.drained()).await;
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
