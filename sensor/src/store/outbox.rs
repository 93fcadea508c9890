//! Records that wait for the cloud's acknowledgement: on disk, oldest first, bounded.
//!
//! ```text
//!  push --> waiting room --> writer thread --> sled tree --> next_batch --> acknowledge
//!           (memory)         writes, flushes   (disk)        (uplink)       removes
//! ```
//!
//! *A record exists once the flush that holds it has returned*, at most [`FLUSH_AFTER`] and the
//! disk's own time after `push`. It is handed to the uplink only then, and removed only when the
//! cloud has acknowledged it. A record's bytes never change after they were first handed out: what
//! was made while the clock was unset is shifted, written and flushed before that.
//!
//! When the tree is at [`OutboxSettings::max_bytes`], the oldest records go, except those just
//! handed out; each is counted. When the disk refuses, records stay in the waiting room and are
//! handed out from there: they do not survive a power cut, but a cloud that can be reached has them
//! at once. The disk is tried again every [`RETRY_AFTER`]; when the room is full as well, its oldest
//! go, and are counted. A tree that is damaged is moved aside and a new one begun.

use core::fmt;
use core::time::Duration;
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use ringside_protocol::cdr::{Boot, Fingerprint};
use ringside_protocol::counters::Counter;
use ringside_protocol::envelope;
use ringside_protocol::limits::MAX_RECORD_BYTES;
use ringside_protocol::record::Record;

use crate::clock::WallClock;

mod disk;
mod journal;
mod record;
mod room;
mod writer;

#[cfg(test)]
mod tests;

use record::Entry;
use room::{Room, Tickets};
use writer::Writer;

/// The outbox's own folder in the data directory: what is damaged is moved aside whole.
const FOLDER: &str = "outbox";

/// A record is flushed at most this long after it was pushed (and the disk's own time).
pub const FLUSH_AFTER: Duration = Duration::from_millis(300);

/// How long the disk is left alone after it has refused.
pub const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Bytes of records in memory, waiting for the disk (about 4000 ordinary calls).
pub const MAX_WAITING_BYTES: usize = 4 << 20;

/// How long `push` waits for room when a healthy disk is behind, before the oldest waiting
/// record goes.
pub const PUSH_PATIENCE: Duration = Duration::from_secs(2);

/// Postcard bytes of one batch: below the envelope's limits even if nothing compresses.
pub const MAX_BATCH_BYTES: usize = 512 << 10;

/// One record is a batch at least, and columns add to a batch little more than their places.
const _: () = assert!(MAX_RECORD_BYTES < MAX_BATCH_BYTES);
const _: () = assert!(MAX_BATCH_BYTES < envelope::MAX_BATCH_BYTES * 3 / 4);
const _: () = assert!(envelope::MAX_BATCH_BYTES <= envelope::MAX_WIRE_BYTES);

/// What an outbox needs to know.
#[derive(Clone, Debug)]
pub struct OutboxSettings {
    /// Bytes of keys and values. sled's files take about 2.5 times as much (measured: 40 MiB after
    /// 200,000 records of 1 kB through a limit of 16 MiB).
    pub max_bytes: u64,
    /// The device, for the journal's ids.
    pub device: Fingerprint,
    /// This start of the sensor.
    pub boot: Boot,
    /// The clock that records were made by; `None` for a capture file, whose times stay.
    pub clock: Option<WallClock>,
    /// Where to note the ids of records that exist; for kill tests.
    pub journal: Option<PathBuf>,
}

/// Why there is no outbox. A disk that refuses is no reason.
#[derive(Debug)]
pub enum OutboxError {
    /// Another sensor holds the directory.
    InUse(PathBuf),
    /// The journal cannot be written.
    Journal(PathBuf, std::io::Error),
    /// The system gives no thread.
    Thread(std::io::Error),
}

impl fmt::Display for OutboxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InUse(path) => write!(
                f,
                "another sensor uses the outbox {}: stop it, or give this one a data directory of \
                 its own",
                path.display()
            ),
            Self::Journal(path, error) => {
                write!(f, "the journal {} cannot be written: {error}", path.display())
            }
            Self::Thread(error) => write!(f, "the outbox's thread could not be started: {error}"),
        }
    }
}

