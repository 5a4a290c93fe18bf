//! The memory that loaded models may take together.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

/// A budget of bytes, and what is taken of it.
pub(crate) struct Memory {
    limit: u64,
    taken: Mutex<u64>,
    /// Told whenever room may have come.
    pub(crate) room: Notify,
}

/// A part of the budget, given back when it is dropped.
pub(crate) struct Reservation {
    memory: Arc<Memory>,
    pub(crate) bytes: u64,
}

impl Memory {
    pub(crate) fn new(limit: u64) -> Arc<Self> {
        Arc::new(Self { limit, taken: Mutex::new(0), room: Notify::new() })
    }

    pub(crate) fn limit(&self) -> u64 {
        self.limit
    }

    /// A part of the budget, if so much is free.
    pub(crate) fn reserve(self: &Arc<Self>, bytes: u64) -> Option<Reservation> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let after = taken.checked_add(bytes).filter(|after| *after <= self.limit)?;
        *taken = after;
        Some(Reservation { memory: Arc::clone(self), bytes })
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        let mut taken = self.memory.taken.lock().unwrap_or_else(PoisonError::into_inner);
        *taken = taken.saturating_sub(self.bytes);
        drop(taken);
        self.memory.room.notify_waiters();
    }
}
