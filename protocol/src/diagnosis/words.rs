//! Words that sentences about registrations and about peer relations share.

use super::{Finding, Severity, finding};

/// Retransmissions of one record that are worth a sentence.
pub const RETRANSMISSIONS_NOTABLE: u32 = 3;

/// `1 attempt`, `2 attempts`.
pub(super) fn count(many: u32, what: &str) -> String {
    format!("{many} {what}{}", if many == 1 { "" } else { "s" })
}

/// `45 s`, `10 min`, `2 h`, `1 h 30 min`, `3 d`.
pub(super) fn span(seconds: u32) -> String {
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, s) => format!("{s} s"),
        (0, m, 0) => format!("{m} min"),
        (0, m, s) => format!("{m} min {s} s"),
        (h @ 48.., _, _) => format!("{} d", h / 24),
        (h, 0, _) => format!("{h} h"),
        (h, m, _) => format!("{h} h {m} min"),
    }
}

/// Requests that had to be sent several times, if they were many.
pub(super) fn repeated(requests: &str, between: &str, retransmissions: u32) -> Option<Finding> {
    (retransmissions >= RETRANSMISSIONS_NOTABLE).then(|| {
        let sentence = format!(
            "{requests} had to be repeated: packets between {between} are lost or answered late."
        );
        finding(Severity::Warning, sentence, vec![format!("{retransmissions} retransmissions")])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_short() {
        let spans = [59, 60, 90, 3600, 5400, 172_799, 172_800].map(span);
        assert_eq!(
            spans,
            ["59 s", "1 min", "1 min 30 s", "1 h", "1 h 30 min", "47 h 59 min", "2 d"]
        );
    }
}
