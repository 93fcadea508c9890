use std::io::Read;
use std::sync::atomic::{AtomicBool, Ordering};

use ring::hmac;
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair};
use ringside_protocol::cdr::{Boot, CallId};
use ringside_protocol::retrieval::{
    Action, LONGEST_SESSION_SECONDS, OPENING_BYTES, SESSION_SECONDS, SignedTicket, Way,
    resume_proof_message,
};
use ringside_protocol::time::MICROS_PER_SECOND;

use super::*;
use crate::store::ring::catalog::Catalog;
use crate::store::ring::chunk::Lock;
use crate::store::ring::facts::Facts;
use crate::store::ring::packet::Packet;
use crate::store::ring::{Chunk, Order, Ring, RingSettings};
use crate::store::test_dir::TestDir;

pub(super) const BOOT: Boot = Boot([5; 16]);
pub(super) const T0: UnixMicros = UnixMicros(1_795_420_859_000_000);
pub(super) const CUSTOMER: &str = "Acme";

/// A sensor with call 1 in its store, and the cloud's ticket key.
pub(super) struct Bench {
    pub(super) dir: TestDir,
    pub(super) cloud: Ed25519KeyPair,
    pub(super) retrieval: Retrieval,
    pub(super) ring: Ring,
}

impl Bench {
    pub(super) fn new() -> Self {
        let dir = TestDir::new();
        let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).expect("a key");
        let cloud = Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).expect("a key");
        let identity = Identity::load_or_create(dir.path()).expect("an identity");
        let mut ring = Ring::open(settings(&dir, &identity)).expect("a store");
        write(&mut ring, 1, 400);
        ring.sync();
        let retrieval = retrieval(&dir, &ring);
        Self { dir, cloud, retrieval, ring }
    }

    pub(super) fn ticket(&self) -> Ticket {
        Ticket {
            number: [1; 16],
            user: "eva".to_owned(),
            customer: CUSTOMER.to_owned(),
            call: CallId { device: self.retrieval.identity.fingerprint(), boot: BOOT, number: 1 },
            action: Action::Packets,
            way: Way::Relay,
            issued_at: T0,
            expires_at: T0.plus(60 * MICROS_PER_SECOND),
        }
    }

    fn order(&self, ticket: &Ticket) -> Retrieve {
        let ticket = postcard::to_stdvec(ticket).expect("encodes");
        let mut signature = [0; 64];
        signature.copy_from_slice(self.cloud.sign(&SignedTicket::message(&ticket)).as_ref());
        let browser_key = Agreement::new().expect("a key").public();
        let ticket = SignedTicket { ticket, signature };
        Retrieve { transfer: [9; 16], ticket, browser_key, resume: None }
    }

    fn prepare(&self, order: &Retrieve, now: UnixMicros) -> Result<Body, Refusal> {
        let mut key = [0; 32];
        key.copy_from_slice(self.cloud.public_key().as_ref());
        // The key before the present one may still be used.
        let granted = Granted { customer: CUSTOMER, keys: &[[7; 32], key] };
        self.retrieval.prepare(order, &granted, now).map(|(_, body)| body)
    }

    fn refusal(&self, order: &Retrieve, now: UnixMicros) -> Option<Refusal> {
        self.prepare(order, now).err()
    }
}

pub(super) fn settings(dir: &TestDir, identity: &Identity) -> RingSettings {
    RingSettings {
        directory: dir.path().join(FOLDER),
        max_bytes: 16 << 20,
        max_days: None,
        device: identity.fingerprint(),
        boot: BOOT,
        device_key: None,
        waits: true,
        parks_for: None,
    }
}

pub(super) fn retrieval(dir: &TestDir, ring: &Ring) -> Retrieval {
    let identity = Identity::load(dir.path()).expect("an identity").expect("it was made");
    let retrieval =
        Retrieval::new(identity, dir.path().to_owned(), WallClock::system(), Arc::new(|| false));
    retrieval.use_finder(ring.finder());
    retrieval
}

