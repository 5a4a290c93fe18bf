//! Whether what was read of a task still holds: what a cache needs to know, and nothing else.
//!
//! Before a task is read a [`Mark`] is taken. What was read holds while the mark does: while the subscription that hears of changes has not
//! broken since, and has not said that the task changed. The order is what makes this right, whatever runs beside it:
//!
//! - A change is announced after its commit. So a read that began before the change, and is kept after the announcement, has a mark
//!   from before the announcement, which does not hold any more. It needs no lock between who reads and who listens.
//! - A read that began after the announcement has seen the change.
//! - While nobody listens there are no marks. The first ones are given after the subscription holds: what was committed by then is
//!   seen by the read, what is committed later is announced later, and heard.
//!
//! One thing is not covered: who commits and dies before it announces. So a cache keeps nothing for long.

use std::{
    sync::atomic::{AtomicU32, AtomicU64, Ordering::SeqCst},
    time::Duration,
};

use jobs_core::TaskId;
use tokio::time::Instant;

/// Changes are counted in so many places, and a task has one of them by its id. Two tasks in one place cost each other a read.
const PLACES: usize = 1 << 16;
/// After so long without anybody who asks, nobody needs to listen.
const LINGER: Duration = Duration::from_secs(5);

/// The moment before a task was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    life: u64,
    changes: u32,
}

/// What was heard of changes.
pub(crate) struct Fresh {
    /// Odd while the subscription holds; another number after every break.
    life: AtomicU64,
    changes: Box<[AtomicU32]>,
    began: Instant,
    /// When somebody asked last, in ms since `began`, from 1; 0 for never.
    asked_ms: AtomicU64,
}

impl Default for Fresh {
    fn default() -> Self {
        let changes = std::iter::repeat_with(AtomicU32::default).take(PLACES).collect();
        Self { life: AtomicU64::new(0), changes, began: Instant::now(), asked_ms: AtomicU64::new(0) }
    }
}

impl Fresh {
    /// The present, of a task that is read next; `None` while nobody listens.
    pub(crate) fn mark(&self, task: TaskId) -> Option<Mark> {
        self.ask();
        let life = self.life.load(SeqCst);
        // The life first: a break in between makes a mark that holds no more, never one that holds too long.
        let changes = self.place(task).load(SeqCst);
        (life % 2 == 1).then_some(Mark { life, changes })
    }

    /// Whether nothing was heard of the task since the mark, and something would have been.
    pub(crate) fn holds(&self, task: TaskId, mark: Mark) -> bool {
        self.ask();
        self.life.load(SeqCst) == mark.life && self.place(task).load(SeqCst) == mark.changes
    }

    /// The task has changed.
    pub(crate) fn changed(&self, task: TaskId) {
        self.place(task).fetch_add(1, SeqCst);
    }

    /// From now on every change is heard.
    pub(crate) fn connected(&self) {
        let life = self.life.load(SeqCst);
        self.life.store(life + 1 + life % 2, SeqCst);
    }

    /// Something may have been missed.
    pub(crate) fn lost(&self) {
        let life = self.life.load(SeqCst);
        self.life.store(life + life % 2, SeqCst);
    }

    /// Whether nobody has asked for a while.
    pub(crate) fn is_idle(&self) -> bool {
        let asked_ms = self.asked_ms.load(SeqCst);
        asked_ms == 0 || self.now_ms().saturating_sub(asked_ms) > LINGER.as_millis() as u64
    }

    fn ask(&self) {
        let now_ms = self.now_ms();
        // Written a few times a second at most, however many ask: it is a hint.
        if now_ms.saturating_sub(self.asked_ms.load(SeqCst)) > 200 || self.asked_ms.load(SeqCst) == 0 {
            self.asked_ms.store(now_ms, SeqCst);
        }
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX).saturating_add(1)
    }

    fn place(&self, task: TaskId) -> &AtomicU32 {
        // The last bits of an id of version 7 are random.
        let random = task.0.as_u128() as usize;
        &self.changes[random % PLACES]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listening() -> Fresh {
        let fresh = Fresh::default();
        fresh.connected();
        fresh
    }

    #[test]
    fn without_a_subscription_there_are_no_marks() {
        let (fresh, task) = (Fresh::default(), TaskId::new());
        assert_eq!(fresh.mark(task), None);
        fresh.connected();
        assert!(fresh.mark(task).is_some_and(|mark| fresh.holds(task, mark)));
    }

    #[test]
    fn a_change_ends_the_marks_of_its_task_and_leaves_those_of_others() {
        let (fresh, task, other) = (listening(), TaskId::new(), TaskId::new());
        let (of_task, of_other) = (fresh.mark(task).unwrap(), fresh.mark(other).unwrap());
        fresh.changed(task);
        assert!(!fresh.holds(task, of_task));
        assert!(fresh.holds(other, of_other));
        assert!(fresh.mark(task).is_some_and(|mark| fresh.holds(task, mark)));
    }

    #[test]
    fn what_was_read_before_a_change_does_not_hold_however_late_it_is_kept() {
        let (fresh, task) = (listening(), TaskId::new());
        let before = fresh.mark(task).unwrap();
        // The read takes its time; meanwhile the change is committed and announced, and somebody else reads the new row.
        fresh.changed(task);
        let after = fresh.mark(task).unwrap();
        assert!(!fresh.holds(task, before), "the slow read is kept last, and is not believed");
        assert!(fresh.holds(task, after));
    }

    #[test]
    fn a_break_ends_all_marks_also_after_it_is_mended() {
        let (fresh, task) = (listening(), TaskId::new());
        let before = fresh.mark(task).unwrap();
        fresh.lost();
        assert!(!fresh.holds(task, before));
        assert_eq!(fresh.mark(task), None);
        fresh.lost();
        fresh.connected();
        assert!(!fresh.holds(task, before));
        assert!(fresh.mark(task).is_some_and(|mark| fresh.holds(task, mark)));
    }

    #[tokio::test(start_paused = true)]
    async fn who_asks_keeps_the_subscription_for_some_seconds() {
        let fresh = Fresh::default();
        assert!(fresh.is_idle());
        fresh.mark(TaskId::new());
        assert!(!fresh.is_idle());
        tokio::time::advance(LINGER - Duration::from_millis(500)).await;
        fresh.mark(TaskId::new());
        tokio::time::advance(LINGER - Duration::from_millis(500)).await;
        assert!(!fresh.is_idle());
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(fresh.is_idle());
    }
}
