//! The bounded table of registrations: whose a message is, what is over, who leaves.

use std::collections::VecDeque;

use embassy_time::Instant;
use ringside_protocol::counters::Counter;
use ringside_protocol::registration::{Cause, Registration};

use super::entry::{Entry, Taken, registrar};
use crate::call::hash::Keyed;
use crate::call::slab::{Index, Slab, Slot};
use crate::call::wheel::Wheel;
use crate::counters::Counters;
use crate::decode::Datagram;
use crate::limits::{MAX_REGISTRATIONS, MAX_UNGRANTED_RECORDS};
use crate::transaction::{Bucket, Outcome, Transaction};
use crate::wire::sip::{HeaderName, Message, NameAddr, StartLine, Uri};

/// Entries looked at to make room for a new one.
const ROOM_SEARCH: usize = 16;

/// One more record of a registration that was never granted, each so often, microseconds.
const UNGRANTED_EVERY: u64 = 1_000_000;

/// Before a record that was held back is tried again.
const HELD_BACK: u64 = 10_000_000;

/// Registrations by registrar, address-of-record and contact address.
///
/// Holds [`MAX_REGISTRATIONS`]. When full, one that was never granted leaves, looked for in turn
/// around the table; where there is none near, the new one is counted and not followed.
#[derive(Debug)]
pub struct RegistrationTable {
    keyed: Keyed,
    entries: Slab<Entry>,
    /// By [`Entry::key`].
    by_key: Index,
    /// By the hash of the transaction whose response is awaited.
    by_transaction: Index,
    wheel: Wheel,
    due: Vec<(u64, Slot)>,
    records: VecDeque<Registration>,
    /// Where room is looked for next.
    hand: Slot,
    /// Records of ungranted registrations that may be made.
    ungranted: Bucket,
    losses: u64,
}

