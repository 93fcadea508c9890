//! Deadlines in a hashed timer wheel: setting, moving and firing cost the same however many wait.

use super::slab::Slot;

const NONE: u16 = u16::MAX;

/// Buckets of the wheel; a deadline further away than all of them goes round again.
const BUCKETS: usize = 1024;

/// One bucket is 2^17 microseconds (131 ms), the whole wheel 134 s.
const TICK_BITS: u32 = 17;

/// One deadline, at most, for each slot of a table.
#[derive(Debug)]
pub struct Wheel {
    heads: [u16; BUCKETS],
    entries: Vec<Entry>,
    /// The bucket that was looked at last.
    tick: u64,
    /// No deadline is earlier than this, microseconds; `None`: there is none.
    next_at: Option<u64>,
    waiting: usize,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    at: u64,
    next: u16,
    previous: u16,
    /// Of the moment it was set for; a deadline in the past waits in the present bucket.
    bucket: u16,
    is_set: bool,
}

impl Wheel {
    /// For slots 0 to `capacity - 1`.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        let unset = Entry { at: 0, next: NONE, previous: NONE, bucket: 0, is_set: false };
        Self {
            heads: [NONE; BUCKETS],
            entries: vec![unset; capacity],
            tick: 0,
            next_at: None,
            waiting: 0,
        }
    }

    /// Sets or moves the deadline of a slot, microseconds. One that has passed fires at the next
    /// [`Wheel::take_due`].
    pub fn set(&mut self, slot: Slot, at: u64) {
        self.cancel(slot);
        let bucket = bucket(at.max(self.tick << TICK_BITS));
        let head = self.heads[usize::from(bucket)];
        self.entries[usize::from(slot)] =
            Entry { at, next: head, previous: NONE, bucket, is_set: true };
        if head != NONE {
            self.entries[usize::from(head)].previous = slot;
        }
        self.heads[usize::from(bucket)] = slot;
        self.waiting += 1;
        self.next_at = Some(self.next_at.map_or(at, |next| next.min(at)));
    }

    /// Forgets the deadline of a slot.
    pub fn cancel(&mut self, slot: Slot) {
        let entry = self.entries[usize::from(slot)];
        if !entry.is_set {
            return;
        }
        if entry.next != NONE {
            self.entries[usize::from(entry.next)].previous = entry.previous;
        }
        if entry.previous == NONE {
            self.heads[usize::from(entry.bucket)] = entry.next;
        } else {
            self.entries[usize::from(entry.previous)].next = entry.next;
        }
        self.entries[usize::from(slot)].is_set = false;
        self.waiting -= 1;
        if self.waiting == 0 {
            self.next_at = None;
        }
    }

    /// No deadline is earlier than this; `None` when there is none.
    #[must_use]
    #[inline]
    pub const fn next_at(&self) -> Option<u64> {
        self.next_at
    }

    /// Moves every slot whose deadline is at or before `now` into `due`, earliest first.
    pub fn take_due(&mut self, now: u64, due: &mut Vec<(u64, Slot)>) {
        let first = self.tick.min(now >> TICK_BITS);
        let last = self.tick.max(now >> TICK_BITS);
        // One turn of the wheel sees every bucket.
        for tick in first..=last.min(first + BUCKETS as u64 - 1) {
            let mut slot = self.heads[usize::from(bucket(tick << TICK_BITS))];
            while slot != NONE {
                let Entry { at, next, .. } = self.entries[usize::from(slot)];
                if at <= now {
                    due.push((at, slot));
                }
                slot = next;
            }
        }
        for &(_, slot) in due.iter() {
            self.cancel(slot);
        }
        due.sort_unstable();
        self.tick = last;
        self.next_at = self.earliest();
    }

    /// The earliest deadline, or the time at which to look again when all are a turn away.
    fn earliest(&self) -> Option<u64> {
        if self.waiting == 0 {
            return None;
        }
        for tick in self.tick..self.tick + BUCKETS as u64 {
            let mut slot = self.heads[usize::from(bucket(tick << TICK_BITS))];
            let mut earliest = u64::MAX;
            while slot != NONE {
                let Entry { at, next, .. } = self.entries[usize::from(slot)];
                if at >> TICK_BITS <= tick {
                    earliest = earliest.min(at);
                }
                slot = next;
            }
            if earliest < u64::MAX {
                return Some(earliest);
            }
        }
        Some((self.tick + BUCKETS as u64) << TICK_BITS)
    }
}

#[expect(clippy::cast_possible_truncation, reason = "reduced to the number of buckets")]
const fn bucket(at: u64) -> u16 {
    ((at >> TICK_BITS) % BUCKETS as u64) as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    fn due(wheel: &mut Wheel, now: u64) -> Vec<Slot> {
        let mut due = Vec::new();
        wheel.take_due(now, &mut due);
        due.into_iter().map(|(_, slot)| slot).collect()
    }

    #[test]
    fn deadlines_fire_in_order_and_once() {
        let mut wheel = Wheel::new(4);
        wheel.set(0, 3_000_000);
        wheel.set(1, 1_000_000);
        wheel.set(2, 500_000_000);
        assert_eq!(wheel.next_at(), Some(1_000_000));
        assert_eq!(due(&mut wheel, 999_999), [0; 0]);
        assert_eq!(due(&mut wheel, 3_000_000), [1, 0]);
        assert_eq!(due(&mut wheel, 499_999_999), [0; 0]);
        assert_eq!(due(&mut wheel, 500_000_000), [2]);
        assert_eq!(wheel.next_at(), None);
    }

    #[test]
    fn a_moved_deadline_fires_at_its_new_time_only() {
        let mut wheel = Wheel::new(2);
        wheel.set(0, 1_000_000);
        wheel.set(0, 2_000_000);
        assert_eq!(due(&mut wheel, 1_500_000), [0; 0]);
        wheel.set(1, 100);
        assert_eq!(due(&mut wheel, 1_500_001), [1]);
        wheel.cancel(0);
        assert_eq!(due(&mut wheel, u64::MAX >> 1), [0; 0]);
    }

    proptest::proptest! {
        #[test]
        fn the_wheel_agrees_with_a_sorted_list(
            steps: Vec<(u8, u32, u32)>,
        ) {
            let mut wheel = Wheel::new(8);
            let mut model: [Option<u64>; 8] = [None; 8];
            let mut now = 0u64;
            for (slot, ahead, passes) in steps {
                let slot = slot % 8;
                // Up to 1,000 s ahead: several turns of the wheel.
                let at = now + u64::from(ahead) % 1_000_000_000;
                wheel.set(u16::from(slot), at);
                model[usize::from(slot)] = Some(at);
                now += u64::from(passes) % 200_000_000;
                let fired = due(&mut wheel, now);
                let mut expected: Vec<(u64, u16)> = (0u16..)
                    .zip(&model)
                    .filter_map(|(slot, at)| Some(((*at)?, slot)))
                    .filter(|&(at, _)| at <= now)
                    .collect();
                expected.sort_unstable();
                for &(_, slot) in &expected {
                    model[usize::from(slot)] = None;
                }
                let expected: Vec<u16> = expected.into_iter().map(|(_, slot)| slot).collect();
                proptest::prop_assert_eq!(fired, expected);
                let earliest = model.iter().flatten().min();
                if let Some(&earliest) = earliest {
                    proptest::prop_assert!(wheel.next_at().is_some_and(|next| next <= earliest));
                }
            }
        }
    }
}
