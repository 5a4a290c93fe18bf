//! The desks of a process that delivers: they take lanes, hand out what is in them, and give them back.
//!
//! There are two of them, so that those who answer wait for nobody: one for lanes that answered lately, and one for all others, which are
//! asked with one delivery each. A lane goes from one to the other by what it answers.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use jobs_core::{DelivererId, DeliveryId, LaneId};
use jobs_outbound::Outbound;
use jobs_runtime::secret::DerivedSecret;
use jobs_store::{
    Channel, Listener, Store, StoreError,
    webhook::{Hand, Known},
};
use tokio::{
    sync::{
        Notify,
        mpsc::{UnboundedReceiver, unbounded_channel},
    },
    time::{Instant, sleep, sleep_until, timeout_at},
};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::{
    lane::Lane,
    law::Law,
    metrics::{DOUBTFUL_LANES, SURE_LANES},
    recorder::{Done, Recorder, Settled},
    sender::Sender,
    slots::Slots,
};

/// Lanes that answered lately, held at once.
const SURE: usize = 1_024;
/// Lanes that did not.
const DOUBTFUL: usize = 2_048;
/// So many deliveries of a lane are in hand at most.
const EACH: usize = 200;
/// With fewer than this in hand a lane asks for more.
const HUNGRY: usize = EACH / 2;
/// The rows are looked at this often even if nobody says anything: a word may have been missed.
const LOOK: Duration = Duration::from_secs(60);
/// Whoever looked and got nothing looks again after this long at the earliest.
const BREATH: Duration = Duration::from_millis(50);
/// How long it waits while Postgres is away.
const AGAIN: Duration = Duration::from_millis(500);
/// How long requests that run may take when the process stops.
const GRACE: Duration = Duration::from_secs(8);

/// How deliveries are made.
#[derive(Debug, Clone)]
pub struct Options {
    /// When they are tried again.
    pub law: Law,
    /// How long a request may take.
    pub timeout: Duration,
    /// Requests to one endpoint at the same time.
    pub per_endpoint: usize,
    /// How long a lane is held without a word.
    pub lease: Duration,
}

/// Delivers what is to be delivered.
pub struct Deliverer {
    /// Where it is written what is to be delivered.
    pub store: Store,
    /// How requests go out.
    pub outbound: Outbound,
    /// What the secrets of receivers are encrypted under.
    pub under: DerivedSecret,
    /// How deliveries are made.
    pub options: Options,
}

/// A lane that is held.
struct Held {
    lane: Arc<Lane>,
    in_hand: HashSet<DeliveryId>,
    /// There was no more in it when it was asked last.
    is_drained: bool,
}

/// Which lanes a desk takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sort {
    /// Those that answered lately.
    Sure,
    /// All others.
    Doubtful,
}

/// The lanes that one desk of this process holds.
struct Desk {
    sort: Sort,
    /// The other desk has given back what may be for this one, and the other way round.
    called: Arc<Notify>,
    other: Arc<Notify>,
    store: Store,
    me: DelivererId,
    sender: Arc<Sender>,
    options: Options,
    held: HashMap<LaneId, Held>,
    /// There may be something in lanes that are free.
    is_called: bool,
    /// When there is something in one of them, if that is known.
    next: Option<Instant>,
    renewed: Instant,
}

impl Deliverer {
    /// Delivers until `stop`; then what has begun ends, and the rest is left to others.
    pub async fn run(self, stop: CancellationToken) {
        let slots = Slots::new();
        let (for_sure, for_doubtful) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let sure = self.desk(Sort::Sure, slots.clone(), (&for_sure, &for_doubtful), stop.clone());
        let doubtful = self.desk(Sort::Doubtful, slots, (&for_doubtful, &for_sure), stop);
        tokio::join!(sure, doubtful);
    }

