//! The outbox against a real disk.

use std::fs;
use std::sync::Mutex;
use std::time::Instant;

use proptest::prelude::*;
use ringside_protocol::cdr::Cdr;
use ringside_protocol::time::UnixMicros;

use super::disk::Disk;
use super::*;
use crate::clock::Now;
use crate::store::test_dir::TestDir;

const BOOT: Boot = Boot([1; 16]);
const SET: u64 = 1_790_000_000_000_000;
const SOON: Duration = Duration::from_secs(20);

fn settings() -> OutboxSettings {
    OutboxSettings {
        max_bytes: 64 << 20,
        device: Fingerprint([9; 16]),
        boot: BOOT,
        clock: None,
        journal: None,
    }
}

fn cdr(number: u64) -> Cdr {
    Cdr {
        number,
        first_at: UnixMicros(SET + number),
        call_id: format!("{number}@a"),
        ..Cdr::default()
    }
}

fn numbers(batch: &OutboxBatch) -> Vec<u64> {
    batch.records.iter().map(Record::number).collect()
}

/// Everything in it, oldest first, acknowledged batch by batch.
fn drain(outbox: &Outbox) -> Vec<u64> {
    let mut all = Vec::new();
    while let Some(batch) = outbox.next_batch(500) {
        all.extend(numbers(&batch));
        outbox.acknowledge(&batch);
    }
    all
}

/// A clock that a test sets.
fn clock(now: &Arc<Mutex<(u64, u64)>>) -> WallClock {
    let now = Arc::clone(now);
    WallClock::reading(move || {
        let (instant, wall) = *now.lock().expect("clock");
        Now { instant: embassy_time::Instant::from_micros(instant), wall: UnixMicros(wall) }
    })
}

#[test]
fn records_come_out_in_order_and_go_when_they_are_acknowledged() {
    let dir = TestDir::new();
    let outbox = Outbox::open(dir.path(), settings()).expect("open");
    (1..=7).for_each(|number| outbox.push(cdr(number)));
    outbox.flush();
    let first = outbox.next_batch(5).expect("a batch");
    assert_eq!(numbers(&first), [1, 2, 3, 4, 5]);
    assert_eq!(outbox.next_batch(5), Some(first.clone()), "the same until it is acknowledged");
    outbox.acknowledge(&first);
    assert_eq!(drain(&outbox), [6, 7]);
    let figures = outbox.figures();
    assert_eq!((figures.stored, figures.acknowledged, figures.cdrs, figures.bytes), (7, 7, 0, 0));
}

#[test]
fn a_record_is_flushed_without_being_asked_and_told_to_the_listener() {
    let dir = TestDir::new();
    let outbox = Outbox::open(dir.path(), settings()).expect("open");
    let (sender, receiver) = sync_channel(1);
    outbox.on_stored(move || _ = sender.try_send(()));
    let pushed_at = Instant::now();
    outbox.push(cdr(1));
    receiver.recv_timeout(SOON).expect("told");
    assert!(pushed_at.elapsed() >= FLUSH_AFTER, "several records share a flush");
    assert_eq!(outbox.figures().stored, 1);
}

#[test]
fn records_survive_a_restart_and_keep_their_boot() {
    let dir = TestDir::new();
    let outbox = Outbox::open(dir.path(), settings()).expect("open");
    (1..=3).for_each(|number| outbox.push(cdr(number)));
    drop(outbox);
    let next = OutboxSettings { boot: Boot([2; 16]), ..settings() };
    let outbox = Outbox::open(dir.path(), next).expect("open again");
    outbox.push(cdr(1));
    outbox.flush();
    let batch = outbox.next_batch(500).expect("a batch");
    assert_eq!((batch.boot, numbers(&batch)), (BOOT, vec![1, 2, 3]));
    outbox.acknowledge(&batch);
    let batch = outbox.next_batch(500).expect("a batch");
    assert_eq!((batch.boot, numbers(&batch)), (Boot([2; 16]), vec![1]));
}

