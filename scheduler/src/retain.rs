//! What is forgotten in time, looked after once an hour.

use std::{convert::Infallible, time::Duration};

use jobs_core::{State, TaskId};
use jobs_store::StoreError;
use jobs_view::clock::now;
use tracing::{info, warn};

use crate::leader::Leader;

const HOUR: Duration = Duration::from_secs(3_600);
/// How long a repeated submission gets the first one's answer.
const KEYS: Duration = Duration::from_secs(24 * 3_600);
/// How long a worker that ended is remembered.
const WORKERS: Duration = Duration::from_secs(24 * 3_600);

/// What attempts came to is read for the last day.
const OUTCOMES: Duration = Duration::from_secs(25 * 3_600);
/// How long forecasts are kept to be compared with what came.
const FORECASTS: Duration = Duration::from_secs(7 * 24 * 3_600);
/// How long it is kept what became of the fires of schedules.
const RUNS: Duration = Duration::from_secs(30 * 24 * 3_600);

/// At most so many rows go in one statement.
const BATCH: u32 = 5_000;
/// So many tasks are looked at in one statement.
const TASKS: u32 = 2_000;

/// Forgets, for ever. What cannot be forgotten now is tried again the next time.
pub(crate) async fn run(leader: &Leader) -> Infallible {
    // What is kept for a minute is not to stay for an hour.
    let pause = leader.retention.shortest().unwrap_or(HOUR * 4).min(leader.deliveries_kept);
    let pause = (pause / 4).clamp(leader.tick, HOUR);
    loop {
        if let Err(error) = forget(leader).await {
            warn!(error = &error as &dyn std::error::Error, "could not forget what is old");
        }
        tokio::time::sleep(pause).await;
    }
}

async fn forget(leader: &Leader) -> Result<(), StoreError> {
    while leader.store.forget_keys(KEYS, BATCH).await? == u64::from(BATCH) {}
    leader.store.forget_workers(WORKERS).await?;
    leader.store.forget_outcomes(OUTCOMES).await?;
    leader.store.forget_forecasts(FORECASTS).await?;
    while leader.store.forget_schedule_runs(RUNS, BATCH).await? == u64::from(BATCH) {}
    let kept = now() - leader.deliveries_kept;
    while leader.store.forget_messages(kept, BATCH).await? >= u64::from(BATCH) {}
    while leader.store.forget_lanes(BATCH).await? == u64::from(BATCH) {}
    let retention = &leader.retention;
    if let Some(kept) = retention.observations {
        while leader.store.forget_observations(kept, BATCH).await? == u64::from(BATCH) {}
        while leader.store.forget_price_runs(kept, BATCH).await? == u64::from(BATCH) {}
    }
    let kept: Vec<(State, Duration)> = [
        (State::Succeeded, retention.succeeded),
        (State::Failed, retention.failed),
        (State::Canceled, retention.canceled),
        (State::Expired, retention.expired),
    ]
    .into_iter()
    .filter_map(|(state, kept)| Some((state, kept?)))
    .collect();
    if kept.is_empty() { Ok(()) } else { forget_tasks(leader, &kept).await }
}

/// Removes the tasks that ended longer ago than such tasks are kept.
async fn forget_tasks(leader: &Leader, kept: &[(State, Duration)]) -> Result<(), StoreError> {
    let (mut after, mut count) = (None::<TaskId>, 0);
    loop {
        let (gone, next) = leader.store.forget_tasks(kept, after, TASKS).await?;
        count += gone.len();
        leader.announce(&gone).await;
        match next {
            Some(next) => after = Some(next),
            None => break,
        }
    }
    if count > 0 {
        info!(tasks = count, "removed tasks that had been kept for long enough");
    }
    Ok(())
}
