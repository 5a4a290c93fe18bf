//! What is forgotten in time, looked after once an hour.

use std::time::{Duration, Instant};

use jobs_store::StoreError;

use crate::leader::Leader;

const HOUR: Duration = Duration::from_secs(3_600);
/// How long a repeated submission gets the first one's answer.
const KEYS: Duration = Duration::from_secs(24 * 3_600);
/// How long a worker that ended is remembered.
const WORKERS: Duration = Duration::from_secs(24 * 3_600);

#[derive(Default)]
pub(crate) struct Retain {
    last: Option<Instant>,
}

impl Retain {
    pub(crate) async fn tick(&mut self, leader: &Leader) -> Result<(), StoreError> {
        if self.last.is_some_and(|last| last.elapsed() < HOUR) {
            return Ok(());
        }
        leader.store.forget_keys(KEYS).await?;
        leader.store.forget_workers(WORKERS).await?;
        self.last = Some(Instant::now());
        Ok(())
    }
}
