//! What the figures say, in sentences: what is wrong, since when it is so, and what to do next.
//!
//! No sentence rests on a few calls: each threshold has a least sample.

use ringside_protocol::cdr::Fingerprint;
use ringside_protocol::diagnosis::Severity;
use ringside_protocol::time::UnixMicros;
use ringside_protocol::words::plural;

use super::figures::{delay_ms, ner};
use crate::db::search::Span;
use crate::db::sums::{BAD_AUDIO_FILTER, FAILED_FILTER, SLOT, Sums};
use crate::routes::sensors::State;

/// Calls of a time from which ratios are judged.
const LEAST_CALLS: u64 = 50;

/// Calls of a sensor, or of a number, that make it worth a name.
const LEAST_NAMED: u64 = 5;

/// A share of calls that failed or sounded bad from which it is a problem in any case.
const PROBLEM_SHARE: f64 = 0.10;

/// One from which it is worth a look in any case.
const WARNING_SHARE: f64 = 0.05;

/// One from which it is worth a look where it has doubled.
const DOUBLED_SHARE: f64 = 0.02;

/// A mean session request delay from which people notice, milliseconds (ITU-T E.721: 5 s for a toll
/// connection).
const SLOW_MS: f64 = 5000.0;

/// Of the limit's channels, from which there is little room left.
const FULL_SHARE: f64 = 0.95;

/// What is known of a sensor.
pub(super) struct SensorFacts {
    pub(super) device: Fingerprint,
    pub(super) id_sensor: Option<u16>,
    pub(super) name: String,
    pub(super) state: State,
    pub(super) heard_at: Option<UnixMicros>,
    pub(super) sums: Sums,
    pub(super) before: Option<Sums>,
}

impl SensorFacts {
    /// Calls that failed or sounded bad.
    pub(super) const fn bad(&self) -> u64 {
        self.sums.failed + self.sums.bad_audio()
    }
}

/// What the verdict rests on.
pub(super) struct Facts {
    pub(super) now: UnixMicros,
    pub(super) span: Span,
    pub(super) total: Sums,
    /// Of a time as long before the span, where there are records of it.
    pub(super) before: Option<Sums>,
    pub(super) limit: u16,
    /// Calls in progress; `None` where no sensor is there to tell.
    pub(super) channels: Option<u64>,
    /// The busiest five minutes.
    pub(super) busiest: Option<(UnixMicros, f64)>,
    /// The end of the newest call of all.
    pub(super) last_call: Option<UnixMicros>,
    pub(super) sensors: Vec<SensorFacts>,
    /// The number with the most calls that failed.
    pub(super) failing: Option<(String, u64)>,
    /// The number with the most calls that sounded bad.
    pub(super) bad: Option<(String, u64)>,
}

/// One thing that is so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) severity: Severity,
    pub(super) sentence: String,
    /// The figures that it rests on.
    pub(super) reasons: Vec<String>,
    pub(super) next: Option<Next>,
}

/// What to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Next {
    pub(super) text: &'static str,
    /// A page of the GUI.
    pub(super) page: String,
}

/// What is wrong or worth knowing, the worst first; nothing where all is well.
pub(super) fn findings(facts: &Facts) -> Vec<Finding> {
    if facts.sensors.is_empty() {
        return vec![no_sensor()];
    }
    let all = [nobody_there(facts), full(facts), silence(facts), failures(facts), bad_audio(facts)];
    let others = [slow(facts), away(facts), fewer(facts)];
    let mut found: Vec<_> = all.into_iter().chain(others).flatten().collect();
    // Those that matter as much stay in their order.
    found.sort_by_key(|finding| core::cmp::Reverse(finding.severity));
    found
}

/// The verdict where there is nothing to find.
pub(super) fn all_well(facts: &Facts) -> Finding {
    let counts = &facts.total.counts;
    let scored = counts.excellent + counts.good + counts.fair + counts.degraded + counts.no_audio;
    let mut reasons = Vec::new();
    if let Some(ner) = ner(&facts.total) {
        reasons.push(format!("{} of calls got through (NER)", percent(ner)));
    }
    if let Some(sound) = share(scored - facts.total.bad_audio(), scored) {
        reasons.push(format!("{} of {} sounded right", percent(sound), calls(scored)));
    }
    let sentence = if counts.calls < LEAST_CALLS {
        format!("Nothing stands out; with {} little can be said.", calls(counts.calls))
    } else {
        format!("All is well: nothing stands out in {}.", calls(counts.calls))
    };
    Finding { severity: Severity::Ok, sentence, reasons, next: None }
}

fn no_sensor() -> Finding {
    Finding {
        severity: Severity::Info,
        sentence: "No sensor has joined yet, so there is nothing to show.".to_owned(),
        reasons: vec![
            "A sensor sits where the calls are: at the PBX or on a mirror port.".to_owned(),
        ],
        next: Some(Next { text: "Add a sensor", page: "/sensors?add=1".to_owned() }),
    }
}

/// Whether the span reaches the present.
fn is_present(facts: &Facts) -> bool {
    facts.span.until.plus(SLOT) >= facts.now
}

