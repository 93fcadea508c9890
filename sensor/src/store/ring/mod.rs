//! The ring store: packets of calls that a rule keeps, on disk, the oldest leaving first.
//!
//! ```text
//!  analysis --> buffers of 4 KiB --> bounded channel --> `store` thread --> segment files
//!     ^                                                      |               (packets, facts, keys)
//!     `---------------- empty buffers <----------------------+-------------> sled (call -> places)
//! ```
//!
//! Segment files have one size, are made at it, and are written from beginning to end: a full one
//! is followed by a new one, or by the oldest when the quota is reached. What is in them says
//! everything ([`catalog`]); the index only finds it faster, and is written once a segment.
//!
//! *A chunk exists once its segment is synced*, at most [`SYNC_EVERY`] and the disk's own time after
//! it was handed over. A disk that refuses costs packets, which are counted, and nothing else.
//!
//! Packets that no rule keeps yet are sealed under a key of their call that is in memory only
//! ([`key`]). If a rule keeps them at the call's end, the key is written behind them; if none does,
//! the key is overwritten and the bytes mean nothing.

pub mod catalog;
pub mod chunk;
pub mod chunks;
pub mod facts;
mod index;
pub mod key;
pub mod packet;
pub mod parked;
pub mod reader;
pub mod segment;
mod writer;

#[cfg(test)]
mod tests;

use core::time::Duration;
use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use ringside_protocol::cdr::{Boot, Fingerprint};
use ringside_protocol::counters::Counter;

use chunk::{CHUNK_HEAD, Lock};
use facts::Facts;
use key::TAG;
use writer::Writer;

/// The store's own folder in the data directory.
pub const FOLDER: &str = "ring";

/// Bytes of one buffer: a chunk with its head and tag.
pub const BUFFER_BYTES: usize = 4096;

/// Buffers that exist, at most: 12 MiB. When all are in use, packets are dropped and counted.
pub const MAX_BUFFERS: usize = 3072;

/// Bytes of buffers for frames that are too large for one, at most.
pub const MAX_LARGE_BYTES: usize = 2 << 20;

/// Bytes that are written at once.
const WRITE_BYTES: usize = 256 << 10;

/// A written chunk is synced at most so much later.
pub const SYNC_EVERY: Duration = Duration::from_secs(2);

/// How long the disk is left alone after it has refused.
pub const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Bytes of a segment, unless the quota asks for smaller ones.
const SEGMENT_BYTES: u64 = 64 << 20;

/// The smallest segment that is used.
const MIN_SEGMENT_BYTES: u64 = 1 << 20;

// All that the store holds in memory at once: 16 MiB are promised.
const _: () =
    assert!(MAX_BUFFERS * BUFFER_BYTES + MAX_LARGE_BYTES + 2 * WRITE_BYTES + (1 << 20) <= 16 << 20);

/// What a store needs to know.
#[derive(Debug)]
pub struct RingSettings {
    /// Its folder.
    pub directory: PathBuf,
    /// Bytes that it takes on disk, at most.
    pub max_bytes: u64,
    /// Days that packets are kept, at most.
    pub max_days: Option<u64>,
    /// Who writes.
    pub device: Fingerprint,
    /// This start of the sensor.
    pub boot: Boot,
    /// Seals everything under the device's key (encryption at rest).
    pub device_key: Option<key::DeviceKey>,
    /// Whether handing over waits for the disk, as with a file, instead of dropping.
    pub waits: bool,
    /// How long calls are held after their end ([`Order::Park`]); `None` where none are.
    pub parks_for: Option<Duration>,
}

impl RingSettings {
    /// Bytes of a segment: at least eight fit the quota.
    #[must_use]
    pub fn segment_bytes(&self) -> u64 {
        (self.max_bytes / 8).clamp(MIN_SEGMENT_BYTES, SEGMENT_BYTES) & !0xfff
    }

