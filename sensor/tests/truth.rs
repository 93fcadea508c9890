//! Calls and streams of every capture in `../shared/captures` against the truth beside it: tshark's
//! figures, a second reader's (`own_rtp`), and what the impairing switch did (`*.truth.json`).
//!
//! A clone alone has no such folder; then this test says so and its own captures
//! (`tests/captures`) stand in. Every difference is listed in [`EXCEPTIONS`] with its reason, and
//! an exception that no longer happens fails the test, too.

mod common;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use common::analyse;
use ringside_protocol::cdr::{Cdr, EndedBy, Stream};
use serde_json::Value;

/// (file, what, reason). `what` is the beginning of a difference's text.
const EXCEPTIONS: &[(&str, &str, &str)] = &[
    (
        "FAX-Call-t38.pcap",
        "stream 10.",
        "tshark reads the RTP that comes late, after the re-INVITE to T.38, as T.38 (trap 5)",
    ),
    (
        "SIP_CALL_RTP_G711.pcap",
        "stream (\"200.57.7.202:30000\"",
        "a call that MGCP set up: there is no SIP for it",
    ),
    (
        "SIP_CALL_RTP_G711.pcap",
        "stream 200.57.7.196:40376 > 200.57.7.204:8000 0x58f33dea delta_mean",
        "talkspurts: tshark takes the silence before one for a gap of mean length, we for what it is",
    ),
    (
        "aaa.pcap",
        "call 105090259-446faf7a@192.168.1.2 messages",
        "the phone repeats CANCEL for 30 s after the call's final response: counted as late",
    ),
    (
        "aaa.pcap",
        "call 11894297-4432a9f8@192.168.1.2 is 2 records",
        "the person typed the password 17 s after the challenge: a second attempt",
    ),
    (
        "aaa.pcap",
        "call 24487391-449bf2a0@192.168.1.2 is 2 records",
        "the person typed the password 51 s after the challenge: a second attempt",
    ),
    (
        "aaa.pcap",
        "call 85216695-42dcdb1d@192.168.1.2 is 2 records",
        "no answer within Timer B; the phone tries again with the next CSeq after 34 s",
    ),
    (
        "aaa.pcap",
        "stream (\"192.168.1.2:30000\", \"212.242.33.36:40392\"",
        "the caller begins to send one second after its call was refused",
    ),
    ("b11_l16.pcap", "stream 192.0.2.20", "one packet has no gap: null, where tshark prints 0"),
    (
        "d04_erspan2.pcap",
        "stream 192.0.2.10:16000 > 192.0.2.20:26000 0xca110000 lost - duplicates",
        "s07_reorder in ERSPAN: the last packets overtook each other (trap 1)",
    ),
    ("d07_snap96.pcap", "call  is missing", "96 captured bytes end before the Call-ID"),
    (
        "d13_record_order.pcap",
        "stream (\"192.0.2.10:16000\", \"192.0.2.20:26000\", 235223118) x4",
        "SIPp plays the four digits from files of their own, each with its own sequence numbers",
    ),
    (
        "d13_record_order.pcap",
        "stream 192.0.2.10:16000",
        "records stand in the file out of order of time: tshark takes a step back for a gap, and \
         the packet that came first for one lost less than nothing (trap 1)",
    ),
    ("fuzz-aaa.pcap", "", "bytes of Call-IDs, methods and SDP were altered at random"),
    (
        "h263-over-rtp.pcap",
        "stream 192.168.6.199:57128 > 192.168.6.199:32976 0x5482ece0 delta_mean",
        "video, several packets a frame: tshark's mean leaves some out; its greatest is ours",
    ),
    (
        "h263-over-rtp.pcap",
        "stream 192.168.6.199:57128 > 192.168.6.199:32976 0x5482ece0 jitter_mean",
        "video, several packets a frame: tshark's mean leaves some out; its greatest is ours",
    ),
    (
        "hep3.pcap",
        "call qgf3dm9rudi@127.0.0.1 src: 192.168.1.1:5060",
        "the truth names the ends of the HEP packet, we those of the SIP inside",
    ),
    (
        "hep3.pcap",
        "call qgf3dm9rudi@127.0.0.1 dst: 192.168.1.2:5060",
        "the truth names the ends of the HEP packet, we those of the SIP inside",
    ),
    (
        "k05_rtpengine_loss.pcap",
        "switch 192.0.2.10:16000 > 192.0.2.50:30014 0xca110000",
        "the tap is at the relay: what comes to it has been impaired, too",
    ),
    (
        "k05_rtpengine_loss.pcap",
        "switch 192.0.2.50:30000 > 192.0.2.20:26000 0xca110000 lost",
        "the relay passes on the gaps that it received",
    ),
    (
        "k06_hep3.pcap",
        "call 1-16374@192.0.2.10 src: 192.0.2.10:5060",
        "the truth names the ends of the HEP packet, we those of the SIP inside",
    ),
    (
        "k06_hep3.pcap",
        "call 1-16374@192.0.2.10 dst: 192.0.2.50:5060",
        "the truth names the ends of the HEP packet, we those of the SIP inside",
    ),
    ("ndpi-skinny.pcap", "stream", "calls that SCCP set up: there is no SIP for them"),
    (
        "rfc4475-open.pcap",
        "call wsinv.ndaksdj@192.0.2.1 is missing",
        "its To has a tag (with white space around the equals sign): within a dialog, so no start",
    ),
    (
        "s07_reorder.pcap",
        "stream 192.0.2.10:16000 > 192.0.2.20:26000 0xca110000 lost - duplicates",
        "the last packets overtook each other: tshark's highest number is too low (trap 1)",
    ),
    (
        "s14_dtmf2833.pcap",
        "stream (\"192.0.2.10:16000\", \"192.0.2.20:26000\", 235223118) x4",
        "SIPp plays the four digits from files of their own, each with its own sequence numbers",
    ),
    (
        "sipnab-rtp-protocol.pcap",
        "stream 10.33.6.10",
        "comfort noise: tshark lets its timestamps into the jitter (trap 8)",
    ),
    (
        "vega1.pcap",
        "stream 162.244.97.41:16834 > 192.168.3.15:10336 0xe68656c0 delta",
        "the dialog began before the capture: tshark leaves out what came before its first SDP",
    ),
    (
        "vega1.pcap",
        "stream 162.244.97.41:16834 > 192.168.3.15:10336 0xe68656c0 packets",
        "the dialog began before the capture: tshark leaves out what came before its first SDP",
    ),
    (
        "vega1.pcap",
        "stream 162.244.97.41:16834 > 192.168.3.15:10336 0xe68656c0 jitter",
        "the dialog began before the capture: tshark leaves out what came before its first SDP",
    ),
    (
        "vega1.pcap",
        "stream 192.168.3.15:10336 > 162.244.97.41:16834 0xfe914803 delta",
        "the dialog began before the capture: tshark leaves out what came before its first SDP",
    ),
    (
        "vega1.pcap",
        "stream 192.168.3.15:10336 > 162.244.97.41:16834 0xfe914803 packets",
        "the dialog began before the capture: tshark leaves out what came before its first SDP",
    ),
    (
        "vega1.pcap",
        "stream 192.168.3.15:10336 > 162.244.97.41:16834 0xfe914803 jitter",
        "the dialog began before the capture: tshark leaves out what came before its first SDP",
    ),
    (
        "vega1.pcap",
        "stream 192.168.3.15:10338 > 162.244.97.41:16834 0x647e21a6",
        "tshark reads the last packet, after a re-INVITE to T.38, as T.38 (trap 5)",
    ),
    (
        "sipp-branch.pcapng",
        "call 204-4461@127.0.1.1 ",
        "its 200 is missing in the file; the ACK to it, and 5 s until BYE, show that there was one",
    ),
    (
        "sipp-branch.pcapng",
        "call 211-4461@127.0.1.1 ",
        "its 200 is missing in the file; the ACK to it, and 5 s until BYE, show that there was one",
    ),
    (
        "sipp-branch.pcapng",
        "call 219-4461@127.0.1.1 ",
        "its 200 is missing in the file; the ACK to it, and 5 s until BYE, show that there was one",
    ),
];

