//! A lane that is held here, as its senders share it.

use std::sync::{
    Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, Ordering::Relaxed},
};

use jobs_core::LaneId;
use jobs_store::webhook::{Hand, LaneNews};
use tokio::{sync::Semaphore, time::Instant};

use crate::law::{Law, Verdict};

/// A lane that is held.
#[derive(Debug)]
pub(crate) struct Lane {
    pub(crate) id: LaneId,
    pub(crate) epoch: i32,
    /// So many requests at once.
    pub(crate) requests: Semaphore,
    /// What has not begun is given back.
    stopped: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    held_until: Instant,
    answered: bool,
    failures: u32,
    has_received: bool,
    rest: Option<std::time::Duration>,
}

impl Lane {
    pub(crate) fn new(hand: &Hand, at_once: usize, held_until: Instant) -> Self {
        let Hand { lane, epoch, answered, failures, .. } = *hand;
        let state = State { held_until, answered, failures, has_received: false, rest: None };
        Self {
            id: lane,
            epoch,
            requests: Semaphore::new(at_once),
            stopped: AtomicBool::new(false),
            state: Mutex::new(state),
        }
    }

    /// Nothing more begins.
    pub(crate) fn stop(&self) {
        self.stopped.store(true, Relaxed);
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped.load(Relaxed)
    }

    /// Whether a request may begin: the lane is ours, as far as we know, and wants to be told.
    pub(crate) fn may_begin(&self) -> bool {
        !self.is_stopped() && Instant::now() < self.state().held_until
    }

    /// The lease was renewed.
    pub(crate) fn hold_until(&self, until: Instant) {
        self.state().held_until = until;
    }

    /// Whether it has not answered lately.
    pub(crate) fn is_doubtful(&self) -> bool {
        !self.state().answered
    }

    /// Notes how an attempt went. One that needs to be left alone gets no further request.
    pub(crate) fn note(&self, verdict: Verdict, retry_after: Option<std::time::Duration>, law: Law) {
        let mut state = self.state();
        let Verdict::NotReceived { is_overloaded } = verdict else {
            state.answered = true;
            if verdict == Verdict::Received {
                (state.failures, state.has_received, state.rest) = (0, true, None);
            } else {
                state.failures += 1;
            }
            return;
        };
        state.failures = state.failures.saturating_add(1);
        state.answered = !is_overloaded;
        if let Some(rest) = law.rest(state.failures, is_overloaded, retry_after) {
            state.rest = Some(state.rest.unwrap_or_default().max(rest));
            drop(state);
            self.stop();
        }
    }

    /// How often in a row it failed.
    pub(crate) fn failures(&self) -> u32 {
        self.state().failures
    }

    /// What there is to write down of it since the last time.
    pub(crate) fn news(&self) -> LaneNews {
        let mut state = self.state();
        LaneNews {
            lane: self.id,
            epoch: self.epoch,
            answered: state.answered,
            failures: state.failures,
            has_received: std::mem::take(&mut state.has_received),
            slow: state.rest.take(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
