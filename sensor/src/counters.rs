//! The analysis thread's own counters: plain integers, no lock.

use ringside_protocol::counters::Counter;

/// One number for each [`Counter`].
#[derive(Clone, Debug)]
pub struct Counters([u64; Counter::ALL.len()]);

impl Default for Counters {
    fn default() -> Self {
        Self([0; Counter::ALL.len()])
    }
}

impl Counters {
    /// Counts one.
    pub fn add(&mut self, counter: Counter) {
        self.add_many(counter, 1);
    }

    /// Counts `many`.
    pub fn add_many(&mut self, counter: Counter, many: u64) {
        self.0[counter as usize] += many;
    }

    /// Sets a figure that somebody else counts, as the kernel does its drops.
    pub fn set(&mut self, counter: Counter, value: u64) {
        self.0[counter as usize] = value;
    }

    /// The present figure.
    #[must_use]
    pub const fn of(&self, counter: Counter) -> u64 {
        self.0[counter as usize]
    }

    /// Those that are not 0.
    pub fn non_zero(&self) -> impl Iterator<Item = (Counter, u64)> {
        Counter::ALL.iter().map(|&counter| (counter, self.of(counter))).filter(|&(_, n)| n > 0)
    }
}
