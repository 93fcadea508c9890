//! What rules keep, from a capture file through the store to an exported file: the packets are
//! those of the capture, to the byte and the microsecond, and only the call's.

mod common;
mod network;

use std::collections::BTreeSet;
use std::io::Cursor;
use std::path::{Path, PathBuf};

use common::settings;
use ringside_protocol::cdr::{Boot, Cdr, Fingerprint};
use ringside_protocol::record::Record;
use ringside_protocol::rule::Rule;
use ringside_sensor::analysis::Analysis;
use ringside_sensor::capture::Frame;
use ringside_sensor::capture::file::FileSource;
use ringside_sensor::keep::{Keeper, Origin};
use ringside_sensor::rules::{NumberedRule, RuleBook};
use ringside_sensor::store::export::{FileFormat, export};
use ringside_sensor::store::ring::catalog::Catalog;
use ringside_sensor::store::ring::{Ring, RingSettings};

const BOOT: Boot = Boot([7; 16]);

/// A packet as files have it: time, length on the wire, bytes.
type Packet = (u64, u32, Vec<u8>);

/// A folder that goes with its test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let name = format!("ringside-keep-{name}-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What is left of it does no harm.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn capture(case: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/captures").join(case).join("input.pcap.gz")
}

fn keeper(folder: &Path, rules: &[&str]) -> Keeper {
    let settings = RingSettings {
        directory: folder.to_owned(),
        max_bytes: 64 << 20,
        max_days: None,
        device: Fingerprint([3; 16]),
        boot: BOOT,
        device_key: None,
        waits: true,
        parks_for: None,
    };
    let ring = Ring::open(settings).unwrap();
    let numbered = (1..).zip(rules).map(|(id, text)| {
        let rule = Rule::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        NumberedRule { id, rule }
    });
    let book = RuleBook::compile(numbered.collect()).unwrap();
    Keeper::new(book, Some(ring), Origin { sensor: "gate-1".to_owned(), ..Origin::default() })
}

/// Analyses a file with rules; the store is closed when this returns.
fn run(file: &Path, folder: &Path, rules: &[&str]) -> Vec<Cdr> {
    let mut analysis = Analysis::new(settings());
    analysis.set_keeper(keeper(folder, rules));
    let mut source = FileSource::open(file).unwrap();
    let mut records = Vec::new();
    while let Some(frame) = source.next_frame().unwrap() {
        analysis.handle_frame(&frame);
        records
            .extend(core::iter::from_fn(|| analysis.poll_record()).filter_map(Record::into_call));
    }
    analysis.finish();
    records.extend(core::iter::from_fn(|| analysis.poll_record()).filter_map(Record::into_call));
    records
}

fn packets(mut source: FileSource) -> Vec<Packet> {
    let mut packets = Vec::new();
    while let Some(frame) = source.next_frame().unwrap() {
        packets.push((frame.at.as_micros(), frame.original_len, frame.bytes.to_vec()));
    }
    packets
}

/// What the store exports of a call, read again.
fn exported(folder: &Path, number: u64) -> Vec<Packet> {
    let catalog = Catalog::read(folder, None).unwrap();
    let Some((_, facts, _)) = catalog.kept().find(|((_, found), _, _)| *found == number) else {
        return Vec::new();
    };
    let stored = catalog.packets((BOOT, number)).unwrap();
    let mut file = Vec::new();
    export(FileFormat::Pcapng, "id", facts, &stored.in_order(), &mut file).unwrap();
    packets(FileSource::from_reader(Cursor::new(file)).unwrap())
}

