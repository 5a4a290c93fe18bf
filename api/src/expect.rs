//! What is expected of tasks: when they start, and when they end, from how long others took.
//!
//! What workers measured is read every few seconds while somebody asks, and asked of memory in between: a poll of a task costs nothing.

use std::{
    collections::HashMap,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use jobs_core::{Expected, ProjectId, State, Task, Times};
use jobs_store::{Measure, Measured, Store};
use time::OffsetDateTime;
use tokio::time::Instant;

use crate::clock::now;

/// What was measured may be so old.
const AGE: Duration = Duration::from_secs(5);
/// No client is asked to stay away longer than this: something may change meanwhile.
const RETRY_AFTER_MAX: u64 = 60;
/// Where nothing is known a client may look again after this.
const UNKNOWN: Duration = Duration::from_secs(1);
/// What a worker needs to take a task that nothing keeps back, at most mostly.
const PICK_UP: Expected = Expected { p50: Duration::from_millis(10), p90: Duration::from_millis(100) };

/// What workers measured, as this process knows it.
pub(crate) struct Expectations {
    store: Store,
    known: Arc<Known>,
}

/// What was read, and when; nothing at first.
type Snapshot = (Option<Instant>, Arc<HashMap<Measure, Measured>>);

#[derive(Default)]
struct Known {
    measured: RwLock<Snapshot>,
    is_reading: AtomicBool,
}

/// How far a task is, for what is left of it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Pace {
    /// It has ended.
    Ended,
    /// It waits for this time.
    Due(OffsetDateTime),
    /// It waits in its queue since then.
    Queued(OffsetDateTime),
    /// It runs since then; so many per cent were done when it said so.
    Running(OffsetDateTime, Option<(f32, OffsetDateTime)>),
    /// It waits for something that nobody knows the end of.
    Unknown,
}

impl Pace {
    pub(crate) fn of(task: &Task) -> Self {
        let known = match task.state {
            state if state.is_terminal() => return Self::Ended,
            State::Scheduled | State::Retrying => task.due_at.map(Self::Due),
            State::Queued => task.queued_at.map(Self::Queued),
            State::Running => task.started_at.map(|since| {
                let percent = task.progress.as_ref().and_then(|progress| progress.percent);
                Self::Running(since, percent.zip(task.progress_at))
            }),
            _ => None,
        };
        known.unwrap_or(Self::Unknown)
    }
}

impl Expectations {
    pub(crate) fn new(store: Store) -> Self {
        Self { store, known: Arc::default() }
    }

    /// What is known of a kind: in this project, or else in all of them.
    pub(crate) fn of_kind(&self, project: ProjectId, kind: &str) -> Option<Measured> {
        let measured = self.measured();
        let own = measured.get(&Measure::Kind(project, kind.to_owned()));
        own.or_else(|| measured.get(&Measure::KindAnywhere(kind.to_owned()))).cloned()
    }

    /// How long tasks of a queue run, whatever their kind; or else those of this kind.
    pub(crate) fn of_queue(&self, queue: &str) -> Option<Measured> {
        self.measured().get(&Measure::Queue(queue.to_owned())).cloned()
    }

    /// When to look at a task again, in seconds; `None` when it has ended.
    pub(crate) fn retry_after(&self, project: ProjectId, kind: &str, pace: &Pace) -> Option<u64> {
        if *pace == Pace::Ended {
            return None;
        }
        let left = left(pace, self.of_kind(project, kind).as_ref(), now()).unwrap_or(UNKNOWN);
        Some(left.as_secs_f64().ceil().clamp(1.0, RETRY_AFTER_MAX as f64) as u64)
    }

    /// What is known now. It is read anew on the side when it is old: nobody waits for that.
    pub(crate) fn measured(&self) -> Arc<HashMap<Measure, Measured>> {
        let (read_at, measured) = self.known.measured.read().unwrap_or_else(PoisonError::into_inner).clone();
        let is_old = read_at.is_none_or(|at| at.elapsed() > AGE);
        if is_old && !self.known.is_reading.swap(true, Relaxed) {
            let (store, known) = (self.store.clone(), self.known.clone());
            tokio::spawn(async move {
                match store.times().await {
                    Ok(read) => known.put(read),
                    Err(error) => {
                        tracing::debug!(error = &error as &dyn std::error::Error, "what was measured stays old");
                    }
                }
                known.is_reading.store(false, Relaxed);
            });
        }
        measured
    }

