//! Records committed in a second, in batches of 100. Prints a figure; fails only when nothing is
//! kept. Run it in release mode: `cargo test --release -p ringside-cloud --test throughput --
//! --nocapture`.

use std::time::{Duration, Instant};

use ringside_cloud::db::Db;
use ringside_protocol::cdr::*;
use ringside_protocol::message::Batch;
use ringside_protocol::time::UnixMicros;

const NOW: UnixMicros = UnixMicros(1_795_009_600_000_000);
const BATCH: u64 = 100;

/// How long it runs: short, since `cargo test` runs it too.
const RUN: Duration = Duration::from_secs(1);

/// A call of the usual size: two parties, two streams, ten messages.
fn call(number: u64) -> Cdr {
    let event = SipEvent {
        after: 20_000 + number % 900,
        src: 0,
        dst: 1,
        message: SipMessage::Response(200),
        cseq: 100,
        method: Method::Invite,
    };
    let score = Some(Score { mos: 431, r: 912, discarded: 0 });
    let stream = Stream {
        ssrc: u32::try_from(number).unwrap_or(0),
        encoding_name: "PCMA".to_owned(),
        clock_rate: Some(8000),
        packets: 1500,
        bytes: 240_000,
        expected: 1500,
        jitter_mean: Some(1200),
        adaptive: score,
        fixed_50: score,
        fixed_200: score,
        intervals: vec![Interval { packets: 500, lost: 0, jitter: 12, mos: 431 }; 3],
        ..Stream::default()
    };
    let party = |user: u64| Party {
        user: format!("+4930{user:07}"),
        host: "pbx.example.net".to_owned(),
        display: Some("Anna Berg".to_owned()),
    };
    Cdr {
        number,
        first_at: UnixMicros(NOW.0 - 60_000_000 + number),
        start: Some(0),
        answered: Some(4_000_000),
        ended: 34_000_000,
        call_id: format!("{number:032x}@192.0.2.10"),
        caller: party(number % 9_999_999),
        callee: party(number * 7 % 9_999_999),
        addresses: [5060, 5061, 16_384, 16_386]
            .map(|port| std::net::SocketAddr::from(([192, 0, 2, 10], port)))
            .to_vec(),
        status: Some(Status { code: 200, reason_phrase: String::new() }),
        ended_by: EndedBy::Caller,
        caller_agent: Some("Yealink SIP-T46S 66.85.0.5".to_owned()),
        sip: vec![event; 10],
        streams: vec![stream.clone(), stream],
        ..Cdr::default()
    }
}

#[test]
fn batches_of_100() {
    let folder = std::env::temp_dir().join(format!("ringside-throughput-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let db = Db::open(&folder).expect("a database");
    let customer = db.create_customer("Acme", NOW).expect("made").expect("new");
    let (mut records, mut spent, began) = (0, Duration::ZERO, Instant::now());
    while began.elapsed() < RUN {
        let cdrs = (records..records + BATCH).map(call);
        let batch = Batch::new(Boot([1; 16]), cdrs);
        let at = Instant::now();
        let ack = db.store_batch(customer, Fingerprint([2; 16]), &batch, NOW).expect("stored");
        spent += at.elapsed();
        records += u64::from(ack.stored);
    }
    let bytes = std::fs::metadata(folder.join("ringside.db")).expect("the file").len();
    let each = u128::from(records) * 1_000_000 / spent.as_micros();
    println!("{records} records, {each} a second, {} bytes each", bytes / records);
    assert!(records > 0);
    std::fs::remove_dir_all(&folder).expect("cleaned up");
}
