//! Joins the fragments of IP packets (RFC 791 §3.2, RFC 8200 §4.5).
//!
//! Fragments come in any order, some twice, some never. A set of fragments that contradict each
//! other is refused as a whole (RFC 5722, and for IPv4 alike): what an attacker shows to the
//! sensor would otherwise depend on who overlaps whom.

use core::net::IpAddr;
use core::ops::Range;

use embassy_time::{Duration, Instant};
use ringside_protocol::counters::Counter;
use smoltcp::wire::IpProtocol;

use super::ip::{Fragment, Packet, Upper};
use super::units::Units;
use crate::counters::Counters;
use crate::limits::MAX_FRAGMENTED;

/// How long a packet waits for its fragments, in packet time (Linux: `ipfrag_time`).
const TIMEOUT: Duration = Duration::from_secs(30);

/// Bytes of the longest packet, its header not counted.
const MAX_PACKET: usize = 65_536;

/// Packets that are being joined.
///
/// Holds [`MAX_FRAGMENTED`]. When full, the packet that has waited longest leaves and is counted.
pub(super) struct Reassembler {
    slots: Box<[Option<Slot>]>,
    units: Box<[Units]>,
    /// [`MAX_PACKET`] bytes a slot: 4 MiB, of which the system gives only what is written to.
    bytes: Box<[u8]>,
}

/// Whose fragments belong together. Not the interface: the two halves of a mirrored link may share
/// a packet's fragments.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Key {
    src: IpAddr,
    dst: IpAddr,
    ident: u32,
    /// Of IPv4 only: fragments of an IPv6 packet may differ in it.
    protocol: Option<IpProtocol>,
    vlan: Option<u16>,
}

struct Slot {
    key: Key,
    /// When its first fragment came.
    began_at: Instant,
    /// Of the fragment at offset 0.
    protocol: Option<IpProtocol>,
    /// Known from the last fragment.
    len: Option<usize>,
    /// How many bytes from the packet's start are really there: the capture may have cut some.
    captured: usize,
    /// Fragments contradicted each other: takes no more, gives nothing.
    is_refused: bool,
}

impl Reassembler {
    pub(super) fn new() -> Self {
        Self {
            slots: (0..MAX_FRAGMENTED).map(|_| None).collect(),
            units: vec![Units::default(); MAX_FRAGMENTED].into_boxed_slice(),
            bytes: vec![0; MAX_FRAGMENTED * MAX_PACKET].into_boxed_slice(),
        }
    }

