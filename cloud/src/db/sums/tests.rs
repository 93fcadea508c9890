use std::sync::atomic::AtomicBool;

use super::trouble::{Kind, LEAST_CALLS, MOST_KEPT, Measure};
use super::*;
use crate::auth::{Scope, scope_of_test};
use crate::db::search::Span;
use crate::db::stats::HOUR;
use crate::db::tests::Folder;
use crate::db::{Customer, Db};
use crate::routes::tests::synthetic::{Noise, answered, call, rejected};
use crate::routes::tests::{NOON, SECOND};
use ringside_protocol::cdr::{Boot, Cdr, Fingerprint};
use ringside_protocol::message::Batch;

const DEVICE: Fingerprint = Fingerprint([2; 16]);
const ALL: Span = Span { from: UnixMicros(0), until: UnixMicros(u64::MAX) };

struct Bench {
    db: Db,
    customer: Customer,
    scope: Scope,
    _folder: Folder,
}

impl Bench {
    fn new() -> Self {
        let folder = Folder::new();
        let db = folder.open();
        let now = UnixMicros(NOON);
        let customer = db.create_customer("Acme", now).expect("asked").expect("new");
        Self { db, customer, scope: scope_of_test(customer), _folder: folder }
    }

    fn store(&self, cdrs: Vec<Cdr>) {
        let batch = Batch::new(Boot([1; 16]), cdrs);
        self.db.store_batch(self.customer, DEVICE, &batch, UnixMicros(NOON)).expect("stored");
    }

    fn all(&self) -> Everything {
        let slots = over_time(&self.db, &self.scope, ALL).expect("asked");
        let sensors = by_sensor(&self.db, &self.scope, ALL).expect("asked");
        let channels = channels(&self.db, &self.scope, ALL).expect("asked");
        (slots, sensors, channels, self.worst(Kind::Address, Measure::BadAudio))
    }

    fn worst(&self, kind: Kind, measure: Measure) -> Vec<(String, u64)> {
        trouble::worst(&self.db, &self.scope, (kind, measure), ALL, 1000).expect("asked")
    }
}

type Everything = (
    Vec<(UnixMicros, Sums)>,
    std::collections::BTreeMap<Fingerprint, Sums>,
    Vec<Channels>,
    Vec<(String, u64)>,
);

fn calls(count: u64) -> Vec<Cdr> {
    let noise = &mut Noise(9);
    (1..=count).map(|number| call(noise, number, NOON - number * 97 * SECOND)).collect()
}

#[test]
fn a_record_counts_once_however_often_it_is_delivered() {
    let bench = Bench::new();
    bench.store(calls(50));
    let once = bench.all();
    bench.store(calls(50));
    assert_eq!(bench.all(), once);
    let total = |sums: &[(UnixMicros, Sums)]| {
        sums.iter().fold(Sums::default(), |total, (_, sums)| total.plus(*sums))
    };
    assert_eq!(total(&once.0).counts.calls, 50);
    assert_eq!(once.1[&DEVICE], total(&once.0), "the sensor's are all there are");
    assert!(once.0.iter().all(|(at, _)| at.0 % SLOT == 0));
    bench.store(calls(60));
    assert_eq!(total(&bench.all().0).counts.calls, 60);
}

#[test]
fn sums_that_are_made_anew_are_the_same() {
    let bench = Bench::new();
    bench.store(calls(80));
    let before = bench.all();
    bench
        .db
        .write(|tx| {
            let tables = ["call_sums", "channel_use", "trouble"];
            for table in tables {
                tx.execute_batch(&format!("DELETE FROM {table}"))?;
            }
            note_unsummed(tx)
        })
        .expect("as an older build left it");
    // What comes meanwhile is added with the rest of its hour.
    bench.store(calls(81));
    assert!(bench.all().0.is_empty());
    assert_eq!(bench.db.rebuild_sums(&AtomicBool::new(true)).expect("ran"), 0, "stopped");
    assert_eq!(bench.db.rebuild_sums(&AtomicBool::new(false)).expect("ran"), 24);
    let after = bench.all();
    let other = Bench::new();
    other.store(calls(81));
    assert_eq!(after, other.all());
    assert_ne!(after, before);
    assert_eq!(bench.db.rebuild_sums(&AtomicBool::new(false)).expect("ran"), 0);
}

#[test]
fn a_call_occupies_a_channel_in_each_time_that_it_touches() {
    let bench = Bench::new();
    // 4 s to the answer, then ten minutes, to 12:00.
    bench.store(vec![answered(&mut Noise(1), 1, NOON, 600, 430)]);
    let used = channels(&bench.db, &bench.scope, ALL).expect("asked");
    let means: Vec<_> = used.iter().map(|used| (used.at.0, used.record_us)).collect();
    let slot = |before: u64| NOON - before * SLOT;
    assert_eq!(means, [(slot(3), 4 * SECOND), (slot(2), SLOT), (slot(1), SLOT)]);
    assert!((used[1].mean() - 1.0).abs() < 1e-9);
}

