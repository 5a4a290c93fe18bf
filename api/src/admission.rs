//! Queues and groups whose length is bounded: what does not fit is refused before anything is stored.
//!
//! The bound is exact for one process of the API; several may exceed it together by what they accept in the same moment. While
//! Redis is away nobody counts, and nothing is refused.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use jobs_core::{GroupKey, GroupSettings, NewTask, QueueSettings};
use jobs_queue::Queue;
use jobs_store::{Store, StoreError};
use tokio::time::Instant;

use crate::problem::{Code, Problem};

/// Settings are read again when they are older than this and something is submitted.
const FRESH: Duration = Duration::from_secs(1);

/// Decides whether there is room in a queue.
pub(crate) struct Admission {
    store: Store,
    queue: Queue,
    known: Mutex<Known>,
    /// Held by whoever reads the settings again.
    reading: tokio::sync::Mutex<()>,
    /// Held by whoever is being admitted.
    turn: tokio::sync::Mutex<()>,
    coming: Arc<Coming>,
}

/// The queues of which a length is bounded, their own or that of a group.
#[derive(Default, Clone)]
struct Known {
    read: Option<Instant>,
    bounded: Arc<HashMap<String, Bounds>>,
}

struct Bounds {
    version: i64,
    settings: QueueSettings,
    groups: BTreeMap<GroupKey, GroupSettings>,
}

/// A queue, and a group of it unless the whole queue is meant.
type Place = (String, Option<GroupKey>);

/// What was admitted and is not in Redis yet.
#[derive(Default)]
struct Coming(Mutex<HashMap<Place, u64>>);

/// The places of what was admitted, until they are given back by dropping this.
pub(crate) struct Places {
    coming: Arc<Coming>,
    taken: Vec<(Place, u64)>,
}

impl Admission {
    pub(crate) fn new(store: Store, queue: Queue) -> Self {
        Self {
            store,
            queue,
            known: Mutex::default(),
            reading: tokio::sync::Mutex::default(),
            turn: tokio::sync::Mutex::default(),
            coming: Arc::default(),
        }
    }

    /// Admits all of these tasks, or none. What starts later is not counted before it is ready.
    pub(crate) async fn admit(&self, tasks: &[NewTask]) -> Result<Option<Places>, Problem> {
        let bounded = self.bounded().await?;
        if bounded.is_empty() {
            return Ok(None);
        }
        let mut wanted: BTreeMap<Place, (u64, u64)> = BTreeMap::new();
        for task in tasks.iter().filter(|task| task.start.is_none()) {
            let Some(bounds) = bounded.get(&task.queue) else { continue };
            let whole = (task.queue.clone(), None);
            let key = task.group_key();
            let of_group = bounds.group(&key);
            let group = (task.queue.clone(), Some(key));
            for (place, most) in [(whole, bounds.settings.max_queued), (group, of_group)] {
                if let Some(most) = most {
                    wanted.entry(place).or_insert((0, u64::from(most))).0 += 1;
                }
            }
        }
        if wanted.is_empty() {
            return Ok(None);
        }
        // One after the other: of two that come together, the second sees the first.
        let _turn = self.turn.lock().await;
        for (place, (count, most)) in &wanted {
            // In this order: what arrives in Redis between the two is counted twice rather than not at all.
            let coming = self.coming.count(place);
            let Ok(ready) = self.ready(&place.0, place.1.as_ref()).await else { break };
            if ready + coming + count > *most {
                return Err(refused(&place.0, place.1.as_ref(), *most));
            }
        }
        let taken = wanted.into_iter().map(|(place, (count, _))| (place, count)).collect();
        Ok(Some(Places::take(&self.coming, taken)))
    }

    async fn ready(&self, queue: &str, group: Option<&GroupKey>) -> Result<u64, jobs_queue::QueueError> {
        match group {
            None => Ok(self.queue.depth(queue).await?.ready),
            Some(group) => Ok(self.queue.group_depths(queue, &[group]).await?.first().map_or(0, |depth| depth.0)),
        }
    }

