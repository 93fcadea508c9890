//! How long the API takes over a day of 300,000 calls of one customer, and how fast such calls
//! are kept.
//!
//! Cases: the newest page; a page in the middle; a filter that finds the newest calls; one that
//! finds nothing in the whole day (a search of several requests); a number; one call; the figures
//! of the day; the overview, of the day and of 25 days of a million calls each at 13 and at 500
//! sensors (their sums alone); the whole day as CSV. Each with the processor's time and, in brackets, the clock's,
//! which other programs on the machine lengthen.

use std::io::Read;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ringside_cloud::auth::sha256;
use ringside_cloud::db::Db;
use ringside_cloud::db::people::{ApiToken, create_api_token};
use ringside_cloud::events::{Events, Waker};
use ringside_cloud::front::Wakes;
use ringside_cloud::identity::Identity;
use ringside_cloud::routes::{App, handle};
use ringside_cloud::server::{Body, Request};
use ringside_protocol::cdr::{Boot, Fingerprint};
use ringside_protocol::message::Batch;
use ringside_protocol::time::UnixMicros;
use rustix::time::{ClockId, clock_gettime};
use serde_json::Value;

#[allow(dead_code, reason = "the tests use more of it")]
#[path = "../src/routes/tests/synthetic.rs"]
mod synthetic;

const SECOND: u64 = 1_000_000;
const CALLS: u64 = 300_000;

/// 2026-11-24T23:59:59Z.
const NOW: u64 = 1_795_564_799 * SECOND;

