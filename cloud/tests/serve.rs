//! The program itself: started, set up by its own `admin`, spoken to over TLS, and stopped.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Output, Stdio};
use std::time::{Duration, Instant};

use ring::rand::{SecureRandom, SystemRandom};
use ring::signature::{Ed25519KeyPair, KeyPair};
use ringside_cloud::logger::now;
use ringside_protocol::cdr::{Boot, Cdr};
use ringside_protocol::envelope::{self, Message};
use ringside_protocol::message::*;
use ringside_protocol::token::Token;

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("ringside-{name}-{}", std::process::id()));
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // A folder that stays behind fails no test.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn program() -> std::process::Command {
    std::process::Command::new(env!("CARGO_BIN_EXE_ringside-cloud"))
}

fn admin(data: &Path, words: &[&str]) -> Output {
    program().arg("admin").args(words).arg("--data").arg(data).output().expect("it runs")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The service; killed if the test does not stop it.
struct Service {
    child: Child,
    out: BufReader<std::process::ChildStdout>,
    /// Where people connect.
    web: String,
}

impl Service {
    fn start(data: &Path) -> Self {
        let mut child = program()
            .args(["serve", "--sensors", "127.0.0.1:0", "--web", "127.0.0.1:0"])
            .args(["--name", "localhost"])
            .arg("--data")
            .arg(data)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("it starts");
        let mut out = BufReader::new(child.stdout.take().expect("its output"));
        let mut line = String::new();
        out.read_line(&mut line).expect("a line");
        assert!(line.starts_with("sensors connect to localhost:"), "{line}");
        line.clear();
        out.read_line(&mut line).expect("a line");
        let web = line.strip_prefix("people open ").and_then(|rest| rest.split(' ').next());
        let web = web.expect("an address").to_owned();
        Self { child, out, web }
    }

    /// What SIGTERM does to it: its exit code, and what else it had said.
    fn stop(mut self) -> (Option<i32>, String) {
        let pid = self.child.id().to_string();
        let sent =
            std::process::Command::new("kill").args(["-TERM", &pid]).status().expect("kill runs");
        assert!(sent.success());
        let mut rest = String::new();
        self.out.read_to_string(&mut rest).expect("its output");
        (self.child.wait().expect("it ends").code(), rest)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // It has ended already where the test went well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A client that trusts the service's own CA.
fn agent(data: &Path) -> ureq::Agent {
    let pem = std::fs::read(data.join("tls/ca.pem")).expect("the CA");
    let ca = ureq::tls::Certificate::from_pem(&pem).expect("a certificate");
    let tls = ureq::tls::TlsConfig::builder()
        .root_certs(ureq::tls::RootCerts::new_with_certs(&[ca]))
        .build();
    ureq::Agent::config_builder().tls_config(tls).build().new_agent()
}

struct Sensor {
    agent: ureq::Agent,
    server: String,
    key: Ed25519KeyPair,
    boot: Boot,
    session: String,
}

impl Sensor {
    fn new(data: &Path, token: &Token) -> Self {
        let mut seed = [0; 32];
        SystemRandom::new().fill(&mut seed).expect("random bytes");
        Self {
            agent: agent(data),
            server: format!("https://{}:{}", token.host, token.port),
            key: Ed25519KeyPair::from_seed_unchecked(&seed).expect("a key"),
            boot: Boot([7; 16]),
            session: String::new(),
        }
    }

    fn ask<Q: Message, A: Message>(&self, path: &str, question: &Q) -> A {
        let mut response = self
            .agent
            .post(format!("{}{path}", self.server))
            .header("Authorization", format!("Bearer {}", self.session))
            .send(&envelope::seal(question).expect("seals")[..])
            .expect("an answer");
        let body = response.body_mut().read_to_vec().expect("a body");
        if envelope::kind(&body) == Ok(<Refused as Message>::KIND) {
            panic!("{:?}", envelope::open::<Refused>(&body));
        }
        envelope::open(&body).expect("the message asked for")
    }

    fn prove(&self) -> Prove {
        let hello = Hello {
            device_key: self.key.public_key().as_ref().try_into().expect("32 bytes"),
            boot: self.boot,
            sensor_time: now(),
            oldest_version: 1,
            newest_version: 1,
            id_sensor: None,
            name: "gate-1".to_owned(),
            software: "0.1.0".to_owned(),
            target: "test".to_owned(),
            commit: "test".to_owned(),
            last_failure: None,
        };
        let challenge: Challenge = self.ask("/uplink/hello", &hello);
        let message = proof_message(&challenge.nonce, self.boot);
        let signature = self.key.sign(&message).as_ref().try_into().expect("64 bytes");
        Prove { hello, nonce: challenge.nonce, signature }
    }

    fn connect(&mut self) -> Accepted {
        let accepted: Accepted = self.ask("/uplink/session", &self.prove());
        self.session = data_encoding::HEXLOWER.encode(&accepted.session);
        accepted
    }

    fn beat(&self, lease: Lease) -> HeartbeatAnswer {
        let heartbeat = Heartbeat {
            sensor_time: now(),
            uptime_seconds: 1,
            counters: Vec::new(),
            channels: 0,
            lease_serial: lease.serial,
            outbox_cdrs: 0,
            outbox_bytes: (0, 1),
            memory_bytes: 1,
            interfaces: Vec::new(),
            last_cdr_at: None,
            upgrade: None,
            direct: None,
            is_leaving: false,
            live: ringside_protocol::live::Live::default(),
        };
        self.ask("/uplink/heartbeat", &heartbeat)
    }
}

fn new_token(data: &Path) -> Token {
    let output = admin(data, &["token", "new", "--customer", "Acme"]);
    said(&output).lines().next().expect("a line").parse().expect("a token")
}

#[test]
fn a_sensor_joins_delivers_and_is_told_of_its_lease_while_it_waits() {
    let folder = Folder::new("serve");
    let data = &folder.0;
    let service = Service::start(data);
    assert!(admin(data, &["customer", "add", "Acme"]).status.success());

    let token = new_token(data);
    assert_eq!(token.host, "localhost");
    let mut first = Sensor::new(data, &token);
    let enrolled: Enrolled =
        first.ask("/uplink/enrol", &Enrol { prove: first.prove(), secret: token.secret });
    assert_eq!(enrolled.customer, "Acme");
    let accepted = first.connect();
    assert_eq!((accepted.id_sensor, accepted.lease.channels), (1, 2000));
    first.beat(accepted.lease);

    let cdr = Cdr { number: 1, first_at: now(), ..Cdr::default() };
    let batch = Batch::new(first.boot, [cdr]);
    let ack: BatchAck = first.ask("/uplink/cdrs", &batch);
    assert_eq!((ack.stored, ack.known), (1, 0));
    let ack: BatchAck = first.ask("/uplink/cdrs", &batch);
    assert_eq!((ack.stored, ack.known), (0, 1));

    // The first waits in its poll; a second sensor connects, and takes half of the channels.
    let token = new_token(data);
    let mut second = Sensor::new(data, &token);
    let _: Enrolled =
        second.ask("/uplink/enrol", &Enrol { prove: second.prove(), secret: token.secret });
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| -> (Commands, Instant) {
            let commands = first.ask(
                "/uplink/poll",
                &Poll { wait_seconds: 50, done: 0, rules: 0, refused_rules: Vec::new() },
            );
            (commands, Instant::now())
        });
        let accepted = second.connect();
        let at = Instant::now();
        assert_eq!(accepted.lease.channels, 0);
        let (commands, told_at) = waiting.join().expect("it polls");
        assert!(told_at.saturating_duration_since(at) < Duration::from_secs(5));
        let [(_, Command::Lease(lease)), (_, Command::HeartbeatNow)] = commands.commands[..] else {
            panic!("{commands:?}")
        };
        assert_eq!(lease.channels, 1000);
        first.beat(lease);
        assert_eq!(second.beat(accepted.lease).lease.channels, 1000);
    });

    let listed = said(&admin(data, &["sensor", "list"]));
    assert_eq!(listed.lines().filter(|line| line.contains("online")).count(), 2, "{listed}");
    see_the_call(&service, data);
    let (code, rest) = service.stop();
    assert_eq!(code, Some(0));
    assert!(rest.contains("ringside-cloud admin customer add NAME"), "{rest}");

    let service = Service::start(data);
    let (_, rest) = service.stop();
    assert!(!rest.contains("customer add"), "it is not new any more: {rest}");
}

