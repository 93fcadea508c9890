//! A simulated sensor drives the handlers through every step.

use core::net::SocketAddr;
use core::time::Duration;
use std::sync::Arc;

use ring::rand::{SecureRandom, SystemRandom};
use ring::signature::{Ed25519KeyPair, KeyPair};
use ringside_protocol::cdr::{Boot, Cdr, Fingerprint};
use ringside_protocol::envelope;
use ringside_protocol::message::*;
use ringside_protocol::step::Failure;
use ringside_protocol::time::{MICROS_PER_SECOND, UnixMicros};

use super::{Answer, Request, Uplink};
use crate::db::sensors::fingerprint;
use crate::db::tests::Folder;
use crate::db::{Customer, Db};
use crate::events::tests::Notebook;
use crate::events::{Events, Waker};
use crate::server::Woken;

mod claim;
mod handshake;
mod hostile;
mod ingest;
mod leases;
mod rules;

/// 2026-11-18, 13:46:40 UTC.
const START: UnixMicros = UnixMicros(1_795_009_600 * MICROS_PER_SECOND);

/// A cloud with one customer, "Acme", whose clock the test moves.
struct Cloud {
    folder: Folder,
    db: Arc<Db>,
    uplink: Uplink,
    notebook: Arc<Notebook>,
    customer: Customer,
    now: UnixMicros,
}

impl Cloud {
    fn new() -> Self {
        let folder = Folder::new();
        let db = Arc::new(folder.open());
        let customer = db.create_customer("Acme", START).expect("made").expect("new");
        let notebook = Arc::new(Notebook::default());
        let uplink = uplink_of(&db, &notebook);
        Self { folder, db, uplink, notebook, customer, now: START }
    }

    /// As after `kill` and a new start: the database is all that is left.
    fn restart(self) -> Self {
        let Self { folder, db, uplink, notebook, customer, now } = self;
        drop((uplink, db));
        let db = Arc::new(folder.open());
        let uplink = uplink_of(&db, &notebook);
        Self { folder, db, uplink, notebook, customer, now }
    }

    fn wait(&mut self, seconds: u64) {
        self.now = self.now.plus(seconds * MICROS_PER_SECOND);
    }

    fn token(&self) -> [u8; 16] {
        let secret = random();
        self.db.create_enrolment_token(self.customer, &secret, "test", self.now).expect("a token");
        secret
    }

    fn ask(&self, path: &str, bearer: Option<&str>, body: &[u8], peer: SocketAddr) -> Answer {
        let waited = Duration::ZERO;
        self.uplink.handle(&Request {
            path,
            bearer,
            peer,
            body,
            woken: None,
            waited,
            now: self.now,
        })
    }
}

fn uplink_of(db: &Arc<Db>, notebook: &Arc<Notebook>) -> Uplink {
    let waker = Arc::clone(notebook) as Arc<dyn Waker>;
    let events = Arc::new(Events::new(0, Arc::clone(&waker)));
    Uplink::new(Arc::clone(db), events, waker).expect("an uplink")
}

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).expect("random bytes");
    bytes
}

/// A device with a key of its own.
struct Device {
    key: Ed25519KeyPair,
    boot: Boot,
    id_sensor: Option<u16>,
    name: String,
    peer: SocketAddr,
    session: Option<String>,
}

impl Device {
    fn new(name: &str) -> Self {
        Self::with_seed(name, &random())
    }

    fn with_seed(name: &str, seed: &[u8; 32]) -> Self {
        Self {
            key: Ed25519KeyPair::from_seed_unchecked(seed).expect("a key"),
            boot: Boot(random()),
            id_sensor: None,
            name: name.to_owned(),
            peer: SocketAddr::from(([192, 0, 2, 7], 40_000)),
            session: None,
        }
    }

    /// A device that is enrolled and has a session.
    fn connected(cloud: &Cloud, name: &str) -> Self {
        let mut device = Self::new(name);
        device.enrol(cloud, cloud.token()).expect("enrolled");
        device.connect(cloud).expect("accepted");
        device
    }

    fn fingerprint(&self) -> Fingerprint {
        fingerprint(&self.public_key())
    }

    fn public_key(&self) -> [u8; 32] {
        self.key.public_key().as_ref().try_into().expect("32 bytes")
    }

