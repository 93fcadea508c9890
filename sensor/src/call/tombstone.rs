//! Call-IDs of calls that are gone: a late repetition of one of their messages begins no call.

use std::collections::VecDeque;

use super::slab::{Index, Slab, Slot};
use crate::limits::MAX_TOMBSTONES;

/// How long a Call-ID is remembered, microseconds: 64 * T1 (RFC 3261 §17.1.1.2), after which no
/// message is repeated any more.
pub const REMEMBERED: u64 = 32_000_000;

#[derive(Debug)]
struct Tombstone {
    call_id_hash: u64,
    invite_cseq: u32,
    until: u64,
}

/// The newest [`MAX_TOMBSTONES`] of them.
#[derive(Debug)]
pub struct Tombstones {
    slab: Slab<Tombstone>,
    index: Index,
    /// Oldest first.
    order: VecDeque<Slot>,
}

impl Default for Tombstones {
    fn default() -> Self {
        Self {
            slab: Slab::new(MAX_TOMBSTONES),
            index: Index::new(MAX_TOMBSTONES),
            order: VecDeque::with_capacity(MAX_TOMBSTONES),
        }
    }
}

impl Tombstones {
    /// Remembers a call; the oldest leaves when there is no room.
    pub fn add(&mut self, call_id_hash: u64, invite_cseq: u32, now: u64) {
        self.remove(call_id_hash);
        self.expire(now);
        if self.slab.is_full() {
            self.pop();
        }
        let stone = Tombstone { call_id_hash, invite_cseq, until: now + REMEMBERED };
        if let Ok(slot) = self.slab.insert(stone) {
            self.index.insert(call_id_hash, slot);
            self.order.push_back(slot);
        }
    }

    /// The number of the last INVITE of a call that is gone; `None` when it is not remembered.
    #[must_use]
    pub fn invite_cseq(&self, call_id_hash: u64, now: u64) -> Option<u32> {
        let stone = self.slab.get(self.find(call_id_hash)?)?;
        (now < stone.until).then_some(stone.invite_cseq)
    }

    /// Forgets a call, because another has begun with its Call-ID.
    pub fn remove(&mut self, call_id_hash: u64) {
        if let Some(slot) = self.find(call_id_hash) {
            self.index.remove(call_id_hash, slot);
            self.slab.remove(slot);
            self.order.retain(|&known| known != slot);
        }
    }

    fn expire(&mut self, now: u64) {
        while let Some(&oldest) = self.order.front()
            && self.slab.get(oldest).is_none_or(|stone| stone.until <= now)
        {
            self.pop();
        }
    }

    fn pop(&mut self) {
        if let Some(slot) = self.order.pop_front()
            && let Some(stone) = self.slab.remove(slot)
        {
            self.index.remove(stone.call_id_hash, slot);
        }
    }

    fn find(&self, call_id_hash: u64) -> Option<Slot> {
        self.index.find(call_id_hash, |slot| {
            self.slab.get(slot).is_some_and(|stone| stone.call_id_hash == call_id_hash)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_remembered_for_32_seconds() {
        let mut stones = Tombstones::default();
        stones.add(7, 102, 1_000_000);
        assert_eq!(stones.invite_cseq(7, 32_999_999), Some(102));
        assert_eq!(stones.invite_cseq(7, 33_000_000), None);
        assert_eq!(stones.invite_cseq(8, 1_000_000), None);
        stones.remove(7);
        assert_eq!(stones.invite_cseq(7, 1_000_000), None);
    }

    #[test]
    fn the_oldest_leaves_when_full() {
        let mut stones = Tombstones::default();
        for hash in 0..=MAX_TOMBSTONES as u64 {
            stones.add(hash, 1, hash);
        }
        assert_eq!(stones.invite_cseq(0, 0), None);
        assert_eq!(stones.invite_cseq(1, 0), Some(1));
        assert_eq!(stones.slab.len(), MAX_TOMBSTONES);
    }
}