    /// Takes a fragment; gives the packet's payload when it was the last one missing.
    pub(super) fn handle(
        &mut self,
        packet: &Packet<'_>,
        fragment: Fragment,
        vlan: Option<u16>,
        now: Instant,
        counters: &mut Counters,
    ) -> Option<Upper<'_>> {
        counters.add(Counter::Fragments);
        self.handle_timeout(now, counters);
        let Some(place) = place(packet.payload_len, fragment) else {
            counters.add(Counter::FragmentsBad);
            return None;
        };
        let key = Key {
            src: packet.src,
            dst: packet.dst,
            ident: fragment.ident,
            protocol: packet.src.is_ipv4().then_some(packet.protocol),
            vlan,
        };
        let index = self.find_or_begin(key, now, counters);
        let slot = self.slots[index].as_mut()?;
        let bytes = &mut self.bytes[index * MAX_PACKET..][..MAX_PACKET];
        let units = &mut self.units[index];
        match slot.insert(packet, fragment, place, bytes, units) {
            Inserted::Waits => None,
            Inserted::Contradicts => {
                counters.add(Counter::FragmentsBad);
                None
            }
            Inserted::Completes { protocol, len } => {
                let captured = slot.captured.min(len);
                self.slots[index] = None;
                Some(Upper { protocol, payload_len: len, payload: &bytes[..captured] })
            }
        }
    }

    /// Lets go of packets that have waited too long.
    pub(super) fn handle_timeout(&mut self, now: Instant, counters: &mut Counters) {
        for slot in &mut self.slots {
            // What comes from a clock that has gone back since is late as well.
            let is_late = |slot: &Slot| {
                now.as_micros().abs_diff(slot.began_at.as_micros()) > TIMEOUT.as_micros()
            };
            if let Some(late) = slot.take_if(|slot| is_late(slot))
                && !late.is_refused
            {
                counters.add(Counter::FragmentsTimedOut);
            }
        }
    }

    /// Lets go of every packet: nothing more will come.
    pub(super) fn finish(&mut self, counters: &mut Counters) {
        let left = self.slots.iter_mut().filter_map(Option::take).filter(|slot| !slot.is_refused);
        counters.add_many(Counter::FragmentsTimedOut, left.count() as u64);
    }

    /// The slot of `key`, an empty one, or that of the packet which has waited longest.
    fn find_or_begin(&mut self, key: Key, now: Instant, counters: &mut Counters) -> usize {
        let is_same = |slot: &Option<Slot>| slot.as_ref().is_some_and(|slot| slot.key == key);
        if let Some(index) = self.slots.iter().position(is_same) {
            return index;
        }
        let index = self.slots.iter().position(Option::is_none).unwrap_or_else(|| {
            counters.add(Counter::FragmentTableFull);
            self.oldest()
        });
        self.units[index] = Units::default();
        self.slots[index] = Some(Slot {
            key,
            began_at: now,
            protocol: None,
            len: None,
            captured: MAX_PACKET,
            is_refused: false,
        });
        index
    }

    fn oldest(&self) -> usize {
        let began_at = |(_, slot): &(usize, &Option<Slot>)| slot.as_ref().map(|slot| slot.began_at);
        self.slots.iter().enumerate().min_by_key(began_at).map_or(0, |(index, _)| index)
    }
}

enum Inserted {
    Waits,
    Contradicts,
    Completes { protocol: IpProtocol, len: usize },
}

impl Slot {
    fn insert(
        &mut self,
        packet: &Packet<'_>,
        fragment: Fragment,
        place: Range<usize>,
        bytes: &mut [u8],
        units: &mut Units,
    ) -> Inserted {
        if self.is_refused {
            return Inserted::Waits;
        }
        let captured = packet.payload.len().min(place.len());
        let captured_bytes = &packet.payload[..captured];
        let is_last = !fragment.more;
        let present = units.count(&place);
        if present == Units::in_range(&place) {
            let known = captured.min(self.captured.saturating_sub(place.start));
            let has_same_end = match self.len {
                Some(len) if is_last => place.end == len,
                Some(len) => place.end < len,
                None => !is_last,
            };
            let is_repeated =
                has_same_end && bytes[place.start..][..known] == captured_bytes[..known];
            return if is_repeated { Inserted::Waits } else { self.refuse() };
        }
        let is_beyond_end = self.len.is_some_and(|len| is_last || place.end > len);
        let ends_before_others = is_last && units.end() > place.end;
        if present > 0 || is_beyond_end || ends_before_others {
            return self.refuse();
        }
        units.set(&place);
        bytes[place.start..][..captured].copy_from_slice(captured_bytes);
        if captured < place.len() {
            self.captured = self.captured.min(place.start + captured);
        }
        if fragment.offset == 0 {
            self.protocol = Some(packet.protocol);
        }
        if is_last {
            self.len = Some(place.end);
        }
        match (self.protocol, self.len) {
            (Some(protocol), Some(len)) if units.is_full_to(len) => {
                Inserted::Completes { protocol, len }
            }
            _ => Inserted::Waits,
        }
    }

    fn refuse(&mut self) -> Inserted {
        self.is_refused = true;
        Inserted::Contradicts
    }
}

/// Where in the packet the fragment goes; `None` when it is empty, too far behind, or ends between
/// units although more follow.
fn place(len: usize, fragment: Fragment) -> Option<Range<usize>> {
    let end = fragment.offset + len;
    let is_aligned = !fragment.more || len.is_multiple_of(Units::BYTES);
    (len > 0 && end < MAX_PACKET && is_aligned).then_some(fragment.offset..end)
}

#[cfg(test)]
#[path = "fragment_tests.rs"]
mod tests;
