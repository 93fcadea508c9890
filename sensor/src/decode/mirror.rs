//! Packets that a mirror port sends twice: the ports of both ends are mirrored, or two taps see
//! the same packet. Without this every RTP packet would count as a duplicate.
//!
//! A copy of a packet agrees with it in all but what a hop changes: time to live and header
//! checksum; link header and VLAN tag are not compared. A packet that its *sender* repeats has
//! another identification (IPv4) or comes later: SIP waits 500 ms (RFC 3261 §17.1.1.1). A packet
//! that a *network* duplicates within [`WINDOW`] cannot be told from a mirror's copy; so this
//! stage is off unless it is asked for.

use core::hash::BuildHasher;

use embassy_time::{Duration, Instant};

use super::ip::Packet;
use super::link::Version;
use crate::call::hash::Keyed;
use crate::limits::MAX_MIRRORED;

/// How far apart, in packet time, the two copies come, whichever is first.
const WINDOW: Duration = Duration::from_millis(10);

const _: () = assert!(MAX_MIRRORED.is_power_of_two());

/// Packets that came of late, by their hash.
///
/// Holds [`MAX_MIRRORED`]; each newer packet takes the place that its hash names.
pub(super) struct Mirror {
    hasher: Keyed,
    seen: Box<[(u64, Instant)]>,
}

impl Mirror {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            hasher: Keyed::new(seed),
            seen: vec![(0, Instant::MIN); MAX_MIRRORED].into_boxed_slice(),
        }
    }

    /// Whether the packet, whose header stands at the start of `bytes`, has just come before.
    pub(super) fn is_repeated(
        &mut self,
        version: Version,
        bytes: &[u8],
        packet: &Packet<'_>,
        at: Instant,
    ) -> bool {
        let hash = self.hash(version, bytes, packet);
        #[expect(clippy::cast_possible_truncation, reason = "the lowest bits are wanted")]
        let place = &mut self.seen[hash as usize % MAX_MIRRORED];
        let apart = at.as_micros().abs_diff(place.1.as_micros());
        let is_repeated = place.0 == hash && apart <= WINDOW.as_micros();
        // A third copy is compared with the first: repetitions cannot chain.
        if !is_repeated {
            *place = (hash, at);
        }
        is_repeated
    }

    fn hash(&self, version: Version, bytes: &[u8], packet: &Packet<'_>) -> u64 {
        let mut header = [0; 40];
        match version {
            Version::V4 => {
                copy_start(&mut header[..20], bytes);
                // Time to live; header checksum.
                header[8] = 0;
                header[10..12].fill(0);
            }
            Version::V6 => {
                copy_start(&mut header, bytes);
                // Hop limit.
                header[7] = 0;
            }
        }
        let fragment = packet.fragment.map(|fragment| (fragment.ident, fragment.offset));
        self.hasher.hash_one((header, fragment, packet.payload))
    }
}

fn copy_start(to: &mut [u8], from: &[u8]) {
    let len = to.len().min(from.len());
    to[..len].copy_from_slice(&from[..len]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::ip;

    /// A datagram of an identification and a time to live.
    fn packet(ident: u8, ttl: u8) -> [u8; 24] {
        let mut bytes = [7; 24];
        bytes[..12].copy_from_slice(&[0x45, 0, 0, 24, 0, ident, 0, 0, ttl, 17, ttl, ttl]);
        bytes
    }

    fn is_repeated(mirror: &mut Mirror, bytes: &[u8], millis: u64) -> bool {
        let packet = ip::parse(Version::V4, bytes, bytes.len()).expect("whole");
        mirror.is_repeated(Version::V4, bytes, &packet, Instant::from_millis(millis))
    }

    #[test]
    fn a_copy_may_have_passed_a_router_and_be_padded() {
        let mut mirror = Mirror::new(1);
        assert!(!is_repeated(&mut mirror, &packet(1, 64), 1000));
        assert!(is_repeated(&mut mirror, &packet(1, 63), 1001));
        assert!(is_repeated(&mut mirror, &[&packet(1, 64)[..], &[0; 20]].concat(), 999));
    }

    #[test]
    fn what_the_sender_repeats_is_no_copy() {
        let mut mirror = Mirror::new(1);
        assert!(!is_repeated(&mut mirror, &packet(1, 64), 1000));
        assert!(!is_repeated(&mut mirror, &packet(2, 64), 1000));
        let mut other = packet(1, 64);
        other[23] = 8;
        assert!(!is_repeated(&mut mirror, &other, 1000));
    }

    #[test]
    fn copies_come_within_the_window() {
        let mut mirror = Mirror::new(1);
        assert!(!is_repeated(&mut mirror, &packet(1, 64), 1000));
        assert!(is_repeated(&mut mirror, &packet(1, 64), 1010));
        assert!(!is_repeated(&mut mirror, &packet(1, 64), 1011));
    }

    #[test]
    fn evict_whoever_has_the_same_place() {
        let mut mirror = Mirror::new(1);
        let bytes = |number: usize| {
            let mut bytes = packet(1, 64);
            bytes[16..24].copy_from_slice(&number.to_be_bytes());
            bytes
        };
        for number in 0..=8 * MAX_MIRRORED {
            assert!(!is_repeated(&mut mirror, &bytes(number), 1000));
        }
        assert!(is_repeated(&mut mirror, &bytes(8 * MAX_MIRRORED), 1000));
        let kept =
            (0..8 * MAX_MIRRORED).filter(|&number| is_repeated(&mut mirror, &bytes(number), 1000));
        assert!(kept.count() < MAX_MIRRORED);
    }
}
