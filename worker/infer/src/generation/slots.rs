//! The places in a batch, and what each remembers of the last sequence that it had.

use crate::cache::Cache;

/// Copying fewer places than this from another slot is not worth it.
const WORTH_COPYING: usize = 16;

/// The memories of a model, free ones and those in use.
pub(crate) struct Slots {
    caches: Vec<Cache>,
    slots: Vec<Slot>,
    /// Counts how often a slot was given back.
    clock: u64,
}

#[derive(Default)]
struct Slot {
    /// The tokens that its memory holds.
    tokens: Vec<u32>,
    is_used: bool,
    given_back: u64,
}

impl Slots {
    pub(crate) fn new(caches: Vec<Cache>) -> Self {
        let slots = caches.iter().map(|_| Slot::default()).collect();
        Self { caches, slots, clock: 0 }
    }

    pub(crate) fn caches(&mut self) -> &mut [Cache] {
        &mut self.caches
    }

    pub(crate) fn has_free(&self) -> bool {
        self.slots.iter().any(|slot| !slot.is_used)
    }

    /// A free slot for a prompt, and how many of its first tokens that slot has read already: all but one at most, because
    /// the model must be asked what comes after the last.
    ///
    /// There must be a free one.
    pub(crate) fn take(&mut self, prompt: &[u32]) -> (usize, usize) {
        let most = prompt.len().saturating_sub(1);
        let known = |slot: &Slot| common(&slot.tokens, prompt).min(most);
        let all = || self.slots.iter().enumerate();
        let oldest = all().filter(|(_, slot)| !slot.is_used).min_by_key(|(_, slot)| slot.given_back);
        let oldest = oldest.map_or(0, |(at, _)| at);
        let best = all().filter(|(_, slot)| !slot.is_used).max_by_key(|(_, slot)| known(slot));
        let (best, length) = best.map_or((oldest, 0), |(at, slot)| (at, known(slot)));
        let lender = all().filter(|(_, slot)| slot.is_used).max_by_key(|(_, slot)| known(slot));
        let (lender, lent) = lender.map_or((oldest, 0), |(at, slot)| (at, known(slot)));
        if lent >= length + WORTH_COPYING {
            self.copy(lender, oldest, lent);
            return self.hand_out(oldest, lent);
        }
        if length == 0 { self.hand_out(oldest, 0) } else { self.hand_out(best, length) }
    }

    /// Remembers that a slot has read more.
    pub(crate) fn read(&mut self, at: usize, tokens: &[u32]) {
        self.slots[at].tokens.extend_from_slice(tokens);
    }

    /// Takes a slot back. What it remembers stays until the slot is needed.
    pub(crate) fn give_back(&mut self, at: usize) {
        self.clock += 1;
        self.slots[at].is_used = false;
        self.slots[at].given_back = self.clock;
    }

    /// Forgets everything, and gives the memory back.
    pub(crate) fn clear(&mut self) {
        for (slot, cache) in self.slots.iter_mut().zip(&mut self.caches) {
            slot.tokens = Vec::new();
            cache.clear();
        }
    }

    fn hand_out(&mut self, at: usize, length: usize) -> (usize, usize) {
        let slot = &mut self.slots[at];
        slot.is_used = true;
        slot.tokens.truncate(length);
        self.caches[at].truncate(length);
        (at, length)
    }

    fn copy(&mut self, from: usize, to: usize, length: usize) {
        if let Ok([from, to]) = self.caches.get_disjoint_mut([from, to]) {
            to.copy_from(from, length);
        }
        self.slots[to].tokens = self.slots[from].tokens[..length].to_vec();
    }
}

fn common(a: &[u32], b: &[u32]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads tokens as a model would: the key of a token is the token.
    fn read(slots: &mut Slots, at: usize, tokens: &[u32]) {
        for token in tokens {
            slots.caches()[at].push(0, &[*token as f32], &[-(*token as f32)]);
        }
        slots.read(at, tokens);
    }

    fn keys(slots: &mut Slots, at: usize) -> Vec<u32> {
        slots.caches()[at].head(0).keys.iter().map(|key| *key as u32).collect()
    }

    fn slots(count: usize) -> Slots {
        Slots::new((0..count).map(|_| Cache::new(1, 1)).collect())
    }

    #[test]
    fn a_beginning_that_is_known_is_not_read_again() {
        let mut slots = slots(2);
        let long: Vec<u32> = (0..40).collect();
        let (first, known) = slots.take(&long);
        assert_eq!(known, 0);
        read(&mut slots, first, &long);
        // The first is still at work, so its beginning is copied.
        let mut other = long[..30].to_vec();
        other.push(99);
        let (second, known) = slots.take(&other);
        assert_eq!((second != first, known), (true, 30));
        assert_eq!(keys(&mut slots, second), long[..30]);
        slots.give_back(first);
        // The same prompt again: all but its last token is known.
        assert_eq!(slots.take(&long), (first, 39));
    }

    #[test]
    fn what_is_free_and_knows_most_is_taken() {
        let mut slots = slots(3);
        for prompt in [[1, 2, 3], [1, 2, 9], [5, 6, 7]] {
            let (at, _) = slots.take(&prompt);
            read(&mut slots, at, &prompt);
        }
        (0..3).for_each(|at| slots.give_back(at));
        let (at, known) = slots.take(&[1, 2, 9, 4]);
        assert_eq!((keys(&mut slots, at), known), (vec![1, 2, 9], 3));
        slots.clear();
        assert_eq!(keys(&mut slots, at), [0; 0]);
    }
}