    /// Segments that fit the quota beside the index, at least two.
    #[must_use]
    pub fn max_segments(&self) -> usize {
        let for_index = self.max_bytes / 32;
        let segments = (self.max_bytes - for_index) / self.segment_bytes();
        usize::try_from(segments).unwrap_or(usize::MAX).max(2)
    }
}

/// What the store holds and has counted since its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Segments that exist.
    pub segments: u64,
    /// Bytes of packets, with their own heads, that were stored.
    pub stored_bytes: u64,
    /// Bytes written to segment files.
    pub written_bytes: u64,
    /// Chunks that the disk did not take.
    pub dropped_chunks: u64,
    /// Disk operations that failed.
    pub errors: u64,
    /// Whether the disk refuses at present.
    pub refusing: bool,
}

impl Figures {
    /// The figures that travel with the heartbeat.
    #[must_use]
    pub const fn counters(&self) -> [(Counter, u64); 3] {
        [
            (Counter::StoreBytes, self.stored_bytes),
            (Counter::StoreChunksDropped, self.dropped_chunks),
            (Counter::StoreErrors, self.errors),
        ]
    }
}

/// Packets of one call, ready to be written. `bytes` begins with room for the head.
#[derive(Debug)]
pub struct Chunk {
    /// Whose they are.
    pub number: u64,
    /// [`Lock::Clear`] or [`Lock::Held`].
    pub lock: Lock,
    /// How many.
    pub packets: u16,
    /// The time of the latest.
    pub at: u64,
    /// See [`Ring::buffer`].
    pub bytes: Vec<u8>,
}

/// Something for the store's thread to do.
#[derive(Debug)]
pub enum Order {
    /// Write packets.
    Write(Chunk),
    /// The call is kept.
    Keep(u64, Box<Facts>),
    /// The call is over: what was held is kept (`true`) or let go.
    End(u64, Option<Box<Facts>>, bool),
    /// Write packets that were read elsewhere in the store; the buffer is not one of its own.
    Copy(Chunk),
    /// The call is over, and no rule keeps it: it is held for a while longer.
    Park(u64, Box<Facts>),
    /// Hand over a call that is held so; `None` where it is not.
    Claim(chunk::CallKey, SyncSender<Option<Box<parked::Claimed>>>),
    /// Pin a call, or unpin it.
    Pin((Boot, u64), bool),
    /// Write and sync everything, then answer.
    Sync(SyncSender<()>),
    /// Write everything, then answer where the chunks of a call stand; `None` where that is not
    /// known.
    Find(chunk::CallKey, SyncSender<Option<reader::Places>>),
}

/// The store as the analysis sees it.
#[derive(Debug)]
pub struct Ring {
    orders: Option<Arc<SyncSender<Order>>>,
    empty: Receiver<Vec<u8>>,
    /// Orders other than packets that found the channel full.
    waiting: VecDeque<Order>,
    made: usize,
    waits: bool,
    shared: Arc<Mutex<Figures>>,
    /// Bytes of large buffers that the thread has not let go yet.
    large_bytes: Arc<AtomicUsize>,
    thread: Option<JoinHandle<()>>,
}

