//! The program itself, as somebody at a terminal meets it.

use std::process::{Command, Output};

const COMMANDS: &[&str] = &[
    "run",
    "analyze",
    "doctor",
    "enrol",
    "config",
    "store",
    "upgrade",
    "install",
    "slots",
    "provision",
    "version",
];

fn sensor(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ringside-sensor")).args(arguments).output().expect("it runs")
}

const CAPTURE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/captures/clean/input.pcap.gz");

#[test]
fn analyze_tells_of_a_file_that_it_cannot_open_and_reads_the_others() {
    let whole = sensor(&["analyze", "--format", "json", CAPTURE]);
    assert!(whole.status.success() && !whole.stdout.is_empty(), "{whole:?}");
    for files in [["/nowhere/a.pcap", CAPTURE], [CAPTURE, "/nowhere/a.pcap"]] {
        let some = sensor(&[&["analyze", "--format", "json"][..], &files].concat());
        assert_eq!(some.status.code(), Some(1), "somebody who waits for its end must see it");
        assert_eq!(without_ids(&some.stdout), without_ids(&whole.stdout));
        let told = String::from_utf8(some.stderr).expect("text");
        assert!(told.contains("/nowhere/a.pcap"), "{told}");
    }
}

/// Each run draws a boot of its own.
fn without_ids(json: &[u8]) -> Vec<serde_json::Value> {
    let mut records = Vec::new();
    for line in serde_json::Deserializer::from_slice(json).into_iter::<serde_json::Value>() {
        let mut record = line.expect("JSON");
        record.as_object_mut().expect("a record").remove("id");
        records.push(record);
    }
    assert!(!records.is_empty());
    records
}

#[test]
fn a_capture_that_is_none_is_told_with_its_name() {
    let told = sensor(&["analyze", concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")]);
    assert_eq!(told.status.code(), Some(1));
    assert!(told.stdout.is_empty(), "no table without a file");
    let sentence = String::from_utf8(told.stderr).expect("text");
    assert!(sentence.contains("Cargo.toml: "), "{sentence}");
}

#[test]
fn every_command_answers_when_asked_for_help() {
    let usage = sensor(&["--help"]).stdout;
    assert!(!usage.is_empty());
    for command in COMMANDS {
        for word in ["--help", "-h"] {
            let answer = sensor(&[command, word]);
            assert!(answer.status.success(), "{command} {word}: {answer:?}");
            assert_eq!(answer.stdout, usage, "{command} {word}");
        }
    }
}
