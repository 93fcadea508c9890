//! What a record costs between sensor and cloud: the bytes that a connection between the two programs
//! carries, both ways, TLS and HTTP included, less what it carries without the records.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ringside_protocol::cdr::{Boot, Fingerprint};
use ringside_protocol::message::MAX_BATCH_RECORDS;
use ringside_protocol::record::Record;
use ringside_protocol::time::UnixMicros;
use ringside_sensor::store::outbox::{Outbox, OutboxSettings};
use ringside_tests::captures::{recent, write_file};
use ringside_tests::cloud::Cloud;
use ringside_tests::folder::Folder;
use ringside_tests::proxy::Proxy;
use ringside_tests::records;
use ringside_tests::sensor::Sensor;

/// Records in the batch that is measured.
const RECORDS: u64 = 100;

/// Puts records into the outbox of `sensor`, which does not run.
fn fill(sensor: &Sensor, boot: u8, records: Vec<Record>) {
    let settings = OutboxSettings {
        max_bytes: 64 << 20,
        device: Fingerprint([0; 16]),
        boot: Boot([boot; 16]),
        clock: None,
        journal: None,
    };
    let outbox = Outbox::open(&sensor.data(), settings).expect("an outbox");
    let count = records.len() as u64;
    for record in records {
        outbox.push(record);
    }
    outbox.flush();
    assert_eq!(outbox.figures().cdrs, count);
}

/// Long enough ago that all calls have ended.
fn hours_ago() -> UnixMicros {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970");
    let hours_ago = now.saturating_sub(Duration::from_secs(7200)).as_micros();
    UnixMicros(hours_ago.try_into().expect("it is before the year 500,000"))
}

/// Bytes that each of 100 records adds to a session; `make` makes so many, the same ones each time.
fn bytes_a_record(boot: u8, make: impl Fn(u64) -> Vec<Record>) -> u64 {
    let (cloud, folder) = (Cloud::start(), Folder::new());
    let proxy = Proxy::start(cloud.sensors);
    let sensor = Sensor::joined("wire", &cloud.token_for(&format!("localhost:{}", proxy.port)));
    let (no_calls, _) = write_file(&folder, &recent(0, 0, 1, 1));
    let carried_by_a_session = |records: u64| {
        fill(&sensor, boot, make(records));
        let before = proxy.carried().len();
        let mut process = sensor.run(Some(&no_calls), "max");
        assert!(process.wait().success(), "{}", process.written());
        // The next one is the long poll's.
        proxy.carried()[before]
    };
    // A full batch goes first, so that handshake and heartbeats are in both.
    let first = MAX_BATCH_RECORDS as u64;
    let with = carried_by_a_session(first + RECORDS);
    let without = carried_by_a_session(first);
    (with - without).div_ceil(RECORDS)
}

fn calls_of(seconds: u64) -> impl Fn(u64) -> Vec<Record> {
    let began = hours_ago();
    move |count| records::calls(count, seconds, began).into_iter().map(Record::from).collect()
}

#[test]
fn a_call_of_thirty_seconds_takes_at_most_250_bytes() {
    let bytes = bytes_a_record(1, calls_of(30));
    println!("30 s calls: {bytes} bytes a call");
    assert!(bytes <= 250, "{bytes} bytes a call");
}

#[test]
fn an_hour_with_all_its_intervals_takes_at_most_4_kib() {
    let bytes = bytes_a_record(2, calls_of(3600));
    println!("1 h calls: {bytes} bytes a call");
    assert!(bytes <= 4096, "{bytes} bytes a call");
}

#[test]
fn an_hour_of_a_registration_takes_at_most_200_bytes() {
    let began = hours_ago();
    let bytes = bytes_a_record(3, |count| {
        records::registrations(count, began).into_iter().map(Record::from).collect()
    });
    println!("registrations: {bytes} bytes an hour");
    assert!(bytes <= 200, "{bytes} bytes an hour");
}

#[test]
fn an_hour_of_a_peer_relation_takes_at_most_80_bytes() {
    let began = hours_ago();
    let bytes = bytes_a_record(4, |count| {
        records::peers(count, began).into_iter().map(Record::from).collect()
    });
    println!("peer relations: {bytes} bytes an hour");
    assert!(bytes <= 80, "{bytes} bytes an hour");
}