impl RegistrationTable {
    /// An empty table; `seed` keys its hashes.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            keyed: Keyed::new(seed),
            entries: Slab::new(MAX_REGISTRATIONS),
            by_key: Index::new(MAX_REGISTRATIONS),
            by_transaction: Index::new(MAX_REGISTRATIONS),
            wheel: Wheel::new(MAX_REGISTRATIONS),
            due: Vec::with_capacity(MAX_REGISTRATIONS),
            records: VecDeque::new(),
            hand: 0,
            ungranted: Bucket::new(MAX_UNGRANTED_RECORDS, UNGRANTED_EVERY),
            losses: 0,
        }
    }

    /// Registrations followed.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether none is followed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Notes that the capture lost packets: the next record of each says so.
    pub const fn note_capture_loss(&mut self) {
        self.losses += 1;
    }

    /// Takes a REGISTER or a response to one.
    pub fn handle_sip(
        &mut self,
        message: &Message<'_>,
        datagram: &Datagram<'_>,
        counters: &mut Counters,
    ) {
        counters.add(Counter::RegisterMessages);
        let slot = match message.start_line {
            StartLine::Request { .. } => self.request(message, datagram, counters),
            StartLine::Response { status_code, reason_phrase } => {
                self.response(message, status_code, reason_phrase, datagram, counters)
            }
        };
        if let Some(slot) = slot {
            self.tell(slot, datagram.at.as_micros(), counters);
        }
    }

    /// Decides and tells what is due; to be called at [`RegistrationTable::poll_timeout`] or later.
    pub fn handle_timeout(&mut self, now: Instant, counters: &mut Counters) {
        let now = now.as_micros();
        let mut due = core::mem::take(&mut self.due);
        due.clear();
        self.wheel.take_due(now, &mut due);
        // Slots depend on nothing but the capture, so this order is the same each time.
        for &(_, slot) in &due {
            self.forget_transaction(slot);
            if let Some(entry) = self.entries.get_mut(slot) {
                entry.handle_deadline(now);
            }
            self.remember_transaction(slot);
            self.tell(slot, now, counters);
        }
        self.due = due;
    }

    /// Nothing is due before this; `None` when there is nothing.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.wheel.next_at().map(Instant::from_micros)
    }

    /// The records made so far, one after the other. Drain to `None` after every `handle_*`. Their
    /// numbers are the caller's to give.
    pub fn poll_record(&mut self) -> Option<Registration> {
        self.records.pop_front()
    }

    /// The capture has ended at `now`: what is not told becomes a record, by slot.
    pub fn finish(&mut self, now: Instant, counters: &mut Counters) {
        let now = now.as_micros();
        let slots: Vec<Slot> = self.entries.iter().map(|(slot, _)| slot).collect();
        for slot in slots {
            let Some(entry) = self.entries.get_mut(slot) else { continue };
            if entry.has_news() {
                let cause = entry.due(now).unwrap_or(Cause::CaptureEnd);
                self.records.push_back(entry.record(cause, now, self.losses));
                counters.add(Counter::RegistrationRecords);
            }
            self.forget(slot);
        }
    }

    fn request(
        &mut self,
        message: &Message<'_>,
        datagram: &Datagram<'_>,
        counters: &mut Counters,
    ) -> Option<Slot> {
        // Without Contact it only asks what is registered (RFC 3261 §10.2.3).
        let contact = NameAddr::parse(message.header(HeaderName::Contact)?);
        let address = if contact.uri == b"*" { contact.uri } else { Uri::parse(contact.uri).host };
        let (to, registrar) = (Uri::parse(message.to().uri), registrar(message));
        let aor_key = self.keyed.parts(&[registrar, to.user, to.host]);
        let key = self.keyed.parts(&[registrar, to.user, to.host, address]);
        let found = self
            .by_key
            .find(key, |slot| self.entries.get(slot).is_some_and(|entry| entry.key == key));
        let slot = match found {
            Some(slot) => slot,
            None => self.begin(Entry::new(key, aor_key, message, datagram), counters)?,
        };
        self.forget_transaction(slot);
        let transaction = Transaction::of(message, &self.keyed);
        let losses = self.losses;
        let taken = self.entries.get_mut(slot)?.ask(message, datagram, transaction, losses);
        self.remember_transaction(slot);
        (taken == Taken::Asking).then_some(slot)
    }

    fn response(
        &mut self,
        message: &Message<'_>,
        status_code: u16,
        phrase: &[u8],
        datagram: &Datagram<'_>,
        counters: &mut Counters,
    ) -> Option<Slot> {
        if status_code < 200 {
            return None;
        }
        let (now, hash) = (datagram.at.as_micros(), Transaction::of(message, &self.keyed).hash);
        let slot = self.by_transaction.find(hash, |slot| {
            let attempt = self.entries.get(slot).and_then(|entry| entry.attempt);
            attempt.is_some_and(|attempt| attempt.transaction.hash == hash)
        })?;
        self.forget_transaction(slot);
        let entry = self.entries.get_mut(slot)?;
        let outcome = entry.answer(message, status_code, phrase, now);
        if outcome == Outcome::Granted && entry.is_for_all() {
            let aor_key = entry.aor_key;
            self.forget(slot);
            self.remove_all(aor_key, now, counters);
            return None;
        }
        Some(slot)
    }

    /// `Contact: *`: every contact of the address-of-record is gone (RFC 3261 §10.2.2).
    fn remove_all(&mut self, aor_key: u64, now: u64, counters: &mut Counters) {
        let of_aor = |(slot, entry): (Slot, &Entry)| (entry.aor_key == aor_key).then_some(slot);
        let slots: Vec<Slot> = self.entries.iter().filter_map(of_aor).collect();
        for slot in slots {
            self.forget_transaction(slot);
            if let Some(entry) = self.entries.get_mut(slot) {
                entry.remove(now);
            }
            self.tell(slot, now, counters);
        }
    }

    fn begin(&mut self, entry: Entry, counters: &mut Counters) -> Option<Slot> {
        if self.entries.is_full() && !self.make_room(counters) {
            counters.add(Counter::RegistrationsRefused);
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
            self.hand = if usize::from(slot) + 1 < MAX_REGISTRATIONS { slot + 1 } else { 0 };
            let Some(entry) = self.entries.get(slot).filter(|entry| !entry.was_granted()) else {
                continue;
            };
            if entry.is_untold() {
                counters.add(Counter::RegistrationsUntold);
            }
            self.forget(slot);
            return true;
        }
        false
    }

    /// Makes the record that is due, and sets the next deadline.
    fn tell(&mut self, slot: Slot, now: u64, counters: &mut Counters) {
        let Some(entry) = self.entries.get(slot) else { return };
        let Some(cause) = entry.due(now) else {
            return self.schedule(slot, entry.deadline());
        };
        // Before a record is made its counts tell whether anybody tried.
        let is_over = entry.is_over(cause);
        if cause == Cause::Hour && is_over {
            return self.forget(slot);
        }
        if !entry.was_granted() && entry.is_untold() && !self.ungranted.take(now) {
            return self.schedule(slot, Some(now + HELD_BACK));
        }
        let Some(entry) = self.entries.get_mut(slot) else { return };
        self.records.push_back(entry.record(cause, now, self.losses));
        counters.add(Counter::RegistrationRecords);
        let deadline = entry.deadline();
        if is_over {
            self.forget(slot);
        } else {
            self.schedule(slot, deadline);
        }
    }

    fn schedule(&mut self, slot: Slot, at: Option<u64>) {
        match at {
            Some(at) => self.wheel.set(slot, at),
            None => self.wheel.cancel(slot),
        }
    }

    /// The index holds the transaction of every attempt whose response is awaited.
    fn remember_transaction(&mut self, slot: Slot) {
        if let Some(hash) = self.awaited(slot) {
            self.by_transaction.insert(hash, slot);
        }
    }

    fn forget_transaction(&mut self, slot: Slot) {
        if let Some(hash) = self.awaited(slot) {
            self.by_transaction.remove(hash, slot);
        }
    }

    fn awaited(&self, slot: Slot) -> Option<u64> {
        let attempt = self.entries.get(slot)?.attempt?;
        attempt.is_asking().then_some(attempt.transaction.hash)
    }

    fn forget(&mut self, slot: Slot) {
        self.forget_transaction(slot);
        self.wheel.cancel(slot);
        if let Some(entry) = self.entries.remove(slot) {
            self.by_key.remove(entry.key, slot);
        }
    }
}
