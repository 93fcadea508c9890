//! The page as a browser sees it: over TLS, with the sensor's own certificate as the only root.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use data_encoding::HEXLOWER;
use ring::signature::KeyPair;
use ringside_protocol::cdr::{CallId, Fingerprint};
use ringside_protocol::retrieval::{Action, LONGEST_SESSION_SECONDS, REDEEM_WITHIN_SECONDS};
use ringside_protocol::time::MICROS_PER_SECOND;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use super::super::content;
use super::super::tests::{BOOT, Bench, CUSTOMER, T0, retrieval, write};
use super::*;
use crate::store::ring::Ring;
use crate::store::test_dir::TestDir;

/// A sensor with call 1 in its store, and its page.
struct Page {
    dir: TestDir,
    cloud: ring::signature::Ed25519KeyPair,
    ring: Ring,
    retrieval: Arc<Retrieval>,
    page: DirectPage,
}

/// An answer: its head, and its body.
struct Said {
    head: String,
    body: Vec<u8>,
}

impl Said {
    fn status(&self) -> u16 {
        self.head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status")
    }

    fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// A call that is open in a browser.
struct Session {
    page: String,
    cookie: String,
}

fn started(dir: &TestDir, retrieval: &Arc<Retrieval>) -> DirectPage {
    let settings = DirectSettings {
        directory: dir.path().to_owned(),
        sensor: "shop <12>".to_owned(),
        names: Names::default(),
        given: None,
    };
    let listener = listener("127.0.0.1:0".parse().expect("an address")).expect("a port");
    DirectPage::start(listener, settings, Arc::clone(retrieval)).expect("a page")
}

impl Page {
    fn new() -> Self {
        let Bench { dir, cloud, retrieval, ring } = Bench::new();
        let retrieval = Arc::new(retrieval);
        let page = started(&dir, &retrieval);
        let page = Self { dir, cloud, ring, retrieval, page };
        page.set_clock(T0.0);
        page
    }

    /// The cloud accepts the sensor, and tells that time.
    fn set_clock(&self, now: u64) {
        let key = self.cloud.public_key().as_ref().try_into().expect("32 bytes");
        let now = ringside_protocol::time::UnixMicros(now);
        self.retrieval.note_grant(CUSTOMER, &[[7; 32], key], now);
    }

    /// The sensor starts again; the cloud is not there.
    fn restart(&mut self) {
        self.retrieval = Arc::new(retrieval(&self.dir, &self.ring));
        self.page = started(&self.dir, &self.retrieval);
    }

    fn ticket(&self) -> Ticket {
        let device = self.retrieval.identity.fingerprint();
        Ticket {
            number: [1; 16],
            user: "eva".to_owned(),
            customer: CUSTOMER.to_owned(),
            call: CallId { device, boot: BOOT, number: 1 },
            action: Action::Packets,
            way: Way::Direct,
            issued_at: T0,
            expires_at: T0.plus(REDEEM_WITHIN_SECONDS * MICROS_PER_SECOND),
        }
    }

    fn signed(&self, ticket: &Ticket) -> SignedTicket {
        let ticket = postcard::to_stdvec(ticket).expect("encodes");
        let signature = self.cloud.sign(&SignedTicket::message(&ticket));
        SignedTicket { ticket, signature: signature.as_ref().try_into().expect("64 bytes") }
    }

    fn connect(&self) -> StreamOwned<ClientConnection, TcpStream> {
        let json = std::fs::read(self.dir.path().join("direct.json")).expect("a certificate");
        let saved: serde_json::Value = serde_json::from_slice(&json).expect("JSON");
        let der = data_encoding::BASE64.decode(saved["der"].as_str().expect("text").as_bytes());
        let mut roots = RootCertStore::empty();
        roots.add(der.expect("base64").into()).expect("a certificate");
        let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from("127.0.0.1").expect("a name");
        let stream = TcpStream::connect(self.page.address()).expect("it listens");
        stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a timeout");
        let connection = ClientConnection::new(Arc::new(config), name).expect("a connection");
        StreamOwned::new(connection, stream)
    }

    fn ask(&self, request: &str) -> Said {
        let mut stream = self.connect();
        stream.write_all(request.as_bytes()).expect("it reads");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("it answers to the end");
        let end = answer.windows(4).position(|window| window == b"\r\n\r\n").expect("a head");
        let head = String::from_utf8(answer[..end].to_vec()).expect("text");
        Said { head, body: answer.split_off(end + 4) }
    }

