use std::path::Path;
use std::process::Command;

use super::catalog::Catalog;
use super::key::DeviceKey;
use super::packet::Packet;
use ringside_protocol::cdr::CallId;

use super::*;
use crate::store::test_dir::TestDir;

const BOOT: Boot = Boot([5; 16]);
const START: u64 = 1_795_420_800_000_000;
const SECOND: u64 = 1_000_000;
const DAY: u64 = 86_400 * SECOND;

/// A text that stands in packets, and nowhere else.
const SPOKEN: &[u8] = b"what was said is nobody's business";

fn settings(directory: &Path) -> RingSettings {
    RingSettings {
        directory: directory.join(FOLDER),
        max_bytes: 9 << 20,
        max_days: None,
        device: Fingerprint([1; 16]),
        boot: BOOT,
        device_key: None,
        waits: true,
        parks_for: None,
    }
}

fn open(directory: &Path) -> Ring {
    Ring::open(settings(directory)).unwrap()
}

fn facts(number: u64) -> Box<Facts> {
    Box::new(Facts {
        call_id: format!("call-{number}@test.example"),
        rule: "all".to_owned(),
        first_at: START,
        ..Facts::default()
    })
}

/// A buffer with one packet of a call, its bytes beginning with [`SPOKEN`].
fn write(ring: &mut Ring, number: u64, lock: Lock, packet: u32, at: u64, len: usize) {
    let mut bytes = SPOKEN.to_vec();
    bytes.resize(len.max(bytes.len()), u8::try_from(packet % 251).unwrap());
    let mut buffer = ring.buffer().unwrap();
    let packet = Packet {
        number: packet,
        at,
        link_type: 1,
        interface: 0,
        original_len: 2000,
        bytes: &bytes,
    };
    packet.emit(&mut buffer);
    ring.push(Order::Write(Chunk { number, lock, packets: 1, at, bytes: buffer }));
}

/// A call of some packets, kept from its beginning to its end.
fn keep(ring: &mut Ring, number: u64, packets: u32, len: usize, at: u64) {
    ring.push(Order::Keep(number, facts(number)));
    for packet in 0..packets {
        write(ring, number, Lock::Clear, packet, at + u64::from(packet), len);
    }
    ring.push(Order::End(number, Some(facts(number)), false));
}

fn read(directory: &Path) -> Catalog {
    Catalog::read(&directory.join(FOLDER), None).unwrap()
}

fn packets(catalog: &Catalog, number: u64) -> usize {
    catalog.packets((BOOT, number)).unwrap().in_order().len()
}

fn kept(catalog: &Catalog) -> Vec<u64> {
    catalog.kept().map(|((_, number), _, _)| number).collect()
}

/// Whether a text stands in any file of a directory.
fn stands_in(directory: &Path, text: &[u8]) -> bool {
    std::fs::read_dir(directory).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        if path.is_dir() {
            return stands_in(&path, text);
        }
        let bytes = std::fs::read(&path).unwrap();
        bytes.windows(text.len()).any(|window| window == text)
    })
}

fn segments(directory: &Path) -> Vec<segment::Segment> {
    segment::list(&directory.join(FOLDER)).unwrap()
}

#[test]
fn a_kept_call_is_found_with_its_packets_in_order() {
    let dir = TestDir::new();
    let mut ring = open(dir.path());
    keep(&mut ring, 1, 20, 200, START);
    ring.push(Order::Keep(2, facts(2)));
    for packet in [3, 1, 2, 0] {
        write(&mut ring, 2, Lock::Clear, packet, START, 100);
    }
    ring.sync();
    let catalog = read(dir.path());
    assert_eq!(kept(&catalog), [1, 2], "a call in progress is found, too");
    assert_eq!(packets(&catalog, 1), 20);
    let of_2 = catalog.packets((BOOT, 2)).unwrap();
    let numbers: Vec<_> = of_2.in_order().iter().map(|packet| packet.number).collect();
    assert_eq!(numbers, [0, 1, 2, 3]);
    let id = CallId { device: Fingerprint([1; 16]), boot: BOOT, number: 1 }.to_string();
    assert_eq!(catalog.find(&id).map(|(call, _)| call.1), Some(1));
    assert_eq!(catalog.find("call-2@test.example").map(|(call, _)| call.1), Some(2));
    assert!(catalog.find("call-3@test.example").is_none());
}

