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

use super::catalog::Entry;
use super::chunk::{ALIGN, CHUNK_HEAD, CallKey, Head, Kind, Lock};
use super::chunks::Chunks;
use super::facts::Facts;
use super::key::{DeviceKey, TAG};
use super::packet::{MAX_PACKET_HEAD, Packet};
use super::parked::Claimed;
use super::segment::{self, read_chunk};
use super::{Chunk, Order};

/// Packets of one chunk are older than its first by less than this, microseconds.
const SLACK: u64 = 2_000_000;

/// Packets that wait for their turn take so much memory, at most, bytes: more than two seconds of
/// any call. Of a flood they leave in the order in which they came.
const MAX_WAITING_BYTES: usize = 4 << 20;

/// Chunks of a call, at most: a GiB of packets, half a day of speech in both directions. Looking it
/// up takes [`BYTES_A_CHUNK`] for each.
pub const MAX_CHUNKS: usize = 1 << 18;

/// Memory that a chunk of a call takes while the call is read.
pub const BYTES_A_CHUNK: usize = size_of::<Placed>();

const _: () = assert!(MAX_CHUNKS * BYTES_A_CHUNK <= 6 << 20);

/// Where the chunks of a call stand, each in a few bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Places {
    segments: Vec<(u64, Arc<Path>)>,
    placed: Vec<Placed>,
    /// Whether there are more than [`MAX_CHUNKS`], which are left out.
    is_cut: bool,
}

/// A chunk, by the number of its segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Placed {
    /// The time of its first packet, as far as it is known.
    first_at: u64,
    segment: u32,
    /// In units of [`ALIGN`].
    at: u32,
    len: u32,
}

/// The first packet's time stands sealed.
const SEALED: u64 = u64::MAX;

impl Places {
    /// Adds a chunk behind the others.
    pub(super) fn push(&mut self, path: &Path, serial: u64, at: u64, len: u32) {
        if self.placed.len() >= MAX_CHUNKS {
            self.is_cut = true;
            return;
        }
        if self.segments.last().is_none_or(|(last, _)| *last != serial) {
            self.segments.push((serial, path.into()));
        }
        let segment = u32::try_from(self.segments.len() - 1).unwrap_or(u32::MAX);
        let at = u32::try_from(at / ALIGN as u64).unwrap_or(u32::MAX);
        self.placed.push(Placed { first_at: 0, segment, at, len });
    }

    /// How many there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.placed.len()
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.placed.is_empty()
    }

    /// One of them.
    #[must_use]
    pub fn get(&self, number: usize) -> Option<Place> {
        self.placed.get(number).and_then(|placed| self.place(placed))
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = Place> {
        self.placed.iter().filter_map(|placed| self.place(placed))
    }

    fn place(&self, placed: &Placed) -> Option<Place> {
        let (serial, path) = self.segments.get(placed.segment as usize)?;
        let at = u64::from(placed.at) * ALIGN as u64;
        Some(Place { path: Arc::clone(path), serial: *serial, at, len: placed.len })
    }
}

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
    pub fn find(&self, call: CallKey) -> Option<Places> {
        let (answer, found) = sync_channel(1);
        self.0.upgrade()?.send(Order::Find(call, answer)).ok()?;
        found.recv().ok()?
    }
}

/// Chunks that are handed over before the store is waited for.
const IN_FLIGHT: usize = 64;

impl Finder {
    /// Takes a call over that was held after its end; `None` where it is not.
    #[must_use]
    pub fn claim(&self, call: CallKey) -> Option<Box<Claimed>> {
        let (answer, found) = sync_channel(1);
        self.0.upgrade()?.send(Order::Claim(call, answer)).ok()?;
        found.recv().ok()?
    }

    /// Writes a call that was claimed elsewhere, as if a rule had kept it; answers what there is of
    /// it now. Waits for the disk.
    ///
    /// # Errors
    /// The disk's, and where the store has ended.
    pub fn adopt(&self, call: CallKey, claimed: Claimed) -> io::Result<Facts> {
        let ended = || io::Error::other("the store has ended");
        let orders = self.0.upgrade().ok_or_else(ended)?;
        let send = |order| orders.send(order).map_err(|_| ended());
        let (Claimed { mut facts, key, places }, (_, number)) = (claimed, call);
        send(Order::Keep(number, Box::new(facts.clone())))?;
        let mut chunks = Chunks::new(places, None, Some(&key));
        let mut packets = 0;
        for place in 0..chunks.len() {
            let Some(opened) = chunks.read(place)? else { continue };
            let count = count(&opened.bytes);
            packets += u32::from(count);
            let mut bytes = vec![0; CHUNK_HEAD];
            bytes.extend_from_slice(&opened.bytes);
            // Room for a seal, so that it is not copied.
            bytes.reserve(TAG);
            let (lock, at) = (Lock::Clear, opened.latest_at);
            send(Order::Copy(Chunk { number, lock, packets: count, at, bytes }))?;
            if place % IN_FLIGHT == IN_FLIGHT - 1 {
                // The analysis is to find room in the queue.
                let _ = self.find(call);
            }
        }
        facts.dropped += facts.packets.saturating_sub(packets);
        facts.packets = packets;
        send(Order::End(number, Some(Box::new(facts.clone())), false))?;
        let (answer, done) = sync_channel(1);
        send(Order::Sync(answer))?;
        done.recv().map_err(|_| ended())?;
        Ok(facts)
    }
}

