//! Who is connected: a bounded number, of which one client has a part.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

/// How many may be connected at once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seats {
    /// Connections at once; more are closed at once.
    pub(crate) all: usize,
    /// Of those, from one client.
    pub(crate) of_one: usize,
}

/// Connections that there are, by client.
pub(crate) type Connected = Mutex<HashMap<IpAddr, usize>>;

/// A connection that counts, until it is dropped.
pub(crate) struct Seat {
    connected: Arc<Connected>,
    from: IpAddr,
}

impl Seat {
    /// `None` where there is no room for one more connection from this address.
    pub(crate) fn take(connected: &Arc<Connected>, from: IpAddr, seats: Seats) -> Option<Self> {
        let from = network(from);
        let mut counts = connected.lock().unwrap_or_else(PoisonError::into_inner);
        let own = counts.get(&from).copied().unwrap_or(0);
        if counts.values().sum::<usize>() >= seats.all || own >= seats.of_one {
            return None;
        }
        counts.insert(from, own + 1);
        Some(Self { connected: Arc::clone(connected), from })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut counts = self.connected.lock().unwrap_or_else(PoisonError::into_inner);
        match counts.get_mut(&self.from) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(counts.remove(&self.from)),
        }
    }
}

/// One client: with IPv6 that is a network, since a machine has as many addresses as it likes.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)).into(),
        other => other,
    }
}
