//! Calls that are over and that no rule keeps, held for a while: their packets stand sealed in a
//! store of their own, and their keys here, in memory only. Whoever wants one in time is given its
//! key; that of the others is overwritten, and their packets mean nothing any more.

use core::time::Duration;
use std::collections::{HashMap, VecDeque};
use std::time::Instant;

use super::facts::Facts;
use super::key::Key;
use super::reader::Places;

/// The folder of that store in the data directory.
pub const FOLDER: &str = "recent";

/// Calls that are held, at most; the oldest leaves. About 400 bytes each.
pub const MAX_PARKED: usize = 16_384;

/// A call that somebody wants in time.
#[derive(Debug)]
pub struct Claimed {
    /// What is known of it.
    pub facts: Facts,
    /// Opens its packets.
    pub key: Key,
    /// Where they stand.
    pub places: Places,
}

/// Those that are held.
#[derive(Debug, Default)]
pub(super) struct Parked {
    calls: HashMap<u64, (Key, Box<Facts>)>,
    /// In the order of their ends.
    ends: VecDeque<(Instant, u64)>,
}

impl Parked {
    /// Holds a call; answers one that leaves for it.
    pub(super) fn add(
        &mut self,
        number: u64,
        key: Key,
        facts: Box<Facts>,
        now: Instant,
    ) -> Option<u64> {
        let leaves = if self.calls.len() >= MAX_PARKED { self.oldest(|_| true) } else { None };
        self.ends.push_back((now, number));
        self.calls.insert(number, (key, facts));
        leaves
    }

    /// Hands a call out, which is held no longer.
    pub(super) fn take(&mut self, number: u64) -> Option<(Key, Box<Facts>)> {
        self.calls.remove(&number)
    }

    /// Lets the next go whose time is over; its key goes with it, overwritten.
    pub(super) fn expire(&mut self, held_for: Duration, now: Instant) -> Option<u64> {
        self.oldest(|ended_at| now.saturating_duration_since(ended_at) >= held_for)
    }

    fn oldest(&mut self, leaves: impl Fn(Instant) -> bool) -> Option<u64> {
        while let Some(&(ended_at, number)) = self.ends.front() {
            let is_held = self.calls.contains_key(&number);
            if is_held && !leaves(ended_at) {
                return None;
            }
            self.ends.pop_front();
            if is_held {
                self.calls.remove(&number);
                return Some(number);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> Key {
        Key::random().expect("random bytes")
    }

    #[test]
    fn a_call_is_handed_out_once_and_until_its_time_is_over() {
        let (mut parked, began) = (Parked::default(), Instant::now());
        let held_for = Duration::from_secs(600);
        for number in 1..=3 {
            let at = began + Duration::from_secs(number);
            assert_eq!(parked.add(number, key(), Box::default(), at), None);
        }
        assert_eq!(parked.expire(held_for, began + Duration::from_secs(600)), None);
        assert!(parked.take(1).is_some());
        assert!(parked.take(1).is_none());
        let later = began + Duration::from_secs(602);
        assert_eq!(parked.expire(held_for, later), Some(2));
        assert_eq!(parked.expire(held_for, later), None);
        assert!(parked.take(2).is_none() && parked.take(3).is_some());
    }

    #[test]
    fn when_too_many_are_held_the_oldest_leaves() {
        let (mut parked, now) = (Parked::default(), Instant::now());
        for number in 0..MAX_PARKED as u64 {
            assert_eq!(parked.add(number, key(), Box::default(), now), None);
        }
        assert!(parked.take(0).is_some());
        assert_eq!(parked.add(100_000, key(), Box::default(), now), None);
        assert_eq!(parked.add(100_001, key(), Box::default(), now), Some(1));
        assert_eq!(parked.calls.len(), MAX_PARKED);
    }
}
