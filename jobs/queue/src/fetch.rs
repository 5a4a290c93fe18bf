//! The fetching task of a lane: it takes tasks, holds what was taken ahead, and hands one over when a slot is free.
//!
//! Nothing it took is lost: each task is handed over or given back, once.

use std::{collections::VecDeque, pin::Pin, sync::Arc, time::Duration};

use tokio::{
    sync::mpsc::{self, error::TrySendError},
    task::JoinSet,
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use crate::{Load, Source};

/// What was taken ahead and is not handed over after this long is given back: a freer worker may run it.
const PATIENCE: Duration = Duration::from_secs(1);

/// A fetch that is under way.
type Fetching<T> = Pin<Box<dyn Future<Output = Vec<T>> + Send>>;

/// What the fetching task works with.
pub(crate) struct Fetch<S: Source> {
    source: Arc<S>,
    load: Arc<Load>,
    stop: CancellationToken,
    out: mpsc::Sender<S::Item>,
    /// Taken and not handed over, with the moment it was taken; the oldest first.
    waiting: VecDeque<(Instant, S::Item)>,
    /// What is being given back. On the side, as a slow store must not keep free slots empty.
    giving: JoinSet<()>,
}

impl<S: Source> Fetch<S> {
    /// What is handed over comes out of the receiver, which never holds more than the lane has slots.
    pub(crate) fn new(source: Arc<S>, load: Arc<Load>, stop: CancellationToken) -> (Self, mpsc::Receiver<S::Item>) {
        let (out, handed) = mpsc::channel(load.slots().max(1));
        (Self { source, load, stop, out, waiting: VecDeque::new(), giving: JoinSet::new() }, handed)
    }

    /// Runs until `stop` is cancelled or nobody receives any more, and until everything that waits then is given back.
    pub(crate) async fn run(mut self) {
        // Kept from turn to turn: a fetch that is dropped half way would lose what it took.
        let mut fetching: Option<Fetching<S::Item>> = None;
        loop {
            self.hand_over();
            if self.stop.is_cancelled() || self.out.is_closed() {
                break;
            }
            self.give_back_late();
            let room = self.load.room();
            if fetching.is_none() && room > 0 {
                let (source, stop) = (self.source.clone(), self.stop.clone());
                fetching = Some(Box::pin(async move { source.next(room, &stop).await }));
            }
            let late = self.waiting.front().map(|(since, _)| *since + PATIENCE);
            tokio::select! {
                items = arrival(&mut fetching) => {
                    fetching = None;
                    self.keep(items);
                }
                () = self.load.freed() => {}
                () = tokio::time::sleep_until(late.unwrap_or_else(Instant::now)), if late.is_some() => {}
                Some(_) = self.giving.join_next() => {}
                () = self.stop.cancelled() => {}
                () = self.out.closed() => {}
            }
        }
        // So that a fetch ends, too, if it is only the receiver that is gone.
        self.stop.cancel();
        self.give_back_all();
        if let Some(fetching) = fetching {
            let items = fetching.await;
            self.keep(items);
            self.give_back_all();
        }
        while self.giving.join_next().await.is_some() {}
    }

    fn keep(&mut self, items: Vec<S::Item>) {
        self.load.take(items.len());
        let now = Instant::now();
        self.waiting.extend(items.into_iter().map(|item| (now, item)));
    }

    fn hand_over(&mut self) {
        while self.load.is_free() && !self.stop.is_cancelled() {
            let Some((since, item)) = self.waiting.pop_front() else { return };
            // Counted first: the task may have ended before we are back.
            self.load.hand(1);
            if let Err(TrySendError::Full(item) | TrySendError::Closed(item)) = self.out.try_send(item) {
                self.load.unhand(1);
                self.waiting.push_front((since, item));
                return;
            }
        }
    }

    /// Gives back what waited too long: the tasks turned out to be longer than those before.
    fn give_back_late(&mut self) {
        let late = self.waiting.partition_point(|(since, _)| since.elapsed() >= PATIENCE);
        if late > 0 {
            self.load.expect_long();
            self.give_back(late);
        }
    }

    fn give_back_all(&mut self) {
        self.give_back(self.waiting.len());
    }

    fn give_back(&mut self, count: usize) {
        if count == 0 {
            return;
        }
        let items: Vec<S::Item> = self.waiting.drain(..count).map(|(_, item)| item).collect();
        let (source, load) = (self.source.clone(), self.load.clone());
        self.giving.spawn(async move {
            source.give_back(items).await;
            load.give_back(count);
        });
    }
}

/// The end of the fetch that is under way, if one is.
async fn arrival<T>(fetching: &mut Option<Fetching<T>>) -> Vec<T> {
    match fetching {
        Some(fetching) => fetching.await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use tokio::task::JoinHandle;

    use super::*;
    use crate::numbers::{Numbers, lock, short};

    struct Lane {
        source: Arc<Numbers>,
        load: Arc<Load>,
        stop: CancellationToken,
        handed: mpsc::Receiver<u32>,
        fetch: JoinHandle<()>,
    }

    /// A lane whose tasks were short until now.
    fn lane(source: &Arc<Numbers>, slots: usize) -> Lane {
        let load = short(slots);
        let stop = CancellationToken::new();
        let (fetch, handed) = Fetch::new(source.clone(), load.clone(), stop.clone());
        Lane { source: source.clone(), load, stop, handed, fetch: tokio::spawn(fetch.run()) }
    }

    impl Lane {
        async fn handed(&mut self) -> u32 {
            tokio::time::timeout(Duration::from_secs(60), self.handed.recv()).await.expect("in time").expect("one")
        }

        fn given_back(&self) -> Vec<u32> {
            let mut numbers = lock(&self.source.given_back).clone();
            numbers.sort_unstable();
            numbers
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_waits_behind_long_tasks_is_given_back_after_a_second_and_not_taken_again() {
        let mut lane = lane(&Numbers::new(20, Duration::ZERO), 2);
        let (first, second) = (lane.handed().await, lane.handed().await);
        assert_eq!((first, second), (0, 1));
        tokio::time::sleep(Duration::from_millis(900)).await;
        assert_eq!(lane.load.taken(), 20);
        assert!(lane.given_back().is_empty());

        tokio::time::sleep(Duration::from_millis(200)).await;
        assert_eq!(lane.given_back(), (2..20).collect::<Vec<_>>());
        assert_eq!((lane.load.taken(), lane.load.room()), (2, 0));
        assert!(lane.handed.try_recv().is_err());

        // The fetch that was already under way brings more than there is room for now: back it goes. There is no other.
        lane.source.push(20..30);
        tokio::time::sleep(Duration::from_secs(3)).await;
        assert_eq!(lane.given_back(), (2..30).collect::<Vec<_>>());
        let fetches = lock(&lane.source.wants).len();
        lane.source.push(30..40);
        tokio::time::sleep(Duration::from_secs(3600)).await;
        assert_eq!((lane.given_back().len(), lock(&lane.source.wants).len()), (28, fetches));

        // A slot that becomes free is filled, with one.
        lane.load.end(Duration::from_secs(3600));
        assert_eq!(lane.handed().await, 30);
        assert_eq!(lock(&lane.source.wants).last(), Some(&1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_stop_gives_back_at_once_what_waits_while_a_task_runs() {
        let mut lane = lane(&Numbers::new(5, Duration::ZERO), 1);
        assert_eq!(lane.handed().await, 0);
        let stopped = Instant::now();
        lane.stop.cancel();
        lane.fetch.await.expect("the fetching task");
        assert_eq!(stopped.elapsed(), Duration::ZERO);
        assert_eq!(lock(&lane.source.given_back).clone(), [1, 2, 3, 4]);
        assert_eq!(lane.load.taken(), 1);
        assert_eq!(lane.handed.recv().await, None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_fetch_that_a_stop_meets_half_way_is_brought_to_its_end() {
        let lane = lane(&Numbers::new(5, Duration::from_secs(10)), 3);
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(lock(&lane.source.ready).is_empty());
        lane.stop.cancel();
        lane.fetch.await.expect("the fetching task");
        assert_eq!(lock(&lane.source.given_back).clone(), [0, 1, 2, 3, 4]);
        assert_eq!(lane.load.taken(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_dropped_when_nobody_receives_any_more() {
        let mut lane = lane(&Numbers::new(5, Duration::ZERO), 1);
        assert_eq!(lane.handed().await, 0);
        lane.handed.close();
        lane.fetch.await.expect("the fetching task");
        assert_eq!(lock(&lane.source.given_back).clone(), [1, 2, 3, 4]);
    }

    #[tokio::test(start_paused = true)]
    async fn each_task_is_handed_over_or_given_back_exactly_once() {
        const ALL: u32 = 2_000;
        let mut lane = lane(&Numbers::new(ALL, Duration::from_millis(7)), 4);
        let (mut seen, mut running, mut turns) = (BTreeSet::new(), JoinSet::new(), 0_u32);
        while turns < 1_000 {
            let number = lane.handed().await;
            assert!(seen.insert(number), "{number} came twice");
            turns += 1;
            // Mostly short, sometimes longer than anything waits.
            let runs = Duration::from_millis(if turns.is_multiple_of(97) { 4_000 } else { 1 });
            let load = lane.load.clone();
            running.spawn(async move {
                tokio::time::sleep(runs).await;
                load.end(runs);
            });
            while running.len() >= 4 {
                running.join_next().await;
            }
        }
        lane.stop.cancel();
        lane.fetch.await.expect("the fetching task");
        while let Some(number) = lane.handed.recv().await {
            assert!(seen.insert(number), "{number} came twice");
            lane.load.end(Duration::ZERO);
        }
        for number in lock(&lane.source.given_back).drain(..) {
            assert!(seen.insert(number), "{number} came twice");
        }
        for number in lock(&lane.source.ready).drain(..) {
            assert!(seen.insert(number), "{number} came twice");
        }
        assert_eq!(seen.len(), ALL as usize);
        running.join_all().await;
        assert_eq!(lane.load.taken(), 0);
    }
}
