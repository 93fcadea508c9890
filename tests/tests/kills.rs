//! SIGKILL, a cut network and lost answers under load: afterwards the cloud has every record that
//! existed, once.
//!
//! A record exists when its outbox batch is flushed; the sensor writes its id into a journal then
//! (`RINGSIDE_OUTBOX_JOURNAL`). Calls that were only in memory when a sensor was killed are gone,
//! and are counted apart.
//!
//! | variable | |
//! | --- | --- |
//! | `RINGSIDE_KILLS` | kills in all (6) |
//! | `RINGSIDE_SEED` | makes the moments and victims; printed (the clock's) |

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use ringside_protocol::cdr::{Boot, CallId};
use ringside_tests::api::agent;
use ringside_tests::authority::{Authority, Validity};
use ringside_tests::captures::{recent, write_file};
use ringside_tests::cloud::Cloud;
use ringside_tests::folder::Folder;
use ringside_tests::generate::Noise;
use ringside_tests::journal::{self, rows};
use ringside_tests::middle::{Answer, Middle, Request};
use ringside_tests::processes::{Process, wait_until};
use ringside_tests::proxy::Proxy;
use ringside_tests::sensor::Sensor;

/// A call of the load begins so often: 100 a second.
const CALL_EVERY_US: u64 = 10_000;

/// Long enough that no sensor comes to its end between two kills.
const LOAD_CALLS: u32 = 3_000;

/// One sensor under load: killed, and started again on the same data directory.
struct Loaded {
    sensor: Sensor,
    capture: PathBuf,
    process: Process,
    /// The boots that were killed.
    killed: BTreeSet<Boot>,
    /// Calls that had begun and did not come to exist, at most.
    in_memory: u64,
}

impl Loaded {
    fn start(name: &str, capture: PathBuf, token: &str) -> Self {
        let sensor = Sensor::joined(name, token);
        let process = sensor.run(Some(&capture), "realtime");
        Self { sensor, capture, process, killed: BTreeSet::new(), in_memory: 0 }
    }

    fn kill(&mut self) {
        let age = self.process.age();
        self.process.kill();
        let Some(boot) = boot(&self.process) else { return };
        self.killed.insert(boot);
        let begun = u64::try_from(age.as_micros()).unwrap_or(u64::MAX) / CALL_EVERY_US;
        let existed = journal_of(&self.sensor).iter().filter(|id| id.boot == boot).count() as u64;
        self.in_memory += begun.min(u64::from(LOAD_CALLS)).saturating_sub(existed);
    }

    fn start_again(&mut self) {
        self.process = self.sensor.run(Some(&self.capture), "realtime");
    }

    /// Ends the load, and waits until every record is acknowledged.
    fn drain(&mut self, short: &Path) {
        self.process.terminate();
        self.process.wait();
        let mut last = self.sensor.run(Some(short), "max");
        assert!(last.wait().success(), "{}", last.written());
    }
}

/// The boot that a process has told of; it may have been killed before.
fn boot(process: &Process) -> Option<Boot> {
    let written = process.written();
    let hex = written.split(", boot ").nth(1)?.get(..32)?;
    let bytes = data_encoding::HEXLOWER.decode(hex.as_bytes()).ok()?;
    Some(Boot(bytes.try_into().ok()?))
}

/// The records that came to exist.
fn journal_of(sensor: &Sensor) -> BTreeSet<CallId> {
    let text = std::fs::read_to_string(sensor.journal()).unwrap_or_default();
    journal::ids(&text)
}

/// Every record that existed is there, once. Answers how many rows are there besides: a kill spares
/// what the system has been given to write, so records whose flush had not returned, or was not in
/// the journal yet, may live. They can only be the last ones of a boot that was killed.
fn same(journals: &[BTreeSet<CallId>], killed: &BTreeSet<Boot>, rows: &[CallId]) -> usize {
    let unique: BTreeSet<CallId> = rows.iter().copied().collect();
    assert_eq!(unique.len(), rows.len(), "rows are doubled");
    let existed: BTreeSet<CallId> = journals.iter().flatten().copied().collect();
    let missing: Vec<_> = existed.difference(&unique).collect();
    assert!(missing.is_empty(), "{} are missing, the first is {}", missing.len(), missing[0]);
    let mut newest: BTreeMap<Boot, u64> = BTreeMap::new();
    for id in &existed {
        let number = newest.entry(id.boot).or_default();
        *number = id.number.max(*number);
    }
    let mut spared = 0;
    for id in unique.difference(&existed) {
        let is_last = newest.get(&id.boot).is_none_or(|&newest| id.number > newest);
        assert!(killed.contains(&id.boot) && is_last, "{id} is in no journal");
        spared += 1;
    }
    spared
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().expect("a number"))
}

fn seed() -> u64 {
    let clock = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |since| since.as_secs());
    let seed = number("RINGSIDE_SEED").unwrap_or_else(clock);
    println!("RINGSIDE_SEED={seed}");
    seed
}

