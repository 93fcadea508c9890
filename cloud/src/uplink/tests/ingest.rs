//! Batches: exactly once, whatever the sensor repeats and whatever its clock says.

use ringside_protocol::cdr::{EndedBy, Party, Score, Status, Stream, flags};

use super::*;
use crate::db::cdrs::MAX_FUTURE_SECONDS;
use crate::db::{Series, day_tables};

const DAY: u64 = 86_400 * MICROS_PER_SECOND;

/// (number, ended_at) of every row, over all days.
fn rows(cloud: &Cloud) -> Vec<(i64, i64)> {
    let reader = cloud.db.reader();
    let mut rows = Vec::new();
    for table in day_tables(&reader, Series::Calls).expect("asked") {
        let mut statement = reader
            .prepare_cached(&format!("SELECT number, ended_at FROM {table} ORDER BY number"))
            .expect("a question");
        let found = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).expect("rows");
        rows.extend(found.map(|row| row.expect("a row")));
    }
    rows.sort_unstable();
    rows
}

fn ack(stored: u32, known: u32, expired: u32) -> Result<BatchAck, Failure> {
    Ok(BatchAck { stored, known, expired, refused: 0 })
}

#[test]
fn a_repeated_batch_changes_nothing() {
    let mut cloud = Cloud::new();
    let device = Device::connected(&cloud, "gate-1");
    let calls: Vec<Cdr> = (1..=3).map(|number| call(number, cloud.now)).collect();
    assert_eq!(device.send(&cloud, calls.clone()), ack(3, 0, 0));
    let before = rows(&cloud);
    cloud.wait(200);
    assert_eq!(device.send(&cloud, calls.clone()), ack(0, 3, 0));
    let interleaved =
        vec![calls[2].clone(), call(4, cloud.now), calls[0].clone(), call(4, cloud.now)];
    assert_eq!(device.send(&cloud, interleaved), ack(1, 3, 0));
    assert_eq!(rows(&cloud)[..3], before);
    assert_eq!(device.send(&cloud, Vec::new()), ack(0, 0, 0));
    let last = cloud.db.find_sensor(device.fingerprint()).expect("asked").expect("known");
    assert_eq!(last.last_cdr_at, Some(cloud.now));
}

#[test]
fn a_batch_over_midnight_is_filed_under_both_days_and_repeats_well() {
    let mut cloud = Cloud::new();
    let midnight = UnixMicros((cloud.now.day() + 1) * DAY);
    cloud.now = midnight.plus(5 * MICROS_PER_SECOND);
    let device = Device::connected(&cloud, "gate-1");
    let calls = vec![call(1, UnixMicros(midnight.0 - 1)), call(2, midnight), call(3, midnight)];
    assert_eq!(device.send(&cloud, calls.clone()), ack(3, 0, 0));
    assert_eq!(device.send(&cloud, calls), ack(0, 3, 0));
    assert_eq!(cloud.db.days(Series::Calls).expect("asked"), ["cdr_20261119", "cdr_20261118"]);
}

/// Sends a batch, as often as the device has another one under way.
fn send_in_turn(cloud: &Cloud, device: &Device, calls: &[Cdr]) -> BatchAck {
    loop {
        match device.send(cloud, calls.to_vec()) {
            Ok(ack) => return ack,
            Err(Failure::Busy { .. }) => std::thread::yield_now(),
            Err(failure) => panic!("{failure}"),
        }
    }
}

#[test]
fn batches_that_overlap_and_come_at_once_are_stored_once() {
    let cloud = Cloud::new();
    let device = Device::connected(&cloud, "gate-1");
    let batch = |first: u64| -> Vec<Cdr> {
        (first..first + 20).map(|number| call(number, cloud.now)).collect()
    };
    let stored: u32 = std::thread::scope(|scope| {
        let senders: Vec<_> = (0..4)
            .map(|sender| {
                let (cloud, device) = (&cloud, &device);
                scope.spawn(move || -> u32 {
                    let stored = |first| send_in_turn(cloud, device, &batch(first)).stored;
                    (0..10).map(|turn| stored(1 + (turn * 7 + sender) % 10 * 10)).sum()
                })
            })
            .collect();
        senders.into_iter().map(|sender| sender.join().expect("no panic")).sum()
    });
    let numbers: Vec<i64> = rows(&cloud).into_iter().map(|(number, _)| number).collect();
    assert_eq!(numbers, (1..=110).collect::<Vec<i64>>());
    assert_eq!(stored, 110);
}

#[test]
fn the_same_number_of_another_boot_or_device_is_another_call() {
    let cloud = Cloud::new();
    let mut first = Device::connected(&cloud, "gate-1");
    let second = Device::connected(&cloud, "gate-2");
    assert_eq!(first.send(&cloud, vec![call(1, cloud.now)]), ack(1, 0, 0));
    assert_eq!(second.send(&cloud, vec![call(1, cloud.now)]), ack(1, 0, 0));
    first.boot = Boot(random());
    assert_eq!(first.send(&cloud, vec![call(1, cloud.now)]), ack(1, 0, 0));
    assert_eq!(rows(&cloud).len(), 3);
}

