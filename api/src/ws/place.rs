//! The places of sockets: how many are open, in all and of each key.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use jobs_core::KeyId;

/// One process has no more sockets open,
const SOCKETS_MAX: usize = 10_000;
/// and a key has no more of them.
const KEY_MAX: usize = 1_000;

/// The sockets that are open.
#[derive(Clone, Default)]
pub(crate) struct Sockets {
    open: Arc<Mutex<Open>>,
}

#[derive(Default)]
struct Open {
    all: usize,
    /// Of each key; those without a row of their own share a place.
    by_key: HashMap<Option<KeyId>, usize>,
}

/// An open socket, counted until it is dropped.
pub(super) struct Place {
    sockets: Sockets,
    key: Option<Option<KeyId>>,
}

impl Sockets {
    /// How many are open.
    pub(crate) fn count(&self) -> usize {
        self.lock().all
    }

    /// A place for a socket, if there is one.
    pub(super) fn take(&self) -> Option<Place> {
        let mut open = self.lock();
        if open.all >= SOCKETS_MAX {
            return None;
        }
        open.all += 1;
        Some(Place { sockets: self.clone(), key: None })
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// Says whose socket it is; `false` when that key has as many as it may.
    pub(super) fn belong(&mut self, key: Option<KeyId>) -> bool {
        let mut open = self.sockets.lock();
        let count = open.by_key.entry(key).or_default();
        if *count >= KEY_MAX {
            return false;
        }
        *count += 1;
        drop(open);
        self.key = Some(key);
        true
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.sockets.lock();
        open.all -= 1;
        if let Some(key) = self.key
            && let Some(count) = open.by_key.get_mut(&key)
        {
            *count -= 1;
            if *count == 0 {
                open.by_key.remove(&key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_so_many_sockets_and_leaves_room_for_others() {
        let sockets = Sockets::default();
        let mut places: Vec<Place> = (0..=KEY_MAX).map(|_| sockets.take().expect("a place")).collect();
        let mut last = places.pop().expect("a place");
        assert!(places.iter_mut().all(|place| place.belong(None)));
        assert!(!last.belong(None) && last.belong(Some(KeyId::new())));
        places.pop();
        assert!(sockets.take().expect("a place").belong(None));
        drop((places, last));
        assert_eq!((sockets.count(), sockets.lock().by_key.len()), (0, 0));
    }
}
