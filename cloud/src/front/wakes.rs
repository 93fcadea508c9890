//! Waking parked requests, from any thread, without losing a wake.
//!
//! A worker asks for the *generation* of a key, then looks whether there is something to say, and
//! if not parks its request with that generation. [`Wakes::wake`] first raises the generation and
//! then tells the front. The front first notes the parked request and then compares generations. So
//! a wake either comes before the comparison, which sees it, or after the noting, which finds the
//! request: none falls between.
//!
//! Generations live in a fixed table indexed by a hash of the key. Two keys that share a place wake
//! each other's requests while these are being parked; the handler just looks again.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

/// Places of the generation table.
const PLACES: usize = 4096;

/// Wakes the requests that one listener has parked. Clones are the same thing.
#[derive(Clone)]
pub struct Wakes {
    shared: Arc<Shared>,
}

struct Shared {
    seed: RandomState,
    generations: Box<[AtomicU64]>,
    woken: Mutex<HashSet<String>>,
    waker: OnceLock<Arc<mio::Waker>>,
}

impl Default for Wakes {
    fn default() -> Self {
        Self::new()
    }
}

impl Wakes {
    /// Belongs to no listener yet: give it to one in its settings.
    #[must_use]
    pub fn new() -> Self {
        let shared = Shared {
            seed: RandomState::new(),
            generations: (0..PLACES).map(|_| AtomicU64::new(0)).collect(),
            woken: Mutex::new(HashSet::new()),
            waker: OnceLock::new(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Dispatches the requests parked under `key` again; those being parked just now as well.
    pub fn wake(&self, key: &str) {
        self.place(key).fetch_add(1, Ordering::SeqCst);
        let Some(waker) = self.shared.waker.get() else { return };
        let was_empty = {
            let mut woken = self.woken();
            let was_empty = woken.is_empty();
            woken.insert(key.to_owned());
            was_empty
        };
        if was_empty && let Err(error) = waker.wake() {
            log::error!("cannot wake the front: {error}");
        }
    }

    /// The generation of `key`: to be read before looking whether there is something to say.
    #[must_use]
    pub fn generation(&self, key: &str) -> u64 {
        self.place(key).load(Ordering::SeqCst)
    }

    /// The front's loop is there now. A second listener cannot have the same one.
    pub(super) fn attach(&self, waker: Arc<mio::Waker>) -> bool {
        self.shared.waker.set(waker).is_ok()
    }

    /// The keys woken since the last call.
    pub(super) fn take(&self) -> HashSet<String> {
        core::mem::take(&mut *self.woken())
    }

    fn woken(&self) -> MutexGuard<'_, HashSet<String>> {
        self.shared.woken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn place(&self, key: &str) -> &AtomicU64 {
        let places = self.shared.generations.len() as u64;
        let place = self.shared.seed.hash_one(key) % places;
        &self.shared.generations[usize::try_from(place).unwrap_or(0)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wake_raises_the_generation_of_its_key() {
        let wakes = Wakes::new();
        let before = wakes.generation("sensor 1");
        assert_eq!(wakes.generation("sensor 1"), before);
        wakes.clone().wake("sensor 1");
        assert_ne!(wakes.generation("sensor 1"), before);
    }
}
