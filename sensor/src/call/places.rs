//! Where calls receive media: the addresses of session descriptions, and who claims them.

use core::net::SocketAddr;

use super::dialog::Side;
use super::hash::Keyed;
use super::slab::{Index, Slab, Slot};
use crate::limits::{MAX_CLAIMS, MAX_MEDIA};

/// "This call's side receives here."
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The call.
    pub call: Slot,
    /// Its side.
    pub side: Side,
    /// When it was described, microseconds.
    pub at: u64,
    /// What it receives there is encrypted (SRTP).
    pub is_encrypted: bool,
}

/// What came of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claimed {
    /// The slot of its address.
    pub slot: Slot,
    /// The call whose claim left for it.
    pub evicted: Option<Slot>,
}

#[derive(Debug)]
struct Place {
    address: SocketAddr,
    /// Oldest first.
    claims: heapless::Vec<Claim, MAX_CLAIMS, u8>,
}

/// The claims of one address.
pub type Claims = heapless::Vec<Claim, MAX_CLAIMS, u8>;

/// All media addresses; holds [`MAX_MEDIA`], further ones are refused until some are given up.
#[derive(Debug)]
pub struct Places {
    slab: Slab<Place>,
    index: Index,
}

impl Default for Places {
    fn default() -> Self {
        Self { slab: Slab::new(MAX_MEDIA), index: Index::new(MAX_MEDIA) }
    }
}

impl Places {
    /// Notes a claim; `None` when the table is full. Of more than [`MAX_CLAIMS`] claims the oldest
    /// of an unanswered call leaves, else the oldest.
    pub fn claim(
        &mut self,
        address: SocketAddr,
        claim: Claim,
        is_answered: impl Fn(Slot) -> bool,
        keyed: &Keyed,
    ) -> Option<Claimed> {
        let hash = keyed.address(address);
        let slot = match self.find(address, hash) {
            Some(slot) => slot,
            None => {
                let place = Place { address, claims: heapless::Vec::new() };
                let slot = self.slab.insert(place).ok()?;
                self.index.insert(hash, slot);
                slot
            }
        };
        let claims = &mut self.slab.get_mut(slot)?.claims;
        claims.retain(|known| known.call != claim.call);
        let evicted = claims.is_full().then(|| {
            let unanswered = claims.iter().position(|claim| !is_answered(claim.call));
            claims.remove(unanswered.unwrap_or(0)).call
        });
        // There is room: one has just left if there was none.
        let _ = claims.push(claim);
        Some(Claimed { slot, evicted })
    }

    /// Who receives at an address, oldest claim first.
    #[must_use]
    pub fn claims(&self, address: SocketAddr, keyed: &Keyed) -> Option<&Claims> {
        let slot = self.find(address, keyed.address(address))?;
        Some(&self.slab.get(slot)?.claims)
    }

    /// The address in a slot, with the side that `call` claims it for.
    #[must_use]
    pub fn claimed_by(&self, slot: Slot, call: Slot) -> Option<(SocketAddr, Side)> {
        let place = self.slab.get(slot)?;
        let claim = place.claims.iter().find(|claim| claim.call == call)?;
        Some((place.address, claim.side))
    }

    /// Takes back a call's claim of the place in a slot.
    pub fn release(&mut self, slot: Slot, call: Slot, keyed: &Keyed) {
        let Some(place) = self.slab.get_mut(slot) else { return };
        place.claims.retain(|claim| claim.call != call);
        if place.claims.is_empty() {
            self.index.remove(keyed.address(place.address), slot);
            self.slab.remove(slot);
        }
    }

    /// Addresses held.
    #[must_use]
    pub fn len(&self) -> usize {
        self.slab.len()
    }

    /// Whether none is held.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.slab.is_empty()
    }

    fn find(&self, address: SocketAddr, hash: u64) -> Option<Slot> {
        self.index
            .find(hash, |slot| self.slab.get(slot).is_some_and(|place| place.address == address))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// No call is answered.
    const NOBODY: fn(Slot) -> bool = |_| false;

    fn address(port: u16) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, 1], port))
    }

    #[test]
    fn an_address_is_shared_by_the_legs_of_a_call_and_freed_with_the_last() {
        let (mut places, keyed) = (Places::default(), Keyed::new(1));
        let first = Claim { call: 1, side: Side::Caller, at: 0, is_encrypted: false };
        let second = Claim { call: 2, side: Side::Callee, at: 0, is_encrypted: false };
        let claimed = places.claim(address(1), first, NOBODY, &keyed);
        let slot = claimed.unwrap().slot;
        assert_eq!(places.claim(address(1), second, NOBODY, &keyed), claimed);
        assert_eq!(places.claims(address(1), &keyed).unwrap().as_slice(), [first, second]);
        places.release(slot, 1, &keyed);
        assert_eq!(places.claims(address(1), &keyed).unwrap().as_slice(), [second]);
        places.release(slot, 2, &keyed);
        assert!(places.claims(address(1), &keyed).is_none());
    }

    #[test]
    fn the_oldest_claim_leaves_first() {
        let (mut places, keyed) = (Places::default(), Keyed::new(1));
        let last = u16::try_from(MAX_CLAIMS).unwrap();
        for call in 0..=last {
            let claim = Claim { call, side: Side::Caller, at: 0, is_encrypted: false };
            let claimed = places.claim(address(1), claim, NOBODY, &keyed).unwrap();
            assert_eq!(claimed.evicted, (call == last).then_some(0));
        }
        let claims = places.claims(address(1), &keyed).unwrap();
        assert_eq!(claims.len(), MAX_CLAIMS);
        assert_eq!(claims[0].call, 1);
    }

    #[test]
    fn claims_of_unanswered_calls_leave_before_those_of_answered_ones() {
        let (mut places, keyed) = (Places::default(), Keyed::new(1));
        for call in 0..40 {
            let claim = Claim { call, side: Side::Caller, at: 0, is_encrypted: false };
            places.claim(address(1), claim, |call| call == 0, &keyed).unwrap();
        }
        let claims = places.claims(address(1), &keyed).unwrap();
        assert_eq!((claims[0].call, claims[1].call, claims.len()), (0, 33, MAX_CLAIMS));
    }

    #[test]
    fn a_full_table_refuses_new_addresses_and_takes_claims_of_known_ones() {
        let (mut places, keyed) = (Places::default(), Keyed::new(1));
        let claim = Claim { call: 1, side: Side::Caller, at: 0, is_encrypted: false };
        for port in 0..u16::try_from(MAX_MEDIA).unwrap() {
            places.claim(address(port), claim, NOBODY, &keyed).unwrap();
        }
        let another = SocketAddr::from(([192, 0, 2, 2], 7));
        assert_eq!(places.claim(another, claim, NOBODY, &keyed), None);
        assert!(places.claim(address(7), Claim { call: 2, ..claim }, NOBODY, &keyed).is_some());
    }
}