#[test]
fn sensors_and_cloud_killed_at_any_moment_lose_and_double_nothing() {
    let kills = number("RINGSIDE_KILLS").unwrap_or(6);
    let mut noise = Noise(seed());
    let mut cloud = Cloud::start();
    let proxy = Proxy::start(cloud.sensors);
    let folder = Folder::new();
    let (capture, _) = write_file(&folder, &recent(LOAD_CALLS, 100, CALL_EVERY_US, 1));
    let (short, _) = write_file(&folder, &recent(3, 100, CALL_EVERY_US, 2));
    let way = format!("localhost:{}", proxy.port);
    let mut sensors = [0, 1].map(|number| {
        let token = cloud.token_for(&way);
        Loaded::start(&format!("load-{number}"), capture.clone(), &token)
    });
    let began = Instant::now();
    for kill in 0..kills {
        // The moment is what is random here: there is no condition to wait for.
        std::thread::sleep(Duration::from_millis(300 + noise.below(2_700)));
        let victim = (kill + noise.below(2)) % 3;
        let number = usize::try_from(noise.below(2)).unwrap_or(0);
        if victim != 1 {
            sensors[number].kill();
        }
        if victim != 0 {
            cloud.kill();
            std::thread::sleep(Duration::from_millis(noise.below(1_500)));
            cloud.start_again();
            proxy.forward_to(cloud.sensors);
        }
        if victim != 1 {
            sensors[number].start_again();
        }
        for loaded in &mut sensors {
            // Its capture may be at its end.
            if !loaded.process.is_running() {
                assert!(loaded.process.wait().success(), "{}", loaded.process.written());
                loaded.start_again();
            }
        }
        if (kill + 1) % 20 == 0 {
            println!("{} of {kills} kills, {} s", kill + 1, began.elapsed().as_secs());
        }
    }
    for loaded in &mut sensors {
        loaded.drain(&short);
    }
    let journals: Vec<_> = sensors.iter().map(|loaded| journal_of(&loaded.sensor)).collect();
    let killed = sensors.iter().flat_map(|loaded| loaded.killed.iter().copied()).collect();
    let rows = rows(&cloud.api());
    let spared = same(&journals, &killed, &rows);
    let in_memory: u64 = sensors.iter().map(|loaded| loaded.in_memory).sum();
    println!(
        "{kills} kills in {} s: {} records existed, each is one row; {spared} rows more were \
         being flushed when their sensor was killed; at most {in_memory} calls were \
         in progress or not flushed yet, and are gone",
        began.elapsed().as_secs(),
        journals.iter().map(BTreeSet::len).sum::<usize>(),
    );
}

#[test]
fn a_network_that_is_cut_for_a_while_loses_and_doubles_nothing() {
    let (cloud, folder) = (Cloud::start(), Folder::new());
    let proxy = Proxy::start(cloud.sensors);
    let (capture, _) = write_file(&folder, &recent(1_000, 100, CALL_EVERY_US, 3));
    let sensor = Sensor::joined("cut", &cloud.token_for(&format!("localhost:{}", proxy.port)));
    let mut process = sensor.run(Some(&capture), "realtime");
    let api = cloud.api();
    wait_until("the first calls", || !api.calls().is_empty());
    proxy.stall();
    // It has waited 30 s for its answer by then, and 10 s for that of a new connection.
    _ = process.wait_for_line("did not complete a TLS handshake (no answer)");
    proxy.reset();
    assert!(process.wait().success(), "{}", process.written());
    let existed = journal_of(&sensor);
    assert_eq!(existed.len(), 1_000, "no call is lost when the network is");
    assert_eq!(same(&[existed], &BTreeSet::new(), &rows(&api)), 0);
}

/// What is lost on its way back.
const LOST_ANSWERS: [(&str, u32); 3] =
    [("/uplink/enrol", 2), ("/uplink/session", 2), ("/uplink/cdrs", 4)];

#[test]
fn answers_that_are_lost_after_the_commit_double_nothing() {
    let authority = Authority::new();
    let issued = authority.issue(&["localhost", "127.0.0.1"], Validity::Now);
    let (cloud, folder) = (Cloud::start_with(&authority, &issued), Folder::new());
    let lost: [AtomicU32; 3] = Default::default();
    let base = format!("https://127.0.0.1:{}", cloud.sensors.port());
    let lose = move |request: Request<'_>| {
        let place = LOST_ANSWERS.iter().position(|(path, _)| *path == request.path);
        let answer = request.forward();
        let is_lost = place.is_some_and(|place| {
            lost[place].fetch_add(1, Ordering::Relaxed) < LOST_ANSWERS[place].1
        });
        if is_lost { Answer::Cut } else { answer }
    };
    let middle = Middle::before((agent(&authority.pem()), base), issued.config(), lose);
    let (capture, _) = write_file(&folder, &recent(300, 100, CALL_EVERY_US, 4));
    let token = cloud.token_for(&format!("localhost:{}", middle.port));
    let sensor = Sensor::new("unheard").with("cloud_token", &token);
    let mut process = sensor.run(Some(&capture), "realtime");
    assert!(process.wait().success(), "{}", process.written());
    let existed = journal_of(&sensor);
    assert_eq!(existed.len(), 300);
    assert_eq!(same(&[existed], &BTreeSet::new(), &rows(&cloud.api())), 0);
}
