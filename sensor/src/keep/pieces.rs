//! Frames that held a part of a SIP message: fragments of a datagram, segments of a TCP stream.
//!
//! Whose message it is shows only when it is whole; the newest frames that may be parts of one are
//! held until then. A frame is a part of a message when it goes the same way and its end stands in
//! it. The end of a frame stands in one message only: what was found is not looked for again.

use core::net::{IpAddr, SocketAddr};

use memchr::memmem;

use crate::capture::Frame;

/// Frames held; the oldest leaves.
const MAX_PIECES: usize = 64;

/// A larger frame is not held, bytes: a jumbo frame still is.
const MAX_PIECE_BYTES: usize = 9216;

/// So many bytes of a frame's end are looked for.
const TAIL: usize = 48;

/// The addresses of its IP header stand in the first bytes of a frame, tunnels included.
const HEADERS: usize = 160;

/// See [`self`]; holds 0.6 MiB at most.
#[derive(Debug, Default)]
pub(super) struct Pieces {
    held: Vec<Piece>,
    next: usize,
}

#[derive(Debug)]
struct Piece {
    /// Counts frames; 0: there is none.
    number: u64,
    frame: Frame<'static>,
    bytes: Vec<u8>,
}

impl Pieces {
    /// Holds a copy of a frame.
    pub(super) fn hold(&mut self, number: u64, frame: &Frame<'_>) {
        if frame.bytes.len() > MAX_PIECE_BYTES {
            return;
        }
        let header = Frame { bytes: &[], ..*frame };
        if self.held.len() < MAX_PIECES {
            self.held.push(Piece { number, frame: header, bytes: frame.bytes.to_vec() });
            return;
        }
        let oldest = &mut self.held[self.next];
        self.next = (self.next + 1) % MAX_PIECES;
        oldest.number = number;
        oldest.frame = header;
        oldest.bytes.clear();
        oldest.bytes.extend_from_slice(frame.bytes);
    }

    /// The frames behind number `after` that are parts of a message between two ends, the oldest
    /// first.
    pub(super) fn of<'a>(
        &'a self,
        message: &'a [u8],
        ends: (SocketAddr, SocketAddr),
        after: u64,
    ) -> impl Iterator<Item = (u64, Frame<'a>)> {
        let (newer, older) = self.held.split_at(self.next);
        let is_part =
            move |piece: &&Piece| piece.number > after && is_part(&piece.bytes, message, ends);
        let parts = older.iter().chain(newer).filter(is_part);
        parts.map(|piece| (piece.number, Frame { bytes: &piece.bytes, ..piece.frame }))
    }

    /// Forgets the parts of a message that is whole.
    pub(super) fn forget(&mut self, message: &[u8], ends: (SocketAddr, SocketAddr)) {
        for piece in self.held.iter_mut().filter(|piece| piece.number > 0) {
            if is_part(&piece.bytes, message, ends) {
                piece.number = 0;
            }
        }
    }
}

/// Whether a frame goes from one end to the other and its end stands in a message.
pub(super) fn is_part(frame: &[u8], message: &[u8], (src, dst): (SocketAddr, SocketAddr)) -> bool {
    let tail = &frame[frame.len().saturating_sub(TAIL)..];
    let head = &frame[..frame.len().min(HEADERS)];
    let goes_so = match (src.ip(), dst.ip()) {
        (IpAddr::V4(src), IpAddr::V4(dst)) => {
            memmem::find(head, &[src.octets(), dst.octets()].concat()).is_some()
        }
        (IpAddr::V6(src), IpAddr::V6(dst)) => {
            memmem::find(head, &[src.octets(), dst.octets()].concat()).is_some()
        }
        _ => false,
    };
    goes_so && memmem::find(message, tail).is_some()
}

#[cfg(test)]
mod tests {
    use embassy_time::Instant;

    use super::*;
    use crate::capture::LinkType;

    fn frame(bytes: &[u8]) -> Frame<'_> {
        Frame {
            at: Instant::from_micros(1),
            interface: 0,
            link_type: LinkType::Ethernet,
            original_len: 9,
            bytes,
        }
    }

    #[test]
    fn the_oldest_leave_and_parts_come_in_order() {
        let mut pieces = Pieces::default();
        let ends = ([9, 9, 9, 1], [9, 9, 9, 2]);
        let text = |number: u64| {
            let [a, b] =
                [ends.0, ends.1].map(|octets| octets.map(char::from).iter().collect::<String>());
            format!("{a}{b}, and then what is number {number:0>40}.")
        };
        let ends = (SocketAddr::from((ends.0, 1)), SocketAddr::from((ends.1, 2)));
        for number in 1..=100 {
            pieces.hold(number, &frame(text(number).as_bytes()));
        }
        pieces.hold(101, &frame(&[7; MAX_PIECE_BYTES + 1]));
        let message: String = [100, 90, 95, 10].map(text).concat();
        let numbers = |pieces: &Pieces, ends, after| -> Vec<u64> {
            pieces.of(message.as_bytes(), ends, after).map(|(number, _)| number).collect()
        };
        assert_eq!(numbers(&pieces, ends, 0), [90, 95, 100], "number 10 has left");
        assert_eq!(numbers(&pieces, ends, 90), [95, 100]);
        assert!(numbers(&pieces, (ends.1, ends.0), 0).is_empty(), "they go the other way");
        pieces.forget(message.as_bytes(), ends);
        assert!(numbers(&pieces, ends, 0).is_empty());
    }
}
