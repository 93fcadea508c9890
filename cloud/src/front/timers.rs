//! One deadline a connection, and which comes next.

use std::collections::BTreeSet;
use std::time::Instant;

/// Deadlines in order of time.
#[derive(Default)]
pub(super) struct Timers {
    order: BTreeSet<(Instant, usize)>,
    by_slot: Vec<Option<Instant>>,
}

impl Timers {
    /// Replaces the deadline of `slot`.
    pub(super) fn set(&mut self, slot: usize, deadline: Option<Instant>) {
        if self.by_slot.len() <= slot {
            self.by_slot.resize(slot + 1, None);
        }
        let old = core::mem::replace(&mut self.by_slot[slot], deadline);
        if old == deadline {
            return;
        }
        if let Some(at) = old {
            self.order.remove(&(at, slot));
        }
        if let Some(at) = deadline {
            self.order.insert((at, slot));
        }
    }

    /// The earliest deadline.
    pub(super) fn next(&self) -> Option<Instant> {
        self.order.first().map(|&(at, _)| at)
    }

    /// Takes out a slot whose deadline has come.
    pub(super) fn pop_due(&mut self, now: Instant) -> Option<usize> {
        let (_, slot) = *self.order.first().filter(|&&(at, _)| at <= now)?;
        self.set(slot, None);
        Some(slot)
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use super::*;

    #[test]
    fn deadlines_come_in_order_and_the_newest_of_a_slot_counts() {
        let (mut timers, start) = (Timers::default(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        timers.set(7, Some(at(1)));
        timers.set(3, Some(at(2)));
        timers.set(7, Some(at(3)));
        assert_eq!(timers.next(), Some(at(2)));
        assert_eq!(timers.pop_due(at(1)), None);
        assert_eq!(timers.pop_due(at(3)), Some(3));
        timers.set(7, None);
        assert_eq!((timers.pop_due(at(9)), timers.next()), (None, None));
    }
}
