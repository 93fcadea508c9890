//! Every way in which a sensor can fail to reach its cloud: the log, `doctor` and, where the cloud
//! can know, the API say the same sentence.
//!
//! [`CASES`] is the table. Each case sets a scene; [`play`] runs the sensor in it and compares.

use core::cmp::Ordering;
use std::any::Any;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use ringside_protocol::claim::Code;
use ringside_protocol::message::{Challenge, Hello, Prove};
use ringside_protocol::step::{Failure, Step, alone};
use ringside_protocol::time::UnixMicros;
use ringside_protocol::token::Token;
use ringside_tests::api::{Api, agent};
use ringside_tests::authority::{Authority, Validity};
use ringside_tests::captures::{recent, write_file};
use ringside_tests::cloud::Cloud;
use ringside_tests::folder::Folder;
use ringside_tests::middle::{Answer, Middle, Request};
use ringside_tests::processes::wait_until;
use ringside_tests::proxy::Proxy;
use ringside_tests::sensor::Sensor;
use rustix::fd::OwnedFd;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, getsockname, listen, socket_with};
use serde_json::Value;

/// Cases that are played at once: most of their time they wait.
const AT_ONCE: usize = 6;

const NAMES: [&str; 2] = ["localhost", "127.0.0.1"];
const DAY_MICROS: u64 = 86_400_000_000;

/// Stands in an expected sentence for words that only the moment knows.
const WORDS: &str = "\u{1}";
const TIME: UnixMicros = UnixMicros(0);

/// What all cases share.
struct World {
    cloud: Cloud,
    api: Api,
    authority: Authority,
    capture: PathBuf,
    /// One that takes two minutes in real time.
    long_capture: PathBuf,
    _folder: Folder,
}

/// One case's sensor, set so that it fails in one way.
struct Scene {
    sensor: Sensor,
    failure: Failure,
    /// Where the API tells it.
    seen: Seen,
    /// How far `doctor` gets while no sensor runs.
    alone: Alone,
    /// Clears the way, so that the sensor gets through.
    heal: Option<Heal>,
    /// What must not end before the case does.
    _keep: Vec<Box<dyn Any>>,
}

type Heal = Box<dyn FnOnce(&World)>;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Seen {
    /// The cloud cannot notice it. Where the way is cleared again, the sensor tells of it.
    Nowhere,
    /// On the sensor's page.
    Sensor,
    /// Among the devices that belong to nobody.
    Stranger,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Alone {
    /// It fails as the sensor does.
    Same,
    /// `doctor` shows no token, since that would use it.
    NotEnrolled,
}

impl Scene {
    fn new(sensor: Sensor, failure: Failure, seen: Seen) -> Self {
        Self { sensor, failure, seen, alone: Alone::Same, heal: None, _keep: Vec::new() }
    }

    fn alone(mut self, alone: Alone) -> Self {
        self.alone = alone;
        self
    }

    fn healed_by(mut self, heal: impl FnOnce(&World) + 'static) -> Self {
        self.heal = Some(Box::new(heal));
        self
    }

    fn keeping(mut self, thing: impl Any) -> Self {
        self._keep.push(Box::new(thing));
        self
    }
}

type Set = fn(&World, &str) -> Scene;

/// Cases that take root: a network of their own.
const FOR_ROOT: [&str; 2] = ["no resolver", "no route"];

/// Every way to fail, in the order of the steps.
const CASES: &[(&str, Set)] = &[
    ("no such name", no_such_name),
    ("no resolver", no_resolver),
    ("port closed", port_closed),
    ("port filtered", port_filtered),
    ("no route", no_route),
    ("wrong CA", wrong_ca),
    ("wrong name", wrong_name),
    ("no TLS", no_tls),
    ("certificate expired", certificate_expired),
    ("certificate not yet valid", certificate_not_yet_valid),
    ("clock a day behind", clock_behind),
    ("sensor too old", sensor_too_old),
    ("cloud too old", cloud_too_old),
    ("no Ringside", no_ringside),
    ("not enrolled", not_enrolled),
    ("token unknown", token_unknown),
    ("token used", token_used),
    ("token expired", token_expired),
    ("revoked", revoked),
    ("bad signature", bad_signature),
    ("id taken", id_taken),
    ("cloned device", cloned_device),
    ("busy", busy),
];

fn no_such_name(world: &World, name: &str) -> Scene {
    let host = "nonexistent.invalid".to_owned();
    let sensor = world.joined(name).toward(&host, 60023);
    Scene::new(sensor, Failure::NoSuchName { host }, Seen::Nowhere)
}

fn no_resolver(world: &World, name: &str) -> Scene {
    let host = "cloud.example.net".to_owned();
    let sensor = world.joined(name).toward(&host, 60023).without_network();
    Scene::new(sensor, Failure::NoResolver { host, detail: WORDS.to_owned() }, Seen::Nowhere)
}

fn port_closed(world: &World, name: &str) -> Scene {
    // Bound and not listening: nobody else gets the port.
    let socket = bound_socket();
    let address = address(&socket);
    let sensor = world.joined(name).toward("127.0.0.1", address.port());
    Scene::new(sensor, Failure::PortClosed { address }, Seen::Nowhere).healed_by(move |world| {
        drop(socket);
        drop(Proxy::listen_on(address.port(), world.cloud.sensors));
    })
}

/// A listener whose queue is full lets no further SYN in.
fn port_filtered(world: &World, name: &str) -> Scene {
    let socket = bound_socket();
    listen(&socket, 0).expect("it listens");
    let address = address(&socket);
    let mut waiting = Vec::new();
    while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(300)) {
        waiting.push(stream);
        assert!(waiting.len() < 100, "the queue does not fill");
    }
    let sensor = world.joined(name).toward("127.0.0.1", address.port());
    let failure = Failure::PortFiltered { address, seconds: 10 };
    Scene::new(sensor, failure, Seen::Nowhere).keeping((socket, waiting))
}

