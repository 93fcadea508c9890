//! What a call costs between sensor and cloud: the bytes that a connection between the two programs
//! carries, both ways, TLS and HTTP included, less what it carries without the calls.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ringside_protocol::cdr::{Boot, Fingerprint};
use ringside_protocol::message::MAX_BATCH_CDRS;
use ringside_protocol::time::UnixMicros;
use ringside_sensor::store::outbox::{Outbox, OutboxSettings};
use ringside_tests::captures::{recent, write_file};
use ringside_tests::cloud::Cloud;
use ringside_tests::folder::Folder;
use ringside_tests::proxy::Proxy;
use ringside_tests::records;
use ringside_tests::sensor::Sensor;

/// Calls in the batch that is measured.
const CALLS: u64 = 100;

/// Puts `count` calls of `seconds` into the outbox of `sensor`, which does not run.
fn fill(sensor: &Sensor, boot: u8, count: u64, seconds: u64) {
    let settings = OutboxSettings {
        max_bytes: 64 << 20,
        device: Fingerprint([0; 16]),
        boot: Boot([boot; 16]),
        clock: None,
        journal: None,
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970");
    let hours_ago = now.saturating_sub(Duration::from_secs(7200)).as_micros();
    let began = UnixMicros(hours_ago.try_into().expect("it is before the year 500,000"));
    let outbox = Outbox::open(&sensor.data(), settings).expect("an outbox");
    for cdr in records::calls(count, seconds, began) {
        outbox.push(cdr);
    }
    outbox.flush();
    assert_eq!(outbox.figures().cdrs, count);
}

/// Bytes that a call of `seconds` adds to a session.
fn bytes_a_call(boot: u8, seconds: u64) -> u64 {
    let (cloud, folder) = (Cloud::start(), Folder::new());
    let proxy = Proxy::start(cloud.sensors);
    let sensor = Sensor::joined("wire", &cloud.token_for(&format!("localhost:{}", proxy.port)));
    let (no_calls, _) = write_file(&folder, &recent(0, 0, 1, 1));
    let carried_by_a_session = |records: u64| {
        fill(&sensor, boot, records, seconds);
        let before = proxy.carried().len();
        let mut process = sensor.run(Some(&no_calls), "max");
        assert!(process.wait().success(), "{}", process.written());
        // The next one is the long poll's.
        proxy.carried()[before]
    };
    // A full batch goes first, so that handshake and heartbeats are in both.
    let first = MAX_BATCH_CDRS as u64;
    let with = carried_by_a_session(first + CALLS);
    let without = carried_by_a_session(first);
    assert_eq!(cloud.api().calls().len() as u64, first + CALLS, "all of them are in the cloud");
    (with - without).div_ceil(CALLS)
}

#[test]
fn a_call_of_thirty_seconds_takes_at_most_400_bytes() {
    let bytes = bytes_a_call(1, 30);
    println!("30 s calls: {bytes} bytes a call");
    assert!(bytes <= 400, "{bytes} bytes a call");
}

#[test]
fn an_hour_with_all_its_intervals_takes_at_most_4_kib() {
    let bytes = bytes_a_call(2, 3600);
    println!("1 h calls: {bytes} bytes a call");
    assert!(bytes <= 4096, "{bytes} bytes a call");
}
