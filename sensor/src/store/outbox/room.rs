//! The waiting room: records in memory, oldest first, that are not on disk yet.
//!
//! ```text
//!  push --> [ oldest ... newest ] --> written --> flushed: it leaves
//!                 |
//!                 +--> handed out, while the disk refuses --> acknowledged: it leaves
//! ```
//!
//! Each has a ticket, in the order of `push`; the record's own number is of its call's first packet.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use ringside_protocol::record::Record;

use super::record::{Entry, HEAD_LEN};
use super::{MAX_BATCH_BYTES, MAX_WAITING_BYTES};

/// One record in memory.
pub(super) struct Waiting {
    /// Its place in the order of all that were ever pushed, from 1.
    pub(super) ticket: u64,
    pub(super) number: u64,
    pub(super) value: Vec<u8>,
    pub(super) since: Instant,
}

/// Tickets of records that were handed out together: the first and the last.
pub(super) type Tickets = (u64, u64);

/// All of them.
#[derive(Default)]
pub(super) struct Room {
    /// Oldest first. One leaves when the flush that holds it has returned, or the cloud has it.
    records: VecDeque<Arc<Waiting>>,
    bytes: usize,
    /// This many at the front are being written, or written but not flushed.
    written: usize,
    last_ticket: u64,
    handed_out: Option<Tickets>,
}

/// Records of the room for a batch.
pub(super) struct Handed {
    pub(super) tickets: Tickets,
    pub(super) records: Vec<Record>,
    /// How many of them got their true time.
    pub(super) rebased: u64,
}

impl Room {
    pub(super) fn len(&self) -> usize {
        self.records.len()
    }

    /// The newest record's ticket; 0 before the first.
    pub(super) const fn last_ticket(&self) -> u64 {
        self.last_ticket
    }

    /// Records at the front that are written and not flushed.
    pub(super) const fn written(&self) -> usize {
        self.written
    }

    pub(super) fn has_unwritten(&self) -> bool {
        self.records.len() > self.written
    }

    pub(super) fn is_full_with(&self, more: usize) -> bool {
        self.bytes + more > MAX_WAITING_BYTES && !self.records.is_empty()
    }

    pub(super) fn push(&mut self, number: u64, value: Vec<u8>) {
        self.last_ticket += 1;
        self.bytes += value.len();
        let (ticket, since) = (self.last_ticket, Instant::now());
        self.records.push_back(Arc::new(Waiting { ticket, number, value, since }));
    }

    /// Lets the oldest record go that is neither being written nor on its way to the cloud; false
    /// when there is none.
    pub(super) fn drop_oldest(&mut self) -> bool {
        let free = (self.written..self.records.len())
            .find(|&index| !self.is_handed_out(self.records[index].ticket));
        let Some(oldest) = free.and_then(|index| self.records.remove(index)) else { return false };
        self.bytes -= oldest.value.len();
        true
    }

    /// Everything that is not written yet; it counts as written from now on.
    pub(super) fn take_unwritten(&mut self) -> Vec<Arc<Waiting>> {
        let unwritten = self.records.iter().skip(self.written).cloned().collect();
        self.written = self.records.len();
        unwritten
    }

    /// The disk has failed: nothing here is written.
    pub(super) const fn forget_written(&mut self) {
        self.written = 0;
    }

    /// The flush has returned: what was written leaves.
    pub(super) fn leave(&mut self) -> Vec<Arc<Waiting>> {
        let written = core::mem::take(&mut self.written);
        let existing: Vec<_> = self.records.drain(..written).collect();
        self.bytes -= existing.iter().map(|record| record.value.len()).sum::<usize>();
        existing
    }

    /// The oldest records, at most `limit`, for the cloud. `settle` gives a record its true time, if
    /// it still lacks that, and says whether it did; `None`: it has to wait for the clock.
    pub(super) fn hand_out(
        &mut self,
        limit: usize,
        mut settle: impl FnMut(&mut Entry) -> Option<bool>,
    ) -> Option<Handed> {
        let (mut records, mut bytes, mut rebased) = (Vec::new(), 0, 0);
        let mut tickets = None;
        for waiting in self.records.iter_mut().take(limit) {
            bytes += waiting.value.len() - HEAD_LEN;
            if bytes > MAX_BATCH_BYTES && !records.is_empty() {
                break;
            }
            let Ok(mut entry) = Entry::decode(&waiting.value) else { break };
            let Some(is_changed) = settle(&mut entry) else { break };
            if is_changed {
                let Ok(value) = entry.encode() else { break };
                self.bytes = self.bytes + value.len() - waiting.value.len();
                let Waiting { ticket, number, since, .. } = **waiting;
                *waiting = Arc::new(Waiting { ticket, number, value, since });
                rebased += 1;
            }
            let (first, _) = tickets.unwrap_or((waiting.ticket, 0));
            tickets = Some((first, waiting.ticket));
            records.push(entry.record);
        }
        self.handed_out = tickets;
        tickets.map(|tickets| Handed { tickets, records, rebased })
    }

    /// Whether the record with this ticket was handed out and is not acknowledged.
    pub(super) fn is_handed_out(&self, ticket: u64) -> bool {
        self.handed_out.is_some_and(|(first, last)| (first..=last).contains(&ticket))
    }

    /// What was handed out last is not awaited any more.
    pub(super) const fn recall(&mut self) {
        self.handed_out = None;
    }

    /// The cloud has these: those that are still here leave. Gives their tickets.
    pub(super) fn acknowledge(&mut self, (first, last): Tickets) -> Vec<u64> {
        self.recall();
        let mut gone = Vec::new();
        let (mut index, mut written, mut bytes) = (0, self.written, self.bytes);
        let was_written = self.written;
        self.records.retain(|waiting| {
            let goes = (first..=last).contains(&waiting.ticket);
            if goes {
                gone.push(waiting.ticket);
                bytes -= waiting.value.len();
                written -= usize::from(index < was_written);
            }
            index += 1;
            !goes
        });
        (self.written, self.bytes) = (written, bytes);
        gone
    }
}
