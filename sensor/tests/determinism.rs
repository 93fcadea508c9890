//! The same capture gives the same records to the byte: however the file is read, whatever the
//! seed of the hashes, in one file or two, on every architecture.
//!
//! `tests/captures/DIGEST` holds one SHA-256 over the JSON of all own captures. The same test
//! binary, built for aarch64 and run there (or under qemu), compares with the same file. `BLESS=1`
//! writes it anew; look at the difference of the `expected.json` files before it is committed.

mod network;

use std::fmt::Write;
use std::io::{self, Cursor, Read};
use std::path::{Path, PathBuf};

use ringside_protocol::json;
use ringside_sensor::analysis::{Ahead, Analysis};
use ringside_sensor::capture::file::FileSource;
use ringside_sensor::decode::media;

use network::settings;

/// A reader that gives as many bytes at a time as it is told, and then begins anew.
struct Pieces {
    file: Cursor<Vec<u8>>,
    lens: Vec<usize>,
    next: usize,
}

impl Read for Pieces {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let len = self.lens[self.next % self.lens.len()].min(room.len());
        self.next += 1;
        self.file.read(&mut room[..len])
    }
}

fn captures() -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/captures");
    let mut cases: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    let read = |case: PathBuf| {
        let packed = std::fs::read(case.join("input.pcap.gz")).ok()?;
        let mut file = Vec::new();
        flate2::read::GzDecoder::new(&packed[..]).read_to_end(&mut file).unwrap();
        Some((case.file_name()?.to_str()?.to_owned(), file))
    };
    let captures: Vec<_> = cases.into_iter().filter_map(read).collect();
    assert!(captures.len() >= 20, "only {} captures", captures.len());
    captures
}

/// The records of files that follow each other, a line of JSON each.
fn analyse(files: Vec<Vec<u8>>, lens: &[usize], seed: u64) -> String {
    let mut analysis = Analysis::new(settings(seed));
    let mut lines = String::new();
    let mut write = |analysis: &mut Analysis| {
        while let Some(record) = analysis.poll_record() {
            writeln!(lines, "{}", json::record(&record, None)).unwrap();
        }
    };
    for file in files {
        let pieces = Pieces { file: Cursor::new(file), lens: lens.to_vec(), next: 0 };
        let mut source = FileSource::from_reader(pieces).unwrap();
        while let Some(frame) = source.next_frame().unwrap() {
            analysis.handle_frame(&frame);
            write(&mut analysis);
        }
    }
    analysis.finish();
    write(&mut analysis);
    lines
}

/// The same, prepared for what comes next before each frame, as `analyze` does now and then.
fn analyse_prepared(file: &[u8]) -> String {
    let mut analysis = Analysis::new(settings(1));
    let mut source = FileSource::from_reader(Cursor::new(file.to_vec())).unwrap();
    let mut lines = String::new();
    loop {
        let mut flows = Ahead::new();
        source.look_ahead(flows.capacity(), |link_type, bytes| {
            let _ = media::glance(link_type, bytes).map(|flow| flows.push(flow));
        });
        analysis.prepare(&flows);
        let Some(frame) = source.next_frame().unwrap() else { break };
        analysis.handle_frame(&frame);
    }
    analysis.finish();
    while let Some(record) = analysis.poll_record() {
        writeln!(lines, "{}", json::record(&record, None)).unwrap();
    }
    lines
}

/// As most read it: large pieces, seed 1.
fn usual(file: &[u8]) -> String {
    analyse(vec![file.to_vec()], &[1 << 20], 1)
}

#[test]
fn however_a_file_is_read() {
    for (case, file) in captures() {
        let expected = usual(&file);
        for lens in [&[1][..], &[3, 1, 4, 1, 5, 92, 653, 5, 8979], &[65_536, 1]] {
            assert_eq!(analyse(vec![file.clone()], lens, 1), expected, "{case}: {lens:?}");
        }
    }
}

#[test]
fn whether_or_not_it_was_prepared_for_what_comes() {
    for (case, file) in captures() {
        assert_eq!(analyse_prepared(&file), usual(&file), "{case}");
    }
}

#[test]
fn whatever_the_seed_of_the_hashes() {
    for (case, file) in captures() {
        let expected = usual(&file);
        for seed in [0, 2, 0xdead_beef, u64::MAX] {
            assert_eq!(analyse(vec![file.clone()], &[4096], seed), expected, "{case}: seed {seed}");
        }
    }
}

#[test]
fn in_one_file_or_in_two() {
    for (case, file) in captures() {
        let expected = usual(&file);
        let (head, records) = file.split_at(24);
        let mut ends = Vec::new();
        let mut at = 0;
        while at < records.len() {
            let len = u32::from_le_bytes(records[at + 8..at + 12].try_into().unwrap());
            at += 16 + len as usize;
            ends.push(at);
        }
        for index in [0, ends.len() / 3, ends.len() / 2, ends.len() - 2] {
            let (first, second) = records.split_at(ends[index]);
            let files = vec![[head, first].concat(), [head, second].concat()];
            assert_eq!(analyse(files, &[4096], 1), expected, "{case}: behind frame {index}");
        }
    }
}

#[test]
fn calls_at_once_leave_in_the_same_order() {
    // All captures of one link type as one: their times follow each other or overlap.
    let mut all = Vec::new();
    for (_, file) in captures() {
        all.push(file);
    }
    let expected = analyse(all.clone(), &[4096], 1);
    for seed in [7, 8, 9] {
        assert_eq!(analyse(all.clone(), &[4096], seed), expected, "seed {seed}");
    }
}

/// The one that is compared between architectures.
#[test]
fn digest() {
    let mut context = ring::digest::Context::new(&ring::digest::SHA256);
    for (case, file) in captures() {
        context.update(case.as_bytes());
        context.update(b"\n");
        context.update(usual(&file).as_bytes());
    }
    let digest = data_encoding::HEXLOWER.encode(context.finish().as_ref());
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/captures/DIGEST");
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, digest.clone() + "\n").unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap();
    println!("{digest} on {}", std::env::consts::ARCH);
    assert_eq!(digest, expected.trim_end());
}
