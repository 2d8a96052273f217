//! How many fetches are under way, in all and from one network.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};

use tokio::sync::{Semaphore, SemaphorePermit};

use crate::error::FetchError;

/// Most fetches at a time: each holds a connection.
pub const MAX_UNDER_WAY: usize = 32;

/// Most of them from one address (of IPv6, from one /64): whoever names slow hosts, under whatever names, leaves room
/// for others.
pub const MAX_FROM_ONE_NETWORK: usize = 8;

/// The places.
pub(crate) struct Places {
    all: Semaphore,
    by_network: Mutex<HashMap<IpAddr, usize>>,
}

/// A place from one network, given back when it is dropped.
pub(crate) struct FromNetwork<'a> {
    places: &'a Places,
    network: IpAddr,
}

impl Places {
    pub(crate) fn new() -> Self {
        Self { all: Semaphore::new(MAX_UNDER_WAY), by_network: Mutex::default() }
    }

    /// A place among all, or [`FetchError::Busy`]: nobody waits for one.
    pub(crate) fn any(&self) -> Result<SemaphorePermit<'_>, FetchError> {
        self.all.try_acquire().map_err(|_| FetchError::Busy)
    }

    /// A place from the network of an address, or [`FetchError::Busy`].
    pub(crate) fn in_network_of(&self, address: IpAddr) -> Result<FromNetwork<'_>, FetchError> {
        let network = network_of(address);
        let mut taken = self.by_network.lock().unwrap_or_else(PoisonError::into_inner);
        let count = taken.entry(network).or_default();
        if *count >= MAX_FROM_ONE_NETWORK {
            return Err(FetchError::Busy);
        }
        *count += 1;
        Ok(FromNetwork { places: self, network })
    }
}

impl Drop for FromNetwork<'_> {
    fn drop(&mut self) {
        let mut taken = self.places.by_network.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = taken.get_mut(&self.network) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.network);
            }
        }
    }
}

fn network_of(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn one_network_leaves_room_for_others_and_places_come_back() {
        let places = Places::new();
        let take = |text: &str| places.in_network_of(text.parse().unwrap());
        let held: Vec<_> =
            (0..MAX_FROM_ONE_NETWORK).map(|at| take(&format!("2600::{at}")).unwrap()).collect();
        assert!(matches!(take("2600::ffff:1"), Err(FetchError::Busy)));
        assert!(take("2600:0:0:1::").is_ok());
        assert!(take("8.8.8.8").is_ok());
        drop(held);
        assert!(take("2600::1").is_ok());
        assert!(places.by_network.lock().unwrap().is_empty());
    }
}