    /// The bounds as they are, or were a moment ago.
    async fn bounded(&self) -> Result<Arc<HashMap<String, Bounds>>, StoreError> {
        let known = self.known().clone();
        let _reading = match known.read {
            Some(read) if read.elapsed() < FRESH => return Ok(known.bounded),
            // One reads, the others go on with what was known.
            Some(_) => match self.reading.try_lock() {
                Ok(reading) => reading,
                Err(_) => return Ok(known.bounded),
            },
            // Who never knew anything must not guess.
            None => self.reading.lock().await,
        };
        let known = self.known().clone();
        if known.read.is_some_and(|read| read.elapsed() < FRESH) {
            return Ok(known.bounded);
        }
        let bounded = match self.read(&known.bounded).await {
            Ok(Some(bounded)) => Arc::new(bounded),
            Err(error) if known.read.is_none() => return Err(error),
            Ok(None) | Err(_) => known.bounded,
        };
        *self.known() = Known { read: Some(Instant::now()), bounded: bounded.clone() };
        Ok(bounded)
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The bounds; `None` when they are those of before.
    async fn read(&self, before: &HashMap<String, Bounds>) -> Result<Option<HashMap<String, Bounds>>, StoreError> {
        let queues = self.store.queues().await?;
        let is_same = queues.len() == before.len()
            && queues.iter().all(|queue| before.get(&queue.name).is_some_and(|known| known.version == queue.version));
        if is_same {
            return Ok(None);
        }
        let mut bounded = HashMap::with_capacity(queues.len());
        for queue in queues {
            let groups = self.store.groups(&queue.name).await?;
            bounded.insert(queue.name, Bounds { version: queue.version, settings: queue.settings, groups });
        }
        Ok(Some(bounded))
    }

    /// Knows these queues from now on.
    #[cfg(test)]
    pub(crate) fn know(&self, queues: Vec<(&str, QueueSettings)>) {
        let bounds = |settings| Bounds { version: 0, settings, groups: BTreeMap::new() };
        let bounded = queues.into_iter().map(|(name, settings)| (name.to_owned(), bounds(settings))).collect();
        *self.known() = Known { read: Some(Instant::now()), bounded: Arc::new(bounded) };
    }
}

impl Bounds {
    fn group(&self, group: &GroupKey) -> Option<u32> {
        let defaults = &self.settings.group_defaults;
        self.groups.get(group).and_then(|own| own.max_queued).or(defaults.max_queued)
    }
}

impl Coming {
    fn lock(&self) -> MutexGuard<'_, HashMap<Place, u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self, place: &Place) -> u64 {
        self.lock().get(place).copied().unwrap_or_default()
    }
}

impl Places {
    fn take(coming: &Arc<Coming>, taken: Vec<(Place, u64)>) -> Self {
        let mut counts = coming.lock();
        for (place, count) in &taken {
            *counts.entry(place.clone()).or_default() += count;
        }
        drop(counts);
        Self { coming: coming.clone(), taken }
    }
}

impl Drop for Places {
    fn drop(&mut self) {
        let mut counts = self.coming.lock();
        for (place, count) in &self.taken {
            if let Some(coming) = counts.get_mut(place) {
                *coming = coming.saturating_sub(*count);
                if *coming == 0 {
                    counts.remove(place);
                }
            }
        }
    }
}

fn refused(queue: &str, group: Option<&GroupKey>, most: u64) -> Problem {
    let (code, what) = match group {
        None => (Code::QueueFull, format!("queue `{queue}`")),
        Some(group) => (Code::GroupFull, format!("group `{group}` of queue `{queue}`")),
    };
    let detail = format!("no more than {most} tasks may wait in {what}; nothing was accepted");
    Problem::new(code, detail).retry_after(1)
}
