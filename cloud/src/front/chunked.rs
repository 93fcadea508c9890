//! Chunked bodies (RFC 9112 §7.1), read strictly.
//!
//! ```text
//! SIZE[;extension] CRLF  data CRLF  ...  0 CRLF  [trailer CRLF ...]  CRLF
//! ```
//!
//! Extensions and trailers are passed over, within bounds. Every line end is CR LF: whoever reads
//! a bare LF differently from us could be made to see another request (request smuggling).

/// Hexadecimal digits of a chunk's size.
const MAX_SIZE_DIGITS: usize = 8;

/// Bytes of one chunk's extensions.
const MAX_EXTENSION_BYTES: usize = 256;

/// Bytes of all trailers of a body.
const MAX_TRAILER_BYTES: usize = 4096;

/// Reads one chunked body, in pieces of any size.
#[derive(Clone, Debug)]
pub(super) struct Chunked {
    state: State,
    /// Data left in this chunk.
    left: u64,
    /// Bytes of the line or the trailers so far.
    count: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Size,
    Extension,
    SizeLf,
    Data,
    DataCr,
    DataLf,
    LineStart,
    Trailer,
    TrailerLf,
    EndLf,
    Done,
}

/// The body is not as RFC 9112 §7.1 has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BadChunk;

/// How far one call got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Step<'a> {
    /// Bytes of the input that are used up.
    pub(super) consumed: usize,
    /// Data among them; they are the last ones.
    pub(super) data: &'a [u8],
}

impl Default for Chunked {
    fn default() -> Self {
        Self::new()
    }
}

impl Chunked {
    /// Begins at the first chunk's size.
    #[must_use]
    pub(super) const fn new() -> Self {
        Self { state: State::Size, left: 0, count: 0 }
    }

    /// Whether the body is complete.
    #[must_use]
    pub(super) const fn is_done(&self) -> bool {
        matches!(self.state, State::Done)
    }

