//! How much is sent at once. An attempt that takes long gives its slot back: those that do not answer hold no place that others need.

use std::{future::Future, pin::pin, sync::Arc, time::Duration};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

/// Attempts of which an answer may come any moment.
const QUICK: usize = 128;
/// So many of them may be of lanes that have not answered lately.
const DOUBTFUL: usize = 64;
/// Attempts that are only waited for.
const SLOW: usize = 4_096;
/// After this long an attempt is one of those.
const PATIENCE: Duration = Duration::from_secs(1);

/// The places for attempts.
#[derive(Debug, Clone)]
pub(crate) struct Slots {
    quick: Arc<Semaphore>,
    doubtful: Arc<Semaphore>,
    slow: Arc<Semaphore>,
}

impl Slots {
    pub(crate) fn new() -> Self {
        Self {
            quick: Arc::new(Semaphore::new(QUICK)),
            doubtful: Arc::new(Semaphore::new(DOUBTFUL)),
            slow: Arc::new(Semaphore::new(SLOW)),
        }
    }

    /// Does an attempt when there is room for it.
    pub(crate) async fn attempt<T>(&self, is_doubtful: bool, attempt: impl Future<Output = T>) -> T {
        let doubtful = if is_doubtful { acquire(&self.doubtful).await } else { None };
        let quick = acquire(&self.quick).await;
        let mut attempt = pin!(attempt);
        if let Ok(done) = timeout(PATIENCE, &mut attempt).await {
            return done;
        }
        // When there is no room to wait in, it keeps what it has.
        let Ok(_slow) = Arc::clone(&self.slow).try_acquire_owned() else { return attempt.await };
        drop((doubtful, quick));
        attempt.await
    }
}

/// A place. The semaphores are never closed.
async fn acquire(semaphore: &Arc<Semaphore>) -> Option<OwnedSemaphorePermit> {
    Arc::clone(semaphore).acquire_owned().await.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn those_that_hang_keep_nobody_waiting_for_long() {
        let slots = Slots::new();
        for _ in 0..1_000 {
            let slots = slots.clone();
            tokio::spawn(async move { slots.attempt(true, tokio::time::sleep(Duration::from_secs(15))).await });
        }
        tokio::task::yield_now().await;
        let began = tokio::time::Instant::now();
        slots.attempt(false, async {}).await;
        assert!(began.elapsed() < Duration::from_millis(1), "a lane that answers waited {:?}", began.elapsed());
    }
}