    /// Runs a desk until `stop`.
    async fn desk(
        &self,
        sort: Sort,
        slots: Slots,
        (called, other): (&Arc<Notify>, &Arc<Notify>),
        stop: CancellationToken,
    ) {
        let me = DelivererId::new();
        let (done, to_write) = unbounded_channel::<Done>();
        let (written, mut settled) = unbounded_channel();
        let recorder = Recorder { store: self.store.clone(), me, law: self.options.law };
        let writing = tokio::spawn(recorder.run(to_write, written));
        let (law, timeout) = (self.options.law, self.options.timeout);
        let sender = Sender::new(self.outbound.clone(), self.under.clone(), law, timeout, slots, done);
        let mut desk = Desk {
            sort,
            called: Arc::clone(called),
            other: Arc::clone(other),
            store: self.store.clone(),
            me,
            sender: Arc::new(sender),
            options: self.options.clone(),
            held: HashMap::new(),
            is_called: true,
            next: None,
            renewed: Instant::now(),
        };
        tokio::select! {
            () = desk.serve(&mut settled) => {}
            () = stop.cancelled() => {}
        }
        desk.close(settled).await;
        if let Err(error) = writing.await {
            warn!(%error, "the recorder of deliveries ended early");
        }
    }
}

impl Desk {
    /// Serves for ever, whatever becomes of Postgres.
    async fn serve(&mut self, settled: &mut UnboundedReceiver<Settled>) {
        loop {
            let error = match self.store.listen(Channel::Deliver).await {
                Ok(mut listener) => {
                    self.is_called = true;
                    loop {
                        if let Err(error) = self.turn(&mut listener, settled).await {
                            break error;
                        }
                    }
                }
                Err(error) => error,
            };
            warn!(error = &error as &dyn std::error::Error, "webhooks wait for Postgres");
            self.next = None;
            sleep(AGAIN).await;
        }
    }

    /// Does what there is to do, then waits for more.
    async fn turn(
        &mut self,
        listener: &mut Listener,
        settled: &mut UnboundedReceiver<Settled>,
    ) -> Result<(), StoreError> {
        self.renew().await?;
        self.claim().await?;
        self.give_back().await?;
        if self.next.is_none() && !self.is_called {
            let left = self.store.next_lane(self.me, self.sort == Sort::Sure).await?.unwrap_or(LOOK).min(LOOK);
            self.next = Some(Instant::now() + left);
        }
        let renew = if self.held.is_empty() { None } else { Some(self.renewed + self.options.lease / 3) };
        let until = [self.next, renew].into_iter().flatten().min().unwrap_or_else(|| Instant::now() + BREATH);
        tokio::select! {
            Some(news) = settled.recv() => {
                self.settle(news);
                while let Ok(news) = settled.try_recv() {
                    self.settle(news);
                }
            }
            word = listener.hear() => {
                word?;
                self.is_called = true;
                self.held.values_mut().for_each(|held| held.is_drained = false);
            }
            () = self.called.notified() => (self.is_called, self.next) = (true, None),
            () = sleep_until(until) => {
                if self.next.is_some_and(|next| next <= Instant::now()) {
                    (self.is_called, self.next) = (true, None);
                }
            }
        }
        Ok(())
    }

    /// Gives back the lanes in which nothing is left to do.
    async fn give_back(&mut self) -> Result<(), StoreError> {
        let idle = |held: &Held| held.in_hand.is_empty() && (held.is_drained || held.lane.is_stopped());
        let lanes: Vec<LaneId> = self.held.iter().filter(|(_, held)| idle(held)).map(|(lane, _)| *lane).collect();
        if lanes.is_empty() {
            return Ok(());
        }
        self.store.release_lanes(self.me, &lanes).await?;
        let given: Vec<Held> = lanes.iter().filter_map(|lane| self.held.remove(lane)).collect();
        if given.iter().any(|held| self.sort.is_not_of(&held.lane)) {
            self.other.notify_one();
        }
        self.count();
        // It may be due sooner than anything that was known.
        self.next = None;
        Ok(())
    }

    /// Goes on holding what is held.
    async fn renew(&mut self) -> Result<(), StoreError> {
        if self.held.is_empty() || self.renewed.elapsed() < self.options.lease / 3 {
            return Ok(());
        }
        let asked = Instant::now();
        let lanes: Vec<LaneId> = self.held.keys().copied().collect();
        let still: HashSet<LaneId> =
            self.store.renew_lanes(self.me, self.options.lease, &lanes).await?.into_iter().collect();
        self.renewed = asked;
        for (id, held) in &self.held {
            if still.contains(id) {
                held.lane.hold_until(asked + held_for(self.options.lease));
            } else {
                held.lane.stop();
            }
        }
        Ok(())
    }

