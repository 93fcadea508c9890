//! What people read of an alert: its sentence, and the link to the search behind it.

use core::fmt::Write;

use ringside_protocol::cdr::Fingerprint;
use ringside_protocol::time::UnixMicros;

use super::measure::{About, Measure, Side};
use super::rule::Rule;
use super::tally::Seen;

/// A time to the minute, as sentences hold it: the GUI shows it in the reader's zone.
#[must_use]
pub fn minute(at: UnixMicros) -> String {
    format!("{}:00Z", &at.to_rfc3339()[..16])
}

/// A sentence with its times as people read them: `2026-11-24 12:00 UTC`.
#[must_use]
pub fn readable(sentence: &str) -> String {
    let is_time = |word: &str| {
        word.len() == 20
            && word.as_bytes()[10] == b'T'
            && UnixMicros::from_date(&word[..10]).is_some()
    };
    let mut text = String::with_capacity(sentence.len());
    for (turn, word) in sentence.split(' ').enumerate() {
        if turn > 0 {
            text.push(' ');
        }
        let bare = word.trim_end_matches(['.', ',', ';', ':']);
        if bare.is_ascii() && bare.ends_with('Z') && is_time(bare) {
            // Writing to a String cannot fail.
            let _ = write!(text, "{} {} UTC{}", &bare[..10], &bare[11..16], &word[bare.len()..]);
        } else {
            text.push_str(word);
        }
    }
    text
}

/// What a window of calls shows.
#[must_use]
pub fn of_calls(rule: &Rule, seen: &Seen, until: UnixMicros) -> String {
    let measure = rule.measure;
    let value = seen.value.map_or_else(|| "nothing".to_owned(), |value| measure.text(value));
    let sample = match measure {
        Measure::Share => format!(" ({} of {} calls)", seen.fitting, seen.sample),
        Measure::Calls => String::new(),
        _ => format!(" (of {} calls)", seen.sample),
    };
    let windows = if rule.of_windows > 1 {
        format!("; bad in {} of the last {} such windows", seen.bad_windows, rule.of_windows)
    } else {
        String::new()
    };
    format!(
        "{} {value}{sample} from {} to {}, {}{windows}.",
        measure.words(),
        minute(seen.from),
        minute(until),
        threshold(rule)
    )
}

/// What a sensor, or the customer, shows.
#[must_use]
pub fn of_state(rule: &Rule, value: f64, sentence: &str) -> String {
    if rule.measure.is_plain() {
        return sentence.to_owned();
    }
    let (words, value) = (rule.measure.words(), rule.measure.text(value));
    format!("{words} {value}, {}. {sentence}", threshold(rule))
}

/// The threshold, as in "more than 5.0 %".
#[must_use]
pub fn threshold(rule: &Rule) -> String {
    let side = match rule.side {
        Side::Above => "more than",
        Side::Below => "less than",
    };
    format!("{side} {}", rule.measure.text(rule.threshold))
}

/// Path and query of the page that shows what an alert is about. That of calls has no end yet
/// ([`with_end`]).
#[must_use]
pub fn link(rule: &Rule, device: Option<Fingerprint>, from: UnixMicros) -> String {
    if rule.measure.about() != About::Calls {
        return device.map_or_else(|| "/sensors".to_owned(), |device| format!("/sensors/{device}"));
    }
    let mut link = String::from("/calls?");
    for part in [&rule.among, &rule.filter] {
        // What both say is said once.
        if !part.is_empty() && (part == &rule.filter || !rule.filter.contains(part.as_str())) {
            link.push_str(part);
            link.push('&');
        }
    }
    if let Some(device) = device {
        // Writing to a String cannot fail.
        let _ = write!(link, "sensor={device}&");
    }
    let _ = write!(link, "from={}", from.to_the_second());
    link
}

/// A link with the end of its search: an alert that is open goes on.
#[must_use]
pub fn with_end(link: &str, closed_at: Option<UnixMicros>) -> String {
    match closed_at {
        Some(at) if link.starts_with("/calls?") => format!("{link}&to={}", at.to_the_second()),
        _ => link.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alerts::rule::tests::bad_share;

    const NOW: UnixMicros = UnixMicros(1_795_521_600_000_000);

    #[test]
    fn a_sentence_says_what_when_and_of_how_many() {
        let seen = Seen { value: Some(11.2), sample: 161, fitting: 18, from: NOW, bad_windows: 1 };
        let until = NOW.plus(900_000_000);
        assert_eq!(
            of_calls(&bad_share(), &seen, until),
            "Share of calls 11.2 % (18 of 161 calls) from 2026-11-24T12:00:00Z to \
             2026-11-24T12:15:00Z, more than 5.0 %."
        );
    }

    #[test]
    fn a_link_is_the_search_behind_the_alert() {
        let link = link(&bad_share(), Some(Fingerprint([0xab; 16])), NOW);
        let device = "ab".repeat(16);
        let expected =
            format!("/calls?answered=true&band=degraded&sensor={device}&from=2026-11-24T12:00:00Z");
        assert_eq!(link, expected);
        assert_eq!(with_end(&link, Some(NOW)), format!("{expected}&to=2026-11-24T12:00:00Z"));
        let rule = Rule { measure: Measure::Offline, ..bad_share() };
        assert_eq!(
            super::link(&rule, Some(Fingerprint([0xab; 16])), NOW),
            format!("/sensors/{device}")
        );
    }
}
