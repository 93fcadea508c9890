//! Memory of the sensor with 2000 calls in progress: what each table reserves, what is touched of
//! it, and what the whole process takes. `docs/ARCHITECTURE.md` has the figures as a table:
//!
//! ```text
//! cargo test --release -p ringside-sensor --test memory -- --nocapture
//! ```
//!
//! `RINGSIDE_SENSOR` names another program to measure, such as the static one (`ci/shipped`).

mod network;

use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use network::{Call, Tap};
use ringside_protocol::cdr::{Boot, Cdr, Fingerprint};
use ringside_sensor::call::entry;
use ringside_sensor::call::flows::{Flow, Flows};
use ringside_sensor::call::interval::IntervalPool;
use ringside_sensor::call::places::Places;
use ringside_sensor::call::room::Room;
use ringside_sensor::call::slab::{Index, Slab};
use ringside_sensor::call::tombstone::Tombstones;
use ringside_sensor::call::wheel::Wheel;
use ringside_sensor::decode::{Decoder, DecoderSettings, Options, PortSet};
use ringside_sensor::limits::*;
use ringside_sensor::peer::PeerTable;
use ringside_sensor::registration::RegistrationTable;
use ringside_sensor::store::outbox::{Outbox, OutboxSettings};
use ringside_sensor::wire::sip;
use ringside_tests::generate::{Plan, write};
use ringside_tests::processes::program;

/// Channels of a customer.
const CALLS: u16 = 2000;

/// RssAnon of the whole process, KiB: 48 MiB less what a live interface adds.
const MAX_PROCESS: u64 = (48 << 10) - (CAPTURE_BLOCKS * CAPTURE_BLOCK_BYTES) as u64 / 1024;

/// RssAnon of the analysis, KiB. A debug build fills the decoder's tables, 20 MiB, which a release
/// build leaves to the system's zeros.
const MAX_ANALYSIS: u64 = if cfg!(debug_assertions) { 46 << 10 } else { 24 << 10 };

/// What the test measures, where it was started by itself for that.
const MEASURES: &str = "RINGSIDE_MEASURES";

/// One test, because others would run beside it in the same process.
#[test]
fn two_thousand_calls_in_progress_fit_in_48_mib() {
    let measured = match std::env::var(MEASURES).as_deref() {
        Ok("analysis") => Some(analysis()),
        Ok("outbox") => Some(outbox()),
        _ => None,
    };
    if let Some(measured) = measured {
        return println!("{MEASURES}={measured}");
    }
    reserved();
    let analysis = in_its_own_process("analysis");
    println!("{:<44}{analysis:>9} KiB", "analysis with 2000 calls, touched");
    assert!(analysis <= MAX_ANALYSIS, "the analysis takes {analysis} KiB");
    let outbox = in_its_own_process("outbox");
    println!("{:<44}{outbox:>9} KiB", "outbox (sled) with 4000 records, touched");
    let process = process();
    println!("{:<44}{process:>9} KiB", "the process with 2000 calls, RssAnon");
    let rest = process.saturating_sub(analysis + outbox);
    println!("{:<44}{rest:>9} KiB", "of that file buffer, stacks, uplink, the rest");
    assert!(process <= MAX_PROCESS, "the process takes {process} KiB, over {MAX_PROCESS}");
}

/// Measures one part, KiB, where nothing else has had memory that the allocator still holds.
fn in_its_own_process(part: &str) -> u64 {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["two_thousand_calls_in_progress_fit_in_48_mib", "--exact", "--nocapture"])
        .env(MEASURES, part)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let figure = text.lines().find_map(|line| line.split_once(&format!("{MEASURES}=")));
    figure.unwrap_or_else(|| panic!("no figure of {part}: {text}")).1.trim().parse().unwrap()
}

/// Prints what each table reserves at start.
fn reserved() {
    println!("{:<28}{:>8}{:>8}{:>9} KiB", "table", "entries", "bytes", "reserved");
    let intervals = bytes_of(IntervalPool::new);
    let rows = [
        (
            "calls",
            MAX_CALLS,
            bytes_of(|| (Slab::<entry::Call>::new(MAX_CALLS), Index::new(MAX_CALLS))),
        ),
        ("streams", MAX_STREAMS, bytes_of(Flows::default) - intervals),
        ("intervals, blocks of 32", INTERVAL_BLOCKS, intervals),
        ("media addresses", MAX_MEDIA, bytes_of(Places::default)),
        ("tombstones", MAX_TOMBSTONES, bytes_of(Tombstones::default)),
        ("who leaves when full", 2 * MAX_CALLS, bytes_of(Room::default)),
        ("registrations", MAX_REGISTRATIONS, bytes_of(|| RegistrationTable::new(1))),
        ("peers, with open requests", MAX_PEERS, bytes_of(|| PeerTable::new(1))),
        ("deadlines", MAX_CALLS, bytes_of(|| Wheel::new(MAX_CALLS))),
        ("fragments and TCP streams", MAX_FRAGMENTED + MAX_TCP_BUFFERS, bytes_of(decoder)),
        ("capture blocks, an interface", CAPTURE_BLOCKS, CAPTURE_BLOCKS * CAPTURE_BLOCK_BYTES),
        ("file buffer", 1, FILE_BUFFER_BYTES),
    ];
    let mut sum = 0;
    for (name, entries, bytes) in rows {
        println!("{name:<28}{entries:>8}{:>8}{:>9} KiB", bytes / entries, bytes / 1024);
        sum += bytes;
    }
    println!("{:<44}{:>9} KiB", "all tables", sum / 1024);
    println!("a call {} bytes, a stream {} bytes", size_of::<entry::Call>(), size_of::<Flow>());
}

