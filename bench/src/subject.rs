//! A system under load: Longshore, or a peer.

use std::time::Duration;

use crate::{load::Target, samples::Samples, usage::Named};

/// A system that takes tasks over HTTP, runs them and records how they ended.
pub(crate) trait Subject {
    /// Its name, as figures have it.
    fn name(&self) -> &'static str;

    /// Where tasks go. They wait until there is a worker.
    fn target(&self) -> Target;

    /// Starts its worker, and returns when it is ready to run tasks.
    async fn start_worker(&mut self) -> anyhow::Result<()>;

    /// How many of the `accepted` tasks are not recorded as done yet. Cheap: it is asked while the system is measured.
    async fn unfinished(&mut self, accepted: u64) -> anyhow::Result<u64>;

    /// How long the tasks numbered from `first` waited from their submission to their start. All `accepted` have ended.
    async fn waits(&mut self, first: u64, accepted: u64) -> anyhow::Result<Samples>;

    /// From the first start of a task to the last record of an end. All have ended.
    async fn span(&mut self, last: std::time::SystemTime) -> anyhow::Result<Duration>;

    /// Its processes, by what they are called.
    async fn processes(&self) -> anyhow::Result<Vec<Named>>;

    /// Fails unless each of the `accepted` tasks ran exactly once and is recorded.
    async fn check(&mut self, accepted: u64) -> anyhow::Result<()>;

    /// Stops everything and removes its data.
    async fn stop(self) -> anyhow::Result<()>;
}

/// Waits until all `accepted` tasks are recorded.
pub(crate) async fn drained(subject: &mut impl Subject, accepted: u64, bound: Duration) -> anyhow::Result<()> {
    let began = std::time::Instant::now();
    loop {
        let left = subject.unfinished(accepted).await?;
        if left == 0 {
            return Ok(());
        }
        anyhow::ensure!(began.elapsed() < bound, "{left} of {accepted} tasks have not ended within {bound:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
