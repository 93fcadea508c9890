//! Streams of real captures against tshark's figures (`FILE.gt.json`; the captures' README says
//! what each means). Reads the captures beside the workspace, `../shared/captures`; without them
//! the tests say so and pass.

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;

use embassy_time::Instant;
use ringside_protocol::cdr;
use ringside_sensor::call::codec::Codec;
use ringside_sensor::call::interval::IntervalPool;
use ringside_sensor::call::stream::{Arrival, Fit, Stream};
use ringside_sensor::wire::rtp::{Packet, RtpMap};
use serde_json::Value;

/// Source, destination and SSRC, as the ground truth writes them.
type Key = (String, String, u32);

struct Datagram {
    at: Instant,
    src: String,
    dst: String,
    payload: Vec<u8>,
}

fn captures() -> Option<PathBuf> {
    let path = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/captures"));
    path.is_dir().then_some(path)
}

/// The UDP datagrams of a classic pcap file of Ethernet and IPv4.
fn read_pcap(bytes: &[u8]) -> Vec<Datagram> {
    let u32_at = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
    assert_eq!(u32_at(0), 0xa1b2_c3d4, "a little-endian pcap of microseconds");
    assert_eq!(u32_at(20), 1, "Ethernet");
    let (mut datagrams, mut at) = (Vec::new(), 24);
    while at + 16 <= bytes.len() {
        let micros = u64::from(u32_at(at)) * 1_000_000 + u64::from(u32_at(at + 4));
        let end = at + 16 + u32_at(at + 8) as usize;
        let frame = &bytes[at + 16..end];
        at = end;
        if frame.len() < 42 || frame[12..14] != [8, 0] || frame[23] != 17 {
            continue;
        }
        let ip = &frame[14..];
        let udp = &ip[usize::from(ip[0] & 15) * 4..];
        let address = |ip: &[u8], port: &[u8]| {
            let port = u16::from_be_bytes([port[0], port[1]]);
            format!("{}.{}.{}.{}:{port}", ip[0], ip[1], ip[2], ip[3])
        };
        let len = usize::from(u16::from_be_bytes([udp[4], udp[5]]));
        datagrams.push(Datagram {
            at: Instant::from_micros(micros),
            src: address(&ip[12..16], &udp[..2]),
            dst: address(&ip[16..20], &udp[2..4]),
            payload: udp[8..len.min(udp.len())].to_vec(),
        });
    }
    datagrams
}

/// The streams of a capture between the addresses in `keys`, in order of their beginnings.
/// `codec_of` explains payload types that are not static.
fn streams(
    datagrams: &[Datagram],
    keys: &[Key],
    codec_of: impl Fn(&Key, u8) -> Option<Codec>,
) -> Vec<(Key, cdr::Stream)> {
    let mut pool = IntervalPool::new();
    let mut streams: Vec<(Key, Stream)> = Vec::new();
    for datagram in datagrams {
        let wire_len = u32::try_from(datagram.payload.len()).unwrap();
        let Ok(packet) = Packet::parse(&datagram.payload, wire_len) else { continue };
        let key = (datagram.src.clone(), datagram.dst.clone(), packet.ssrc);
        if !keys.contains(&key) {
            continue;
        }
        let arrival = Arrival { at: datagram.at, packet: &packet, dscp: 0 };
        let codec = codec_of(&key, packet.payload_type)
            .unwrap_or_else(|| Codec::from_payload_type(packet.payload_type));
        let next = match streams.iter_mut().rev().find(|(known, _)| *known == key) {
            Some((_, stream)) if stream.fit(&arrival) == Fit::Continues => {
                stream.handle_rtp(&arrival, codec, &mut pool);
                continue;
            }
            Some((_, stream)) => stream.successor(&arrival, codec, &mut pool),
            None => Stream::new(&arrival, codec, &mut pool),
        };
        streams.push((key, next));
    }
    streams.into_iter().map(|(key, stream)| (key, stream.record(&pool))).collect()
}

fn key(value: &Value) -> Key {
    let text = |name: &str| value[name].as_str().unwrap().to_owned();
    let ssrc = u32::from_str_radix(&text("ssrc")[2..], 16).unwrap();
    (text("src"), text("dst"), ssrc)
}

fn count(value: &Value, name: &str) -> u32 {
    u32::try_from(value[name].as_u64().unwrap()).unwrap()
}

struct Case {
    streams: Vec<(Key, cdr::Stream)>,
    tshark: HashMap<Key, Value>,
    numbers: HashMap<Key, Value>,
}

fn read(name: &str, codec_of: impl Fn(&Key, u8) -> Option<Codec>) -> Option<Case> {
    let Some(folder) = captures() else {
        eprintln!("skipped: no captures at ../shared/captures");
        return None;
    };
    let truth = fs::read_to_string(folder.join(format!("{name}.pcap.gt.json"))).unwrap();
    let truth: Value = serde_json::from_str(&truth).unwrap();
    let by_key = |list: &str| -> HashMap<Key, Value> {
        truth[list].as_array().unwrap().iter().map(|value| (key(value), value.clone())).collect()
    };
    let (tshark, numbers) = (by_key("rtp_streams_sdp_only"), by_key("own_rtp"));
    let keys: Vec<Key> = tshark.keys().cloned().collect();
    let datagrams = read_pcap(&fs::read(folder.join(format!("{name}.pcap"))).unwrap());
    Some(Case { streams: streams(&datagrams, &keys, codec_of), tshark, numbers })
}

