//! The book of prices, as an attempt has it: what it keeps is kept in the fence of the attempt.

use std::time::Duration;

use futures::{FutureExt, future::BoxFuture};
use jobs_core::{
    JobError,
    port::price::{Kept, KnownSource, PriceBook, PriceRun},
};
use jobs_store::StoreError;

use crate::{host::Host, life::is_passing, metrics};

/// The longest wait between two tries while Postgres is away.
const WAIT_MAX: Duration = Duration::from_secs(1);

impl PriceBook for Host {
    fn known<'a>(&'a self, source: &'a str, provider: Option<&'a str>) -> BoxFuture<'a, Result<KnownSource, JobError>> {
        let (store, task) = (self.store.clone(), self.task);
        let (source, provider) = (source.to_owned(), provider.map(str::to_owned));
        self.in_control(async move {
            let mut patience = Patience::default();
            loop {
                match store.known_source(task, &source, provider.as_deref()).await {
                    Ok(known) => return Ok(known),
                    Err(error) => patience.wait(error).await?,
                }
            }
        })
    }

    fn keep<'a>(&'a self, run: &'a PriceRun) -> BoxFuture<'a, Result<Kept, JobError>> {
        let (store, run) = (self.store.clone(), run.clone());
        let (worker, task, epoch) = (self.worker, self.task, self.epoch);
        self.in_control(async move {
            let mut patience = Patience::default();
            loop {
                match store.keep_prices(worker, task, epoch, &run).await {
                    Ok(Some(kept)) => {
                        metrics::priced(run.outcome);
                        return Ok(kept);
                    }
                    Ok(None) => return Err(JobError::retry("fenced", "the attempt is not this worker's any more")),
                    Err(error) => patience.wait(error).await?,
                }
            }
        })
    }
}

impl Host {
    /// Runs work where connections live: kinds may block their threads.
    fn in_control<'a, T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, JobError>> + Send + 'static,
    ) -> BoxFuture<'a, Result<T, JobError>> {
        let done = self.control.spawn(work);
        async move { done.await.map_err(|error| JobError::retry("not_kept", error))? }.boxed()
    }
}

/// Waits for Postgres while it is away: repeating what is done here changes nothing.
struct Patience(Duration);

impl Default for Patience {
    fn default() -> Self {
        Self(Duration::from_millis(50))
    }
}

impl Patience {
    async fn wait(&mut self, error: StoreError) -> Result<(), JobError> {
        if !is_passing(&error) {
            return Err(JobError::retry("not_kept", error));
        }
        tokio::time::sleep(self.0).await;
        self.0 = (self.0 * 2).min(WAIT_MAX);
        Ok(())
    }
}
