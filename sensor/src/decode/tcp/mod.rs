//! SIP over TCP (RFC 3261 §18.3) and over WebSocket (RFC 7118), HEP over TCP: streams put back in
//! order (RFC 9293 §3.4), messages cut out.
//!
//! The two directions of a connection are followed apart from each other. A stream is joined
//! wherever it is first seen. What was seen before is passed over; what comes early waits behind
//! its gap; a gap that does not close is given up, and reading goes on behind it.
//!
//! Anybody can send a segment with somebody else's addresses. A spoofed one may cost a message; it
//! does not change what a known stream carries: for that it would have to hit its sequence number.
//!
//! Which streams are followed is said by their ports, but for WebSocket: it shares its ports with
//! all of the web, so there a stream is followed from the moment a server agrees to SIP
//! ([`upgrade`]); a connection that was open before the capture began is not seen.

mod emitter;
mod held;
mod segment;
mod table;
mod upgrade;

use core::net::{IpAddr, SocketAddr};

use embassy_time::{Duration, Instant};
use ringside_protocol::counters::Counter;

pub(super) use self::emitter::Carries;
use self::emitter::Emitter;
use self::held::{BufferId, Pool};
pub(super) use self::segment::Segment;
use self::table::{Key, Table};
pub(super) use self::upgrade::begins as begins_upgrade;
use super::{Context, Datagram, FindMessage, Looked};
use crate::counters::Counters;
use crate::limits::MAX_TCP_BUFFER;

/// How long a gap may stay open, in packet time. Retransmissions come sooner (RFC 6298: 1 s at
/// first); what the capture lost never comes.
const GAP_TIMEOUT: Duration = Duration::from_secs(2);

/// A sequence number this far from the expected one belongs to another connection that uses the
/// same ports.
const SAME_STREAM: u32 = 1 << 20;

/// What changes a known stream (RST, an upgrade) has to stand this near to the expected byte: whoever
/// cannot see the connection would have to guess (RFC 5961 §3).
const NEAR: u32 = 1 << 16;

/// Streams that carry SIP.
pub(super) struct Tcp {
    table: Table,
    pool: Pool,
    /// Where WebSocket messages are unmasked.
    room: Box<[u8]>,
    /// Whether an upgrade was ever seen: until then no stream is looked for on the web's ports.
    has_websockets: bool,
    framing: FindMessage,
    /// When the oldest gap is to be given up.
    deadline: Option<Instant>,
}

impl Tcp {
    pub(super) fn new(framing: FindMessage, seed: u64) -> Self {
        Self {
            table: Table::new(seed),
            pool: Pool::new(),
            room: vec![0; MAX_TCP_BUFFER].into_boxed_slice(),
            has_websockets: false,
            framing,
            deadline: None,
        }
    }

