//! A stored call's packets, one by one in the order of their capture, from any place on, in memory
//! that does not grow with the call.
//!
//! Chunks of one lock follow each other in order. A call has at most two of those rows (what a rule
//! kept at once, and what was held until its end); they are merged by the packets' numbers.

use core::ops::ControlFlow;
use std::io;

use embassy_time::Instant;

use crate::capture::{Frame, LinkType};
use crate::counters::Counters;
use crate::decode::{Datagram, Decoder, DecoderSettings, Options, PortSet};
use crate::store::ring::chunk::Lock;
use crate::store::ring::chunks::Chunks;
use crate::store::ring::packet::Packet;
use crate::wire::sip;

/// Reads packets again and again.
pub(super) struct Packets {
    chunks: Chunks,
    /// Places of chunks, by row. Four bytes for each 4 KiB of the call.
    rows: [Vec<u32>; 2],
    decoder: Decoder,
    counters: Counters,
    /// Chunks that the first look did not find whole.
    pub(super) missing: u32,
}

/// A place to begin at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    /// Of the chunk in each row.
    chunk: [usize; 2],
    /// The packet's number.
    number: u32,
}

/// One row as it is read.
#[derive(Default)]
struct Row {
    bytes: Vec<u8>,
    at: usize,
    /// The next chunk.
    next: usize,
}

impl Packets {
    /// Goes through everything once and hands every datagram to `sink`, rows one behind the other.
    pub(super) fn open(chunks: Chunks, sink: &mut impl FnMut(&Datagram<'_>)) -> io::Result<Self> {
        let decoder = Decoder::new(DecoderSettings {
            sip_ports: PortSet::from_iter([5060]),
            options: Options::default(),
            framing: sip::framing,
            seed: 0,
        });
        let rows = [Vec::new(), Vec::new()];
        let mut packets = Self { chunks, rows, decoder, counters: Counters::default(), missing: 0 };
        for place in 0..packets.chunks.len() {
            let Some(opened) = packets.chunks.read(place)? else { continue };
            let row = usize::from(opened.lock == Lock::Held);
            packets.rows[row].extend(u32::try_from(place));
            let mut rest = opened.bytes.as_slice();
            while let Some((packet, after)) = Packet::parse(rest) {
                packets.datagrams(&packet, sink);
                rest = after;
            }
        }
        packets.missing = packets.chunks.missing();
        packets.decoder.finish(&mut packets.counters, &mut |datagram, _| sink(datagram));
        Ok(packets)
    }

    /// Hands every datagram from a place on to `sink`, with its packet's place, until it has enough.
    pub(super) fn read(
        &mut self,
        from: Place,
        sink: &mut impl FnMut(&Datagram<'_>, Place) -> ControlFlow<()>,
    ) -> io::Result<()> {
        let mut rows = from.chunk.map(|next| Row { next, ..Row::default() });
        loop {
            for (number, row) in rows.iter_mut().enumerate() {
                while row.at == row.bytes.len() {
                    let Some(&place) = self.rows[number].get(row.next) else { break };
                    row.next += 1;
                    row.at = 0;
                    let opened = self.chunks.read(place as usize)?;
                    row.bytes = opened.map(|opened| opened.bytes).unwrap_or_default();
                }
            }
            let [one, other] = rows.each_ref().map(Row::packet);
            let (packet, advance) = match (one, other) {
                // Of a packet that is there with its headers only, too, the whole one counts.
                (Some(a), Some(b)) if a.0.number == b.0.number => {
                    let longer = if a.0.bytes.len() >= b.0.bytes.len() { a.0 } else { b.0 };
                    (longer, [a.1, b.1])
                }
                (Some(a), Some(b)) if a.0.number > b.0.number => (b.0, [0, b.1]),
                (Some(a), _) => (a.0, [a.1, 0]),
                (None, Some(b)) => (b.0, [0, b.1]),
                (None, None) => return Ok(()),
            };
            let place = Place {
                chunk: rows.each_ref().map(|row| row.next.saturating_sub(1)),
                number: packet.number,
            };
            let mut flow = ControlFlow::Continue(());
            if packet.number >= from.number {
                let Self { decoder, counters, .. } = self;
                decoder.handle_frame(&frame(&packet), counters, &mut |datagram, _| {
                    if flow.is_continue() {
                        flow = sink(datagram, place);
                    }
                });
            }
            for (row, bytes) in rows.iter_mut().zip(advance) {
                row.at += bytes;
            }
            if flow.is_break() {
                return Ok(());
            }
        }
    }

    fn datagrams(&mut self, packet: &Packet<'_>, sink: &mut impl FnMut(&Datagram<'_>)) {
        let Self { decoder, counters, .. } = self;
        decoder.handle_frame(&frame(packet), counters, &mut |datagram, _| sink(datagram));
    }
}

impl Row {
    /// The packet that comes next, and its bytes in the chunk.
    fn packet(&self) -> Option<(Packet<'_>, usize)> {
        let rest = self.bytes.get(self.at..).filter(|rest| !rest.is_empty())?;
        let (packet, after) = Packet::parse(rest)?;
        Some((packet, rest.len() - after.len()))
    }
}

const fn frame<'a>(packet: &Packet<'a>) -> Frame<'a> {
    Frame {
        at: Instant::from_micros(packet.at),
        interface: packet.interface,
        link_type: LinkType::from_number(packet.link_type),
        original_len: packet.original_len,
        bytes: packet.bytes,
    }
}
