//! Media before its SDP: RTP that no session description has named yet.
//!
//! The answer that names an address may be seen after the first packets that go there: early media,
//! a slow proxy, a mirror port that shows SIP later than RTP. The first packet of an unknown flow
//! is kept back; a second one that follows it in sequence begins a stream without a call, with
//! figures from its first packet. A description that names its address adopts it
//! ([`super::media`]). Bytes that only look like RTP do not follow each other, and cost one entry
//! of a small table.

use core::net::SocketAddr;

use embassy_time::{Duration, Instant};

use super::flows::{Flow, Flows};
use super::slab::Slot;
use super::stream::{Arrival, Held};
use crate::limits::{MAX_STRAY_PACKETS, MAX_STRAYS};

/// A stream without a call that has been silent for so long makes room for another, and is not
/// adopted by a call that began before the capture.
pub(super) const STRAY_IDLE: Duration = Duration::from_secs(2);

/// Flows without a call; holds [`MAX_STRAYS`] streams and [`MAX_STRAY_PACKETS`] first packets.
#[derive(Debug)]
pub(super) struct Strays {
    /// By hash of the flow; a newer packet takes an older one's place.
    packets: Vec<Option<(u64, Held)>>,
    streams: heapless::Vec<Slot, MAX_STRAYS>,
}

impl Default for Strays {
    fn default() -> Self {
        Self { packets: vec![None; MAX_STRAY_PACKETS], streams: heapless::Vec::new() }
    }
}

impl Strays {
    /// The packet that was kept back of this flow, if this one follows it. Otherwise this one is
    /// kept back.
    pub(super) fn follow(&mut self, hash: u64, arrival: &Arrival<'_>) -> Option<Held> {
        let place = usize::try_from(hash).unwrap_or_default() % MAX_STRAY_PACKETS;
        let held = self.packets.get_mut(place)?;
        if let Some((known, first)) = *held
            && known == hash
            && first.is_followed_by(arrival.packet)
        {
            *held = None;
            return Some(first);
        }
        *held = Some((hash, Held::of(arrival)));
        None
    }

    /// Whether one more stream may begin; of the silent ones the one silent longest leaves.
    pub(super) fn make_room(&mut self, now: Instant, flows: &mut Flows) -> bool {
        if !self.streams.is_full() {
            return true;
        }
        let last_at =
            |&slot: &Slot| flows.get(slot).map_or(Instant::MIN, |flow| flow.stream.last_at());
        let Some(idlest) = self.streams.iter().copied().min_by_key(last_at) else { return true };
        if now.saturating_duration_since(last_at(&idlest)) < STRAY_IDLE {
            return false;
        }
        self.remove(idlest);
        flows.free(idlest);
        true
    }

    /// Notes a stream without a call.
    pub(super) fn add(&mut self, slot: Slot) {
        // There is room: see `make_room`.
        let _ = self.streams.push(slot);
    }

    /// Forgets one that is adopted or freed.
    pub(super) fn remove(&mut self, slot: Slot) {
        self.streams.retain(|&stray| stray != slot);
    }

    /// Those that go to an address, or come from it.
    pub(super) fn at(&self, address: SocketAddr, flows: &Flows) -> heapless::Vec<Slot, MAX_STRAYS> {
        let touches = |flow: &Flow| flow.dst == address || flow.src == address;
        let is_there = |slot: &Slot| flows.get(*slot).is_some_and(touches);
        self.streams.iter().copied().filter(is_there).collect()
    }

    /// Whether there is none.
    #[must_use]
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.streams.is_empty()
    }
}
