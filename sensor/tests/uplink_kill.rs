//! The outbox and SIGKILL, and the outbox and a disk that is full: a second process of this test
//! does the work, and this one looks at what is left.
//!
//! `RINGSIDE_KILL_ROUNDS` sets the number of kills (8 without it).

mod uplink_support;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use ringside_protocol::cdr::{Boot, CallId, Fingerprint};
use ringside_sensor::clock::WallClock;
use ringside_sensor::identity::{Identity, Server};
use ringside_sensor::store::outbox::{Outbox, OutboxSettings};
use ringside_sensor::uplink::{Settings, Uplink};

use uplink_support::{NAME, TestCloud, TestDir, TestHost, cdr, journal_path, wait_for};

/// Names the directory that a child works in.
const CHILD_DIR: &str = "RINGSIDE_TEST_CHILD_DIR";
const DEVICE: Fingerprint = Fingerprint([9; 16]);

fn open(directory: &Path, boot: Boot, journal: bool) -> Outbox {
    let settings = OutboxSettings {
        max_bytes: 64 << 20,
        device: DEVICE,
        boot,
        clock: None,
        journal: journal.then(|| directory.join("journal")),
    };
    Outbox::open(directory, settings).expect("outbox")
}

fn rounds() -> u64 {
    let rounds = std::env::var("RINGSIDE_KILL_ROUNDS").ok();
    rounds.and_then(|text| text.parse().ok()).unwrap_or(8)
}

fn child(test: &str, dir: &TestDir, round: u8) -> Child {
    command(test, dir, round).spawn().expect("a child")
}

fn command(test: &str, dir: &TestDir, round: u8) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command
        .args(["--exact", test, "--nocapture"])
        .env(CHILD_DIR, dir.path())
        .env("RINGSIDE_TEST_ROUND", round.to_string())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

/// The directory and the round, in a child; `None` in the test run itself.
fn as_child() -> Option<(std::path::PathBuf, u8)> {
    let directory = std::env::var_os(CHILD_DIR)?;
    let round = std::env::var("RINGSIDE_TEST_ROUND").ok()?.parse().ok()?;
    Some((directory.into(), round))
}

fn journal(dir: &TestDir) -> Vec<CallId> {
    let text = fs::read_to_string(journal_path(dir)).unwrap_or_default();
    // The last line may be cut by the kill.
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    whole.lines().map(|line| line.parse().expect("an id")).collect()
}

/// A child's work, when this program is started as one: pushes until it is killed, and
/// acknowledges some of it.
#[test]
fn child_pushes_and_acknowledges_until_it_is_killed() {
    let Some((directory, round)) = as_child() else { return };
    let outbox = open(&directory, Boot([round; 16]), true);
    for number in 1.. {
        outbox.push(cdr(number));
        if number % 64 == 0 {
            outbox.flush();
        }
        if number % 640 == 0
            && let Some(batch) = outbox.next_batch(100)
        {
            let boot = batch.boot;
            let ids = batch.records.iter().map(|it| format!("{DEVICE}-{boot}-{}\n", it.number()));
            append(&directory.join("delivered"), &ids.collect::<String>());
            outbox.acknowledge(&batch);
        }
    }
}

fn append(path: &Path, text: &str) {
    use std::io::Write;
    let mut file = fs::OpenOptions::new().create(true).append(true).open(path).expect("delivered");
    file.write_all(text.as_bytes()).expect("delivered");
}

#[test]
fn what_existed_before_a_kill_is_there_after_it() {
    let dir = TestDir::new();
    for round in 1..=rounds() {
        let number = u8::try_from(round % 251).expect("a byte");
        let before = journal(&dir).len();
        let mut child = child("child_pushes_and_acknowledges_until_it_is_killed", &dir, number);
        wait_for("the child's first records", || journal(&dir).len() > before);
        // Killed at another point of its work each time.
        std::thread::sleep(Duration::from_millis(round * 37 % 190));
        child.kill().expect("kill");
        child.wait().expect("wait");
        check(&dir);
    }
    let kills = rounds();
    println!("{kills} kills, {} records existed, none is missing", journal(&dir).len());
}

/// Every id of the journal is in the outbox or was delivered; nothing is in the outbox twice.
fn check(dir: &TestDir) {
    let delivered = fs::read_to_string(dir.path().join("delivered")).unwrap_or_default();
    let delivered: BTreeSet<CallId> =
        delivered.lines().filter_map(|line| line.parse().ok()).collect();
    let kept = contents(dir);
    let unique: BTreeSet<CallId> = kept.iter().copied().collect();
    assert_eq!(unique.len(), kept.len(), "a record is there twice");
    for id in journal(dir) {
        assert!(unique.contains(&id) || delivered.contains(&id), "{id} existed and is gone");
    }
}

/// Everything in the outbox, read from a copy so that the next round goes on with all of it.
fn contents(dir: &TestDir) -> Vec<CallId> {
    let copy = TestDir::new();
    copy_tree(&dir.path().join("outbox"), &copy.path().join("outbox"));
    let outbox = open(copy.path(), Boot([255; 16]), false);
    assert_eq!(outbox.figures().errors, 0, "the tree is whole");
    let mut ids = Vec::new();
    while let Some(batch) = outbox.next_batch(500) {
        let boot = batch.boot;
        let id = |number| CallId { device: DEVICE, boot, number };
        ids.extend(batch.records.iter().map(|record| id(record.number())));
        outbox.acknowledge(&batch);
    }
    ids
}