/// The addresses and ports of an Ethernet frame's UDP datagram as text, read without the sensor's
/// own decoder; the project's captures have no tags.
fn udp_ends(bytes: &[u8]) -> Option<[String; 2]> {
    let port = |at: usize| Some(u16::from_be_bytes([*bytes.get(at)?, *bytes.get(at + 1)?]));
    match bytes.get(12..14)? {
        [8, 0] if bytes[23] == 17 => {
            let udp = 14 + usize::from(bytes[14] & 15) * 4;
            let ip = |at: usize| {
                format!("{}.{}.{}.{}", bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3])
            };
            Some([format!("{}:{}", ip(26), port(udp)?), format!("{}:{}", ip(30), port(udp + 2)?)])
        }
        [0x86, 0xdd] if bytes[20] == 17 => {
            let ip = |at: usize| {
                let octets: [u8; 16] = bytes[at..at + 16].try_into().unwrap();
                std::net::Ipv6Addr::from(octets)
            };
            Some([format!("[{}]:{}", ip(22), port(54)?), format!("[{}]:{}", ip(38), port(56)?)])
        }
        _ => None,
    }
}

/// The packets of a file that belong to a call, by its record: messages with its Call-ID, and
/// datagrams between the ends of its streams, or the ports above them (RTCP).
fn of_call(file: &Path, cdr: &Cdr) -> Vec<Packet> {
    let mut pairs = BTreeSet::new();
    for stream in &cdr.streams {
        let (src, dst) = (cdr.address(stream.src).unwrap(), cdr.address(stream.dst).unwrap());
        for above in [0, 1] {
            let ends = [src, dst].map(|mut end| {
                end.set_port(end.port() + above);
                end.to_string()
            });
            pairs.insert(ends.clone());
            if above == 1 {
                pairs.insert([ends[1].clone(), ends[0].clone()]);
            }
        }
    }
    // Other legs name it in headers of their own.
    let id = [b"Call-ID: ", cdr.call_id.as_bytes()].concat();
    let mut packets = packets(FileSource::open(file).unwrap());
    packets.retain(|(_, _, bytes)| {
        bytes.windows(id.len()).any(|window| window == id.as_slice())
            || udp_ends(bytes).is_some_and(|ends| pairs.contains(&ends))
    });
    packets
}

#[test]
fn exported_packets_are_those_of_the_capture() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/captures");
    let mut compared = 0;
    for entry in std::fs::read_dir(root).unwrap() {
        let case = entry.unwrap().file_name().to_string_lossy().into_owned();
        let file = capture(&case);
        if !file.exists() {
            continue;
        }
        let folder = Folder::new(&case);
        for cdr in run(&file, &folder.0, &["\"all\": keep sip, rtp, rtcp"]) {
            let (expected, found) = (of_call(&file, &cdr), exported(&folder.0, cdr.number));
            assert_eq!(found.len(), expected.len(), "{case}: {}", cdr.call_id);
            assert!(found == expected, "{case}: {}", cdr.call_id);
            let stored = cdr.stored.unwrap();
            assert_eq!((stored.rule_id, stored.rule.as_str(), stored.dropped), (1, "all", 0));
            assert_eq!(stored.packets as usize, found.len(), "{case}");
            let bytes: usize = found.iter().map(|(_, _, bytes)| bytes.len()).sum();
            assert_eq!(stored.bytes, bytes as u64);
            compared += found.len();
        }
    }
    assert!(compared > 5000, "{compared} packets");
}

fn starts(packets: &[Packet]) -> usize {
    let is_invite = |(_, _, bytes): &&Packet| bytes.windows(11).any(|w| w == b"INVITE sip:");
    packets.iter().filter(is_invite).count()
}

#[test]
fn a_rule_that_matches_late_has_the_call_from_its_first_message() {
    for rule in
        ["keep sip when status = 486", "keep sip when method = ACK", "keep sip when agent ~ /./"]
    {
        let folder = Folder::new("comes-late");
        let file = capture("busy");
        let records = run(&file, &folder.0, &[rule]);
        let found = exported(&folder.0, records[0].number);
        assert_eq!(found, of_call(&file, &records[0]), "{rule}");
        assert!(starts(&found) > 0, "{rule}");
    }
}