/// A kept call of so many packets, those of SIP written last, as when a rule matched late.
pub(super) fn write(ring: &mut Ring, number: u64, packets: u32) {
    let facts = || Facts { call_id: format!("call-{number}"), packets, ..Facts::default() };
    ring.push(Order::Keep(number, Box::new(facts())));
    let late = [0, 1, 2];
    let order = (3..packets).chain(late);
    for packet in order {
        let mut bytes = ring.buffer().expect("a buffer");
        let at = T0.0 + u64::from(packet) * 20_000;
        let payload = [u8::try_from(packet % 251).expect("small"); 200];
        let (link_type, interface, original_len) = (1, 0, 200);
        let packet =
            Packet { number: packet, at, link_type, interface, original_len, bytes: &payload };
        packet.emit(&mut bytes);
        ring.push(Order::Write(Chunk { number, lock: Lock::Clear, packets: 1, at, bytes }));
    }
    ring.push(Order::End(number, Some(Box::new(facts())), false));
}

fn length(body: &mut Body) -> usize {
    let mut bytes = Vec::new();
    body.read_to_end(&mut bytes).expect("it is whole");
    bytes.len()
}

#[test]
fn a_good_ticket_is_redeemed_once_also_after_a_restart() {
    let mut bench = Bench::new();
    let order = bench.order(&bench.ticket());
    let mut body = bench.prepare(&order, T0).expect("it is sent");
    assert!(length(&mut body) > OPENING_BYTES + 400 * 200);
    assert_eq!(bench.refusal(&order, T0), Some(Refusal::Used));
    let other = bench.order(&Ticket { number: [2; 16], ..bench.ticket() });
    assert_eq!(bench.refusal(&other, T0), None);
    bench.retrieval = retrieval(&bench.dir, &bench.ring);
    assert_eq!(bench.refusal(&order, T0), Some(Refusal::Used), "after a restart");
}

#[test]
fn an_altered_foreign_or_late_ticket_is_refused_and_not_used_up() {
    let bench = Bench::new();
    let good = bench.ticket();
    let mut altered = bench.order(&good);
    for byte in 0..altered.ticket.ticket.len() {
        altered.ticket.ticket[byte] ^= 1;
        assert_eq!(bench.refusal(&altered, T0), Some(Refusal::Forged), "byte {byte}");
        altered.ticket.ticket[byte] ^= 1;
    }
    altered.ticket.signature[5] ^= 1;
    assert_eq!(bench.refusal(&altered, T0), Some(Refusal::Forged));

    let elsewhere = CallId { device: Fingerprint([8; 16]), ..good.call };
    let of_others = [
        Ticket { customer: "Other".to_owned(), ..good.clone() },
        Ticket { call: elsewhere, ..good.clone() },
        Ticket { way: Way::Direct, ..good.clone() },
    ];
    for ticket in of_others {
        assert_eq!(bench.refusal(&bench.order(&ticket), T0), Some(Refusal::NotOurs));
    }
    let order = bench.order(&good);
    let late = good.expires_at;
    assert_eq!(bench.refusal(&order, late), Some(Refusal::Expired));
    let long = Ticket { expires_at: good.expires_at.plus(1), ..good.clone() };
    assert_eq!(bench.refusal(&bench.order(&long), T0), Some(Refusal::Expired));
    assert_eq!(bench.refusal(&order, UnixMicros(late.0 - 1)), None, "it was not used up");
}

#[test]
fn a_call_that_is_not_there_was_let_go_and_sound_is_not_supported() {
    let bench = Bench::new();
    let good = bench.ticket();
    let gone = CallId { number: 99, ..good.call };
    let gone = bench.order(&Ticket { call: gone, ..good.clone() });
    assert_eq!(bench.refusal(&gone, T0), Some(Refusal::LetGo));
    let live = Ticket { number: [3; 16], action: Action::Live, ..good };
    assert_eq!(bench.refusal(&bench.order(&live), T0), Some(Refusal::NotSupported));
}

#[test]
fn a_sensor_without_a_store_never_kept_anything() {
    let bench = Bench::new();
    let order = bench.order(&bench.ticket());
    let empty = TestDir::new();
    let identity = Identity::load(bench.dir.path()).expect("an identity").expect("it was made");
    let retrieval =
        Retrieval::new(identity, empty.path().to_owned(), WallClock::system(), Arc::new(|| false));
    let bench = Bench { retrieval, ..bench };
    assert_eq!(bench.refusal(&order, T0), Some(Refusal::NotKept));
}

