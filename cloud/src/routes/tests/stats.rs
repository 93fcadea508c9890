use super::synthetic::{Noise, answered, cancelled, rejected};
use super::*;
use crate::auth::scope_of_test;
use crate::db::calls::Span;
use crate::db::stats;

#[test]
fn figures_are_counted_by_hour_and_band() {
    let bench = Bench::new();
    let noise = &mut Noise(1);
    let mut silent = answered(noise, 4, NOON - 3 * HOUR, 20, 430);
    silent.streams.clear();
    let cdrs = vec![
        answered(noise, 1, NOON - HOUR, 10, 430),
        answered(noise, 2, NOON - HOUR + 1, 20, 360),
        answered(noise, 3, NOON - 2 * HOUR, 30, 300),
        silent,
        rejected(noise, 5, NOON - HOUR, 486),
        rejected(noise, 6, NOON - HOUR, 503),
        rejected(noise, 7, NOON - HOUR, 302),
        cancelled(noise, 8, NOON - HOUR),
        answered(noise, 9, NOON - 30 * HOUR, 30, 430),
    ];
    bench.store(&bench.ours, cdrs);
    let us = bench.log_in(&bench.ours.viewer);
    let day = bench.json(&us, "/api/v1/stats");
    assert_eq!((&day["calls"], &day["answered"]), (&8.into(), &4.into()));
    assert_eq!(day["asr"], 0.5);
    assert_eq!(day["ner"], 0.75);
    assert_eq!(day["session_establishment_ratio"], 0.5714);
    assert_eq!(day["session_establishment_effectiveness_ratio"], 0.7143);
    assert_eq!(day["ineffective_session_attempts"], 0.125);
    assert_eq!(day["acd_seconds"], 20.0);
    assert_eq!(day["mos"], serde_json::json!({ "good": 1, "fair": 1, "bad": 1, "none": 1 }));
    let hours = day["by_hour"].as_array().expect("hours");
    let at: Vec<_> = hours.iter().map(|hour| hour["at"].as_str().expect("a time")).collect();
    let hour = |hour: u32| format!("2026-11-24T{hour:02}:00:00.000000Z");
    assert_eq!(at.len(), 24);
    assert_eq!(at[21..], [hour(9), hour(10), hour(11)]);
    assert_eq!((&hours[23]["calls"], &hours[23]["mos_mean"]), (&6.into(), &3.95.into()));
    assert_eq!(hours[21]["mos_mean"], Value::Null);
    assert_eq!(hours[0]["calls"], 0);
    let all = bench.json(&us, "/api/v1/stats?from=2026-11-20");
    assert_eq!((&all["calls"], &all["partial"]), (&9.into(), &false.into()));
    let part =
        bench.json(&us, "/api/v1/stats?from=2026-11-24T11:00:00Z&to=2026-11-24T11:00:00.000001Z");
    assert_eq!(part["calls"], 5);
    assert_eq!(part["by_hour"].as_array().expect("hours").len(), 1);
}

#[test]
fn where_there_was_nothing_a_ratio_is_null() {
    let bench = Bench::new();
    let us = bench.log_in(&bench.ours.viewer);
    let none = bench.json(&us, "/api/v1/stats");
    for ratio in ["asr", "ner", "acd_seconds", "session_establishment_ratio"] {
        assert_eq!(none[ratio], Value::Null, "{ratio}");
    }
    assert_eq!(none["calls"], 0);
    assert_eq!(none["channels"], serde_json::json!({ "now": null, "limit": 2000 }));
    assert_eq!(none["sensors"], serde_json::json!({ "online": 0, "total": 1 }));
    let from_after_to = bench.json(&us, "/api/v1/stats?from=2026-11-24&to=2026-11-23");
    assert_eq!(from_after_to["calls"], 0);
    assert_eq!(bench.get(&us, "/api/v1/stats?status=486").status, 400);
}

#[test]
fn counting_stops_at_the_hour_that_passes_the_limit() {
    let bench = Bench::new();
    let noise = &mut Noise(2);
    let cdrs = (1..=10).map(|number| answered(noise, number, NOON - number * HOUR / 2, 9, 400));
    bench.store(&bench.ours, cdrs.collect());
    let scope = scope_of_test(bench.ours.customer);
    let span = Span { from: UnixMicros(0), until: UnixMicros(u64::MAX) };
    let (hours, is_complete) = stats::by_hour(&bench.app.db, &scope, span, 3).expect("counts");
    assert_eq!((hours.len(), is_complete), (2, false));
    let (hours, is_complete) = stats::by_hour(&bench.app.db, &scope, span, 10).expect("counts");
    assert_eq!((hours.len(), is_complete), (5, true));
}
