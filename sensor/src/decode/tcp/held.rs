//! Bytes of TCP streams that wait: the beginning of a message, or what came behind a gap.
//!
//! ```text
//!          0        len              pieces[0]          pieces[1]
//!          |=========|      gap      |========|   gap   |=====|
//!          part of a message         came too early
//! ```
//!
//! Most segments hold whole messages and need none of this, so there are fewer buffers than
//! streams.

use core::ops::Range;

use embassy_time::Instant;
use heapless::Vec;

use crate::decode::Looked;
use crate::limits::{MAX_TCP_BUFFER, MAX_TCP_BUFFERS, MAX_TCP_PIECES};

/// Every buffer, 16 MiB, of which the system gives only what is written to.
pub(super) struct Pool {
    bytes: Box<[u8]>,
    held: Box<[Held]>,
    /// The free ones; those used last are used first, so memory once touched is touched again.
    free: std::vec::Vec<BufferId>,
}

/// Names a buffer of the pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BufferId(usize);

/// What one buffer holds.
#[derive(Clone, Default)]
pub(super) struct Held {
    /// The stream that it belongs to; `None` while it is free.
    pub(super) stream: Option<usize>,
    /// Bytes without a gap from the start.
    pub(super) len: usize,
    /// How far they were looked at.
    pub(super) looked: Looked,
    /// Ascending, apart from each other and from `len`.
    pieces: Vec<Piece, MAX_TCP_PIECES>,
    /// Since when the first gap waits to be filled.
    pub(super) gap_since: Option<Instant>,
}

/// Bytes behind a gap.
#[derive(Clone, Debug)]
struct Piece {
    place: Range<usize>,
    /// When the last of it came.
    at: Instant,
}

/// There is no room for a piece: the gap before it has to be given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NoRoom;

impl Pool {
    pub(super) fn new() -> Self {
        Self {
            bytes: vec![0; MAX_TCP_BUFFERS * MAX_TCP_BUFFER].into_boxed_slice(),
            held: vec![Held::default(); MAX_TCP_BUFFERS].into_boxed_slice(),
            free: (0..MAX_TCP_BUFFERS).rev().map(BufferId).collect(),
        }
    }

    /// A free buffer for a stream.
    pub(super) fn take(&mut self, stream: usize) -> Option<BufferId> {
        let buffer = self.free.pop()?;
        self.held[buffer.0] = Held { stream: Some(stream), ..Held::default() };
        Some(buffer)
    }

    pub(super) fn give_back(&mut self, buffer: BufferId) {
        self.held[buffer.0].stream = None;
        self.free.push(buffer);
    }

    pub(super) fn held(&self, buffer: BufferId) -> &Held {
        &self.held[buffer.0]
    }

    /// The bytes without a gap.
    pub(super) fn bytes(&self, buffer: BufferId) -> &[u8] {
        &self.bytes[buffer.0 * MAX_TCP_BUFFER..][..self.held[buffer.0].len]
    }

    /// Every buffer in use.
    pub(super) fn in_use(&self) -> impl Iterator<Item = (BufferId, &Held)> {
        let is_used = |(_, held): &(usize, &Held)| held.stream.is_some();
        self.held.iter().enumerate().filter(is_used).map(|(index, held)| (BufferId(index), held))
    }

    fn parts(&mut self, buffer: BufferId) -> (&mut Held, &mut [u8]) {
        let bytes = &mut self.bytes[buffer.0 * MAX_TCP_BUFFER..][..MAX_TCP_BUFFER];
        (&mut self.held[buffer.0], bytes)
    }

    /// Adds what comes next in order, and the pieces that it reaches; as much as there is room
    /// for. Gives how many bytes it took.
    pub(super) fn append(&mut self, buffer: BufferId, bytes: &[u8]) -> usize {
        let (held, room) = self.parts(buffer);
        let taken = bytes.len().min(room.len() - held.len);
        room[held.len..][..taken].copy_from_slice(&bytes[..taken]);
        held.len += taken;
        while let Some(first) = held.pieces.first()
            && first.place.start <= held.len
        {
            held.len = held.len.max(first.place.end);
            held.pieces.remove(0);
        }
        if held.pieces.is_empty() {
            held.gap_since = None;
        }
        taken
    }

    /// Keeps bytes that came too early, `ahead` bytes behind what is in order.
    pub(super) fn keep(
        &mut self,
        buffer: BufferId,
        ahead: usize,
        bytes: &[u8],
        at: Instant,
    ) -> Result<(), NoRoom> {
        let (held, room) = self.parts(buffer);
        let start = held.len + ahead;
        let place = start..start + bytes.len();
        let target = room.get_mut(place.clone()).ok_or(NoRoom)?;
        held.insert(Piece { place, at })?;
        target.copy_from_slice(bytes);
        held.gap_since.get_or_insert(at);
        Ok(())
    }

