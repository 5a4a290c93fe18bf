//! Timers: tasks whose time has come, and tasks whose deadline has passed, to the millisecond and without polling.

use std::{convert::Infallible, time::Duration};

use jobs_core::TaskId;
use jobs_store::{Channel, Listener, Pulse, StoreError};
use tokio::{sync::watch, time::Instant};
use tracing::info;

use crate::{
    leader::Leader,
    metrics::{DUE, EXPIRED},
};

/// At most so many tasks move in one statement.
const BATCH: u32 = 2_000;
/// The rows are looked at this often even if nobody says anything: a word may have been missed.
const LOOK: Duration = Duration::from_secs(30);

/// The timers of the leader.
pub(crate) struct Timer<'a> {
    leader: &'a Leader,
    pulses: watch::Receiver<Pulse>,
}

impl<'a> Timer<'a> {
    pub(crate) fn new(leader: &'a Leader, pulses: watch::Receiver<Pulse>) -> Self {
        Self { leader, pulses }
    }

    /// Runs until Postgres is not available.
    pub(crate) async fn run(mut self) -> Result<Infallible, StoreError> {
        // Before the first look: what is said from now on is heard.
        let mut listener = self.leader.store.listen(Channel::Due).await?;
        loop {
            self.move_due().await?;
            self.expire().await?;
            let next = self.leader.store.next_timer().await?.unwrap_or(LOOK).clamp(Duration::from_millis(1), LOOK);
            self.sleep(&mut listener, next).await?;
        }
    }

    /// Until the next timer ends, or somebody sets an earlier one; the pulse sees it if the word of that was lost.
    async fn sleep(&mut self, listener: &mut Listener, next: Duration) -> Result<(), StoreError> {
        let until = Instant::now() + next;
        let earlier =
            |pulse: &Pulse| pulse.timer.is_some_and(|left| Instant::now() + left + Duration::from_millis(100) < until);
        // What was seen before the rows were read is not news.
        self.pulses.mark_unchanged();
        tokio::select! {
            () = tokio::time::sleep_until(until) => Ok(()),
            word = listener.hear() => word.map(drop),
            () = async {
                while self.pulses.changed().await.is_ok() && !earlier(&self.pulses.borrow_and_update()) {}
            } => Ok(()),
        }
    }

    async fn move_due(&self) -> Result<(), StoreError> {
        loop {
            let ready = self.leader.store.due(BATCH).await?;
            if ready.is_empty() {
                return Ok(());
            }
            DUE.add(ready.len() as u64);
            self.leader.push(&ready).await;
            self.leader.announce(&ready.iter().map(|ready| ready.task).collect::<Vec<TaskId>>()).await;
        }
    }

    async fn expire(&self) -> Result<(), StoreError> {
        loop {
            let expired = self.leader.store.expire(BATCH).await?;
            if expired.is_empty() {
                return Ok(());
            }
            EXPIRED.add(expired.len() as u64);
            info!(tasks = expired.len(), "expired: their deadline passed before they could start");
            self.leader.announce(&expired).await;
        }
    }
}