    /// Takes lanes and more of those that are held, as far as there is room.
    async fn claim(&mut self) -> Result<(), StoreError> {
        let wants = |held: &&Held| {
            let few = if held.lane.is_doubtful() { 1 } else { HUNGRY };
            !held.is_drained && !held.lane.is_stopped() && held.in_hand.len() < few
        };
        let hungry: Vec<LaneId> = self.held.values().filter(wants).map(|held| held.lane.id).collect();
        if hungry.is_empty() && !self.is_called {
            return Ok(());
        }
        let room = |sort: Sort, most: usize| {
            let room =
                if self.is_called && self.sort == sort { most.saturating_sub(self.held.len()).min(EACH) } else { 0 };
            u32::try_from(room).unwrap_or_default()
        };
        let known = Known {
            in_hand: hungry
                .iter()
                .filter_map(|lane| self.held.get(lane))
                .flat_map(|held| held.in_hand.iter().copied())
                .collect(),
            hungry,
            sure: room(Sort::Sure, SURE),
            doubtful: room(Sort::Doubtful, DOUBTFUL),
            each: u32::try_from(EACH).unwrap_or(u32::MAX),
        };
        let asked = Instant::now();
        let hands = self.store.claim_lanes(self.me, self.options.lease, &known).await?;
        let is_new = |hand: &Hand| !self.held.contains_key(&hand.lane);
        let fresh = hands.iter().filter(|hand| is_new(hand)).count();
        if self.is_called {
            // As many as there was room for are not all.
            let is_more = fresh > 0;
            self.is_called = is_more && fresh >= usize::try_from(known.sure + known.doubtful).unwrap_or(usize::MAX);
            self.next = if is_more {
                None
            } else {
                self.store.next_lane(self.me, self.sort == Sort::Sure).await?.map(|left| asked + left.max(BREATH))
            };
        }
        self.take(hands, asked);
        Ok(())
    }

    fn take(&mut self, hands: Vec<Hand>, asked: Instant) {
        for hand in hands {
            let known = self.held.get(&hand.lane).is_some_and(|held| held.lane.epoch == hand.epoch);
            if !known {
                let lane = Lane::new(&hand, self.options.per_endpoint, asked + held_for(self.options.lease));
                let held = Held { lane: Arc::new(lane), in_hand: HashSet::new(), is_drained: false };
                self.held.insert(hand.lane, held);
            }
            let Some(held) = self.held.get_mut(&hand.lane) else { continue };
            held.is_drained = hand.deliveries.is_empty() || (hand.answered && hand.deliveries.len() < EACH);
            for claimed in hand.deliveries {
                if held.in_hand.insert(claimed.id) {
                    tokio::spawn(Arc::clone(&self.sender).deliver(Arc::clone(&held.lane), claimed));
                }
            }
        }
        self.count();
    }

    fn count(&self) {
        let gauge = if self.sort == Sort::Sure { &SURE_LANES } else { &DOUBTFUL_LANES };
        gauge.set(i64::try_from(self.held.len()).unwrap_or(i64::MAX));
    }

    fn settle(&mut self, news: Settled) {
        for (lane, delivery) in news.deliveries {
            if let Some(held) = self.held.get_mut(&lane) {
                held.in_hand.remove(&delivery);
                // What waited for this one is next.
                held.is_drained = false;
                if self.sort.is_not_of(&held.lane) {
                    held.lane.stop();
                }
            }
        }
        for lane in news.lost {
            if let Some(held) = self.held.get(&lane) {
                held.lane.stop();
            }
        }
    }

    /// Lets what has begun end, and gives everything back.
    async fn close(mut self, mut settled: UnboundedReceiver<Settled>) {
        self.held.values().for_each(|held| held.lane.stop());
        let until = Instant::now() + GRACE;
        while self.held.values().any(|held| !held.in_hand.is_empty())
            && let Ok(Some(news)) = timeout_at(until, settled.recv()).await
        {
            self.settle(news);
        }
        // Requests that still run are lost with this process: their lanes end by themselves, so that none is sent twice before.
        self.held.retain(|_, held| held.in_hand.is_empty());
        self.held.values_mut().for_each(|held| held.is_drained = true);
        if let Err(error) = self.give_back().await {
            warn!(error = &error as &dyn std::error::Error, "left lanes of webhooks to their leases");
        }
    }
}

impl Sort {
    /// Whether a lane belongs to the other desk by now.
    fn is_not_of(self, lane: &Lane) -> bool {
        lane.is_doubtful() == (self == Self::Sure)
    }
}

/// For how long a request may still begin, of the time that a lane is held: whoever takes it next must not meet it.
fn held_for(lease: Duration) -> Duration {
    lease * 3 / 4
}
