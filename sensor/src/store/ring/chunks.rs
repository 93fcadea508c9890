//! A call's chunks, read one by one: for those who must not hold all of a long call.

use std::fs::File;
use std::io;

use super::catalog::Extent;
use super::chunk::Lock;
use super::key::Key;
use super::segment::{self, Segment};

/// Where a call's packets stand, and the keys that open them. Outlives the catalog that it is from.
#[derive(Debug, Default)]
pub struct Chunks {
    pub(super) segments: Vec<Segment>,
    pub(super) extents: Vec<Extent>,
    pub(super) kept: Option<Key>,
    pub(super) held: Option<Key>,
    pub(super) open: Option<(u64, File)>,
}

/// What a chunk holds.
#[derive(Debug)]
pub struct Opened {
    /// How it was sealed: packets of one lock follow each other in the order of their numbers,
    /// except SIP that was held in memory.
    pub lock: Lock,
    /// The time of its latest packet, microseconds since the epoch.
    pub latest_at: u64,
    /// Its packets, see [`super::packet::Packet::parse`].
    pub bytes: Vec<u8>,
}

impl Chunks {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.extents.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.extents.is_empty()
    }

    /// Reads one; `None` when it is damaged, let go, or gone with its segment.
    ///
    /// # Errors
    /// The system's.
    pub fn read(&mut self, place: usize) -> io::Result<Option<Opened>> {
        let Some(extent) = self.extents.get(place).copied() else { return Ok(None) };
        if self.open.as_ref().is_none_or(|(serial, _)| *serial != extent.serial) {
            let segment = self.segments.iter().find(|it| it.serial == extent.serial);
            let Some(segment) = segment else { return Ok(None) };
            self.open = match File::open(&segment.path) {
                Ok(file) => Some((extent.serial, file)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                Err(error) => return Err(error),
            };
        }
        let Some((_, file)) = &self.open else { return Ok(None) };
        let chunk = segment::read_chunk(file, extent.serial, extent.at, extent.len)?;
        let Some((head, bytes)) = chunk else { return Ok(None) };
        let key = match head.lock {
            Lock::Clear => {
                return Ok(Some(Opened { lock: head.lock, latest_at: head.at, bytes }));
            }
            Lock::Kept => &self.kept,
            Lock::Held => &self.held,
            Lock::Device => &None,
        };
        let bytes = key.as_ref().and_then(|key| key.open(&head, &bytes));
        Ok(bytes.map(|bytes| Opened { lock: head.lock, latest_at: head.at, bytes }))
    }
}