    fn get(&self, path: &str, headers: &str) -> Said {
        self.ask(&format!("GET {path} HTTP/1.1\r\nHost: box\r\n{headers}\r\n"))
    }

    fn post(&self, ticket: &str) -> Said {
        let length = ticket.len();
        self.ask(&format!("POST /session HTTP/1.1\r\nContent-Length: {length}\r\n\r\n{ticket}"))
    }

    fn redeem(&self, ticket: &Ticket) -> Said {
        self.post(&self.signed(ticket).to_text().expect("text"))
    }

    /// The code of a refusal.
    fn refusal(&self, ticket: &str) -> String {
        let said = self.post(ticket);
        assert!(said.header("Set-Cookie").is_none() && said.status() >= 400, "{}", said.head);
        let body: serde_json::Value = serde_json::from_slice(&said.body).expect("JSON");
        assert!(body["sentence"].as_str().expect("a sentence").ends_with('.'));
        body["code"].as_str().expect("a code").to_owned()
    }

    fn refusal_of(&self, ticket: &Ticket) -> String {
        self.refusal(&self.signed(ticket).to_text().expect("text"))
    }

    fn open(&self, ticket: &Ticket) -> Session {
        let said = self.redeem(ticket);
        assert_eq!(said.status(), 200, "{}", said.text());
        let cookie = said.header("Set-Cookie").expect("a cookie");
        for word in ["__Host-", "Path=/", "Secure", "HttpOnly", "SameSite=Strict"] {
            assert!(cookie.contains(word), "{cookie}");
        }
        let body: serde_json::Value = serde_json::from_slice(&said.body).expect("JSON");
        let page = body["page"].as_str().expect("a page").to_owned();
        assert_eq!(page, format!("/call/{}", HEXLOWER.encode(&ticket.number)));
        Session { page, cookie: cookie.split(';').next().expect("a pair").to_owned() }
    }

    fn of(&self, session: &Session, what: &str, headers: &str) -> Said {
        let Session { page, cookie } = session;
        self.get(&format!("{page}{what}"), &format!("Cookie: other=1; {cookie}\r\n{headers}"))
    }

