//! Texts with `*` in them.

use crate::db::terms::Range;

/// A text to match whole, in any case of ASCII letters; `*` stands for any characters, or none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    /// What stands between the stars.
    parts: Vec<String>,
}

impl Pattern {
    /// Reads a pattern; every text is one.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self { parts: text.split('*').map(str::to_owned).collect() }
    }

    /// The numbers that it can match; `None` where those lie everywhere.
    #[must_use]
    pub fn range(&self) -> Option<Range> {
        match self.parts.as_slice() {
            [whole] => Some(Range::number(whole)),
            [first, ..] if !first.is_empty() => Some(Range::number_prefix(first)),
            [.., last] if !last.is_empty() => Some(Range::number_suffix(last)),
            _ => None,
        }
    }

    /// Whether `text` is one of those meant.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        let mut rest = text.as_bytes();
        let Some((first, others)) = self.parts.split_first() else {
            return rest.is_empty();
        };
        if !starts_with(rest, first) {
            return false;
        }
        rest = &rest[first.len()..];
        let Some((last, middle)) = others.split_last() else {
            return rest.is_empty();
        };
        for part in middle {
            let Some(at) = find(rest, part) else {
                return false;
            };
            rest = &rest[at + part.len()..];
        }
        rest.len() >= last.len()
            && rest[rest.len() - last.len()..].eq_ignore_ascii_case(last.as_bytes())
    }
}

fn starts_with(text: &[u8], part: &str) -> bool {
    text.get(..part.len()).is_some_and(|head| head.eq_ignore_ascii_case(part.as_bytes()))
}

fn find(text: &[u8], part: &str) -> Option<usize> {
    if part.is_empty() {
        return Some(0);
    }
    text.windows(part.len()).position(|window| window.eq_ignore_ascii_case(part.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_whole_texts() {
        for (pattern, text, matches) in [
            ("4930123", "4930123", true),
            ("4930123", "49301234", false),
            ("4930*", "4930123", true),
            ("4930*", "4930", true),
            ("4930*", "+4930", false),
            ("*123", "4930123", true),
            ("*123", "1234", false),
            ("49*1*3", "4930123", true),
            ("49*1*1*3", "4930123", false),
            ("*", "", true),
            ("**", "x", true),
            ("", "", true),
            ("", "x", false),
            ("Anna", "anna", true),
            ("ab*ba", "aba", false),
            ("*é*", "café", true),
        ] {
            assert_eq!(Pattern::new(pattern).matches(text), matches, "{pattern} {text}");
        }
    }
}