    fn hello(&self, cloud: &Cloud) -> Hello {
        Hello {
            device_key: self.public_key(),
            boot: self.boot,
            sensor_time: cloud.now,
            oldest_version: 1,
            newest_version: 1,
            id_sensor: self.id_sensor,
            name: self.name.clone(),
            software: "0.1.0".to_owned(),
            target: "aarch64-unknown-linux-musl".to_owned(),
            commit: "0123456789ab".to_owned(),
            last_failure: None,
        }
    }

    fn ask<Q: envelope::Message, A: envelope::Message>(
        &self,
        cloud: &Cloud,
        path: &str,
        question: &Q,
    ) -> Result<A, Failure> {
        let body = envelope::seal(question).expect("seals");
        answer(cloud.ask(path, self.session.as_deref(), &body, self.peer))
    }

    fn challenge(&self, cloud: &Cloud, hello: &Hello) -> Result<Challenge, Failure> {
        self.ask(cloud, "/uplink/hello", hello)
    }

    fn sign(&self, hello: Hello, nonce: [u8; 32]) -> Prove {
        let message = proof_message(&nonce, hello.boot);
        let signature = self.key.sign(&message).as_ref().try_into().expect("64 bytes");
        Prove { hello, nonce, signature }
    }

    fn proof(&self, cloud: &Cloud) -> Result<Prove, Failure> {
        let hello = self.hello(cloud);
        let challenge = self.challenge(cloud, &hello)?;
        Ok(self.sign(hello, challenge.nonce))
    }

    fn enrol(&self, cloud: &Cloud, secret: [u8; 16]) -> Result<Enrolled, Failure> {
        self.ask(cloud, "/uplink/enrol", &Enrol { prove: self.proof(cloud)?, secret })
    }

    fn connect(&mut self, cloud: &Cloud) -> Result<Accepted, Failure> {
        let accepted: Accepted = self.ask(cloud, "/uplink/session", &self.proof(cloud)?)?;
        self.session = Some(data_encoding::HEXLOWER.encode(&accepted.session));
        Ok(accepted)
    }

    fn beat(
        &self,
        cloud: &Cloud,
        channels: u16,
        lease_serial: u32,
    ) -> Result<HeartbeatAnswer, Failure> {
        self.ask(cloud, "/uplink/heartbeat", &heartbeat(cloud, channels, lease_serial))
    }

    fn send(&self, cloud: &Cloud, cdrs: Vec<Cdr>) -> Result<BatchAck, Failure> {
        self.ask(cloud, "/uplink/cdrs", &Batch::new(self.boot, cdrs))
    }

    fn poll(&self, cloud: &Cloud, done: u64, woken: Option<Woken>) -> Answer {
        let poll = Poll { wait_seconds: 50, done, rules: 0, refused_rules: Vec::new() };
        self.poll_with(cloud, &poll, woken)
    }

    fn poll_with(&self, cloud: &Cloud, poll: &Poll, woken: Option<Woken>) -> Answer {
        let body = envelope::seal(poll).expect("seals");
        cloud.uplink.handle(&Request {
            path: "/uplink/poll",
            bearer: self.session.as_deref(),
            peer: self.peer,
            body: &body,
            woken,
            waited: woken.map_or(Duration::ZERO, |_| Duration::from_secs(20)),
            now: cloud.now,
        })
    }
}

fn heartbeat(cloud: &Cloud, channels: u16, lease_serial: u32) -> Heartbeat {
    Heartbeat {
        sensor_time: cloud.now,
        uptime_seconds: 60,
        counters: Vec::new(),
        channels,
        lease_serial,
        outbox_cdrs: 0,
        outbox_bytes: (0, 1 << 30),
        memory_bytes: 1 << 24,
        interfaces: Vec::new(),
        last_cdr_at: None,
        upgrade: None,
        is_leaving: false,
        live: ringside_protocol::live::Live::default(),
    }
}

/// The message of an answer, or the refusal's failure.
fn answer<A: envelope::Message>(answer: Answer) -> Result<A, Failure> {
    let Answer::Message(body) = answer else { panic!("no message: {answer:?}") };
    if envelope::kind(&body) == Ok(<Refused as envelope::Message>::KIND) {
        return Err(envelope::open::<Refused>(&body).expect("a refusal").failure);
    }
    Ok(envelope::open(&body).expect("the message asked for"))
}

/// A call of three seconds.
fn call(number: u64, ended_at: UnixMicros) -> Cdr {
    Cdr {
        number,
        first_at: UnixMicros(ended_at.0 - 3_000_000),
        start: Some(0),
        answered: Some(1_000_000),
        ended: 3_000_000,
        call_id: format!("call-{number}"),
        ..Cdr::default()
    }
}
