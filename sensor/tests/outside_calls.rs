//! Requests outside calls, through the whole analysis, and those of every capture in
//! `../shared/captures` against the truth beside it (tshark's count of requests and responses).

mod common;
mod network;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use common::analyse_all;
use embassy_time::Instant;
use network::{SECOND, START, address, settings, sip, udp};
use ringside_protocol::cdr::Method;
use ringside_protocol::counters::Counter;
use ringside_protocol::peer::State;
use ringside_protocol::record::Record;
use ringside_sensor::analysis::{Analysis, AnalysisSettings};
use ringside_sensor::capture::{Frame, LinkType};
use ringside_sensor::peer::Methods;
use serde_json::Value;

const METHODS: [&str; 5] = ["OPTIONS", "SUBSCRIBE", "NOTIFY", "MESSAGE", "PUBLISH"];

/// (file, what, how many tshark counts and we do not, reason).
const EXCEPTIONS: &[(&str, &str, i64, &str)] = &[
    (
        "Asterisk_ZFONE_XLITE.pcap",
        "SUBSCRIBE",
        2,
        "two are challenged: a challenge and the request that answers it are one",
    ),
    (
        "Asterisk_ZFONE_XLITE.pcap",
        "SUBSCRIBE answered",
        2,
        "the challenges are no answers of their own",
    ),
    ("rfc4475-open.pcap", "OPTIONS", -1, "tshark does not take one for SIP (trap 10)"),
];

fn captures() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/captures");
    folder.is_dir().then_some(folder)
}

/// Requests, repetitions included, and final responses by method, as tshark has them.
fn expected(truth: &Value) -> BTreeMap<String, i64> {
    let mut counts = BTreeMap::new();
    let calls = truth["calls"].as_array().unwrap();
    for one in calls.iter().filter(|one| one["kind"] != "call") {
        for (method, count) in one["requests"].as_object().into_iter().flatten() {
            if METHODS.contains(&method.as_str()) {
                *counts.entry(method.clone()).or_default() += count.as_i64().unwrap();
            }
        }
        for (response, count) in one["responses"].as_object().into_iter().flatten() {
            let (code, method) = response.split_once(' ').unwrap();
            if METHODS.contains(&method) && !code.starts_with('1') {
                *counts.entry(format!("{method} answered")).or_default() += count.as_i64().unwrap();
            }
        }
    }
    counts
}

fn ours(path: &Path) -> BTreeMap<String, i64> {
    let mut counts = BTreeMap::new();
    for peer in analyse_all(path).into_iter().filter_map(Record::into_peer) {
        let method = peer.method.as_str();
        let mut add = |what: String, count: u32| {
            if count > 0 {
                *counts.entry(what).or_default() += i64::from(count);
            }
        };
        add(method.to_owned(), peer.requests + peer.retransmissions);
        add(format!("{method} answered"), peer.answered());
    }
    counts
}