    /// As if nothing were known yet: reads what was measured and waits for it.
    pub(crate) async fn refresh(&self) -> Result<(), jobs_store::StoreError> {
        let is_new = {
            let known = self.known.measured.read().unwrap_or_else(PoisonError::into_inner);
            known.0.is_some_and(|at| at.elapsed() <= AGE)
        };
        if !is_new {
            self.known.put(self.store.times().await?);
        }
        Ok(())
    }
}

impl Known {
    fn put(&self, read: HashMap<Measure, Measured>) {
        let mut measured = self.measured.write().unwrap_or_else(PoisonError::into_inner);
        *measured = (Some(Instant::now()), Arc::new(read));
    }
}

/// What is left of a task, as likely more as less.
fn left(pace: &Pace, measured: Option<&Measured>, now: OffsetDateTime) -> Option<Duration> {
    let since = |then: OffsetDateTime| Duration::try_from(now - then).unwrap_or_default();
    let run = || measured.and_then(|measured| measured.run.quantile(0.5)).unwrap_or_default();
    match pace {
        Pace::Due(at) => Some(Duration::try_from(*at - now).unwrap_or_default() + run()),
        Pace::Queued(at) => Some(measured?.wait.expected_left(since(*at))?.p50 + run()),
        Pace::Running(at, progress) => running(since(*at), *progress, *at, now, measured).map(|left| left.p50),
        Pace::Ended | Pace::Unknown => None,
    }
}

/// What is left of a task that runs: by its own word where it gives one, or else by how long others ran.
pub(crate) fn running(
    elapsed: Duration,
    progress: Option<(f32, OffsetDateTime)>,
    started_at: OffsetDateTime,
    now: OffsetDateTime,
    measured: Option<&Measured>,
) -> Option<Expected> {
    let by_others = measured.and_then(|measured| measured.run.expected_left(elapsed));
    let by_itself = progress.filter(|(percent, _)| *percent >= 1.0).and_then(|(percent, said_at)| {
        let took = Duration::try_from(said_at - started_at).ok()?;
        let done = f64::from(percent.min(100.0)) / 100.0;
        let left = took.as_secs_f64() * (1.0 - done) / done;
        // It has gone on since it said so.
        let since = (now - said_at).as_seconds_f64().max(0.0);
        let p50 = Duration::try_from_secs_f64((left - since).max(0.0)).ok()?;
        // The less it has done, the less its pace is worth.
        Some(Expected { p50, p90: p50.mul_f64(1.0 + (1.0 - done).max(0.1)) })
    });
    by_itself.or(by_others)
}

/// What lies between a task that waits and its start.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Ahead {
    /// So many tasks start before it.
    pub(crate) tasks: u64,
    /// So many run side by side.
    pub(crate) slots: u64,
    /// So many run now.
    pub(crate) running: u64,
}

/// When it is a task's turn: after as many others have ended as are too many. Ends of many tasks that run side by side come like those of a
/// renewal process; the time of the n-th is close to a gamma distribution, with the mean and the variance of n run times shared by all
/// slots. `None` when nothing is known of run times, or nothing runs here.
pub(crate) fn turn(ahead: Ahead, run: &Times) -> Option<Expected> {
    if ahead.slots == 0 {
        return None;
    }
    let too_many = (ahead.tasks + 1).saturating_add(ahead.running).saturating_sub(ahead.slots);
    if too_many == 0 {
        return Some(PICK_UP);
    }
    let (mean_ms, variance) = run.moments()?;
    let (count, slots) = (too_many as f64, ahead.slots as f64);
    let mean = count * mean_ms / slots;
    let variance = (count * variance / (slots * slots)).max(mean * mean * 1e-4);
    let shape = mean * mean / variance;
    let at = |z: f64| {
        // Wilson and Hilferty (1931): the cube root of a gamma variable is nearly normal.
        let cube = 1.0 - 1.0 / (9.0 * shape) + z / (3.0 * shape.sqrt());
        Duration::try_from_secs_f64((mean * cube.max(0.0).powi(3)) / 1_000.0).unwrap_or(Duration::MAX)
    };
    Some(Expected { p50: at(0.0), p90: at(1.2816) }.and(PICK_UP))
}

