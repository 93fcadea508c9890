//! SIP that comes twice: on the wire, and as the copy that a proxy or an agent there sends by HEP.

use core::hash::BuildHasher;
use core::net::SocketAddr;

use embassy_time::{Duration, Instant};

use crate::call::hash::Keyed;
use crate::decode::Datagram;
use crate::limits::MAX_HEP_COPIES;

/// How long after the message its copy may come, in packet time: agents send at once or gather for
/// a moment.
const WINDOW: Duration = Duration::from_secs(2);

/// The messages that came on the wire of late.
///
/// Holds [`MAX_HEP_COPIES`]; the oldest leave.
pub(in crate::decode) struct Copies {
    hasher: Keyed,
    seen: Box<[Option<(u64, Instant)>]>,
    next: usize,
}

impl Copies {
    pub(in crate::decode) fn new(seed: u64) -> Self {
        Self {
            hasher: Keyed::new(seed),
            seen: vec![None; MAX_HEP_COPIES].into_boxed_slice(),
            next: 0,
        }
    }

    /// Remembers a message of the wire.
    pub(in crate::decode) fn remember(&mut self, datagram: &Datagram<'_>) {
        let hash = self.hash(datagram);
        self.seen[self.next] = Some((hash, datagram.at));
        self.next = (self.next + 1) % MAX_HEP_COPIES;
    }

    /// Whether a message of HEP had come on the wire. Each message has one copy: what is sent
    /// again has another.
    pub(in crate::decode) fn is_copy(&mut self, datagram: &Datagram<'_>) -> bool {
        let hash = self.hash(datagram);
        let is_same = |&mut (seen, at): &mut (u64, Instant)| {
            seen == hash && datagram.at.saturating_duration_since(at) <= WINDOW
        };
        self.seen.iter_mut().any(|seen| seen.take_if(|seen| is_same(seen)).is_some())
    }

    fn hash(&self, datagram: &Datagram<'_>) -> u64 {
        let ends: (SocketAddr, SocketAddr) = (datagram.src, datagram.dst);
        self.hasher.hash_one((ends, datagram.payload))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::Transport;

    fn datagram(at: u64, payload: &[u8]) -> Datagram<'_> {
        Datagram {
            at: Instant::from_secs(at),
            interface: 0,
            src: ([192, 0, 2, 1], 5060).into(),
            dst: ([192, 0, 2, 2], 5060).into(),
            transport: Transport::Udp,
            vlan: None,
            dscp: 0,
            is_sip: false,
            payload_len: 0,
            payload,
        }
    }

    #[test]
    fn every_message_has_one_copy() {
        let mut copies = Copies::new(1);
        copies.remember(&datagram(1, b"INVITE"));
        copies.remember(&datagram(2, b"INVITE"));
        assert!(!copies.is_copy(&datagram(2, b"BYE")));
        assert!(copies.is_copy(&datagram(2, b"INVITE")));
        assert!(copies.is_copy(&datagram(3, b"INVITE")));
        assert!(!copies.is_copy(&datagram(3, b"INVITE")));
    }

    #[test]
    fn a_copy_comes_within_two_seconds_and_one_way_only() {
        let mut copies = Copies::new(1);
        copies.remember(&datagram(1, b"INVITE"));
        assert!(!copies.is_copy(&datagram(4, b"INVITE")));
        copies.remember(&datagram(4, b"INVITE"));
        let there = datagram(4, b"INVITE");
        assert!(!copies.is_copy(&Datagram { src: there.dst, dst: there.src, ..there }));
        assert!(copies.is_copy(&there));
    }

    #[test]
    fn evict_the_oldest() {
        let mut copies = Copies::new(1);
        copies.remember(&datagram(1, b"INVITE"));
        copies.remember(&datagram(1, b"ACK"));
        (1..MAX_HEP_COPIES).for_each(|_| copies.remember(&datagram(1, b"other")));
        assert!(!copies.is_copy(&datagram(1, b"INVITE")));
        assert!(copies.is_copy(&datagram(1, b"ACK")));
    }
}
