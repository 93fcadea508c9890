//! Real captures, read to their end: as many frames as capinfos counts, and in those whose SIP
//! comes in unusual wrappings as many SIP messages as tshark finds.
//!
//! The captures are not part of the source tree; without them these tests say so and pass.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use ringside_protocol::counters::Counter;
use ringside_sensor::capture::file::FileSource;
use ringside_sensor::counters::Counters;
use ringside_sensor::decode::{Datagram, Decoder, DecoderSettings, Options};
use ringside_sensor::wire::sip;
use serde_json::Value;

/// The folder of captures, beside the workspace.
fn captures() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/captures");
    if folder.is_dir() {
        return Some(folder);
    }
    println!("skipped: there are no captures in ../shared/captures");
    None
}

/// What is known of a capture.
fn truth(capture: &Path) -> Value {
    let mut name = capture.as_os_str().to_owned();
    name.push(".gt.json");
    let text = std::fs::read(&name).expect("a file of facts beside the capture");
    serde_json::from_slice(&text).expect("JSON")
}

#[derive(Default)]
struct Read {
    frames: u64,
    sip_messages: u64,
    /// When the first of them was captured, in microseconds since the epoch.
    first_sip_at: Option<u64>,
    vlans: BTreeSet<u16>,
    counters: Counters,
}

fn read(capture: &Path) -> Read {
    let mut file = FileSource::open(capture).expect("a capture");
    let mut decoder = Decoder::new(DecoderSettings {
        sip_ports: "5060".parse().expect("a port"),
        options: Options::default(),
        framing: sip::framing,
        seed: 1,
    });
    let mut read = Read::default();
    let (mut sip_messages, mut first_sip_at, mut vlans) = (0, None, BTreeSet::new());
    let mut sink = |datagram: &Datagram<'_>, _: &mut Counters| {
        if sip::looks_like_sip(datagram.payload) {
            sip_messages += 1;
            first_sip_at.get_or_insert(datagram.at.as_micros());
        }
        vlans.extend(datagram.vlan);
    };
    while let Some(frame) = file.next_frame().expect("a whole capture") {
        read.frames += 1;
        decoder.handle_frame(&frame, &mut read.counters, &mut sink);
    }
    Read { sip_messages, first_sip_at, vlans, ..read }
}

#[test]
fn every_frame_of_every_capture_is_read() {
    let Some(folder) = captures() else { return };
    let is_capture = |path: &PathBuf| {
        path.extension().is_some_and(|end| end == "pcap" || end == "pcapng" || end == "gz")
    };
    let entries = std::fs::read_dir(folder).expect("readable");
    let files = entries.map(|entry| entry.expect("readable").path()).filter(is_capture);
    for path in files {
        let frames = truth(&path)["capture"]["Number of packets"]
            .as_str()
            .and_then(|number| number.parse::<u64>().ok())
            .expect("a number");
        let read = read(&path);
        assert_eq!(read.frames, frames, "{}", path.display());
        assert_eq!(read.counters.of(Counter::FramesSeen), frames, "{}", path.display());
    }
}

/// Fragments, TCP, VLAN tags, a short snap length, nanoseconds, two taps in one file, raw IP, gzip,
/// cooked frames, BSD loopback, IPv6, records out of order; GRE, ERSPAN, VXLAN, GTP-U, PPPoE, HEP
/// alone and beside what it copies, WebSocket.
const UNUSUAL: [&str; 26] = [
    "s20_fragments.pcap",
    "s21_tcp.pcap",
    "b14_tcp.pcap",
    "sv-tcp.pcap",
    "d01_vlan.pcap",
    "d07_snap96.pcap",
    "d08_nanosecond.pcap",
    "d09_two_taps.pcapng",
    "d11_rawip.pcap",
    "d12_gzip.pcap.gz",
    "d13_record_order.pcap",
    "h263-over-rtp.pcap",
    "k10_any_cooked.pcap",
    "s22_ipv6.pcap",
    "vega1.pcap",
    "zeek-long-paths.pcap",
    "d03_gre.pcap",
    "d04_erspan2.pcap",
    "d06_vxlan.pcap",
    "arkime-gtp-ims.pcap",
    "heplify-ipip0.pcap",
    "ppp-sip-reqs.pcap",
    "hep3.pcap",
    "k06_hep3.pcap",
    "k06_hep3-sip.pcap",
    "k08_websocket_webrtc.pcap",
];

#[test]
fn sip_comes_out_of_every_wrapping() {
    let Some(folder) = captures() else { return };
    for name in UNUSUAL {
        let path = folder.join(name);
        let truth = truth(&path);
        let messages = truth["sip_messages"].as_u64().expect("a number");
        assert!(messages > 0, "{name}");
        let read = read(&path);
        assert_eq!(read.sip_messages, messages, "{name}");

        let calls = truth["calls"].as_array().expect("calls").iter();
        let first = calls.filter_map(|call| call["first_time"].as_f64()).fold(f64::MAX, f64::min);
        let ours = read.first_sip_at.expect("a message") as f64;
        assert!((ours - first * 1e6).abs() < 2.0, "{name}: {ours} instead of {first}");
    }
}

#[test]
fn what_is_special_about_a_capture_shows() {
    let Some(folder) = captures() else { return };
    let read = |name| read(&folder.join(name));
    assert_eq!(read("d01_vlan.pcap").vlans, BTreeSet::from([100]));
    let fragments = read("s20_fragments.pcap");
    assert_eq!(fragments.counters.of(Counter::Fragments), 2);
    assert_eq!(fragments.counters.of(Counter::FragmentsBad), 0);
    assert!(read("d07_snap96.pcap").counters.of(Counter::Truncated) > 2500);
    for (name, counter, count) in [
        ("d03_gre.pcap", Counter::Tunnelled, 432),
        ("d04_erspan2.pcap", Counter::Tunnelled, 1840),
        ("d06_vxlan.pcap", Counter::Tunnelled, 1858),
        ("arkime-gtp-ims.pcap", Counter::Tunnelled, 106),
        ("hep3.pcap", Counter::HepOther, 2),
        ("k06_hep3.pcap", Counter::HepMessages, 14),
        ("k06_hep3-sip.pcap", Counter::HepCopies, 14),
        ("k08_websocket_webrtc.pcap", Counter::WebSocketConnections, 1),
    ] {
        let counters = read(name).counters;
        assert_eq!(counters.of(counter), count, "{name}");
        for bad in [
            Counter::BadEncapsulation,
            Counter::HepBad,
            Counter::WebSocketBad,
            Counter::WebSocketCompressed,
        ] {
            assert_eq!(counters.of(bad), 0, "{name} {}", bad.name());
        }
    }
    for name in ["s21_tcp.pcap", "b14_tcp.pcap", "sv-tcp.pcap"] {
        let counters = read(name).counters;
        assert_eq!(counters.of(Counter::TcpGaps), 0, "{name}");
        assert_eq!(counters.of(Counter::TcpSkippedBytes), 0, "{name}");
    }
}
