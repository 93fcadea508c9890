//! Capture files that are cut, damaged, or no captures.

use std::io::{Cursor, Read};
use std::path::Path;

use proptest::prelude::*;
use ringside_sensor::analysis::Analysis;
use ringside_sensor::capture::file::{FileError, FileSource};
use ringside_sensor::limits::{FILE_BUFFER_BYTES, MAX_FILE_BLOCK};

use crate::network::settings;

const PCAP_HEAD: usize = 24;

/// A pcapng file's section header.
const SECTION_HEAD: usize = 28;

/// The same and one interface description.
const PCAPNG_HEADS: usize = 60;

/// Places that are tried in a large file.
const SAMPLES: usize = 60;

/// Frames that were read, calls that were recorded, and how it ended.
fn analyse(file: Vec<u8>) -> (usize, usize, Result<(), FileError>) {
    let mut analysis = Analysis::new(settings(1));
    let (frames, result) = read(file, &mut analysis);
    analysis.finish();
    (frames, core::iter::from_fn(|| analysis.poll_record()).count(), result)
}

fn read(file: Vec<u8>, analysis: &mut Analysis) -> (usize, Result<(), FileError>) {
    let mut frames = 0;
    let result = FileSource::from_reader(Cursor::new(file)).and_then(|mut source| {
        while let Some(frame) = source.next_frame()? {
            frames += 1;
            analysis.handle_frame(&frame);
        }
        Ok(())
    });
    (frames, result)
}

fn packed(case: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/captures");
    std::fs::read(folder.join(case).join("input.pcap.gz")).unwrap()
}

fn unpacked(case: &str) -> Vec<u8> {
    let mut file = Vec::new();
    flate2::read::GzDecoder::new(&packed(case)[..]).read_to_end(&mut file).unwrap();
    file
}

/// The records of a little-endian pcap file in microseconds: seconds, fraction, lengths, frame.
fn records(pcap: &[u8]) -> Vec<([u32; 4], &[u8])> {
    let mut left = &pcap[24..];
    let mut records = Vec::new();
    while !left.is_empty() {
        let number = |at: usize| u32::from_le_bytes(left[at..at + 4].try_into().unwrap());
        let head = [number(0), number(4), number(8), number(12)];
        let (record, rest) = left.split_at(16 + head[2] as usize);
        records.push((head, &record[16..]));
        left = rest;
    }
    records
}

/// The same capture, big-endian and in nanoseconds.
fn nanoseconds(pcap: &[u8]) -> Vec<u8> {
    let mut file = Vec::new();
    for number in [0xa1b2_3c4d, 0x0002_0004, 0, 0, 65_535, 1u32] {
        file.extend(number.to_be_bytes());
    }
    for ([seconds, micros, captured, original], frame) in records(pcap) {
        for number in [seconds, micros * 1000, captured, original] {
            file.extend(number.to_be_bytes());
        }
        file.extend(frame);
    }
    file
}

/// The same capture as pcapng, a block that nobody reads after every packet.
fn pcapng(pcap: &[u8]) -> Vec<u8> {
    let mut file = Vec::new();
    let mut block = |kind: u32, body: &[u8]| {
        let padding = body.len().wrapping_neg() % 4;
        let total = u32::try_from(12 + body.len() + padding).unwrap().to_le_bytes();
        file.extend([&kind.to_le_bytes(), &total, body, &[0; 3][..padding], &total].concat());
    };
    let numbers = |all: &[u32]| all.iter().flat_map(|number| number.to_le_bytes()).collect();
    let section: Vec<u8> = numbers(&[0x1a2b_3c4d, 1, u32::MAX, u32::MAX]);
    block(0x0a0d_0d0a, &section);
    block(1, &[1, 0, 0, 0, 0, 0, 4, 0, 9, 0, 1, 0, 6, 0, 0, 0, 0, 0, 0, 0]);
    for ([seconds, micros, captured, original], frame) in records(pcap) {
        let ticks = u64::from(seconds) * 1_000_000 + u64::from(micros);
        let (high, low) = ((ticks >> 32) as u32, (ticks & 0xffff_ffff) as u32);
        let mut body: Vec<u8> = numbers(&[0, high, low, captured, original]);
        body.extend(frame);
        block(6, &body);
        block(0x0bad, &[7; 5]);
    }
    file
}