fn captures() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/captures");
    folder.is_dir().then_some(folder)
}

#[test]
fn calls_and_streams_agree_with_the_truth() {
    let Some(folder) = captures() else {
        println!("skipped: ../shared/captures is not there (a clone alone)");
        return;
    };
    let mut files: Vec<PathBuf> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_string_lossy().ends_with(".gt.json"))
        .collect();
    files.sort();
    assert!(files.len() >= 100, "only {} truth files", files.len());
    let mut unexpected = Vec::new();
    let mut used = vec![false; EXCEPTIONS.len()];
    for truth_path in files {
        let name = truth_path.file_name().unwrap().to_string_lossy().replace(".gt.json", "");
        for difference in differences(&folder, &name, &truth_path) {
            let exception = EXCEPTIONS
                .iter()
                .position(|(file, what, _)| *file == name && difference.starts_with(what));
            match exception {
                Some(at) => used[at] = true,
                None => unexpected.push(format!("{name}: {difference}")),
            }
        }
    }
    for ((file, what, _), used) in EXCEPTIONS.iter().zip(used) {
        if !used {
            unexpected.push(format!("{file}: the exception \"{what}\" no longer happens"));
        }
    }
    assert!(unexpected.is_empty(), "{} differences:\n{}", unexpected.len(), unexpected.join("\n"));
}

