//! So many at once, and one more each so often.

/// A bucket of permissions that fills up with time.
#[derive(Clone, Copy, Debug)]
pub struct Bucket {
    most: u32,
    /// Microseconds.
    every: u64,
    left: u32,
    /// When `left` was reckoned.
    since: u64,
}

impl Bucket {
    /// A full one: `most` at once, and one more each `every` microseconds.
    #[must_use]
    pub const fn new(most: u32, every: u64) -> Self {
        Self { most, every, left: most, since: 0 }
    }

    /// Takes one, if there is one.
    pub fn take(&mut self, now: u64) -> bool {
        let gained = now.saturating_sub(self.since) / self.every;
        let left = u64::from(self.left).saturating_add(gained).min(u64::from(self.most));
        let left = u32::try_from(left).unwrap_or(self.most);
        // A clock that went back begins to count anew.
        self.since = if self.since > now { now } else { self.since + gained * self.every };
        self.left = left.saturating_sub(1);
        left > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_taken_comes_back_with_time_and_never_more_than_all_of_it() {
        let mut bucket = Bucket::new(3, 10);
        let mut taken = |now| (0..9).filter(|_| bucket.take(now)).count();
        assert_eq!(taken(1_000), 3);
        assert_eq!(taken(1_009), 0);
        assert_eq!(taken(1_025), 2);
        assert_eq!(taken(9_000), 3);
        // The clock goes back: nothing is gained by that, and nothing waits for it.
        assert_eq!(taken(500), 0);
        assert_eq!(taken(510), 1);
    }
}
