//! Numbers for tasks, in tests.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::{Load, Source};

/// Gives each number once, and remembers those that come back.
#[derive(Default)]
pub(crate) struct Numbers {
    pub(crate) ready: Mutex<VecDeque<u32>>,
    pub(crate) given_back: Mutex<Vec<u32>>,
    pub(crate) wants: Mutex<Vec<usize>>,
    /// A fetch needs this long between taking and giving.
    slow: Duration,
    pushed: Notify,
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no panic with the lock")
}

impl Numbers {
    pub(crate) fn new(count: u32, slow: Duration) -> Arc<Self> {
        Arc::new(Self { ready: Mutex::new((0..count).collect()), slow, ..Self::default() })
    }

    pub(crate) fn push(&self, numbers: impl IntoIterator<Item = u32>) {
        lock(&self.ready).extend(numbers);
        self.pushed.notify_one();
    }
}

impl Source for Numbers {
    type Item = u32;

    async fn next(&self, want: usize, stop: &CancellationToken) -> Vec<u32> {
        lock(&self.wants).push(want);
        loop {
            let taken: Vec<u32> = {
                let mut ready = lock(&self.ready);
                let count = want.min(ready.len());
                ready.drain(..count).collect()
            };
            if !taken.is_empty() {
                tokio::time::sleep(self.slow).await;
                return taken;
            }
            tokio::select! { () = self.pushed.notified() => {}, () = stop.cancelled() => return Vec::new() }
        }
    }

    async fn give_back(&self, items: Vec<u32>) {
        lock(&self.given_back).extend(items);
    }
}

/// The load of a lane whose tasks were short until now.
pub(crate) fn short(slots: usize) -> Arc<Load> {
    let load = Arc::new(Load::new(slots));
    for _ in 0..200 {
        load.take(1);
        load.hand(1);
        load.end(Duration::from_micros(200));
    }
    load
}