fn differences(folder: &Path, name: &str, truth_path: &Path) -> Vec<String> {
    let truth: Value = serde_json::from_slice(&std::fs::read(truth_path).unwrap()).unwrap();
    let calls = analyse(&folder.join(name));
    let mut found = Vec::new();
    compare_calls(&calls, &truth, &mut found);
    compare_streams(&calls, &truth, &mut found);
    compare_digits(&calls, &truth, &mut found);
    let switch = folder.join(name.replace(".pcap", ".truth.json"));
    if let Ok(text) = std::fs::read(switch) {
        compare_switch(&calls, &serde_json::from_slice(&text).unwrap(), &mut found);
    }
    found
}

/// Every INVITE outside a dialog is one record, with the truth's times and outcome.
fn compare_calls(calls: &[Cdr], truth: &Value, found: &mut Vec<String>) {
    let is_call = |call: &&Value| call["kind"] == "call";
    let expected: BTreeMap<&str, &Value> = truth["calls"]
        .as_array()
        .unwrap()
        .iter()
        .filter(is_call)
        .map(|call| (call["call_id"].as_str().unwrap_or_default(), call))
        .collect();
    let mut ours: BTreeMap<&str, Vec<&Cdr>> = BTreeMap::new();
    for call in calls.iter().filter(|call| call.start.is_some()) {
        ours.entry(&call.call_id).or_default().push(call);
    }
    for id in ours.keys().filter(|id| !expected.contains_key(*id)) {
        found.push(format!("call {id} is not in the truth"));
    }
    for (id, expected) in expected {
        match ours.get(id).map(Vec::as_slice) {
            Some([call]) => compare_call(id, call, expected, found),
            Some(several) => found.push(format!("call {id} is {} records", several.len())),
            None => found.push(format!("call {id} is missing")),
        }
    }
}