fn to_sensors() -> Next {
    Next { text: "Look at the sensors", page: "/sensors".to_owned() }
}

fn nobody_there(facts: &Facts) -> Option<Finding> {
    if !is_present(facts) || facts.sensors.iter().any(|it| it.state == State::Online) {
        return None;
    }
    Some(Finding {
        severity: Severity::Problem,
        sentence: "No sensor is connected: what happens now is not seen here.".to_owned(),
        reasons: away_reasons(facts),
        next: Some(to_sensors()),
    })
}

/// Sensors that were there and are not.
fn missing(facts: &Facts) -> Vec<&SensorFacts> {
    let is_missing =
        |it: &&SensorFacts| matches!(it.state, State::Offline | State::Stopped | State::Refused);
    facts.sensors.iter().filter(is_missing).collect()
}

fn away_reasons(facts: &Facts) -> Vec<String> {
    const MOST: usize = 3;
    let missing = missing(facts);
    let reason = |it: &&SensorFacts| {
        let heard = it.heard_at.map_or_else(String::new, |at| {
            format!(", last heard of {} ago", ago(facts.now.since(at)))
        });
        format!("{}: {}{heard}", it.name, it.state.name())
    };
    let mut reasons: Vec<_> = missing.iter().take(MOST).map(reason).collect();
    if missing.len() > MOST {
        reasons.push(format!("and {} more", missing.len() - MOST));
    }
    reasons
}

fn away(facts: &Facts) -> Option<Finding> {
    let missing = missing(facts).len();
    let online = facts.sensors.iter().filter(|it| it.state == State::Online).count();
    if !is_present(facts) || missing == 0 || online == 0 {
        return None;
    }
    let (are, all) = (if missing == 1 { "is" } else { "are" }, online + missing);
    Some(Finding {
        severity: Severity::Warning,
        sentence: format!(
            "{missing} of {all} sensors {are} not connected: their records come when they are back."
        ),
        reasons: away_reasons(facts),
        next: Some(to_sensors()),
    })
}

fn full(facts: &Facts) -> Option<Finding> {
    let limit = f64::from(facts.limit);
    let used =
        facts.channels.and_then(|used| u16::try_from(used).ok()).filter(|_| is_present(facts));
    if let Some(used) = used.filter(|used| f64::from(*used) >= FULL_SHARE * limit) {
        let left = facts.limit.saturating_sub(used);
        return Some(Finding {
            severity: Severity::Problem,
            sentence: format!(
                "{} of {} channels left: calls beyond the limit are counted and not followed.",
                if left == 0 { "None".to_owned() } else { format!("Only {left}") },
                facts.limit
            ),
            reasons: vec![format!("{} in progress", calls(used.into()))],
            next: Some(Next { text: "Look at the calls in progress", page: "/live".to_owned() }),
        });
    }
    let (at, most) = facts.busiest.filter(|(_, most)| *most >= FULL_SHARE * limit)?;
    Some(Finding {
        severity: Severity::Warning,
        sentence: format!(
            "The limit of {} channels was nearly reached: calls beyond it are counted and not \
             followed.",
            facts.limit
        ),
        reasons: vec![format!("{most:.0} channels in use at {}", at.to_the_second())],
        next: Some(to_sensors()),
    })
}

fn silence(facts: &Facts) -> Option<Finding> {
    if facts.total.counts.calls > 0 || facts.channels.is_none() {
        return None;
    }
    let before = facts.before.map_or(0, |before| before.counts.calls);
    let severity = if before >= LEAST_CALLS { Severity::Problem } else { Severity::Warning };
    let mut reasons = Vec::new();
    if before > 0 {
        reasons.push(format!("{} in the time before", calls(before)));
    }
    reasons.push(match facts.last_call {
        Some(at) => format!("the last call ended {} ago", ago(facts.now.since(at))),
        None => "no call was ever seen".to_owned(),
    });
    Some(Finding {
        severity,
        sentence: "No call ended in this time: check that the sensors still see traffic."
            .to_owned(),
        reasons,
        next: Some(to_sensors()),
    })
}

fn failures(facts: &Facts) -> Option<Finding> {
    let part = facts.total.failed;
    let before = facts.before.filter(|it| it.counts.calls >= LEAST_CALLS);
    let before = before.and_then(|it| share(it.failed, it.counts.calls));
    let found = judged(part, facts.total.counts.calls, before)?;
    let worst = worst_sensor(facts, |sums| (sums.failed, sums.counts.calls), found.share);
    let mut reasons: Vec<_> = worst.into_iter().collect();
    reasons.extend(named(facts.failing.as_ref(), "failed"));
    Some(Finding {
        severity: found.severity,
        sentence: format!(
            "{} of calls failed{}.",
            percent(found.share),
            found.compared(&facts.total.counts.calls)
        ),
        reasons,
        next: Some(Next {
            text: "See the calls that failed",
            page: calls_page(facts.span, FAILED_FILTER),
        }),
    })
}

