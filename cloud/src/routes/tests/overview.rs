use super::synthetic::{Noise, answered, call, rejected};
use super::*;

/// Calls of two days, some of them bad.
fn bench() -> Bench {
    let bench = Bench::new();
    let noise = &mut Noise(11);
    let mut cdrs: Vec<_> =
        (1..=300).map(|number| call(noise, number, NOON - number * HOUR / 8)).collect();
    for number in 301..=304 {
        let mut cdr = rejected(noise, number, NOON - HOUR, 503);
        cdr.callee.user = "+4989".to_owned();
        cdrs.push(cdr);
    }
    for number in 305..=310 {
        let mut cdr = answered(noise, number, NOON - HOUR, 60, 210);
        cdr.caller.user = "Front Desk".to_owned();
        cdrs.push(cdr);
    }
    bench.store(&bench.ours, cdrs);
    bench
}

/// Calls that a search finds on all its pages.
fn listed(bench: &Bench, us: &Browser, query: &str) -> usize {
    let mut target = format!("/api/v1/calls?limit=200&{query}");
    let mut found = 0;
    loop {
        let list = bench.json(us, &target);
        found += list["calls"].as_array().expect("calls").len();
        let Some(next) = list["next"].as_str() else { return found };
        target = format!("/api/v1/calls?limit=200&{query}&cursor={next}");
    }
}

#[test]
fn the_overview_counts_what_lists_and_figures_do() {
    let bench = bench();
    let us = bench.log_in(&bench.ours.viewer);
    let overview = bench.json(&us, "/api/v1/overview");
    let text = |name: &str| overview[name].as_str().expect("a time");
    let span = format!("from={}&to={}", text("from"), text("to"));
    assert_eq!(span, "from=2026-11-23T12:05:00.000000Z&to=2026-11-24T12:05:00.000000Z");
    let stats = bench.json(&us, &format!("/api/v1/stats?{span}"));
    for name in ["calls", "answered", "asr", "ner", "acd_seconds"] {
        assert_eq!(overview["figures"][name], stats[name], "{name}");
    }
    assert_eq!(overview["figures"]["calls"], listed(&bench, &us, &span));
    let points = overview["points"].as_array().expect("points");
    assert_eq!((points.len(), &overview["point_seconds"]), (49, &1800.into()));
    let sum: u64 = points.iter().map(|point| point["calls"].as_u64().expect("a count")).sum();
    assert_eq!(sum, overview["figures"]["calls"].as_u64().expect("a count"));
    let before = &overview["before"];
    let span = format!("from={}&to={}", before["from"].as_str().expect("a time"), text("from"));
    assert_eq!(before["figures"]["calls"], listed(&bench, &us, &span));
    assert_eq!(before["points"].as_array().expect("points").len(), 49);
}

#[test]
fn the_worst_lead_to_searches_that_find_as_many_calls() {
    let bench = bench();
    let us = bench.log_in(&bench.ours.viewer);
    let overview = bench.json(&us, "/api/v1/overview");
    let hours = &overview["hours"];
    let span = |name: &str| hours[name].as_str().expect("a time").to_owned();
    let mut searched = 0;
    for (kind, parameter) in [("numbers", "number"), ("addresses", "address")] {
        for measure in ["failed", "bad_audio"] {
            let filter = overview["filters"][measure].as_object().expect("a filter");
            let filter: Vec<_> = filter
                .iter()
                .map(|(name, value)| format!("{name}={}", value.as_str().expect("text")))
                .collect();
            for worst in overview[kind][measure].as_array().expect("a list") {
                let name = worst[parameter].as_str().expect("a name").replace('+', "%2B");
                let query = format!(
                    "from={}&to={}&{}&{parameter}={}",
                    span("from"),
                    span("to"),
                    filter.join("&"),
                    name.replace(' ', "%20")
                );
                assert_eq!(worst["calls"], listed(&bench, &us, &query), "{query}");
                searched += 1;
            }
        }
    }
    assert!(searched > 4, "{searched}");
    let number = &overview["numbers"]["failed"][0];
    assert_eq!((&number["number"], &number["calls"]), (&"+4989".into(), &4.into()));
    let number = &overview["numbers"]["bad_audio"][0];
    assert_eq!((&number["number"], &number["calls"]), (&"front desk".into(), &6.into()));
    let sensor = &overview["sensors"]["worst"][0];
    assert_eq!(sensor["sensor"]["name"], "Ours box");
    let query = format!("from={}&to={}&sensor=1", span("from"), span("to"));
    assert_eq!(sensor["figures"]["calls"], listed(&bench, &us, &query));
}

#[test]
fn of_another_customer_and_of_nothing_there_is_nothing() {
    let bench = bench();
    let them = bench.log_in(&bench.theirs.viewer);
    let overview = bench.json(&them, "/api/v1/overview?from=2026-11-10");
    assert_eq!(overview["figures"]["calls"], 0);
    assert_eq!(overview["figures"]["asr"], Value::Null);
    assert_eq!(overview["points"][0]["channels"], Value::Null);
    assert_eq!(overview["before"], Value::Null, "it would be older than 25 days");
    assert_eq!(overview["numbers"]["failed"], serde_json::json!([]));
    assert_eq!(overview["channels"]["busiest"], Value::Null);
    let sentence = overview["verdict"]["sentence"].as_str().expect("a sentence");
    assert!(sentence.starts_with("No sensor is connected"), "{sentence}");
    let none = bench.json(&them, "/api/v1/overview?from=2026-11-25&to=2026-11-24");
    assert_eq!(none["points"], serde_json::json!([]));
    assert_eq!(bench.get(&them, "/api/v1/overview?weather=good").status, 400);
}
