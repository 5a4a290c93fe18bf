//! What waited for other tasks goes on when they have ended: at once, and after whatever died in between.

use std::convert::Infallible;

use jobs_store::{Channel, Pulse, StoreError, transition::Settled};
use tokio::sync::watch;
use tracing::info;

use crate::leader::Leader;

/// About so many tasks move in one statement.
const BATCH: u32 = 2_000;

/// Settles whenever a task ends that others wait for. The word of that is sent with the commit that ends it; the pulse sees the
/// mark of the task if the word was lost.
pub(crate) async fn run(leader: &Leader, mut pulses: watch::Receiver<Pulse>) -> Result<Infallible, StoreError> {
    // Before the first look: what is said from now on is heard.
    let mut listener = leader.store.listen(Channel::Settle).await?;
    loop {
        settle(leader).await?;
        // What was seen before the rows were read is not news.
        pulses.mark_unchanged();
        tokio::select! {
            word = listener.hear() => word.map(drop)?,
            () = async {
                while pulses.changed().await.is_ok() && !pulses.borrow_and_update().unsettled {}
            } => {}
        }
    }
}

async fn settle(leader: &Leader) -> Result<(), StoreError> {
    loop {
        let (settled, is_more) = leader.store.settle(BATCH).await?;
        tell(leader, &settled).await;
        if settled.count() == 0 && !is_more {
            return Ok(());
        }
    }
}

/// Puts what is ready in its queue, and tells those who watch.
pub(crate) async fn tell(leader: &Leader, settled: &Settled) {
    if settled.count() == 0 {
        return;
    }
    if !settled.skipped.is_empty() {
        info!(tasks = settled.skipped.len(), "canceled: tasks that they waited for did not succeed");
    }
    leader.push(&settled.ready).await;
    leader.announce(&settled.tasks()).await;
}
