//! The streams that are followed, by their addresses.

use core::net::SocketAddr;
use std::collections::HashMap;

use super::emitter::Carries;
use super::held::BufferId;
use crate::call::hash::Keyed;
use crate::limits::MAX_TCP_CONNECTIONS;

/// Each connection has two.
const MAX_STREAMS: usize = 2 * MAX_TCP_CONNECTIONS;

/// Streams by their addresses.
///
/// Holds two for each of [`MAX_TCP_CONNECTIONS`]. When full, the stream that was idle longest
/// leaves.
pub(super) struct Table {
    /// At most half full, so that it never grows: at that load std's map clears its tombstones in
    /// place.
    indices: HashMap<Key, usize, Keyed>,
    streams: Vec<Stream>,
    /// When each was used last, by count: a clock may run backwards. Beside the streams, so that
    /// looking for the idle one reads little memory.
    last_use: Vec<u64>,
    uses: u64,
}

/// One direction of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) src: SocketAddr,
    pub(super) dst: SocketAddr,
    pub(super) vlan: Option<u16>,
}

impl Key {
    /// The other direction.
    pub(super) const fn reversed(self) -> Self {
        Self { src: self.dst, dst: self.src, vlan: self.vlan }
    }
}

/// What is known of one direction of a connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stream {
    pub(super) key: Key,
    /// Capture interface and DSCP of its latest segment.
    pub(super) interface: u8,
    pub(super) dscp: u8,
    /// Sequence number of the first byte that has not been handed on or passed over; `None` until
    /// a segment tells.
    pub(super) start: Option<u32>,
    /// Settled by its ports, or by an upgrade to WebSocket.
    pub(super) carries: Carries,
    /// Whether messages came out of it.
    pub(super) has_given: bool,
    /// Where a SYN said that another connection begins.
    pub(super) syn: Option<u32>,
    /// Where the bytes from `start` on wait.
    pub(super) buffer: Option<BufferId>,
}

impl Table {
    pub(super) fn new(seed: u64) -> Self {
        let hasher = Keyed::new(seed);
        Self {
            indices: HashMap::with_capacity_and_hasher(2 * MAX_STREAMS, hasher),
            streams: Vec::with_capacity(MAX_STREAMS),
            last_use: Vec::with_capacity(MAX_STREAMS),
            uses: 0,
        }
    }

    pub(super) fn find(&self, key: &Key) -> Option<usize> {
        self.indices.get(key).copied()
    }

    pub(super) fn is_full(&self) -> bool {
        self.streams.len() == MAX_STREAMS
    }

    /// Begins to follow a stream. Gives its index, and the stream that left for it.
    pub(super) fn insert(&mut self, key: Key, carries: Carries) -> (usize, Option<Stream>) {
        let stream = Stream {
            key,
            interface: 0,
            dscp: 0,
            start: None,
            carries,
            has_given: false,
            syn: None,
            buffer: None,
        };
        let (index, left) = if self.is_full() {
            let index = self.longest_idle(0..MAX_STREAMS).unwrap_or(0);
            let left = core::mem::replace(&mut self.streams[index], stream);
            self.indices.remove(&left.key);
            (index, Some(left))
        } else {
            self.streams.push(stream);
            self.last_use.push(0);
            (self.streams.len() - 1, None)
        };
        self.indices.insert(key, index);
        self.touch(index);
        (index, left)
    }

    pub(super) fn touch(&mut self, index: usize) {
        self.uses += 1;
        self.last_use[index] = self.uses;
    }

    /// Whichever of these streams was idle longest.
    pub(super) fn longest_idle(&self, indices: impl Iterator<Item = usize>) -> Option<usize> {
        indices.min_by_key(|&index| self.last_use[index])
    }

    pub(super) fn stream(&mut self, index: usize) -> &mut Stream {
        &mut self.streams[index]
    }

    #[cfg(test)]
    pub(super) fn buffer_of(&self, index: usize) -> Option<BufferId> {
        self.streams[index].buffer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: usize) -> Key {
        let port = u16::try_from(number % 60_000).expect("a port");
        let last = u8::try_from(number / 60_000).expect("a byte");
        Key {
            src: SocketAddr::from(([192, 0, 2, last], port)),
            dst: SocketAddr::from(([192, 0, 2, 1], 5060)),
            vlan: None,
        }
    }

    #[test]
    fn evict_the_stream_that_was_idle_longest_without_growing() {
        let mut table = Table::new(1);
        let capacity = table.indices.capacity();
        for number in 0..MAX_STREAMS {
            assert!(table.insert(key(number), Carries::Sip).1.is_none());
        }
        table.touch(0);
        for number in MAX_STREAMS..5 * MAX_STREAMS {
            let left = table.insert(key(number), Carries::Sip).1.expect("it was full");
            if number == MAX_STREAMS {
                assert_eq!(left.key, key(1));
                assert_eq!(table.find(&key(1)), None);
                assert_eq!(table.find(&key(0)), Some(0));
            }
        }
        assert_eq!(table.indices.len(), MAX_STREAMS);
        assert_eq!(table.indices.capacity().max(capacity), capacity);
    }
}