fn main() {
    let folder = std::env::temp_dir().join(format!("ringside-bench-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let db = Arc::new(Db::open(&folder).expect("a database"));
    let app = app(&db);
    fill(&db);
    let bytes: u64 = std::fs::read_dir(&folder)
        .expect("the folder")
        .map(|entry| entry.and_then(|entry| entry.metadata()).map_or(0, |file| file.len()))
        .sum();
    println!("{:>9} bytes a call on the disk", bytes / CALLS);
    for (case, query) in [
        ("newest page", "calls"),
        ("status=486", "calls?status=486"),
        ("mos_below=2", "calls?mos_below=2"),
        ("number, exact", "calls?number=%2B49300000000"),
        ("number=*123456", "calls?number=*123456"),
        ("address, network", "calls?address=10.0.0.0/8"),
        ("q, no match", "calls?q=nobody"),
        ("from=noon, page", "calls?to=2026-11-24T12:00:00Z"),
        ("stats of the day", "stats?from=2026-11-24"),
        ("sensors", "sensors"),
        ("overview of the day", "overview?from=2026-11-24"),
    ] {
        search(&app, case, query);
    }
    let page = get(&app, "calls?to=2026-11-24T06:00:00Z&limit=1");
    let id = page["calls"][0]["id"].as_str().expect("an id").to_owned();
    search(&app, "one call", &format!("calls/{id}"));
    for sensors in [13, 500] {
        sums(&db, sensors);
        for (span, from) in
            [("day", "2026-11-24"), ("week", "2026-11-17"), ("25 days", "2026-10-31")]
        {
            let case = format!("overview, {sensors} sensors, {span}");
            search(&app, &case, &format!("overview?from={from}"));
        }
    }
    let began = Watch::start();
    let Body::Stream(mut stream) = ask(&app, "calls?format=csv") else { panic!("no stream") };
    let mut csv = Vec::new();
    stream.read_to_end(&mut csv).expect("a whole stream");
    println!("{} the day as CSV, {} bytes", began.stop(), csv.len());
    std::fs::remove_dir_all(&folder).expect("removed");
}

fn app(db: &Arc<Db>) -> App {
    let customer = db.create_customer("Bench", UnixMicros(NOW)).expect("made").expect("new");
    let facts = ApiToken { customer, name: "bench".to_owned(), expires_at: None };
    create_api_token(db, &sha256(b"bench"), &facts, "bench", UnixMicros(NOW)).expect("kept");
    let waker: Arc<dyn Waker> = Arc::new(Wakes::new());
    let events = Arc::new(Events::new(1, Arc::clone(&waker)));
    let identity = Identity { host: "localhost".to_owned(), port: 60023, ca_key_sha256: [0; 32] };
    App::new(Arc::clone(db), events, waker, identity, Box::new(|| UnixMicros(NOW)))
}

fn fill(db: &Db) {
    let customer = db.customer_named("Bench").expect("asked").expect("made");
    let mut noise = synthetic::Noise(1);
    let mut kept = Duration::ZERO;
    for batch in 0..CALLS / 500 {
        let cdrs = (1..=500).map(|index| {
            let number = batch * 500 + index;
            synthetic::call(&mut noise, number, NOW - 86_399 * SECOND + number * 287_000)
        });
        let batch = Batch::new(Boot([7; 16]), cdrs);
        let began = Instant::now();
        db.store_batch(customer, Fingerprint([1; 16]), &batch, UnixMicros(NOW)).expect("kept");
        kept += began.elapsed();
    }
    let seconds = kept.as_secs_f64();
    println!("{:>9.0} calls a second kept, in batches of 500", CALLS as f64 / seconds);
}

/// Sums of 25 days as a million calls a day leave them.
fn sums(db: &Db, sensors: u32) {
    let (first, slot) = (NOW - NOW % (86_400 * SECOND) - 24 * 86_400 * SECOND, 300 * SECOND);
    let columns = "calls, answered, duration_us, excellent, good, fair, degraded, no_audio, unrated, \
                   mos_sum, mos_calls, redirected, callee_refused, ineffective, cancelled, failed, \
                   delay_us, delay_calls";
    let counts = "3333, 2000, 360000000000, 1500, 200, 100, 80, 20, 100, 800000, 1900, 3, 600, 90, \
                  500, 120, 4000000000, 3000";
    let to = |most: u32| {
        format!(
            "WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < {most} - 1)"
        )
    };
    let hours = 25 * 24 * sensors;
    db.write(|tx| {
        tx.execute_batch(&format!(
            "DELETE FROM call_sums; DELETE FROM channel_use; DELETE FROM trouble;
             INSERT INTO call_sums (customer, width, at, device, {columns}) {slots}
             SELECT 1, 300, {first} + i * {slot}, x'', {counts} FROM n;
             INSERT INTO channel_use (customer, at, record_us, beat_us, beats) {slots}
             SELECT 1, {first} + i * {slot}, 400000000000, 390000000000, 130 FROM n;
             INSERT INTO call_sums (customer, width, at, device, {columns}) {hours}
             SELECT 1, 3600, {first} + i / {sensors} * 12 * {slot},
             CAST(printf('%016d', i % {sensors}) AS BLOB), {counts} FROM n;
             INSERT INTO trouble (customer, kind, at, name, failed, bad_audio) {names}
             SELECT 1, i % 2, {first} + i / 120 * 12 * {slot}, i * 7919 % 20000, i % 5, i % 3 FROM n;",
            slots = to(25 * 288),
            hours = to(hours),
            names = to(25 * 24 * 120),
        ))?;
        Ok(())
    })
    .expect("filled");
}

/// All requests that a search takes until it has a page, or nothing more to look at.
fn search(app: &App, case: &str, query: &str) {
    let (mut requests, mut found) = (0, 0);
    let mut target = query.to_owned();
    let began = Watch::start();
    loop {
        let page = get(app, &target);
        requests += 1;
        found += page["calls"].as_array().map_or(0, Vec::len);
        match page["next"].as_str().filter(|_| page["partial"] == true) {
            Some(next) => target = format!("{query}&cursor={next}"),
            None => break,
        }
    }
    println!("{} {case}: {found} found in {requests} requests", began.stop());
}

/// The time of this thread on the processor, and the clock's.
struct Watch(Duration, Instant);

impl Watch {
    fn start() -> Self {
        Self(thread_time(), Instant::now())
    }

    fn stop(&self) -> String {
        let busy = (thread_time() - self.0).as_secs_f64() * 1000.0;
        let clock = self.1.elapsed().as_secs_f64() * 1000.0;
        format!("{busy:>9.1} ms ({clock:>9.1})")
    }
}

fn thread_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}

fn get(app: &App, target: &str) -> Value {
    let Body::Bytes(bytes) = ask(app, target) else { panic!("a stream") };
    serde_json::from_slice(&bytes).expect("JSON")
}

fn ask(app: &App, target: &str) -> Body {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let request = Request {
        method: "GET".to_owned(),
        path: format!("/api/v1/{path}"),
        query: query.to_owned(),
        headers: vec![("authorization".to_owned(), "Bearer bench".to_owned())],
        peer: ([127, 0, 0, 1], 1).into(),
        is_forwarded: false,
        body: Vec::new(),
        woken: None,
        waited: core::time::Duration::ZERO,
    };
    let response = handle(app, &request);
    assert_eq!(response.status, 200, "{target}");
    response.body
}