#[test]
fn a_batch_stays_below_the_message_limit() {
    let dir = TestDir::new();
    let outbox = Outbox::open(dir.path(), settings()).expect("open");
    let large = |number| Cdr { dtmf: "7".repeat(MAX_BATCH_BYTES / 3), ..cdr(number) };
    (1..=5).for_each(|number| outbox.push(large(number)));
    outbox.flush();
    assert_eq!(numbers(&outbox.next_batch(500).expect("a batch")), [1, 2]);
    assert_eq!(drain(&outbox), [1, 2, 3, 4, 5]);
    outbox.push(Cdr { dtmf: "7".repeat(MAX_RECORD_BYTES), ..cdr(6) });
    outbox.push(cdr(7));
    outbox.flush();
    assert_eq!(drain(&outbox), [7]);
    assert_eq!(outbox.figures().dropped, 1, "one that could never be sent");
}

#[test]
fn what_the_cloud_refuses_is_gone_and_counted_apart() {
    let dir = TestDir::new();
    let outbox = Outbox::open(dir.path(), settings()).expect("open");
    (1..=5).for_each(|number| outbox.push(cdr(number)));
    outbox.flush();
    outbox.acknowledge_but(&outbox.next_batch(3).expect("a batch"), 2);
    assert_eq!(drain(&outbox), [4, 5]);
    let figures = outbox.figures();
    assert_eq!((figures.acknowledged, figures.refused, figures.outstanding()), (3, 2, 0));
}

#[test]
fn at_the_limit_the_oldest_go_and_are_counted() {
    let dir = TestDir::new();
    let one = disk::size(&Entry::made(BOOT, cdr(1).into(), None).encode().expect("encode"));
    let limited = OutboxSettings { max_bytes: 10 * one, ..settings() };
    let outbox = Outbox::open(dir.path(), limited).expect("open");
    (1..=4).for_each(|number| outbox.push(cdr(number)));
    outbox.flush();
    let in_flight = outbox.next_batch(2).expect("a batch");
    (5..=30).for_each(|number| outbox.push(Cdr { call_id: "x@a".into(), ..cdr(number) }));
    outbox.flush();
    let figures = outbox.figures();
    assert_eq!(figures.dropped, 20);
    assert!(figures.bytes <= figures.max_bytes, "{figures:?}");
    outbox.acknowledge(&in_flight);
    assert_eq!(drain(&outbox), [23, 24, 25, 26, 27, 28, 29, 30]);
    assert_eq!(outbox.figures().acknowledged, 10);
}

/// An outbox whose disk refuses until the returned file is removed.
fn refusing(dir: &TestDir, settings: OutboxSettings) -> (Outbox, PathBuf) {
    let path = dir.path().join("outbox");
    fs::write(&path, b"in the way").expect("write");
    let outbox = Outbox::open(dir.path(), settings).expect("a refusing disk is no reason to fail");
    assert!(outbox.figures().refusing);
    (outbox, path)
}

#[test]
fn a_disk_that_refuses_leaves_records_in_memory_until_it_works_again() {
    let dir = TestDir::new();
    let (outbox, in_the_way) = refusing(&dir, settings());
    (1..=3).for_each(|number| outbox.push(cdr(number)));
    let figures = outbox.figures();
    assert_eq!((figures.waiting, figures.stored, figures.errors), (3, 0, 1));
    fs::remove_file(&in_the_way).expect("remove");
    assert!(outbox.wait_until(SOON, |figures| figures.stored == 3));
    assert!(!outbox.figures().refusing);
    assert_eq!(drain(&outbox), [1, 2, 3]);
}

