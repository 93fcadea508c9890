use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use super::*;
use crate::clock::WallClock;
use crate::config::Loaded;
use crate::host::SensorHost;
use crate::identity::Identity;
use crate::store::outbox::{Outbox, OutboxSettings};
use crate::store::test_dir::TestDir;
use crate::uplink::{Network, Settings};

struct Page {
    dir: TestDir,
    host: Arc<SensorHost>,
    address: SocketAddr,
}

impl Page {
    fn new() -> Self {
        let dir = TestDir::new();
        let identity = Identity::load_or_create(dir.path()).expect("an identity");
        let outbox = OutboxSettings {
            max_bytes: 1 << 20,
            device: identity.fingerprint(),
            boot: identity.boot(),
            clock: None,
            journal: None,
        };
        let mut loaded = Loaded::default();
        loaded.config.interfaces = vec!["lo".to_owned()];
        loaded.config.cloud_token = Some("a secret that is never shown".to_owned());
        loaded.config.status_pin_file = Some(dir.path().join("pin").display().to_string());
        let host = Arc::new(SensorHost::default());
        let sources = Sources {
            host: Arc::clone(&host),
            outbox: Outbox::open(dir.path(), outbox).expect("an outbox"),
            uplink: None,
            settings: Settings {
                directory: dir.path().to_owned(),
                servers: Vec::new(),
                ca: None,
                token: None,
                id_sensor: None,
                name: "shop <12> & co".to_owned(),
                network: Network::default(),
                clock: WallClock::system(),
            },
            fingerprint: identity.fingerprint().to_string(),
            loaded,
            clock: WallClock::system(),
            started: Instant::now(),
        };
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let page = StatusPage::start(listener, sources).expect("a page");
        Self { dir, host, address: page.address() }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).expect("it listens");
        stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a timeout");
        stream
    }

    fn ask(&self, request: &str) -> String {
        let mut stream = self.connect();
        stream.write_all(request.as_bytes()).expect("it reads");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("it answers");
        String::from_utf8_lossy(&answer).into_owned()
    }

    fn get(&self, path: &str) -> String {
        self.ask(&format!("GET {path} HTTP/1.1\r\nHost: box\r\n\r\n"))
    }

    fn join(&self, pin: &str) -> String {
        let body = format!("token=rs1-nonsense&pin={pin}");
        let length = body.len();
        self.ask(&format!("POST /join HTTP/1.1\r\nContent-Length: {length}\r\n\r\n{body}"))
    }
}

#[test]
fn the_page_is_whole_without_scripts_and_escapes_what_others_have_named() {
    let page = Page::new();
    let html = page.get("/");
    assert!(html.starts_with("HTTP/1.1 200 OK\r\n"), "{html}");
    for text in [
        "shop &lt;12&gt; &amp; co",
        "http-equiv=\"refresh\"",
        "no figures yet",
        "The uplink is switched off",
        "Content-Security-Policy: default-src 'none'",
        "lo has a link.",
    ] {
        assert!(html.contains(text), "{text}: {html}");
    }
    assert!(!html.contains("<script") && !html.contains("<12>"));
    assert!(!html.contains("/join"), "without a PIN nothing can be changed");
    assert!(page.get("/nowhere").starts_with("HTTP/1.1 404 "));
    let head = page.ask("HEAD / HTTP/1.1\r\n\r\n");
    assert!(head.ends_with("\r\n\r\n"), "{head}");
}

#[test]
fn it_says_how_old_its_figures_are() {
    let page = Page::new();
    page.host.publish(&crate::counters::Counters::default(), 7);
    let html = page.get("/");
    assert!(html.contains("figures 0.") && html.contains("<dd>7<"), "{html}");
    let json = page.get("/status.json");
    let json: serde_json::Value =
        serde_json::from_str(json.split("\r\n\r\n").nth(1).expect("a body")).expect("JSON");
    assert_eq!(
        (json["channels"].as_u64(), json["ticks"].as_array().map(Vec::len)),
        (Some(7), Some(5))
    );
}

#[test]
fn joining_needs_the_pin() {
    let page = Page::new();
    assert!(page.join("1234").contains("No PIN is set"));
    std::fs::write(page.dir.path().join("pin"), "482913\n").expect("write");
    assert!(page.get("/").contains("href=\"/join\""));
    assert!(page.join("482914").starts_with("HTTP/1.1 403 "));
    let right = page.join("482913");
    assert!(right.contains("the enrolment token cannot be read"), "{right}");
    for _ in 0..pin::FREE_TRIES {
        page.join("000000");
    }
    assert!(page.join("482913").starts_with("HTTP/1.1 429 "));
}

#[test]
fn a_refused_provisioning_file_is_shown() {
    let page = Page::new();
    std::fs::create_dir(page.dir.path().join("provision")).expect("mkdir");
    std::fs::write(page.dir.path().join("provision/refused"), "line 3: <colour>\n").expect("write");
    assert!(page.get("/").contains("<li>line 3: &lt;colour&gt;</li>"));
}

#[test]
fn the_support_bundle_holds_no_secret() {
    use std::io::BufReader;
    let page = Page::new();
    let mut stream = page.connect();
    stream.write_all(b"GET /support.tar.gz HTTP/1.1\r\n\r\n").expect("it reads");
    let mut answer = Vec::new();
    BufReader::new(stream).read_to_end(&mut answer).expect("it answers");
    let body = answer.windows(4).position(|window| window == b"\r\n\r\n").expect("a body") + 4;
    let mut archive = Vec::new();
    flate2::read::GzDecoder::new(&answer[body..]).read_to_end(&mut archive).expect("gzip");
    let text = String::from_utf8_lossy(&archive).into_owned();
    assert!(text.contains("cloud_token") && text.contains("ringside-sensor 0."), "{text}");
    assert!(!text.contains("never shown"), "{text}");
}

#[test]
fn slow_clients_shut_out_only_themselves_and_are_let_go() {
    let page = Page::new();
    let begun = Instant::now();
    let mut slow: Vec<_> = (0..server::MAX_FROM_ONE_ADDRESS).map(|_| page.connect()).collect();
    for stream in &mut slow {
        stream.write_all(b"GET / HTTP/1.1\r\n").expect("it reads");
    }
    // The others of this address are turned away at once; from elsewhere there is room.
    let mut turned_away = page.connect();
    let mut nothing = Vec::new();
    let _ = turned_away.write_all(b"GET / HTTP/1.1\r\n\r\n");
    let _ = turned_away.read_to_end(&mut nothing);
    assert!(nothing.is_empty());
    for mut stream in slow {
        let _ = stream.read_to_end(&mut nothing);
    }
    assert!(begun.elapsed() >= server::REQUEST_WITHIN, "they had their time");
    assert!(begun.elapsed() < 4 * server::REQUEST_WITHIN, "and no more");
    assert!(page.get("/").starts_with("HTTP/1.1 200 "));
}
