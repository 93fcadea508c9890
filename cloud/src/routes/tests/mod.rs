//! The routes through [`handle`](super::handle), over a database of a test's own.

pub(crate) mod alerts;
mod auth;
mod calls;
mod captures;
mod changes;
mod claims;
mod description;
mod fuzz;
mod keep;
mod masked;
mod overview;
mod peers;
mod registrations;
mod retention;
mod rules;
mod searches;
mod sensors;
mod shares;
mod site;
mod stats;
pub(crate) mod synthetic;
mod tenants;
mod turns;
mod upgrades;
mod users;
mod views;

use std::io::Read;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};

use argon2::password_hash::{PasswordHasher, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};
use ringside_protocol::cdr::{Boot, CallId, Fingerprint};
use ringside_protocol::message::{Batch, Hello};
use ringside_protocol::record::Record;
use ringside_protocol::time::{MICROS_PER_SECOND, UnixMicros};
use serde_json::Value;

use super::{App, handle};
use crate::auth::Logins;
use crate::db::customers::Role;
use crate::db::sensors::fingerprint;
use crate::db::tests::Folder;
use crate::db::{Customer, Db};
use crate::events::tests::Notebook;
use crate::events::{Events, Waker};
use crate::front::Pipes;
use crate::identity::Identity;
use crate::password;
use crate::relay::Relay;
use crate::server::{Body, Request, Response};

/// 2026-11-24T12:00:00Z.
pub(crate) const NOON: u64 = 1_795_521_600 * MICROS_PER_SECOND;

pub(crate) const SECOND: u64 = MICROS_PER_SECOND;
pub(crate) const HOUR: u64 = 3600 * SECOND;
pub(crate) const DAY: u64 = 24 * HOUR;

/// A password and its hash, at the least cost: the tests log in hundreds of times.
static PASSWORD: LazyLock<(String, String)> = LazyLock::new(|| {
    let password = password::generate().expect("random bytes");
    let params = Params::new(Params::MIN_M_COST, 1, 1, None).expect("costs");
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let salt = SaltString::encode_b64(b"salt of a test").expect("a salt");
    let hash = argon2.hash_password(password.as_bytes(), &salt).expect("hashes").to_string();
    (password, hash)
});

/// As cheap, and no password fits.
pub(crate) const NOBODY: &str = "$argon2id$v=19$m=8,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$\
                                 AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// A service with two customers, each with an administrator, a viewer and a sensor.
pub(crate) struct Bench {
    pub(crate) app: App,
    pub(crate) now: Arc<AtomicU64>,
    pub(crate) notebook: Arc<Notebook>,
    pub(crate) ours: Tenant,
    pub(crate) theirs: Tenant,
    _folder: Folder,
}

/// One customer.
pub(crate) struct Tenant {
    pub(crate) customer: Customer,
    pub(crate) device: Fingerprint,
    pub(crate) admin: String,
    pub(crate) viewer: String,
}

/// A browser that has logged in.
#[derive(Clone, Debug)]
pub(crate) struct Browser {
    pub(crate) cookie: String,
    pub(crate) csrf: String,
}

pub(crate) const BOOT: Boot = Boot([7; 16]);

impl Bench {
    pub(crate) fn new() -> Self {
        let folder = Folder::new();
        let db = Arc::new(folder.open());
        let now = Arc::new(AtomicU64::new(NOON));
        let notebook = Arc::new(Notebook::default());
        let waker: Arc<dyn Waker> = Arc::<Notebook>::clone(&notebook);
        let events = Arc::new(Events::new(1000, Arc::clone(&waker)));
        let identity =
            Identity { host: "cloud.example.net".to_owned(), port: 60023, ca_key_sha256: [3; 32] };
        let ours = Tenant::new(&db, "Ours", 1);
        let theirs = Tenant::new(&db, "Theirs", 2);
        let clock = Arc::clone(&now);
        let clock = Box::new(move || UnixMicros(clock.load(Ordering::SeqCst)));
        let (pages, sensors) = (Arc::clone(&waker), Arc::clone(&waker));
        let relay = Relay::new(&db, Pipes::default(), pages, sensors).expect("a relay");
        let mut app = App::new(db, events, waker, identity, clock);
        app.logins = Logins::new(NOBODY);
        app.relay = Some(Arc::new(relay));
        Self { app, now, notebook, ours, theirs, _folder: folder }
    }

    pub(crate) fn pass(&self, micros: u64) {
        self.now.fetch_add(micros, Ordering::SeqCst);
    }

    pub(crate) fn now(&self) -> UnixMicros {
        self.app.now()
    }

    /// Keeps records as a sensor delivers them.
    pub(crate) fn store<R: Into<Record>>(&self, tenant: &Tenant, records: Vec<R>) {
        let batch = Batch::new(BOOT, records);
        let db = &self.app.db;
        db.store_batch(tenant.customer, tenant.device, &batch, self.now()).expect("stored");
    }

    pub(crate) fn log_in(&self, login: &str) -> Browser {
        let response = self.try_login(login, &PASSWORD.0);
        let cookie = header(&response, "Set-Cookie").expect("a cookie");
        let cookie = cookie.split(';').next().expect("a pair").to_owned();
        assert_eq!(response.status, 200);
        let csrf = body(response)["csrf"].as_str().expect("a token").to_owned();
        Browser { cookie, csrf }
    }