#[test]
fn columns_hold_what_filters_ask_for() {
    let cloud = Cloud::new();
    let device = Device::connected(&cloud, "gate-1");
    let address = |text: &str| text.parse().expect("an address");
    let score = |mos| Some(Score { mos, r: 900, discarded: 0 });
    let cdr = Cdr {
        caller: Party { user: "+49301".to_owned(), ..Party::default() },
        callee: Party { user: "200".to_owned(), ..Party::default() },
        addresses: ["10.0.0.2:5060", "10.0.0.1:5060", "10.0.0.1:4000", "[2001:db8::1]:9"]
            .map(address)
            .to_vec(),
        status: Some(Status { code: 200, reason_phrase: String::new() }),
        ended_by: EndedBy::Callee,
        flags: flags::ONE_WAY,
        streams: vec![
            Stream { adaptive: score(440), ..Stream::default() },
            Stream { adaptive: score(310), ..Stream::default() },
        ],
        start: Some(500_000),
        ..call(1, cloud.now)
    };
    device.send(&cloud, vec![cdr.clone()]).expect("stored");
    let reader = cloud.db.reader();
    let table = &day_tables(&reader, Series::Calls).expect("asked")[0];
    assert_eq!(table, "cdr_20261118");
    let sql = format!(
        "SELECT caller || '>' || callee || addresses || status_code || ' ' || ended_by || \
         answered || ' ' || duration_us || ' ' || mos || ' ' || flags || ' ' || (ended_at - \
         start_at), record FROM {table}"
    );
    let (text, record): (String, Vec<u8>) =
        reader.query_row(&sql, [], |row| Ok((row.get(0)?, row.get(1)?))).expect("a row");
    assert_eq!(text, "+49301>200 10.0.0.1 10.0.0.2 2001:db8::1 200 11 2000000 310 1 2500000");
    assert_eq!(postcard::from_bytes::<Cdr>(&record), Ok(cdr));
}

#[test]
fn records_older_than_the_retention_are_acknowledged_and_counted() {
    let cloud = Cloud::new();
    let device = Device::connected(&cloud, "gate-1");
    let edge = UnixMicros(cloud.now.0 - 25 * DAY);
    let calls = vec![call(1, edge), call(2, edge.plus(1)), call(3, UnixMicros(5_000_000))];
    assert_eq!(device.send(&cloud, calls), ack(1, 0, 2));
    assert_eq!(rows(&cloud), [(2, i64::try_from(edge.0 + 1).expect("fits"))]);
    assert_eq!(cloud.db.counted(cloud.customer, "cdrs_expired").expect("asked"), 2);
}

#[test]
fn a_wrong_clock_loses_no_record_and_doubles_none() {
    let mut cloud = Cloud::new();
    let device = Device::connected(&cloud, "gate-1");
    let soon = cloud.now.plus(MAX_FUTURE_SECONDS * MICROS_PER_SECOND);
    let unset = Cdr { flags: flags::CLOCK_UNSET, ..call(4, UnixMicros(5_000_000)) };
    let calls = vec![
        call(1, soon),
        call(2, soon.plus(1)),
        call(3, UnixMicros(u64::MAX)),
        unset,
        Cdr { ended: u64::MAX, start: Some(u64::MAX), answered: Some(u64::MAX), ..call(5, soon) },
    ];
    assert_eq!(device.send(&cloud, calls.clone()), ack(5, 0, 0));
    let filed = rows(&cloud);
    let arrived = i64::try_from(cloud.now.0).expect("fits");
    assert_eq!(filed[0], (1, i64::try_from(soon.0).expect("fits")));
    assert!(filed[1..].iter().all(|(_, at)| *at == arrived), "{filed:?}");
    assert_eq!(cloud.db.counted(cloud.customer, "cdrs_misdated").expect("asked"), 4);
    // Eleven hours later it is another day, and the second call's time is in the past.
    cloud.wait(11 * 3600);
    let mut device = device;
    device.connect(&cloud).expect("accepted");
    assert_eq!(device.send(&cloud, calls), ack(0, 5, 0));
    assert_eq!(rows(&cloud), filed);
}

#[test]
fn new_calls_wake_the_pages_of_their_customer() {
    let cloud = Cloud::new();
    let device = Device::connected(&cloud, "gate-1");
    cloud.notebook.take();
    device.send(&cloud, vec![call(1, cloud.now)]).expect("stored");
    let key = Events::key(cloud.customer);
    assert_eq!(cloud.notebook.take(), [key]);
    device.send(&cloud, vec![call(1, cloud.now)]).expect("known");
    assert!(cloud.notebook.take().is_empty());
}

#[test]
fn records_without_a_session_are_refused() {
    let cloud = Cloud::new();
    let mut device = Device::connected(&cloud, "gate-1");
    device.session = None;
    assert_eq!(device.send(&cloud, vec![call(1, cloud.now)]), Err(Failure::SessionEnded));
    assert!(rows(&cloud).is_empty());
}