    /// Takes a segment and hands on the messages that it completes. `carries`: what its ports
    /// promise.
    pub(super) fn handle(
        &mut self,
        (src, dst): (IpAddr, IpAddr),
        segment: &Segment<'_>,
        carries: Carries,
        context: Context,
        counters: &mut Counters,
        sink: &mut impl FnMut(&Datagram<'_>, &mut Counters),
    ) {
        let key = Key {
            src: SocketAddr::new(src, segment.src_port),
            dst: SocketAddr::new(dst, segment.dst_port),
            vlan: context.vlan,
        };
        if let Some(head_len) = upgrade::accepted(segment.payload)
            && !self.upgrade(key, segment, head_len, counters)
        {
            return;
        }
        let index = match carries {
            Carries::Nothing if !self.has_websockets => return,
            Carries::Nothing => self.table.find(&key),
            _ => self.find_or_insert(key, segment, carries, counters),
        };
        let Some(index) = index else { return };
        self.table.touch(index);
        let stream = self.table.stream(index);
        stream.interface = context.interface;
        stream.dscp = context.dscp;
        if segment.rst {
            if self.is_near(index, segment.sequence_number) {
                self.close(index, carries, None);
                if let Some(other) = self.table.find(&key.reversed()) {
                    self.close(other, carries, None);
                }
            }
            return;
        }
        let start = segment.sequence_number.wrapping_add(segment.syn.into());
        if segment.syn {
            self.note_syn(index, start);
        }
        let data = Data { start, len: segment.payload_len, bytes: segment.payload };
        if data.len > 0 && self.table.stream(index).carries != Carries::Nothing {
            self.take(index, data, context.at, counters, sink);
        }
        if segment.fin {
            self.end(index, data.end(), carries, counters);
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
        carries: Carries,
        counters: &mut Counters,
    ) -> Option<usize> {
        if let Some(index) = self.table.find(&key) {
            return Some(index);
        }
        let is_wanted = segment.payload_len > 0 || segment.syn && !self.table.is_full();
        if !is_wanted || segment.rst {
            return None;
        }
        Some(self.insert(key, carries, counters))
    }

    /// The index of a new stream.
    fn insert(&mut self, key: Key, carries: Carries, counters: &mut Counters) -> usize {
        let (index, left) = self.table.insert(key, carries);
        if let Some(left) = left {
            counters.add(Counter::TcpTableFull);
            if let Some(buffer) = left.buffer {
                self.pool.give_back(buffer);
            }
        }
        index
    }

    /// Both directions carry WebSocket from here on: the server's behind its answer of `head_len`
    /// bytes, the client's from the byte that it acknowledges. `false` where the answer cannot be
    /// one of this connection.
    #[cold]
    fn upgrade(
        &mut self,
        server: Key,
        answer: &Segment<'_>,
        head_len: usize,
        counters: &mut Counters,
    ) -> bool {
        let start = advance(answer.sequence_number, head_len);
        if let Some(index) = self.table.find(&server)
            && matches!(self.table.stream(index).carries, Carries::WebSocket { .. })
            && self.is_repeated(index, start)
        {
            return true;
        }
        let client = server.reversed();
        let (next, acknowledged) = (answer.sequence_number, answer.acknowledgment_number);
        if !self.may_upgrade(&server, next) || !self.may_upgrade(&client, acknowledged) {
            return false;
        }
        counters.add(Counter::WebSocketConnections);
        self.has_websockets = true;
        for (key, is_client, start) in
            [(server, false, start), (client, true, answer.acknowledgment_number)]
        {
            let carries = Carries::WebSocket { is_client, to_skip: 0 };
            let index = match self.table.find(&key) {
                Some(index) => index,
                None => self.insert(key, carries, counters),
            };
            self.table.touch(index);
            self.table.stream(index).carries = carries;
            self.restart(index, Some(start));
        }
        true
    }

    /// Whether a direction may turn to WebSocket at this sequence number: not one that has given
    /// SIP.
    fn may_upgrade(&mut self, key: &Key, at: u32) -> bool {
        let Some(index) = self.table.find(key) else { return true };
        let stream = self.table.stream(index);
        match stream.carries {
            Carries::Nothing => true,
            _ if stream.has_given => false,
            Carries::WebSocket { .. } => true,
            Carries::Sip | Carries::Hep => self.is_near(index, at),
        }
    }

    /// Whether a sequence number is about where a stream goes on, or nobody knows where that is.
    fn is_near(&mut self, index: usize, sequence_number: u32) -> bool {
        self.expected(index).is_none_or(|expected| {
            let ahead = sequence_number.wrapping_sub(expected);
            ahead.min(ahead.wrapping_neg()) <= NEAR
        })
    }

    /// A connection begins at `start`. Where another one with these addresses is followed, it counts
    /// only with the data that follow it.
    fn note_syn(&mut self, index: usize, start: u32) {
        let stream = self.table.stream(index);
        match stream.start {
            None => self.restart(index, Some(start)),
            Some(_) => stream.syn = Some(start),
        }
    }

    /// The connection is over; its ports may be used again for what they promise.
    fn close(&mut self, index: usize, carries: Carries, start: Option<u32>) {
        let stream = self.table.stream(index);
        stream.carries = carries;
        stream.has_given = false;
        self.restart(index, start);
    }

    /// Whether the answer that ends at `start` belongs to the connection that is followed.
    fn is_repeated(&mut self, index: usize, start: u32) -> bool {
        let known = self.table.stream(index).start;
        known.is_some_and(|known| known.wrapping_sub(start) < SAME_STREAM)
    }

    /// Forgets what waits, and goes on at `start`.
    fn restart(&mut self, index: usize, start: Option<u32>) {
        let stream = self.table.stream(index);
        stream.start = start;
        stream.syn = None;
        if let Carries::WebSocket { to_skip, .. } = &mut stream.carries {
            *to_skip = 0;
        }
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
            } else if ahead >= SAME_STREAM && self.table.stream(index).syn == Some(data.start) {
                self.restart(index, Some(data.start));
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
            let mut emitter = self.emitter(index, now);
            let consumed =
                emitter.emit(bytes, &mut Looked::default(), &mut self.room, counters, sink);
            self.note_emitted(index, &emitter);
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
        let mut emitter = self.emitter(index, at);
        let mut looked = self.pool.held(buffer).looked;
        let held = self.pool.bytes(buffer);
        let consumed = emitter.emit(held, &mut looked, &mut self.room, counters, sink);
        self.note_emitted(index, &emitter);
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
        if let Carries::WebSocket { to_skip, .. } = &mut self.table.stream(index).carries {
            *to_skip = to_skip.saturating_sub(skipped as u64);
        }
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
    fn end(&mut self, index: usize, end: u32, carries: Carries, counters: &mut Counters) {
        if self.expected(index) != Some(end) {
            return;
        }
        let unfinished = self.table.stream(index).buffer.map(|buffer| self.pool.held(buffer).len);
        counters.add_many(Counter::TcpSkippedBytes, unfinished.unwrap_or(0) as u64);
        self.close(index, carries, Some(end.wrapping_add(1)));
    }

    fn note_emitted(&mut self, index: usize, emitter: &Emitter) {
        let stream = self.table.stream(index);
        stream.carries = emitter.carries;
        stream.has_given |= emitter.has_given;
    }

    fn emitter(&mut self, index: usize, at: Instant) -> Emitter {
        let stream = self.table.stream(index);
        Emitter {
            framing: self.framing,
            carries: stream.carries,
            has_given: false,
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
