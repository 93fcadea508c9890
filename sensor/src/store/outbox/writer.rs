//! The thread that owns the outbox's tree.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};
use std::time::Instant;

use ringside_protocol::cdr::CallId;
use ringside_protocol::words::plural;

use super::disk::{Disk, DiskError};
use super::journal::Journal;
use super::record::{Entry, HEAD_LEN};
use super::room::{Handed, Tickets, Waiting};
use super::{
    FLUSH_AFTER, MAX_BATCH_BYTES, OutboxBatch, OutboxError, OutboxSettings, Place, RETRY_AFTER,
    Request, Shared,
};
use crate::clock::WallClock;

/// Owns the tree; everybody else asks.
pub(super) struct Writer {
    directory: PathBuf,
    settings: OutboxSettings,
    shared: Arc<Shared>,
    journal: Option<Journal>,
    /// `None` while the disk refuses.
    disk: Option<Disk>,
    /// When to try a refusing disk again.
    retry_at: Instant,
    /// Keys below this are flushed: they may be sent.
    flushed: u64,
    /// The next key, also for a tree that is opened again or begun anew: a key that was handed
    /// out never names another record.
    least_key: u64,
    /// Since when something is written and not flushed.
    unflushed_since: Option<Instant>,
    /// The batch that was handed out last; what of it is on disk is not dropped at the limit.
    handed_out: Option<Place>,
    /// Ticket and key of records that were handed out from memory and have come to the disk since.
    moved: Vec<(u64, u64)>,
    /// The newest record of which the listener knows although the disk refuses.
    told: u64,
    /// Whether records are being dropped at the limit; logged once.
    at_limit: bool,
}

/// What there is to do.
struct Work {
    /// Claimed: they cannot be dropped from the room.
    write: Vec<Arc<Waiting>>,
    requests: VecDeque<Request>,
    close: bool,
}

impl Writer {
    pub(super) fn open(
        directory: &Path,
        settings: OutboxSettings,
        shared: Arc<Shared>,
    ) -> Result<Self, OutboxError> {
        let journal = match &settings.journal {
            Some(path) => Some(
                Journal::open(path).map_err(|error| OutboxError::Journal(path.clone(), error))?,
            ),
            None => None,
        };
        let mut writer = Self {
            directory: directory.to_owned(),
            settings,
            shared,
            journal,
            disk: None,
            retry_at: Instant::now(),
            flushed: 0,
            least_key: 1,
            unflushed_since: None,
            handed_out: None,
            moved: Vec::new(),
            told: 0,
            at_limit: false,
        };
        match writer.open_disk() {
            Err(DiskError::InUse) => return Err(OutboxError::InUse(directory.to_owned())),
            Err(error) => writer.refused("opened", &error),
            Ok(disk) => writer.opened(disk),
        }
        Ok(writer)
    }

    pub(super) fn run(mut self) {
        loop {
            self.wait();
            self.retry_if_due();
            let work = self.take_work();
            self.write(&work.write);
            self.tell_of_waiting();
            let asked =
                work.requests.iter().any(|request| matches!(request, Request::Flush { .. }));
            if asked || work.close || self.flush_is_due() {
                self.flush();
            }
            for request in work.requests {
                self.answer(request);
            }
            if work.close {
                self.close();
                return;
            }
        }
    }