#[test]
fn who_holds_the_session_s_key_resumes_and_nobody_else_nor_too_late() {
    let mut bench = Bench::new();
    let ticket = bench.ticket();
    let mut whole = bench.prepare(&bench.order(&ticket), T0).expect("it is sent");
    let whole = length(&mut whole);
    // What only the browser and the sensor have: taken here from the sensor's side.
    let key = [6; 32];
    let print = bench.retrieval.stored(&ticket).map(|stored| session::print(&stored));
    lock(&bench.retrieval.sessions).open(&ticket, key, print.expect("stored"), T0);
    let resumed = |bench: &Bench, key: &[u8; 32], offset| {
        let mut order = bench.order(&ticket);
        let message = resume_proof_message(&order.browser_key, offset);
        let proof = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), &message);
        let proof = proof.as_ref().try_into().expect("32 bytes");
        order.resume = Some(Resume { offset, proof });
        order
    };
    let later = T0.plus(600 * MICROS_PER_SECOND);
    let order = resumed(&bench, &key, 50_000);
    let mut rest = bench.prepare(&order, later).expect("it goes on, long after the ticket's end");
    let rest = length(&mut rest);
    assert!(whole - rest > 49_000 && whole - rest < 52_000, "{whole} and {rest}");
    assert_eq!(bench.refusal(&resumed(&bench, &[7; 32], 50_000), later), Some(Refusal::Used));
    let mut moved = resumed(&bench, &key, 50_000);
    if let Some(resume) = &mut moved.resume {
        resume.offset = 40_000;
    }
    assert_eq!(bench.refusal(&moved, later), Some(Refusal::Used), "the proof is of one offset");
    let too_late = T0.plus((SESSION_SECONDS + 1) * MICROS_PER_SECOND);
    assert_eq!(bench.refusal(&order, too_late), Some(Refusal::Expired));
    // A restart ends no session; nor is one over while bytes go out under it, up to a bound.
    bench.retrieval = retrieval(&bench.dir, &bench.ring);
    assert_eq!(bench.refusal(&order, later), None, "after a restart");
    for minutes in (10..4 * 60).step_by(10) {
        let now = T0.plus(minutes * 60 * MICROS_PER_SECOND);
        lock(&bench.retrieval.sessions).touch(&ticket.number, now);
        assert_eq!(bench.refusal(&order, now.plus(60 * MICROS_PER_SECOND)), None);
    }
    let end = T0.plus((LONGEST_SESSION_SECONDS + 1) * MICROS_PER_SECOND);
    lock(&bench.retrieval.sessions).touch(&ticket.number, end);
    assert_eq!(bench.refusal(&order, end), Some(Refusal::Expired));
    // More than there is.
    let mut beyond = bench.prepare(&resumed(&bench, &key, 1 << 40), later).expect("it begins");
    assert!(beyond.read_to_end(&mut Vec::new()).is_err());
    // Another chunk of the call: not the same file any more.
    write(&mut bench.ring, 1, 5);
    bench.ring.sync();
    assert_eq!(bench.refusal(&order, later), Some(Refusal::Changed));
}

#[test]
fn sessions_that_are_remembered_are_bounded_and_the_least_used_leaves() {
    let bench = Bench::new();
    let ticket = |n: usize| {
        let mut number = [0; 16];
        number[..8].copy_from_slice(&n.to_be_bytes());
        Ticket { number, ..bench.ticket() }
    };
    let mut sessions = Sessions::load(bench.dir.path());
    let secret = ring::digest::digest(&ring::digest::SHA256, b"secret");
    let key: [u8; 32] = secret.as_ref().try_into().expect("32 bytes");
    for n in 0..session::MAX_SESSIONS {
        sessions.open(&ticket(n), key, [0; 32], T0.plus(n as u64));
    }
    let later = T0.plus(MICROS_PER_SECOND);
    sessions.touch(&ticket(0).number, later);
    sessions.open(&ticket(session::MAX_SESSIONS), key, [0; 32], later);
    for sessions in [sessions, Sessions::load(bench.dir.path())] {
        let of = |n: usize| sessions.ticket_of(&ticket(n).number, b"secret", later);
        assert_eq!(of(0), Some(ticket(0)), "it was in use");
        assert_eq!(of(1), None);
        assert_eq!(of(session::MAX_SESSIONS), Some(ticket(session::MAX_SESSIONS)));
        assert_eq!(sessions.ticket_of(&ticket(2).number, b"guess", later), None);
    }
}

