//! What this worker measures: how long tasks waited and ran, and what they came to. Counted in memory, written down every few seconds.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use jobs_core::State;
use jobs_store::{Measure, Measured, Outcomes, Place, Store, StoreError, transition::Claim};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::debug;

/// So often what was counted is written down, while anything was.
const EVERY: Duration = Duration::from_secs(2);
/// How long the last of it may take.
const LAST: Duration = Duration::from_millis(300);

/// Where an attempt is counted.
#[derive(Debug)]
pub(crate) struct Counted(Place);

impl Counted {
    /// An attempt out of this queue.
    pub(crate) fn new(claim: &Claim, queue: &str) -> Self {
        Self(Place { project: claim.project, kind: claim.kind.clone(), queue: queue.to_owned() })
    }
}

/// Counts. Every method may be called from anywhere.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    counts: Mutex<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    times: HashMap<Measure, Measured>,
    outcomes: HashMap<Place, Outcomes>,
}

impl Tally {
    /// Starts to write down what is counted, until `stop`.
    pub(crate) fn start(store: Store, stop: CancellationToken) -> (Arc<Self>, JoinHandle<()>) {
        let tally = Arc::new(Self::default());
        let writing = write(tally.clone(), store, stop);
        (tally, tokio::spawn(writing))
    }

    /// An attempt started after it had waited for so long, if that is known, and ended by itself after it had run for so long.
    pub(crate) fn ran(&self, Counted(place): &Counted, waited: Option<Duration>, ran: Duration) {
        let mut counts = self.lock();
        for measure in [
            Measure::Kind(place.project, place.kind.clone()),
            Measure::KindAnywhere(place.kind.clone()),
            Measure::Queue(place.queue.clone()),
        ] {
            let measured = counts.times.entry(measure).or_default();
            measured.run.add(ran);
            if let Some(waited) = waited {
                measured.wait.add(waited);
            }
        }
    }

    /// An attempt ended, and left its task in this state: that is written down.
    pub(crate) fn ended(&self, Counted(place): Counted, state: State) {
        let mut counts = self.lock();
        let outcomes = counts.outcomes.entry(place).or_default();
        match state {
            State::Succeeded => outcomes.succeeded += 1,
            State::Failed => outcomes.failed += 1,
            State::Canceled => outcomes.canceled += 1,
            State::Retrying => outcomes.retried += 1,
            // Given back: it is counted when it ends.
            _ => {}
        }
    }

    /// Writes down what was counted. What could not be written is kept; it takes no more room however long that goes on.
    async fn flush(&self, store: &Store) -> Result<(), StoreError> {
        let Counts { times, outcomes } = std::mem::take(&mut *self.lock());
        if !times.is_empty()
            && let Err(error) = store.add_times(&times).await
        {
            let mut counts = self.lock();
            put_back(&mut counts.times, times, |mine, theirs| {
                mine.wait.merge(&theirs.wait);
                mine.run.merge(&theirs.run);
            });
            put_back(&mut counts.outcomes, outcomes, |mine, theirs| mine.merge(&theirs));
            return Err(error);
        }
        if !outcomes.is_empty()
            && let Err(error) = store.add_outcomes(&outcomes).await
        {
            put_back(&mut self.lock().outcomes, outcomes, |mine, theirs| mine.merge(&theirs));
            return Err(error);
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn write(tally: Arc<Tally>, store: Store, stop: CancellationToken) {
    loop {
        let stopped = stop.run_until_cancelled(tokio::time::sleep(EVERY)).await.is_none();
        let flushed = tokio::time::timeout(if stopped { LAST } else { Duration::MAX }, tally.flush(&store)).await;
        if let Ok(Err(error)) = flushed {
            debug!(error = &error as &dyn std::error::Error, "what was measured is kept until Postgres takes it");
        }
        if stopped {
            return;
        }
    }
}

fn put_back<K: Hash + Eq, V: Default>(into: &mut HashMap<K, V>, from: HashMap<K, V>, merge: impl Fn(&mut V, V)) {
    for (key, value) in from {
        merge(into.entry(key).or_default(), value);
    }
}