#[test]
fn a_new_start_goes_on_behind_what_is_there() {
    let dir = TestDir::new();
    for number in 1..=3 {
        let mut ring = open(dir.path());
        keep(&mut ring, number, 5, 200, START);
    }
    assert_eq!(segments(dir.path()).len(), 1);
    let catalog = read(dir.path());
    assert_eq!(kept(&catalog), [1, 2, 3]);
    assert!((1..=3).all(|number| packets(&catalog, number) == 5));
}

#[test]
fn the_oldest_go_first_and_the_quota_holds() {
    let dir = TestDir::new();
    let mut ring = open(dir.path());
    // 30 calls of about 1 MB through a store of 9 MiB.
    for number in 1..=30 {
        keep(&mut ring, number, 300, 3500, START + number * SECOND);
        ring.sync();
        let files = segments(dir.path());
        let bytes: u64 =
            files.iter().map(|file| std::fs::metadata(&file.path).unwrap().len()).sum();
        assert!(bytes <= 9 << 20, "{bytes} bytes");
    }
    let catalog = read(dir.path());
    assert!(packets(&catalog, 30) == 300 && packets(&catalog, 25) == 300);
    assert_eq!(packets(&catalog, 1), 0);
    assert!(!kept(&catalog).contains(&1));
    assert_eq!(ring.figures().dropped_chunks, 0);
}

#[test]
fn a_pinned_call_stays_also_after_a_new_start() {
    let dir = TestDir::new();
    let mut ring = open(dir.path());
    keep(&mut ring, 1, 10, 3500, START);
    ring.push(Order::Pin((BOOT, 1), true));
    for number in 2..=15 {
        keep(&mut ring, number, 300, 3500, START);
    }
    drop(ring);
    let mut ring = open(dir.path());
    for number in 16..=30 {
        keep(&mut ring, number, 300, 3500, START);
    }
    ring.sync();
    assert_eq!(packets(&read(dir.path()), 1), 10);
    ring.push(Order::Pin((BOOT, 1), false));
    for number in 31..=45 {
        keep(&mut ring, number, 300, 3500, START);
    }
    ring.sync();
    assert_eq!(packets(&read(dir.path()), 1), 0);
}

#[test]
fn pinned_calls_hold_at_most_half_of_the_store() {
    let dir = TestDir::new();
    let mut ring = open(dir.path());
    for number in 1..=20 {
        keep(&mut ring, number, 300, 3500, START);
        ring.push(Order::Pin((BOOT, number), true));
    }
    ring.sync();
    assert_eq!(packets(&read(dir.path()), 20), 300, "the newest is always there");
    assert_eq!(ring.figures().errors, 0);
}

#[test]
fn packets_that_are_too_old_are_deleted() {
    let dir = TestDir::new();
    let with_days = || RingSettings { max_days: Some(25), ..settings(dir.path()) };
    let mut ring = Ring::open(with_days()).unwrap();
    keep(&mut ring, 1, 400, 3500, START);
    keep(&mut ring, 2, 300, 3500, START + 20 * DAY);
    keep(&mut ring, 3, 600, 3500, START + 26 * DAY);
    drop(ring);
    // It is looked at every minute, and at the start.
    drop(Ring::open(with_days()).unwrap());
    let catalog = read(dir.path());
    assert!(packets(&catalog, 1) < 400);
    assert_eq!((packets(&catalog, 2), packets(&catalog, 3)), (300, 600));
}

#[test]
fn a_clock_that_goes_back_deletes_nothing_early() {
    let dir = TestDir::new();
    let with_days = || RingSettings { max_days: Some(25), ..settings(dir.path()) };
    let mut ring = Ring::open(with_days()).unwrap();
    keep(&mut ring, 1, 300, 3500, START + 100 * DAY);
    keep(&mut ring, 2, 300, 3500, START);
    keep(&mut ring, 3, 600, 3500, START);
    drop(ring);
    drop(Ring::open(with_days()).unwrap());
    let catalog = read(dir.path());
    assert_eq!((packets(&catalog, 2), packets(&catalog, 3)), (300, 600));
}

