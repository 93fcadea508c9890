//! SIP over TCP (RFC 3261 §18.3): streams put back in order (RFC 9293 §3.4), messages cut out.
//!
//! The two directions of a connection are followed apart from each other. A stream is joined
//! wherever it is first seen. What was seen before is passed over; what comes early waits behind
//! its gap; a gap that does not close is given up, and reading goes on behind it.

mod emitter;
mod held;
mod segment;
mod table;

use core::net::{IpAddr, SocketAddr};

use embassy_time::{Duration, Instant};
use ringside_protocol::counters::Counter;

use self::emitter::Emitter;
use self::held::{BufferId, Pool};
pub(super) use self::segment::Segment;
use self::table::{Key, Table};
use super::{Context, Datagram, FindMessage, Looked};
use crate::counters::Counters;

/// How long a gap may stay open, in packet time. Retransmissions come sooner (RFC 6298: 1 s at
/// first); what the capture lost never comes.
const GAP_TIMEOUT: Duration = Duration::from_secs(2);

/// A sequence number this far from the expected one belongs to another connection that uses the
/// same ports.
const SAME_STREAM: u32 = 1 << 20;

/// Streams of SIP over TCP.
pub(super) struct Tcp {
    table: Table,
    pool: Pool,
    framing: FindMessage,
    /// When the oldest gap is to be given up.
    deadline: Option<Instant>,
}

impl Tcp {
    pub(super) fn new(framing: FindMessage, seed: u64) -> Self {
        Self { table: Table::new(seed), pool: Pool::new(), framing, deadline: None }
    }