/// Where counts differ from those of the distinct sequence numbers.
fn compare_counts(case: &Case) -> Vec<String> {
    let mut differences = Vec::new();
    if case.streams.len() != case.tshark.len() {
        differences.push(format!("{} streams, not {}", case.streams.len(), case.tshark.len()));
    }
    for (key, stream) in &case.streams {
        let truth = &case.numbers[key];
        for (name, ours) in [
            ("packets", stream.packets),
            ("expected", stream.expected),
            ("lost", stream.lost),
            ("duplicates", stream.duplicates),
            ("out_of_order", stream.reordered),
        ] {
            let theirs = count(truth, name);
            if ours != theirs {
                differences.push(format!("{key:?}: {name} {ours}, not {theirs}"));
            }
        }
    }
    differences
}

/// Where jitter and gaps differ from tshark's, which it prints in ms with three decimals.
fn compare_times(case: &Case) -> Vec<String> {
    let mut differences = Vec::new();
    for (key, stream) in &case.streams {
        for (name, ours) in [
            ("mean_jitter_ms", stream.jitter_mean),
            ("max_jitter_ms", stream.jitter_max),
            ("max_delta_ms", stream.delta_max),
        ] {
            let ours = f64::from(ours.unwrap_or(0)) / 1000.0;
            let theirs = case.tshark[key][name].as_f64().unwrap();
            if (ours - theirs).abs() > 0.0015 {
                differences.push(format!("{key:?}: {name} {ours}, not {theirs}"));
            }
        }
    }
    differences
}

#[test]
fn counts_and_times_agree_with_tshark() {
    let cases = [
        ("s01_clean_alaw", ""),
        ("s02_loss1", ""),
        ("s04_burstloss", ""),
        ("s05_jitter20", ""),
        ("s07_reorder", ""),
        ("s08_dup", ""),
        ("s13_hold", ""),
        ("s27_parallel12", ""),
        ("b01_g711", ""),
        ("b03_opus", "opus"),
        ("b05_amr", "AMR-WB"),
        ("b09_g711_rtcp_loss", ""),
        ("b11_l16", "L16"),
        ("w-g711", ""),
        ("w-g729a", ""),
        ("w-g726", "G726-32"),
        ("w-opus", "opus"),
    ];
    let mut differences = Vec::new();
    for (name, dynamic) in cases {
        let codec_of =
            |_: &Key, payload_type| (payload_type >= 96).then(|| Codec::from_name(dynamic));
        let Some(case) = read(name, codec_of) else { return };
        for difference in compare_counts(&case).into_iter().chain(compare_times(&case)) {
            differences.push(format!("{name} {difference}"));
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

/// Three streams of one payload type with three clock rates.
#[test]
fn each_speex_stream_has_the_clock_of_its_own_rtpmap() {
    let speex = |(src, ..): &Key, payload_type| {
        let clock_rate = match src.as_str() {
            "10.0.2.15:21280" => 8_000,
            "10.0.2.15:22662" => 16_000,
            _ => 32_000,
        };
        let map = RtpMap { encoding_name: "speex", clock_rate, channels: 1 };
        (payload_type == 99).then(|| Codec::from_rtpmap(map))
    };
    let Some(case) = read("w-speex", speex) else { return };
    let differences = [compare_counts(&case), compare_times(&case)].concat();
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

/// Four DTMF recordings are played into one call, each with sequence numbers of its own: four
/// streams of events beside the speech. tshark takes the jumps between them for loss.
#[test]
fn each_dtmf_recording_is_a_stream_without_loss() {
    let events =
        |_: &Key, payload_type| (payload_type == 101).then(|| Codec::from_name("telephone-event"));
    let Some(case) = read("s14_dtmf2833", events) else { return };
    let (speech, events): (Vec<_>, Vec<_>) =
        case.streams.iter().map(|(_, stream)| stream).partition(|it| it.payload_type == 8);
    assert_eq!((speech.len(), speech[0].packets, speech[0].lost), (1, 236, 0));
    assert_eq!(events.len(), 4);
    for stream in events {
        assert_eq!((stream.packets, stream.lost, stream.duplicates), (10, 0, 2));
        assert_eq!((stream.scale, stream.jitter_mean), (cdr::Scale::NotSpeech, None));
    }
}

/// tshark reads late RTP after the re-INVITE to T.38 as T.38 (2010 packets), and mixes comfort
/// noise and events into jitter and gaps: it says 9.2 s where no gap is longer than 0.29 s.
#[test]
fn a_fax_call_s_rtp_is_whole() {
    let events =
        |_: &Key, payload_type| (payload_type >= 96).then(|| Codec::from_name("telephone-event"));
    let Some(case) = read("FAX-Call-t38", events) else { return };
    let figures: HashMap<u32, _> = case
        .streams
        .iter()
        .map(|((.., ssrc), it)| (*ssrc, (it.packets, it.lost, it.delta_max, it.payload_type)))
        .collect();
    assert_eq!(figures[&0x17d9_0134], (3147, 0, Some(286_074), 8));
    assert_eq!(figures[&0x0eaf_0eaf], (1838 + 2010, 0, Some(173_431), 8));
}
