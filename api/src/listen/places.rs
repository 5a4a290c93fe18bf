//! How many connections are open, in all and from one address.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::rate::network;

/// The places for connections.
#[derive(Debug, Clone)]
pub(super) struct Places {
    most: usize,
    most_of_one: usize,
    taken: Arc<Mutex<Taken>>,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// A place, taken until this is dropped.
#[derive(Debug)]
pub(super) struct Place {
    places: Places,
    address: Option<IpAddr>,
}

impl Places {
    /// So many in all, and so many for one address: for a network, of IPv6.
    pub(super) fn new(most: usize, most_of_one: usize) -> Self {
        Self { most, most_of_one, taken: Arc::default() }
    }

    /// Takes a place for a connection from an address; without one it counts among all alone.
    pub(super) fn take(&self, address: Option<IpAddr>) -> Option<Place> {
        let address = address.map(|address| network(address.to_canonical()));
        let mut taken = self.lock();
        if taken.all >= self.most {
            return None;
        }
        if let Some(address) = address {
            let of_one = taken.by_address.entry(address).or_default();
            if *of_one >= self.most_of_one {
                return None;
            }
            *of_one += 1;
        }
        taken.all += 1;
        drop(taken);
        Some(Place { places: self.clone(), address })
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.lock();
        taken.all -= 1;
        let Some(address) = self.address else { return };
        if let Some(of_one) = taken.by_address.get_mut(&address) {
            *of_one -= 1;
            if *of_one == 0 {
                taken.by_address.remove(&address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_bounded_in_all_and_for_each_address() {
        let places = Places::new(3, 2);
        let one: IpAddr = "192.0.2.1".parse().unwrap();
        let first = places.take(Some(one)).unwrap();
        let _second = places.take(Some(one)).unwrap();
        assert!(places.take(Some(one)).is_none(), "two of one address");
        let _other = places.take(Some("192.0.2.2".parse().unwrap())).unwrap();
        assert!(places.take(None).is_none(), "three in all");
        drop(first);
        let again = places.take(Some(one)).unwrap();
        drop(again);
        assert_eq!(places.lock().by_address.len(), 2);
    }

    #[test]
    fn who_has_a_network_of_ipv6_has_one_address() {
        let places = Places::new(9, 1);
        let _one = places.take(Some("2001:db8:1:2::1".parse().unwrap())).unwrap();
        assert!(places.take(Some("2001:db8:1:2::2".parse().unwrap())).is_none());
        assert!(places.take(Some("2001:db8:1:3::1".parse().unwrap())).is_some());
    }
}
