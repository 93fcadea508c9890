//! One call in progress, as far as keeping its packets goes.

use core::net::IpAddr;

use ringside_protocol::counters::Counter;
use ringside_protocol::rule::Keep;

use super::hold::Chain;
use super::mask::Mask;
use crate::call::entry::Call;
use crate::capture::Frame;
use crate::counters::Counters;
use crate::decode::Datagram;
use crate::rules::{Decision, Phase, Shown};
use crate::store::ring::chunk::Lock;
use crate::store::ring::facts::Facts;
use crate::store::ring::packet::{MAX_PACKET_HEAD, Packet};
use crate::store::ring::{BUFFER_BYTES, Chunk, Order, Ring};

/// See [`super`].
#[derive(Debug)]
pub(super) struct Track {
    /// The call's.
    pub(super) number: u64,
    pub(super) call_id: String,
    pub(super) caller: String,
    pub(super) callee: String,
    pub(super) first_at: u64,
    pub(super) shown: Shown,
    pub(super) phase: Phase,
    pub(super) decision: Decision,
    /// The rule that keeps it, in the present book.
    pub(super) rank: Option<u16>,
    /// There as soon as a rule keeps it.
    pub(super) facts: Option<Box<Facts>>,
    /// SIP in memory.
    pub(super) sip: Chain,
    /// What was handed to the store sealed.
    pub(super) was_held: Option<Keep>,
    pub(super) clear: Pending,
    pub(super) held: Pending,
    /// Held for a while after the call's end, if no rule keeps it.
    pub(super) recent: Pending,
    /// Between which hosts its newest message went.
    pub(super) way: Option<(IpAddr, IpAddr)>,
    packets: u32,
    newest_frame: u64,
}

// ARCHITECTURE.md, "Memory".
const _: () = assert!(size_of::<Track>() <= 736);

impl Track {
    pub(super) fn new(call: &Call, shown: Shown) -> Self {
        Self {
            number: call.number,
            call_id: call.texts.string(call.call_id),
            caller: call.texts.string(call.caller.user),
            callee: call.texts.string(call.callee.user),
            first_at: call.first_at,
            shown,
            phase: Phase::Ringing,
            decision: Decision::default(),
            rank: None,
            facts: None,
            sip: Chain::default(),
            was_held: None,
            clear: Pending::default(),
            held: Pending::default(),
            recent: Pending::default(),
            way: None,
            packets: 0,
            newest_frame: 0,
        }
    }

    /// The number of the call's next packet.
    pub(super) const fn next_number(&mut self) -> u32 {
        self.packets = self.packets.wrapping_add(1);
        self.packets
    }

    /// The newest frame that was taken.
    pub(super) const fn newest_frame(&self) -> u64 {
        self.newest_frame
    }

    /// Whether a frame was not taken yet: it may hold several messages.
    pub(super) const fn is_new_frame(&mut self, frame: u64) -> bool {
        core::mem::replace(&mut self.newest_frame, frame) != frame
    }

    pub(super) fn note_held(&mut self, what: Keep) {
        let held = self.was_held.unwrap_or_default();
        self.was_held = Some(held.and(what));
    }
}

/// Packets on their way to the store under one lock, and what has gone there so far.
#[derive(Debug, Default)]
pub(super) struct Pending {
    buffer: Option<Vec<u8>>,
    packets: u16,
    begun_at: u64,
    latest_at: u64,
    total: Total,
}

#[derive(Clone, Copy, Debug, Default)]
struct Total {
    packets: u32,
    bytes: u64,
    dropped: u32,
    first_at: Option<u64>,
    last_at: u64,
}

impl Pending {
    /// Adds a packet; what `mask` covers of it is overwritten.
    pub(super) fn put(
        &mut self,
        packet: &Packet<'_>,
        mask: Mask,
        lock: Lock,
        number: u64,
        ring: &mut Option<Ring>,
        counters: &mut Counters,
    ) {
        let is_taken = match ring {
            Some(_) => self.store(packet, mask, lock, number, ring),
            None => true,
        };
        if !is_taken {
            self.total.dropped += 1;
            counters.add(Counter::KeptPacketsDropped);
            return;
        }
        let total = &mut self.total;
        total.packets += 1;
        total.bytes += packet.bytes.len() as u64;
        total.first_at = Some(total.first_at.map_or(packet.at, |first| first.min(packet.at)));
        total.last_at = total.last_at.max(packet.at);
    }

