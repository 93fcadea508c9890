//! Header tests: names by hash; texts by comparison, Aho-Corasick and regular expressions.
//!
//! The cost is bounded whatever people write: a value is read up to [`MAX_VALUE`], an expression
//! compiles within bounds (`Expression::compile`), and both automata take time that is linear in
//! the value.

use std::collections::HashMap;

use aho_corasick::{AhoCorasick, AhoCorasickBuilder, MatchKind};
use foldhash::fast::FixedState;
use regex::bytes::Regex;
use ringside_protocol::rule::{TextTest, long_header_name};

use super::TestId;
use crate::wire::sip;

/// Bytes of a header's value that are looked at.
const MAX_VALUE: usize = 1024;

/// Bytes of a header's name that are looked at; a longer one is no rule's.
const MAX_NAME: usize = 64;

/// Header tests by name.
#[derive(Debug, Default)]
pub(super) struct Headers {
    by_name: HashMap<Box<[u8]>, Tests, FixedState>,
}

/// What is asked about one header.
#[derive(Debug, Default)]
struct Tests {
    exists: Vec<TestId>,
    /// In lower case.
    equals: HashMap<Box<[u8]>, Vec<TestId>, FixedState>,
    contains: Vec<(String, TestId)>,
    /// Over `contains`, in its order.
    automaton: Option<AhoCorasick>,
    matches: Vec<(Regex, TestId)>,
}

impl Headers {
    /// Adds a test; says what is wrong with its expression.
    pub(super) fn add(&mut self, name: &str, test: &TextTest, id: TestId) -> Result<(), String> {
        let tests = self.by_name.entry(name.as_bytes().into()).or_default();
        match test {
            TextTest::Exists => tests.exists.push(id),
            TextTest::Equals(text) => {
                let text = text.to_ascii_lowercase().into_bytes().into();
                tests.equals.entry(text).or_default().push(id);
            }
            TextTest::Contains(text) => tests.contains.push((text.clone(), id)),
            TextTest::Matches(expression) => {
                tests.matches.push((expression.compile()?, id));
            }
        }
        Ok(())
    }

    /// Builds the automata, after the last [`Headers::add`].
    pub(super) fn finish(&mut self) -> Result<(), String> {
        for tests in self.by_name.values_mut().filter(|tests| !tests.contains.is_empty()) {
            let automaton = AhoCorasickBuilder::new()
                .match_kind(MatchKind::Standard)
                .ascii_case_insensitive(true)
                .build(tests.contains.iter().map(|(text, _)| text))
                .map_err(|error| error.to_string())?;
            tests.automaton = Some(automaton);
        }
        Ok(())
    }

    /// Hands out the tests that the headers of a message meet.
    pub(super) fn find(&self, message: &[u8], found: &mut impl FnMut(TestId)) {
        if self.by_name.is_empty() {
            return;
        }
        for (name, value) in sip::header_lines(message) {
            if let Some(tests) = self.tests(name) {
                tests.find(&value[..value.len().min(MAX_VALUE)], found);
            }
        }
    }

    fn tests(&self, name: &[u8]) -> Option<&Tests> {
        let mut lower = [0; MAX_NAME];
        let lower = lower.get_mut(..name.len())?;
        lower.copy_from_slice(name);
        lower.make_ascii_lowercase();
        let long = core::str::from_utf8(lower).ok().and_then(long_header_name);
        self.by_name.get(long.map_or(&*lower, str::as_bytes))
    }
}

impl Tests {
    fn find(&self, value: &[u8], found: &mut impl FnMut(TestId)) {
        self.exists.iter().copied().for_each(&mut *found);
        if !self.equals.is_empty() {
            let mut lower = [0; MAX_VALUE];
            let lower = &mut lower[..value.len()];
            lower.copy_from_slice(value);
            lower.make_ascii_lowercase();
            self.equals.get(&*lower).into_iter().flatten().copied().for_each(&mut *found);
        }
        if let Some(automaton) = &self.automaton {
            for text in automaton.find_overlapping_iter(value) {
                found(self.contains[text.pattern().as_usize()].1);
            }
        }
        for (expression, test) in &self.matches {
            if expression.is_match(value) {
                found(*test);
            }
        }
    }
}
