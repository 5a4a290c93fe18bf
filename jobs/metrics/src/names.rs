//! Numbers by a name that clients may choose: the first names have numbers of their own, all others share theirs.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock},
};

/// What those are called that came when there were too many.
pub const OTHER: &str = "other";

/// Numbers by name. However many names there are, there are no more numbers than were said: a scrape stays small.
#[derive(Debug)]
pub struct Names<T> {
    known: RwLock<BTreeMap<Box<str>, Arc<T>>>,
    most: usize,
    make: fn() -> T,
}

impl<T> Names<T> {
    /// Numbers for at most `most` names, made by `make`; and for [`OTHER`].
    #[must_use]
    pub const fn new(most: usize, make: fn() -> T) -> Self {
        Self { known: RwLock::new(BTreeMap::new()), most, make }
    }

    /// The numbers of a name.
    pub fn of(&self, name: &str) -> Arc<T> {
        if let Some(known) = self.known.read().unwrap_or_else(PoisonError::into_inner).get(name) {
            return Arc::clone(known);
        }
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let name = if known.len() < self.most || known.contains_key(name) { name } else { OTHER };
        Arc::clone(known.entry(name.into()).or_insert_with(|| Arc::new((self.make)())))
    }

    /// All names that there were, in their order, with their numbers.
    pub fn all(&self) -> Vec<(Box<str>, Arc<T>)> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.iter().map(|(name, numbers)| (name.clone(), Arc::clone(numbers))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Counter;

    #[test]
    fn names_beyond_the_bound_share_their_numbers() {
        let names = Names::new(2, Counter::new);
        for name in ["a", "b", "c", "d", "a"] {
            names.of(name).one();
        }
        let all: Vec<(String, u64)> = names.all().into_iter().map(|(name, count)| (name.into(), count.get())).collect();
        assert_eq!(all, [("a".into(), 2), ("b".into(), 1), (OTHER.into(), 2)]);
    }
}