fn compare_call(id: &str, call: &Cdr, truth: &Value, found: &mut Vec<String>) {
    let mut check = |what: &str, ours: String, theirs: String| {
        if ours != theirs {
            found.push(format!("call {id} {what}: {ours}, truth {theirs}"));
        }
    };
    check(
        "final_code",
        format!("{:?}", call.status.as_ref().map(|status| u64::from(status.code))),
        format!("{:?}", truth["final_code"].as_u64()),
    );
    check(
        "answered",
        call.answered.is_some().to_string(),
        truth["answered"].as_bool().unwrap_or_default().to_string(),
    );
    let seconds = |micros: Option<u64>| {
        micros.map(|micros| format!("{}.{:03}", micros / 1_000_000, micros / 1000 % 1000))
    };
    // Six decimals as printed, the last three cut.
    let truth_seconds = |field: &str| {
        truth[field].as_f64().map(|seconds| {
            let text = format!("{seconds:.6}");
            text[..text.len() - 3].to_owned()
        })
    };
    check(
        "setup_s",
        format!("{:?}", seconds(call.setup())),
        format!("{:?}", truth_seconds("setup_s")),
    );
    let hung_up = matches!(call.ended_by, EndedBy::Caller | EndedBy::Callee);
    let duration = call.duration().filter(|_| hung_up);
    check(
        "duration_s",
        format!("{:?}", seconds(duration)),
        format!("{:?}", truth_seconds("duration_s")),
    );
    check("src", address(call, call.src), text(&truth["src"]));
    check("dst", address(call, call.dst), text(&truth["dst"]));
    let messages = call.sip.len() as u64 + u64::from(call.sip_omitted);
    check("messages", messages.to_string(), call_messages(truth).to_string());
}

/// The messages of a Call-ID without its registration, which is no part of the call.
fn call_messages(truth: &Value) -> u64 {
    let count = |group: &str| -> u64 {
        let counts = truth[group].as_object().into_iter().flatten();
        counts
            .filter(|(name, _)| !name.ends_with("REGISTER"))
            .map(|(_, count)| count.as_u64().unwrap_or_default())
            .sum()
    };
    count("requests") + count("responses")
}

