//! The store's thread: it owns the files, the index, and the keys of calls in progress.

mod open;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use super::chunk::{ALIGN, CHUNK_HEAD, CallKey, Head, Kind, Lock};
use super::facts::Facts;
use super::index::{Index, Place, Places};
use super::key::{KEY_LEN, Key, TAG_LEN};
use super::parked::{Claimed, Parked};
use super::reader;
use super::segment::{self, SEGMENT_HEAD};
use super::{
    BUFFER_BYTES, Chunk, Figures, Order, RETRY_AFTER, RingSettings, SYNC_EVERY, WRITE_BYTES,
};

const INDEX_FOLDER: &str = "index";

/// Orders that are carried out before time is looked at again.
const MAX_AT_ONCE: usize = 1024;

const DAY: u64 = 86_400_000_000;

/// Between two looks for segments that are older than `max_days`.
const AGE_EVERY: core::time::Duration = core::time::Duration::from_secs(60);

pub(super) struct Writer {
    settings: RingSettings,
    inbox: Receiver<Order>,
    back: SyncSender<Vec<u8>>,
    shared: Arc<Mutex<Figures>>,
    large_bytes: Arc<AtomicUsize>,
    index: Option<Index>,
    /// Full segments by serial: their files, and the time of their latest packet.
    full: BTreeMap<u64, (PathBuf, u64)>,
    current: Option<Current>,
    next_serial: u64,
    /// Calls of this start that are not over.
    calls: HashMap<u64, CallState>,
    pinned: HashSet<CallKey>,
    parked: Parked,
    /// The latest packet's time: the store's own clock.
    now: u64,
    is_open: bool,
    retry_at: Option<Instant>,
    dirty_since: Option<Instant>,
    aged_at: Instant,
}

/// The segment that is being written.
struct Current {
    file: File,
    path: PathBuf,
    serial: u64,
    /// Where the next write goes, behind what is staged.
    written: u64,
    staged: Vec<u8>,
    places: Places,
    latest_at: u64,
}

impl Current {
    fn end(&self) -> u64 {
        self.written + self.staged.len() as u64
    }
}

/// Keys and counts of a call in progress.
#[derive(Default)]
struct CallState {
    kept: Option<Key>,
    held: Option<Key>,
    nonce: u32,
    is_kept: bool,
}

impl Writer {
    pub(super) fn new(
        settings: RingSettings,
        inbox: Receiver<Order>,
        back: SyncSender<Vec<u8>>,
        shared: Arc<Mutex<Figures>>,
        large_bytes: Arc<AtomicUsize>,
    ) -> Self {
        Self {
            settings,
            inbox,
            back,
            shared,
            large_bytes,
            index: None,
            full: BTreeMap::new(),
            current: None,
            next_serial: 1,
            calls: HashMap::new(),
            pinned: HashSet::new(),
            parked: Parked::default(),
            now: 0,
            is_open: false,
            retry_at: None,
            dirty_since: None,
            aged_at: Instant::now(),
        }
    }

