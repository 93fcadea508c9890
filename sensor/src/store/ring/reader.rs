//! One call out of the store while that is written: found by the index, read in order, in little
//! memory.
//!
//! Chunks stand in the order in which they were handed over, which is nearly that of their packets:
//! SIP that was held in memory comes later. So chunks are sorted by their first packet, and packets
//! wait in a heap until no later chunk can hold an earlier one ([`SLACK`]).

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Weak};

use super::Order;
use super::catalog::Entry;
use super::chunk::{CHUNK_HEAD, CallKey, Head, Kind, Lock};
use super::chunks::Chunks;
use super::facts::Facts;
use super::key::DeviceKey;
use super::packet::{MAX_PACKET_HEAD, Packet};
use super::segment::{self, read_chunk};

/// Packets of one chunk are older than its first by less than this, microseconds.
const SLACK: u64 = 2_000_000;

/// Where a chunk stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The segment's file.
    pub path: Arc<Path>,
    /// The segment's serial: a file that is used again has another.
    pub serial: u64,
    /// Where the chunk's head begins.
    pub at: u64,
    /// Bytes behind the head.
    pub len: u32,
}

/// Asks a running store where calls stand.
#[derive(Clone, Debug)]
pub struct Finder(pub(super) Weak<SyncSender<Order>>);

impl Finder {
    /// The places of a call's chunks; `None` when the store has ended, or has no index.
    #[must_use]
    pub fn find(&self, call: CallKey) -> Option<Vec<Place>> {
        let (answer, found) = sync_channel(1);
        self.0.upgrade()?.send(Order::Find(call, answer)).ok()?;
        found.recv().ok()?
    }
}

/// The places of a call's chunks, by reading through every segment of `directory`.
///
/// # Errors
/// The system's.
pub fn scan(directory: &Path, call: CallKey) -> io::Result<Vec<Place>> {
    let mut places = Vec::new();
    for segment in segment::list(directory)? {
        let path: Arc<Path> = segment.path.as_path().into();
        segment::scan(&segment, &mut |at, head, _| {
            if head.call == call {
                let (path, serial) = (Arc::clone(&path), segment.serial);
                places.push(Place { path, serial, at, len: head.len });
            }
        })?;
    }
    Ok(places)
}

/// A call that is kept.
#[derive(Debug)]
pub struct StoredCall {
    /// What the store knows of it.
    pub facts: Facts,
    entry: Entry,
    /// Chunks with packets, each with the time of its first.
    chunks: Vec<(u64, Place)>,
    /// Chunks that are damaged, or gone with their segment.
    missing: u32,
}

impl StoredCall {
    /// Looks at every chunk of a call, without reading its packets; `None` when nothing says that it
    /// is kept.
    ///
    /// # Errors
    /// The system's.
    pub fn open(places: Vec<Place>, device: Option<&DeviceKey>) -> io::Result<Option<Self>> {
        let (mut entry, mut heads, mut missing) = (Entry::default(), Vec::new(), 0);
        let mut files = Files::default();
        for place in places {
            let Some(file) = files.of(&place)? else {
                missing += 1;
                continue;
            };
            let mut bytes = [0; CHUNK_HEAD + MAX_PACKET_HEAD];
            let filled = read_up_to(file, &mut bytes, place.at)?;
            match Head::parse_head(&bytes[..filled], place.serial) {
                Some(head) if head.kind == Kind::Packets => {
                    let first_at = Packet::peek_at(&bytes[CHUNK_HEAD.min(filled)..filled]);
                    heads.push((head, first_at, place));
                }
                Some(_) => match read_chunk(file, place.serial, place.at, place.len)? {
                    Some((head, bytes)) => {
                        entry.add((place.serial, place.at), &head, &bytes, device);
                    }
                    None => missing += 1,
                },
                None => missing += 1,
            }
        }
        let Some(facts) = entry.facts.clone() else { return Ok(None) };
        let mut stored = Self { facts, entry, chunks: Vec::new(), missing };
        for (head, first_at, place) in heads {
            // The time in a sealed chunk is sealed, too.
            let first_at = match head.lock {
                Lock::Clear => first_at,
                _ => match stored.read(&mut files, &place)? {
                    // What was held and let go is no loss.
                    None => continue,
                    Some(bytes) => Packet::peek_at(&bytes),
                },
            };
            match first_at {
                Some(first_at) => stored.chunks.push((first_at, place)),
                None => stored.missing += 1,
            }
        }
        stored.chunks.sort_by_key(|(first_at, place)| (*first_at, place.serial, place.at));
        Ok(Some(stored))
    }

    /// Bytes that its chunks take.
    #[must_use]
    pub fn chunk_bytes(&self) -> u64 {
        self.chunks.iter().map(|(_, place)| u64::from(place.len)).sum()
    }