#[test]
fn while_the_disk_refuses_records_are_sent_from_memory_and_the_listener_is_told() {
    let dir = TestDir::new();
    let (outbox, in_the_way) = refusing(&dir, settings());
    let (sender, receiver) = sync_channel(1);
    outbox.on_stored(move || _ = sender.try_send(()));
    (1..=5).for_each(|number| outbox.push(cdr(number)));
    receiver.recv_timeout(SOON).expect("told");
    let first = outbox.next_batch(2).expect("a batch");
    assert_eq!((first.boot, numbers(&first)), (BOOT, vec![1, 2]));
    assert_eq!(outbox.next_batch(2), Some(first.clone()), "the same until it is acknowledged");
    outbox.acknowledge_but(&first, 1);
    assert_eq!(drain(&outbox), [3, 4, 5]);
    let figures = outbox.figures();
    assert_eq!((figures.acknowledged, figures.refused, figures.outstanding()), (4, 1, 0));
    outbox.push(cdr(6));
    fs::remove_file(&in_the_way).expect("remove");
    assert!(outbox.wait_until(SOON, |figures| figures.stored == 1));
    assert_eq!(drain(&outbox), [6], "what the cloud has is not sent again");
}

#[test]
fn records_on_their_way_from_memory_go_from_the_disk_too_when_it_works_again() {
    let dir = TestDir::new();
    let (outbox, in_the_way) = refusing(&dir, settings());
    (1..=4).for_each(|number| outbox.push(cdr(number)));
    let on_its_way = outbox.next_batch(3).expect("a batch");
    fs::remove_file(&in_the_way).expect("remove");
    assert!(outbox.wait_until(SOON, |figures| figures.stored == 4));
    outbox.acknowledge(&on_its_way);
    let figures = outbox.figures();
    assert_eq!((figures.acknowledged, figures.cdrs, figures.waiting), (3, 1, 0));
    assert_eq!(drain(&outbox), [4]);
}

#[test]
fn records_in_memory_wait_for_the_clock_and_keep_the_time_that_they_were_sent_with() {
    let dir = TestDir::new();
    let now = Arc::new(Mutex::new((1_000, 1_000)));
    let timed = OutboxSettings { clock: Some(clock(&now)), ..settings() };
    let (outbox, in_the_way) = refusing(&dir, timed);
    outbox.push(Cdr { first_at: UnixMicros(500), ..cdr(1) });
    assert_eq!(outbox.next_batch(500), None, "held back while the clock is unset");
    *now.lock().expect("clock") = (2_000, SET + 2_000);
    let sent = outbox.next_batch(500).expect("a batch");
    assert_eq!(sent.records[0].first_at(), UnixMicros(SET + 500));
    assert_eq!(outbox.figures().rebased, 1);
    // The clock is set once more, and the disk works again: what was sent stays what it was.
    *now.lock().expect("clock") = (3_000, SET + 7_000_000_000);
    fs::remove_file(&in_the_way).expect("remove");
    assert!(outbox.wait_until(SOON, |figures| figures.stored == 1));
    assert_eq!(outbox.next_batch(500).expect("a batch").records, sent.records);
}

#[test]
fn a_batch_from_memory_stays_below_the_message_limit_and_is_not_dropped_on_its_way() {
    let dir = TestDir::new();
    let (outbox, _) = refusing(&dir, settings());
    let large = |number| Cdr { dtmf: "7".repeat(MAX_BATCH_BYTES / 3), ..cdr(number) };
    (1..=5).for_each(|number| outbox.push(large(number)));
    let on_its_way = outbox.next_batch(500).expect("a batch");
    assert_eq!(numbers(&on_its_way), [1, 2]);
    let room = (MAX_WAITING_BYTES / (MAX_BATCH_BYTES / 3)) as u64;
    (6..=room + 10).for_each(|number| outbox.push(large(number)));
    let dropped = outbox.figures().dropped;
    assert!(dropped > 0);
    outbox.acknowledge(&on_its_way);
    assert_eq!(outbox.figures().acknowledged, 2);
    assert_eq!(drain(&outbox)[0], 3 + dropped, "the oldest that were not on their way");
}