/// Packets in a chunk.
fn count(mut bytes: &[u8]) -> u16 {
    let mut packets = 0_u16;
    while let Some((_, rest)) = Packet::parse(bytes) {
        packets = packets.saturating_add(1);
        bytes = rest;
    }
    packets
}

/// The places of a call's chunks, by reading through every segment of `directory`.
///
/// # Errors
/// The system's.
pub fn scan(directory: &Path, call: CallKey) -> io::Result<Places> {
    let mut places = Places::default();
    for segment in segment::list(directory)? {
        segment::scan(&segment, &mut |at, head, _| {
            if head.call == call {
                places.push(&segment.path, segment.serial, at, head.len);
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
    /// Chunks with packets, in the order of their first ones.
    chunks: Places,
    /// Chunks that are damaged, or gone with their segment.
    missing: u32,
}

impl StoredCall {
    /// Looks at every chunk of a call, without reading its packets; `None` when nothing says that it
    /// is kept.
    ///
    /// # Errors
    /// The system's.
    pub fn open(mut places: Places, device: Option<&DeviceKey>) -> io::Result<Option<Self>> {
        let (mut entry, mut missing) = (Entry::default(), u32::from(places.is_cut));
        let mut files = Files::default();
        let mut kept = 0;
        for number in 0..places.len() {
            let Some(place) = places.get(number) else { continue };
            let Some(file) = files.of(&place)? else {
                missing += 1;
                continue;
            };
            let mut bytes = [0; CHUNK_HEAD + MAX_PACKET_HEAD];
            let filled = read_up_to(file, &mut bytes, place.at)?;
            match Head::parse_head(&bytes[..filled], place.serial) {
                Some(head) if head.kind == Kind::Packets => {
                    // The time in a sealed chunk is sealed, too.
                    let first_at = match head.lock {
                        Lock::Clear => Packet::peek_at(&bytes[CHUNK_HEAD.min(filled)..filled]),
                        _ => Some(SEALED),
                    };
                    match first_at {
                        Some(first_at) => {
                            places.placed[kept] = Placed { first_at, ..places.placed[number] };
                            kept += 1;
                        }
                        None => missing += 1,
                    }
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
        places.placed.truncate(kept);
        let Some(facts) = entry.facts.clone() else { return Ok(None) };
        let mut stored = Self { facts, entry, chunks: Places::default(), missing };
        let mut kept = 0;
        for number in 0..places.len() {
            let mut placed = places.placed[number];
            if placed.first_at == SEALED {
                let Some(place) = places.place(&placed) else { continue };
                // What was held and let go is no loss.
                let Some(bytes) = stored.read(&mut files, &place)? else { continue };
                let Some(first_at) = Packet::peek_at(&bytes) else {
                    stored.missing += 1;
                    continue;
                };
                placed.first_at = first_at;
            }
            places.placed[kept] = placed;
            kept += 1;
        }
        places.placed.truncate(kept);
        // Chunks of one time stay in the order in which they were written.
        places.placed.sort_unstable_by_key(|placed| (placed.first_at, placed.segment, placed.at));
        stored.chunks = places;
        Ok(Some(stored))
    }

    /// Bytes that its chunks take.
    #[must_use]
    pub fn chunk_bytes(&self) -> u64 {
        self.chunks.placed.iter().map(|placed| u64::from(placed.len)).sum()
    }

    /// Where its packets stand, in the order in which they are handed out: another list is another
    /// content.
    pub fn places(&self) -> impl Iterator<Item = Place> {
        self.chunks.iter()
    }

    /// Its chunks, to be read again and again.
    #[must_use]
    pub fn chunks(&self) -> Chunks {
        let (kept, held) = self.entry.keys();
        Chunks::new(self.chunks.clone(), kept, held)
    }

    /// Its packets, in the order in which they were captured, each once.
    #[must_use]
    pub fn packets(self) -> Packets {
        Packets {
            call: self,
            next_chunk: 0,
            files: Files::default(),
            heap: BinaryHeap::new(),
            waiting_bytes: 0,
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

    const fn memory(&self) -> usize {
        size_of::<Self>() + self.bytes.len()
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
    /// Of packets in the heap, each with what it takes itself.
    waiting_bytes: usize,
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
            let next = self.call.chunks.placed.get(self.next_chunk);
            let next_at = next.map(|placed| placed.first_at);
            let is_full = self.waiting_bytes > MAX_WAITING_BYTES;
            let is_ready = |Reverse(packet): &Reverse<OwnedPacket>| {
                is_full || next_at.is_none_or(|next_at| packet.at.saturating_add(SLACK) < next_at)
            };
            if !self.heap.peek().is_some_and(is_ready) {
                if next_at.is_none() {
                    return Ok(None);
                }
                self.take_chunk()?;
                continue;
            }
            let Some(Reverse(packet)) = self.heap.pop() else { return Ok(None) };
            self.waiting_bytes -= packet.memory();
            if self.last_number.replace(packet.number) != Some(packet.number) {
                return Ok(Some(packet));
            }
        }
    }

    fn take_chunk(&mut self) -> io::Result<()> {
        let place = self.call.chunks.get(self.next_chunk);
        self.next_chunk += 1;
        let Some(place) = place else { return Ok(()) };
        let Some(bytes) = self.call.read(&mut self.files, &place)? else { return Ok(()) };
        let mut rest = bytes.as_slice();
        while let Some((packet, after)) = Packet::parse(rest) {
            let packet = OwnedPacket::of(&packet);
            self.waiting_bytes += packet.memory();
            self.heap.push(Reverse(packet));
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