#[test]
fn quality_decides_at_the_end_and_leaves_nothing_readable_behind() {
    let rules = &["keep sip, rtp, rtcp when loss > 2%"];
    let folder = Folder::new("lossy");
    let file = capture("loss");
    let records = run(&file, &folder.0, rules);
    assert_eq!(exported(&folder.0, records[0].number), of_call(&file, &records[0]));
    let folder = Folder::new("lossless");
    let records = run(&capture("clean"), &folder.0, rules);
    assert!(records[0].stored.is_none());
    assert!(exported(&folder.0, records[0].number).is_empty());
    // The audio was written, sealed; nothing of any packet stands there in the clear.
    let packets = packets(FileSource::open(&capture("clean")).unwrap());
    let texts: Vec<&[u8]> =
        packets.iter().map(|(_, _, bytes)| &bytes[bytes.len() - 40..]).collect();
    let mut read = 0;
    for entry in std::fs::read_dir(&folder.0).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.extension().is_some_and(|extension| extension == "seg") {
            let bytes = std::fs::read(&entry).unwrap();
            read += bytes.iter().filter(|&&byte| byte != 0).count();
            let found: BTreeSet<&[u8]> = bytes.windows(40).collect();
            // Silence is the same byte over and over, as an unused page is.
            let is_dull = |text: &&&[u8]| text.iter().all(|&byte| byte == text[0]);
            assert!(!texts.iter().filter(|text| !is_dull(text)).any(|text| found.contains(text)));
        }
    }
    assert!(read > 50_000, "{read} bytes: the audio was held there");
}

#[test]
fn headers_only_have_no_speech() {
    let folder = Folder::new("headers");
    let records = run(&capture("clean"), &folder.0, &["keep rtp headers"]);
    let found = exported(&folder.0, records[0].number);
    assert!(!found.is_empty());
    assert!(
        found.iter().all(|(_, original, bytes)| bytes.len() == 14 + 20 + 8 + 12 && *original > 54)
    );
}

#[test]
fn masked_digits_are_nowhere() {
    let digits = |packets: &[Packet]| {
        let signal = |(_, _, bytes): &&Packet| {
            bytes.windows(8).any(|w| w.starts_with(b"Signal=") && w[7].is_ascii_digit())
        };
        packets.iter().filter(signal).count()
    };
    let file = capture("info-digits");
    for (rule, is_there) in [("keep sip, rtp", true), ("keep sip, rtp masking dtmf", false)] {
        for late in ["", " when agent ~ /./"] {
            let folder = Folder::new("digits");
            let records = run(&file, &folder.0, &[&format!("{rule}{late}")]);
            let found = exported(&folder.0, records[0].number);
            assert!(!found.is_empty(), "{rule}{late}");
            assert_eq!(digits(&found) > 0, is_there, "{rule}{late}");
        }
    }
}

#[test]
fn calls_of_a_day_are_counted() {
    let folder = Folder::new("cap");
    let mut analysis = Analysis::new(settings());
    analysis.set_keeper(keeper(&folder.0, &["keep sip at most 2 a day"]));
    let all = packets(FileSource::open(&capture("busy")).unwrap());
    let mut kept = Vec::new();
    for round in 0..4_u8 {
        for (at, original_len, bytes) in &all {
            let mut bytes = bytes.clone();
            // Another Call-ID each time: the first letter of its value is the round's.
            if let Some(at) = bytes.windows(9).position(|w| w.eq_ignore_ascii_case(b"call-id: ")) {
                bytes[at + 9] = b'a' + round;
            }
            analysis.handle_frame(&Frame {
                at: embassy_time::Instant::from_micros(at + u64::from(round) * 100_000_000),
                interface: 0,
                link_type: ringside_sensor::capture::LinkType::Ethernet,
                original_len: *original_len,
                bytes: &bytes,
            });
            kept.extend(
                core::iter::from_fn(|| analysis.poll_record()).filter_map(Record::into_call),
            );
        }
    }
    analysis.finish();
    kept.extend(core::iter::from_fn(|| analysis.poll_record()).filter_map(Record::into_call));
    let kept: Vec<bool> = kept.iter().map(|cdr| cdr.stored.is_some()).collect();
    assert_eq!(kept, [true, true, false, false]);
}