impl core::error::Error for OutboxError {}

/// What the outbox holds and has counted since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Records on disk.
    pub cdrs: u64,
    /// Bytes that they take.
    pub bytes: u64,
    /// The limit of `bytes`.
    pub max_bytes: u64,
    /// Records in memory that are not on disk yet.
    pub waiting: u64,
    /// Whether the disk refuses at present.
    pub refusing: bool,
    /// Records that came to exist.
    pub stored: u64,
    /// Records that the cloud acknowledged.
    pub acknowledged: u64,
    /// Records that it refused.
    pub refused: u64,
    /// Records that went at a bound.
    pub dropped: u64,
    /// Records shifted after the clock was set.
    pub rebased: u64,
    /// Disk operations that failed, and damage found.
    pub errors: u64,
}

impl Figures {
    /// Records that are not acknowledged yet.
    #[must_use]
    pub const fn outstanding(&self) -> u64 {
        self.cdrs + self.waiting
    }

    /// The figures that travel with the heartbeat.
    #[must_use]
    pub const fn counters(&self) -> [(Counter, u64); 6] {
        [
            (Counter::CdrsStored, self.stored),
            (Counter::CdrsAcknowledged, self.acknowledged),
            (Counter::CdrsRefused, self.refused),
            (Counter::CdrsDropped, self.dropped),
            (Counter::CdrsRebased, self.rebased),
            (Counter::OutboxErrors, self.errors),
        ]
    }
}

/// The oldest records, to be sent together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboxBatch {
    place: Place,
    /// The start during which they were made.
    pub boot: Boot,
    /// At least one.
    pub records: Vec<Record>,
}

/// Where the records of a batch were when they were handed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// On disk: the first and the last key; every record between them is in the batch.
    Disk(u64, u64),
    /// In the waiting room, while the disk refused.
    Room(Tickets),
}

/// The outbox. Clones are the same outbox; it closes, flushed, when the last one goes.
#[derive(Clone)]
pub struct Outbox(Arc<Owner>);

struct Owner {
    shared: Arc<Shared>,
    writer: Mutex<Option<JoinHandle<()>>>,
    boot: Boot,
    clock: Option<WallClock>,
}

/// What the writer thread and everybody else meet in.
struct Shared {
    state: Mutex<State>,
    /// There is something for the writer to do.
    work: Condvar,
    /// The figures have changed.
    changed: Condvar,
    listener: Mutex<Option<Box<dyn Fn() + Send>>>,
}

struct State {
    room: Room,
    requests: VecDeque<Request>,
    closing: bool,
    /// The writer has ended: nothing is answered any more.
    is_gone: bool,
    figures: Figures,
}

