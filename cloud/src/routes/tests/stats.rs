use ringside_protocol::cdr::flags;

use super::synthetic::{Noise, answered, call, cancelled, rejected};
use super::*;
use crate::auth::scope_of_test;
use crate::db::search::Span;
use crate::db::stats::{self, Effort, HourCache, REMEMBERED_SECONDS};

#[test]
fn figures_are_counted_by_hour_and_band() {
    let bench = Bench::new();
    let noise = &mut Noise(1);
    let mut silent = answered(noise, 4, NOON - 3 * HOUR, 20, 430);
    silent.streams.clear();
    let mut one_way = answered(noise, 10, NOON - 4 * HOUR, 20, 438);
    one_way.flags |= flags::ONE_WAY;
    let cdrs = vec![
        answered(noise, 1, NOON - HOUR, 10, 430),
        answered(noise, 2, NOON - HOUR + 1, 20, 360),
        answered(noise, 3, NOON - 2 * HOUR, 30, 300),
        silent,
        one_way,
        rejected(noise, 5, NOON - HOUR, 486),
        rejected(noise, 6, NOON - HOUR, 503),
        rejected(noise, 7, NOON - HOUR, 302),
        cancelled(noise, 8, NOON - HOUR),
        answered(noise, 9, NOON - 30 * HOUR, 30, 430),
    ];
    bench.store(&bench.ours, cdrs);
    let us = bench.log_in(&bench.ours.viewer);
    let day = bench.json(&us, "/api/v1/stats");
    assert_eq!((&day["calls"], &day["answered"]), (&9.into(), &5.into()));
    assert_eq!(day["asr"], 0.5556);
    assert_eq!(day["ner"], 0.7778);
    assert_eq!(day["session_establishment_ratio"], 0.625);
    assert_eq!(day["session_establishment_effectiveness_ratio"], 0.75);
    assert_eq!(day["ineffective_session_attempts"], 0.1111);
    assert_eq!(day["acd_seconds"], 20.0);
    let bands = ["excellent", "good", "fair", "degraded", "no_audio", "none"];
    assert_eq!(bands.map(|band| &day["mos"][band]), [1, 0, 1, 1, 1, 1].map(Value::from).each_ref());
    for band in bands {
        let list = bench.json(&us, &format!("/api/v1/calls?from=2026-11-24&band={band}"));
        let listed = list["calls"].as_array().expect("calls").len();
        assert_eq!(day["mos"][band], listed, "the list shows as many {band} as the figures say");
    }
    let hours = day["by_hour"].as_array().expect("hours");
    let at: Vec<_> = hours.iter().map(|hour| hour["at"].as_str().expect("a time")).collect();
    let hour = |hour: u32| format!("2026-11-24T{hour:02}:00:00.000000Z");
    assert_eq!(at.len(), 24);
    assert_eq!(at[21..], [hour(9), hour(10), hour(11)]);
    assert_eq!((&hours[23]["calls"], &hours[23]["mos_mean"]), (&6.into(), &3.95.into()));
    assert_eq!(hours[21]["mos_mean"], Value::Null);
    assert_eq!(hours[0]["calls"], 0);
    let all = bench.json(&us, "/api/v1/stats?from=2026-11-20");
    assert_eq!((&all["calls"], &all["partial"]), (&10.into(), &false.into()));
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
    assert_eq!(bench.get(&us, "/api/v1/stats?weather=good").status, 400);
}