    /// Sleeps until there is something to write, to flush, to answer, or a disk to try again.
    fn wait(&self) {
        let mut state = self.shared.lock();
        loop {
            let has_new = match self.disk {
                Some(_) => state.room.has_unwritten(),
                None => state.room.last_ticket() > self.told,
            };
            if has_new || !state.requests.is_empty() || state.closing {
                return;
            }
            let due = match (&self.disk, self.unflushed_since) {
                (None, _) => Some(self.retry_at),
                (Some(_), Some(since)) => Some(since + FLUSH_AFTER),
                (Some(_), None) => None,
            };
            let Some(due) = due else {
                state = self.shared.work.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let Some(left) = due.checked_duration_since(Instant::now()) else { return };
            let waited = self.shared.work.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn take_work(&self) -> Work {
        let mut state = self.shared.lock();
        let write = match self.disk {
            Some(_) => state.room.take_unwritten(),
            None => Vec::new(),
        };
        Work { write, requests: core::mem::take(&mut state.requests), close: state.closing }
    }

    fn flush_is_due(&self) -> bool {
        self.unflushed_since.is_some_and(|since| since.elapsed() >= FLUSH_AFTER)
    }

    /// Writes records of the waiting room, in order.
    fn write(&mut self, records: &[Arc<Waiting>]) {
        for record in records {
            let Some(disk) = &mut self.disk else { return };
            match disk.append(&record.value) {
                Ok(key) if self.shared.lock().room.is_handed_out(record.ticket) => {
                    self.moved.push((record.ticket, key));
                }
                Ok(_) => {}
                Err(error) => return self.refused("written", &error),
            }
            self.unflushed_since.get_or_insert(record.since);
            if let Err(error) = self.keep_limit() {
                return self.refused("written", &error);
            }
        }
    }

    /// Lets the oldest records go until the tree is within its limit.
    fn keep_limit(&mut self) -> Result<(), DiskError> {
        let Some(disk) = &mut self.disk else { return Ok(()) };
        if disk.bytes() <= self.settings.max_bytes {
            self.at_limit &= disk.bytes() > self.settings.max_bytes / 10 * 9;
            return Ok(());
        }
        if !self.at_limit {
            self.at_limit = true;
            log::warn!(
                "the outbox has reached its limit of {} bytes: the oldest calls are being dropped \
                 until the cloud can be reached",
                self.settings.max_bytes
            );
        }
        let mut from = 0;
        while disk.bytes() > self.settings.max_bytes {
            let Some((key, _)) = disk.at_or_after(from)? else { break };
            match self.handed_out {
                Some(Place::Disk(first, last)) if (first..=last).contains(&key) => from = last + 1,
                _ => {
                    disk.remove(key)?;
                    self.shared.lock().figures.dropped += 1;
                }
            }
        }
        Ok(())
    }

    /// What was written comes to exist.
    fn flush(&mut self) {
        let Some(disk) = &self.disk else { return };
        if self.unflushed_since.is_none() {
            return;
        }
        if let Err(error) = disk.flush() {
            return self.refused("flushed", &error);
        }
        self.flushed = disk.next_key();
        self.unflushed_since = None;
        let existing = self.leave_room();
        self.note(&existing);
        self.publish();
        if !existing.is_empty() {
            self.tell();
        }
    }

    /// Records that wait while the disk refuses may be sent.
    fn tell_of_waiting(&mut self) {
        let last = self.shared.lock().room.last_ticket();
        if self.disk.is_none() && last > self.told {
            self.told = last;
            self.tell();
        }
    }

    fn tell(&self) {
        let listener = self.shared.listener.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(listener) = &*listener {
            listener();
        }
    }

    /// Takes the flushed records out of the waiting room.
    fn leave_room(&self) -> Vec<Arc<Waiting>> {
        let mut state = self.shared.lock();
        let existing = state.room.leave();
        state.figures.waiting -= existing.len() as u64;
        state.figures.stored += existing.len() as u64;
        existing
    }

    fn note(&mut self, existing: &[Arc<Waiting>]) {
        let (device, boot) = (self.settings.device, self.settings.boot);
        let ids = existing.iter().map(|record| CallId { device, boot, number: record.number });
        if let Some(journal) = &mut self.journal
            && let Err(error) = journal.note(ids)
        {
            log::error!("the journal could not be written: {error}");
        }
    }

    fn publish(&self) {
        let mut state = self.shared.lock();
        if let Some(disk) = &self.disk {
            state.figures.bytes = disk.bytes();
            // Records that are written but not flushed are counted as waiting.
            state.figures.cdrs = disk.cdrs().saturating_sub(state.room.written() as u64);
        }
        drop(state);
        self.shared.changed.notify_all();
    }

    fn answer(&mut self, request: Request) {
        // An asker that has gone away does not want its answer.
        match request {
            Request::NextBatch { limit, answer } => {
                let batch = self.next_batch(limit).unwrap_or_else(|error| {
                    self.refused("read", &error);
                    self.batch_of_room(limit)
                });
                self.handed_out = batch.as_ref().map(|batch| batch.place);
                _ = answer.send(batch);
            }
            Request::Acknowledge { place, refused, answer } => {
                if let Err(error) = self.acknowledge(place, refused) {
                    self.refused("written", &error);
                }
                self.publish();
                _ = answer.send(());
            }
            Request::Flush { answer } => _ = answer.send(()),
        }
    }

    fn next_batch(&mut self, limit: usize) -> Result<Option<OutboxBatch>, DiskError> {
        if self.disk.is_none() {
            return Ok(self.batch_of_room(limit));
        }
        self.moved.clear();
        self.shared.lock().room.recall();
        let found = self.oldest(limit)?;
        let (Some(&(first, _)), Some(&(last, _))) = (found.first(), found.last()) else {
            return Ok(None);
        };
        let boot = found[0].1.boot;
        let found = self.rebase(found)?;
        let records = found.into_iter().map(|(_, entry)| entry.record).collect();
        Ok(Some(OutboxBatch { place: Place::Disk(first, last), boot, records }))
    }

    /// The oldest records in memory that may be sent; for a disk that refuses.
    fn batch_of_room(&mut self, limit: usize) -> Option<OutboxBatch> {
        self.moved.clear();
        let now = self.settings.clock.as_ref().map(WallClock::now);
        let mut state = self.shared.lock();
        let handed = state.room.hand_out(limit, |entry| {
            // Everything in the room is of this boot.
            let Some(now) = now.filter(|_| entry.is_unset()) else { return Some(false) };
            now.is_set().then(|| entry.rebase(now)).map(|()| true)
        });
        let Handed { tickets, records, rebased } = handed?;
        state.figures.rebased += rebased;
        Some(OutboxBatch { place: Place::Room(tickets), boot: self.settings.boot, records })
    }

    /// The oldest existing records of one boot that may be sent.
    fn oldest(&mut self, limit: usize) -> Result<Vec<(u64, Entry)>, DiskError> {
        let mut found: Vec<(u64, Entry)> = Vec::new();
        let (mut key, mut bytes) = (0, 0);
        while found.len() < limit {
            let Some(disk) = &mut self.disk else { break };
            let Some((at, value)) = disk.at_or_after(key)? else { break };
            bytes += value.len() - HEAD_LEN.min(value.len());
            if at >= self.flushed || (bytes > MAX_BATCH_BYTES && !found.is_empty()) {
                break;
            }
            key = at + 1;
            let Ok(entry) = Entry::decode(&value) else {
                log::error!("record {at} of the outbox is damaged: it is dropped");
                disk.remove(at)?;
                let mut state = self.shared.lock();
                state.figures.errors += 1;
                state.figures.dropped += 1;
                continue;
            };
            let other_boot = found.first().is_some_and(|(_, first)| first.boot != entry.boot);
            if other_boot || self.must_wait_for_clock(&entry) {
                break;
            }
            found.push((at, entry));
        }
        Ok(found)
    }

    fn is_shiftable(&self, entry: &Entry) -> bool {
        entry.is_unset() && entry.boot == self.settings.boot && self.settings.clock.is_some()
    }

    fn must_wait_for_clock(&self, entry: &Entry) -> bool {
        self.is_shiftable(entry)
            && self.settings.clock.as_ref().is_some_and(|clock| !clock.now().is_set())
    }

    /// Shifts records that were made while the clock was unset, and makes that last, before
    /// anybody sends them.
    fn rebase(&mut self, mut found: Vec<(u64, Entry)>) -> Result<Vec<(u64, Entry)>, DiskError> {
        let Some(clock) = self.settings.clock.clone() else { return Ok(found) };
        let now = clock.now();
        let mut shifted = 0;
        for (key, entry) in &mut found {
            if !self.is_shiftable(entry) {
                continue;
            }
            entry.rebase(now);
            let Ok(value) = entry.encode() else { continue };
            if let Some(disk) = &mut self.disk {
                disk.replace(*key, &value)?;
            }
            shifted += 1;
        }
        if shifted > 0 {
            if let Some(disk) = &self.disk {
                disk.flush()?;
            }
            self.shared.lock().figures.rebased += shifted;
            let calls = plural(shifted, "call");
            log::info!("the clock has been set: {calls} got their true time");
        }
        Ok(found)
    }

    /// The cloud has them, but for so many that it refused.
    fn acknowledge(&mut self, place: Place, refused: u64) -> Result<(), DiskError> {
        self.handed_out = None;
        let (mut gone, mut failed) = (0, Ok(()));
        let keys: Vec<_> = match place {
            Place::Disk(first, last) => (first..=last).collect(),
            Place::Room(tickets) => {
                gone = self.acknowledge_in_room(tickets);
                core::mem::take(&mut self.moved).into_iter().map(|(_, key)| key).collect()
            }
        };
        for key in keys {
            let Some(disk) = &mut self.disk else { break };
            match disk.remove(key) {
                Ok(was_there) => gone += u64::from(was_there),
                Err(error) => {
                    failed = Err(error);
                    break;
                }
            }
            // The removal is flushed with the next record, or within the usual time.
            self.unflushed_since.get_or_insert_with(Instant::now);
        }
        let figures = &mut self.shared.lock().figures;
        let refused = refused.min(gone);
        figures.refused += refused;
        figures.acknowledged += gone - refused;
        failed
    }

    /// Takes what the cloud has out of memory. Gives how many were nowhere else.
    fn acknowledge_in_room(&self, tickets: Tickets) -> u64 {
        let mut state = self.shared.lock();
        let gone = state.room.acknowledge(tickets);
        state.figures.waiting -= gone.len() as u64;
        let is_moved = |ticket: &u64| self.moved.iter().any(|(it, _)| it == ticket);
        gone.iter().filter(|ticket| !is_moved(ticket)).count() as u64
    }

    fn retry_if_due(&mut self) {
        if self.disk.is_some() || Instant::now() < self.retry_at {
            return;
        }
        match self.open_disk() {
            Ok(disk) => {
                log::info!("the outbox's disk works again");
                self.opened(disk);
            }
            Err(_) => self.retry_at = Instant::now() + RETRY_AFTER,
        }
    }

    fn open_disk(&self) -> Result<Disk, DiskError> {
        let damage = match Disk::open(&self.directory, self.least_key) {
            Err(DiskError::Damaged(why)) => why,
            Ok(mut disk) if self.flushed > 0 => {
                // What was written and not flushed before the disk failed is still in the waiting
                // room: it must not be there twice.
                disk.remove_from(self.flushed)?;
                return Ok(disk);
            }
            result => return result,
        };
        let aside = Disk::set_aside(&self.directory)?;
        self.shared.lock().figures.errors += 1;
        log::error!(
            "the outbox is damaged ({damage}): it was moved to {} and a new one begun; calls that \
             were in it and not delivered are missing in the cloud",
            aside.display()
        );
        Disk::open(&self.directory, self.least_key)
    }

    fn opened(&mut self, disk: Disk) {
        self.flushed = disk.next_key();
        self.unflushed_since = None;
        self.disk = Some(disk);
        self.shared.lock().figures.refusing = false;
        self.publish();
    }

    /// The disk has failed: its tree is closed, and what was not flushed waits in memory.
    fn refused(&mut self, what: &str, error: &DiskError) {
        // What is flushed is on the closed tree, and is sent once more when that is open again.
        self.moved.retain(|&(_, key)| key < self.flushed);
        let mut state = self.shared.lock();
        state.room.forget_written();
        state.figures.errors += 1;
        state.figures.refusing = true;
        drop(state);
        log::error!(
            "the outbox could not be {what} ({error}): calls wait in memory and are sent from there; \
             free space on the disk or make it writable"
        );
        if let Some(disk) = self.disk.take() {
            self.least_key = disk.next_key();
            disk.abandon();
        }
        self.unflushed_since = None;
        self.retry_at = Instant::now() + RETRY_AFTER;
        self.shared.changed.notify_all();
    }

    /// The last flush has been tried; says what could not be kept.
    fn close(&self) {
        let state = self.shared.lock();
        if state.room.len() > 0 {
            log::error!(
                "the outbox's disk refuses writes: lost {}",
                plural(state.room.len(), "call")
            );
        }
    }
}

/// However the thread ends: nobody waits for it afterwards.
impl Drop for Writer {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.is_gone = true;
        state.figures.refusing = true;
        state.requests.clear();
        drop(state);
        self.shared.changed.notify_all();
    }
}