    pub(crate) fn try_login(&self, login: &str, password: &str) -> Response {
        let body = serde_json::json!({ "login": login, "password": password }).to_string();
        let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
        handle(&self.app, &request("POST", "/api/v1/login", headers, &body))
    }

    pub(crate) fn get(&self, browser: &Browser, target: &str) -> Response {
        let headers = vec![("cookie".to_owned(), browser.cookie.clone())];
        handle(&self.app, &request("GET", target, headers, ""))
    }

    pub(crate) fn post(&self, browser: &Browser, target: &str) -> Response {
        let headers = vec![
            ("cookie".to_owned(), browser.cookie.clone()),
            ("x-csrf-token".to_owned(), browser.csrf.clone()),
        ];
        handle(&self.app, &request("POST", target, headers, "{}"))
    }

    pub(crate) fn post_json(&self, browser: &Browser, target: &str, body: &Value) -> Response {
        let headers = vec![
            ("cookie".to_owned(), browser.cookie.clone()),
            ("x-csrf-token".to_owned(), browser.csrf.clone()),
            ("content-type".to_owned(), "application/json".to_owned()),
        ];
        handle(&self.app, &request("POST", target, headers, &body.to_string()))
    }

    /// The JSON of a GET that succeeds.
    pub(crate) fn json(&self, browser: &Browser, target: &str) -> Value {
        let response = self.get(browser, target);
        let status = response.status;
        let body = body(response);
        assert_eq!(status, 200, "{target}: {body}");
        body
    }

    pub(crate) fn audit(&self) -> Vec<(Option<i64>, String, String)> {
        let reader = self.app.db.reader();
        let mut statement = reader
            .prepare_cached("SELECT customer, who, action FROM audit ORDER BY entry")
            .expect("a statement");
        let entries = statement
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
            .expect("entries");
        entries.collect::<Result<_, _>>().expect("entries")
    }
}

impl Tenant {
    fn new(db: &Db, name: &str, key: u8) -> Self {
        let now = UnixMicros(NOON - DAY);
        let customer = db.create_customer(name, now).expect("made").expect("new");
        let (admin, viewer) = (format!("admin@{name}"), format!("viewer@{name}"));
        for (login, role) in [(&admin, Role::Admin), (&viewer, Role::Viewer)] {
            assert!(db.create_user(customer, login, &PASSWORD.1, role, now).expect("made"));
        }
        let device = join(db, customer, [key; 32], &format!("{name} box"), now);
        Self { customer, device, admin, viewer }
    }

    pub(crate) fn id(&self, number: u64) -> String {
        CallId { device: self.device, boot: BOOT, number }.to_string()
    }
}

/// Enrols a device as it does itself, and gives it the number of its key's first byte.
pub(crate) fn join(
    db: &Db,
    customer: Customer,
    device_key: [u8; 32],
    name: &str,
    now: UnixMicros,
) -> Fingerprint {
    let device = fingerprint(&device_key);
    let hello = hello(device_key, name, now);
    let secret = [device_key[0]; 16];
    db.create_enrolment_token(customer, &secret, "test", now).expect("made");
    db.enrol(&secret, device, &hello, now).expect("enrolled").expect("not refused");
    let set = "UPDATE sensor SET id_sensor = ?2 WHERE device = ?1";
    db.writer().execute(set, crate::db::params![device.0, device_key[0]]).expect("numbered");
    device
}

pub(crate) fn hello(device_key: [u8; 32], name: &str, now: UnixMicros) -> Hello {
    Hello {
        device_key,
        boot: BOOT,
        sensor_time: now,
        oldest_version: 1,
        newest_version: 1,
        id_sensor: None,
        name: name.to_owned(),
        software: "0.1.0".to_owned(),
        target: "aarch64-unknown-linux-musl".to_owned(),
        commit: "0123456789ab".to_owned(),
        last_failure: None,
    }
}

pub(crate) fn request(
    method: &str,
    target: &str,
    headers: Vec<(String, String)>,
    body: &str,
) -> Request {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    Request {
        method: method.to_owned(),
        path: path.to_owned(),
        query: query.to_owned(),
        headers,
        peer: "192.0.2.1:4711".parse().expect("an address"),
        is_forwarded: false,
        body: body.as_bytes().to_vec(),
        woken: None,
        waited: core::time::Duration::ZERO,
    }
}

pub(crate) fn text(response: Response) -> String {
    let bytes = match response.body {
        Body::Bytes(bytes) => bytes,
        Body::Stream(mut stream) => {
            let mut bytes = Vec::new();
            stream.read_to_end(&mut bytes).expect("a whole stream");
            bytes
        }
    };
    if bytes.starts_with(&[0x1f, 0x8b]) {
        let mut inflated = String::new();
        let mut gzip = flate2::read::GzDecoder::new(bytes.as_slice());
        gzip.read_to_string(&mut inflated).expect("text");
        return inflated;
    }
    String::from_utf8(bytes).expect("text")
}

pub(crate) fn body(response: Response) -> Value {
    let text = text(response);
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

pub(crate) fn header<'a>(response: &'a Response, name: &str) -> Option<&'a str> {
    let found = response.headers.iter().find(|(there, _)| there.eq_ignore_ascii_case(name));
    found.map(|(_, value)| value.as_str())
}

/// The code and message of an error.
pub(crate) fn error(response: Response) -> (u16, String, String) {
    let status = response.status;
    let body = body(response);
    let field = |name: &str| body["error"][name].as_str().expect("text").to_owned();
    (status, field("code"), field("message"))
}
