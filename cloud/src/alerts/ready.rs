//! The rules that every customer has from the start, in the words that the GUI uses.

use super::measure::{Measure, Side};
use super::rule::{Rule, Severity};

/// A ready-made rule; its name here never changes, so that a customer who deletes it does not get
/// it back.
pub struct Ready {
    /// For the database.
    pub key: &'static str,
    /// What it does.
    pub rule: Rule,
}

/// Goes up when ready-made rules are added: customers then get those that are new.
pub const VERSION: u32 = 1;

struct Calls {
    filter: &'static str,
    among: &'static str,
    least: u32,
    by_sensor: bool,
}

/// All of them, with the [`VERSION`] that brought each.
#[must_use]
pub fn all() -> Vec<(u32, Ready)> {
    use Severity::{Critical, Info, Warning};
    let answered = |filter| Calls { filter, among: "answered=true", least: 20, by_sensor: true };
    let every = Calls { filter: "", among: "", least: 50, by_sensor: false };
    let mirror = |filter| Calls { filter, among: "answered=true", least: 10, by_sensor: true };
    let rules = [
        of_calls(
            "bad_quality",
            "Bad quality",
            Measure::Share,
            (5.0, 15),
            Warning,
            answered("band=degraded"),
        ),
        of_calls(
            "no_audio",
            "One-way or no audio",
            Measure::Share,
            (5.0, 15),
            Critical,
            answered("band=no_audio"),
        ),
        of_calls("asr_low", "Few calls are answered", Measure::Asr, (20.0, 30), Warning, every),
        of_calls(
            "server_errors",
            "Calls fail with server errors",
            Measure::Share,
            (10.0, 15),
            Critical,
            Calls { filter: "status=5xx", among: "", least: 20, by_sensor: true },
        ),
        of_calls(
            "one_direction",
            "Mirror port shows one direction only",
            Measure::Share,
            (50.0, 30),
            Warning,
            mirror("flag=unseen_media"),
        ),
        of_calls(
            "sip_without_rtp",
            "SIP without RTP",
            Measure::Share,
            (80.0, 30),
            Warning,
            mirror("flag=no_media"),
        ),
        of_sensors("offline", "Sensor offline", Measure::Offline, 5.0, Critical),
        of_sensors("capture_drops", "Capture drops packets", Measure::CaptureDrops, 0.1, Warning),
        of_sensors("mirror_silent", "Mirror port is silent", Measure::MirrorSilent, 10.0, Critical),
        of_sensors("capture_fault", "Capture does not work", Measure::CaptureFault, 0.0, Critical),
        of_sensors("clock", "Clock is wrong", Measure::Clock, 5.0, Warning),
        of_sensors("outbox", "Outbox nearly full", Measure::Outbox, 80.0, Warning),
        of_sensors("version", "Version is behind", Measure::Version, 0.0, Info),
        of_sensors("channels", "Near the limit of channels", Measure::Channels, 90.0, Warning),
        of_sensors("certificate", "Certificate expires", Measure::Certificate, 14.0, Critical),
    ];
    rules.into_iter().map(|ready| (1, ready)).collect()
}

fn of_calls(
    key: &'static str,
    name: &str,
    measure: Measure,
    (threshold, window_minutes): (f64, u32),
    severity: Severity,
    calls: Calls,
) -> Ready {
    let side = if measure == Measure::Asr { Side::Below } else { Side::Above };
    let rule = Rule {
        name: name.to_owned(),
        measure,
        filter: calls.filter.to_owned(),
        among: calls.among.to_owned(),
        side,
        threshold,
        least: calls.least,
        window_minutes,
        bad_windows: 1,
        of_windows: 1,
        by_sensor: calls.by_sensor,
        severity,
        channels: None,
    };
    Ready { key, rule }
}

fn of_sensors(
    key: &'static str,
    name: &str,
    measure: Measure,
    threshold: f64,
    severity: Severity,
) -> Ready {
    let none = Calls { filter: "", among: "", least: 0, by_sensor: false };
    let mut ready = of_calls(key, name, measure, (threshold, 15), severity, none);
    if measure == Measure::Certificate {
        ready.rule.side = Side::Below;
    }
    ready.rule.by_sensor = ready.rule.is_by_sensor();
    ready
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_ready_made_rule_is_one_that_a_person_could_write() {
        let mut keys = Vec::new();
        for (version, ready) in all() {
            assert!(version <= VERSION);
            keys.push(ready.key);
            assert_eq!(ready.rule.clone().check(&|_| None).expect(ready.key), ready.rule);
        }
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), all().len());
    }
}
