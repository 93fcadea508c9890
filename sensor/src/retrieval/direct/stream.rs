//! A part of what an action hands out, made as it is sent.

use std::io;

use super::super::content::Content;
use super::super::places::Place;
use super::super::{Pressure, SLOWED_BY};

/// Bytes from one place to another.
pub(super) struct Stream {
    content: Box<dyn Content>,
    /// Bytes that were made, or passed over.
    made: u64,
    from: u64,
    to: u64,
    pressure: Pressure,
    _place: Place,
}

impl Stream {
    /// Bytes `from..to` of a content.
    ///
    /// # Errors
    /// The disk's.
    pub(super) fn new(
        mut content: Box<dyn Content>,
        (from, to): (u64, u64),
        pressure: Pressure,
        place: Place,
    ) -> io::Result<Self> {
        let made = content.pass_over(from)?;
        Ok(Self { content, made, from, to, pressure, _place: place })
    }

    /// Appends the next bytes to `out`, none while others are passed over; false when that was all.
    ///
    /// # Errors
    /// The disk's, and where there is less than was counted.
    pub(super) fn next(&mut self, out: &mut Vec<u8>) -> io::Result<bool> {
        if (self.pressure)() {
            std::thread::sleep(SLOWED_BY);
        }
        let before = out.len();
        let has_more = self.content.next_piece(out)?;
        let piece = (out.len() - before) as u64;
        let (begins, ends) = (self.made, self.made + piece);
        self.made = ends;
        let within = |at: u64| usize::try_from(at.clamp(begins, ends) - begins).unwrap_or(0);
        let (skipped, kept) = (within(self.from), within(self.to));
        out.truncate(before + kept);
        out.drain(before..before + skipped.min(kept));
        if self.made >= self.to {
            return Ok(false);
        }
        if has_more { Ok(true) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }
}

/// Bytes of a content, counted by making them where they are not known.
///
/// # Errors
/// The disk's.
pub(super) fn count(mut content: Box<dyn Content>) -> io::Result<u64> {
    if let Some(bytes) = content.exact_bytes() {
        return Ok(bytes);
    }
    let (mut bytes, mut piece) = (0, Vec::new());
    loop {
        piece.clear();
        let has_more = content.next_piece(&mut piece)?;
        bytes += piece.len() as u64;
        if !has_more {
            return Ok(bytes);
        }
    }
}