#[test]
fn new_rules_take_effect_for_calls_in_progress() {
    let folder = Folder::new("replace");
    let file = capture("clean");
    let mut analysis = Analysis::new(settings());
    analysis.set_keeper(keeper(&folder.0, &["keep rtp when caller = nobody"]));
    let all = packets(FileSource::open(&file).unwrap());
    let half = all.len() / 2;
    let mut records = Vec::new();
    for (number, (at, original_len, bytes)) in all.iter().enumerate() {
        if number == half {
            let rule = Rule::parse("keep rtp").unwrap();
            analysis.replace_rules(RuleBook::compile(vec![NumberedRule { id: 9, rule }]).unwrap());
        }
        analysis.handle_frame(&Frame {
            at: embassy_time::Instant::from_micros(*at),
            interface: 0,
            link_type: ringside_sensor::capture::LinkType::Ethernet,
            original_len: *original_len,
            bytes,
        });
        records
            .extend(core::iter::from_fn(|| analysis.poll_record()).filter_map(Record::into_call));
    }
    analysis.finish();
    records.extend(core::iter::from_fn(|| analysis.poll_record()).filter_map(Record::into_call));
    drop(analysis);
    let stored = records[0].stored.clone().unwrap();
    assert_eq!(stored.rule_id, 9);
    let found = exported(&folder.0, records[0].number);
    let expected: Vec<_> = of_call(&file, &records[0])
        .into_iter()
        .filter(|packet| packet.0 >= all[half].0 && packet.2.len() == 214)
        .collect();
    assert_eq!(found.len(), expected.len());
    assert!(found == expected);
}

/// A rule keeps a call whose INVITE came in three fragments, and one that came in TCP segments.
#[test]
fn messages_in_several_frames_are_kept_with_all_of_them() {
    let folder = Folder::new("pieces");
    let mut tap = network::Tap::new("");
    tap.analysis.set_keeper(keeper(&folder.0, &["keep sip when caller = ann"]));
    let (a, b) = (network::address([192, 0, 2, 1], 5060), network::address([192, 0, 2, 2], 5060));
    let padding: String = (0..300).map(|number| format!("{number:05}")).collect();
    let long = |id: &str, cseq: &str, start: &str| {
        let padded = format!("X-Pad: {padding}\r\nCall-ID");
        network::sip(start, id, cseq, "", "").replace("Call-ID", &padded)
    };
    let invite = "INVITE sip:bob@example.net SIP/2.0";
    let mut expected = [Vec::new(), Vec::new()];

    let fragments = network::fragments(a, b, long("one", "1 INVITE", invite).as_bytes(), 7, 800);
    assert!(fragments.len() > 2);
    let answer = network::sip("SIP/2.0 486 Busy", "one", "1 INVITE", ";tag=b", "");
    let answer = network::udp(b, a, answer.as_bytes());
    // Between them, parts of a message of nobody.
    let strange = network::fragments(b, a, &[b'y'; 2000], 8, 800);
    for frame in [&fragments[0], &strange[0], &fragments[1], &strange[1], &fragments[2], &answer] {
        tap.frame(frame);
        tap.now += 1000;
    }
    expected[0].extend(fragments);
    expected[0].push(answer);

    let cancel = "CANCEL sip:bob@example.net SIP/2.0";
    let both = long("two", "1 INVITE", invite) + &long("two", "1 CANCEL", cancel);
    let segment = |sequence_number, syn, payload| {
        network::tcp(a, b, network::Segment { sequence_number, syn, fin: false, payload })
    };
    tap.frame(&segment(99, true, &[]));
    let mut at = 100;
    for part in both.as_bytes().chunks(700) {
        let frame = segment(at, false, part);
        tap.frame(&frame);
        tap.now += 1000;
        expected[1].push(frame);
        at += u32::try_from(part.len()).unwrap();
    }
    tap.finish();
    drop(tap);
    for (number, expected) in (1..).zip(expected) {
        let found: Vec<_> = exported(&folder.0, number).into_iter().map(|it| it.2).collect();
        assert_eq!(found.len(), expected.len(), "call {number}");
        assert!(found == expected, "call {number}");
    }
}

