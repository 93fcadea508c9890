//! Address tests by network.

use core::net::IpAddr;
use std::collections::HashMap;

use foldhash::fast::FixedState;
use ringside_protocol::rule::{Place, Prefix};

use super::TestId;

/// Address tests; an address is looked up once for each prefix length that is in use.
#[derive(Debug, Default)]
pub(super) struct Addresses {
    by_prefix: HashMap<Prefix, Vec<(Place, TestId)>, FixedState>,
    /// Prefix lengths in use, of IPv4 and of IPv6.
    lengths: [Vec<u8>; 2],
}

impl Addresses {
    pub(super) fn add(&mut self, prefix: Prefix, place: Place, test: TestId) {
        let lengths = &mut self.lengths[usize::from(prefix.address().is_ipv6())];
        if !lengths.contains(&prefix.len()) {
            lengths.push(prefix.len());
        }
        self.by_prefix.entry(prefix).or_default().push((place, test));
    }

    /// Hands out the tests that an address meets which the call used at `place`.
    pub(super) fn find(&self, address: IpAddr, place: Place, found: &mut impl FnMut(TestId)) {
        let address = address.to_canonical();
        for &length in &self.lengths[usize::from(address.is_ipv6())] {
            let Some(prefix) = Prefix::new(address, length) else { continue };
            for &(wanted, test) in self.by_prefix.get(&prefix).into_iter().flatten() {
                if wanted == Place::Anywhere || wanted == place {
                    found(test);
                }
            }
        }
    }
}
