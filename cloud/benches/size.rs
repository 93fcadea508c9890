//! How the cloud answers at its full size: one customer with up to 24 million calls, 25 days of
//! 2000 channels at 180 s a call, beside 100 small ones. `ci/bench-cloud` runs it.
//!
//! The calls go through [`Db::store_batch`] in batches of 500, the newest day first, and the figures
//! are of whole requests through the routes: the 95th percentile of the first page by the clock, what it
//! took of the processor, and how many of the pages were parts of a search that goes on.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ringside_cloud::auth::sha256;
use ringside_cloud::db::people::{ApiToken, create_api_token};
use ringside_cloud::db::{Customer, Db};
use ringside_cloud::events::{Events, Waker};
use ringside_cloud::front::Wakes;
use ringside_cloud::identity::Identity;
use ringside_cloud::routes::{App, handle};
use ringside_cloud::server::{Body, Request};
use ringside_protocol::cdr::{Boot, CallId, Cdr, Fingerprint, Status};
use ringside_protocol::message::{Batch, MAX_BATCH_RECORDS};
use ringside_protocol::time::UnixMicros;
use rustix::time::{ClockId, clock_gettime};
use serde_json::Value;

#[allow(dead_code, reason = "the tests use more of it")]
#[path = "../src/routes/tests/synthetic.rs"]
mod synthetic;

const SECOND: u64 = 1_000_000;
const DAY: u64 = 86_400 * SECOND;

/// 2000 channels, 180 s a call.
const CALLS_A_DAY: u64 = 960_000;

/// 2026-11-24T23:59:59Z.
const NOW: u64 = 1_795_564_799 * SECOND;

/// Requests of each kind.
const TIMES: u64 = 40;

const SENSORS: u64 = 40;

fn main() {
    let mut given = std::env::args().skip(1).filter(|word| word != "--bench");
    // `cargo test` runs benches too, without arguments.
    let (Some(folder), Some(sizes)) = (given.next(), given.next()) else { return };
    let folder = PathBuf::from(folder);
    std::fs::create_dir_all(&folder).expect("a folder");
    let db = Arc::new(Db::open(&folder).expect("a database"));
    let app = app(&db);
    let mut load = Load::new(&db);
    for size in sizes.split(',').map(|size| size.parse::<u64>().expect("a number of calls")) {
        load.fill(&db, size, &folder);
        measure(&app, &load);
    }
}

fn app(db: &Arc<Db>) -> App {
    let customer = db.create_customer("Large", UnixMicros(NOW)).expect("made").expect("new");
    let facts = ApiToken { customer, name: "bench".to_owned(), expires_at: None };
    create_api_token(db, &sha256(b"bench"), &facts, "bench", UnixMicros(NOW)).expect("kept");
    let waker: Arc<dyn Waker> = Arc::new(Wakes::new());
    let events = Arc::new(Events::new(1, Arc::clone(&waker)));
    let identity = Identity { host: "localhost".to_owned(), port: 60023, ca_key_sha256: [0; 32] };
    App::new(Arc::clone(db), events, waker, identity, Box::new(|| UnixMicros(NOW)))
}

/// What is stored so far.
struct Load {
    large: Customer,
    small: Vec<Customer>,
    stored: u64,
    noise: synthetic::Noise,
    /// Some of the calls, to ask for.
    samples: Vec<(CallId, Cdr)>,
}

impl Load {
    fn new(db: &Db) -> Self {
        let large = db.customer_named("Large").expect("asked").expect("made");
        let small = (0..100).map(|number| {
            let name = format!("Small {number}");
            db.create_customer(&name, UnixMicros(NOW)).expect("made").expect("new")
        });
        let small = small.collect();
        Self { large, small, stored: 0, noise: synthetic::Noise(1), samples: Vec::new() }
    }

    fn fill(&mut self, db: &Db, size: u64, folder: &Path) {
        let (mut kept, before) = (Duration::ZERO, self.stored);
        while self.stored < size {
            let (device, batch, now) = self.batch();
            let whose = if self.is_for_small() {
                self.small[usize::try_from(self.stored / 10_000 % 100).expect("below 100")]
            } else {
                self.large
            };
            let began = Instant::now();
            db.store_batch(whose, device, &batch, now).expect("kept");
            kept += began.elapsed();
            self.stored += MAX_BATCH_RECORDS as u64;
        }
        let bytes: u64 = ["ringside.db", "ringside.db-wal"]
            .iter()
            .filter_map(|name| std::fs::metadata(folder.join(name)).ok())
            .map(|file| file.len())
            .sum();
        println!(
            "\n{} calls, {} MiB, {} bytes a call; {:.0} calls a second kept",
            self.stored,
            bytes >> 20,
            bytes / self.stored,
            (self.stored - before) as f64 / kept.as_secs_f64()
        );
    }

    /// One batch in twenty is a small customer's.
    const fn is_for_small(&self) -> bool {
        self.stored.is_multiple_of(20 * MAX_BATCH_RECORDS as u64)
    }

