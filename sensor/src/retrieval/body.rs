//! What is posted: opening, frames, end. Made as it is sent, a piece at a time.

use core::time::Duration;
use std::io::{self, Read};
use std::sync::Arc;
use std::time::Instant;

use ringside_protocol::retrieval::{
    About, End, FrameKind, MAX_DATA_BYTES, PUBLIC_KEY_BYTES, opening,
};

use super::content::Content;
use super::seal::{Exhausted, Sealer};
use super::{Pressure, SLOWED_BY};

/// A transfer that works and has nothing to send says so after this time: the relay waits for 30 s.
const SAYS_AFTER: Duration = Duration::from_secs(5);

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
    /// When something was last sealed, and after what time without that an empty frame is.
    sealed_at: Instant,
    says_after: Duration,
    pressure: Pressure,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Begin,
    Beside,
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
            sealed_at: Instant::now(),
            says_after: SAYS_AFTER,
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
                match self.offset {
                    0 => State::Beside,
                    offset => {
                        self.made = self.content.pass_over(offset)?;
                        State::Data
                    }
                }
            }
            State::Beside => {
                self.yield_to_capture();
                let mut beside = Vec::new();
                let is_whole = self.content.beside(&mut beside)?;
                for part in beside.chunks(MAX_DATA_BYTES) {
                    self.seal(FrameKind::Beside, part)?;
                }
                self.say_that_it_goes_on(FrameKind::Beside)?;
                if is_whole { State::Data } else { State::Beside }
            }
            State::Data => {
                self.yield_to_capture();
                let has_more = self.data()?;
                self.say_that_it_goes_on(FrameKind::Data)?;
                if has_more { State::Data } else { State::End }
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

    fn yield_to_capture(&self) {
        if (self.pressure)() {
            std::thread::sleep(SLOWED_BY);
        }
    }

    /// Seals a frame with nothing in it where there was none for a while: the relay cuts off what
    /// gives no byte.
    fn say_that_it_goes_on(&mut self, kind: FrameKind) -> io::Result<()> {
        if !self.out.is_empty() {
            self.sealed_at = Instant::now();
        } else if self.sealed_at.elapsed() >= self.says_after {
            self.seal(kind, &[])?;
            self.sealed_at = Instant::now();
        }
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

#[cfg(test)]
mod tests {
    use super::super::seal::Agreement;
    use super::*;

    /// Something that is shown first, and a file.
    struct Both {
        pieces: usize,
        /// Steps until what comes beside is there.
        steps: usize,
        passes_over: u64,
    }

    impl Content for Both {
        fn name(&self) -> String {
            "call.wav".to_owned()
        }

        fn media_type(&self) -> &'static str {
            "audio/wav"
        }

        fn about_bytes(&self) -> Option<u64> {
            None
        }

        fn pass_over(&mut self, _offset: u64) -> io::Result<u64> {
            Ok(self.passes_over)
        }

        fn beside(&mut self, out: &mut Vec<u8>) -> io::Result<bool> {
            if self.steps == 0 {
                out.resize(MAX_DATA_BYTES + 5, 7);
                return Ok(true);
            }
            self.steps -= 1;
            Ok(false)
        }

        fn next_piece(&mut self, out: &mut Vec<u8>) -> io::Result<bool> {
            out.extend([8; 100]);
            self.pieces -= 1;
            Ok(self.pieces > 0)
        }

        fn missing(&self) -> u32 {
            0
        }
    }

    /// Bytes of a frame besides its data.
    const AROUND: usize = 1 + ringside_protocol::retrieval::TAG_BYTES;

    /// Bytes behind the length of each frame.
    fn frames(offset: u64, content: Both, says_after: Duration) -> Vec<usize> {
        let (one, other) = (Agreement::new().expect("a key"), Agreement::new().expect("a key"));
        let sensor_key = one.public();
        let sealer = one.agree(&other.public(), b"said").expect("keys").sealer;
        let sealing = Sealing { sensor_key, device_key: [1; 32], signature: [2; 64], sealer };
        let mut body = Body::new(sealing, Box::new(content), offset, Arc::new(|| false));
        body.says_after = says_after;
        let mut bytes = Vec::new();
        body.read_to_end(&mut bytes).expect("it is whole");
        assert_eq!(body.sent(), bytes.len() as u64);
        let mut rest = &bytes[ringside_protocol::retrieval::OPENING_BYTES..];
        let mut frames = Vec::new();
        while let Some((length, after)) = rest.split_first_chunk() {
            let length = u32::from_be_bytes(*length) as usize;
            frames.push(length);
            rest = &after[length..];
        }
        frames
    }

    #[test]
    fn what_comes_beside_the_file_comes_first_and_only_once() {
        let both = || Both { pieces: 3, steps: 4, passes_over: 0 };
        let whole = frames(0, both(), SAYS_AFTER);
        assert_eq!(whole.len(), 1 + 2 + 3 + 1);
        assert_eq!(whole[1..6], [MAX_DATA_BYTES, 5, 100, 100, 100].map(|len| len + AROUND));
        let resumed = frames(150, both(), SAYS_AFTER);
        assert_eq!(resumed.len(), 1 + 2 + 1, "a piece that is there already is passed over");
        assert_eq!(resumed[1..3], [50, 100].map(|len| len + AROUND));
    }

    #[test]
    fn what_works_and_has_nothing_to_send_says_so() {
        let slow = Both { pieces: 3, steps: 4, passes_over: 0 };
        let whole = frames(0, slow, Duration::ZERO);
        assert_eq!(whole[1..5], [AROUND; 4], "while the overview is made");
        assert_eq!(whole.len(), 1 + 4 + 2 + 3 + 1);
        let passed = Both { pieces: 3, steps: 0, passes_over: 0 };
        let resumed = frames(250, passed, Duration::ZERO);
        assert_eq!(resumed[1..4], [0, 0, 50].map(|len| len + AROUND), "while bytes are made again");
        let leapt = Both { pieces: 1, steps: 0, passes_over: 200 };
        let resumed = frames(250, leapt, Duration::ZERO);
        assert_eq!(resumed[1..2], [50 + AROUND], "what need not be made is passed over");
    }
}