/// A person whom `admin` added logs in and finds the call.
fn see_the_call(service: &Service, data: &Path) {
    let added = said(&admin(data, &["user", "add", "--customer", "Acme", "eva"]));
    let password = added.lines().find_map(|line| line.strip_prefix("password: ")).expect("told");
    let agent = agent(data);
    let answer = agent
        .post(format!("{}/api/v1/login", service.web))
        .header("Content-Type", "application/json")
        .send(format!("{{\"login\": \"eva\", \"password\": \"{password}\"}}"))
        .expect("logged in");
    let cookie = answer.headers()["set-cookie"].to_str().expect("text");
    let cookie = cookie.split(';').next().expect("a pair").to_owned();
    let calls = agent
        .get(format!("{}/api/v1/calls", service.web))
        .header("Cookie", cookie)
        .call()
        .expect("an answer")
        .body_mut()
        .read_to_string()
        .expect("text");
    let calls: serde_json::Value = serde_json::from_str(&calls).expect("JSON");
    assert_eq!(calls["calls"].as_array().map(Vec::len), Some(1), "{calls}");
}

#[test]
fn only_one_service_serves_a_folder() {
    let folder = Folder::new("twice");
    let service = Service::start(&folder.0);
    let second = program()
        .args(["serve", "--sensors", "127.0.0.1:0", "--web", "127.0.0.1:0", "--data"])
        .arg(&folder.0)
        .output()
        .expect("it runs");
    assert_eq!(second.status.code(), Some(1));
    let sentence = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(sentence.contains("another ringside-cloud serves"), "{sentence}");
    assert_eq!(service.stop().0, Some(0));
}

#[test]
fn a_wrong_use_exits_with_2_and_one_sentence() {
    for words in [&["serve", "--database", "mysql://db/ringside"][..], &["admin", "user"], &[]] {
        let output = program().args(words).output().expect("it runs");
        assert_eq!(output.status.code(), Some(2), "{words:?}");
        assert!(output.stdout.is_empty());
        let sentence = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(sentence.lines().count(), 1, "{sentence}");
    }
    let missing = program()
        .args(["admin", "user", "list", "--customer", "Nobody", "--data"])
        .arg(&Folder::new("usage").0)
        .output()
        .expect("it runs");
    assert_eq!(missing.status.code(), Some(1));
}
