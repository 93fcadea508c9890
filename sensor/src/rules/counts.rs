//! How many calls rules have kept of a day: a small file, so that a cap on calls a day holds over a
//! restart.

use std::io;
use std::path::Path;

use crate::store::atomic;

const FILE: &str = "rule-counts";

/// Keeps them for the next start: rule, day (UTC, since the epoch), calls.
///
/// # Errors
/// The system's.
pub fn save(directory: &Path, kept: &[(u64, u64, u32)]) -> io::Result<()> {
    let lines = kept.iter().map(|(rule, day, calls)| format!("{rule} {day} {calls}\n"));
    atomic::replace(&directory.join(FILE), lines.collect::<String>().as_bytes(), 0o600)
}

/// What an earlier start has counted; nothing where that cannot be read.
#[must_use]
pub fn load(directory: &Path) -> Vec<(u64, u64, u32)> {
    let text = std::fs::read_to_string(directory.join(FILE)).unwrap_or_default();
    text.lines().filter_map(line).collect()
}

fn line(line: &str) -> Option<(u64, u64, u32)> {
    let mut words = line.split(' ');
    let mut next = || words.next();
    Some((next()?.parse().ok()?, next()?.parse().ok()?, next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::test_dir::TestDir;

    #[test]
    fn counts_are_there_after_a_start() {
        let dir = TestDir::new();
        assert_eq!(load(dir.path()), []);
        let kept = [(1, 20_781, 7), (9, 20_780, 1)];
        save(dir.path(), &kept).expect("saved");
        assert_eq!(load(dir.path()), kept);
        std::fs::write(dir.path().join(FILE), "1 2\nx y z\n3 4 5\n").expect("written");
        assert_eq!(load(dir.path()), [(3, 4, 5)]);
    }
}