    /// Where its packets stand, in the order in which they are handed out: another list is another
    /// content.
    pub fn places(&self) -> impl Iterator<Item = &Place> {
        self.chunks.iter().map(|(_, place)| place)
    }

    /// Its chunks, to be read again and again.
    #[must_use]
    pub fn chunks(&self) -> Chunks {
        let (kept, held) = self.entry.keys();
        Chunks::new(self.places().cloned().collect(), kept, held)
    }

    /// Its packets, in the order in which they were captured, each once.
    #[must_use]
    pub fn packets(self) -> Packets {
        Packets {
            call: self,
            next_chunk: 0,
            files: Files::default(),
            heap: BinaryHeap::new(),
            last_number: None,
        }
    }

    /// The packets of a chunk; `None` where their key is gone.
    fn read(&mut self, files: &mut Files, place: &Place) -> io::Result<Option<Vec<u8>>> {
        let chunk = match files.of(place)? {
            Some(file) => read_chunk(file, place.serial, place.at, place.len)?,
            None => None,
        };
        let Some((head, bytes)) = chunk else {
            self.missing += 1;
            return Ok(None);
        };
        Ok(self.entry.open(&head, bytes))
    }
}

/// A packet that waits for its turn.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct OwnedPacket {
    at: u64,
    number: u32,
    /// Of a packet that is there with its headers only, too, the whole one comes first.
    lack: Reverse<usize>,
    link_type: u16,
    interface: u8,
    original_len: u32,
    bytes: Vec<u8>,
}

impl OwnedPacket {
    fn of(packet: &Packet<'_>) -> Self {
        Self {
            at: packet.at,
            number: packet.number,
            lack: Reverse(packet.bytes.len()),
            link_type: packet.link_type,
            interface: packet.interface,
            original_len: packet.original_len,
            bytes: packet.bytes.to_vec(),
        }
    }

    /// The packet.
    #[must_use]
    pub fn packet(&self) -> Packet<'_> {
        Packet {
            number: self.number,
            at: self.at,
            link_type: self.link_type,
            interface: self.interface,
            original_len: self.original_len,
            bytes: &self.bytes,
        }
    }
}

/// A call's packets, one after the other.
#[derive(Debug)]
pub struct Packets {
    call: StoredCall,
    next_chunk: usize,
    files: Files,
    heap: BinaryHeap<Reverse<OwnedPacket>>,
    last_number: Option<u32>,
}

impl Packets {
    /// What the store knows of the call.
    #[must_use]
    pub const fn facts(&self) -> &Facts {
        &self.call.facts
    }

    /// Chunks that were damaged, or gone with their segment, so far.
    #[must_use]
    pub const fn missing(&self) -> u32 {
        self.call.missing
    }

    /// The next packet; `None` after the last.
    ///
    /// # Errors
    /// The system's.
    pub fn next_packet(&mut self) -> io::Result<Option<OwnedPacket>> {
        loop {
            let next_at = self.call.chunks.get(self.next_chunk).map(|(first_at, _)| *first_at);
            let is_ready = |Reverse(packet): &Reverse<OwnedPacket>| {
                next_at.is_none_or(|next_at| packet.at.saturating_add(SLACK) < next_at)
            };
            if !self.heap.peek().is_some_and(is_ready) {
                if next_at.is_none() {
                    return Ok(None);
                }
                self.take_chunk()?;
                continue;
            }
            let Some(Reverse(packet)) = self.heap.pop() else { return Ok(None) };
            if self.last_number.replace(packet.number) != Some(packet.number) {
                return Ok(Some(packet));
            }
        }
    }

    fn take_chunk(&mut self) -> io::Result<()> {
        let (_, place) = self.call.chunks[self.next_chunk].clone();
        self.next_chunk += 1;
        let Some(bytes) = self.call.read(&mut self.files, &place)? else { return Ok(()) };
        let mut rest = bytes.as_slice();
        while let Some((packet, after)) = Packet::parse(rest) {
            self.heap.push(Reverse(OwnedPacket::of(&packet)));
            rest = after;
        }
        Ok(())
    }
}

/// The segment file that was read last: chunks of a call mostly stand in one after the other.
#[derive(Debug, Default)]
struct Files(Option<(u64, File)>);

impl Files {
    /// The file of a place; `None` when it is gone.
    fn of(&mut self, place: &Place) -> io::Result<Option<&File>> {
        if self.0.as_ref().is_none_or(|(serial, _)| *serial != place.serial) {
            self.0 = match File::open(&place.path) {
                Ok(file) => Some((place.serial, file)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => None,
                Err(error) => return Err(error),
            };
        }
        Ok(self.0.as_ref().map(|(_, file)| file))
    }
}

fn read_up_to(file: &File, bytes: &mut [u8], at: u64) -> io::Result<usize> {
    let mut filled = 0;
    while filled < bytes.len() {
        match file.read_at(&mut bytes[filled..], at + filled as u64) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}