#[test]
fn when_the_waiting_room_is_full_its_oldest_go_and_are_counted() {
    let dir = TestDir::new();
    let path = dir.path().join("outbox");
    fs::write(&path, b"in the way").expect("write");
    let outbox = Outbox::open(dir.path(), settings()).expect("open");
    let large = |number| Cdr { dtmf: "7".repeat(MAX_WAITING_BYTES / 32), ..cdr(number) };
    (1..=40).for_each(|number| outbox.push(large(number)));
    let figures = outbox.figures();
    assert_eq!((figures.waiting, figures.dropped), (31, 9));
    fs::remove_file(&path).expect("remove");
    assert!(outbox.wait_until(SOON, |figures| figures.stored == 31));
    assert_eq!(drain(&outbox), (10..=40).collect::<Vec<_>>());
}

#[test]
fn a_burst_larger_than_the_waiting_room_waits_for_the_disk_and_loses_nothing() {
    let dir = TestDir::new();
    let outbox = Outbox::open(dir.path(), settings()).expect("open");
    let large = |number| Cdr { dtmf: "7".repeat(MAX_WAITING_BYTES / 32), ..cdr(number) };
    (1..=120).for_each(|number| outbox.push(large(number)));
    outbox.flush();
    assert_eq!(outbox.figures().dropped, 0);
    assert_eq!(drain(&outbox), (1..=120).collect::<Vec<_>>());
}

#[test]
fn a_damaged_tree_is_moved_aside_and_a_new_one_begun() {
    let dir = TestDir::new();
    let path = dir.path().join("outbox");
    for number in 1..=5 {
        let outbox = Outbox::open(dir.path(), settings()).expect("open");
        outbox.push(cdr(number));
        drop(outbox);
        fs::write(path.join("conf"), b"not sled's").expect("write");
        let outbox = Outbox::open(dir.path(), settings()).expect("open in spite of the damage");
        assert_eq!(outbox.figures().errors, 1);
        outbox.push(cdr(number + 100));
        outbox.flush();
        assert_eq!(drain(&outbox), [number + 100]);
    }
    let names = fs::read_dir(dir.path()).expect("list");
    assert_eq!(names.count(), 4, "the tree, and three that were moved aside");
}

#[test]
fn two_sensors_cannot_share_an_outbox() {
    let dir = TestDir::new();
    let _first = Outbox::open(dir.path(), settings()).expect("open");
    let error = Outbox::open(dir.path(), settings()).expect_err("in use");
    assert!(matches!(error, OutboxError::InUse(_)), "{error}");
}

#[test]
fn calls_of_an_unset_clock_wait_for_it_and_are_shifted_once() {
    let dir = TestDir::new();
    let now = Arc::new(Mutex::new((1_000, 1_000)));
    let timed = OutboxSettings { clock: Some(clock(&now)), ..settings() };
    let outbox = Outbox::open(dir.path(), timed.clone()).expect("open");
    outbox.push(Cdr { first_at: UnixMicros(500), ..cdr(1) });
    outbox.flush();
    assert_eq!(outbox.next_batch(500), None, "held back while the clock is unset");

    *now.lock().expect("clock") = (2_000, SET + 2_000);
    outbox.push(Cdr { first_at: UnixMicros(1_500), ..cdr(2) });
    outbox.flush();
    let batch = outbox.next_batch(500).expect("a batch");
    let times: Vec<_> =
        batch.records.iter().map(|record| (record.first_at().0, record.is_clock_unset())).collect();
    assert_eq!(times, [(SET + 500, false), (SET + 1_500, false)]);
    assert_eq!(outbox.figures().rebased, 1);

    // The clock is set once more, and the sensor restarted: what was sent stays what it was.
    *now.lock().expect("clock") = (3_000, SET + 7_000_000_000);
    assert_eq!(outbox.next_batch(500), Some(batch.clone()));
    drop(outbox);
    let outbox = Outbox::open(dir.path(), timed).expect("open again");
    assert_eq!(outbox.next_batch(500), Some(batch));
}