/// Whatever the place of the cut, the frames before it are read and the cut is told.
fn assert_every_cut_is_told(name: &str, file: &[u8], places: impl Iterator<Item = usize>) {
    let (all, calls, result) = analyse(file.to_vec());
    assert!(all > 0 && calls > 0 && result.is_ok(), "{name}: {result:?}");
    let mut before = 0;
    let mut analysis = Analysis::new(settings(1));
    for len in places {
        let (frames, result) = read(file[..len].to_vec(), &mut analysis);
        while analysis.poll_record().is_some() {}
        let is_told = match result {
            // The head alone is a capture of nothing.
            Ok(()) => frames > 0 || [PCAP_HEAD, SECTION_HEAD, PCAPNG_HEADS].contains(&len),
            Err(FileError::Truncated { .. }) => true,
            Err(FileError::Empty) => len == 0,
            Err(FileError::NotACapture) => len < 4,
            Err(_) => false,
        };
        assert!(is_told && frames >= before && frames <= all, "{name}: {len} bytes");
        before = frames;
    }
    assert_eq!(before, all, "{name}");
}

#[test]
fn a_small_capture_cut_at_every_byte() {
    let pcap = unpacked("busy");
    for (name, file) in [
        ("pcap", pcap.clone()),
        ("pcap, nanoseconds, big-endian", nanoseconds(&pcap)),
        ("pcapng", pcapng(&pcap)),
        ("pcap, gzipped", packed("busy")),
    ] {
        assert_every_cut_is_told(name, &file, 0..=file.len());
    }
}

#[test]
fn every_capture_cut_at_some_bytes() {
    for case in ["clean", "tcp", "ipv6", "auth", "late"] {
        let pcap = unpacked(case);
        for (name, file) in [("pcap", pcap.clone()), ("pcapng", pcapng(&pcap))] {
            let step = file.len() / SAMPLES - 1;
            let places = (step..file.len()).step_by(step).chain([file.len()]);
            assert_every_cut_is_told(&format!("{case}, {name}"), &file, places);
        }
    }
}

#[test]
fn formats_of_one_capture_give_the_same_calls() {
    for case in ["clean", "tcp"] {
        let pcap = unpacked(case);
        let (frames, calls, _) = analyse(pcap.clone());
        for file in [nanoseconds(&pcap), pcapng(&pcap), packed(case)] {
            let (other_frames, other_calls, result) = analyse(file);
            assert!(result.is_ok());
            assert_eq!((other_frames, other_calls), (frames, calls));
        }
    }
}

#[test]
fn a_gzip_stream_that_unpacks_without_end_takes_no_more_memory() {
    use std::io::Write;
    let mut file = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    let head = unpacked("busy");
    file.write_all(&pcapng(&head)).unwrap();
    // A block of 256 MiB that is passed over.
    file.write_all(&[&[0xad, 0x0b, 0, 0][..], &(1u32 << 28).to_le_bytes()].concat()).unwrap();
    for _ in 0..256 {
        file.write_all(&vec![0; 1 << 20]).unwrap();
    }
    let file = file.finish().unwrap();
    let mut source = FileSource::from_reader(Cursor::new(file)).unwrap();
    let info = allocation_counter::measure(|| while let Ok(Some(_)) = source.next_frame() {});
    assert!(info.bytes_max < FILE_BUFFER_BYTES as u64, "{info:?}");
}

#[test]
fn lengths_that_lie_are_errors() {
    let pcap = unpacked("busy");
    for len in [262_145u32, u32::MAX, 1 << 31] {
        let mut file = pcap.clone();
        file[24 + 8..24 + 12].copy_from_slice(&len.to_le_bytes());
        assert!(matches!(analyse(file).2, Err(FileError::TooLarge { .. })), "{len}");
    }
    for len in [0, 11, u32::try_from(MAX_FILE_BLOCK).unwrap() + 4, u32::MAX] {
        let mut file = pcapng(&pcap);
        file[4..8].copy_from_slice(&len.to_le_bytes());
        assert!(analyse(file).2.is_err(), "{len}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn random_bytes_are_no_capture(file: Vec<u8>) {
        prop_assert!(analyse(file).2.is_err());
    }

    #[test]
    fn random_bytes_behind_a_head_are_read_or_refused(rest: Vec<u8>) {
        let pcap = unpacked("busy");
        for (file, head) in [
            (pcap.clone(), PCAP_HEAD),
            (nanoseconds(&pcap), PCAP_HEAD),
            (pcapng(&pcap), PCAPNG_HEADS),
        ] {
            let mut file = file[..head].to_vec();
            file.extend(&rest);
            // What it says is of no matter; that it says something is.
            let _ = analyse(file);
        }
    }

    #[test]
    fn a_capture_with_other_bytes_in_some_places_is_read_or_refused(
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..20),
    ) {
        let pcap = unpacked("busy");
        for mut file in [pcap.clone(), nanoseconds(&pcap), pcapng(&pcap), packed("busy")] {
            for (at, byte) in &changes {
                let len = file.len();
                file[at.index(len)] = *byte;
            }
            let _ = analyse(file);
        }
    }
}
