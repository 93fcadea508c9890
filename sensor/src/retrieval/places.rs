//! Places for those who send: a few at once, and a few more that wait for one.

use core::time::Duration;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use super::lock;

/// Those that wait for a place; beyond that nothing is said, and the other side's patience ends.
const MAX_WAITING: usize = 4;

/// How long they wait: the cloud may see the end of a transfer before this side does.
const WAIT_FOR_A_PLACE: Duration = Duration::from_secs(3);

#[derive(Debug, Default)]
struct Counts {
    sending: usize,
    waiting: usize,
}

/// The places of one way.
#[derive(Debug)]
pub(super) struct Places {
    most: usize,
    counts: Mutex<Counts>,
    freed: Condvar,
}

impl Places {
    pub(super) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { most, counts: Mutex::default(), freed: Condvar::new() })
    }

    /// Begins to wait; `None` where enough others do.
    pub(super) fn queue(self: &Arc<Self>) -> Option<Waiting> {
        let mut counts = lock(&self.counts);
        if counts.waiting >= MAX_WAITING {
            return None;
        }
        counts.waiting += 1;
        Some(Waiting(Arc::clone(self)))
    }

    #[cfg(test)]
    pub(super) fn counts(&self) -> (usize, usize) {
        let counts = lock(&self.counts);
        (counts.sending, counts.waiting)
    }
}

/// Somebody who waits, until this is dropped.
#[derive(Debug)]
pub(super) struct Waiting(Arc<Places>);

impl Waiting {
    /// A place as soon as one is free; `None` where that takes too long.
    pub(super) fn place(self) -> Option<Place> {
        let Self(places) = &self;
        let is_full = |counts: &mut Counts| counts.sending >= places.most;
        let counts = lock(&places.counts);
        let waited = places.freed.wait_timeout_while(counts, WAIT_FOR_A_PLACE, is_full);
        let (mut counts, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
        if timeout.timed_out() {
            return None;
        }
        counts.sending += 1;
        Some(Place(Arc::clone(places)))
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        lock(&self.0.counts).waiting -= 1;
    }
}

/// A place among those who send, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Place(Arc<Places>);

impl Drop for Place {
    fn drop(&mut self) {
        lock(&self.0.counts).sending -= 1;
        self.0.freed.notify_one();
    }
}