fn copy_tree(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("mkdir");
    for entry in fs::read_dir(from).expect("list") {
        let entry = entry.expect("entry");
        let target = to.join(entry.file_name());
        if entry.file_type().expect("type").is_dir() {
            copy_tree(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("copy");
        }
    }
}

/// A child's work: a whole sensor's way out, from calls to acknowledgements, until it is killed.
#[test]
fn child_delivers_until_it_is_killed() {
    let Some((directory, round)) = as_child() else { return };
    let port = std::env::var("RINGSIDE_TEST_PORT").expect("port").parse().expect("a port");
    let token = std::env::var("RINGSIDE_TEST_TOKEN").expect("token").parse().expect("a token");
    let settings = Settings {
        directory: directory.clone(),
        servers: vec![Server { host: NAME.to_owned(), port }],
        ca: None,
        token: Some(token),
        id_sensor: None,
        name: format!("round {round}"),
        network: uplink_support::network(),
        clock: WallClock::system(),
    };
    let identity = Identity::load_or_create(&directory).expect("identity");
    let outbox = OutboxSettings {
        max_bytes: 64 << 20,
        device: identity.fingerprint(),
        boot: identity.boot(),
        clock: None,
        journal: Some(directory.join("journal")),
    };
    let outbox = Outbox::open(&directory, outbox).expect("outbox");
    let uplink = Uplink::start(settings, identity, outbox.clone(), TestHost::default());
    let _uplink = uplink.expect("uplink");
    for number in 1.. {
        outbox.push(cdr(number));
        if number % 50 == 0 {
            outbox.flush();
        }
        // As many as can be delivered, and a few more.
        assert!(outbox.wait_until(uplink_support::SOON, |figures| figures.outstanding() < 300));
    }
}

#[test]
fn a_sensor_that_is_killed_delivers_every_record_that_existed() {
    let (dir, cloud) = (TestDir::new(), TestCloud::new());
    let token = cloud.token();
    for round in 1..=rounds() {
        let before = journal(&dir).len();
        let mut child = command("child_delivers_until_it_is_killed", &dir, 1)
            .env("RINGSIDE_TEST_PORT", cloud.port().to_string())
            .env("RINGSIDE_TEST_TOKEN", token.to_string())
            .spawn()
            .expect("a child");
        wait_for("the child's first records", || journal(&dir).len() > before);
        std::thread::sleep(Duration::from_millis(round * 61 % 290));
        child.kill().expect("kill");
        child.wait().expect("wait");
    }
    // What is left is delivered by one more start.
    let settings = Settings { token: Some(token), ..uplink_support::settings(&dir, &cloud) };
    let sensor = uplink_support::start(settings);
    assert!(sensor.uplink.wait_until_drained(uplink_support::SOON));
    let state = cloud.state();
    let existed = journal(&dir);
    for id in &existed {
        assert!(state.rows.contains_key(&(id.boot, id.number)), "{id} existed and is gone");
    }
    for ((boot, number), deliveries) in &state.rows {
        let is_same = deliveries.windows(2).all(|pair| pair[0] == pair[1]);
        assert!(is_same, "{boot}-{number} was delivered with different bytes");
    }
    let again = state.rows.values().filter(|deliveries| deliveries.len() > 1).count();
    println!(
        "{} kills, {} records existed, {} rows, {again} delivered more than once",
        rounds(),
        existed.len(),
        state.rows.len()
    );
}

/// A child's work: its files may not grow over a limit, as on a full disk, until the limit is
/// lifted.
#[test]
fn child_fills_a_disk_that_is_full_for_a_while() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    use std::sync::Arc;
    use std::sync::atomic::AtomicBool;

    let Some((directory, round)) = as_child() else { return };
    // Writing over the limit is an error then, and no signal that ends the process.
    let signal = rustix::process::Signal::XFSZ.as_raw();
    signal_hook::flag::register(signal, Arc::new(AtomicBool::new(false))).expect("signal");
    let outbox = open(&directory, Boot([round; 16]), false);
    let whole = getrlimit(Resource::Fsize);
    let full = Rlimit { current: Some(1 << 20), maximum: whole.maximum };
    setrlimit(Resource::Fsize, full).expect("limit");
    let mut number = 0;
    while !outbox.figures().refusing {
        number += 1;
        let mut cdr = cdr(number);
        cdr.dtmf = format!("{number}").repeat(200);
        outbox.push(cdr);
        if number % 100 == 0 {
            outbox.flush();
        }
    }
    let refused = outbox.figures();
    assert!(refused.waiting > 0 && refused.errors > 0, "{refused:?}");
    outbox.push(cdr(number + 1));
    setrlimit(Resource::Fsize, whole).expect("limit");
    let all = number + 1;
    assert!(outbox.wait_until(uplink_support::SOON, |figures| figures.stored == all));
    fs::write(directory.join("pushed"), all.to_string()).expect("pushed");
}

#[test]
fn a_full_disk_loses_nothing_that_fits_into_memory() {
    let dir = TestDir::new();
    let mut child = child("child_fills_a_disk_that_is_full_for_a_while", &dir, 1);
    assert!(child.wait().expect("wait").success());
    let pushed: u64 =
        fs::read_to_string(dir.path().join("pushed")).expect("pushed").parse().expect("a number");
    let kept: Vec<u64> = contents(&dir).iter().map(|id| id.number).collect();
    assert_eq!(kept, (1..=pushed).collect::<Vec<_>>());
}
