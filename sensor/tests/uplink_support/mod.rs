//! A small cloud for the uplink's tests: rustls, HTTP/1.1 by hand, the protocol, and faults on
//! demand. Everything over loopback, everything made for one test.

#![allow(dead_code, reason = "each test file uses its own part")]

use std::path::PathBuf;
use std::time::{Duration, Instant};

use ringside_protocol::cdr::Cdr;
use ringside_protocol::message::{InterfaceHealth, Lease};
use ringside_protocol::time::UnixMicros;
use ringside_protocol::token::Token;
use ringside_sensor::clock::WallClock;
use ringside_sensor::identity::{Identity, Server};
use ringside_sensor::store::outbox::{Outbox, OutboxSettings};
use ringside_sensor::uplink::{Health, Host, Network, Settings, Uplink};

pub(crate) mod cloud;
pub(crate) mod pki;
#[path = "../../src/store/test_dir.rs"]
pub(crate) mod test_dir;

pub(crate) use cloud::TestCloud;
pub(crate) use pki::Pki;
pub(crate) use test_dir::TestDir;

/// Longer than anything takes that happens at all.
pub(crate) const SOON: Duration = Duration::from_secs(30);

/// The name that test certificates are for; only the tests' resolver knows it.
pub(crate) const NAME: &str = "cloud.test";

/// A network on which [`NAME`] is this machine.
pub(crate) fn network() -> Network {
    let mut network = Network::resolving(|host, port| match host {
        NAME | "other.test" => Ok(vec![([127, 0, 0, 1], port).into()]),
        _ => Err(std::io::Error::other("Name or service not known")),
    });
    network.timeouts.request = Duration::from_secs(5);
    network
}

/// Settings of a sensor that knows its server by name.
pub(crate) fn settings(dir: &TestDir, cloud: &TestCloud) -> Settings {
    Settings {
        directory: dir.path().to_owned(),
        servers: vec![Server { host: NAME.to_owned(), port: cloud.port() }],
        ca: None,
        token: None,
        id_sensor: None,
        name: "test sensor".to_owned(),
        network: network(),
        clock: WallClock::system(),
    }
}

/// As [`settings`], with a token that the cloud has given out.
pub(crate) fn settings_with_token(dir: &TestDir, cloud: &TestCloud) -> Settings {
    Settings { token: Some(cloud.token()), ..settings(dir, cloud) }
}

/// A token of `pki`'s CA for `port`.
pub(crate) fn token(pki: &Pki, port: u16, secret: [u8; 16]) -> Token {
    Token { ca_key_sha256: pki.ca_key_sha256(), secret, port, host: NAME.to_owned() }
}

/// A sensor that has been assembled for a test.
pub(crate) struct Sensor {
    pub(crate) outbox: Outbox,
    pub(crate) uplink: Uplink,
    pub(crate) leases: std::sync::Arc<std::sync::Mutex<Vec<Lease>>>,
}

/// Starts outbox and uplink on `settings.directory`.
pub(crate) fn start(settings: Settings) -> Sensor {
    start_with(settings, 0)
}

/// The same, with so many records in the outbox: the first batch has all of them.
pub(crate) fn start_with(settings: Settings, records: u64) -> Sensor {
    let identity = Identity::load_or_create(&settings.directory).expect("identity");
    let outbox = open_outbox(&settings, &identity);
    (1..=records).for_each(|number| outbox.push(cdr(number)));
    outbox.flush();
    let host = TestHost::default();
    let leases = host.leases.clone();
    let uplink = Uplink::start(settings, identity, outbox.clone(), host).expect("start");
    Sensor { outbox, uplink, leases }
}

pub(crate) fn open_outbox(settings: &Settings, identity: &Identity) -> Outbox {
    let outbox = OutboxSettings {
        max_bytes: 64 << 20,
        device: identity.fingerprint(),
        boot: identity.boot(),
        clock: Some(settings.clock.clone()),
        journal: None,
    };
    Outbox::open(&settings.directory, outbox).expect("outbox")
}

#[derive(Default)]
pub(crate) struct TestHost {
    /// The first look at health panics.
    pub(crate) is_faulty: std::sync::atomic::AtomicBool,
    pub(crate) leases: std::sync::Arc<std::sync::Mutex<Vec<Lease>>>,
}

impl Host for TestHost {
    fn apply_rules(&self, _: ringside_protocol::message::RuleSet) {}

    fn rules(&self) -> (u64, Vec<(u64, String)>) {
        (0, Vec::new())
    }

    fn health(&self) -> Health {
        let is_faulty = self.is_faulty.swap(false, std::sync::atomic::Ordering::SeqCst);
        assert!(!is_faulty, "a fault on purpose");
        let interface =
            InterfaceHealth { name: "eth0".to_owned(), frames: 5, kernel_dropped: 0, fault: None };
        Health { channels: 3, interfaces: vec![interface], ..Health::default() }
    }

    fn apply(&self, lease: Lease) {
        self.leases.lock().expect("leases").push(lease);
    }
}

/// An ended call, now.
pub(crate) fn cdr(number: u64) -> Cdr {
    let first_at = UnixMicros(embassy_time::Instant::now().as_micros());
    Cdr { number, first_at, ended: 5, call_id: format!("{number}@test"), ..Cdr::default() }
}

/// Waits until `condition` holds.
#[track_caller]
pub(crate) fn wait_for(what: &str, condition: impl Fn() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < SOON, "waited too long: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Waits until the uplink has failed in some way, and says which.
#[track_caller]
pub(crate) fn failure_of(sensor: &Sensor) -> ringside_protocol::step::Failure {
    wait_for("a failure", || sensor.uplink.status().last_failure.is_some());
    sensor.uplink.status().last_failure.expect("a failure").1
}

/// Waits until the uplink is connected.
#[track_caller]
pub(crate) fn wait_connected(sensor: &Sensor) {
    wait_for("a session", || sensor.uplink.status().connected_since.is_some());
}

pub(crate) fn journal_path(dir: &TestDir) -> PathBuf {
    dir.path().join("journal")
}