/// Heap that something takes.
fn bytes_of<T>(make: impl FnOnce() -> T) -> usize {
    let mut made = None;
    let info = allocation_counter::measure(|| made = Some(make()));
    usize::try_from(info.bytes_current).unwrap()
}

fn decoder() -> Decoder {
    Decoder::new(DecoderSettings {
        options: Options::default(),
        sip_ports: PortSet::new(),
        framing: sip::framing,
        seed: 1,
    })
}

/// KiB that the analysis touches for calls of 12 s.
fn analysis() -> u64 {
    let before = rss_anon("self");
    let mut tap = Tap::new("call");
    let mut calls: Vec<Call> =
        (0..CALLS).map(|number| Call::new(&format!("call{number}"), number)).collect();
    for call in &calls {
        call.begin(&mut tap);
    }
    // Half a second each time: the streams' intervals are what the length tells.
    for _ in 0..24 {
        for call in &mut calls {
            call.packets().iter().for_each(|frame| tap.frame(frame));
        }
        tap.pass(500_000);
    }
    assert_eq!(tap.analysis.table().in_progress(), CALLS);
    rss_anon("self") - before
}

/// KiB that the outbox takes with the records of 4000 calls.
fn outbox() -> u64 {
    let folder = folder("outbox");
    let before = rss_anon("self");
    let settings = OutboxSettings {
        max_bytes: 256 << 20,
        device: Fingerprint([1; 16]),
        boot: Boot([2; 16]),
        clock: None,
        journal: None,
    };
    let outbox = Outbox::open(&folder, settings).unwrap();
    for number in 1..=4000 {
        let call_id = format!("{number:0>200}");
        outbox.push(Cdr { number, call_id, ..Cdr::default() });
    }
    outbox.flush();
    let taken = rss_anon("self").saturating_sub(before);
    drop(outbox);
    std::fs::remove_dir_all(folder).unwrap();
    taken
}

/// The highest RssAnon of `run --read -` while 2000 calls are in progress, KiB. Its cloud refuses
/// the connection.
fn process() -> u64 {
    let folder = folder("process");
    let config = folder.join("sensor.conf");
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let text = format!(
        "data_dir = {}\npacketbuffer_sender = yes\nserver_destination = {closed}\n",
        folder.display()
    );
    std::fs::write(&config, text).unwrap();
    let mut sensor = Command::new(program("ringside-sensor"))
        .args(["run", "--read", "-", "--config"])
        .arg(&config)
        .stdin(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map(Killed)
        .unwrap();
    let plan = Plan {
        calls: CALLS.into(),
        talk_ms: 8_000,
        // The last one begins before the first one ends.
        every_us: 3_000,
        loss_permille: 10,
        seed: 1,
        start_us: network::START,
    };
    let mut input = BufWriter::with_capacity(1 << 16, sensor.0.stdin.take().unwrap());
    let is_written = AtomicBool::new(false);
    let pid = sensor.0.id().to_string();
    let highest = std::thread::scope(|scope| {
        scope.spawn(|| {
            write(&plan, &mut input).unwrap();
            input.flush().unwrap();
            is_written.store(true, Ordering::Relaxed);
        });
        let mut highest = 0;
        while !is_written.load(Ordering::Relaxed) {
            highest = highest.max(rss_anon(&pid));
            std::thread::sleep(Duration::from_millis(10));
        }
        highest
    });
    drop(sensor);
    std::fs::remove_dir_all(folder).unwrap();
    highest
}

/// A process that ends with its test.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// `RssAnon` of a process, KiB.
fn rss_anon(process: &str) -> u64 {
    let status = std::fs::read_to_string(Path::new("/proc").join(process).join("status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).expect("Linux 4.5");
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

fn folder(name: &str) -> std::path::PathBuf {
    let folder =
        std::env::temp_dir().join(format!("ringside-memory-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    folder
}
