//! What the chunks of a store say together: which calls are kept, and where their packets stand.
//!
//! The running sensor has the same in its index; this is for everybody else, and for an index that
//! is damaged.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::Path;

use ringside_protocol::cdr::CallId;

use super::chunk::{CallKey, Head, Kind, Lock};
use super::chunks::Chunks;
use super::facts::Facts;
use super::key::{DeviceKey, KEY_LEN, Key};
use super::packet::Packet;
use super::reader::Places;
use super::segment::{self, Scan, Segment};

/// One chunk with packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Its segment.
    pub serial: u64,
    /// Where its head begins.
    pub at: u64,
    /// Bytes behind the head.
    pub len: u32,
}

/// What is known of a call.
#[derive(Debug, Default)]
pub struct Entry {
    /// `None`: nothing says that it is kept.
    pub facts: Option<Facts>,
    /// Whether it stays when others go.
    pub is_pinned: bool,
    /// Chunks with packets, as written.
    pub extents: Vec<Extent>,
    pub(super) kept: Option<Key>,
    pub(super) held: Option<Key>,
}

impl Entry {
    /// Takes note of one of its chunks.
    pub(super) fn add(
        &mut self,
        (serial, at): (u64, u64),
        head: &Head,
        bytes: &[u8],
        device: Option<&DeviceKey>,
    ) {
        let opened = |bytes: &[u8]| match head.lock {
            Lock::Device => device.and_then(|device| device.of(head.call.0).open(head, bytes)),
            _ => Some(bytes.to_vec()),
        };
        match head.kind {
            Kind::Packets => self.extents.push(Extent { serial, at, len: head.len }),
            Kind::Facts => {
                let facts = opened(bytes).and_then(|bytes| postcard::from_bytes(&bytes).ok());
                self.facts = facts.or(self.facts.take());
            }
            Kind::Key => {
                let Some([lock, key @ ..]) = opened(bytes)
                    .as_deref()
                    .and_then(|bytes| <[u8; KEY_LEN + 1]>::try_from(bytes).ok())
                else {
                    return;
                };
                let key = Some(Key::from_bytes(key));
                if lock == Lock::Held as u8 { self.held = key } else { self.kept = key }
            }
            Kind::Pinned => self.is_pinned = true,
            Kind::Unpinned => self.is_pinned = false,
        }
    }

    /// The keys of chunks that are kept, and of those that were held first.
    pub(super) const fn keys(&self) -> (Option<&Key>, Option<&Key>) {
        (self.kept.as_ref(), self.held.as_ref())
    }

    /// What a chunk with packets holds; `None` where its key is gone.
    pub(super) fn open(&self, head: &Head, bytes: Vec<u8>) -> Option<Vec<u8>> {
        match head.lock {
            Lock::Clear => Some(bytes),
            Lock::Kept => self.kept.as_ref()?.open(head, &bytes),
            Lock::Held => self.held.as_ref()?.open(head, &bytes),
            Lock::Device => None,
        }
    }
}

/// All that a store holds.
#[derive(Debug, Default)]
pub struct Catalog {
    /// Its segments, oldest first, with what reading through each found.
    pub segments: Vec<(Segment, Scan)>,
    calls: BTreeMap<CallKey, Entry>,
}

/// A call's packets as they are handed out.
#[derive(Debug, Default)]
pub struct CallPackets {
    chunks: Vec<Vec<u8>>,
    /// Chunks that are damaged, or gone with their segment.
    pub missing_chunks: u32,
}

impl Catalog {
    /// Reads the store in `directory`. Encrypted facts and keys need the device's.
    ///
    /// # Errors
    /// The system's.
    pub fn read(directory: &Path, device: Option<&DeviceKey>) -> io::Result<Self> {
        let mut catalog = Self::default();
        for segment in segment::list(directory)? {
            let calls = &mut catalog.calls;
            let scan = segment::scan(&segment, &mut |at, head, bytes| {
                let entry = calls.entry(head.call).or_default();
                entry.add((segment.serial, at), head, bytes, device);
            })?;
            catalog.segments.push((segment, scan));
        }
        Ok(catalog)
    }

    /// The calls that are kept, in the order of their ids.
    pub fn kept(&self) -> impl Iterator<Item = (CallKey, &Facts, &Entry)> {
        let kept = |(key, entry): (&CallKey, _)| {
            let entry: &Entry = entry;
            Some((*key, entry.facts.as_ref()?, entry))
        };
        self.calls.iter().filter_map(move |(key, entry)| kept((key, entry)))
    }

    /// The call of this id, or the newest one with this SIP Call-ID.
    #[must_use]
    pub fn find(&self, wanted: &str) -> Option<(CallKey, &Facts)> {
        if let Ok(CallId { boot, number, .. }) = wanted.parse() {
            let entry = self.calls.get(&(boot, number))?;
            return Some(((boot, number), entry.facts.as_ref()?));
        }
        let with_call_id = self.kept().filter(|(_, facts, _)| facts.call_id == wanted);
        with_call_id.max_by_key(|(_, facts, _)| facts.first_at).map(|(key, facts, _)| (key, facts))
    }

    /// The chunks of a call, to be read one by one.
    #[must_use]
    pub fn chunks(&self, call: CallKey) -> Chunks {
        let Some(entry) = self.calls.get(&call) else { return Chunks::default() };
        let (kept, held) = entry.keys();
        let paths = self.segments.iter().map(|(it, _)| (it.serial, it.path.as_path()));
        let paths: BTreeMap<u64, &Path> = paths.collect();
        let mut places = Places::default();
        for extent in &entry.extents {
            if let Some(path) = paths.get(&extent.serial) {
                places.push(path, extent.serial, extent.at, extent.len);
            }
        }
        Chunks::new(places, kept, held)
    }

    /// The packets of a call.
    ///
    /// # Errors
    /// The system's.
    pub fn packets(&self, call: CallKey) -> io::Result<CallPackets> {
        let mut packets = CallPackets::default();
        let Some(entry) = self.calls.get(&call) else { return Ok(packets) };
        let mut open: Option<(u64, File)> = None;
        for extent in &entry.extents {
            let segment = self.segments.iter().find(|(s, _)| s.serial == extent.serial);
            let Some((segment, _)) = segment else { continue };
            if open.as_ref().is_none_or(|(serial, _)| *serial != extent.serial) {
                open = Some((extent.serial, File::open(&segment.path)?));
            }
            let Some((_, file)) = &open else { continue };
            match segment::read_chunk(file, extent.serial, extent.at, extent.len)? {
                // What was held and let go is no loss.
                Some((head, bytes)) => packets.chunks.extend(entry.open(&head, bytes)),
                None => packets.missing_chunks += 1,
            }
        }
        Ok(packets)
    }
}

impl CallPackets {
    /// In the order in which they were captured, each once.
    #[must_use]
    pub fn in_order(&self) -> Vec<Packet<'_>> {
        let mut packets = Vec::new();
        for chunk in &self.chunks {
            let mut rest = chunk.as_slice();
            while let Some((packet, after)) = Packet::parse(rest) {
                packets.push(packet);
                rest = after;
            }
        }
        // Of a packet that is there with its headers only, too, the whole one comes first.
        let whole_first = |packet: &Packet<'_>| core::cmp::Reverse(packet.bytes.len());
        packets.sort_by_key(|packet| (packet.at, packet.number, whole_first(packet)));
        packets.dedup_by_key(|packet| packet.number);
        packets
    }
}
