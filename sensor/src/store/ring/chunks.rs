//! A call's chunks, read one by one: for those who must not hold all of a long call.

use std::fs::File;
use std::io;

use super::chunk::Lock;
use super::key::Key;
use super::reader::Places;
use super::segment;

/// Where a call's packets stand, and the keys that open them. Outlives what it was made from.
#[derive(Debug, Default)]
pub struct Chunks {
    places: Places,
    kept: Option<Key>,
    held: Option<Key>,
    open: Option<(u64, File)>,
    missing: u32,
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
    /// Chunks at these places, with the call's keys.
    pub(super) fn new(places: Places, kept: Option<&Key>, held: Option<&Key>) -> Self {
        let copy = |key: &Key| Key::from_bytes(*key.bytes());
        Self { places, kept: kept.map(copy), held: held.map(copy), open: None, missing: 0 }
    }

    /// How many there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Chunks that were damaged, or gone with their segment, each time that one was read.
    #[must_use]
    pub const fn missing(&self) -> u32 {
        self.missing
    }

    /// Reads one; `None` when it is damaged, let go, or gone with its segment.
    ///
    /// # Errors
    /// The system's.
    pub fn read(&mut self, number: usize) -> io::Result<Option<Opened>> {
        let Some(place) = self.places.get(number) else { return Ok(None) };
        if self.open.as_ref().is_none_or(|(serial, _)| *serial != place.serial) {
            self.open = match File::open(&place.path) {
                Ok(file) => Some((place.serial, file)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => None,
                Err(error) => return Err(error),
            };
        }
        let chunk = match &self.open {
            Some((_, file)) => segment::read_chunk(file, place.serial, place.at, place.len)?,
            None => None,
        };
        let Some((head, bytes)) = chunk else {
            self.missing += 1;
            return Ok(None);
        };
        let key = match head.lock {
            Lock::Clear => {
                return Ok(Some(Opened { lock: head.lock, latest_at: head.at, bytes }));
            }
            Lock::Kept => &self.kept,
            Lock::Held => &self.held,
            Lock::Device => &None,
        };
        // What was held and let go is no loss.
        let bytes = key.as_ref().and_then(|key| key.open(&head, &bytes));
        Ok(bytes.map(|bytes| Opened { lock: head.lock, latest_at: head.at, bytes }))
    }
}
