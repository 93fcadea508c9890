//! What is posted: opening, frames, end. Made as it is sent, a piece at a time.

use std::io::{self, Read};
use std::sync::Arc;

use ringside_protocol::retrieval::{
    About, End, FrameKind, MAX_DATA_BYTES, PUBLIC_KEY_BYTES, opening,
};

use super::content::Content;
use super::seal::{Exhausted, Sealer};
use super::{Pressure, SLOWED_BY};

/// What opens a transfer and seals its frames.
pub(super) struct Sealing {
    pub(super) sensor_key: [u8; PUBLIC_KEY_BYTES],
    pub(super) device_key: [u8; 32],
    pub(super) signature: [u8; 64],
    pub(super) sealer: Sealer,
}

/// The bytes of one transfer.
pub struct Body {
    sealer: Sealer,
    content: Box<dyn Content>,
    /// Bytes of the content to pass over, and how many were made so far.
    offset: u64,
    made: u64,
    /// Of the content: made, not sealed.
    piece: Vec<u8>,
    state: State,
    /// Sealed, and read up to `at`.
    out: Vec<u8>,
    at: usize,
    sent: u64,
    pressure: Pressure,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Begin,
    Data,
    End,
    Done,
}

impl Body {
    pub(super) fn new(
        sealing: Sealing,
        content: Box<dyn Content>,
        offset: u64,
        pressure: Pressure,
    ) -> Self {
        let Sealing { sensor_key, device_key, signature, sealer } = sealing;
        Self {
            sealer,
            content,
            offset,
            made: 0,
            piece: Vec::new(),
            state: State::Begin,
            out: opening(&sensor_key, &device_key, &signature),
            at: 0,
            sent: 0,
            pressure: Arc::clone(&pressure),
        }
    }

    /// Bytes that were read so far, as sealed.
    #[must_use]
    pub const fn sent(&self) -> u64 {
        self.sent
    }

    /// Seals what comes next; the state is another when a part is complete.
    fn advance(&mut self) -> io::Result<()> {
        self.state = match self.state {
            State::Begin => {
                let about = About {
                    name: self.content.name(),
                    media_type: self.content.media_type().to_owned(),
                    about_bytes: self.content.about_bytes(),
                    offset: self.offset,
                };
                self.seal_json(FrameKind::About, &about)?;
                if let Some(beside) = self.content.beside()? {
                    self.seal(FrameKind::Beside, beside.as_bytes())?;
                }
                State::Data
            }
            State::Data => {
                if (self.pressure)() {
                    std::thread::sleep(SLOWED_BY);
                }
                if self.data()? { State::Data } else { State::End }
            }
            State::End => {
                let end = End { bytes: self.made, missing: self.content.missing() };
                self.seal_json(FrameKind::End, &end)?;
                State::Done
            }
            State::Done => State::Done,
        };
        Ok(())
    }

    /// Seals the next piece of the content; false when there is no more.
    fn data(&mut self) -> io::Result<bool> {
        let mut piece = core::mem::take(&mut self.piece);
        piece.clear();
        let has_more = self.content.next_piece(&mut piece)?;
        let skipped = self.offset.saturating_sub(self.made).min(piece.len() as u64);
        self.made += piece.len() as u64;
        if !has_more && self.made < self.offset {
            return Err(io::Error::other("more was asked to be passed over than there is"));
        }
        let skipped = usize::try_from(skipped).unwrap_or(piece.len());
        for data in piece[skipped..].chunks(MAX_DATA_BYTES) {
            self.seal(FrameKind::Data, data)?;
        }
        self.piece = piece;
        Ok(has_more)
    }

    fn seal_json(&mut self, kind: FrameKind, value: &impl serde::Serialize) -> io::Result<()> {
        let json = serde_json::to_vec(value).map_err(io::Error::other)?;
        self.seal(kind, &json)
    }

    fn seal(&mut self, kind: FrameKind, bytes: &[u8]) -> io::Result<()> {
        let sealed = self.sealer.seal(kind, bytes, &mut self.out);
        sealed.map_err(|Exhausted| io::Error::other("too many frames"))
    }
}

impl Read for Body {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.at == self.out.len() && self.state != State::Done {
            self.out.clear();
            self.at = 0;
            self.advance()?;
        }
        let count = (self.out.len() - self.at).min(buffer.len());
        buffer[..count].copy_from_slice(&self.out[self.at..self.at + count]);
        self.at += count;
        self.sent += count as u64;
        Ok(count)
    }
}
