//! The known name that a misspelt one was meant to be.

/// The name that is fewest edits away from `name`, if it is near enough to be meant.
#[must_use]
pub fn nearest<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let name: Vec<char> = name.chars().take(MAX_NAME).collect();
    let most = 1 + name.len() / 6;
    names
        .filter(|candidate| candidate.len().abs_diff(name.len()) <= most)
        .map(|candidate| (distance(&name, candidate), candidate))
        .filter(|&(edits, _)| edits <= most)
        .min()
        .map(|(_, candidate)| candidate)
}

/// Characters of an unknown name that are compared; the longest known name has 62.
const MAX_NAME: usize = 80;

/// Edits that turn one into the other: a character put in, left out or exchanged, or two
/// neighbours swapped.
fn distance(from: &[char], to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=to.len()).collect();
    for (row, &a) in from.iter().enumerate() {
        let mut current = vec![row + 1];
        for (column, &b) in to.iter().enumerate() {
            let exchanged = last[column] + usize::from(a != b);
            let mut least = exchanged.min(last[column + 1] + 1).min(current[column] + 1);
            if row > 0 && column > 0 && a == to[column - 1] && b == from[row - 1] {
                least = least.min(before_last[column - 1] + 1);
            }
            current.push(least);
        }
        before_last = core::mem::replace(&mut last, current);
    }
    last[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: [&str; 4] = ["sipport", "interface", "rtptimeout", "server_destination"];

    fn of(name: &str) -> Option<&'static str> {
        nearest(name, NAMES.into_iter())
    }

    #[test]
    fn slips_find_what_was_meant() {
        assert_eq!(of("siport"), Some("sipport"));
        assert_eq!(of("interfaces"), Some("interface"));
        assert_eq!(of("rtp_timeout"), Some("rtptimeout"));
        assert_eq!(of("server-destiantion"), Some("server_destination"));
    }

    #[test]
    fn another_word_is_not_guessed_at() {
        assert_eq!(of("colour"), None);
        assert_eq!(of(""), None);
        assert_eq!(of(&"x".repeat(10_000)), None);
    }

    #[test]
    fn distance_counts_edits() {
        let chars = |text: &str| text.chars().collect::<Vec<_>>();
        assert_eq!(distance(&chars("ab"), "ba"), 1);
        assert_eq!(distance(&chars("kitten"), "sitting"), 3);
        assert_eq!(distance(&[], "abc"), 3);
        assert_eq!(distance(&chars("abc"), ""), 3);
    }
}
