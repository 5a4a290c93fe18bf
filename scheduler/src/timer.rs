//! Timers: tasks whose time has come, and tasks whose deadline has passed, to the millisecond and without polling.

use std::{convert::Infallible, time::Duration};

use jobs_core::TaskId;
use jobs_store::{Channel, Listener, StoreError};
use tracing::info;

use crate::leader::Leader;

/// At most so many tasks move in one statement.
const BATCH: u32 = 2_000;
/// The rows are looked at this often even if nobody says anything: a word may have been missed.
const LOOK: Duration = Duration::from_secs(30);

/// The timers of the leader.
pub(crate) struct Timer<'a> {
    leader: &'a Leader,
}

impl<'a> Timer<'a> {
    pub(crate) fn new(leader: &'a Leader) -> Self {
        Self { leader }
    }

    /// Runs until Postgres is not available.
    pub(crate) async fn run(&self) -> Result<Infallible, StoreError> {
        // Before the first look: what is said from now on is heard.
        let mut listener = self.leader.store.listen(Channel::Due).await?;
        loop {
            self.move_due().await?;
            self.expire().await?;
            let next = self.leader.store.next_timer().await?.unwrap_or(LOOK).clamp(Duration::from_millis(1), LOOK);
            self.sleep(&mut listener, next).await?;
        }
    }

    /// Until the next timer ends or somebody sets an earlier one.
    async fn sleep(&self, listener: &mut Listener, next: Duration) -> Result<(), StoreError> {
        tokio::select! {
            () = tokio::time::sleep(next) => Ok(()),
            word = listener.hear() => word.map(drop),
        }
    }

    async fn move_due(&self) -> Result<(), StoreError> {
        loop {
            let ready = self.leader.store.due(BATCH).await?;
            if ready.is_empty() {
                return Ok(());
            }
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
            info!(tasks = expired.len(), "expired: their deadline passed before they could start");
            self.leader.announce(&expired).await;
        }
    }
}