impl Ring {
    /// Opens the store, or begins one. What an earlier start has left is found again; a damaged
    /// index is made again from the segments. A disk that refuses is tried again later.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn open(settings: RingSettings) -> std::io::Result<Self> {
        // Every buffer fits, and as many other orders as there can be calls.
        let (orders, inbox) = sync_channel(MAX_BUFFERS + crate::limits::MAX_CALLS);
        let (back, empty) = sync_channel(MAX_BUFFERS);
        let shared = Arc::new(Mutex::new(Figures::default()));
        let large_bytes = Arc::new(AtomicUsize::new(0));
        let waits = settings.waits;
        let writer =
            Writer::new(settings, inbox, back, Arc::clone(&shared), Arc::clone(&large_bytes));
        let thread = std::thread::Builder::new().name("store".to_owned()).spawn(|| writer.run())?;
        Ok(Self {
            orders: Some(Arc::new(orders)),
            empty,
            waiting: VecDeque::new(),
            made: 0,
            waits,
            shared,
            large_bytes,
            thread: Some(thread),
        })
    }

    /// An empty buffer with room for the head at its beginning; `None` when all are in use.
    pub fn buffer(&mut self) -> Option<Vec<u8>> {
        let mut buffer = match self.empty.try_recv() {
            Ok(buffer) => buffer,
            Err(_) if self.made < MAX_BUFFERS => {
                self.made += 1;
                Vec::with_capacity(BUFFER_BYTES)
            }
            // With a file the reader waits.
            Err(_) if self.waits => self.empty.recv().ok()?,
            Err(_) => return None,
        };
        buffer.clear();
        buffer.resize(CHUNK_HEAD, 0);
        Some(buffer)
    }

    /// A buffer for one packet of so many bytes that is too large for others; `None` when too many
    /// are in use.
    pub fn large_buffer(&mut self, bytes: usize) -> Option<Vec<u8>> {
        let capacity = CHUNK_HEAD + bytes + packet::MAX_PACKET_HEAD + TAG + BUFFER_BYTES;
        if self.large_bytes.load(Ordering::Relaxed) + capacity > MAX_LARGE_BYTES {
            return None;
        }
        let mut buffer = Vec::with_capacity(capacity);
        self.large_bytes.fetch_add(buffer.capacity(), Ordering::Relaxed);
        buffer.resize(CHUNK_HEAD, 0);
        Some(buffer)
    }

    /// Bytes that a buffer still takes.
    #[must_use]
    pub const fn room(buffer: &[u8]) -> usize {
        (BUFFER_BYTES - TAG).saturating_sub(buffer.len())
    }

    /// Hands something over. Never waits, except with a file.
    pub fn push(&mut self, order: Order) {
        let Some(orders) = &self.orders else { return };
        while let Some(waiting) = self.waiting.pop_front() {
            if let Err(TrySendError::Full(waiting)) = orders.try_send(waiting) {
                self.waiting.push_front(waiting);
                break;
            }
        }
        if self.waits {
            // The thread ends only after this sender.
            let _ = orders.send(order);
            return;
        }
        match orders.try_send(order) {
            Ok(()) | Err(TrySendError::Disconnected(_)) => {}
            Err(TrySendError::Full(Order::Write(chunk))) => {
                self.figures_mut(|figures| figures.dropped_chunks += 1);
                if chunk.bytes.capacity() == BUFFER_BYTES {
                    self.made -= 1;
                } else {
                    self.large_bytes.fetch_sub(chunk.bytes.capacity(), Ordering::Relaxed);
                }
            }
            Err(TrySendError::Full(order)) => {
                if self.waiting.len() < crate::limits::MAX_CALLS {
                    self.waiting.push_back(order);
                }
            }
        }
    }

    /// Waits until everything that was handed over is written and synced, or refused.
    pub fn sync(&mut self) {
        let (answer, done) = sync_channel(1);
        if let Some(orders) = &self.orders {
            for order in self.waiting.drain(..).chain([Order::Sync(answer)]) {
                let _ = orders.send(order);
            }
            // An error means that the thread has ended: there is nothing to wait for.
            let _ = done.recv();
        }
    }

    /// For somebody who reads calls while they are written, and keeps nothing of this alive.
    #[must_use]
    pub fn finder(&self) -> Option<reader::Finder> {
        self.orders.as_ref().map(|orders| reader::Finder(Arc::downgrade(orders)))
    }

    /// The present figures.
    #[must_use]
    pub fn figures(&self) -> Figures {
        *self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn figures_mut(&self, change: impl FnOnce(&mut Figures)) {
        change(&mut self.shared.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        self.sync();
        self.orders = None;
        if let Some(thread) = self.thread.take() {
            // A panic there has been logged by its hook.
            let _ = thread.join();
        }
    }
}
