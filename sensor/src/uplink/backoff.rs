//! How long to wait before trying again: twice as long each time, and never all at once.

use embassy_time::Duration;

/// The first wait, at most.
pub const FIRST_WAIT: Duration = Duration::from_secs(1);

/// Every later wait, at most.
pub const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// Waits that double from [`FIRST_WAIT`] to [`LONGEST_WAIT`], each shortened at random by up to
/// half, so that sensors that lost the same cloud do not come back in step.
#[derive(Clone, Debug)]
pub(super) struct Backoff {
    next: Duration,
    seed: u64,
}

impl Backoff {
    pub(super) const fn new(seed: u64) -> Self {
        Self { next: FIRST_WAIT, seed }
    }

    /// How long to wait now.
    pub(super) fn next(&mut self) -> Duration {
        let longest = self.next.as_micros();
        self.next = (self.next * 2).min(LONGEST_WAIT);
        Duration::from_micros(longest - self.random() % (longest / 2))
    }

    /// The next wait is the first again.
    pub(super) const fn reset(&mut self) {
        self.next = FIRST_WAIT;
    }

    /// SplitMix64: jitter has to differ, not to be secret.
    const fn random(&mut self) -> u64 {
        self.seed = self.seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.seed;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest_and_are_shortened_by_up_to_half() {
        let mut backoff = Backoff::new(7);
        for longest in [1, 2, 4, 8, 16, 32, 60, 60, 60] {
            let wait = backoff.next().as_micros();
            let longest = longest * 1_000_000;
            assert!((longest / 2..=longest).contains(&wait), "{wait} of {longest}");
        }
        backoff.reset();
        assert!(backoff.next() <= FIRST_WAIT);
    }

    #[test]
    fn two_sensors_do_not_come_back_in_step() {
        assert_ne!(Backoff::new(1).next(), Backoff::new(2).next());
        assert_eq!(Backoff::new(1).next(), Backoff::new(1).next());
    }
}