#[test]
fn heartbeats_tell_of_calls_that_go_on() {
    let bench = Bench::new();
    let device =
        crate::routes::tests::join(&bench.db, bench.customer, [7; 32], "box", UnixMicros(NOON));
    let beat = |at: u64, channels: u16| {
        bench
            .db
            .write(|tx| {
                sample(tx, bench.customer, device, channels, UnixMicros(at))?;
                let noted = "UPDATE sensor SET heartbeat_at = ?2 WHERE device = ?1";
                tx.execute(noted, params![device.0, stored_time(UnixMicros(at))])?;
                Ok(())
            })
            .expect("noted");
    };
    beat(NOON, 10);
    beat(NOON + 40 * SECOND, 20);
    // After a silence of an hour it is not known since when there are 5.
    beat(NOON + HOUR, 5);
    let used = channels(&bench.db, &bench.scope, ALL).expect("asked");
    let beats: Vec<_> = used.iter().map(|used| (used.at.0, used.beat_us)).collect();
    let (first, later) = ((10 * 30 + 20 * 40) * SECOND, 5 * 30 * SECOND);
    assert_eq!(beats, [(NOON, first), (NOON + HOUR, later)]);
}

#[test]
fn those_that_fail_or_sound_bad_are_named_by_number_and_address() {
    let bench = Bench::new();
    let noise = &mut Noise(3);
    let mut cdrs = Vec::new();
    for number in 1..=5 {
        let mut cdr = rejected(noise, number, NOON - HOUR, 503);
        cdr.callee.user = "Desk".to_owned();
        cdr.caller.user = format!("a{number}");
        cdrs.push(cdr);
    }
    for number in 6..=9 {
        let mut cdr = answered(noise, number, NOON - HOUR, 20, 250);
        cdr.caller.user = "*99".to_owned();
        cdr.callee.user = "4711".to_owned();
        cdrs.push(cdr);
    }
    cdrs.push(rejected(noise, 10, NOON - HOUR, 486));
    bench.store(cdrs);
    assert_eq!(bench.worst(Kind::Number, Measure::Failed), [("desk".to_owned(), 5)]);
    assert_eq!(bench.worst(Kind::Number, Measure::BadAudio), [("4711".to_owned(), 4)]);
    let trunk = ("198.51.100.1".to_owned(), 5);
    assert_eq!(bench.worst(Kind::Address, Measure::Failed)[0], trunk);
    bench.db.erase_number(bench.customer, "Desk", "test", UnixMicros(NOON)).expect("erased");
    assert_eq!(bench.worst(Kind::Number, Measure::Failed), []);
}

#[test]
fn evict_the_names_with_the_fewest_bad_calls_when_an_hour_is_over() {
    let bench = Bench::new();
    let noise = &mut Noise(4);
    let mut number = 0;
    let mut fail = |callee: &str, times: u64| {
        let mut cdrs = Vec::new();
        for _ in 0..times {
            number += 1;
            let mut cdr = rejected(noise, number, NOON - HOUR, 503);
            cdr.callee.user = callee.to_owned();
            cdrs.push(cdr);
        }
        cdrs
    };
    let mut cdrs = fail("worst", LEAST_CALLS + 2);
    for name in 0..MOST_KEPT {
        cdrs.extend(fail(&format!("bad{name}"), LEAST_CALLS));
    }
    bench.store(cdrs);
    let rows = || -> i64 {
        let count = "SELECT count(*) FROM trouble WHERE kind = 0";
        bench.db.reader().query_row(count, [], |row| row.get(0)).expect("a count")
    };
    assert!(rows() > i64::from(2 * MOST_KEPT), "callers stand there too");
    bench.db.thin_troubles(UnixMicros(NOON - 1)).expect("thinned");
    assert!(rows() > i64::from(2 * MOST_KEPT), "the hour is not over");
    bench.db.thin_troubles(UnixMicros(NOON)).expect("thinned");
    assert_eq!(rows(), i64::from(MOST_KEPT));
    let worst = bench.worst(Kind::Number, Measure::Failed);
    assert_eq!(worst[0], ("worst".to_owned(), LEAST_CALLS + 2));
    bench.db.forget_sums(UnixMicros(NOON)).expect("forgotten");
    assert_eq!(rows(), 0);
    assert_eq!(bench.all(), Everything::default());
}
