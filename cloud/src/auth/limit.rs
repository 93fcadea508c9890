//! How often somebody may try: counts in a bounded table.

use std::collections::HashMap;
use std::hash::Hash;

use ringside_protocol::time::{MICROS_PER_SECOND, UnixMicros};

/// Keys that a table remembers. When full, the one whose window began first leaves.
pub const MAX_KEYS: usize = 4096;

/// Counts attempts by key in windows of a fixed length that begin with a key's first attempt.
pub struct RateLimit<K> {
    attempts: u32,
    window_micros: u64,
    windows: HashMap<K, Window>,
}

struct Window {
    began: UnixMicros,
    attempts: u32,
}

impl<K: Eq + Hash + Clone> RateLimit<K> {
    /// Allows `attempts` by each key within `window_seconds`.
    pub fn new(attempts: u32, window_seconds: u64) -> Self {
        let window_micros = window_seconds * MICROS_PER_SECOND;
        Self { attempts, window_micros, windows: HashMap::new() }
    }

    /// Counts one attempt.
    ///
    /// # Errors
    /// The seconds until the next one is allowed; the attempt is not counted.
    pub fn admit(&mut self, key: &K, now: UnixMicros) -> Result<(), u64> {
        if let Some(window) = self.windows.get_mut(key) {
            let age = now.since(window.began);
            if age >= self.window_micros {
                *window = Window { began: now, attempts: 1 };
            } else if window.attempts < self.attempts {
                window.attempts += 1;
            } else {
                return Err((self.window_micros - age).div_ceil(MICROS_PER_SECOND));
            }
            return Ok(());
        }
        if self.windows.len() >= MAX_KEYS {
            self.make_room(now);
        }
        self.windows.insert(key.clone(), Window { began: now, attempts: 1 });
        Ok(())
    }

    /// Takes back one attempt: it turned out to be a good one.
    pub fn forgive(&mut self, key: &K) {
        if let Some(window) = self.windows.get_mut(key) {
            window.attempts = window.attempts.saturating_sub(1);
        }
    }

    /// Forgets all attempts of a key.
    pub fn forget(&mut self, key: &K) {
        self.windows.remove(key);
    }

    fn make_room(&mut self, now: UnixMicros) {
        self.windows.retain(|_, window| now.since(window.began) < self.window_micros);
        if self.windows.len() >= MAX_KEYS {
            let oldest = self.windows.iter().min_by_key(|(_, window)| window.began);
            if let Some(key) = oldest.map(|(key, _)| key.clone()) {
                self.windows.remove(&key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(seconds: u64) -> UnixMicros {
        UnixMicros(seconds * MICROS_PER_SECOND)
    }

    #[test]
    fn attempts_over_the_limit_wait_for_the_window_to_end() {
        let mut limit = RateLimit::new(2, 60);
        assert_eq!(limit.admit(&"a", second(100)), Ok(()));
        assert_eq!(limit.admit(&"a", second(110)), Ok(()));
        assert_eq!(limit.admit(&"a", second(115)), Err(45));
        assert_eq!(limit.admit(&"b", second(115)), Ok(()));
        assert_eq!(limit.admit(&"a", second(160)), Ok(()));
    }

    #[test]
    fn good_attempts_are_forgiven() {
        let mut limit = RateLimit::new(1, 60);
        for _ in 0..5 {
            assert_eq!(limit.admit(&"a", second(1)), Ok(()));
            limit.forgive(&"a");
        }
    }

    #[test]
    fn evict_the_oldest_window_when_the_table_is_full() {
        let mut limit = RateLimit::new(1, 3600);
        for key in 0..=MAX_KEYS as u64 {
            assert_eq!(limit.admit(&key, second(key / 1000)), Ok(()));
        }
        assert_eq!(limit.windows.len(), MAX_KEYS);
        assert!(limit.admit(&(MAX_KEYS as u64), second(9)).is_err());
    }
}
