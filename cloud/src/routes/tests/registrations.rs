use ringside_protocol::cdr::{Party, Status};
use ringside_protocol::registration::{Registration, State, Transport};

use super::*;

/// A phone that the registrar has refused with `code` at `at`.
pub(super) fn failing(number: u64, at: u64, user: &str, code: u16) -> Registration {
    Registration {
        number,
        first_at: UnixMicros(at - SECOND),
        made: SECOND,
        state: State::Failing,
        aor: Party { user: user.to_owned(), host: "pbx.example".to_owned(), display: None },
        registrar: "pbx.example".to_owned(),
        contact: format!("sip:{user}@192.0.2.{number}:5060"),
        user_agent: Some("Yealink SIP-T46S".to_owned()),
        call_id: format!("{number}@phone"),
        transport: Transport::Udp,
        src: format!("192.0.2.{number}:5060").parse().expect("an address"),
        dst: "198.51.100.1:5060".parse().expect("an address"),
        status: Some(Status { code, reason_phrase: String::new() }),
        is_challenged: true,
        has_credentials: true,
        round_trip: Some(12_345),
        failures: 3,
        failures_in_a_row: 7,
        ..Registration::default()
    }
}

fn registered(number: u64, at: u64, user: &str) -> Registration {
    Registration {
        state: State::Registered,
        expires_granted: Some(600),
        granted_seconds_ago: Some(30),
        granted: 4,
        failures: 0,
        failures_in_a_row: 0,
        ..failing(number, at, user, 200)
    }
}

fn numbers(bench: &Bench, browser: &Browser, query: &str) -> Vec<u64> {
    let page = bench.json(browser, &format!("/api/v1/registrations?{query}"));
    let listed = page["registrations"].as_array().expect("a list");
    let id = |it: &Value| it["id"].as_str().expect("an id").parse::<CallId>().expect("an id");
    listed.iter().map(|it| id(it).number).collect()
}

#[test]
fn the_newest_of_each_is_listed_and_filters_choose() {
    let bench = Bench::new();
    bench.store(
        &bench.ours,
        vec![
            failing(1, NOON - HOUR, "4711", 401),
            registered(2, NOON - 2 * HOUR, "4712"),
            failing(3, NOON - 30 * HOUR, "anna", 503),
        ],
    );
    // The same registration, an hour before: history.
    let mut older = registered(4, NOON - 2 * HOUR, "4711");
    older.contact = "sip:4711@192.0.2.1:5060".to_owned();
    bench.store(&bench.ours, vec![older]);
    let us = bench.log_in(&bench.ours.viewer);
    for (query, expected) in [
        ("", vec![1, 2, 3]),
        ("history=true", vec![1, 4, 2, 3]),
        ("state=failing", vec![1, 3]),
        ("state=!failing", vec![2]),
        ("user=47*", vec![1, 2]),
        ("user=anna@pbx.example", vec![3]),
        ("status=5xx", vec![3]),
        ("address=192.0.2.2", vec![2]),
        ("failures=false", vec![2]),
        ("from=2026-11-24", vec![1, 2]),
        ("q=yealink+4711", vec![1]),
        ("sensor=1&limit=1", vec![1]),
        ("contact=*192.0.2.3*", vec![3]),
    ] {
        assert_eq!(numbers(&bench, &us, query), expected, "{query}");
    }
    for (query, says) in [
        ("state=dead", "state must be one of registered"),
        ("mos_below=3", "There is no parameter"),
        ("limit=0", "limit must be"),
    ] {
        let answer = error(bench.get(&us, &format!("/api/v1/registrations?{query}")));
        assert_eq!((answer.0, answer.2.contains(says)), (400, true), "{}", answer.2);
    }
}

#[test]
fn a_record_says_why_and_pages_follow_each_other() {
    let bench = Bench::new();
    let many: Vec<_> =
        (1..=60).map(|number| failing(number, NOON - number * SECOND, "4711", 401)).collect();
    bench.store(&bench.ours, many);
    let us = bench.log_in(&bench.ours.viewer);
    let one = bench.json(&us, &format!("/api/v1/registrations/{}", bench.ours.id(1)));
    assert_eq!(one["is_wrong_password"], true);
    assert_eq!(one["round_trip_ms"], 12.345);
    assert_eq!(one["sensor"]["name"], "Ours box");
    assert!(one["findings"][0]["sentence"].as_str().expect("text").contains("password is wrong"));
    assert_eq!(one["verdict"]["severity"], "problem");
    let first = bench.json(&us, "/api/v1/registrations?limit=40");
    let next = first["next"].as_str().expect("a cursor");
    let second = numbers(&bench, &us, &format!("limit=40&cursor={next}"));
    assert_eq!(second, (41..=60).collect::<Vec<u64>>());
    let csv = bench.get(&us, "/api/v1/registrations?format=csv&state=failing");
    assert!(header(&csv, "Content-Disposition").is_some_and(|it| it.contains("registrations.csv")));
    let csv = text(csv);
    let mut lines = csv.lines();
    let head = lines.next().expect("a head line");
    assert!(head.starts_with("id,at,state,") && head.ends_with(",severity,verdict"), "{head}");
    let first = lines.next().expect("a line");
    assert!(first.contains(",4711,pbx.example,") && first.contains(",401,Unauthorized,true,"));
    assert_eq!(lines.count(), 59);
    // They are no calls, and expire like them.
    assert_eq!(bench.json(&us, "/api/v1/calls")["calls"], serde_json::json!([]));
    bench.pass(26 * DAY);
    assert_eq!(numbers(&bench, &bench.log_in(&bench.ours.viewer), ""), Vec::<u64>::new());
}
