//! The sound of real calls, from a capture through the store: every sample of both sides against a
//! plain decoder of G.711 written for this test, and the gaps against what the impairing switch
//! dropped. Reads `../shared/captures`; a clone alone has no such folder, and the test says so.

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use common::settings;
use ringside_protocol::cdr::{Boot, Fingerprint};
use ringside_protocol::rule::Rule;
use ringside_sensor::analysis::Analysis;
use ringside_sensor::audio::{self, MarkKind, Sound};
use ringside_sensor::call::dialog::Side;
use ringside_sensor::capture::file::FileSource;
use ringside_sensor::keep::{Keeper, Origin};
use ringside_sensor::rules::{NumberedRule, RuleBook};
use ringside_sensor::store::ring::catalog::Catalog;
use ringside_sensor::store::ring::{Ring, RingSettings};
use serde_json::Value;

/// A folder that goes with its test.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        // What is left of it does no harm.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn captures() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/captures");
    if !folder.is_dir() {
        println!("skipped: ../shared/captures is not there (a clone alone)");
        return None;
    }
    Some(folder)
}

/// The sound of a file's first call that a rule keeps, through a store of its own.
fn sound(file: &Path, rule: &str) -> (Folder, Sound) {
    let name = format!("ringside-audio-{}-{}", file.display(), std::process::id());
    let folder =
        Folder(std::env::temp_dir().join(name.replace('/', "-") + &rule.len().to_string()));
    let ring = Ring::open(RingSettings {
        directory: folder.0.clone(),
        max_bytes: 64 << 20,
        max_days: None,
        device: Fingerprint([3; 16]),
        boot: Boot([7; 16]),
        device_key: None,
        waits: true,
        parks_for: None,
    })
    .unwrap();
    let rule = Rule::parse(rule).unwrap();
    let book = RuleBook::compile(vec![NumberedRule { id: 1, rule }]).unwrap();
    let mut analysis = Analysis::new(settings());
    analysis.set_keeper(Keeper::new(book, Some(ring), Origin::default()));
    let mut source = FileSource::open(file).unwrap();
    while let Some(frame) = source.next_frame().unwrap() {
        analysis.handle_frame(&frame);
        while analysis.poll_record().is_some() {}
    }
    analysis.finish();
    while analysis.poll_record().is_some() {}
    drop(analysis);
    let catalog = Catalog::read(&folder.0, None).unwrap();
    let (call, _, _) = catalog.kept().next().expect("the rule keeps the call");
    let sound = audio::open(&catalog, call).unwrap();
    (folder, sound)
}

/// One stream of G.711 as anybody reads it off Ethernet and IPv4: payloads by timestamp since the
/// first, the numbers that came.
#[derive(Default)]
struct Plain {
    payload_type: u8,
    first: u32,
    payloads: BTreeMap<u32, Vec<u8>>,
    numbers: BTreeSet<u16>,
}

fn plain(file: &Path, src: &str) -> Plain {
    let mut source = FileSource::open(file).unwrap();
    let mut plain = Plain::default();
    while let Some(frame) = source.next_frame().unwrap() {
        let bytes = frame.bytes;
        if bytes.len() < 54 || bytes[12..15] != [8, 0, 0x45] || bytes[23] != 17 {
            continue;
        }
        let port = u16::from_be_bytes([bytes[34], bytes[35]]);
        let own = format!("{}.{}.{}.{}:{port}", bytes[26], bytes[27], bytes[28], bytes[29]);
        let rtp = &bytes[42..];
        if own != src || rtp[0] != 0x80 || !matches!(rtp[1] & 0x7f, 0 | 8) {
            continue;
        }
        let timestamp = u32::from_be_bytes([rtp[4], rtp[5], rtp[6], rtp[7]]);
        if plain.payloads.is_empty() {
            (plain.payload_type, plain.first) = (rtp[1] & 0x7f, timestamp);
        }
        plain.numbers.insert(u16::from_be_bytes([rtp[2], rtp[3]]));
        let place = timestamp.wrapping_sub(plain.first);
        plain.payloads.entry(place).or_insert_with(|| rtp[12..].to_vec());
    }
    plain
}

impl Plain {
    /// With silence where nothing came.
    fn samples(&self) -> Vec<i16> {
        let mut samples = Vec::new();
        for (&place, payload) in &self.payloads {
            samples.resize(place as usize, 0);
            samples.extend(payload.iter().map(|&code| expand(self.payload_type, code)));
        }
        samples
    }
}

/// G.711 by its formula: sign, segment, step.
fn expand(payload_type: u8, code: u8) -> i16 {
    let magnitude = |code: u8| (i32::from(code >> 4 & 7), i32::from(code & 15));
    let value = if payload_type == 0 {
        let (segment, step) = magnitude(!code);
        let value = ((2 * step + 33) << (segment + 2)) - 132;
        if code & 0x80 == 0 { -value } else { value }
    } else {
        let (segment, step) = magnitude(code ^ 0x55);
        let value = match segment {
            0 => 2 * step + 1,
            _ => (2 * step + 33) << (segment - 1),
        } << 3;
        if code & 0x80 == 0 { -value } else { value }
    };
    i16::try_from(value).unwrap()
}

fn channels(sound: &mut Sound) -> [Vec<i16>; 2] {
    let mut wav = Vec::new();
    sound.write_range(0..u64::MAX, &mut wav).unwrap();
    let frames = wav[44..].as_chunks::<4>().0;
    [0, 2].map(|at| frames.iter().map(|it| i16::from_le_bytes([it[at], it[at + 1]])).collect())
}

