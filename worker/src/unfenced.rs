//! The fence, switched off: for the one test that must fail then.
//!
//! A checker that nothing ever fails proves nothing. With `LONGSHORE_TEST_UNFENCED` in its environment a debug build works as a
//! worker would that knows no fence: its attempts go on when its life is over, and what they say is signed by whoever holds the
//! task by then. The statements of the store are the same as ever. A release build has none of this: here it is the identity.

use jobs_core::{TaskId, WorkerId};
use jobs_store::Store;
use tokio_util::sync::CancellationToken;

use crate::life::Life;

/// What ends the attempts of a life.
#[cfg(not(debug_assertions))]
pub(crate) fn end_of(life: &Life) -> CancellationToken {
    life.over.clone()
}

/// Who says something about an attempt, and of which epoch.
#[cfg(not(debug_assertions))]
pub(crate) async fn signed(_: &Store, worker: WorkerId, _: TaskId, epoch: i32) -> (WorkerId, i32) {
    (worker, epoch)
}

/// What ends the attempts of a life: its end, or nothing without the fence.
#[cfg(debug_assertions)]
pub(crate) fn end_of(life: &Life) -> CancellationToken {
    if *OFF { CancellationToken::new() } else { life.over.clone() }
}

/// Who says something about an attempt, and of which epoch: who runs it, or without the fence who holds its task now.
#[cfg(debug_assertions)]
pub(crate) async fn signed(store: &Store, worker: WorkerId, task: TaskId, epoch: i32) -> (WorkerId, i32) {
    if !*OFF {
        return (worker, epoch);
    }
    let holder = async {
        let holder = store.find(task).await.ok()?.worker?;
        let (_, epoch) = store.held(holder).await.ok()?.into_iter().find(|(held, _)| *held == task)?;
        Some((holder, epoch))
    };
    holder.await.unwrap_or((worker, epoch))
}

#[cfg(debug_assertions)]
#[expect(clippy::disallowed_methods, reason = "no setting: nobody may find it in the configuration")]
static OFF: std::sync::LazyLock<bool> = std::sync::LazyLock::new(|| {
    let off = std::env::var_os("LONGSHORE_TEST_UNFENCED").is_some();
    if off {
        tracing::error!("the fence is off: this worker writes what it likes");
    }
    off
});