/// An address as tshark's fields give it: IPv6 without brackets.
fn address(call: &Cdr, index: u8) -> String {
    call.address(index).unwrap().to_string().replace(['[', ']'], "")
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

type Key = (String, String, u32);

fn key(value: &Value) -> Key {
    let ssrc = text(&value["ssrc"]);
    let ssrc = u32::from_str_radix(ssrc.trim_start_matches("0x"), 16).unwrap_or_default();
    (text(&value["src"]), text(&value["dst"]), ssrc)
}

/// Streams that session descriptions name: packets, loss, jitter and delta as tshark prints them,
/// duplicates and reordering as the second reader counts them.
fn compare_streams(calls: &[Cdr], truth: &Value, found: &mut Vec<String>) {
    let mut ours: BTreeMap<Key, Vec<&Stream>> = BTreeMap::new();
    for call in calls {
        for stream in &call.streams {
            let (src, dst) = (address(call, stream.src), address(call, stream.dst));
            ours.entry((src, dst, stream.ssrc)).or_default().push(stream);
        }
    }
    let own: BTreeMap<Key, &Value> =
        truth["own_rtp"].as_array().unwrap().iter().map(|value| (key(value), value)).collect();
    let mut expected: BTreeMap<Key, Vec<&Value>> = BTreeMap::new();
    for value in truth["rtp_streams_sdp_only"].as_array().unwrap() {
        expected.entry(key(value)).or_default().push(value);
    }
    for (key, streams) in &ours {
        // What only the heuristic finds is in `own_rtp`.
        if !expected.contains_key(key) && !own.contains_key(key) {
            found.push(format!("stream {key:?} x{} is not in the truth", streams.len()));
        }
    }
    for (key, values) in &expected {
        let Some(streams) = ours.get(key) else {
            found.push(format!("stream {key:?} is missing"));
            continue;
        };
        let ([stream], [value]) = (streams.as_slice(), values.as_slice()) else {
            found.push(format!("stream {key:?} x{}, truth x{}", streams.len(), values.len()));
            continue;
        };
        compare_stream(key, stream, value, own.get(key).copied(), found);
    }
}

fn compare_stream(
    key: &Key,
    stream: &Stream,
    tshark: &Value,
    own: Option<&Value>,
    found: &mut Vec<String>,
) {
    let name = format!("stream {} > {} {:#x}", key.0, key.1, key.2);
    let mut count = |what: &str, ours: i64, theirs: Option<i64>| {
        if let Some(theirs) = theirs
            && ours != theirs
        {
            found.push(format!("{name} {what}: {ours}, truth {theirs}"));
        }
    };
    count("packets", stream.packets.into(), tshark["packets"].as_i64());
    let rfc3550_lost = i64::from(stream.lost) - i64::from(stream.duplicates);
    count("lost - duplicates", rfc3550_lost, tshark["lost"].as_i64());
    if let Some(own) = own {
        count("lost", stream.lost.into(), own["lost"].as_i64());
        count("expected", stream.expected.into(), own["expected"].as_i64());
        count("duplicates", stream.duplicates.into(), own["duplicates"].as_i64());
        count("reordered", stream.reordered.into(), own["out_of_order"].as_i64());
    }
    let mut figure = |what: &str, ours: Option<u32>, theirs: &Value| {
        let ours = ours.map(|micros| f64::from(micros) / 1000.0);
        let theirs = theirs.as_f64();
        let (Some(ours), Some(theirs)) = (ours, theirs) else {
            if ours.is_some() != theirs.is_some() {
                found.push(format!("{name} {what}: {ours:?}, truth {theirs:?}"));
            }
            return;
        };
        // Both round to 1 µs.
        if (ours - theirs).abs() > 0.0021 {
            found.push(format!("{name} {what}: {ours}, truth {theirs}"));
        }
    };
    figure("jitter_mean", stream.jitter_mean, &tshark["mean_jitter_ms"]);
    figure("jitter_max", stream.jitter_max, &tshark["max_jitter_ms"]);
    figure("delta_max", stream.delta_max, &tshark["max_delta_ms"]);
    let delta_mean = stream.delta_mean().and_then(|micros| u32::try_from(micros).ok());
    figure("delta_mean", delta_mean, &tshark["mean_delta_ms"]);
}

/// What the impairing switch did, by its own log. The capture is the tap at host b: what goes to it
/// has been impaired, what comes from it has not yet.
fn compare_switch(calls: &[Cdr], truth: &Value, found: &mut Vec<String>) {
    let streams = || calls.iter().flat_map(|call| call.streams.iter().map(move |s| (call, s)));
    for value in truth["streams"].as_array().unwrap() {
        let wanted = key(value);
        let mut ours = streams().filter(|(call, stream)| {
            (address(call, stream.src), address(call, stream.dst), stream.ssrc) == wanted
        });
        let (Some((_, stream)), None) = (ours.next(), ours.next()) else { continue };
        let count = |field: &str| value[field].as_u64().unwrap_or_default();
        let is_impaired = value["out_port"] == "vcb";
        let (duplicated, dropped) =
            if is_impaired { (count("duplicated"), count("dropped")) } else { (0, 0) };
        let mut check = |what: &str, ours: u32, theirs: u64| {
            if u64::from(ours) != theirs {
                let name = format!("switch {} > {} {:#x}", wanted.0, wanted.1, wanted.2);
                found.push(format!("{name} {what}: {ours}, truth {theirs}"));
            }
        };
        check("packets", stream.packets, count("offered") - dropped + duplicated);
        check("duplicates", stream.duplicates, duplicated);
        check("lost", stream.lost, dropped);
    }
}

fn compare_digits(calls: &[Cdr], truth: &Value, found: &mut Vec<String>) {
    let expected: String = truth["dtmf_rfc2833"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| text(&event["digit"]))
        .collect();
    let ours: String = calls.iter().map(|call| call.dtmf.as_str()).collect();
    if !expected.is_empty() && ours != expected {
        found.push(format!("digits {ours}, truth {expected}"));
    }
}
