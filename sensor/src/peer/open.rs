//! Requests whose answers are awaited, or came a moment ago: what repeats them begins nothing.

use core::net::SocketAddr;

use crate::call::hash::Keyed;
use crate::call::slab::{Index, Slab, Slot};
use crate::call::wheel::Wheel;
use crate::limits::MAX_PEER_REQUESTS;
use crate::transaction::attempt::TIMER_F;
use crate::transaction::{Attempt, Transaction};

/// Entries looked at to make room for a new one.
const ROOM_SEARCH: usize = 16;

/// One attempt.
#[derive(Debug)]
pub struct Open {
    /// The slot of its relation; what stands there now need not be it.
    pub peer: Slot,
    /// The hash of its relation.
    pub key: u64,
    /// Where the newest request came from.
    pub src: SocketAddr,
    /// How far it has come.
    pub attempt: Attempt,
    /// It is decided, and kept so that a repetition of its request is known as one.
    pub is_decided: bool,
    /// What the request that goes on after a challenge is found by.
    retry: u64,
}

/// At most [`MAX_PEER_REQUESTS`] of them, each for [`TIMER_F`] at most. When full, one that is
/// decided leaves, or one that its table does not need; else a new one is not followed.
#[derive(Debug)]
pub struct OpenRequests {
    open: Slab<Open>,
    /// By transaction, or by [`Open::retry`] of those that wait for another request.
    index: Index,
    wheel: Wheel,
    /// Where room is looked for next.
    hand: Slot,
}

impl Default for OpenRequests {
    fn default() -> Self {
        Self {
            open: Slab::new(MAX_PEER_REQUESTS),
            index: Index::new(MAX_PEER_REQUESTS),
            wheel: Wheel::new(MAX_PEER_REQUESTS),
            hand: 0,
        }
    }
}

impl OpenRequests {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.open.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// The one with this transaction.
    #[must_use]
    pub fn of_transaction(&self, hash: u64) -> Option<Slot> {
        let is_it = |open: &Open| !open.is_waiting() && open.attempt.transaction.hash == hash;
        self.index.find(hash, |slot| self.open.get(slot).is_some_and(is_it))
    }

    /// The one of this relation that a request with this transaction goes on with.
    #[must_use]
    pub fn that_waits_for(
        &self,
        transaction: Transaction,
        key: u64,
        keyed: &Keyed,
    ) -> Option<Slot> {
        let retry = retry(transaction, key, keyed);
        let is_it = |open: &Open| {
            open.is_waiting() && open.key == key && open.attempt.goes_on_with(transaction)
        };
        self.index.find(retry, |slot| self.open.get(slot).is_some_and(is_it))
    }

    /// The one in a slot.
    #[must_use]
    pub fn get(&self, slot: Slot) -> Option<&Open> {
        self.open.get(slot)
    }

    /// Adds one; there has to be [room](Self::make_room).
    pub fn begin(
        &mut self,
        peer: Slot,
        key: u64,
        src: SocketAddr,
        attempt: Attempt,
        keyed: &Keyed,
    ) {
        let retry = retry(attempt.transaction, key, keyed);
        let open = Open { peer, key, src, attempt, is_decided: false, retry };
        let (hash, deadline) = (open.hash(), open.deadline());
        if let Ok(slot) = self.open.insert(open) {
            self.index.insert(hash, slot);
            self.wheel.set(slot, deadline);
        }
    }

    /// Changes one, and finds it by what it is then.
    pub fn change<T>(&mut self, slot: Slot, change: impl FnOnce(&mut Open) -> T) -> Option<T> {
        let open = self.open.get_mut(slot)?;
        self.index.remove(open.hash(), slot);
        let answer = change(open);
        self.index.insert(open.hash(), slot);
        self.wheel.set(slot, open.deadline());
        Some(answer)
    }

    /// Takes one out.
    pub fn remove(&mut self, slot: Slot) -> Option<Open> {
        let open = self.open.remove(slot)?;
        self.index.remove(open.hash(), slot);
        self.wheel.cancel(slot);
        Some(open)
    }

    /// Makes sure that one more fits, if need be by letting go one that is decided, or for which
    /// `is_needed` says no. `None`: none near is; else whether an undecided one had to leave.
    pub fn make_room(&mut self, is_needed: impl Fn(&Open) -> bool) -> Option<bool> {
        if !self.open.is_full() {
            return Some(false);
        }
        for _ in 0..ROOM_SEARCH {
            let slot = self.hand;
            self.hand = if usize::from(slot) + 1 < MAX_PEER_REQUESTS { slot + 1 } else { 0 };
            if let Some(open) = self.open.get(slot).filter(|it| it.is_decided || !is_needed(it)) {
                let was_open = !open.is_decided;
                self.remove(slot);
                return Some(was_open);
            }
        }
        None
    }

    /// The earliest moment at which one is over.
    #[must_use]
    pub const fn next_at(&self) -> Option<u64> {
        self.wheel.next_at()
    }

    /// Those that are over at `now`, the earliest first; each has to be removed.
    pub fn take_due(&mut self, now: u64, due: &mut Vec<(u64, Slot)>) {
        self.wheel.take_due(now, due);
    }

    /// Forgets all of them.
    pub fn clear(&mut self) {
        let slots: Vec<Slot> = self.open.iter().map(|(slot, _)| slot).collect();
        for slot in slots {
            self.remove(slot);
        }
    }
}

impl Open {
    const fn is_waiting(&self) -> bool {
        !self.is_decided && !self.attempt.is_asking()
    }

    const fn hash(&self) -> u64 {
        if self.is_waiting() { self.retry } else { self.attempt.transaction.hash }
    }

    const fn deadline(&self) -> u64 {
        if self.is_decided { self.attempt.sent_at + TIMER_F } else { self.attempt.deadline }
    }
}

fn retry(transaction: Transaction, key: u64, keyed: &Keyed) -> u64 {
    keyed.parts(&[&transaction.call_id.to_be_bytes(), &key.to_be_bytes()])
}
