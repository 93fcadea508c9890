//! The project's own captures (`tests/captures`, made by `tests/lab/make-captures`): what
//! `analyze` says of each is kept in `expected.json`, and the streams agree with what was done to
//! them on their way (`A.truth.json`: the caller's, `B.truth.json`: the callee's).
//!
//! `BLESS=1` writes `expected.json` anew; look at the difference before it is committed.

mod common;

use std::path::{Path, PathBuf};

use common::{analyse, analyse_all};
use ringside_protocol::cdr::{Cdr, EndedBy, LegSource, Method, flags};
use ringside_protocol::json;
use ringside_protocol::peer::{Peer, State};
use ringside_protocol::record::Record;
use serde_json::Value;

fn cases() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/captures");
    let mut cases: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.retain(|case| case.is_dir());
    cases.sort();
    assert!(cases.len() >= 20, "only {} cases", cases.len());
    cases
}

fn only_call(case: &str) -> Cdr {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/captures").join(case);
    let mut calls = analyse(&folder.join("input.pcap.gz"));
    assert_eq!(calls.len(), 1, "{case}: one call is one record");
    calls.remove(0)
}

#[test]
fn records_are_as_expected() {
    let mut wrong = Vec::new();
    for case in cases() {
        let records: Vec<Value> = analyse_all(&case.join("input.pcap.gz"))
            .iter()
            .map(|record| json::record(record, None))
            .collect();
        let text = serde_json::to_string_pretty(&records).unwrap() + "\n";
        let expected = case.join("expected.json");
        if std::env::var_os("BLESS").is_some() {
            std::fs::write(&expected, &text).unwrap();
        }
        if std::fs::read_to_string(&expected).ok().as_ref() != Some(&text) {
            wrong.push(case.file_name().unwrap().to_string_lossy().into_owned());
        }
    }
    assert!(wrong.is_empty(), "not as in expected.json: {}", wrong.join(", "));
}

#[test]
fn legs_through_a_b2bua_are_found_by_media_or_by_number() {
    for (case, source, streams) in
        [("b2bua", LegSource::Media, 0), ("b2bua-relay", LegSource::NumberAndTime, 2)]
    {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/captures").join(case);
        let calls = analyse(&folder.join("input.pcap.gz"));
        assert_eq!(calls.len(), 2, "{case}");
        for call in &calls {
            let legs = call.legs.as_ref().unwrap();
            assert_eq!((legs.source, &legs.key), (source, &calls[0].call_id), "{case}");
            assert_eq!(call.streams.len(), streams, "{case}: media passes the first one by");
        }
    }
}

#[test]
fn streams_are_as_they_were_made() {
    let mut compared = 0;
    for case in cases() {
        for side in ["A", "B"] {
            let Ok(truth) = std::fs::read(case.join(format!("{side}.truth.json"))) else {
                continue;
            };
            let truth: Value = serde_json::from_slice(&truth).unwrap();
            let call = only_call(case.file_name().unwrap().to_str().unwrap());
            // A stream to an address that nobody has is never sent.
            let Some(stream) =
                call.streams.iter().find(|stream| truth["ssrc"] == u64::from(stream.ssrc))
            else {
                assert!(case.ends_with("wrong-sdp"), "{} {side}", case.display());
                continue;
            };
            // SIPp stops a stream at the end of the call; what was sent until then is whole.
            let is_whole = truth["expected"] == u64::from(stream.expected);
            if is_whole {
                for (what, ours) in [
                    ("packets", stream.packets),
                    ("lost", stream.lost),
                    ("duplicates", stream.duplicates),
                    ("reordered", stream.reordered),
                ] {
                    assert_eq!(truth[what], u64::from(ours), "{} {side} {what}", case.display());
                }
                compared += 1;
            }
        }
    }
    // Both sides of clean, loss, burst, late, disorder and silent, one of one-way and wrong-sdp.
    assert!(compared >= 14, "only {compared} streams were whole");
}

#[test]
fn outcomes_are_those_that_the_scenarios_played() {
    let outcome = |case: &str| {
        let call = only_call(case);
        let code = call.status.as_ref().map_or(0, |status| status.code);
        (code, call.ended_by, call.answered.is_some())
    };
    for (case, code, ended_by) in [
        ("clean", 200, EndedBy::Caller),
        ("callee-hangs-up", 200, EndedBy::Callee),
        ("auth", 200, EndedBy::Caller),
        ("tcp", 200, EndedBy::Caller),
        ("ipv6", 200, EndedBy::Caller),
        ("busy", 486, EndedBy::Rejected),
        ("declined", 603, EndedBy::Rejected),
        ("not-found", 404, EndedBy::Rejected),
        ("unavailable", 503, EndedBy::Rejected),
        ("cancel", 487, EndedBy::Cancelled),
    ] {
        assert_eq!(outcome(case), (code, ended_by, code == 200), "{case}");
    }
}

#[test]
fn flags_are_those_that_the_scenarios_earn() {
    for (case, flag) in [
        ("one-way", flags::ONE_WAY),
        ("no-media", flags::NO_MEDIA),
        ("silent", flags::SILENT),
        ("auth", flags::AUTHENTICATED),
        ("hold", flags::ON_HOLD),
        ("wrong-sdp", flags::NAT),
    ] {
        assert!(only_call(case).has(flag), "{case}");
    }
    for case in ["clean", "loss", "burst", "late", "disorder", "callee-hangs-up", "tcp", "ipv6"] {
        assert_eq!(only_call(case).flags, 0, "{case}");
    }
    assert_eq!(only_call("info-digits").dtmf, "42#");
}

#[test]
fn requests_outside_calls_become_what_was_played() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/captures/outside-calls");
    let records = analyse_all(&folder.join("input.pcap.gz"));
    let peers: Vec<_> = records.into_iter().filter_map(Record::into_peer).collect();
    let of = |method: Method, event: &str| {
        let is_it = |it: &&Peer| it.method == method && it.event.as_deref().unwrap_or("") == event;
        peers.iter().filter(is_it).collect::<Vec<_>>()
    };
    let only = |method, event| {
        let [record] = of(method, event)[..] else { panic!("{method:?} {event}") };
        (record.state, record.status.as_ref().map(|status| status.code), record.requests)
    };
    assert_eq!(only(Method::Message, ""), (State::Answering, Some(202), 1));
    assert_eq!(only(Method::Subscribe, "message-summary"), (State::Refusing, Some(489), 1));
    assert_eq!(only(Method::Subscribe, "dialog"), (State::Answering, Some(200), 1));
    assert_eq!(only(Method::Notify, "dialog"), (State::Answering, Some(200), 1));
    assert_eq!(only(Method::Publish, "presence"), (State::Refusing, Some(501), 1));
    let options = of(Method::Options, "");
    let states: Vec<_> = options.iter().map(|it| (it.state, it.requests, it.unanswered)).collect();
    assert_eq!(
        states,
        [(State::Answering, 1, 0), (State::Silent, 2, 1), (State::Answering, 1, 0)],
        "the first answer, a silence that Timer F ends, and its end"
    );
    let message = of(Method::Message, "")[0];
    assert!(message.has_credentials, "the challenge and its answer are one request");
}