/// On a port of 127.0.0.1, and not listening.
fn bound_socket() -> OwnedFd {
    let (family, kind) = (AddressFamily::INET, SocketType::STREAM);
    let socket = socket_with(family, kind, SocketFlags::CLOEXEC, None).expect("a socket");
    bind(&socket, &SocketAddr::from(([127, 0, 0, 1], 0))).expect("a port is free");
    socket
}

fn address(socket: &OwnedFd) -> SocketAddr {
    getsockname(socket).expect("it is bound").try_into().expect("it is of IPv4")
}

fn no_route(world: &World, name: &str) -> Scene {
    let address = "192.0.2.1:60023".parse().expect("an address");
    let sensor = world.joined(name).toward("192.0.2.1", 60023).without_network();
    Scene::new(sensor, Failure::Unreachable { address, detail: WORDS.to_owned() }, Seen::Nowhere)
}

/// A cloud that was set up anew: another CA answers.
fn wrong_ca(world: &World, name: &str) -> Scene {
    let other = Cloud::start();
    let failure = Failure::WrongCa { host: "localhost".to_owned() };
    world.behind_proxy(name, other.sensors.port(), failure).keeping(other)
}

fn wrong_name(world: &World, name: &str) -> Scene {
    let port = world.impostor(&["elsewhere.example"], Validity::Now);
    world.behind_proxy(name, port, Failure::WrongName { host: "localhost".to_owned() })
}