#[test]
fn tickets_that_are_remembered_are_bounded_and_leave_with_their_time() {
    let dir = TestDir::new();
    let bench = Bench::new();
    let ticket = |n: usize| {
        let mut number = [0; 16];
        number[..8].copy_from_slice(&n.to_be_bytes());
        Ticket { number, ..bench.ticket() }
    };
    let text: String = (0..used::MAX_USED)
        .map(|n| {
            let until = ticket(n).expires_at.plus(1);
            format!("{} {}\n", data_encoding::HEXLOWER.encode(&ticket(n).number), until.0)
        })
        .collect();
    std::fs::write(dir.path().join("tickets"), text).expect("written");
    let mut used = Used::open(dir.path());
    assert_eq!(used.redeem(&ticket(0), T0), Err(Refusal::Used), "it is remembered");
    assert_eq!(used.redeem(&ticket(used::MAX_USED), T0), Err(Refusal::Busy), "there is no room");
    let later = bench.ticket().expires_at.plus(1);
    assert_eq!(used.redeem(&ticket(used::MAX_USED), later), Ok(()), "their time is over");
    std::fs::remove_dir_all(dir.path()).expect("removed");
    let unnoted = used.redeem(&ticket(1), later);
    assert_eq!(unnoted, Err(Refusal::Disk), "nothing is sent that is not noted");
}

#[test]
fn one_call_is_read_as_the_catalog_reads_it() {
    let bench = Bench::new();
    let call = (BOOT, 1);
    let places = bench.ring.finder().and_then(|finder| finder.find(call)).expect("an index");
    let folder = bench.dir.path().join(FOLDER);
    assert_eq!(places, reader::scan(&folder, call).expect("segments"), "both find the same");
    let stored = StoredCall::open(places, None).expect("a disk").expect("it is kept");
    let mut packets = stored.packets();
    let read = core::iter::from_fn(|| packets.next_packet().expect("a disk"));
    let numbers: Vec<_> = read.map(|packet| packet.packet().number).collect();
    let catalog = Catalog::read(&folder, None).expect("segments");
    let all = catalog.packets(call).expect("packets");
    let expected: Vec<_> = all.in_order().iter().map(|packet| packet.number).collect();
    assert_eq!((numbers.len(), numbers), (400, expected));
}

#[test]
fn a_transfer_is_slowed_while_the_capture_loses_packets() {
    let bench = Bench::new();
    let losing = Arc::new(AtomicBool::new(true));
    let told = Arc::clone(&losing);
    let identity = Identity::load(bench.dir.path()).expect("an identity").expect("it was made");
    let pressure: Pressure = Arc::new(move || told.swap(false, Ordering::SeqCst));
    let retrieval =
        Retrieval::new(identity, bench.dir.path().to_owned(), WallClock::system(), pressure);
    let bench = Bench { retrieval, ..bench };
    let mut body = bench.prepare(&bench.order(&bench.ticket()), T0).expect("it is sent");
    let began = std::time::Instant::now();
    let whole = length(&mut body);
    assert!(whole > 400 * 200 && began.elapsed() >= SLOWED_BY);
}

#[test]
fn as_many_send_at_once_as_may_and_the_others_wait_for_a_moment() {
    let places = Places::new(MAX_TRANSFERS);
    let take = || places.queue().expect("few wait").place();
    let mut held: Vec<_> = (0..MAX_TRANSFERS).map(|_| take().expect("a place")).collect();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(take);
        while places.counts().1 == 0 {
            std::thread::yield_now();
        }
        held.pop();
        held.push(waiting.join().expect("no panic").expect("one became free"));
    });
    assert!(take().is_none(), "all stay taken");
    let queue: Vec<_> = core::iter::from_fn(|| places.queue()).collect();
    assert_eq!((queue.len(), places.counts()), (4, (MAX_TRANSFERS, 4)), "and the queue is short");
    drop((queue, held));
    assert_eq!(places.counts(), (0, 0));
}
