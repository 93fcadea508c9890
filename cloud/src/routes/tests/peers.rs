use ringside_protocol::cdr::{Method, Status};
use ringside_protocol::peer::{Peer, RoundTrip, State};

use super::*;

/// A MESSAGE to `user` that 192.0.2.5 has refused with `code`, told at `at`.
pub(super) fn refusing(number: u64, at: u64, user: &str, code: u16) -> Peer {
    Peer {
        number,
        first_at: UnixMicros(at - SECOND),
        made: SECOND,
        last: SECOND / 2,
        state: State::Refusing,
        state_since: SECOND / 4,
        answered_before: Some(SECOND / 4),
        method: Method::Message,
        from: Some("201".to_owned()),
        to: Some(user.to_owned()),
        src: "192.0.2.1:5060".parse().expect("an address"),
        dst: "192.0.2.5:5060".parse().expect("an address"),
        user_agent: Some("Yealink SIP-T46S".to_owned()),
        peer_agent: Some("Asterisk PBX 20".to_owned()),
        requests: 2,
        answers: [0, 0, 2, 0, 0],
        status: Some(Status { code, reason_phrase: String::new() }),
        round_trip: Some(RoundTrip { min: 900, mean: 1_500, max: 2_100 }),
        ..Peer::default()
    }
}

/// Whether `dst` answers OPTIONS of 192.0.2.1.
fn options(number: u64, at: u64, dst: &str, state: State) -> Peer {
    let is_silent = state == State::Silent;
    Peer {
        number,
        first_at: UnixMicros(at - 60 * SECOND),
        made: 60 * SECOND,
        state,
        state_since: 60 * SECOND,
        answered_before: Some(90 * SECOND),
        src: "192.0.2.1:5060".parse().expect("an address"),
        dst: dst.parse().expect("an address"),
        requests: 12,
        unanswered: if is_silent { 12 } else { 0 },
        unanswered_in_a_row: if is_silent { 12 } else { 0 },
        answers: [if is_silent { 0 } else { 12 }, 0, 0, 0, 0],
        ..Peer::default()
    }
}

fn numbers(bench: &Bench, browser: &Browser, query: &str) -> Vec<u64> {
    let page = bench.json(browser, &format!("/api/v1/peers?{query}"));
    let listed = page["peers"].as_array().expect("a list");
    let id = |it: &Value| it["id"].as_str().expect("an id").parse::<CallId>().expect("an id");
    listed.iter().map(|it| id(it).number).collect()
}

#[test]
fn the_newest_of_each_is_listed_and_filters_choose() {
    let bench = Bench::new();
    bench.store(
        &bench.ours,
        vec![
            options(1, NOON - HOUR, "198.51.100.5:5060", State::Silent),
            options(2, NOON - 2 * HOUR, "198.51.100.6:5080", State::Answering),
            refusing(3, NOON - 30 * HOUR, "305", 404),
            // The first one, an hour before: history.
            options(4, NOON - 2 * HOUR, "198.51.100.5:5060", State::Answering),
        ],
    );
    let us = bench.log_in(&bench.ours.viewer);
    for (query, expected) in [
        ("", vec![1, 2, 3]),
        ("history=true", vec![1, 4, 2, 3]),
        ("state=silent", vec![1]),
        ("method=options", vec![1, 2]),
        ("method=MESSAGE&user=305", vec![3]),
        ("dst=198.51.100.0/24", vec![1, 2]),
        ("src=192.0.2.1&address=198.51.100.6", vec![2]),
        ("status=4xx", vec![3]),
        ("unanswered=true", vec![1]),
        ("agent=asterisk*", vec![3]),
        ("q=message+201", vec![3]),
        ("from=2026-11-24", vec![1, 2]),
        ("sensor=1&limit=1", vec![1]),
        ("event=!*", vec![]),
    ] {
        assert_eq!(numbers(&bench, &us, query), expected, "{query}");
    }
    for (query, says) in [
        ("state=dead", "state must be one of answering"),
        ("registrar=x", "There is no parameter"),
        ("format=xml", "format must be json, csv or ndjson"),
    ] {
        let answer = error(bench.get(&us, &format!("/api/v1/peers?{query}")));
        assert_eq!((answer.0, answer.2.contains(says)), (400, true), "{}", answer.2);
    }
}

#[test]
fn a_record_says_who_is_silent_since_when_and_what_was_refused() {
    let bench = Bench::new();
    let silent = options(1, NOON - HOUR, "198.51.100.5:5060", State::Silent);
    bench.store(&bench.ours, vec![silent, refusing(2, NOON - HOUR, "305", 404)]);
    let us = bench.log_in(&bench.ours.viewer);
    let one = bench.json(&us, &format!("/api/v1/peers/{}", bench.ours.id(1)));
    let sentence = one["findings"][0]["sentence"].as_str().expect("text");
    assert!(
        sentence.starts_with(
            "198.51.100.5 has not answered OPTIONS of 192.0.2.1 since 2026-11-24T10:59:00Z (12 \
             requests)"
        ),
        "{sentence}"
    );
    assert_eq!((&one["verdict"]["severity"], &one["requests"]), (&"problem".into(), &12.into()));
    assert_eq!(one["sensor"]["name"], "Ours box");
    let two = bench.json(&us, &format!("/api/v1/peers/{}", bench.ours.id(2)));
    assert_eq!((&two["answered"], &two["answers"]["4xx"]), (&2.into(), &2.into()));
    assert_eq!(two["round_trip_mean_ms"], 1.5);
    let csv = text(bench.get(&us, "/api/v1/peers?format=csv&method=MESSAGE"));
    let lines: Vec<_> = csv.lines().collect();
    assert!(lines[0].starts_with("id,at,method,event,from,to,src,dst,"), "{}", lines[0]);
    assert!(lines[1].contains(",MESSAGE,,201,305,192.0.2.1:5060,192.0.2.5:5060,"), "{}", lines[1]);
    assert_eq!(lines.len(), 2);
    // They are no calls, and expire like them.
    assert_eq!(bench.json(&us, "/api/v1/calls")["calls"], serde_json::json!([]));
    bench.pass(26 * DAY);
    assert_eq!(numbers(&bench, &bench.log_in(&bench.ours.viewer), ""), Vec::<u64>::new());
    let gone = error(bench.get(&us, &format!("/api/v1/peers/{}", bench.ours.id(1))));
    assert!(gone.0 == 401 || gone.2.contains("peer record"), "{gone:?}");
}

#[test]
fn a_record_that_cannot_be_read_leaves_what_the_list_knows() {
    let bench = Bench::new();
    bench.store(&bench.ours, vec![refusing(1, NOON - HOUR, "305", 404)]);
    let day = crate::db::day_table(crate::db::Series::Peers, UnixMicros(NOON));
    let writer = bench.app.db.writer();
    writer.execute_batch(&format!("UPDATE {day} SET version = 99")).expect("damaged");
    drop(writer);
    let us = bench.log_in(&bench.ours.viewer);
    let one = bench.json(&us, &format!("/api/v1/peers/{}", bench.ours.id(1)));
    assert_eq!((&one["method"], &one["state"]), (&"MESSAGE".into(), &"refusing".into()));
    assert!(one["src"].as_str().is_some_and(|src| src.starts_with("192.0.2.1")));
    assert_eq!(one["verdict"]["severity"], "warning");
}
