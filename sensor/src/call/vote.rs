//! What most packets say: a majority vote in eight bytes (Boyer and Moore, 1981).

/// The value of most packets so far, exact where one value has more than half of them.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Vote<T> {
    candidate: T,
    lead: u32,
}

impl<T: Copy + PartialEq> Vote<T> {
    pub(super) const fn new(first: T) -> Self {
        Self { candidate: first, lead: 1 }
    }

    /// Whether the candidate changed.
    #[inline]
    pub(super) fn cast(&mut self, value: T) -> bool {
        if value == self.candidate {
            self.lead += 1;
            return false;
        }
        if self.lead > 0 {
            self.lead -= 1;
            return false;
        }
        *self = Self::new(value);
        true
    }

    #[inline]
    pub(super) const fn winner(&self) -> T {
        self.candidate
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_majority_wins_in_any_order() {
        let mut vote = Vote::new(1);
        for value in [2, 2, 1, 3, 2, 2, 1, 2] {
            vote.cast(value);
        }
        assert_eq!(vote.winner(), 2);
    }
}
