//! The bounded table of peer relations: whose a message is, what is over, who leaves.

use std::collections::VecDeque;

use embassy_time::Instant;
use ringside_protocol::counters::Counter;
use ringside_protocol::peer::Peer;
use ringside_protocol::record::Cause;

use super::entry::Entry;
use super::open::OpenRequests;
use super::relation::Relation;
use crate::call::hash::Keyed;
use crate::call::slab::{Index, Slab, Slot};
use crate::call::wheel::Wheel;
use crate::counters::Counters;
use crate::decode::Datagram;
use crate::limits::{MAX_PEERS, MAX_UNSETTLED_RECORDS};
use crate::transaction::credentials::{carries_credentials, says_stale};
use crate::transaction::{Attempt, Bucket, Outcome, Transaction};
use crate::wire::sip::{Message, StartLine};

/// Entries looked at to make room for a new one.
const ROOM_SEARCH: usize = 16;

/// One more first record of a relation that is not settled, each so often, microseconds.
const UNSETTLED_EVERY: u64 = 1_000_000;

/// Before a record that was held back is tried again.
const HELD_BACK: u64 = 10_000_000;

/// Peer relations by who asks whom for what.
///
/// Holds [`MAX_PEERS`]. When full, one that is not [settled](Entry::is_settled) leaves, looked for
/// in turn around the table; where there is none near, the new one is counted and not followed.
#[derive(Debug)]
pub struct PeerTable {
    keyed: Keyed,
    entries: Slab<Entry>,
    /// By [`Entry::key`].
    by_key: Index,
    open: OpenRequests,
    wheel: Wheel,
    due: Vec<(u64, Slot)>,
    records: VecDeque<Peer>,
    /// Where room is looked for next.
    hand: Slot,
    /// First records of unsettled relations that may be made.
    unsettled: Bucket,
    losses: u64,
}

