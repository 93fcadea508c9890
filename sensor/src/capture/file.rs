//! A capture file as a source of frames: pcap or pcapng, gzipped or not, streamed through one
//! buffer.
//!
//! ```text
//! file, stdin ─> gunzip? ─> Buffer ─> pcap.rs or pcapng.rs ─> Frame (borrows from Buffer)
//! ```
//!
//! The formats are draft-ietf-opsawg-pcap and draft-ietf-opsawg-pcapng. Files of libpcap,
//! Wireshark and VoIPmonitor read alike; libpcap itself would refuse a pcapng file whose
//! interfaces differ in link type or snap length.

use core::fmt;
use core::ops::Range;
use std::fs::File;
use std::io::{self, Cursor, Read};
use std::path::{Path, PathBuf};

use embassy_time::Instant;
use flate2::read::MultiGzDecoder;
use ringside_protocol::counters::Counter;

use super::buffer::Buffer;
use super::pcap::Pcap;
use super::pcapng::Pcapng;
use super::{Frame, LinkType};
use crate::counters::Counters;

/// Why a capture file cannot be read, or not to its end.
#[derive(Debug)]
pub enum FileError {
    /// The file cannot be opened.
    Open {
        /// Its name.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// Reading failed.
    Read {
        /// Byte position, after unpacking.
        at: u64,
        /// The system's reason.
        source: io::Error,
    },
    /// There is no byte in it.
    Empty,
    /// It begins like neither pcap nor pcapng.
    NotACapture,
    /// It is packed in a way that is not read here.
    Packed(&'static str),
    /// A record is larger than the reader's limit.
    TooLarge {
        /// Byte position of the record.
        at: u64,
        /// The length that it claims.
        len: u32,
    },
    /// A record contradicts itself.
    Bad {
        /// Byte position of the record.
        at: u64,
        /// What is wrong with it.
        what: &'static str,
    },
    /// The file ends inside a record. Everything before has been handed out: a warning.
    Truncated {
        /// Byte position of that record.
        at: u64,
    },
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open { path, source } => {
                write!(f, "cannot open {}: {source}; check its name and rights", path.display())
            }
            Self::Read { at, source } => {
                write!(f, "reading stopped at byte {at}: {source}; copy the file again")
            }
            Self::Empty => write!(f, "the capture file is empty; capture again"),
            Self::NotACapture => {
                write!(f, "neither pcap nor pcapng; convert it, for example with editcap")
            }
            Self::Packed(how) => write!(f, "packed with {how}; unpack it first"),
            Self::TooLarge { at, len } => write!(
                f,
                "the record at byte {at} claims {len} bytes, more than any frame has; the file is \
                 damaged from there on"
            ),
            Self::Bad { at, what } => {
                write!(f, "the record at byte {at} {what}; the file is damaged from there on")
            }
            Self::Truncated { at } => write!(
                f,
                "the file ends inside the record at byte {at}; everything before it was read"
            ),
        }
    }
}

impl std::error::Error for FileError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Open { source, .. } | Self::Read { source, .. } => Some(source),
            _ => None,
        }
    }
}

/// Frames that were lost when the file was made, as the file itself tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RecordedDrops {
    /// By the capturing system (pcapng `isb_osdrop`, `epb_dropcount`).
    pub kernel: u64,
    /// By the interface (pcapng `isb_ifdrop`).
    pub interface: u64,
}

/// A capture file that is being read.
pub struct FileSource {
    buffer: Buffer,
    format: Format,
}

enum Format {
    Pcap(Pcap),
    Pcapng(Pcapng),
}

/// One frame's place in the bytes that stand ready.
pub(super) struct Record {
    /// How many bytes the record takes.
    pub(super) len: usize,
    /// Where in the record the frame stands.
    pub(super) data: Range<usize>,
    pub(super) at: Instant,
    pub(super) interface: u8,
    pub(super) link_type: LinkType,
    pub(super) original_len: u32,
}

impl FileSource {
    /// Opens a capture file; `-` is standard input. Reads its head.
    ///
    /// # Errors
    /// It cannot be opened, is no capture, or ends in its head.
    pub fn open(path: &Path) -> Result<Self, FileError> {
        if path.as_os_str() == "-" {
            return Self::from_reader(io::stdin());
        }
        let file =
            File::open(path).map_err(|source| FileError::Open { path: path.to_owned(), source })?;
        Self::from_reader(file)
    }