    /// The whole file, as the store gives it.
    fn truth(&self, ticket: &Ticket) -> Vec<u8> {
        let stored = self.retrieval.stored(ticket).expect("it is stored");
        let content = content::open(ticket.action, &ticket.call.to_string(), stored);
        let (mut content, mut file) = (content.expect("a content"), Vec::new());
        loop {
            let mut piece = Vec::new();
            let has_more = content.next_piece(&mut piece).expect("a disk");
            file.append(&mut piece);
            if !has_more {
                return file;
            }
        }
    }
}

#[test]
fn a_ticket_opens_its_call_and_every_part_of_its_file() {
    let page = Page::new();
    let door = page.get("/", "");
    assert_eq!(door.status(), 200);
    assert!(door.text().contains("shop &lt;12&gt;"), "{}", door.text());
    assert!(door.header("Content-Security-Policy").expect("one").contains("default-src 'none'"));
    assert_eq!(
        (page.get("/page.js", "").status(), page.get("/style.css", "").status()),
        (200, 200)
    );

    let ticket = page.ticket();
    let session = page.open(&ticket);
    let call = page.of(&session, "", "");
    assert!(call.text().contains("400 packets"), "{}", call.text());
    assert!(call.text().contains(&format!("href=\"{}/packets.pcapng\"", session.page)));
    let truth = page.truth(&ticket);
    let whole = page.of(&session, "/packets.pcapng", "");
    assert_eq!((whole.status(), whole.header("Accept-Ranges")), (200, Some("bytes")));
    assert_eq!(whole.header("Content-Disposition"), Some("attachment; filename=\"call-1.pcapng\""));
    assert!(whole.body == truth && truth.len() > 400 * 200, "{} bytes", whole.body.len());

    let tag = whole.header("ETag").expect("a tag").to_owned();
    let length = truth.len();
    for (from, to) in [(0, 1), (0, 500), (70_000, 70_001), (70_000, length), (length - 1, length)] {
        let range = format!("Range: bytes={from}-{}\r\nIf-Range: {tag}\r\n", to - 1);
        let part = page.of(&session, "/packets.pcapng", &range);
        assert_eq!(part.status(), 206);
        let said = format!("bytes {from}-{}/{length}", to - 1);
        assert_eq!(part.header("Content-Range"), Some(said.as_str()));
        assert!(part.body == truth[from..to], "{said}");
    }
    let other = page.of(&session, "/packets.pcapng", "Range: bytes=5-\r\nIf-Range: \"x\"\r\n");
    assert_eq!((other.status(), other.body.len()), (200, length), "another file: from the start");
    let beyond = page.of(&session, "/packets.pcapng", &format!("Range: bytes={length}-\r\n"));
    assert_eq!(beyond.status(), 416);
    let head = format!(
        "HEAD {}/packets.pcapng HTTP/1.1\r\nCookie: {}\r\n\r\n",
        session.page, session.cookie
    );
    let head = page.ask(&head);
    assert_eq!((head.status(), head.body.len()), (200, 0));
    assert_eq!(head.header("Content-Length"), Some(length.to_string().as_str()));
}

#[test]
fn an_altered_foreign_late_or_used_ticket_is_refused_and_only_a_good_one_used_up() {
    let mut page = Page::new();
    let good = page.ticket();
    let text = page.signed(&good).to_text().expect("text");
    for wrong in ["", "x", "====", &text[1..], &text[..text.len() - 4], &"A".repeat(2000)] {
        assert_eq!(page.refusal(wrong), "ticket_forged", "{wrong}");
    }
    let mut altered = page.signed(&good);
    for byte in (0..altered.ticket.len()).step_by(7) {
        altered.ticket[byte] ^= 1;
        assert_eq!(page.refusal(&altered.to_text().expect("text")), "ticket_forged", "byte {byte}");
        altered.ticket[byte] ^= 1;
    }
    altered.signature[5] ^= 1;
    assert_eq!(page.refusal(&altered.to_text().expect("text")), "ticket_forged");

    let elsewhere = CallId { device: Fingerprint([8; 16]), ..good.call };
    for foreign in [
        Ticket { customer: "Other".to_owned(), ..good.clone() },
        Ticket { call: elsewhere, ..good.clone() },
        Ticket { way: Way::Relay, ..good.clone() },
    ] {
        assert_eq!(page.refusal_of(&foreign), "ticket_not_ours");
    }
    let long = Ticket { expires_at: good.expires_at.plus(1), ..good.clone() };
    assert_eq!(page.refusal_of(&long), "ticket_expired");
    page.set_clock(good.expires_at.0);
    assert_eq!(page.refusal_of(&good), "ticket_expired");

    page.set_clock(T0.0);
    drop(page.open(&good));
    assert_eq!(page.refusal_of(&good), "ticket_used");
    page.restart();
    page.set_clock(T0.0);
    assert_eq!(page.refusal_of(&good), "ticket_used", "after a restart");
    let gone = CallId { number: 99, ..good.call };
    let gone = Ticket { number: [2; 16], call: gone, ..good };
    assert_eq!(page.refusal_of(&gone), "let_go");
}

#[test]
fn a_session_is_of_one_call_one_action_one_browser_and_survives_a_restart() {
    let mut page = Page::new();
    write(&mut page.ring, 2, 10);
    page.ring.sync();
    let one = page.open(&page.ticket());
    let call = CallId { number: 2, ..page.ticket().call };
    let two = Ticket { number: [2; 16], call, ..page.ticket() };
    let other = page.open(&two);
    assert!(page.of(&other, "", "").text().contains("10 packets"));
    for (session, what, status) in [
        (&one, "/packets.pcapng", 200),
        (&one, "/sound.wav", 404),
        (&one, "/overview", 404),
        (&one, "/x", 404),
        (&Session { page: one.page.clone(), cookie: other.cookie.clone() }, "", 403),
        (&Session { page: one.page.clone(), cookie: "a=b".to_owned() }, "/packets.pcapng", 403),
        (&Session { page: one.page.clone(), cookie: format!("{}x", one.cookie) }, "", 403),
        (&Session { page: "/call/zz".to_owned(), cookie: one.cookie.clone() }, "", 404),
    ] {
        assert_eq!(page.of(session, what, "").status(), status, "{what}");
    }
    page.restart();
    // The cloud is away: what it has told is known.
    page.retrieval.note_cloud_time(T0);
    assert_eq!(page.of(&one, "/packets.pcapng", "").status(), 200);
    // It lasts from its last use, up to a bound.
    let minutes = |minutes: u64| T0.plus(minutes * 60 * MICROS_PER_SECOND);
    for later in [10, 20, 30] {
        page.retrieval.note_cloud_time(minutes(later));
        assert_eq!(page.of(&one, "", "").status(), 200, "{later}");
    }
    page.retrieval.note_cloud_time(minutes(46));
    let over = page.of(&one, "", "");
    assert_eq!(over.status(), 403);
    assert!(over.text().contains("choose the call again"), "{}", over.text());
    let three = page.ticket();
    let three =
        Ticket { number: [3; 16], issued_at: minutes(46), expires_at: minutes(47), ..three };
    let long = page.open(&three);
    for later in (56..46 + LONGEST_SESSION_SECONDS / 60).step_by(10) {
        page.retrieval.note_cloud_time(minutes(later));
        assert_eq!(page.of(&long, "", "").status(), 200, "{later}");
    }
    page.retrieval.note_cloud_time(minutes(47 + LONGEST_SESSION_SECONDS / 60));
    assert_eq!(page.of(&long, "", "").status(), 403);
}

#[test]
fn a_sensor_that_goes_to_another_customer_ends_the_sessions_of_the_one_before() {
    let page = Page::new();
    let session = page.open(&page.ticket());
    let key = page.cloud.public_key().as_ref().try_into().expect("32 bytes");
    page.retrieval.note_grant("Other", &[key], T0);
    assert_eq!(page.of(&session, "", "").status(), 403);
    assert_eq!(page.refusal_of(&Ticket { number: [2; 16], ..page.ticket() }), "ticket_not_ours");
}

#[test]
fn a_sensor_that_no_cloud_has_accepted_opens_nothing() {
    let Bench { dir, cloud, retrieval, ring } = Bench::new();
    let retrieval = Arc::new(retrieval);
    let page = started(&dir, &retrieval);
    let page = Page { dir, cloud, ring, retrieval, page };
    assert_eq!(page.refusal_of(&page.ticket()), "ticket_not_ours");
}

#[test]
fn more_answers_than_are_sent_at_once_are_told_to_come_again() {
    let page = Page::new();
    let session = page.open(&page.ticket());
    let site = Site::new(Arc::clone(&page.retrieval), "gate".to_owned());
    let ask = || {
        let path = format!("{}/packets.pcapng", session.page);
        let text = format!("GET {path} HTTP/1.1\r\nCookie: {}\r\n\r\n", session.cookie);
        let until = Instant::now() + Duration::from_secs(60);
        let from = core::net::IpAddr::V4(core::net::Ipv4Addr::LOCALHOST);
        let read = crate::http::request::read(&mut text.as_bytes(), from, until);
        site.answer(&read.expect("memory").expect("whole").expect("in order"))
    };
    let held: Vec<_> = (0..MAX_STREAMS).map(|_| ask()).collect();
    assert!(held.iter().all(|answer| answer.status == 200));
    let late = ask();
    assert_eq!(late.status, 503);
    assert!(late.headers.iter().any(|(name, _)| *name == "Retry-After"));
    drop(held);
    assert_eq!(ask().status, 200);
}

#[test]
fn slow_clients_shut_out_only_themselves_and_are_let_go() {
    let page = Page::new();
    let begun = Instant::now();
    let plain = || TcpStream::connect(page.page.address()).expect("it listens");
    // Half of them say nothing of TLS, the others begin a request.
    let half = server::MAX_FROM_ONE_ADDRESS / 2;
    let mut silent: Vec<_> = (0..half).map(|_| plain()).collect();
    let mut slow: Vec<_> =
        (0..server::MAX_FROM_ONE_ADDRESS - half).map(|_| page.connect()).collect();
    for stream in &mut slow {
        stream.write_all(b"GET / HTTP/1.1\r\n").expect("it reads");
    }
    let mut nothing = [0; 1];
    let mut turned_away = plain();
    assert_eq!(turned_away.read(&mut nothing).unwrap_or(0), 0, "there are enough from here");
    assert!(begun.elapsed() < server::REQUEST_WITHIN, "at once");
    for stream in &mut silent {
        let _ = stream.read(&mut nothing);
    }
    for stream in &mut slow {
        let _ = stream.read(&mut nothing);
    }
    assert!(begun.elapsed() >= server::REQUEST_WITHIN, "they had their time");
    assert!(begun.elapsed() < 4 * server::REQUEST_WITHIN, "and no more");
    assert_eq!(page.get("/", "").status(), 200);
}
