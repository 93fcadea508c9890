//! A kept call becomes sound: two channels of 16 bits, the caller left, the callee right.
//!
//! ```text
//! store --> packets --> feed --> survey                        (once: what there is, and where)
//!              |          |        |
//!              `----------+--------+--> page --> WAV, overview  (as often as wanted)
//!                         SRTP     player, decoder, resample
//! ```
//!
//! Every packet is placed by its RTP timestamp, mapped to the time of capture, so that the two
//! sides stay together: losses are gaps, and the jitter of the network is not heard. Nothing of the
//! call is held but what [`PAGE_BYTES`] says, and 4 bytes for each 4 KiB of packets.

mod decoder;
mod feed;
mod fixed;
mod g711;
mod g722;
mod gsm;
pub mod live;
mod marks;
mod noise;
mod overview;
mod packets;
mod page;
mod player;
mod resample;
mod run;
mod sdes;
mod signalling;
mod spectrum;
mod srtp;
mod survey;
pub mod tap;
mod tracker;
mod wav;

#[cfg(test)]
mod test_call;
#[cfg(test)]
mod tests;

use core::fmt;
use core::ops::Range;
use std::io::{self, Write};
use std::sync::Arc;

use crate::call::codec::Codec;
use crate::store::ring::catalog::Catalog;
use crate::store::ring::chunk::CallKey;
use crate::store::ring::chunks::Chunks;
use feed::Feed;
pub use marks::{Mark, MarkKind};
pub use overview::Overview;
use packets::Packets;
use page::{PAGE_SECONDS, Page};
use survey::Survey;

/// Bytes of sound that are held at once, at most: a page at 48 kHz.
pub const PAGE_BYTES: u64 = PAGE_SECONDS * 48_000 * wav::FRAME;

/// Why packets of a stream cannot be heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Problem {
    /// No key of a session description opens them.
    Encrypted,
    /// The rule kept their headers only.
    HeadersOnly,
    /// There is no decoder for their encoding.
    NoDecoder(Codec),
}

impl Problem {
    /// As programs read it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Encrypted => "encrypted",
            Self::HeadersOnly => "headers_only",
            Self::NoDecoder(_) => "no_decoder",
        }
    }

    const fn mark(self) -> MarkKind {
        match self {
            Self::Encrypted => MarkKind::Encrypted,
            Self::HeadersOnly => MarkKind::HeadersOnly,
            Self::NoDecoder(_) => MarkKind::NoDecoder,
        }
    }

    fn encoding_name(&self) -> &str {
        match self {
            Self::NoDecoder(codec) => codec.encoding_name(),
            Self::Encrypted | Self::HeadersOnly => "",
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Encrypted => f.write_str(
                "the call is encrypted, and its SIP has no key that opens it (SDES): export pcapng",
            ),
            Self::HeadersOnly => {
                f.write_str("the rule kept RTP headers only: a rule with `keep rtp` keeps speech")
            }
            Self::NoDecoder(codec) if codec.encoding_name().is_empty() => {
                f.write_str("nothing kept of the call says how its sound is coded: export pcapng")
            }
            Self::NoDecoder(codec) => write!(
                f,
                "there is no decoder for {}: export pcapng, and play it with a program that has one",
                codec.encoding_name()
            ),
        }
    }
}

/// Why a call gives no sound.
#[derive(Debug)]
pub enum AudioError {
    /// The store, or what is written to, refuses.
    Io(io::Error),
    /// No RTP was kept of the call.
    NoMedia,
    /// There is RTP, and none of it can be heard.
    Problem(Problem),
}

impl AudioError {
    /// As programs read it.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Io(_) => "io",
            Self::NoMedia => "no_media",
            Self::Problem(problem) => problem.word(),
        }
    }
}

impl fmt::Display for AudioError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::NoMedia => f.write_str("no RTP of the call was kept: there is nothing to hear"),
            Self::Problem(problem) => problem.fmt(f),
        }
    }
}

impl core::error::Error for AudioError {}

impl From<io::Error> for AudioError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Decodes payloads of one encoding, one after the other: how many samples they give; `None` where
/// there is no decoder for it.
#[must_use]
pub fn decode_all<'a>(
    codec: &Codec,
    payloads: impl IntoIterator<Item = &'a [u8]>,
) -> Option<usize> {
    let mut decoder = decoder::Decoder::new(codec, 16_000)?;
    let (mut samples, mut count) = (Vec::new(), 0);
    for payload in payloads {
        samples.clear();
        decoder.decode(payload, &mut samples);
        count += samples.len();
    }
    Some(count)
}

/// A call's sound. It does not need the catalog any longer, and holds one page.
pub struct Sound {
    packets: Packets,
    feed: Feed,
    survey: Arc<Survey>,
    page: Option<(u64, Page)>,
    begun: Option<Begun>,
}

/// An overview on its way.
struct Begun {
    builder: overview::Builder,
    next: u64,
}