    /// Reads until the end of a run of data, the end of the body, or the end of `input`.
    ///
    /// # Errors
    /// [`BadChunk`]; what follows has no meaning then.
    pub(super) fn step<'a>(&mut self, input: &'a [u8]) -> Result<Step<'a>, BadChunk> {
        for (at, &byte) in input.iter().enumerate() {
            if self.state == State::Data {
                let run = usize::try_from(self.left).unwrap_or(usize::MAX);
                let data = &input[at..input.len().min(at.saturating_add(run))];
                self.left -= data.len() as u64;
                if self.left == 0 {
                    self.state = State::DataCr;
                }
                return Ok(Step { consumed: at + data.len(), data });
            }
            if self.is_done() {
                return Ok(Step { consumed: at, data: &[] });
            }
            self.byte(byte)?;
        }
        Ok(Step { consumed: input.len(), data: &[] })
    }

    /// One byte of framing.
    fn byte(&mut self, byte: u8) -> Result<(), BadChunk> {
        self.state = match (self.state, byte) {
            (State::Size, b'\r') if self.count > 0 => State::SizeLf,
            (State::Size, b';') if self.count > 0 => self.line(State::Extension),
            (State::Size, _) => self.digit(byte)?,
            (State::Extension, b'\r') => State::SizeLf,
            (State::Extension, _) => self.text(byte, MAX_EXTENSION_BYTES)?,
            (State::SizeLf, b'\n') if self.left == 0 => self.line(State::LineStart),
            (State::SizeLf, b'\n') => State::Data,
            (State::DataCr, b'\r') => State::DataLf,
            (State::DataLf, b'\n') => self.line(State::Size),
            (State::LineStart, b'\r') => State::EndLf,
            (State::LineStart, _) => {
                self.state = State::Trailer;
                self.text(byte, MAX_TRAILER_BYTES)?
            }
            (State::Trailer, b'\r') => State::TrailerLf,
            (State::Trailer, _) => self.text(byte, MAX_TRAILER_BYTES)?,
            (State::TrailerLf, b'\n') => State::LineStart,
            (State::EndLf, b'\n') => State::Done,
            _ => return Err(BadChunk),
        };
        Ok(())
    }

    fn line(&mut self, next: State) -> State {
        self.count = 0;
        next
    }

    fn digit(&mut self, byte: u8) -> Result<State, BadChunk> {
        let digit = char::from(byte).to_digit(16).ok_or(BadChunk)?;
        self.count += 1;
        if self.count > MAX_SIZE_DIGITS {
            return Err(BadChunk);
        }
        let so_far = if self.count == 1 { 0 } else { self.left };
        self.left = so_far * 16 + u64::from(digit);
        Ok(State::Size)
    }

    fn text(&mut self, byte: u8, most: usize) -> Result<State, BadChunk> {
        self.count += 1;
        let is_text = matches!(byte, b'\t' | b' '..=b'~');
        if is_text && self.count <= most { Ok(self.state) } else { Err(BadChunk) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Reads `input` in pieces of `piece` bytes: data, bytes used, whether it was complete.
    fn read(input: &[u8], piece: usize) -> Result<(Vec<u8>, usize, bool), BadChunk> {
        let (mut chunked, mut data, mut used) = (Chunked::new(), Vec::new(), 0);
        for part in input.chunks(piece) {
            let mut rest = part;
            while !rest.is_empty() && !chunked.is_done() {
                let step = chunked.step(rest)?;
                data.extend_from_slice(step.data);
                used += step.consumed;
                rest = &rest[step.consumed..];
            }
        }
        Ok((data, used, chunked.is_done()))
    }

    #[test]
    fn data_comes_out_and_what_follows_the_body_stays() {
        let input = b"4;x=y\r\nWiki\r\n00005\r\npedia\r\n0\r\nDigest: x\r\n\r\nGET";
        let whole = read(input, input.len());
        assert_eq!(whole, Ok((b"Wikipedia".to_vec(), input.len() - 3, true)));
        for piece in 1..input.len() {
            assert_eq!(read(input, piece), whole);
        }
    }

    #[test]
    fn whatever_could_be_read_in_two_ways_is_refused() {
        for bad in [
            &b"\r\n"[..],
            b";x\r\n",
            b"0x4\r\nWiki\r\n",
            b"-1\r\n",
            b"+4\r\nWiki\r\n",
            b" 4\r\nWiki\r\n",
            b"4 \r\nWiki\r\n",
            b"4\nWiki\n",
            b"4\r\nWikix\r\n",
            b"4\r\nWiki\n",
            b"4;\n\r\nWiki\r\n",
            b"100000000\r\n",
            b"0\r\n\n",
            b"0\r\nA: b\n\r\n",
            b"0\r\nA: \x00\r\n\r\n",
        ] {
            assert_eq!(read(bad, bad.len()), Err(BadChunk), "{:?}", bad.escape_ascii().to_string());
        }
    }

    #[test]
    fn extensions_and_trailers_end_at_their_limits() {
        let extension = |len| [b"1;", "x".repeat(len).as_bytes(), b"\r\na\r\n0\r\n\r\n"].concat();
        assert!(read(&extension(MAX_EXTENSION_BYTES), 99).is_ok());
        assert_eq!(read(&extension(MAX_EXTENSION_BYTES + 1), 99), Err(BadChunk));
        let trailer = |len| [b"0\r\n", "x".repeat(len).as_bytes(), b"\r\n\r\n"].concat();
        assert!(read(&trailer(MAX_TRAILER_BYTES), 99).is_ok());
        assert_eq!(read(&trailer(MAX_TRAILER_BYTES + 1), 99), Err(BadChunk));
    }

    proptest! {
        #[test]
        fn any_pieces_give_what_one_piece_gives(
            input in "[0-9a-f;\r\n x]{0,60}", piece in 1_usize..9,
        ) {
            prop_assert_eq!(read(input.as_bytes(), piece), read(input.as_bytes(), 99));
        }
    }
}
