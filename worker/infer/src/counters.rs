//! What a loaded model has done and has to do, for whoever asks while it works.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

/// Counted by the thread of the model, read by others.
#[derive(Default)]
pub(crate) struct Counters {
    pub(crate) running: AtomicU32,
    pub(crate) queued: AtomicU32,
    pub(crate) prompt_tokens: AtomicU64,
    pub(crate) completion_tokens: AtomicU64,
    pub(crate) forward_passes: AtomicU64,
}

impl Counters {
    pub(crate) fn add(counter: &AtomicU64, count: usize) {
        counter.fetch_add(count as u64, Relaxed);
    }
}
