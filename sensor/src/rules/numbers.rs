//! Number tests by what the numbers that they match begin with.

use std::collections::HashMap;

use foldhash::fast::FixedState;
use ringside_protocol::rule::{NumberPattern, Party};

use super::TestId;

/// Number tests; a number is looked up once for each length of a beginning that is in use.
#[derive(Debug, Default)]
pub(super) struct Numbers {
    by_beginning: HashMap<Box<[u8]>, Vec<Entry>, FixedState>,
    /// Lengths of the keys, ascending.
    lengths: Vec<usize>,
}

#[derive(Debug)]
struct Entry {
    pattern: NumberPattern,
    party: Party,
    test: TestId,
}

impl Numbers {
    pub(super) fn add(&mut self, pattern: &NumberPattern, party: Party, test: TestId) {
        let beginning = pattern.beginning().as_bytes();
        if let Err(place) = self.lengths.binary_search(&beginning.len()) {
            self.lengths.insert(place, beginning.len());
        }
        let entry = Entry { pattern: pattern.clone(), party, test };
        self.by_beginning.entry(beginning.into()).or_default().push(entry);
    }

    /// Hands out the tests that a party's number meets.
    pub(super) fn find(&self, number: &[u8], party: Party, found: &mut impl FnMut(TestId)) {
        for &length in self.lengths.iter().take_while(|&&length| length <= number.len()) {
            let Some(entries) = self.by_beginning.get(&number[..length]) else { continue };
            for entry in entries {
                let is_meant = entry.party == Party::Either || entry.party == party;
                if is_meant && entry.pattern.matches(number) {
                    found(entry.test);
                }
            }
        }
    }
}