    /// Takes anything that gives bytes. Reads the capture's head.
    ///
    /// # Errors
    /// It is no capture or ends in its head.
    pub fn from_reader(input: impl Read + Send + 'static) -> Result<Self, FileError> {
        let mut buffer = Buffer::new(unpacked(input)?);
        if !buffer.fill_to(4)? {
            buffer.end(0)?;
            return Err(FileError::Empty);
        }
        let format = if Pcapng::begins(buffer.ready()) {
            Format::Pcapng(Pcapng::default())
        } else {
            Format::Pcap(Pcap::read_head(&mut buffer)?)
        };
        Ok(Self { buffer, format })
    }

    /// The next frame; `None` at the end.
    ///
    /// # Errors
    /// The file is damaged. [`FileError::Truncated`] comes once, after the last whole frame;
    /// what was read before stays good.
    #[inline]
    pub fn next_frame(&mut self) -> Result<Option<Frame<'_>>, FileError> {
        let record = match &mut self.format {
            Format::Pcap(pcap) => pcap.next_record(&mut self.buffer)?,
            Format::Pcapng(pcapng) => pcapng.next_record(&mut self.buffer)?,
        };
        Ok(record.map(|record| Frame {
            at: record.at,
            interface: record.interface,
            link_type: record.link_type,
            original_len: record.original_len,
            bytes: &self.buffer.take(record.len)[record.data],
        }))
    }

    /// Hands `look` up to `most` frames that come next, as far as they stand ready in memory, and
    /// says how many those were: for whoever wants to be prepared for them.
    #[inline]
    pub fn look_ahead(&self, most: usize, mut look: impl FnMut(LinkType, &[u8])) -> usize {
        match &self.format {
            Format::Pcap(pcap) => pcap.look_ahead(&self.buffer, most, &mut look),
            Format::Pcapng(_) => 0,
        }
    }

    /// What the file tells, up to here, of frames lost when it was made; pcap tells nothing.
    #[must_use]
    pub fn drops(&self) -> RecordedDrops {
        match &self.format {
            Format::Pcap(_) => RecordedDrops::default(),
            Format::Pcapng(pcapng) => pcapng.drops(),
        }
    }

    /// Puts them among the counters, where a live capture has its own.
    pub fn count(&self, counters: &mut Counters) {
        let drops = self.drops();
        counters.set(Counter::KernelDropped, drops.kernel);
        counters.set(Counter::InterfaceDropped, drops.interface);
    }

    /// Bytes taken so far, after unpacking.
    #[must_use]
    pub const fn position(&self) -> u64 {
        self.buffer.position()
    }
}

/// Looks at the first bytes and unpacks what is gzipped.
fn unpacked(mut input: impl Read + Send + 'static) -> Result<Box<dyn Read + Send>, FileError> {
    let mut magic = [0; 4];
    let mut len = 0;
    while len < magic.len() {
        match input.read(&mut magic[len..]) {
            Ok(0) => break,
            Ok(read) => len += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(source) => return Err(FileError::Read { at: 0, source }),
        }
    }
    let seen = &magic[..len];
    if let Some(how) = packed_with(seen) {
        return Err(FileError::Packed(how));
    }
    let is_gzip = seen.starts_with(&[0x1f, 0x8b]);
    let input = Cursor::new(seen.to_vec()).chain(input);
    Ok(if is_gzip { Box::new(MultiGzDecoder::new(input)) } else { Box::new(input) })
}

/// The name of a way of packing that is not read.
fn packed_with(magic: &[u8]) -> Option<&'static str> {
    let known: [(&[u8], &str); 4] = [
        (&[0x28, 0xb5, 0x2f, 0xfd], "zstd"),
        (&[0xfd, b'7', b'z', b'X'], "xz"),
        (b"BZh", "bzip2"),
        (b"PK\x03\x04", "zip"),
    ];
    known.iter().find(|(begin, _)| magic.starts_with(begin)).map(|(_, name)| *name)
}

#[cfg(test)]
#[path = "file_tests.rs"]
mod tests;
