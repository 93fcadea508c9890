//! People over HTTPS: the whole service, as a browser and a program meet it.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use ringside_cloud::config::Settings;
use ringside_cloud::db::Db;
use ringside_cloud::db::customers::Role;
use ringside_cloud::db::sensors::fingerprint;
use ringside_cloud::logger::now;
use ringside_cloud::password;
use ringside_cloud::service::Service;
use ringside_protocol::cdr::{Boot, Cdr};
use ringside_protocol::message::{Batch, Hello};
use serde_json::{Value, json};
use ureq::http::Response;

struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        // A folder that stays behind fails no test.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A browser, as far as the API sees one.
struct Browser {
    agent: ureq::Agent,
    server: String,
    cookie: String,
    csrf: String,
}

impl Browser {
    fn new(service: &Service, data: &Folder) -> Self {
        let pem = std::fs::read(data.0.join("tls/ca.pem")).expect("the CA");
        let ca = ureq::tls::Certificate::from_pem(&pem).expect("a certificate");
        let roots = ureq::tls::RootCerts::new_with_certs(&[ca]);
        let tls = ureq::tls::TlsConfig::builder().root_certs(roots).build();
        let config = ureq::Agent::config_builder().tls_config(tls).http_status_as_error(false);
        Self {
            agent: config.build().new_agent(),
            server: format!("https://localhost:{}", service.web.port()),
            cookie: String::new(),
            csrf: String::new(),
        }
    }

    fn get(&self, path: &str) -> Response<ureq::Body> {
        let request = self.agent.get(format!("{}{path}", self.server));
        request.header("Cookie", &self.cookie).call().expect("an answer")
    }

    fn post(&self, path: &str, body: &Value) -> Response<ureq::Body> {
        self.agent
            .post(format!("{}{path}", self.server))
            .header("Cookie", &self.cookie)
            .header("X-CSRF-Token", &self.csrf)
            .header("Origin", &self.server)
            .header("Content-Type", "application/json")
            .send(body.to_string())
            .expect("an answer")
    }

    fn log_in(&mut self, login: &str, password: &str) {
        let credentials = json!({ "login": login, "password": password });
        let mut response = self.post("/api/v1/login", &credentials);
        assert_eq!(response.status(), 200);
        let cookie = response.headers()["set-cookie"].to_str().expect("text");
        self.cookie = cookie.split(';').next().expect("a pair").to_owned();
        self.csrf = json_of(&mut response)["csrf"].as_str().expect("a token").to_owned();
    }
}

