use super::*;
use crate::db::stats::Counts;

const NOW: UnixMicros = UnixMicros(1_795_521_600_000_000);
const DAY: u64 = 86_400_000_000;

fn sums(calls: u64, failed: u64, degraded: u64) -> Sums {
    let answered = calls - failed;
    let excellent = answered - degraded;
    let counts = Counts { calls, answered, excellent, degraded, ..Counts::default() };
    Sums { counts, failed, ..Sums::default() }
}

fn sensor(name: &str, state: State, sums: Sums) -> SensorFacts {
    SensorFacts {
        device: Fingerprint([1; 16]),
        id_sensor: Some(1),
        name: name.to_owned(),
        state,
        heard_at: Some(UnixMicros(NOW.0 - 7_200_000_000)),
        sums,
        before: None,
    }
}

fn facts(total: Sums, before: Option<Sums>) -> Facts {
    let span = Span { from: UnixMicros(NOW.0 - DAY), until: NOW };
    Facts {
        now: NOW,
        span,
        total,
        before,
        limit: 2000,
        channels: Some(10),
        busiest: Some((NOW, 40.0)),
        last_call: Some(UnixMicros(NOW.0 - 60_000_000)),
        sensors: vec![sensor("Lyon", State::Online, total)],
        failing: None,
        bad: None,
    }
}

fn first(facts: &Facts) -> Finding {
    findings(facts).into_iter().next().unwrap_or_else(|| all_well(facts))
}

#[test]
fn few_bad_calls_raise_no_alarm() {
    let well = first(&facts(sums(49, 30, 10), None));
    assert_eq!(well.severity, Severity::Ok);
    assert_eq!(well.sentence, "Nothing stands out; with 49 calls little can be said.");
    let well = first(&facts(sums(12_345, 100, 100), Some(sums(12_000, 100, 100))));
    assert_eq!(well.sentence, "All is well: nothing stands out in 12,345 calls.");
    assert_eq!(well.reasons[1], "99.2 % of 12,245 calls sounded right");
}

#[test]
fn failures_are_told_with_where_they_are_and_lead_to_them() {
    let mut facts = facts(sums(1000, 120, 0), Some(sums(1000, 10, 0)));
    facts.sensors = vec![
        sensor("Lyon", State::Online, sums(800, 10, 0)),
        sensor("Porto", State::Online, sums(200, 110, 0)),
    ];
    facts.failing = Some(("4711".to_owned(), 90));
    let found = first(&facts);
    assert_eq!(found.severity, Severity::Problem);
    assert_eq!(
        found.sentence,
        "12.0 % of calls failed (1,000 calls in all), after 1.0 % in the time before."
    );
    assert_eq!(
        found.reasons,
        ["worst at Porto: 55.0 % (110 calls)", "most often with 4711: 90 calls failed"]
    );
    let page = found.next.expect("a page").page;
    assert!(
        page.starts_with("/calls?from=2026-11-23T12:00:00Z&to=2026-11-24T12:00:00Z&answered=false")
    );
}

#[test]
fn a_share_that_has_doubled_is_told_sooner() {
    let severity = |before| first(&facts(sums(1000, 25, 0), before)).severity;
    assert_eq!(severity(None), Severity::Ok);
    assert_eq!(severity(Some(sums(1000, 20, 0))), Severity::Ok);
    assert_eq!(severity(Some(sums(1000, 12, 0))), Severity::Warning);
    assert_eq!(severity(Some(sums(10, 0, 0))), Severity::Ok, "ten calls are no comparison");
}

#[test]
fn bad_sound_is_told_with_its_parts() {
    let found = first(&facts(sums(1000, 0, 60), None));
    assert_eq!(found.severity, Severity::Warning);
    assert_eq!(found.sentence, "6.0 % of calls sounded bad (1,000 calls in all).");
    let parts = "0 without sound in a direction, 60 with a MOS of 3.0 or less";
    assert_eq!(found.reasons, [parts]);
}

#[test]
fn what_is_not_seen_comes_before_what_is() {
    let mut facts = facts(sums(1000, 60, 0), None);
    facts.sensors.push(sensor("Porto", State::Offline, Sums::default()));
    let found = findings(&facts);
    assert_eq!(found.len(), 2, "failures, and a sensor that is away");
    assert_eq!(found[1].reasons, ["Porto: offline, last heard of 2 hours ago"]);
    facts.sensors.remove(0);
    let found = first(&facts);
    assert_eq!(found.sentence, "No sensor is connected: what happens now is not seen here.");
    facts.sensors.clear();
    assert_eq!(first(&facts).next.expect("a page").page, "/sensors?add=1");
}

#[test]
fn a_time_without_calls_is_told_by_what_was_before() {
    let mut facts = facts(Sums::default(), Some(sums(500, 0, 0)));
    let found = first(&facts);
    assert_eq!(found.severity, Severity::Problem);
    assert_eq!(found.reasons, ["500 calls in the time before", "the last call ended 1 minute ago"]);
    facts.before = None;
    assert_eq!(first(&facts).severity, Severity::Warning);
}

#[test]
fn the_limit_is_told_when_it_is_near() {
    let mut facts = facts(sums(10_000, 0, 0), None);
    facts.busiest = Some((NOW, 1950.4));
    assert_eq!(first(&facts).reasons, ["1950 channels in use at 2026-11-24T12:00:00Z"]);
    facts.channels = Some(1999);
    let found = first(&facts);
    assert_eq!(found.severity, Severity::Problem);
    assert!(found.sentence.starts_with("Only 1 of 2000 channels left"), "{}", found.sentence);
}

#[test]
fn slow_answers_and_missing_calls_are_told() {
    let mut total = sums(400, 0, 0);
    (total.delay_us, total.delay_calls) = (400 * 6_200_000, 400);
    let found = findings(&facts(total, Some(sums(1000, 0, 0))));
    assert_eq!(
        found[0].sentence,
        "Callers wait 6.2 s for a first answer, on average: 5 s is what people are used to."
    );
    assert_eq!(found[1].reasons, ["400 calls, after 1,000"]);
}