#[test]
fn figures_follow_the_filters_of_the_list_and_count_alike() {
    let bench = Bench::new();
    let noise = &mut Noise(5);
    let mut cdrs: Vec<_> =
        (1..=200).map(|number| call(noise, number, NOON - number * HOUR / 9)).collect();
    cdrs.push(rejected(noise, 201, NOON - HOUR, 302));
    cdrs.push(rejected(noise, 202, NOON - HOUR, 407));
    for one_way in cdrs.iter_mut().step_by(11) {
        one_way.flags |= flags::ONE_WAY;
    }
    bench.store(&bench.ours, cdrs);
    let us = bench.log_in(&bench.ours.viewer);
    let stats = |query: &str| bench.json(&us, &format!("/api/v1/stats?from=2026-11-23{query}"));
    // A filter that holds for all: the calls are read one by one, and not added up by SQL.
    assert_eq!(stats("&call_id=*"), stats(""));
    let refused = stats("&status=486");
    let list = bench.json(&us, "/api/v1/calls?from=2026-11-23&status=486&limit=200");
    assert_eq!(refused["calls"], list["calls"].as_array().expect("calls").len());
    assert_eq!((&refused["answered"], &refused["asr"]), (&0.into(), &0.0.into()));
    assert_eq!(refused["sensors"], stats("")["sensors"], "sensors are those of all calls");
}

#[test]
fn a_call_that_comes_late_counts_at_once() {
    let bench = Bench::new();
    let noise = &mut Noise(3);
    let us = bench.log_in(&bench.ours.viewer);
    let calls = || bench.json(&us, "/api/v1/stats")["calls"].as_u64().expect("a number");
    for number in 1..=3 {
        bench.store(&bench.ours, vec![answered(noise, number, NOON - number * HOUR, 9, 400)]);
        bench.store(&bench.ours, vec![answered(noise, 4, NOON - HOUR, 9, 400)]);
        assert_eq!(calls(), number + 1, "each once");
    }
    let them = bench.log_in(&bench.theirs.viewer);
    assert_eq!(bench.json(&them, "/api/v1/stats")["calls"], 0);
}

/// The days that are there are as a build before schema 9 left them: their calls are counted when
/// somebody asks.
fn of_an_earlier_schema(bench: &Bench) {
    bench.app.db.writer().execute("DELETE FROM counted_day", []).expect("as before");
}

#[test]
fn counting_stops_at_the_hour_that_passes_the_limit() {
    let bench = Bench::new();
    let noise = &mut Noise(2);
    let cdrs = (1..=10).map(|number| answered(noise, number, NOON - number * HOUR / 2, 9, 400));
    bench.store(&bench.ours, cdrs.collect());
    of_an_earlier_schema(&bench);
    let scope = scope_of_test(bench.ours.customer);
    let span = Span { from: UnixMicros(0), until: UnixMicros(u64::MAX) };
    let count = |cache: &HourCache, max_rows| {
        let effort = Effort { max_rows, now: bench.now() };
        let (hours, is_complete) =
            stats::by_hour(&bench.app.db, &scope, span, cache, effort).expect("counts");
        (hours.len(), is_complete)
    };
    let cache = HourCache::default();
    assert_eq!(count(&HourCache::default(), 10), (5, true));
    assert_eq!(count(&cache, 3), (2, false));
    // What is remembered costs nothing: the next answers go further.
    assert_eq!(count(&cache, 3), (4, false));
    assert_eq!(count(&cache, 3), (5, true));
}

#[test]
fn an_hour_that_is_over_is_counted_again_after_a_minute() {
    let bench = Bench::new();
    let noise = &mut Noise(3);
    let us = bench.log_in(&bench.ours.viewer);
    let calls = || bench.json(&us, "/api/v1/stats")["calls"].as_u64().expect("a number");
    bench.store(&bench.ours, vec![answered(noise, 1, NOON - HOUR, 9, 400)]);
    of_an_earlier_schema(&bench);
    assert_eq!(calls(), 1);
    // One comes late, one now: the present hour is counted each time.
    bench.store(&bench.ours, vec![answered(noise, 2, NOON - HOUR, 9, 400)]);
    bench.store(&bench.ours, vec![answered(noise, 3, NOON, 9, 400)]);
    assert_eq!(calls(), 2);
    bench.pass(REMEMBERED_SECONDS * SECOND);
    assert_eq!(calls(), 3);
    let them = bench.log_in(&bench.theirs.viewer);
    assert_eq!(bench.json(&them, "/api/v1/stats")["calls"], 0);
}
