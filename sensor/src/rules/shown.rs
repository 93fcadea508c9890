//! What a call has shown of the tests of a book: one bit a test.

use super::TestId;

/// Which tests have been answered with yes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shown {
    words: Box<[u64]>,
    is_changed: bool,
}

impl Shown {
    pub(super) fn new(tests: usize) -> Self {
        Self { words: vec![0; tests.div_ceil(64)].into(), is_changed: true }
    }

    pub(super) fn set(&mut self, test: TestId) {
        let (word, bit) = (usize::from(test / 64), 1 << (test % 64));
        if let Some(word) = self.words.get_mut(word) {
            self.is_changed |= *word & bit == 0;
            *word |= bit;
        }
    }

    pub(super) fn has(&self, test: TestId) -> bool {
        let word = self.words.get(usize::from(test / 64));
        word.is_some_and(|word| word & 1 << (test % 64) != 0)
    }

    /// Whether something new was shown since the last time that this was asked.
    pub fn take_changed(&mut self) -> bool {
        core::mem::take(&mut self.is_changed)
    }

    /// Forgets everything, for the next call.
    pub fn clear(&mut self) {
        self.words.fill(0);
        self.is_changed = true;
    }

    /// The tests that were shown.
    pub(super) fn iter(&self) -> impl Iterator<Item = TestId> {
        (0..).zip(&self.words).flat_map(|(place, &word): (TestId, &u64)| {
            (0..64).filter(move |bit| word & 1 << bit != 0).map(move |bit| place * 64 + bit)
        })
    }
}
