//! One large buffer between an input and the readers of capture formats.

use std::io::{ErrorKind, Read};

use super::file::FileError;
use crate::limits::{FILE_BUFFER_BYTES, MAX_FILE_BLOCK, MAX_FRAME_BYTES};

// A whole record always fits, wherever in the buffer it began.
const _: () = assert!(FILE_BUFFER_BYTES >= MAX_FILE_BLOCK);
const _: () = assert!(MAX_FILE_BLOCK > MAX_FRAME_BYTES);

/// Bytes that are asked for at once. What was read is used while it, and the streams' state beside
/// it, are still in the processor's cache; a larger piece drives both out.
const READ_AT_ONCE: usize = 128 << 10;

/// Bytes of an input that have been read and not yet been taken.
pub(super) struct Buffer {
    input: Box<dyn Read + Send>,
    bytes: Box<[u8]>,
    start: usize,
    end: usize,
    /// Where in the input `bytes[start]` stood.
    position: u64,
    has_ended: bool,
    /// The input ended before its own end: a gzip stream without its last part.
    is_cut: bool,
}

impl Buffer {
    pub(super) fn new(input: Box<dyn Read + Send>) -> Self {
        Self {
            input,
            bytes: vec![0; FILE_BUFFER_BYTES].into_boxed_slice(),
            start: 0,
            end: 0,
            position: 0,
            has_ended: false,
            is_cut: false,
        }
    }

    /// Where in the input the next byte to take stands.
    pub(super) const fn position(&self) -> u64 {
        self.position
    }

    /// Reads until `count` bytes stand ready; `false` when the input ends before that.
    #[inline]
    pub(super) fn fill_to(&mut self, count: usize) -> Result<bool, FileError> {
        if self.end - self.start >= count { Ok(true) } else { self.read_to(count) }
    }

    fn read_to(&mut self, count: usize) -> Result<bool, FileError> {
        let left = self.end - self.start;
        if self.bytes.len() - self.start < count || left < READ_AT_ONCE {
            self.bytes.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, left);
        }
        while self.end - self.start < count && !self.has_ended {
            let end = self.bytes.len().min(self.end + READ_AT_ONCE);
            match self.input.read(&mut self.bytes[self.end..end]) {
                Ok(0) => self.has_ended = true,
                Ok(read) => self.end += read,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
                    self.has_ended = true;
                    self.is_cut = true;
                }
                Err(source) => return Err(FileError::Read { at: self.position, source }),
            }
        }
        Ok(self.end - self.start >= count)
    }

    /// All bytes that stand ready.
    #[inline]
    pub(super) fn ready(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    /// Takes `count` bytes that stand ready.
    #[inline]
    pub(super) fn take(&mut self, count: usize) -> &[u8] {
        let from = self.start;
        self.start += count;
        self.position += count as u64;
        &self.bytes[from..self.start]
    }

    /// Passes over `count` bytes, however many; `false` when the input ends before that.
    pub(super) fn skip(&mut self, count: usize) -> Result<bool, FileError> {
        let mut left = count;
        while left > 0 {
            if !self.fill_to(1)? {
                return Ok(false);
            }
            let step = left.min(self.end - self.start);
            self.take(step);
            left -= step;
        }
        Ok(true)
    }

    /// The input has ended where a record, begun at `at`, should stand: nothing more to read, or
    /// a file that was cut. A cut is told once.
    pub(super) fn end(&mut self, at: u64) -> Result<(), FileError> {
        let is_whole = at == self.position && self.start == self.end && !self.is_cut;
        self.start = self.end;
        self.is_cut = false;
        if is_whole { Ok(()) } else { Err(FileError::Truncated { at }) }
    }
}
