//! The door of a host: when this worker may ask it next.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use jobs_core::port::web::{FetchError, FetchFault};
use jobs_queue::{Door, Manners, Queue, Visit};
use tokio_util::sync::CancellationToken;
use tracing::debug;
use uuid::Uuid;

/// A turn that is further away is the next attempt's.
const PATIENCE: Duration = Duration::from_secs(10);
/// A visit that did not end takes nobody's turn for longer than this.
const VISIT: Duration = Duration::from_secs(90);
/// Hosts that are remembered here while Redis is away.
const REMEMBERED: usize = 1_000;

/// The doors of all hosts.
#[derive(Clone)]
pub(super) struct Doors {
    queue: Queue,
    /// When each host may be asked next, as far as this process knows: for when Redis is away.
    own: Arc<Mutex<HashMap<String, Instant>>>,
    pause: Duration,
    at_once: u32,
}

/// A turn at a host that was taken.
pub(super) struct Turn {
    host: String,
    visitor: String,
    began: Instant,
}

impl Doors {
    pub(super) fn new(queue: Queue, pause: Duration, at_once: u32) -> Self {
        Self { queue, own: Arc::default(), pause, at_once }
    }

    /// Waits for a turn at a host.
    ///
    /// # Errors
    /// When it is too far away, or the attempt is asked to stop.
    pub(super) async fn enter(
        &self,
        host: &str,
        pause: Option<Duration>,
        cancel: &CancellationToken,
    ) -> Result<Turn, FetchError> {
        let visitor = Uuid::now_v7().simple().to_string();
        let pause = pause.unwrap_or_default().max(self.pause);
        let until = Instant::now() + PATIENCE;
        loop {
            let patience = until.saturating_duration_since(Instant::now());
            let manners = Manners { pause, at_once: self.at_once, visit: VISIT, patience };
            let door = match self.queue.enter(host, &visitor, manners).await {
                Ok(door) => door,
                Err(error) => {
                    debug!(error = &error as &dyn std::error::Error, host, "counting for this process alone");
                    Door::In(self.own_turn(host, pause))
                }
            };
            match door {
                Door::In(wait) => {
                    if sleep(wait, cancel).await.is_err() {
                        // Nobody asked: the turn is free again.
                        let turn = Turn { host: host.to_owned(), visitor, began: Instant::now() };
                        self.leave(turn, Visit::Fine, Duration::ZERO).await;
                        return Err(cancelled());
                    }
                    return Ok(Turn { host: host.to_owned(), visitor, began: Instant::now() });
                }
                Door::Later(wait) if wait > patience => {
                    return Err(FetchError {
                        fault: FetchFault::TooSoon,
                        code: "host_busy",
                        message: format!("{host} may be asked again in {} s", wait.as_secs().max(1)),
                        again: Some(wait),
                    });
                }
                Door::Later(wait) => sleep(wait, cancel).await?,
            }
        }
    }

    /// Says how a visit went, and how long the host asked to be left alone.
    pub(super) async fn leave(&self, turn: Turn, visit: Visit, alone: Duration) {
        let left = self.queue.leave(&turn.host, &turn.visitor, visit, turn.began.elapsed(), alone).await;
        if let Err(error) = left {
            // The visit ends by itself, and what would have been learnt comes with the next one.
            debug!(error = &error as &dyn std::error::Error, host = turn.host, "could not say how a visit went");
        }
    }

    fn own_turn(&self, host: &str, pause: Duration) -> Duration {
        let now = Instant::now();
        let mut own = self.own.lock().unwrap_or_else(PoisonError::into_inner);
        if own.len() >= REMEMBERED {
            own.retain(|_, next| *next > now);
        }
        let next = own.entry(host.to_owned()).or_insert(now);
        let at = (*next).max(now);
        *next = at + pause;
        at - now
    }
}

async fn sleep(wait: Duration, cancel: &CancellationToken) -> Result<(), FetchError> {
    tokio::select! {
        () = tokio::time::sleep(wait) => Ok(()),
        () = cancel.cancelled() => Err(cancelled()),
    }
}

pub(super) fn cancelled() -> FetchError {
    FetchError {
        fault: FetchFault::Cancelled,
        code: "stopped",
        message: "asked to stop".to_owned(),
        again: Some(Duration::ZERO),
    }
}