/// Where the plain samples stand in a channel.
fn place(channel: &[i16], plain: &[i16]) -> Option<usize> {
    (0..channel.len().saturating_sub(plain.len()) + 1)
        .find(|&at| channel[at..].starts_with(&plain[..plain.len().min(channel.len() - at)]))
}

#[test]
fn every_sample_is_that_of_a_plain_decoder_and_gaps_are_what_was_dropped() {
    let Some(folder) = captures() else { return };
    for (file, src) in [
        ("s01_clean_alaw", ["192.0.2.10:16000", "192.0.2.20:26000"]),
        ("s02_loss1", ["192.0.2.10:16000", "192.0.2.20:26000"]),
        ("s04_burstloss", ["192.0.2.10:16000", "192.0.2.20:26000"]),
        ("s05_jitter20", ["192.0.2.10:16000", "192.0.2.20:26000"]),
        ("s07_reorder", ["192.0.2.10:16000", "192.0.2.20:26000"]),
        ("s08_dup", ["192.0.2.10:16000", "192.0.2.20:26000"]),
        ("b09_g711_rtcp_loss", ["192.0.2.10:40008", "192.0.2.20:40002"]),
    ] {
        let path = folder.join(file).with_extension("pcap");
        let truth = std::fs::read(folder.join(file).with_extension("truth.json")).unwrap();
        let truth: Value = serde_json::from_slice(&truth).unwrap();
        let (_store, mut sound) = sound(&path, "keep sip, rtp, rtcp");
        let channels = channels(&mut sound);
        let overview = sound.overview().unwrap();
        for (side, (src, channel)) in
            [Side::Caller, Side::Callee].into_iter().zip(src.iter().zip(&channels))
        {
            let plain = plain(&path, src);
            assert!(plain.numbers.len() > 500, "{file} {src}: {}", plain.numbers.len());
            let samples = plain.samples();
            let at = place(channel, &samples);
            assert!(at.is_some_and(|at| at < 1600), "{file} {src} at {at:?}");
            let lost = overview
                .marks
                .iter()
                .filter(|mark| (mark.kind, mark.side) == (MarkKind::Loss, side));
            let lost: u32 = lost.map(|mark| mark.count).sum();
            let dropped =
                if side == Side::Caller { dropped(&truth, src, &plain.numbers) } else { 0 };
            assert_eq!(lost, dropped, "{file} {src}");
        }
    }
}

/// Numbers that the switch dropped between the first and the last that came.
fn dropped(truth: &Value, src: &str, came: &BTreeSet<u16>) -> u32 {
    let streams = truth["streams"].as_array().unwrap();
    let numbers = streams
        .iter()
        .filter(|it| it["src"] == src)
        .flat_map(|it| it["dropped_seqs"].as_array().unwrap().iter().filter_map(Value::as_u64));
    let (first, last) = (*came.first().unwrap(), *came.last().unwrap());
    let within = numbers.filter(|&number| u64::from(first) < number && number < u64::from(last));
    u32::try_from(within.collect::<BTreeSet<_>>().len()).unwrap()
}

#[test]
fn a_call_that_was_held_until_its_end_sounds_the_same() {
    let Some(folder) = captures() else { return };
    let path = folder.join("s04_burstloss.pcap");
    let (_one, mut kept) = sound(&path, "keep sip, rtp, rtcp");
    let (_two, mut held) = sound(&path, "keep sip, rtp, rtcp when loss > 1%");
    assert_eq!(kept.overview().unwrap(), held.overview().unwrap());
    assert!(channels(&mut kept) == channels(&mut held));
}

#[test]
fn srtp_with_keys_in_its_sip_is_heard() {
    let Some(folder) = captures() else { return };
    // On one side of the proxy it is SRTP, on the other RTP; both carry the same sound.
    let (_store, mut sound) = sound(&folder.join("k09_srtp_to_rtp.pcap"), "keep sip, rtp");
    for channel in channels(&mut sound) {
        assert!(channel.iter().filter(|sample| sample.unsigned_abs() > 1000).count() > 10_000);
    }
}

#[test]
fn hold_and_digits_are_marked() {
    let Some(folder) = captures() else { return };
    let (_store, mut held) = sound(&folder.join("s13_hold.pcap"), "keep sip, rtp");
    let marks = held.overview().unwrap().marks;
    assert!(marks.iter().any(|mark| mark.kind == MarkKind::Hold && mark.side == Side::Caller));
    let (_store, mut dialled) = sound(&folder.join("s14_dtmf2833.pcap"), "keep sip, rtp");
    let marks = dialled.overview().unwrap().marks;
    let digits = marks.iter().filter(|mark| mark.kind == MarkKind::Dtmf);
    let mut digits: Vec<_> = digits.map(|mark| mark.text.clone()).collect();
    let truth = std::fs::read(folder.join("s14_dtmf2833.pcap.gt.json")).unwrap();
    let truth: Value = serde_json::from_slice(&truth).unwrap();
    let truth = truth["dtmf_rfc2833"].as_array().unwrap().iter();
    let mut expected: Vec<_> = truth.map(|it| it["digit"].as_str().unwrap().to_owned()).collect();
    digits.sort();
    expected.sort();
    assert_eq!(digits, expected);
}