#[test]
fn a_power_cut_leaves_what_was_synced_and_nothing_by_halves() {
    let dir = TestDir::new();
    let mut ring = open(dir.path());
    keep(&mut ring, 1, 20, 500, START);
    drop(ring);
    let path = &segments(dir.path())[0].path;
    let whole = std::fs::read(path).unwrap();
    let end = whole.iter().rposition(|&byte| byte != 0).unwrap() + 1;
    let mut before = usize::MAX;
    for cut in (64..end).rev().step_by(97) {
        let mut bytes = whole.clone();
        bytes[cut..].fill(0);
        std::fs::write(path, bytes).unwrap();
        let catalog = read(dir.path());
        let count = packets(&catalog, 1);
        assert!(count <= before);
        before = count;
    }
    assert_eq!(before, 0);
    // The next start goes on behind what is whole.
    let mut bytes = whole.clone();
    bytes[end - 300..].fill(0xa5);
    std::fs::write(path, bytes).unwrap();
    std::fs::remove_dir_all(dir.path().join(FOLDER).join("index")).unwrap();
    let mut ring = open(dir.path());
    keep(&mut ring, 2, 5, 500, START);
    drop(ring);
    assert_eq!(packets(&read(dir.path()), 2), 5);
}

#[test]
fn a_damaged_segment_costs_the_chunks_that_are_damaged() {
    let dir = TestDir::new();
    let mut ring = open(dir.path());
    keep(&mut ring, 1, 20, 500, START);
    drop(ring);
    let path = &segments(dir.path())[0].path;
    let mut bytes = std::fs::read(path).unwrap();
    bytes[3000] ^= 1;
    std::fs::write(path, bytes).unwrap();
    let catalog = read(dir.path());
    assert_eq!(packets(&catalog, 1), 19);
    assert_eq!(catalog.segments[0].1.damaged, 1);
    let mut ring = open(dir.path());
    keep(&mut ring, 2, 5, 500, START);
    drop(ring);
    assert_eq!((packets(&read(dir.path()), 1), packets(&read(dir.path()), 2)), (19, 5));
}

#[test]
fn a_damaged_index_is_made_again_from_the_segments() {
    let dir = TestDir::new();
    let mut ring = open(dir.path());
    keep(&mut ring, 1, 10, 3500, START);
    ring.push(Order::Pin((BOOT, 1), true));
    for number in 2..=6 {
        keep(&mut ring, number, 300, 3500, START);
    }
    drop(ring);
    let db = dir.path().join(FOLDER).join("index/db");
    let mut bytes = std::fs::read(&db).unwrap();
    bytes.iter_mut().for_each(|byte| *byte ^= 0x55);
    std::fs::write(&db, bytes).unwrap();
    let mut ring = open(dir.path());
    // What goes and what stays is the index's business: the pin is known again.
    for number in 7..=30 {
        keep(&mut ring, number, 300, 3500, START);
    }
    ring.sync();
    let catalog = read(dir.path());
    assert_eq!((packets(&catalog, 1), packets(&catalog, 30)), (10, 300));
    assert_eq!(ring.figures().errors, 0);
}

#[test]
fn what_was_held_and_not_kept_is_nowhere_in_the_clear() {
    let dir = TestDir::new();
    let mut ring = open(dir.path());
    for packet in 0..50 {
        write(&mut ring, 1, Lock::Held, packet, START, 3000);
        write(&mut ring, 2, Lock::Held, packet, START, 3000);
    }
    ring.push(Order::End(1, None, false));
    ring.sync();
    assert!(
        kept(&read(dir.path())).is_empty(),
        "a call in progress that nobody keeps is not there"
    );
    ring.push(Order::End(2, Some(facts(2)), true));
    drop(ring);
    assert!(!stands_in(dir.path(), SPOKEN));
    let catalog = read(dir.path());
    assert_eq!(kept(&catalog), [2]);
    assert_eq!((packets(&catalog, 1), packets(&catalog, 2)), (0, 50));
    let of_2 = catalog.packets((BOOT, 2)).unwrap();
    assert!(of_2.in_order().iter().all(|packet| packet.bytes.starts_with(SPOKEN)));
}

#[test]
fn what_is_held_beside_what_is_kept_goes_alone() {
    let dir = TestDir::new();
    let mut ring = open(dir.path());
    ring.push(Order::Keep(1, facts(1)));
    write(&mut ring, 1, Lock::Clear, 0, START, 100);
    write(&mut ring, 1, Lock::Held, 1, START, 100);
    ring.push(Order::End(1, Some(facts(1)), false));
    drop(ring);
    assert_eq!(packets(&read(dir.path()), 1), 1);
}