    /// Takes a segment and hands on the messages that it completes.
    pub(super) fn handle(
        &mut self,
        (src, dst): (IpAddr, IpAddr),
        segment: &Segment<'_>,
        context: Context,
        counters: &mut Counters,
        sink: &mut impl FnMut(&Datagram<'_>, &mut Counters),
    ) {
        let key = Key {
            src: SocketAddr::new(src, segment.src_port),
            dst: SocketAddr::new(dst, segment.dst_port),
            vlan: context.vlan,
        };
        let Some(index) = self.find_or_insert(key, segment, counters) else { return };
        self.table.touch(index);
        let stream = self.table.stream(index);
        stream.interface = context.interface;
        stream.dscp = context.dscp;
        if segment.rst {
            self.restart(index, None);
            return;
        }
        let start = segment.sequence_number.wrapping_add(segment.syn.into());
        if segment.syn && !self.is_repeated_syn(index, start) {
            self.restart(index, Some(start));
        }
        let data = Data { start, len: segment.payload_len, bytes: segment.payload };
        if data.len > 0 {
            self.take(index, data, context.at, counters, sink);
        }
        if segment.fin {
            self.end(index, data.end(), counters);
        }
    }

    /// Gives up gaps that have been open too long, and hands on what came behind them.
    #[inline]
    pub(super) fn handle_timeout(
        &mut self,
        now: Instant,
        counters: &mut Counters,
        sink: &mut impl FnMut(&Datagram<'_>, &mut Counters),
    ) {
        if self.deadline.is_some_and(|deadline| deadline <= now) {
            self.give_up_gaps(now, counters, sink);
        }
    }

    #[cold]
    fn give_up_gaps(
        &mut self,
        now: Instant,
        counters: &mut Counters,
        sink: &mut impl FnMut(&Datagram<'_>, &mut Counters),
    ) {
        let oldest = |tcp: &Self| {
            let gaps =
                tcp.pool.in_use().filter_map(|(_, held)| Some((held.gap_since?, held.stream?)));
            gaps.min_by_key(|&(since, _)| since)
        };
        while let Some((since, index)) = oldest(self) {
            self.deadline = Some(since + GAP_TIMEOUT);
            if since + GAP_TIMEOUT > now || !self.skip_gap(index, now, counters, sink) {
                return;
            }
        }
        self.deadline = None;
    }

    /// Gives up every gap: nothing more will come.
    pub(super) fn finish(
        &mut self,
        counters: &mut Counters,
        sink: &mut impl FnMut(&Datagram<'_>, &mut Counters),
    ) {
        let gap =
            |tcp: &Self| tcp.pool.in_use().find_map(|(_, held)| held.gap_since.and(held.stream));
        while let Some(index) = gap(self) {
            if !self.skip_gap(index, Instant::MIN, counters, sink) {
                break;
            }
        }
        self.deadline = None;
    }

    /// The stream's index. Only data makes room for a new stream in a full table: connection
    /// attempts alone, which cost a sender nothing, cannot push out others.
    fn find_or_insert(
        &mut self,
        key: Key,
        segment: &Segment<'_>,
        counters: &mut Counters,
    ) -> Option<usize> {
        if let Some(index) = self.table.find(&key) {
            return Some(index);
        }
        let is_wanted = segment.payload_len > 0 || segment.syn && !self.table.is_full();
        if !is_wanted || segment.rst {
            return None;
        }
        let (index, left) = self.table.insert(key);
        if let Some(left) = left {
            counters.add(Counter::TcpTableFull);
            if let Some(buffer) = left.buffer {
                self.pool.give_back(buffer);
            }
        }
        Some(index)
    }

    /// Whether a SYN belongs to the connection that is being followed.
    fn is_repeated_syn(&mut self, index: usize, start: u32) -> bool {
        let known = self.table.stream(index).start;
        known.is_some_and(|known| known.wrapping_sub(start) < SAME_STREAM)
    }

    /// Forgets what waits, and goes on at `start`.
    fn restart(&mut self, index: usize, start: Option<u32>) {
        let stream = self.table.stream(index);
        stream.start = start;
        if let Some(buffer) = stream.buffer.take() {
            self.pool.give_back(buffer);
        }
    }

    /// The sequence number of the first byte that has not come.
    fn expected(&mut self, index: usize) -> Option<u32> {
        let stream = self.table.stream(index);
        let held = stream.buffer.map_or(0, |buffer| self.pool.held(buffer).len);
        Some(advance(stream.start?, held))
    }

    /// Puts data where it belongs: it repeats, continues, or runs ahead of what has come.
    fn take(
        &mut self,
        index: usize,
        mut data: Data<'_>,
        now: Instant,
        counters: &mut Counters,
        sink: &mut impl FnMut(&Datagram<'_>, &mut Counters),
    ) {
        loop {
            let Some(expected) = self.expected(index) else {
                self.restart(index, Some(data.start));
                continue;
            };
            let ahead = data.start.wrapping_sub(expected);
            let behind = expected.wrapping_sub(data.start);
            if ahead == 0 {
                break;
            } else if behind < SAME_STREAM {
                if behind as usize >= data.len {
                    return;
                }
                data = data.without_first(behind as usize);
                break;
            } else if ahead >= SAME_STREAM {
                counters.add(Counter::TcpGaps);
                self.restart(index, Some(data.start));
            } else if self.keep(index, ahead as usize, &data, now, counters) {
                return;
            } else if !self.skip_gap(index, now, counters, sink) {
                counters.add(Counter::TcpGaps);
                self.restart(index, Some(data.start));
            }
        }
        self.take_next(index, data.bytes, now, counters, sink);
        if data.bytes.len() < data.len {
            // The capture cut the rest off, and so the message.
            counters.add(Counter::TcpGaps);
            self.restart(index, Some(data.end()));
        }
    }

    /// Takes the bytes that come next.
    fn take_next(
        &mut self,
        index: usize,
        mut bytes: &[u8],
        now: Instant,
        counters: &mut Counters,
        sink: &mut impl FnMut(&Datagram<'_>, &mut Counters),
    ) {
        if self.table.stream(index).buffer.is_none() {
            let emitter = self.emitter(index, now);
            let consumed = emitter.emit(bytes, &mut Looked::default(), counters, sink);
            self.advance_start(index, consumed);
            bytes = &bytes[consumed..];
        }
        while !bytes.is_empty() {
            let buffer = self.buffer(index, counters);
            let taken = self.pool.append(buffer, bytes);
            bytes = &bytes[taken..];
            if !self.read_held(index, buffer, now, counters, sink) && taken == 0 {
                counters.add(Counter::SipTooLarge);
                let len = self.pool.held(buffer).len;
                self.pool.note_looked(buffer, Looked::default());
                self.consume(index, buffer, len);
            }
        }
    }

    /// Hands on the messages at the front of a buffer; `false` when nothing there could be used.
    fn read_held(
        &mut self,
        index: usize,
        buffer: BufferId,
        at: Instant,
        counters: &mut Counters,
        sink: &mut impl FnMut(&Datagram<'_>, &mut Counters),
    ) -> bool {
        let emitter = self.emitter(index, at);
        let mut looked = self.pool.held(buffer).looked;
        let consumed = emitter.emit(self.pool.bytes(buffer), &mut looked, counters, sink);
        self.pool.note_looked(buffer, looked);
        self.consume(index, buffer, consumed);
        consumed > 0
    }

    /// Takes bytes off the front of a stream; a buffer that gets empty goes back to the pool.
    fn consume(&mut self, index: usize, buffer: BufferId, count: usize) {
        if count > 0 {
            self.pool.consume(buffer, count);
            self.advance_start(index, count);
        }
        if self.pool.held(buffer).is_empty() {
            self.table.stream(index).buffer = None;
            self.pool.give_back(buffer);
        }
    }

    fn advance_start(&mut self, index: usize, count: usize) {
        let stream = self.table.stream(index);
        stream.start = stream.start.map(|start| advance(start, count));
    }

    /// Keeps data that came early; `false` when there is no room for it.
    fn keep(
        &mut self,
        index: usize,
        ahead: usize,
        data: &Data<'_>,
        now: Instant,
        counters: &mut Counters,
    ) -> bool {
        let buffer = self.buffer(index, counters);
        let is_kept = self.pool.keep(buffer, ahead, data.bytes, now).is_ok();
        if is_kept {
            let deadline = now + GAP_TIMEOUT;
            self.deadline = Some(self.deadline.map_or(deadline, |earlier| earlier.min(deadline)));
        } else if self.pool.held(buffer).is_empty() {
            self.consume(index, buffer, 0);
        }
        is_kept
    }

    /// Gives up a stream's first gap and the message before it; `false` when it has none.
    fn skip_gap(
        &mut self,
        index: usize,
        now: Instant,
        counters: &mut Counters,
        sink: &mut impl FnMut(&Datagram<'_>, &mut Counters),
    ) -> bool {
        let Some(buffer) = self.table.stream(index).buffer else { return false };
        let Some((skipped, at)) = self.pool.skip_gap(buffer, now) else { return false };
        counters.add(Counter::TcpGaps);
        self.advance_start(index, skipped);
        self.read_held(index, buffer, at, counters, sink);
        true
    }

    /// The stream's buffer, or a new one. When all are in use, the stream that was idle longest
    /// loses what it held.
    fn buffer(&mut self, index: usize, counters: &mut Counters) -> BufferId {
        if let Some(buffer) = self.table.stream(index).buffer {
            return buffer;
        }
        loop {
            if let Some(buffer) = self.pool.take(index) {
                self.table.stream(index).buffer = Some(buffer);
                return buffer;
            }
            let holders = self.pool.in_use().filter_map(|(_, held)| held.stream);
            if let Some(idle) = self.table.longest_idle(holders) {
                counters.add(Counter::TcpTableFull);
                let expected = self.expected(idle);
                self.restart(idle, expected);
            }
        }
    }

    /// A stream that ends in order drops the message that it did not finish.
    fn end(&mut self, index: usize, end: u32, counters: &mut Counters) {
        if self.expected(index) != Some(end) {
            return;
        }
        let unfinished = self.table.stream(index).buffer.map(|buffer| self.pool.held(buffer).len);
        counters.add_many(Counter::TcpSkippedBytes, unfinished.unwrap_or(0) as u64);
        self.restart(index, Some(end.wrapping_add(1)));
    }

    fn emitter(&mut self, index: usize, at: Instant) -> Emitter {
        let stream = self.table.stream(index);
        Emitter {
            framing: self.framing,
            key: stream.key,
            context: Context {
                at,
                interface: stream.interface,
                vlan: stream.key.vlan,
                dscp: stream.dscp,
            },
        }
    }
}

/// A segment's data at its place in the stream.
#[derive(Clone, Copy)]
struct Data<'a> {
    start: u32,
    /// On the wire.
    len: usize,
    /// As captured.
    bytes: &'a [u8],
}

impl Data<'_> {
    fn end(&self) -> u32 {
        advance(self.start, self.len)
    }

    fn without_first(self, count: usize) -> Self {
        Self {
            start: advance(self.start, count),
            len: self.len - count,
            bytes: self.bytes.get(count..).unwrap_or_default(),
        }
    }
}

/// Sequence numbers are counted modulo 2^32.
#[expect(clippy::cast_possible_truncation, reason = "lengths of segments and buffers")]
const fn advance(sequence_number: u32, by: usize) -> u32 {
    sequence_number.wrapping_add(by as u32)
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