#[test]
fn calls_of_an_earlier_boot_with_an_unset_clock_keep_their_flag() {
    let dir = TestDir::new();
    let now = Arc::new(Mutex::new((1_000, 1_000)));
    let timed = OutboxSettings { clock: Some(clock(&now)), ..settings() };
    let outbox = Outbox::open(dir.path(), timed.clone()).expect("open");
    outbox.push(Cdr { first_at: UnixMicros(500), ..cdr(1) });
    drop(outbox);
    *now.lock().expect("clock") = (SET, SET);
    let next = OutboxSettings { boot: Boot([2; 16]), ..timed };
    let outbox = Outbox::open(dir.path(), next).expect("open again");
    let batch = outbox.next_batch(500).expect("a batch");
    assert_eq!(batch.records[0].first_at(), UnixMicros(500));
    assert!(batch.records[0].is_clock_unset());
}

#[test]
fn the_journal_names_what_exists() {
    let dir = TestDir::new();
    let journal = dir.path().join("journal");
    let noted = OutboxSettings { journal: Some(journal.clone()), ..settings() };
    let outbox = Outbox::open(dir.path(), noted).expect("open");
    outbox.push(cdr(1));
    outbox.push(cdr(2));
    outbox.flush();
    let (device, boot) = (Fingerprint([9; 16]), BOOT);
    assert_eq!(
        fs::read_to_string(journal).expect("read"),
        format!("{device}-{boot}-1\n{device}-{boot}-2\n")
    );
}

#[test]
fn keys_go_on_in_a_tree_begun_anew() {
    // An acknowledgement of what the old tree held must not remove what the new one holds.
    let dir = TestDir::new();
    let mut disk = Disk::open(dir.path(), 41).expect("open");
    assert_eq!(disk.append(b"value").expect("append"), 41);
    assert_eq!(disk.append(b"value").expect("append"), 42);
}

#[test]
fn a_tree_opened_again_forgets_what_was_not_flushed() {
    let dir = TestDir::new();
    let mut disk = Disk::open(dir.path(), 1).expect("open");
    let keys: Vec<_> = (0..5).map(|_| disk.append(b"value").expect("append")).collect();
    disk.remove_from(keys[2]).expect("remove");
    assert_eq!((disk.cdrs(), disk.bytes(), disk.next_key()), (2, 26, 6));
    disk.flush().expect("flush");
    drop(disk);
    let disk = Disk::open(dir.path(), 1).expect("open");
    assert_eq!((disk.cdrs(), disk.bytes(), disk.next_key()), (2, 26, 3));
}

/// What a test does to an outbox.
#[derive(Clone, Copy, Debug)]
enum Step {
    Push(u8),
    Send(u8),
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (1..20u8).prop_map(Step::Push),
        3 => (1..20u8).prop_map(Step::Send),
        1 => Just(Step::Reopen),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn whatever_happens_each_record_comes_out_once_and_in_order(
        steps in prop::collection::vec(step(), 1..20)
    ) {
        let dir = TestDir::new();
        let mut outbox = Outbox::open(dir.path(), settings()).expect("open");
        let (mut pushed, mut out) = (0, Vec::new());
        for step in steps {
            match step {
                Step::Push(many) => for _ in 0..many {
                    pushed += 1;
                    outbox.push(cdr(pushed));
                },
                Step::Send(limit) => {
                    outbox.flush();
                    if let Some(batch) = outbox.next_batch(limit.into()) {
                        out.extend(numbers(&batch));
                        outbox.acknowledge(&batch);
                    }
                }
                Step::Reopen => {
                    drop(outbox);
                    outbox = Outbox::open(dir.path(), settings()).expect("open again");
                }
            }
        }
        outbox.flush();
        out.extend(drain(&outbox));
        prop_assert_eq!(out, (1..=pushed).collect::<Vec<_>>());
    }
}