fn json_of(response: &mut Response<ureq::Body>) -> Value {
    let text = response.body_mut().read_to_string().expect("a body");
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// A service with a customer, an administrator, a sensor and 300 calls.
fn start(name: &str) -> (Folder, Service, String, String) {
    let path = std::env::temp_dir().join(format!("ringside-{name}-{}", std::process::id()));
    let folder = Folder(path);
    let settings = Settings {
        database: ringside_cloud::db::Place::Folder,
        data: folder.0.clone(),
        sensors: ([127, 0, 0, 1], 0).into(),
        web: ([127, 0, 0, 1], 0).into(),
        web_proxies: Vec::new(),
        names: vec!["localhost".to_owned()],
        tls: None,
        upgrade_key: None,
        alerts: Box::default(),
    };
    let service = Service::start(&settings).expect("it starts");
    let db = Db::open(&folder.0).expect("the database");
    let customer = db.create_customer("Acme", now()).expect("made").expect("new");
    let password = password::generate().expect("random bytes");
    let hash = password::hash(&password).expect("hashes");
    assert!(db.create_user(customer, "eva", &hash, Role::Admin, now()).expect("made"));
    let hello = Hello {
        device_key: [5; 32],
        boot: Boot([7; 16]),
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
    let device = fingerprint(&hello.device_key);
    db.create_enrolment_token(customer, &[9; 16], "test", now()).expect("made");
    db.enrol(&[9; 16], device, &hello, now()).expect("asked").expect("joined");
    let cdr = |number| Cdr { number, first_at: now(), ..Cdr::default() };
    let batch = Batch::new(hello.boot, (1..=300).map(cdr));
    db.store_batch(customer, device, &batch, now()).expect("stored");
    (folder, service, password, device.to_string())
}

#[test]
fn a_person_logs_in_looks_waits_and_is_told() {
    let (folder, service, password, device) = start("people");
    let mut browser = Browser::new(&service, &folder);
    assert_eq!(browser.get("/api/v1/calls").status(), 401);
    browser.log_in("eva", &password);
    let mut page = browser.get("/api/v1/calls?limit=2");
    assert_eq!(page.headers()["cache-control"], "no-store");
    assert_eq!(json_of(&mut page)["calls"].as_array().expect("calls").len(), 2);
    let csv = browser.get("/api/v1/calls?format=csv").body_mut().read_to_string().expect("CSV");
    assert_eq!(csv.lines().count(), 301);

    let serial = json_of(&mut browser.get("/api/v1/changes"))["serial"].clone();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| {
            let began = Instant::now();
            let mut answer = browser.get(&format!("/api/v1/changes?since={serial}&wait=50"));
            (json_of(&mut answer)["serial"].clone(), began.elapsed())
        });
        let mut revoked = browser.post(&format!("/api/v1/sensors/{device}/revoke"), &json!({}));
        assert_eq!(json_of(&mut revoked)["state"], "revoked");
        let (told, waited) = waiting.join().expect("it waits");
        assert_ne!(told, serial);
        assert!(waited < Duration::from_secs(20), "{waited:?}");
    });

    assert_eq!(browser.post("/api/v1/logout", &json!({})).status(), 200);
    assert_eq!(browser.get("/api/v1/me").status(), 401);
    service.stop();
}

#[test]
fn a_program_reads_with_its_token() {
    let (folder, service, password, _) = start("programs");
    let mut browser = Browser::new(&service, &folder);
    browser.log_in("eva", &password);
    let mut made = browser.post("/api/v1/api_tokens", &json!({ "name": "billing" }));
    assert_eq!(made.status(), 201);
    let token = json_of(&mut made)["token"].as_str().expect("a token").to_owned();
    let read = |path: &str| {
        let request = browser.agent.get(format!("{}{path}", browser.server));
        request.header("Authorization", format!("Bearer {token}")).call().expect("an answer")
    };
    assert_eq!(read("/api/v1/stats").status(), 200);
    assert_eq!(json_of(&mut read("/api/v1/calls?limit=1"))["calls"][0]["sensor"]["name"], "gate-1");
    // Without its cookie: what the service says to the machine that it runs on.
    browser.cookie.clear();
    let all = browser.get("/metrics").body_mut().read_to_string().expect("text");
    for line in [
        "ringside_front_connections{port=\"people\"} ",
        "ringside_front_requests_total{port=\"sensors\"} 0",
        "ringside_front_refused_total{port=\"people\",reason=\"queue_per_address\"} 0",
        "ringside_front_handshakes_failed_total{port=\"people\",reason=\"alert\"} 0",
    ] {
        assert!(all.lines().any(|there| there.starts_with(line)), "{line}\n{all}");
    }

    // The same connection from this machine, with a request that a proxy has handed on.
    let forwarded = |authorization: &str| {
        let request = browser.agent.get(format!("{}/metrics", browser.server));
        let request = request.header("X-Forwarded-For", "203.0.113.7");
        request.header("Authorization", authorization).call().expect("an answer")
    };
    assert_eq!(forwarded("Bearer none").status(), 403);
    let mut figures = forwarded(&format!("Bearer {token}"));
    assert_eq!(figures.status(), 200);
    let figures = figures.body_mut().read_to_string().expect("text");
    assert!(figures.contains("Acme") && !figures.contains("ringside_build_info"), "{figures}");
    service.stop();
}