/// Two durations one after the other, each by itself.
trait And {
    fn and(self, other: Self) -> Self;
}

impl And for Expected {
    fn and(self, other: Self) -> Self {
        let spread = |expected: Self| expected.p90.saturating_sub(expected.p50).as_secs_f64();
        let both = spread(self).hypot(spread(other));
        let p50 = self.p50.saturating_add(other.p50);
        Self { p50, p90: p50.saturating_add(Duration::try_from_secs_f64(both).unwrap_or_default()) }
    }
}

/// One after the other.
pub(crate) fn then(first: Expected, second: Expected) -> Expected {
    first.and(second)
}

/// The later one of two that go on side by side.
pub(crate) fn later(one: Expected, other: Expected) -> Expected {
    Expected { p50: one.p50.max(other.p50), p90: one.p90.max(other.p90) }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    fn times(each_ms: &[u64]) -> Times {
        let mut times = Times::default();
        each_ms.iter().for_each(|ms| times.add(Duration::from_millis(*ms)));
        times
    }

    fn ahead(tasks: u64, slots: u64, running: u64) -> Ahead {
        Ahead { tasks, slots, running }
    }

    #[test]
    fn a_turn_comes_when_enough_others_have_ended() {
        let second = times(&[1_000; 50]);
        assert_eq!(turn(ahead(0, 4, 3), &second), Some(PICK_UP));
        assert_eq!(turn(ahead(0, 0, 0), &second), None);
        assert_eq!(turn(ahead(9, 1, 1), &Times::default()), None);
        // Ten before it and one slot: about ten seconds. Four slots: a quarter of that.
        let alone = turn(ahead(9, 1, 1), &second).unwrap().p50.as_secs_f64();
        assert!((9.0..11.5).contains(&alone), "{alone}");
        let shared = turn(ahead(36, 4, 4), &second).unwrap().p50.as_secs_f64();
        assert!((8.0..11.0).contains(&shared), "{shared}");
    }

    #[test]
    fn what_varies_more_is_known_less() {
        let even = turn(ahead(20, 2, 2), &times(&[1_000; 50])).unwrap();
        let mut mixed = vec![100; 45];
        mixed.extend([9_100; 5]);
        let uneven = turn(ahead(20, 2, 2), &times(&mixed)).unwrap();
        let spread = |expected: Expected| expected.p90.as_secs_f64() / expected.p50.as_secs_f64();
        assert!(spread(uneven) > 1.3 * spread(even), "{even:?} {uneven:?}");
        assert!(even.p50 < even.p90);
    }

    #[test]
    fn what_is_left_follows_the_word_of_the_task_and_else_that_of_others() {
        let start = datetime!(2026-01-02 03:04:05 UTC);
        let now = start + Duration::from_secs(20);
        let measured = Measured { wait: times(&[2_000; 20]), run: times(&[60_000; 20]) };
        let seconds = |pace: &Pace| left(pace, Some(&measured), now).unwrap().as_secs_f64().round() as u64;
        assert!((35..45).contains(&seconds(&Pace::Running(start, None))));
        // Half of it after 10 s; that was 10 s ago.
        assert_eq!(seconds(&Pace::Running(start, Some((50.0, start + Duration::from_secs(10))))), 0);
        assert_eq!(seconds(&Pace::Running(start, Some((20.0, now)))), 80);
        assert!((54..66).contains(&seconds(&Pace::Queued(now))));
        assert!((60..75).contains(&seconds(&Pace::Due(now + Duration::from_secs(5)))));
        assert_eq!(left(&Pace::Queued(now), None, now), None);
    }
}
