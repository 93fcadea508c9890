//! Call-IDs of calls that are gone: a late repetition of one of their messages begins no call.

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
    older: Option<Slot>,
    newer: Option<Slot>,
}

/// The newest [`MAX_TOMBSTONES`] of them.
#[derive(Debug)]
pub struct Tombstones {
    slab: Slab<Tombstone>,
    index: Index,
    oldest: Option<Slot>,
    newest: Option<Slot>,
}

impl Default for Tombstones {
    fn default() -> Self {
        Self {
            slab: Slab::new(MAX_TOMBSTONES),
            index: Index::new(MAX_TOMBSTONES),
            oldest: None,
            newest: None,
        }
    }
}

impl Tombstones {
    /// Remembers a call; the oldest leaves when there is no room.
    pub fn add(&mut self, call_id_hash: u64, invite_cseq: u32, now: u64) {
        self.remove(call_id_hash);
        self.expire(now);
        if self.slab.is_full()
            && let Some(oldest) = self.oldest
        {
            self.take(oldest);
        }
        let (until, older) = (now + REMEMBERED, self.newest);
        let stone = Tombstone { call_id_hash, invite_cseq, until, older, newer: None };
        if let Ok(slot) = self.slab.insert(stone) {
            self.index.insert(call_id_hash, slot);
            *self.newer_of(older) = Some(slot);
            self.newest = Some(slot);
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
            self.take(slot);
        }
    }

    fn expire(&mut self, now: u64) {
        while let Some(oldest) = self.oldest
            && self.slab.get(oldest).is_some_and(|stone| stone.until <= now)
        {
            self.take(oldest);
        }
    }

    fn take(&mut self, slot: Slot) {
        let Some(stone) = self.slab.remove(slot) else { return };
        self.index.remove(stone.call_id_hash, slot);
        *self.newer_of(stone.older) = stone.newer;
        *self.older_of(stone.newer) = stone.older;
    }

    /// The link from a stone to the next newer one; before the oldest, to the oldest.
    fn newer_of(&mut self, slot: Option<Slot>) -> &mut Option<Slot> {
        match slot.and_then(|slot| self.slab.get_mut(slot)) {
            Some(stone) => &mut stone.newer,
            None => &mut self.oldest,
        }
    }

    /// The link from a stone to the next older one; behind the newest, to the newest.
    fn older_of(&mut self, slot: Option<Slot>) -> &mut Option<Slot> {
        match slot.and_then(|slot| self.slab.get_mut(slot)) {
            Some(stone) => &mut stone.older,
            None => &mut self.newest,
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

    proptest::proptest! {
        /// Against a list of a few Call-IDs, newest last.
        #[test]
        fn stones_are_a_list(steps: Vec<(u8, bool)>) {
            let mut stones = Tombstones::default();
            let mut model = Vec::new();
            for (hash, adds) in steps {
                let hash = u64::from(hash % 8);
                model.retain(|&known| known != hash);
                if adds {
                    stones.add(hash, 1, 0);
                    model.push(hash);
                } else {
                    stones.remove(hash);
                }
                let hash_of = |slot| stones.slab.get(slot).map(|stone| stone.call_id_hash);
                let newer = |&slot: &Slot| stones.slab.get(slot).and_then(|stone| stone.newer);
                let forward = core::iter::successors(stones.oldest, newer).filter_map(hash_of);
                proptest::prop_assert_eq!(forward.collect::<Vec<_>>(), model.clone());
                let older = |&slot: &Slot| stones.slab.get(slot).and_then(|stone| stone.older);
                let backward = core::iter::successors(stones.newest, older).filter_map(hash_of);
                let reversed = model.iter().rev().copied().collect::<Vec<_>>();
                proptest::prop_assert_eq!(backward.collect::<Vec<_>>(), reversed);
            }
        }
    }
}