fn bad_audio(facts: &Facts) -> Option<Finding> {
    let scored = |sums: &Sums| {
        let it = &sums.counts;
        it.excellent + it.good + it.fair + it.degraded + it.no_audio
    };
    let before = facts.before.filter(|it| scored(it) >= LEAST_CALLS);
    let before = before.and_then(|it| share(it.bad_audio(), scored(&it)));
    let total = scored(&facts.total);
    let found = judged(facts.total.bad_audio(), total, before)?;
    let counts = &facts.total.counts;
    let mut reasons = vec![format!(
        "{} without sound in a direction, {} with a MOS of 3.0 or less",
        thousands(counts.no_audio),
        thousands(counts.degraded)
    )];
    reasons.extend(worst_sensor(facts, |sums| (sums.bad_audio(), scored(sums)), found.share));
    reasons.extend(named(facts.bad.as_ref(), "sounded bad"));
    Some(Finding {
        severity: found.severity,
        sentence: format!(
            "{} of calls sounded bad{}.",
            percent(found.share),
            found.compared(&total)
        ),
        reasons,
        next: Some(Next {
            text: "See the calls that sounded bad",
            page: calls_page(facts.span, BAD_AUDIO_FILTER),
        }),
    })
}

/// A share of bad calls that is worth a sentence.
struct Judged {
    severity: Severity,
    share: f64,
    before: Option<f64>,
}

impl Judged {
    fn compared(&self, of: &u64) -> String {
        let all = format!(" ({} in all)", calls(*of));
        match self.before {
            Some(before) => format!("{all}, after {} in the time before", percent(before)),
            None => all,
        }
    }
}

fn judged(part: u64, whole: u64, before: Option<f64>) -> Option<Judged> {
    let share = share(part, whole).filter(|_| whole >= LEAST_CALLS)?;
    let has_doubled = before.is_some_and(|before| share >= 2.0 * before);
    let severity = if share >= PROBLEM_SHARE {
        Severity::Problem
    } else if share >= WARNING_SHARE || (share >= DOUBLED_SHARE && has_doubled) {
        Severity::Warning
    } else {
        return None;
    };
    Some(Judged { severity, share, before })
}

/// The sensor that stands out most, if one does.
fn worst_sensor(facts: &Facts, of: impl Fn(&Sums) -> (u64, u64), mean: f64) -> Option<String> {
    if facts.sensors.len() < 2 {
        return None;
    }
    let shares = facts.sensors.iter().filter_map(|it| {
        let (part, whole) = of(&it.sums);
        Some((it, part, share(part, whole).filter(|_| part >= LEAST_NAMED)?))
    });
    let (sensor, part, share) = shares.max_by(|a, b| a.2.total_cmp(&b.2))?;
    (share >= 1.5 * mean)
        .then(|| format!("worst at {}: {} ({})", sensor.name, percent(share), calls(part)))
}

fn named(worst: Option<&(String, u64)>, how: &str) -> Option<String> {
    let (number, count) = worst.filter(|(_, count)| *count >= LEAST_NAMED)?;
    Some(format!("most often with {number}: {} {how}", calls(*count)))
}

fn slow(facts: &Facts) -> Option<Finding> {
    let delay = delay_ms(&facts.total).filter(|_| facts.total.delay_calls >= LEAST_CALLS)?;
    if delay < SLOW_MS {
        return None;
    }
    let before = facts.before.as_ref().and_then(delay_ms);
    let before = before.map(|ms| format!("{:.1} s in the time before", ms / 1000.0));
    Some(Finding {
        severity: Severity::Warning,
        sentence: format!(
            "Callers wait {:.1} s for a first answer, on average: 5 s is what people are used to.",
            delay / 1000.0
        ),
        reasons: before.into_iter().collect(),
        next: Some(Next { text: "See the calls", page: calls_page(facts.span, &[]) }),
    })
}

fn fewer(facts: &Facts) -> Option<Finding> {
    let (calls_now, before) = (facts.total.counts.calls, facts.before?.counts.calls);
    if before < 4 * LEAST_CALLS || calls_now == 0 || calls_now * 2 > before {
        return None;
    }
    Some(Finding {
        severity: Severity::Info,
        sentence: "There were less than half as many calls as in the time before.".to_owned(),
        reasons: vec![format!("{}, after {}", calls(calls_now), thousands(before))],
        next: None,
    })
}

/// The list of calls of a span with filters.
fn calls_page(span: Span, filters: &[(&str, &str)]) -> String {
    let mut page =
        format!("/calls?from={}&to={}", span.from.to_the_second(), span.until.to_the_second());
    for (name, value) in filters {
        page.push_str(&format!("&{name}={value}"));
    }
    page
}

#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

fn calls(count: u64) -> String {
    let end = if count == 1 { "" } else { "s" };
    format!("{} call{end}", thousands(count))
}

/// With a comma between thousands.
fn thousands(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn ago(us: u64) -> String {
    let minutes = us / 60_000_000;
    match minutes {
        0 => plural(us / 1_000_000, "second"),
        1..60 => plural(minutes, "minute"),
        60..2880 => plural(minutes / 60, "hour"),
        _ => plural(minutes / 1440, "day"),
    }
}

#[cfg(test)]
mod tests;