    fn store(
        &mut self,
        packet: &Packet<'_>,
        mask: Mask,
        lock: Lock,
        number: u64,
        ring: &mut Option<Ring>,
    ) -> bool {
        let needed = MAX_PACKET_HEAD + packet.bytes.len();
        let has_room = self.buffer.as_ref().is_some_and(|buffer| Ring::room(buffer) >= needed);
        if !has_room || self.packets == u16::MAX {
            self.flush(lock, number, ring);
            let Some(ring) = ring else { return false };
            let is_large = needed + BUFFER_BYTES / 16 > BUFFER_BYTES;
            let buffer =
                if is_large { ring.large_buffer(packet.bytes.len()) } else { ring.buffer() };
            let Some(buffer) = buffer else { return false };
            self.buffer = Some(buffer);
            self.begun_at = packet.at;
        }
        let Some(buffer) = &mut self.buffer else { return false };
        packet.emit(buffer);
        let from = buffer.len() - packet.bytes.len();
        mask.apply(&mut buffer[from..]);
        self.packets += 1;
        self.latest_at = self.latest_at.max(packet.at);
        true
    }

    /// Whether there was any packet.
    pub(super) const fn has_any(&self) -> bool {
        self.total.packets > 0
    }

    /// When the first packet that waits came.
    pub(super) fn begun_at(&self) -> Option<u64> {
        self.buffer.as_ref().map(|_| self.begun_at)
    }

    /// Hands over what waits.
    pub(super) fn flush(&mut self, lock: Lock, number: u64, ring: &mut Option<Ring>) {
        let (Some(bytes), Some(ring)) = (self.buffer.take(), ring) else { return };
        let packets = core::mem::take(&mut self.packets);
        ring.push(Order::Write(Chunk { number, lock, packets, at: self.latest_at, bytes }));
    }

    /// Counts what `other` has, too.
    pub(super) fn add(&mut self, other: &Self) {
        let (own, other) = (&mut self.total, other.total);
        own.packets += other.packets;
        own.bytes += other.bytes;
        own.dropped += other.dropped;
        own.first_at = [own.first_at, other.first_at].into_iter().flatten().min();
        own.last_at = own.last_at.max(other.last_at);
    }

    /// Puts its figures into a call's facts.
    pub(super) fn describe(&self, facts: &mut Facts) {
        facts.packets = self.total.packets;
        facts.bytes = self.total.bytes;
        facts.dropped = self.total.dropped;
        facts.first_at = self.total.first_at.unwrap_or(facts.first_at);
        facts.last_at = self.total.last_at.max(facts.first_at);
    }
}

/// Where `datagram`'s payload begins in `frame`; `None` where it stands elsewhere, as one that was
/// joined from fragments does.
pub(super) fn payload_offset(datagram: &Datagram<'_>, frame: &Frame<'_>) -> Option<usize> {
    let at = (datagram.payload.as_ptr() as usize).checked_sub(frame.bytes.as_ptr() as usize)?;
    (at + datagram.payload.len() <= frame.bytes.len()).then_some(at)
}

/// Bytes of a frame up to the end of its RTP header (RFC 3550 §5.1, §5.3.1).
pub(super) fn rtp_header_len(datagram: &Datagram<'_>, frame: &Frame<'_>) -> usize {
    let header = |bytes: &[u8]| {
        let first = *bytes.first()?;
        let end = 12 + usize::from(first & 0x0f) * 4;
        if first & 0x10 == 0 {
            return Some(end);
        }
        let words = bytes.get(end + 2..end + 4)?;
        Some(end + 4 + usize::from(u16::from_be_bytes([words[0], words[1]])) * 4)
    };
    // What cannot be told is not kept.
    payload_offset(datagram, frame)
        .and_then(|offset| Some(offset + header(datagram.payload)?))
        .unwrap_or(0)
        .min(frame.bytes.len())
}