    /// The next calls of a sensor: the newest day first, and within a day the earliest.
    fn batch(&mut self) -> (Fingerprint, Batch, UnixMicros) {
        let day = self.stored / CALLS_A_DAY;
        let begin = NOW - NOW % DAY - day * DAY;
        // One sensor in a thousand batches is the last one, which sees few calls.
        let turn = self.stored / MAX_BATCH_RECORDS as u64;
        let sensor = if turn % 1000 == 7 { SENSORS - 1 } else { turn % (SENSORS - 1) };
        let device = Fingerprint([u8::try_from(sensor + 1).expect("few"); 16]);
        let boot = Boot([7; 16]);
        let cdrs: Vec<Cdr> = (0..MAX_BATCH_RECORDS as u64)
            .map(|index| {
                let number = self.stored + index;
                let at = begin + (number % CALLS_A_DAY) * (DAY - SECOND) / CALLS_A_DAY;
                let cdr = call(&mut self.noise, number + 1, at);
                if number.is_multiple_of(4999) && !self.is_for_small() {
                    self.samples.push((CallId { device, boot, number: number + 1 }, cdr.clone()));
                }
                cdr
            })
            .collect();
        (device, Batch::new(boot, cdrs), UnixMicros((begin + DAY - 1).min(NOW)))
    }
}

/// A call between one of 10 million numbers and one of 4000 telephones.
fn call(noise: &mut synthetic::Noise, number: u64, ended_at: u64) -> Cdr {
    let mut cdr = synthetic::call(noise, number, ended_at);
    let phone = noise.below(4000);
    let octet = |number: u64| u8::try_from(number).expect("below 256");
    let host = [10, octet(phone % 40), 1, octet(phone / 40)];
    for address in cdr.addresses.iter_mut().step_by(2) {
        *address = (host, address.port()).into();
    }
    cdr.callee.user = format!("{}", 1000 + phone);
    if noise.below(2000) == 0 {
        cdr.status = Some(Status { code: 603, reason_phrase: String::new() });
        cdr.answered = None;
    }
    cdr
}

fn measure(app: &App, load: &Load) {
    let mut noise = synthetic::Noise(2);
    let mut sample =
        || &load.samples[usize::try_from(noise.below(load.samples.len() as u64)).expect("small")];
    let number = |cdr: &Cdr| cdr.caller.user.trim_start_matches('+').to_owned();
    let address = |cdr: &Cdr| cdr.addresses[0].ip().to_string();
    let time = |cdr: &Cdr| UnixMicros(cdr.ended_at().0).to_rfc3339();
    let mut ask = |case: &str, query: &dyn Fn(&Cdr, CallId) -> String| {
        let (mut times, mut busy, mut partial, mut found) = (Vec::new(), Duration::ZERO, 0, 0);
        for _ in 0..TIMES {
            let (id, cdr) = sample();
            let query = query(cdr, *id);
            let (began, before) = (Instant::now(), thread_time());
            let answer = get(app, &query);
            times.push(began.elapsed());
            busy += thread_time() - before;
            partial += u64::from(answer["partial"] == true);
            found += answer["calls"].as_array().map_or(0, Vec::len);
        }
        times.sort_unstable();
        let at = |per_cent: usize| times[times.len() * per_cent / 100].as_secs_f64() * 1000.0;
        println!(
            "{case:24} {:>8.1} ms (median {:.1}, of the processor {:.1}), {} calls on {TIMES} pages, \
             {partial} go on",
            at(95),
            at(50),
            busy.as_secs_f64() * 1000.0 / TIMES as f64,
            found
        );
    };
    ask("no filter", &|_, _| "calls".to_owned());
    ask("time range", &|cdr, _| format!("calls?to={}", time(cdr)));
    ask("number, exact", &|cdr, _| format!("calls?number=%2B{}", number(cdr)));
    ask("number, extension", &|cdr, _| format!("calls?number={}", cdr.callee.user));
    ask("number, prefix", &|cdr, _| format!("calls?number=%2B{}*", &number(cdr)[..8]));
    ask("number, suffix", &|cdr, _| format!("calls?number=*{}", &number(cdr)[5..]));
    ask("address", &|cdr, _| format!("calls?address={}", address(cdr)));
    ask("prefix of addresses", &|cdr, _| format!("calls?address={}/24", address(cdr)));
    ask("mos_below=1.52", &|_, _| "calls?mos_below=1.52".to_owned());
    ask("MOS range", &|_, _| "calls?mos_above=3.45&mos_below=3.46".to_owned());
    ask("status, common", &|_, _| "calls?status=486".to_owned());
    ask("status, rare", &|_, _| "calls?status=603".to_owned());
    ask("status, none", &|_, _| "calls?status=699".to_owned());
    ask("sensor", &|_, id| format!("calls?sensor={}", id.device));
    ask("sensor, few calls", &|_, _| {
        format!("calls?sensor={}", Fingerprint([u8::try_from(SENSORS).expect("few"); 16]))
    });
    ask("number and status", &|cdr, _| format!("calls?number=%2B{}&status=200", number(cdr)));
    ask("address and MOS", &|cdr, _| format!("calls?address={}&mos_below=2", address(cdr)));
    ask("no match, number", &|_, _| "calls?number=%2B44123".to_owned());
    ask("no match, address", &|_, _| "calls?address=203.0.113.0/24".to_owned());
    ask("no match, words", &|_, _| "calls?q=nobody".to_owned());
    ask("one call", &|_, id| format!("calls/{id}"));
    ask("figures of a day", &|_, _| "stats".to_owned());
    ask("figures of 25 days", &|_, _| "stats?from=2026-10-31".to_owned());
}

fn thread_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}

fn get(app: &App, target: &str) -> Value {
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
        waited: Duration::ZERO,
    };
    let response = handle(app, &request);
    assert_eq!(response.status, 200, "{target}");
    let Body::Bytes(bytes) = response.body else { panic!("a stream") };
    serde_json::from_slice(&bytes).expect("JSON")
}