enum Request {
    NextBatch { limit: usize, answer: SyncSender<Option<OutboxBatch>> },
    Acknowledge { place: Place, refused: u64, answer: SyncSender<()> },
    Flush { answer: SyncSender<()> },
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere leaves queue and figures usable: each change to them is whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Outbox {
    /// Opens the outbox of a data directory (its folder `outbox`) with what an earlier start left
    /// in it.
    ///
    /// A damaged tree is moved aside, a disk that refuses is tried again later: both are logged
    /// and counted, and the outbox is usable.
    ///
    /// # Errors
    /// Every [`OutboxError`].
    pub fn open(data_directory: &Path, settings: OutboxSettings) -> Result<Self, OutboxError> {
        let figures = Figures { max_bytes: settings.max_bytes, ..Figures::default() };
        let shared = Arc::new(Shared {
            state: Mutex::new(State {
                room: Room::default(),
                requests: VecDeque::new(),
                closing: false,
                is_gone: false,
                figures,
            }),
            work: Condvar::new(),
            changed: Condvar::new(),
            listener: Mutex::new(None),
        });
        let (boot, clock) = (settings.boot, settings.clock.clone());
        let directory = data_directory.join(FOLDER);
        let writer = Writer::open(&directory, settings, Arc::clone(&shared))?;
        let thread = std::thread::Builder::new()
            .name("outbox".to_owned())
            .spawn(move || writer.run())
            .map_err(OutboxError::Thread)?;
        Ok(Self(Arc::new(Owner { shared, writer: Mutex::new(Some(thread)), boot, clock })))
    }

    /// Takes a record. Never waits for the disk, except up to [`PUSH_PATIENCE`] when the room
    /// is full although the disk works.
    pub fn push(&self, record: impl Into<Record>) {
        let record = record.into();
        let number = record.number();
        let now = self.0.clock.as_ref().map(WallClock::now);
        let shared = &self.0.shared;
        let entry = Entry::made(self.0.boot, record, now).encode();
        let Some(value) = entry.ok().filter(|value| value.len() <= MAX_RECORD_BYTES) else {
            // It could never be sent, and would hold up all that come after it.
            log::error!("record {number} is too large to be sent: it is dropped");
            shared.lock().figures.dropped += 1;
            return;
        };
        let (mut state, _) = shared
            .changed
            .wait_timeout_while(shared.lock(), PUSH_PATIENCE, |state| {
                state.room.is_full_with(value.len()) && !state.figures.refusing
            })
            .unwrap_or_else(PoisonError::into_inner);
        while state.room.is_full_with(value.len()) && state.room.drop_oldest() {
            state.figures.waiting -= 1;
            state.figures.dropped += 1;
        }
        state.room.push(number, value);
        state.figures.waiting += 1;
        drop(state);
        shared.work.notify_one();
    }

    /// The oldest records of one boot, at most `limit`; `None` when none exists that may be sent.
    /// While the disk refuses, those in memory.
    ///
    /// Until they are acknowledged, the next call returns the same ones again. Records made while
    /// the clock was unset are held back until it is set.
    #[must_use]
    pub fn next_batch(&self, limit: usize) -> Option<OutboxBatch> {
        self.ask(|answer| Request::NextBatch { limit, answer }).flatten()
    }

    /// The cloud has all of them: they are removed.
    pub fn acknowledge(&self, batch: &OutboxBatch) {
        self.acknowledge_but(batch, 0);
    }

    /// The same, but so many of them the cloud has refused, and always would.
    pub fn acknowledge_but(&self, batch: &OutboxBatch, refused: u64) {
        let place = batch.place;
        self.ask(|answer| Request::Acknowledge { place, refused, answer });
    }

    /// Writes and flushes what was pushed before, now. Returns at once when the disk refuses.
    pub fn flush(&self) {
        self.ask(|answer| Request::Flush { answer });
    }

    /// The present figures.
    #[must_use]
    pub fn figures(&self) -> Figures {
        self.0.shared.lock().figures
    }

    /// Waits until the figures are as `wanted`; false when `patience` was over first.
    #[must_use]
    pub fn wait_until(&self, patience: Duration, wanted: impl Fn(&Figures) -> bool) -> bool {
        let shared = &self.0.shared;
        let (state, _) = shared
            .changed
            .wait_timeout_while(shared.lock(), patience, |state| !wanted(&state.figures))
            .unwrap_or_else(PoisonError::into_inner);
        wanted(&state.figures)
    }

    /// Calls `listener` (on the writer's thread) whenever records have come to exist, or wait while
    /// the disk refuses.
    pub fn on_stored(&self, listener: impl Fn() + Send + 'static) {
        let mut place = self.0.shared.listener.lock().unwrap_or_else(PoisonError::into_inner);
        *place = Some(Box::new(listener));
    }

    /// Hands the writer a request and waits for its answer; `None` when the writer is gone.
    fn ask<T>(&self, request: impl FnOnce(SyncSender<T>) -> Request) -> Option<T> {
        let (sender, receiver) = sync_channel(1);
        let mut state = self.0.shared.lock();
        if state.is_gone {
            return None;
        }
        state.requests.push_back(request(sender));
        drop(state);
        self.0.shared.work.notify_one();
        receiver.recv().ok()
    }
}

impl fmt::Debug for Outbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Outbox({:?})", self.figures())
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.shared.lock().closing = true;
        self.shared.work.notify_one();
        let thread = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        // The last handle may be the listener's, which goes on the writer's own thread.
        let other = |thread: &JoinHandle<()>| thread.thread().id() != std::thread::current().id();
        if let Some(thread) = thread.filter(other)
            && thread.join().is_err()
        {
            log::error!("the outbox's thread has failed");
        }
    }
}
