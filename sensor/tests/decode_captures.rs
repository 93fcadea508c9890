//! Real captures, read to their end: as many frames as capinfos counts, and in those whose SIP
//! comes in unusual wrappings as many SIP messages as tshark finds.
//!
//! The captures are not part of the source tree; without them these tests say so and pass.

use std::path::{Path, PathBuf};

use ringside_protocol::counters::Counter;
use ringside_sensor::capture::file::{FileError, FileSource};
use ringside_sensor::counters::Counters;
use ringside_sensor::decode::{Datagram, Decoder, DecoderSettings};
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
    datagrams: u64,
    vlans: Vec<u16>,
    counters: Counters,
}

fn read(capture: &Path) -> Read {
    let mut file = FileSource::open(capture).expect("a capture");
    let mut decoder = Decoder::new(DecoderSettings {
        sip_ports: "5060".parse().expect("a port"),
        framing: sip::framing,
        seed: 1,
    });
    let mut read = Read::default();
    let (mut sip_messages, mut datagrams, mut vlans) = (0, 0, Vec::new());
    let mut sink = |datagram: &Datagram<'_>, _: &mut Counters| {
        datagrams += 1;
        sip_messages += u64::from(sip::looks_like_sip(datagram.payload));
        vlans.extend(datagram.vlan);
    };
    loop {
        match file.next_frame() {
            Ok(Some(frame)) => {
                read.frames += 1;
                decoder.handle_frame(&frame, &mut read.counters, &mut sink);
            }
            Ok(None) => break,
            Err(FileError::Truncated { .. }) => {}
            Err(error) => panic!("{}: {error}", capture.display()),
        }
    }
    vlans.sort_unstable();
    vlans.dedup();
    Read { sip_messages, datagrams, vlans, ..read }
}

#[test]
fn every_frame_of_every_capture_is_read() {
    let Some(folder) = captures() else { return };
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .expect("readable")
        .map(|entry| entry.expect("readable").path())
        .filter(|path| {
            path.extension().is_some_and(|end| end == "pcap" || end == "pcapng" || end == "gz")
        })
        .collect();
    files.sort();
    assert!(files.len() > 90, "{} captures", files.len());
    for path in files {
        let facts = truth(&path);
        let frames: u64 =
            facts["capture"]["Number of packets"].as_str().expect("known").parse().expect("number");
        let read = read(&path);
        println!(
            "{}: {} datagrams, {} sip (tshark {}) {:?}",
            path.file_name().unwrap().display(),
            read.datagrams,
            read.sip_messages,
            facts["sip_messages"],
            read.counters.non_zero().map(|(c, n)| (c.name(), n)).collect::<Vec<_>>()
        );
        assert_eq!(read.frames, frames, "{}", path.display());
        assert_eq!(read.counters.of(Counter::FramesSeen), frames, "{}", path.display());
    }
}