impl PeerTable {
    /// An empty table; `seed` keys its hashes.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            keyed: Keyed::new(seed),
            entries: Slab::new(MAX_PEERS),
            by_key: Index::new(MAX_PEERS),
            open: OpenRequests::default(),
            wheel: Wheel::new(MAX_PEERS),
            due: Vec::with_capacity(MAX_PEERS),
            records: VecDeque::new(),
            hand: 0,
            unsettled: Bucket::new(MAX_UNSETTLED_RECORDS, UNSETTLED_EVERY),
            losses: 0,
        }
    }

    /// Relations followed.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether none is followed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.open.is_empty()
    }

    /// Notes that the capture lost packets: the next record of each says so.
    pub const fn note_capture_loss(&mut self) {
        self.losses += 1;
    }

    /// Takes a request that belongs to no call, or a response to one.
    pub fn handle_sip(
        &mut self,
        message: &Message<'_>,
        datagram: &Datagram<'_>,
        counters: &mut Counters,
    ) {
        counters.add(Counter::PeerMessages);
        match message.start_line {
            StartLine::Request { .. } => self.request(message, datagram, counters),
            StartLine::Response { status_code, .. } if status_code < 200 => {}
            StartLine::Response { status_code, reason_phrase } => {
                let now = datagram.at.as_micros();
                if let Some(slot) = self.response(message, status_code, reason_phrase, now) {
                    self.tell(slot, now, counters);
                }
            }
        }
    }

    /// Decides and tells what is due; to be called at [`PeerTable::poll_timeout`] or later.
    pub fn handle_timeout(&mut self, now: Instant, counters: &mut Counters) {
        let now = now.as_micros();
        let mut due = core::mem::take(&mut self.due);
        due.clear();
        self.open.take_due(now, &mut due);
        // Slots depend on nothing but the capture, so this order is the same each time.
        for &(_, slot) in &due {
            if let Some(peer) = self.give_up(slot) {
                self.tell(peer, now, counters);
            }
        }
        due.clear();
        self.wheel.take_due(now, &mut due);
        for &(_, slot) in &due {
            self.tell(slot, now, counters);
        }
        self.due = due;
    }

    /// Nothing is due before this; `None` when there is nothing.
    #[must_use]
    #[inline]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let earliest = match (self.wheel.next_at(), self.open.next_at()) {
            (Some(record), Some(open)) => Some(record.min(open)),
            (record, open) => record.or(open),
        };
        earliest.map(Instant::from_micros)
    }

    /// The records made so far, one after the other. Drain to `None` after every `handle_*`. Their
    /// numbers are the caller's to give.
    pub fn poll_record(&mut self) -> Option<Peer> {
        self.records.pop_front()
    }

    /// The capture has ended at `now`: what is not told becomes a record, by slot.
    pub fn finish(&mut self, now: Instant, counters: &mut Counters) {
        let now = now.as_micros();
        self.open.clear();
        let slots: Vec<Slot> = self.entries.iter().map(|(slot, _)| slot).collect();
        for slot in slots {
            let Some(entry) = self.entries.get_mut(slot) else { continue };
            if entry.has_news() {
                let cause = entry.due(now).unwrap_or(Cause::CaptureEnd);
                self.records.push_back(entry.record(cause, now, self.losses));
                counters.add(Counter::PeerRecords);
            }
            self.forget(slot);
        }
    }

    fn request(&mut self, message: &Message<'_>, datagram: &Datagram<'_>, counters: &mut Counters) {
        let (now, transaction) = (datagram.at.as_micros(), Transaction::of(message, &self.keyed));
        if let Some(slot) = self.open.of_transaction(transaction.hash) {
            return self.repeat(slot, datagram);
        }
        let relation = Relation::of(message.cseq().method, message, datagram);
        let key = relation.key(&self.keyed);
        let has_credentials = carries_credentials(message);
        let found = self.find(key);
        if let Some(open) = self.open.that_waits_for(transaction, key, &self.keyed)
            && let Some(entry) = found.and_then(|slot| self.entries.get_mut(slot))
        {
            entry.ask_again(&relation, message, datagram);
            self.open.change(open, |open| {
                open.src = datagram.src;
                open.attempt.ask_again(transaction, has_credentials, now);
            });
            return;
        }
        if !self.make_room_for_a_request(counters) {
            return;
        }
        let found =
            found.or_else(|| self.begin(Entry::new(key, &relation, message, datagram), counters));
        let Some(slot) = found else { return };
        let losses = self.losses;
        let Some(entry) = self.entries.get_mut(slot) else { return };
        entry.ask(&relation, message, datagram, losses);
        let deadline = entry.deadline();
        let attempt = Attempt::new(transaction, has_credentials, now);
        self.open.begin(slot, key, datagram.src, attempt, &self.keyed);
        self.wheel.set(slot, deadline);
    }

    /// Takes a request whose transaction is known. The same one at another hop is no repetition.
    fn repeat(&mut self, slot: Slot, datagram: &Datagram<'_>) {
        let Some(open) = self.open.get(slot).filter(|open| open.src == datagram.src) else {
            return;
        };
        let (peer, key) = (open.peer, open.key);
        if let Some(entry) = self.entries.get_mut(peer).filter(|entry| entry.key == key) {
            entry.repeat();
        }
    }

    /// Takes a final response; gives the relation whose request it decides.
    fn response(
        &mut self,
        message: &Message<'_>,
        status_code: u16,
        phrase: &[u8],
        now: u64,
    ) -> Option<Slot> {
        let hash = Transaction::of(message, &self.keyed).hash;
        let slot = self.open.of_transaction(hash)?;
        let open = self.open.get(slot).filter(|open| !open.is_decided)?;
        let (peer, key, attempt) = (open.peer, open.key, open.attempt);
        let Some(entry) = self.entries.get_mut(peer).filter(|entry| entry.key == key) else {
            self.open.remove(slot);
            return None;
        };
        entry.note_round_trip(now.saturating_sub(attempt.sent_at));
        let is_stale = says_stale(message);
        let outcome = self.open.change(slot, |open| {
            let outcome = open.attempt.answer(status_code, is_stale, now);
            open.is_decided = outcome != Outcome::Open;
            outcome
        })?;
        if outcome == Outcome::Open {
            return None;
        }
        entry.answer(message, status_code, phrase, attempt.started_at, now);
        Some(peer)
    }

    /// Ends what is open in a slot and over; gives the relation whose request is decided by that.
    fn give_up(&mut self, slot: Slot) -> Option<Slot> {
        let open = self.open.remove(slot).filter(|open| !open.is_decided)?;
        let Outcome::Refused(status_code) = open.attempt.give_up() else { return None };
        let entry = self.entries.get_mut(open.peer).filter(|entry| entry.key == open.key)?;
        entry.give_up(status_code, open.attempt.started_at, open.attempt.deadline);
        Some(open.peer)
    }

    fn find(&self, key: u64) -> Option<Slot> {
        self.by_key.find(key, |slot| self.entries.get(slot).is_some_and(|entry| entry.key == key))
    }

    fn begin(&mut self, entry: Entry, counters: &mut Counters) -> Option<Slot> {
        if self.entries.is_full() && !self.make_room(counters) {
            counters.add(Counter::PeersRefused);
            return None;
        }
        let key = entry.key;
        let slot = self.entries.insert(entry).ok()?;
        self.by_key.insert(key, slot);
        Some(slot)
    }

    fn make_room(&mut self, counters: &mut Counters) -> bool {
        for _ in 0..ROOM_SEARCH {
            let slot = self.hand;
            self.hand = if usize::from(slot) + 1 < MAX_PEERS { slot + 1 } else { 0 };
            let Some(entry) = self.entries.get(slot).filter(|entry| !entry.is_settled()) else {
                continue;
            };
            if entry.is_untold() {
                counters.add(Counter::PeersUntold);
            }
            self.forget(slot);
            return true;
        }
        false
    }

    fn make_room_for_a_request(&mut self, counters: &mut Counters) -> bool {
        let entries = &self.entries;
        let made = self.open.make_room(|open| {
            entries.get(open.peer).is_some_and(|entry| entry.key == open.key && entry.is_settled())
        });
        // Counted is the one that left, or the new one.
        if made != Some(false) {
            counters.add(Counter::PeerRequestsUnfollowed);
        }
        made.is_some()
    }

    /// Makes the record that is due, and sets the next deadline.
    fn tell(&mut self, slot: Slot, now: u64, counters: &mut Counters) {
        let Some(entry) = self.entries.get_mut(slot) else { return };
        let Some(cause) = entry.due(now) else {
            if entry.is_abandoned(now) {
                return self.forget(slot);
            }
            return self.wheel.set(slot, entry.deadline());
        };
        if cause == Cause::Hour && entry.is_quiet() {
            return self.forget(slot);
        }
        if entry.is_untold() && !entry.is_settled() && !self.unsettled.take(now) {
            return self.wheel.set(slot, now + HELD_BACK);
        }
        self.records.push_back(entry.record(cause, now, self.losses));
        counters.add(Counter::PeerRecords);
        self.wheel.set(slot, entry.deadline());
    }

    fn forget(&mut self, slot: Slot) {
        self.wheel.cancel(slot);
        if let Some(entry) = self.entries.remove(slot) {
            self.by_key.remove(entry.key, slot);
        }
    }
}
