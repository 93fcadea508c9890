//! Segment files: made at their full size, written from the beginning to the end, then used again.
//!
//! ```text
//! | "RSsegm1\0" | serial (8) | device (16) | CRC-32 (4) | zeros up to 64 | chunks ...
//! ```

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use ringside_protocol::cdr::Fingerprint;
use rustix::fs::{FallocateFlags, fallocate};

use super::chunk::{ALIGN, CHUNK_HEAD, Head, MAX_CHUNK};

/// Bytes before the first chunk.
pub(super) const SEGMENT_HEAD: u64 = 64;

const MAGIC: &[u8; 8] = b"RSsegm1\0";

/// Bytes that are read at once.
const WINDOW: usize = 1 << 20;

/// A segment that exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Its file.
    pub path: PathBuf,
    /// Counts uses of segment files: the higher, the newer.
    pub serial: u64,
    /// The device that wrote it.
    pub device: Fingerprint,
}

/// Makes the file for the use `serial`, with room for `bytes`: an old one is used again.
pub(super) fn create(
    path: &Path,
    serial: u64,
    device: Fingerprint,
    bytes: u64,
) -> io::Result<File> {
    let mut options = OpenOptions::new();
    let file =
        options.read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
    match fallocate(&file, FallocateFlags::empty(), 0, bytes) {
        Ok(()) => {}
        // A file system that reserves nothing; it says so when it is full.
        Err(rustix::io::Errno::OPNOTSUPP) => {}
        Err(error) => return Err(error.into()),
    }
    let mut head = [0; 64];
    head[..8].copy_from_slice(MAGIC);
    head[8..16].copy_from_slice(&serial.to_le_bytes());
    head[16..32].copy_from_slice(&device.0);
    let crc = crc32fast::hash(&head[..32]);
    head[32..36].copy_from_slice(&crc.to_le_bytes());
    file.write_all_at(&head, 0)?;
    Ok(file)
}

/// The segments of a directory, oldest first. Files that are none are passed over.
pub fn list(directory: &Path) -> io::Result<Vec<Segment>> {
    let mut segments = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "seg") {
            segments.extend(read_head(&path)?);
        }
    }
    segments.sort_by_key(|segment| segment.serial);
    Ok(segments)
}

fn read_head(path: &Path) -> io::Result<Option<Segment>> {
    let mut head = [0; 64];
    match File::open(path)?.read_exact_at(&mut head, 0) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    }
    let crc = crc32fast::hash(&head[..32]).to_le_bytes();
    if &head[..8] != MAGIC || head[32..36] != crc {
        return Ok(None);
    }
    let mut serial = [0; 8];
    serial.copy_from_slice(&head[8..16]);
    let mut device = Fingerprint::default();
    device.0.copy_from_slice(&head[16..32]);
    Ok(Some(Segment { path: path.to_owned(), serial: u64::from_le_bytes(serial), device }))
}

/// What reading through a segment found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scan {
    /// Where the last whole chunk ends.
    pub end: u64,
    /// Whole chunks.
    pub chunks: u64,
    /// Places before the end where bytes are no whole chunk.
    pub damaged: u64,
}

/// Reads through a segment and calls `visit` with each whole chunk and its place.
pub fn scan(segment: &Segment, visit: &mut impl FnMut(u64, &Head, &[u8])) -> io::Result<Scan> {
    let file = File::open(&segment.path)?;
    let mut window = Window { file: &file, start: 0, bytes: Vec::with_capacity(WINDOW) };
    let mut scan = Scan { end: SEGMENT_HEAD, ..Scan::default() };
    let mut at = SEGMENT_HEAD;
    while let Some(bytes) = window.at(at, CHUNK_HEAD)? {
        let whole = match Head::parse_head(bytes, segment.serial) {
            Some(head) => window
                .at(at, CHUNK_HEAD + head.len as usize)?
                .and_then(|bytes| Head::parse(bytes, segment.serial)),
            None => None,
        };
        match whole {
            Some((head, bytes)) => {
                scan.chunks += 1;
                scan.damaged += u64::from(at != scan.end);
                visit(at, &head, bytes);
                at += head.stride() as u64;
                scan.end = at;
            }
            None => at += ALIGN as u64,
        }
    }
    Ok(scan)
}

/// A part of a file in memory that moves along with what is asked for.
struct Window<'a> {
    file: &'a File,
    start: u64,
    bytes: Vec<u8>,
}

impl Window<'_> {
    /// The bytes from `at` on, at least `len`; `None` when the file ends before.
    fn at(&mut self, at: u64, len: usize) -> io::Result<Option<&[u8]>> {
        let from = |start: u64| usize::try_from(at.checked_sub(start)?).ok();
        let is_inside = from(self.start).is_some_and(|from| from + len <= self.bytes.len());
        if !is_inside {
            self.start = at;
            self.bytes.resize(WINDOW.max(len), 0);
            let mut filled = 0;
            while filled < self.bytes.len() {
                match self.file.read_at(&mut self.bytes[filled..], at + filled as u64) {
                    Ok(0) => break,
                    Ok(read) => filled += read,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(error),
                }
            }
            self.bytes.truncate(filled);
        }
        Ok(from(self.start).and_then(|from| self.bytes.get(from..)).filter(|b| b.len() >= len))
    }
}

/// Reads the chunk at `at`; `None` when it is not whole.
pub(super) fn read_chunk(
    file: &File,
    serial: u64,
    at: u64,
    len: u32,
) -> io::Result<Option<(Head, Vec<u8>)>> {
    let mut bytes = vec![0; CHUNK_HEAD + (len as usize).min(MAX_CHUNK)];
    match file.read_exact_at(&mut bytes, at) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    }
    let Some((head, _)) = Head::parse(&bytes, serial) else { return Ok(None) };
    bytes.drain(..CHUNK_HEAD);
    Ok(Some((head, bytes)))
}
