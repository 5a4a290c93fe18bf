//! A lane: one queue, so many tasks at once, as one apalis worker.

use std::{convert::Infallible, sync::Arc, time::Duration};

use apalis::prelude::*;
use apalis_core::{task::Task, worker::builder::WorkerBuilder};
use jobs_queue::{Feed, Load};
use tokio_util::sync::CancellationToken;
use tower::service_fn;
use tracing::{error, warn};

use crate::{
    attempt::Attempts,
    source::{Claimed, QueueSource},
};

/// One queue of a worker.
pub(crate) struct Lane {
    pub(crate) name: Arc<str>,
    pub(crate) slots: usize,
    pub(crate) source: Arc<QueueSource>,
    pub(crate) attempts: Arc<Attempts>,
}

impl Lane {
    /// Runs until `stop` is cancelled and everything that had begun has ended.
    pub(crate) async fn run(self, stop: CancellationToken) {
        let mut life = 0_u32;
        loop {
            life += 1;
            let load = Arc::new(Load::new(self.slots));
            let feed = Feed::new(self.source.clone(), load.clone(), stop.clone());
            let (attempts, queue) = (self.attempts.clone(), self.name.clone());
            let handler = service_fn(move |task: Task<Claimed>| {
                let (attempts, queue, load) = (attempts.clone(), queue.clone(), load.clone());
                async move {
                    let began = tokio::time::Instant::now();
                    let (claimed, _) = task.take();
                    // A task of its own, so that attempts end side by side and not in turns.
                    let done = tokio::spawn(async move { attempts.run(claimed, queue).await }).await;
                    load.end(began.elapsed());
                    if let Err(error) = done {
                        error!(error = &error as &dyn std::error::Error, "an attempt was not brought to its end");
                    }
                    Ok::<(), Infallible>(())
                }
            });
            let worker = WorkerBuilder::new(format!("{}-{life}", self.name))
                .backend(feed)
                .concurrency(self.slots)
                .build(handler);
            if let Err(error) = worker.run().await {
                error!(error = &error as &dyn std::error::Error, queue = &*self.name, "a lane broke");
            }
            if stop.is_cancelled() {
                return;
            }
            warn!(queue = &*self.name, "a lane ended by itself; starting it again");
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }
}