fn no_tls(world: &World, name: &str) -> Scene {
    use std::io::{Read, Write};
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let port = listener.local_addr().expect("it listens").port();
    std::thread::spawn(move || {
        for mut socket in listener.incoming().map_while(Result::ok) {
            // Whoever comes may go at any time.
            drop(socket.write_all(b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n"));
            drop(socket.read(&mut [0; 512]));
        }
    });
    let (host, detail) = ("localhost".to_owned(), WORDS.to_owned());
    world.behind_proxy(name, port, Failure::NotTls { host, detail })
}

fn certificate_expired(world: &World, name: &str) -> Scene {
    certificate_time(world, name, Validity::Past)
}

fn certificate_not_yet_valid(world: &World, name: &str) -> Scene {
    certificate_time(world, name, Validity::Future)
}

/// The cloud itself serves no such certificate: it ends, and says why.
fn certificate_time(world: &World, name: &str, validity: Validity) -> Scene {
    let failure = Failure::CertificateTime { sensor_time: TIME, not_before: TIME, not_after: TIME };
    world.behind_proxy(name, world.impostor(&NAMES, validity), failure)
}

/// As if the sensor's clock were a day behind: each side sees the other's time moved by a day.
fn clock_behind(world: &World, name: &str) -> Scene {
    let port = world.middle(|mut request| {
        request.edit(|hello: &mut Hello| hello.sensor_time.0 -= DAY_MICROS);
        request.edit(|prove: &mut Prove| prove.hello.sensor_time.0 -= DAY_MICROS);
        let answer = request.forward();
        answer.edited(|challenge: &mut Challenge| challenge.cloud_time.0 += DAY_MICROS)
    });
    let sensor = world.joined(name).toward("localhost", port);
    Scene::new(sensor, Failure::ClockSkew { sensor_time: TIME, cloud_time: TIME }, Seen::Sensor)
}

/// The cloud hears of a sensor that speaks nothing newer than protocol 0.
fn sensor_too_old(world: &World, name: &str) -> Scene {
    let port = world.middle(|mut request| {
        request.edit(|hello: &mut Hello| {
            (hello.oldest_version, hello.newest_version) = (0, 0);
        });
        request.forward()
    });
    let sensor = world.joined(name).toward("localhost", port);
    let cloud_oldest = ringside_protocol::OLDEST_PROTOCOL_VERSION;
    Scene::new(sensor, Failure::SensorTooOld { sensor: 0, cloud_oldest }, Seen::Sensor)
}

fn cloud_too_old(world: &World, name: &str) -> Scene {
    let port = world.middle(|request| {
        request.forward().edited(|challenge: &mut Challenge| challenge.version = 0)
    });
    let sensor_oldest = ringside_protocol::OLDEST_PROTOCOL_VERSION;
    world.behind_proxy(name, port, Failure::CloudTooOld { sensor_oldest, cloud: 0 })
}

fn no_ringside(world: &World, name: &str) -> Scene {
    let port = world.middle(|_| Answer::Http(404, b"<h1>Not here</h1>".to_vec()));
    let (host, detail) = ("localhost".to_owned(), "HTTP status 404: <h1>Not here</h1>".to_owned());
    world.behind_proxy(name, port, Failure::NotRingside { host, detail })
}

/// Somebody removed the sensor in the cloud.
fn not_enrolled(world: &World, name: &str) -> Scene {
    let sensor = world.joined(name);
    world.cloud.admin(&["sensor", "remove", &world.device(name)]);
    Scene::new(sensor, Failure::NotEnrolled, Seen::Stranger)
}

fn token_unknown(world: &World, name: &str) -> Scene {
    let mut token: Token = world.cloud.token().parse().expect("a token");
    token.secret = [1; 16];
    world.with_token(name, &token.to_string(), Failure::TokenUnknown)
}

fn token_used(world: &World, name: &str) -> Scene {
    let token = world.cloud.token();
    drop(Sensor::joined("token's first user", &token));
    world.with_token(name, &token, Failure::TokenUsed)
}

/// A week later.
fn token_expired(world: &World, name: &str) -> Scene {
    let token = world.cloud.token();
    world.expire(&token);
    world.with_token(name, &token, Failure::TokenExpired { at: TIME })
}

fn revoked(world: &World, name: &str) -> Scene {
    let sensor = world.joined(name);
    world.api.post(&format!("/sensors/{}/revoke", world.device(name)));
    Scene::new(sensor, Failure::Revoked, Seen::Sensor)
}

fn bad_signature(world: &World, name: &str) -> Scene {
    let port = world.middle(|mut request| {
        request.edit(|prove: &mut Prove| prove.signature[0] ^= 1);
        request.forward()
    });
    let sensor = world.joined(name).toward("localhost", port);
    Scene::new(sensor, Failure::BadSignature, Seen::Sensor)
}

fn id_taken(world: &World, name: &str) -> Scene {
    let first = world.joined("has 77").with("id_sensor", "77");
    let process = first.run(Some(&world.capture), "max");
    _ = process.wait_for_line("accepted: connected to");
    let sensor = world.joined(name).with("id_sensor", "77");
    let failure = Failure::IdTaken { id_sensor: 77, by: "has 77".to_owned() };
    Scene::new(sensor, failure, Seen::Sensor).keeping((first, process))
}

/// The card of a box was copied. The second one's start looks like a restart; when the first one
/// speaks again, both are refused.
fn cloned_device(world: &World, name: &str) -> Scene {
    let first = world.joined("copied from");
    let copy = first.cloned("copy");
    let first_process = first.run(Some(&world.long_capture), "realtime");
    _ = first_process.wait_for_line("accepted: connected to");
    let copy_process = copy.run(Some(&world.long_capture), "realtime");
    _ = copy_process.wait_for_line("accepted: connected to");
    _ = first_process.wait_for_line("presents the same device key");
    let failure = Failure::ClonedDevice { other: "127.0.0.1".to_owned() };
    let third = first.cloned(name);
    Scene::new(third, failure, Seen::Sensor).keeping((first, first_process, copy, copy_process))
}

fn busy(world: &World, name: &str) -> Scene {
    let port = world.middle(|_| Answer::Http(503, b"12 sensors".to_vec()));
    world.behind_proxy(name, port, Failure::Busy { limit: "12 sensors".to_owned() })
}

impl World {
    fn new() -> Self {
        let authority = Authority::new();
        let cloud = Cloud::start_with(&authority, &authority.issue(&NAMES, Validity::Now));
        let folder = Folder::new();
        let (capture, _) = write_file(&folder, &recent(1, 200, 1, 1));
        let (long_capture, _) = write_file(&folder, &recent(1, 120_000, 1, 2));
        Self { api: cloud.api(), cloud, authority, capture, long_capture, _folder: folder }
    }

    fn joined(&self, name: &str) -> Sensor {
        Sensor::joined(name, &self.cloud.token())
    }

    /// The device of the sensor that joined under this name.
    fn device(&self, name: &str) -> String {
        let sensor = self.api.sensor(name).expect("it has joined");
        sensor["id"].as_str().expect("an id").to_owned()
    }

    /// A sensor whose way to the cloud ends at another port, until it is led on.
    fn behind_proxy(&self, name: &str, port: u16, failure: Failure) -> Scene {
        let proxy = Proxy::start(([127, 0, 0, 1], port).into());
        let sensor = self.joined(name).toward("localhost", proxy.port);
        Scene::new(sensor, failure, Seen::Nowhere)
            .healed_by(move |world| proxy.forward_to(world.cloud.sensors))
    }

    /// A device that has only a token, which the cloud refuses.
    fn with_token(&self, name: &str, token: &str, failure: Failure) -> Scene {
        let said = Sensor::new(name).enrol(token);
        assert_eq!(said.code, Some(1));
        assert!(matches(&failure, &said.err), "enrol says: {}", said.err);
        let sensor = Sensor::new(name).with("cloud_token", token);
        Scene::new(sensor, failure, Seen::Stranger).alone(Alone::NotEnrolled)
    }

    /// Makes a token a week older.
    fn expire(&self, token: &str) {
        let path = self.cloud.data().join("ringside.db");
        let database = rusqlite::Connection::open(path).expect("the database opens");
        let token: Token = token.parse().expect("a token");
        let secret = ring::digest::digest(&ring::digest::SHA256, &token.secret);
        let changed = database.execute(
            "UPDATE enrolment_token SET expires_at = expires_at - ?1 WHERE secret_sha256 = ?2",
            rusqlite::params![7 * DAY_MICROS.cast_signed(), secret.as_ref()],
        );
        assert_eq!(changed.expect("it can be written"), 1);
    }

    /// A listener with a certificate by the cloud's own CA, and nothing behind it.
    fn impostor(&self, names: &[&str], validity: Validity) -> u16 {
        let tls = self.authority.issue(names, validity).config();
        Middle::alone(tls, |_| Answer::Cut).port
    }

    /// Somebody between sensor and cloud.
    fn middle(&self, handler: impl Fn(Request<'_>) -> Answer + Send + Sync + 'static) -> u16 {
        let tls = self.authority.issue(&NAMES, Validity::Now).config();
        let base = format!("https://127.0.0.1:{}", self.cloud.sensors.port());
        Middle::before((agent(&self.authority.pem()), base), tls, handler).port
    }
}

/// Whether a text holds the sentence of a failure, whatever stands for [`WORDS`] and [`TIME`].
fn matches(failure: &Failure, text: &str) -> bool {
    let sentence = masked(&failure.sentence());
    let text = masked(text);
    let mut rest = text.as_str();
    sentence.split(WORDS).all(|piece| match rest.find(piece) {
        Some(at) => {
            rest = &rest[at + piece.len()..];
            true
        }
        None => false,
    })
}

/// Times are written as in `2026-11-23T08:00:00Z`, and are the same to nobody.
fn masked(text: &str) -> String {
    let is_time = |word: &str| {
        let word = word.trim_end_matches([',', ':', '.']);
        word.len() == 20 && word.ends_with('Z') && word.as_bytes()[10] == b'T'
    };
    let words = text.split(' ').map(|word| if is_time(word) { "(time)" } else { word });
    words.collect::<Vec<_>>().join(" ")
}

/// Plays one case.
fn play(world: &World, name: &str, set: Set) {
    let Scene { sensor, failure, seen, alone, heal, _keep } = set(world, name);
    let step = failure.step();
    let mut process = sensor.run(Some(&world.capture), "max");
    let device = process.wait_for_line(" device ");
    let device = device.split(" device ").nth(1).and_then(|rest| rest.split(',').next());
    let device = device.expect("a fingerprint");
    let logged = process.wait_for(&format!("{}", failure), |line| {
        line.contains(&format!("{step}: ")) && matches(&failure, line)
    });
    let sentence = logged.split_once(&format!("{step}: ")).expect("a step").1.to_owned();

    let (code, report) = sensor.doctor();
    assert_eq!(code, Some(1), "{report}");
    same_in_doctor(&report, step, &sentence);
    let told = |api: &Api| match seen {
        Seen::Nowhere => None,
        Seen::Sensor => api.sensor_by_id(device),
        Seen::Stranger => api.stranger(device),
    };
    if seen != Seen::Nowhere {
        same_in_api(&sentence, || told(&world.api)?.get("failure").cloned());
    }
    if let Some(heal) = heal {
        heal(world);
        assert!(process.wait().success(), "{}", process.written());
        same_in_api(&sentence, || world.api.sensor_by_id(device)?.get("reported").cloned());
        return;
    }
    process.kill();
    let (_, report) = sensor.doctor();
    match alone {
        Alone::Same => same_in_doctor(&report, step, &sentence),
        Alone::NotEnrolled => {
            same_in_doctor(&report, Step::Enrolment, &Failure::NotEnrolled.sentence());
        }
    }
}

/// All steps before the one that fails pass, and none behind it is reached.
fn same_in_doctor(report: &Value, failed: Step, sentence: &str) {
    for step in Step::ALL {
        let steps = report["steps"].as_array().expect("steps");
        let found = steps.iter().find(|found| found["name"] == step.name());
        let found = found.unwrap_or_else(|| panic!("no step {step} in {report}"));
        let state = found["state"].as_str().expect("a state");
        let is_right = match step.cmp(&failed) {
            // The answer to the first request can refuse before clocks and versions are compared.
            Ordering::Less if step > Step::Tls => ["ok", "not_reached"].contains(&state),
            Ordering::Less => state == "ok",
            Ordering::Equal => state == "failed",
            Ordering::Greater => state == "not_reached",
        };
        assert!(is_right, "{step} is {state} in doctor's {report}");
        if step == failed {
            let told = found["sentence"].as_str().expect("a sentence");
            if sentence == Failure::NotEnrolled.sentence() && told != sentence {
                // It names the claim code besides, which no log holds.
                let code = told.split("its claim code ").nth(1).and_then(|rest| rest.get(..9));
                assert!(code.is_some_and(|code| code.parse::<Code>().is_ok()), "{told}");
                continue;
            }
            assert_eq!(masked(told), masked(sentence), "doctor says another thing than the log");
        }
    }
}

/// The sentence stands alone there. It may take until the sensor's next attempt: `doctor` has been
/// there as well.
fn same_in_api(sentence: &str, find: impl Fn() -> Option<Value>) {
    let wanted = masked(&alone(sentence));
    wait_until(&format!("the API to say {wanted:?}"), || {
        find()
            .is_some_and(|failure| failure["sentence"].as_str().map(masked) == Some(wanted.clone()))
    });
}

/// It fails before there is anything to log or to ask: at the command, and in the configuration.
#[test]
fn a_token_that_was_not_copied_whole_is_told_at_once() {
    let token = Token { ca_key_sha256: [1; 32], secret: [2; 16], port: 1, host: "a".to_owned() };
    let text = token.to_string();
    let cut = &text[..text.len() - 4];
    let detail = "it is incomplete".to_owned();
    let said = Sensor::new("enrol").enrol(cut);
    assert_eq!(said.code, Some(1));
    assert!(matches(&Failure::TokenMalformed { detail: detail.clone() }, &said.err), "{said:?}");
    let said = Sensor::new("run").with("cloud_token", cut).said(&["run"]);
    assert_eq!(said.code, Some(2));
    assert!(said.err.contains("cloud_token") && said.err.contains(&detail), "{said:?}");
}

#[test]
fn log_doctor_and_api_tell_every_failure_in_the_same_words() {
    let world = World::new();
    let next = AtomicUsize::new(0);
    let failed = AtomicUsize::new(0);
    let only = std::env::var("RINGSIDE_CASE").ok();
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(&(name, set)) = CASES.get(next.fetch_add(1, Relaxed)) {
                    if only.as_ref().is_some_and(|only| only != name) {
                        continue;
                    }
                    if FOR_ROOT.contains(&name) && !rustix::process::geteuid().is_root() {
                        println!("skipped {name}: a network of its own takes root");
                        continue;
                    }
                    let began = Instant::now();
                    let played = catch_unwind(AssertUnwindSafe(|| play(&world, name, set)));
                    let verdict = if played.is_ok() { "ok" } else { "FAILED" };
                    println!("{verdict:6} {:4.1} s  {name}", began.elapsed().as_secs_f64());
                    failed.fetch_add(usize::from(played.is_err()), Relaxed);
                }
            });
        }
    });
    let failed = failed.into_inner();
    assert_eq!(failed, 0, "{failed} of {} cases failed, see above", CASES.len());
}