    /// Takes `count` bytes off the front.
    pub(super) fn consume(&mut self, buffer: BufferId, count: usize) {
        let (held, bytes) = self.parts(buffer);
        bytes.copy_within(count..held.end(), 0);
        held.len -= count;
        held.move_pieces(count);
    }

    /// Notes how far the bytes without a gap were looked at.
    pub(super) fn note_looked(&mut self, buffer: BufferId, looked: Looked) {
        self.held[buffer.0].looked = looked;
    }

    /// Gives up the first gap and what stands before it. Gives how many bytes that were, and when
    /// the bytes that now come first were captured; `None` when there is no gap.
    pub(super) fn skip_gap(&mut self, buffer: BufferId, now: Instant) -> Option<(usize, Instant)> {
        let (held, bytes) = self.parts(buffer);
        let first = held.pieces.first()?.clone();
        bytes.copy_within(first.place.start..held.end(), 0);
        held.pieces.remove(0);
        held.len = first.place.len();
        held.looked = Looked::default();
        held.move_pieces(first.place.start);
        held.gap_since = (!held.pieces.is_empty()).then_some(now);
        Some((first.place.start, first.at))
    }
}

impl Held {
    pub(super) fn is_empty(&self) -> bool {
        self.len == 0 && self.pieces.is_empty()
    }

    fn end(&self) -> usize {
        self.pieces.last().map_or(self.len, |last| last.place.end)
    }

    fn move_pieces(&mut self, by: usize) {
        for piece in &mut self.pieces {
            piece.place.start -= by;
            piece.place.end -= by;
        }
    }

    /// Puts a piece among the others and joins those that touch it.
    fn insert(&mut self, mut piece: Piece) -> Result<(), NoRoom> {
        let touches = |other: &Piece| {
            other.place.start <= piece.place.end && piece.place.start <= other.place.end
        };
        let from = self.pieces.iter().position(touches);
        let Some(from) = from else {
            let is_behind = |other: &Piece| other.place.start > piece.place.start;
            let index = self.pieces.iter().position(is_behind).unwrap_or(self.pieces.len());
            return self.pieces.insert(index, piece).map_err(|_| NoRoom);
        };
        while let Some(other) = self.pieces.get(from)
            && other.place.start <= piece.place.end
        {
            piece.place.start = piece.place.start.min(other.place.start);
            piece.place.end = piece.place.end.max(other.place.end);
            piece.at = piece.at.max(other.at);
            self.pieces.remove(from);
        }
        self.pieces.insert(from, piece).map_err(|_| NoRoom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Instant = Instant::from_secs(1);

    fn places(pool: &Pool, buffer: BufferId) -> std::vec::Vec<(usize, usize)> {
        let place = |piece: &Piece| (piece.place.start, piece.place.end);
        pool.held(buffer).pieces.iter().map(place).collect()
    }

    #[test]
    fn pieces_that_touch_are_joined() {
        let mut pool = Pool::new();
        let buffer = pool.take(0).expect("all are free");
        for ahead in [30, 10, 50, 20] {
            pool.keep(buffer, ahead, &[1; 5], NOW).expect("room");
        }
        assert_eq!(places(&pool, buffer), [(10, 15), (20, 25), (30, 35), (50, 55)]);
        pool.keep(buffer, 15, &[1; 18], NOW).expect("room");
        assert_eq!(places(&pool, buffer), [(10, 35), (50, 55)]);
        assert_eq!(pool.append(buffer, &[1; 12]), 12);
        assert_eq!(pool.held(buffer).len, 35);
        assert_eq!(places(&pool, buffer), [(50, 55)]);
        pool.consume(buffer, 34);
        assert_eq!(pool.held(buffer).len, 1);
        assert_eq!(places(&pool, buffer), [(16, 21)]);
        assert_eq!(pool.skip_gap(buffer, NOW), Some((16, NOW)));
        assert_eq!(pool.bytes(buffer), [1; 5]);
        assert_eq!(pool.held(buffer).gap_since, None);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let mut pool = Pool::new();
        let buffer = pool.take(0).expect("all are free");
        assert_eq!(pool.keep(buffer, MAX_TCP_BUFFER - 1, &[1; 2], NOW), Err(NoRoom));
        for index in 0..MAX_TCP_PIECES {
            pool.keep(buffer, 2 + 2 * index, &[1], NOW).expect("room");
        }
        assert_eq!(pool.keep(buffer, 1000, &[1], NOW), Err(NoRoom));
        assert_eq!(pool.append(buffer, &[0; MAX_TCP_BUFFER + 1]), MAX_TCP_BUFFER);
        assert_eq!(pool.append(buffer, &[0]), 0);
    }

    #[test]
    fn buffers_come_back() {
        let mut pool = Pool::new();
        let all: std::vec::Vec<_> = core::iter::from_fn(|| pool.take(7)).collect();
        assert_eq!(all.len(), MAX_TCP_BUFFERS);
        assert_eq!(pool.in_use().count(), MAX_TCP_BUFFERS);
        pool.give_back(all[3]);
        assert_eq!(pool.take(8), Some(all[3]));
    }
}
