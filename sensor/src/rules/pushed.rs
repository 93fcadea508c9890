//! Rules that the cloud sends: read one by one, and kept for the next start.

use std::io;
use std::path::Path;

use ringside_protocol::message::RuleSet;
use ringside_protocol::rule::{MAX_RULES, Rule};

use super::{NumberedRule, RuleBook};
use crate::store::atomic;

/// Rules that are told to be refused, at most; the others are refused silently.
const MAX_REFUSED: usize = 20;

const FILE: &str = "rules";

/// Compiles a set. A rule that this sensor does not understand is refused, with the reason, and
/// the others are applied.
#[must_use]
pub fn compile(set: &RuleSet) -> (RuleBook, Vec<(u64, String)>) {
    let mut rules = Vec::new();
    let mut refused = Vec::new();
    for text in &set.rules {
        let read = match Rule::parse(&text.text) {
            Ok(_) if rules.len() == MAX_RULES => Err(format!("a sensor takes {MAX_RULES} rules")),
            Ok(rule) => rule.check_expressions().map(|()| rule),
            Err(error) => Err(error.to_string()),
        };
        match read {
            Ok(rule) => rules.push(NumberedRule { id: text.id, rule }),
            Err(says) => refused.push((text.id, says)),
        }
    }
    refused.truncate(MAX_REFUSED);
    match RuleBook::compile(rules) {
        Ok(book) => (book, refused),
        // What could be wrong has been checked above.
        Err(error) => (RuleBook::default(), vec![(0, error.to_string())]),
    }
}

/// Keeps a set for the next start.
///
/// # Errors
/// The system's.
pub fn save(directory: &Path, set: &RuleSet) -> io::Result<()> {
    let bytes = postcard::to_stdvec(set).map_err(io::Error::other)?;
    atomic::replace(&directory.join(FILE), &bytes, 0o600)
}

/// The set of the last start; `None` where there is none that can be read: the cloud will send it.
#[must_use]
pub fn load(directory: &Path) -> Option<RuleSet> {
    let bytes = std::fs::read(directory.join(FILE)).ok()?;
    postcard::from_bytes(&bytes).ok()
}

#[cfg(test)]
mod tests {
    use ringside_protocol::message::RuleText;

    use super::*;
    use crate::store::test_dir::TestDir;

    fn set(texts: &[&str]) -> RuleSet {
        let text = |(id, text): (u64, &&str)| RuleText { id, text: (*text).to_owned() };
        RuleSet { version: 7, rules: (1..).zip(texts).map(text).collect(), recent_minutes: 0 }
    }

    #[test]
    fn what_is_not_understood_is_refused_alone() {
        let (book, refused) =
            compile(&set(&["keep sip", "fly away", "keep sip when agent ~ /(/", "skip"]));
        assert_eq!(book.len(), 2);
        assert_eq!(refused.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [2, 3]);
        assert!(refused[0].1.contains("`keep` or `skip`"), "{refused:?}");
    }

    #[test]
    fn more_rules_than_a_sensor_takes_are_refused() {
        let (book, refused) = compile(&set(&["skip"; MAX_RULES + 3]));
        assert_eq!((book.len(), refused.len()), (MAX_RULES, 3));
    }

    #[test]
    fn a_set_is_there_at_the_next_start() {
        let dir = TestDir::new();
        assert_eq!(load(dir.path()), None);
        let set = set(&["keep sip"]);
        save(dir.path(), &set).unwrap();
        assert_eq!(load(dir.path()), Some(set));
        std::fs::write(dir.path().join(FILE), b"\xff\xff").unwrap();
        assert_eq!(load(dir.path()), None);
    }
}