/// A store of calls that no rule keeps.
fn recent(folder: &Path) -> Ring {
    Ring::open(RingSettings {
        directory: folder.to_owned(),
        max_bytes: 64 << 20,
        max_days: None,
        device: Fingerprint([3; 16]),
        boot: BOOT,
        device_key: None,
        waits: true,
        parks_for: Some(core::time::Duration::from_secs(600)),
    })
    .unwrap()
}

/// How many of `needles` stand in some file of a folder.
fn found(folder: &Path, needles: &[Vec<u8>]) -> usize {
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            count += found(&path, needles);
        } else {
            let bytes = std::fs::read(&path).unwrap();
            let is_there = |needle: &&Vec<u8>| memchr::memmem::find(&bytes, needle).is_some();
            count += needles.iter().filter(is_there).count();
        }
    }
    count
}

#[test]
fn a_call_without_a_rule_can_be_kept_after_its_end_and_the_others_mean_nothing() {
    let folder = Folder::new("recent");
    let (kept, held) = (folder.0.join("ring"), folder.0.join("recent"));
    let outside = ringside_tests::folder::Folder::new();
    let plan = ringside_tests::captures::recent(3, 5000, 150_000, 7);
    let (path, _) = ringside_tests::captures::write_file(&outside, &plan);
    let truth = packets(FileSource::open(&path).unwrap());

    let mut analysis = Analysis::new(settings());
    // The first call is kept by a rule as ever, and needs nobody.
    analysis.set_keeper(keeper(&kept, &["keep sip, rtp, rtcp when caller = +49300000000"]));
    analysis.keeper().unwrap().hold_recent(Some(recent(&held)));
    let mut source = FileSource::open(&path).unwrap();
    while let Some(frame) = source.next_frame().unwrap() {
        analysis.handle_frame(&frame);
    }
    analysis.finish();
    let records: Vec<Cdr> =
        core::iter::from_fn(|| analysis.poll_record()).filter_map(Record::into_call).collect();
    let number = |caller: &str| {
        records.iter().find(|cdr| cdr.caller.user == caller).expect("the call").number
    };
    let [ruled, wanted, other] = ["+49300000000", "+49300000001", "+49300000002"].map(number);

    let keeper = analysis.keeper().unwrap();
    let to = keeper.ring().unwrap().finder().unwrap();
    let from = {
        let recent = keeper.recent().unwrap();
        recent.sync();
        recent.finder().unwrap()
    };
    let of = |number: u8| {
        let hosts = [[10, 20, 0, number], [10, 21, 0, number]];
        let is_its = |(_, _, frame): &&Packet| hosts.iter().any(|host| frame[26..30] == *host);
        truth.iter().filter(is_its).cloned().collect::<Vec<_>>()
    };
    let speech = |number: u8| {
        let frames = of(number).into_iter().filter(|(_, _, frame)| frame.len() == 214);
        frames.step_by(7).map(|(_, _, frame)| frame[60..124].to_vec()).collect::<Vec<_>>()
    };
    assert!(speech(1).len() > 50);
    // While they are held, and nobody has claimed them, they are sealed.
    assert_eq!(found(&folder.0, &speech(1)) + found(&folder.0, &speech(2)), 0);
    assert!(from.claim((BOOT, ruled)).is_none(), "a rule has kept it");
    assert!(from.claim((BOOT, 99)).is_none() && from.claim((Boot([8; 16]), wanted)).is_none());
    let claimed = from.claim((BOOT, wanted)).expect("it is held");
    let facts = to.adopt((BOOT, wanted), *claimed).expect("a disk");
    assert!(from.claim((BOOT, wanted)).is_none(), "once");
    assert_eq!(facts.packets as usize, of(1).len());
    drop(analysis);
    assert_eq!(exported(&kept, wanted), of(1), "with all of its packets");
    assert_eq!(exported(&kept, ruled), of(0));
    assert_eq!(exported(&kept, other), []);
    // The disk of a sensor that has let calls go: nothing of them stands in the clear.
    assert!(found(&folder.0, &speech(1)) > 0, "the needles are right");
    assert_eq!(found(&folder.0, &speech(2)), 0);
}