#[test]
fn requests_and_answers_agree_with_the_truth() {
    let Some(folder) = captures() else {
        println!("skipped: ../shared/captures is not there (a clone alone)");
        return;
    };
    let (mut compared, mut used, mut wrong) = (0, Vec::new(), Vec::new());
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let Some(capture) = name.strip_suffix(".gt.json") else { continue };
        let truth: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        let mut expected = expected(&truth);
        for exception in EXCEPTIONS.iter().filter(|(file, ..)| *file == capture) {
            let &(_, what, more, _) = exception;
            *expected.get_mut(what).expect(what) -= more;
            used.push(exception);
        }
        if expected.is_empty() {
            continue;
        }
        compared += 1;
        let ours = ours(&folder.join(capture));
        if ours != expected {
            wrong.push(format!("{capture}: {ours:?}, not {expected:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(used.len(), EXCEPTIONS.len());
    assert!(compared >= 8, "only {compared} captures hold any");
}

/// Everything that `texts` make, a hundredth of a second from one to the next, each sent by the PBX
/// (`true`) or the trunk.
fn records(settings: AnalysisSettings, texts: &[(bool, String)]) -> (Vec<Record>, Analysis) {
    let mut analysis = Analysis::new(settings);
    let [pbx, trunk] = [address([10, 1, 0, 1], 5060), address([10, 9, 0, 1], 5060)];
    for (number, (is_pbx, text)) in (0..).zip(texts) {
        let (src, dst) = if *is_pbx { (pbx, trunk) } else { (trunk, pbx) };
        let bytes = udp(src, dst, text.as_bytes());
        analysis.handle_frame(&Frame {
            at: Instant::from_micros(START + number * SECOND / 100),
            interface: 0,
            link_type: LinkType::Ethernet,
            original_len: u32::try_from(bytes.len()).unwrap(),
            bytes: &bytes,
        });
    }
    analysis.finish();
    (core::iter::from_fn(|| analysis.poll_record()).collect(), analysis)
}

fn options() -> [(bool, String); 2] {
    let request = sip("OPTIONS sip:trunk.example SIP/2.0", "ping", "1 OPTIONS", "", "");
    [(true, request), (false, sip("SIP/2.0 200 OK", "ping", "1 OPTIONS", ";tag=t", ""))]
}

#[test]
fn peers_and_calls_are_numbered_together_and_can_be_switched_off() {
    let invite = sip("INVITE sip:bob@example.net SIP/2.0", "call", "1 INVITE", "", "");
    let texts = [options().to_vec(), vec![(true, invite)]].concat();
    let (made, _) = records(settings(1), &texts);
    let mut numbers: Vec<u64> = made.iter().map(Record::number).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, [1, 2]);
    let peer = made.into_iter().find_map(Record::into_peer).expect("a peer");
    assert_eq!((peer.method, peer.state), (Method::Options, State::Answering));
    assert_eq!(peer.round_trip.map(|it| it.mean), Some(10_000));
    let methods = Methods { options: false, ..Methods::ALL };
    let (made, mut analysis) =
        records(AnalysisSettings { peer_methods: methods, ..settings(1) }, &texts);
    assert!(matches!(&made[..], [Record::Call(_)]), "{made:?}");
    assert_eq!(analysis.counters().of(Counter::SipOutsideCalls), 2);
}

#[test]
fn what_belongs_to_a_call_is_no_peer_s() {
    let call = |start: &str, cseq: &str, tag: &str| sip(start, "call", cseq, tag, "");
    let texts = [
        (true, call("INVITE sip:bob@example.net SIP/2.0", "1 INVITE", "")),
        (false, call("SIP/2.0 200 OK", "1 INVITE", ";tag=b")),
        (true, call("ACK sip:bob@example.net SIP/2.0", "1 ACK", ";tag=b")),
        (true, call("OPTIONS sip:bob@example.net SIP/2.0", "2 OPTIONS", ";tag=b")),
        (false, call("SIP/2.0 200 OK", "2 OPTIONS", ";tag=b")),
        (true, call("REFER sip:bob@example.net SIP/2.0", "3 REFER", ";tag=b")),
        (false, call("NOTIFY sip:ann@example.net SIP/2.0", "1 NOTIFY", ";tag=a")),
        (true, call("SIP/2.0 200 OK", "1 NOTIFY", ";tag=a")),
        (true, call("MESSAGE sip:bob@example.net SIP/2.0", "4 MESSAGE", ";tag=b")),
        (true, call("BYE sip:bob@example.net SIP/2.0", "5 BYE", ";tag=b")),
    ];
    let (made, mut analysis) = records(settings(1), &texts);
    let [Record::Call(record)] = &made[..] else { panic!("{made:?}") };
    assert_eq!(record.sip.len(), texts.len());
    assert_eq!(analysis.counters().of(Counter::PeerMessages), 0);
}

#[test]
fn a_quality_report_is_published_to_somebody() {
    let request = sip("PUBLISH sip:collector@example.net SIP/2.0", "pub", "1 PUBLISH", "", "")
        .replace("Content-Length", "Event: vq-rtcpxr\r\nContent-Length");
    let answer = sip("SIP/2.0 200 OK", "pub", "1 PUBLISH", ";tag=c", "");
    let (made, _) = records(settings(1), &[(true, request), (false, answer)]);
    let peer = made.into_iter().find_map(Record::into_peer).expect("a peer");
    assert_eq!((peer.method, peer.event.as_deref()), (Method::Publish, Some("vq-rtcpxr")));
}
