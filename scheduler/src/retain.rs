//! What is forgotten in time, looked after once an hour.

use std::{convert::Infallible, time::Duration};

use jobs_store::StoreError;
use tracing::warn;

use crate::leader::Leader;

const HOUR: Duration = Duration::from_secs(3_600);
/// How long a repeated submission gets the first one's answer.
const KEYS: Duration = Duration::from_secs(24 * 3_600);
/// How long a worker that ended is remembered.
const WORKERS: Duration = Duration::from_secs(24 * 3_600);

/// At most so many rows go in one statement.
const BATCH: u32 = 5_000;

/// Forgets, for ever. What cannot be forgotten now is tried again with the next hour.
pub(crate) async fn run(leader: &Leader) -> Infallible {
    loop {
        if let Err(error) = forget(leader).await {
            warn!(error = &error as &dyn std::error::Error, "could not forget what is old");
        }
        tokio::time::sleep(HOUR).await;
    }
}

async fn forget(leader: &Leader) -> Result<(), StoreError> {
    while leader.store.forget_keys(KEYS, BATCH).await? == u64::from(BATCH) {}
    leader.store.forget_workers(WORKERS).await?;
    Ok(())
}