    /// Works until the last sender is gone.
    pub(super) fn run(mut self) {
        self.try_open();
        loop {
            match self.inbox.recv_timeout(self.patience()) {
                Ok(order) => self.handle(order),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            // A few at once, so that what follows is not put off by a steady stream.
            for _ in 0..MAX_AT_ONCE {
                let Ok(order) = self.inbox.try_recv() else { break };
                self.handle(order);
            }
            self.write_staged();
            self.let_go();
            if self.dirty_since.is_some_and(|since| since.elapsed() >= SYNC_EVERY) {
                self.sync();
            }
            if self.aged_at.elapsed() >= AGE_EVERY {
                self.aged_at = Instant::now();
                self.remove_aged();
            }
        }
        self.write_staged();
        self.sync();
    }

    fn patience(&self) -> core::time::Duration {
        match self.dirty_since {
            Some(since) => SYNC_EVERY.saturating_sub(since.elapsed()),
            None => SYNC_EVERY,
        }
    }

    fn handle(&mut self, order: Order) {
        match order {
            Order::Write(chunk) => {
                let bytes = self.write_packets(chunk);
                self.give_back(bytes);
            }
            Order::Copy(chunk) => drop(self.write_packets(chunk)),
            Order::Park(number, facts) => self.park(number, facts),
            Order::Claim(call, answer) => {
                self.write_staged();
                // Who asked may have gone: then it is let go.
                let _ = answer.send(self.claim(call));
            }
            Order::Keep(number, facts) => {
                self.calls.entry(number).or_default().is_kept = true;
                self.write_facts(number, &facts);
            }
            Order::End(number, facts, keeps_held) => self.end(number, facts, keeps_held),
            Order::Pin(call, is_pinned) => self.pin(call, is_pinned),
            Order::Sync(answer) => {
                self.write_staged();
                self.sync();
                // Who asked may have gone.
                let _ = answer.send(());
            }
            Order::Find(call, answer) => {
                self.write_staged();
                let _ = answer.send(self.find(call));
            }
        }
    }

    /// Where the chunks of a call stand, oldest first; `None` without an index.
    fn find(&self, call: CallKey) -> Option<reader::Places> {
        let mut found = reader::Places::default();
        for (serial, Place { at, len }) in self.index.as_ref()?.places(call).ok()? {
            // One whose segment was used again meanwhile is gone.
            if let Some((path, _)) = self.full.get(&serial) {
                found.push(path, serial, at, len);
            }
        }
        if let Some(Current { path, serial, places, .. }) = &self.current {
            for Place { at, len } in places.get(&call).into_iter().flatten() {
                found.push(path, *serial, *at, *len);
            }
        }
        Some(found)
    }

    /// Holds a call that is over for a while.
    fn park(&mut self, number: u64, facts: Box<Facts>) {
        let state = self.calls.remove(&number).unwrap_or_default();
        let Some(key) = state.held.filter(|_| self.settings.parks_for.is_some()) else {
            self.forget((self.settings.boot, number));
            return;
        };
        if let Some(leaves) = self.parked.add(number, key, facts, Instant::now()) {
            self.forget((self.settings.boot, leaves));
        }
    }

    /// Hands out a call that is held so.
    fn claim(&mut self, call: CallKey) -> Option<Box<Claimed>> {
        let (boot, number) = call;
        let known = (boot == self.settings.boot).then(|| self.parked.take(number));
        let (key, facts) = known.flatten()?;
        let places = self.find(call)?;
        Some(Box::new(Claimed { facts: *facts, key, places }))
    }

    fn let_go(&mut self) {
        let Some(held_for) = self.settings.parks_for else { return };
        while let Some(number) = self.parked.expire(held_for, Instant::now()) {
            self.forget((self.settings.boot, number));
        }
    }

    /// Writes packets; answers their buffer.
    fn write_packets(&mut self, chunk: Chunk) -> Vec<u8> {
        let Chunk { number, lock, packets, at, mut bytes } = chunk;
        self.now = self.now.max(at);
        let len = bytes.len() - CHUNK_HEAD;
        let lock = match (lock, &self.settings.device_key) {
            (Lock::Clear, Some(_)) => Lock::Kept,
            _ => lock,
        };
        let is_sealed = self.seal(number, lock, packets, at, &mut bytes);
        match is_sealed {
            Some(head) if self.append(&head, &mut bytes) => {
                self.figures(|figures| figures.stored_bytes += len as u64);
            }
            _ => self.figures(|figures| figures.dropped_chunks += 1),
        }
        bytes
    }

    fn give_back(&self, bytes: Vec<u8>) {
        if bytes.capacity() == BUFFER_BYTES {
            // As many fit as exist.
            let _ = self.back.try_send(bytes);
        } else {
            self.large_bytes.fetch_sub(bytes.capacity(), Ordering::Relaxed);
        }
    }

    /// Seals the bytes behind the head under the call's key, and makes the head.
    fn seal(
        &mut self,
        number: u64,
        lock: Lock,
        packets: u16,
        at: u64,
        bytes: &mut Vec<u8>,
    ) -> Option<Head> {
        let boot = self.settings.boot;
        let state = self.calls.entry(number).or_default();
        let nonce = state.nonce;
        state.nonce = nonce.checked_add(1)?;
        let len = u32::try_from(bytes.len() - CHUNK_HEAD).ok()?;
        let mut head =
            Head { kind: Kind::Packets, lock, packets, call: (boot, number), nonce, at, len };
        let key = match lock {
            Lock::Kept => &mut state.kept,
            Lock::Held => &mut state.held,
            Lock::Clear | Lock::Device => return Some(head),
        };
        let is_new = key.is_none();
        if is_new {
            *key = Key::random();
        }
        let tag = key.as_ref()?.seal(&head, &mut bytes[CHUNK_HEAD..])?;
        bytes.extend_from_slice(&tag);
        head.len += TAG_LEN;
        if is_new && lock == Lock::Kept {
            self.write_key(number, Lock::Kept);
        }
        Some(head)
    }

    /// Writes a key of a call: from then on what it seals can be read.
    fn write_key(&mut self, number: u64, lock: Lock) {
        let Some(state) = self.calls.get(&number) else { return };
        let key = if lock == Lock::Held { &state.held } else { &state.kept };
        let Some(key) = key else { return };
        let mut plain = zeroize::Zeroizing::new([0; KEY_LEN + 1]);
        plain[0] = lock as u8;
        plain[1..].copy_from_slice(key.bytes());
        self.write_own(number, Kind::Key, &*plain);
    }

    fn write_facts(&mut self, number: u64, facts: &Facts) {
        if let Ok(bytes) = postcard::to_stdvec(facts) {
            self.write_own(number, Kind::Facts, &bytes);
        }
    }

    /// Writes something about a call of this start, under the device's key where there is one.
    fn write_own(&mut self, number: u64, kind: Kind, plain: &[u8]) {
        let boot = self.settings.boot;
        let state = self.calls.entry(number).or_default();
        let nonce = state.nonce;
        state.nonce = nonce.saturating_add(1);
        self.write_about((boot, number), kind, nonce, plain);
    }

    fn write_about(&mut self, call: CallKey, kind: Kind, nonce: u32, plain: &[u8]) {
        let Ok(len) = u32::try_from(plain.len()) else { return };
        let lock = match self.settings.device_key {
            Some(_) => Lock::Device,
            None => Lock::Clear,
        };
        let mut head = Head { kind, lock, packets: 0, call, nonce, at: self.now, len };
        let mut bytes = vec![0; CHUNK_HEAD];
        bytes.extend_from_slice(plain);
        if let Some(device) = &self.settings.device_key {
            let tag = device.of(call.0).seal(&head, &mut bytes[CHUNK_HEAD..]);
            let Some(tag) = tag else { return };
            bytes.extend_from_slice(&tag);
            head.len += TAG_LEN;
        }
        if !self.append(&head, &mut bytes) {
            self.figures(|figures| figures.dropped_chunks += 1);
        }
    }

    fn end(&mut self, number: u64, facts: Option<Box<Facts>>, keeps_held: bool) {
        if keeps_held {
            self.write_key(number, Lock::Held);
        }
        if let Some(facts) = facts {
            self.write_facts(number, &facts);
        } else {
            self.forget((self.settings.boot, number));
        }
        // The keys go with it, overwritten.
        self.calls.remove(&number);
    }

    /// Takes a call that nobody keeps out of the index.
    fn forget(&mut self, call: CallKey) {
        if let Some(current) = &mut self.current {
            current.places.remove(&call);
        }
        self.with_index(|index| index.remove_call(call));
    }

    fn pin(&mut self, call: CallKey, is_pinned: bool) {
        if is_pinned {
            self.pinned.insert(call);
        } else {
            self.pinned.remove(&call);
        }
        self.with_index(|index| index.pin(call, is_pinned));
        let kind = if is_pinned { Kind::Pinned } else { Kind::Unpinned };
        // Nothing in it is secret, and nonces of a call that is over are not known.
        let head =
            Head { kind, lock: Lock::Clear, packets: 0, call, nonce: 0, at: self.now, len: 0 };
        let mut bytes = vec![0; CHUNK_HEAD];
        if !self.append(&head, &mut bytes) {
            self.figures(|figures| figures.dropped_chunks += 1);
        }
    }

    // The disk.

    /// Adds a chunk behind the others; whether the disk takes it, as far as is known.
    fn append(&mut self, head: &Head, chunk: &mut [u8]) -> bool {
        if !self.may_try() {
            return false;
        }
        if let Err(error) = self.make_room(head.stride() as u64) {
            self.refuse(&error);
            return false;
        }
        let Some(current) = &mut self.current else { return false };
        head.emit(current.serial, chunk);
        let place = Place { at: current.end(), len: head.len };
        current.places.entry(head.call).or_default().push(place);
        current.staged.extend_from_slice(chunk);
        current.staged.resize(current.staged.len().next_multiple_of(ALIGN), 0);
        current.latest_at = current.latest_at.max(head.at);
        if current.staged.len() >= WRITE_BYTES {
            self.write_staged();
        }
        true
    }

    /// Whether the disk is to be tried: it is open, and its last refusal was a while ago.
    fn may_try(&mut self) -> bool {
        if self.retry_at.is_some_and(|at| Instant::now() < at) {
            return false;
        }
        self.retry_at = None;
        self.is_open || self.try_open()
    }

    /// Makes sure that the current segment takes `bytes` more.
    fn make_room(&mut self, bytes: u64) -> io::Result<()> {
        let size = self.settings.segment_bytes();
        if self.current.as_ref().is_some_and(|current| current.end() + bytes <= size) {
            return Ok(());
        }
        self.close_current();
        let path = self.next_path()?;
        let serial = self.next_serial;
        let file = match segment::create(&path, serial, self.settings.device, size) {
            Ok(file) => file,
            // There is less room than the quota: what is there goes round.
            Err(error) if error.kind() == io::ErrorKind::StorageFull && !self.full.is_empty() => {
                // What was made of it takes no room; a leftover is passed over by readers.
                let _ = std::fs::remove_file(&path);
                let path = self.oldest()?;
                segment::create(&path, serial, self.settings.device, size)?
            }
            Err(error) => return Err(error),
        };
        self.next_serial += 1;
        self.current = Some(Current {
            file,
            path,
            serial,
            written: SEGMENT_HEAD,
            staged: Vec::with_capacity(WRITE_BYTES + BUFFER_BYTES),
            places: Places::new(),
            latest_at: 0,
        });
        self.publish_segments();
        Ok(())
    }

    /// The file of the next segment: a new one, or the oldest.
    fn next_path(&mut self) -> io::Result<PathBuf> {
        if self.full.len() >= self.settings.max_segments() {
            return self.oldest();
        }
        let name = |number: u64| self.settings.directory.join(format!("{number:06}.seg"));
        let is_taken = |path: &PathBuf| self.full.values().any(|(taken, _)| taken == path);
        let free = (1..).map(name).find(|path| !is_taken(path));
        free.ok_or_else(|| io::ErrorKind::StorageFull.into())
    }

    /// Lets the oldest segment without a pinned call go, and gives its file. Pinned calls hold at
    /// most half of the segments.
    fn oldest(&mut self) -> io::Result<PathBuf> {
        let held = self.segments_with_pinned();
        let limit = self.settings.max_segments() / 2;
        let free = self.full.keys().copied().find(|serial| !held.contains(serial));
        let serial = match free {
            Some(serial) if held.len() <= limit => serial,
            _ => {
                let oldest = self.full.keys().next().copied();
                if !held.is_empty() {
                    log::warn!("pinned calls hold more than half of the store: the oldest goes");
                }
                oldest.ok_or(io::ErrorKind::StorageFull)?
            }
        };
        let Some((path, _)) = self.full.remove(&serial) else {
            return Err(io::ErrorKind::NotFound.into());
        };
        self.with_index(|index| index.remove_segment(serial));
        Ok(path)
    }

    fn segments_with_pinned(&self) -> Vec<u64> {
        let Some(index) = &self.index else { return Vec::new() };
        let mut held: Vec<u64> = self
            .pinned
            .iter()
            .filter_map(|&call| index.places(call).ok())
            .flat_map(|places| places.into_iter().map(|(serial, _)| serial))
            .collect();
        held.sort_unstable();
        held.dedup();
        held
    }

    fn close_current(&mut self) {
        self.write_staged();
        self.sync();
        let Some(current) = self.current.take() else { return };
        let Current { path, serial, places, latest_at, .. } = current;
        self.full.insert(serial, (path, latest_at));
        self.with_index(|index| index.close_segment(serial, latest_at, &places));
    }

    fn write_staged(&mut self) {
        let Some(current) = self.current.as_mut().filter(|current| !current.staged.is_empty())
        else {
            return;
        };
        let result = current.file.write_all_at(&current.staged, current.written);
        let len = current.staged.len() as u64;
        match result {
            Ok(()) => {
                current.written += len;
                current.staged.clear();
                self.dirty_since.get_or_insert_with(Instant::now);
                self.figures(|figures| figures.written_bytes += len);
            }
            Err(error) => {
                let written = current.written;
                let mut lost = 0;
                for places in current.places.values_mut() {
                    let before = places.len();
                    places.retain(|place| place.at < written);
                    lost += before - places.len();
                }
                current.staged.clear();
                self.figures(|figures| figures.dropped_chunks += lost as u64);
                self.refuse(&error);
            }
        }
    }

    fn sync(&mut self) {
        if self.dirty_since.take().is_none() {
            return;
        }
        if let Some(Err(error)) = self.current.as_ref().map(|current| current.file.sync_data()) {
            self.refuse(&error);
        }
    }

    fn refuse(&mut self, error: &io::Error) {
        let was_refusing = self.figures(|figures| {
            figures.errors += 1;
            core::mem::replace(&mut figures.refusing, true)
        });
        if !was_refusing {
            log::error!(
                "the ring store {} does not take packets: {error}; calls are recorded without them",
                self.settings.directory.display()
            );
        }
        self.retry_at = Some(Instant::now() + RETRY_AFTER);
        // It is found again, as far as it was written, when the disk works again.
        self.is_open = false;
        self.current = None;
    }

    /// Deletes segments whose packets are all older than the store may keep them, oldest first. A
    /// clock that goes back deletes nothing.
    fn remove_aged(&mut self) {
        let Some(days) = self.settings.max_days else { return };
        let oldest_at = self.now.saturating_sub(days.saturating_mul(DAY));
        while let Some((&serial, (path, latest_at))) = self.full.first_key_value() {
            if *latest_at >= oldest_at {
                break;
            }
            if let Err(error) = std::fs::remove_file(path) {
                log::error!("{}: {error}", path.display());
                break;
            }
            self.full.remove(&serial);
            self.with_index(|index| index.remove_segment(serial));
        }
        self.publish_segments();
    }

    /// Does something with the index; when it fails, the store goes on without one and makes it
    /// again at the next start.
    fn with_index(&mut self, work: impl FnOnce(&Index) -> Result<(), super::index::IndexError>) {
        let Some(index) = &self.index else { return };
        if let Err(error) = work(index) {
            log::error!("the store's index is not used any more: {error}");
            self.index = None;
            self.figures(|figures| figures.errors += 1);
        }
    }

    fn publish_segments(&self) {
        let segments = self.full.len() + usize::from(self.current.is_some());
        self.figures(|figures| figures.segments = segments as u64);
    }

    fn figures<T>(&self, change: impl FnOnce(&mut Figures) -> T) -> T {
        change(&mut self.shared.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