/// Looks through a call's packets, and is then ready to give any part of its sound.
///
/// # Errors
/// Every [`AudioError`].
pub fn open(store: &Catalog, call: CallKey) -> Result<Sound, AudioError> {
    open_chunks(store.chunks(call))
}

/// The same for those who know where a call's chunks stand.
///
/// # Errors
/// Every [`AudioError`].
pub fn open_chunks(chunks: Chunks) -> Result<Sound, AudioError> {
    let (packets, feed, survey) = survey::survey(chunks)?;
    Ok(Sound { packets, feed, survey: Arc::new(survey), page: None, begun: None })
}

impl Sound {
    /// Samples a second: 8000 where all is narrowband, else 16,000 or 48,000.
    #[must_use]
    pub fn rate(&self) -> u32 {
        self.survey.rate
    }

    /// Samples of each side.
    #[must_use]
    pub fn samples(&self) -> u64 {
        self.survey.len
    }

    /// Pieces of the call that the disk has lost: their packets are gaps.
    #[must_use]
    pub const fn missing(&self) -> u32 {
        self.packets.missing
    }

    /// Bytes of the whole WAV file.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "it always has a head")]
    pub fn len(&self) -> u64 {
        wav::len(self.survey.len)
    }

    /// Decodes the whole call, and says what is in it.
    ///
    /// # Errors
    /// The store refuses.
    pub fn overview(&mut self) -> Result<Overview, AudioError> {
        let overview = self.overview_while(|| true)?;
        // It goes on to the end.
        overview.ok_or(AudioError::NoMedia)
    }

    /// The same for as long as `goes_on` says so, which is asked before every page (20 s of the
    /// call): there a thread can wait for others, or end.
    ///
    /// # Errors
    /// The store refuses.
    pub fn overview_while(
        &mut self,
        mut goes_on: impl FnMut() -> bool,
    ) -> Result<Option<Overview>, AudioError> {
        while goes_on() {
            if let Some(overview) = self.overview_step()? {
                return Ok(Some(overview));
            }
        }
        self.begun = None;
        Ok(None)
    }

    /// Decodes one more page for it; the overview after the last.
    ///
    /// # Errors
    /// The store refuses.
    pub fn overview_step(&mut self) -> Result<Option<Overview>, AudioError> {
        let pages = self.pages();
        let new = || Begun { builder: overview::Builder::new(Arc::clone(&self.survey)), next: 0 };
        let mut begun = self.begun.take().unwrap_or_else(new);
        if begun.next >= pages {
            return Ok(Some(begun.builder.finish()));
        }
        let page = page::render(&mut self.packets, &mut self.feed, &self.survey, begun.next)?;
        begun.builder.add(&page);
        begun.next += 1;
        self.begun = Some(begun);
        Ok(None)
    }

    fn pages(&self) -> u64 {
        self.survey.len.div_ceil(PAGE_SECONDS * u64::from(self.survey.rate))
    }

    /// Writes bytes of the WAV file, as many of the range as there are. The same range gives the
    /// same bytes, whatever was asked for before.
    ///
    /// # Errors
    /// The store refuses, or `out` does.
    pub fn write_range(
        &mut self,
        range: Range<u64>,
        out: &mut (impl Write + ?Sized),
    ) -> Result<(), AudioError> {
        let end = range.end.min(self.len());
        let mut at = range.start;
        if at < wav::HEAD.min(end) {
            let head = wav::head(self.survey.len, self.survey.rate);
            let part = |at: u64| usize::try_from(at.min(wav::HEAD)).unwrap_or(0);
            out.write_all(&head[part(at)..part(end)])?;
            at = wav::HEAD;
        }
        let page_bytes = PAGE_SECONDS * u64::from(self.survey.rate) * wav::FRAME;
        let mut bytes = Vec::new();
        while at < end {
            let number = (at - wav::HEAD) / page_bytes;
            let first = wav::HEAD + number * page_bytes;
            // In blocks, so that no second copy of the page is made.
            let until = end.min(first + page_bytes).min(at + BLOCK_BYTES);
            let samples = &self.page(number)?.samples;
            let in_page = |at: u64| usize::try_from(at - first).unwrap_or(0);
            let (from, to) = (in_page(at), in_page(until));
            bytes.clear();
            let used = samples.get(from / 2..to.div_ceil(2)).unwrap_or_default();
            bytes.extend(used.iter().flat_map(|sample| sample.to_le_bytes()));
            let odd = from % 2;
            out.write_all(bytes.get(odd..odd + (to - from)).unwrap_or_default())?;
            at = until;
        }
        Ok(())
    }

    fn page(&mut self, number: u64) -> Result<&Page, AudioError> {
        let Self { packets, feed, survey, page, .. } = self;
        let known = page.take().filter(|(known, _)| *known == number);
        let (_, page) = match known {
            Some(known) => page.insert(known),
            None => page.insert((number, page::render(packets, feed, survey, number)?)),
        };
        Ok(page)
    }
}

/// Bytes that are written at once.
const BLOCK_BYTES: u64 = 64 << 10;