#[test]
fn encryption_at_rest_needs_the_device_s_key_to_read() {
    let dir = TestDir::new();
    let device_key = || DeviceKey::new([42; 32]);
    let settings = RingSettings { device_key: Some(device_key()), ..settings(dir.path()) };
    let mut ring = Ring::open(settings).unwrap();
    keep(&mut ring, 1, 20, 500, START);
    write(&mut ring, 2, Lock::Held, 0, START, 100);
    ring.push(Order::End(2, Some(facts(2)), true));
    drop(ring);
    assert!(!stands_in(dir.path(), SPOKEN) && !stands_in(dir.path(), b"test.example"));
    assert!(kept(&read(dir.path())).is_empty());
    let folder = dir.path().join(FOLDER);
    assert!(kept(&Catalog::read(&folder, Some(&DeviceKey::new([43; 32]))).unwrap()).is_empty());
    let catalog = Catalog::read(&folder, Some(&device_key())).unwrap();
    assert_eq!(kept(&catalog), [1, 2]);
    assert_eq!((packets(&catalog, 1), packets(&catalog, 2)), (20, 1));
}

#[test]
fn buffers_run_out_at_their_limit_and_come_back() {
    let dir = TestDir::new();
    let mut ring = Ring::open(RingSettings { waits: false, ..settings(dir.path()) }).unwrap();
    let mut buffers: Vec<_> = core::iter::from_fn(|| ring.buffer()).collect();
    assert_eq!(buffers.len(), MAX_BUFFERS);
    let bytes = buffers.pop().unwrap();
    ring.push(Order::Write(Chunk { number: 1, lock: Lock::Held, packets: 0, at: START, bytes }));
    ring.sync();
    assert!(ring.buffer().is_some());
    assert!(ring.large_buffer(MAX_LARGE_BYTES).is_none());
    assert!(ring.large_buffer(MAX_LARGE_BYTES / 2).is_some());
}

/// A file system of its own, where the rights suffice for that.
struct SmallDisk(TestDir);

impl SmallDisk {
    fn new(mebibytes: u32) -> Option<Self> {
        let dir = TestDir::new();
        let is_mounted = mount(&["-t", "tmpfs", "-o", &format!("size={mebibytes}m"), "none"], &dir);
        if !is_mounted {
            println!("skipped: only root can mount a disk of its own");
        }
        is_mounted.then(|| Self(dir))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // The directory's own removal fails, visibly, where this does.
        let _ = Command::new("umount").arg(self.0.path()).status();
    }
}

fn mount(arguments: &[&str], dir: &TestDir) -> bool {
    let status = Command::new("mount").args(arguments).arg(dir.path()).status();
    status.is_ok_and(|status| status.success())
}

#[test]
fn a_disk_that_is_smaller_than_the_quota_goes_round() {
    let Some(disk) = SmallDisk::new(6) else { return };
    let mut ring = open(disk.0.path());
    for number in 1..=20 {
        keep(&mut ring, number, 300, 3500, START);
    }
    ring.sync();
    assert_eq!(packets(&read(disk.0.path()), 20), 300);
}

#[test]
fn a_full_disk_costs_packets_and_is_tried_again() {
    let Some(disk) = SmallDisk::new(2) else { return };
    let filler = disk.0.path().join("filler");
    // It cannot all be written: that is the point.
    let _ = std::fs::write(&filler, vec![0; 3 << 20]);
    let mut ring = open(disk.0.path());
    keep(&mut ring, 1, 5, 500, START);
    ring.sync();
    let figures = ring.figures();
    assert!(figures.refusing && figures.dropped_chunks >= 5, "{figures:?}");
    std::fs::remove_file(&filler).unwrap();
    let deadline = std::time::Instant::now() + RETRY_AFTER * 10;
    let mut number = 2;
    while packets(&read(disk.0.path()), number) == 0 {
        assert!(std::time::Instant::now() < deadline, "{:?}", ring.figures());
        number += 1;
        keep(&mut ring, number, 5, 500, START);
        ring.sync();
    }
}

#[test]
fn a_read_only_disk_costs_packets_and_nothing_else() {
    let Some(disk) = SmallDisk::new(16) else { return };
    let mut ring = open(disk.0.path());
    keep(&mut ring, 1, 5, 500, START);
    drop(ring);
    assert!(mount(&["-o", "remount,ro"], &disk.0));
    let mut ring = open(disk.0.path());
    keep(&mut ring, 2, 5, 500, START);
    ring.sync();
    assert!(ring.figures().refusing);
    drop(ring);
    assert_eq!(packets(&read(disk.0.path()), 1), 5);
}
