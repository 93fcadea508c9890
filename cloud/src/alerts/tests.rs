//! From calls and sensors to what receivers get, with a clock of the test's own.

mod receivers;

use std::sync::Arc;

use ringside_protocol::message::Heartbeat;
use ringside_protocol::time::UnixMicros;
use serde_json::{Value, json};

use self::receivers::{Hook, Smtp, Syslog};
use super::deliver::Deliverer;
use super::evaluate::Evaluator;
use super::reach::Reach;
use super::send::{DELIVERY, SIGNATURE, Sender, TIMESTAMP, signature};
use crate::auth::scope_of_test;
use crate::db::alerts::{log, queue};
use crate::network::Network;
use crate::routes::tests::{Bench, Browser, DAY, HOUR, NOON, SECOND, body, join};

const MINUTE: u64 = 60 * SECOND;

/// A service that may reach this machine.
struct Stage {
    bench: Bench,
    us: Browser,
    evaluator: Evaluator,
    deliverer: Deliverer,
}

impl Stage {
    fn new() -> Self {
        let mut bench = Bench::new();
        let allowed = vec![Network::parse("127.0.0.0/8").expect("a network")];
        let sender =
            Sender { reach: Reach { allowed }, mail: None, host: "cloud.example.net".to_owned() };
        bench.app.sender = Arc::new(sender);
        let us = bench.log_in(&bench.ours.admin);
        let db = Arc::clone(&bench.app.db);
        let evaluator =
            Evaluator::new(Arc::clone(&db), Arc::clone(&bench.app.events), UnixMicros(NOON - DAY));
        let sender = Arc::clone(&bench.app.sender);
        let pages = "https://cloud.example.net:8443".to_owned();
        let deliverer = Deliverer { db, sender, pages };
        Self { bench, us, evaluator, deliverer }
    }

    fn make(&self, path: &str, thing: &Value) -> Value {
        let answer = self.bench.post_json(&self.us, path, thing);
        let status = answer.status;
        let made = body(answer);
        assert_eq!(status, 201, "{made}");
        made
    }

    fn channel(&self, target: &Value) -> Value {
        self.make("/api/v1/alert_channels", &json!({ "name": "NOC", "target": target }))
    }

    /// Lets time pass, and looks and tells as the threads do.
    fn pass(&mut self, micros: u64) {
        self.bench.pass(micros);
        self.turn();
    }

    fn turn(&mut self) {
        self.evaluator.look(None, self.bench.now());
        self.deliverer.round(self.bench.now()).expect("told");
    }

    /// A heartbeat of our sensor, now.
    fn beat(&self) {
        self.beat_of(self.bench.ours.device);
    }

    fn beat_of(&self, device: ringside_protocol::cdr::Fingerprint) {
        let now = self.bench.now();
        let heartbeat = Heartbeat { sensor_time: now, ..quiet() };
        let customer = self.bench.ours.customer;
        let set = "UPDATE sensor SET accepted_at = coalesce(accepted_at, ?2) WHERE device = ?1";
        let at = crate::db::stored_time(now);
        self.bench.app.db.writer().execute(set, crate::params![device.0, at]).expect("set");
        self.bench.app.db.heartbeat(customer, device, &heartbeat, now).expect("noted");
    }

    /// Only these ready-made rules stay.
    fn only(&self, keys: &[&str]) {
        let rules = self.bench.json(&self.us, "/api/v1/alert_rules");
        for rule in rules["rules"].as_array().expect("a list") {
            if !rule["ready"].as_str().is_some_and(|key| keys.contains(&key)) {
                let path = format!("/api/v1/alert_rules/{}/delete", rule["id"]);
                assert_eq!(self.bench.post(&self.us, &path).status, 200);
            }
        }
    }

    fn open(&self) -> Vec<Value> {
        self.bench.json(&self.us, "/api/v1/alerts")["open"].as_array().expect("a list").clone()
    }
}

fn quiet() -> Heartbeat {
    Heartbeat {
        sensor_time: UnixMicros(NOON),
        uptime_seconds: 60,
        counters: Vec::new(),
        channels: 0,
        lease_serial: 0,
        outbox_cdrs: 0,
        outbox_bytes: (0, 1000),
        direct: None,
        memory_bytes: 1,
        interfaces: Vec::new(),
        last_cdr_at: None,
        live: ringside_protocol::live::Live::default(),
        is_leaving: false,
        upgrade: None,
    }
}

#[test]
fn a_sensor_that_goes_and_comes_back_is_told_of_once_each_by_every_channel() {
    let mut stage = Stage::new();
    stage.only(&["offline"]);
    let (smtp, hook, syslog) = (Smtp::start(), Hook::start(200), Syslog::start());
    stage.channel(&json!({ "kind": "email", "to": ["noc@example.net"], "server": smtp.server() }));
    let made = stage.channel(&json!({ "kind": "webhook", "url": hook.url() }));
    stage.channel(&json!({
        "kind": "syslog", "host": "127.0.0.1", "port": syslog.port(), "transport": "udp",
    }));
    stage.beat();
    stage.turn();
    assert!(stage.open().is_empty());
    for _ in 0..20 {
        stage.pass(30 * SECOND);
    }
    let open = stage.open();
    assert_eq!((open.len(), &open[0]["name"]), (1, &json!("Sensor offline")));
    assert_eq!(open[0]["severity"], "critical");
    let mail = smtp.mail();
    assert!(mail.contains("Subject: Sensor offline: Ours box\r\n"), "{mail}");
    assert!(
        mail.contains("To: noc@example.net\r\n") && mail.contains("Not heard of for"),
        "{mail}"
    );
    assert!(mail.contains("https://cloud.example.net:8443/sensors/"), "{mail}");
    let posted = hook.post();
    let secret = made["secret"].as_str().expect("a key");
    let timestamp: u64 = posted.header(TIMESTAMP).parse().expect("seconds");
    assert_eq!(posted.header(SIGNATURE), signature(secret, timestamp, posted.body.as_bytes()));
    assert!(posted.header(DELIVERY).starts_with("alerts-"));
    let told: Value = serde_json::from_str(&posted.body).expect("JSON");
    assert_eq!((&told["event"], &told["alerts"][0]["event"]), (&json!("alerts"), &json!("opened")));
    assert_eq!(told["alerts"][0]["sensor"]["name"], "Ours box");
    let line = syslog.line();
    assert!(line.starts_with("<130>1 ") && line.contains(" OPENED - "), "{line}");

    stage.beat();
    for _ in 0..20 {
        stage.pass(30 * SECOND);
        stage.beat();
    }
    assert!(stage.open().is_empty());
    assert!(smtp.mail().contains("Subject: Closed: Sensor offline: Ours box\r\n"));
    assert!(hook.post().body.contains("\"event\":\"closed\""));
    assert!(syslog.line().contains(" CLOSED - "));
    for _ in 0..40 {
        stage.pass(30 * SECOND);
        stage.beat();
    }
    assert!(smtp.is_quiet() && hook.is_quiet() && syslog.is_quiet());
}

#[test]
fn many_sensors_that_go_at_once_are_one_message() {
    let mut stage = Stage::new();
    stage.only(&["offline"]);
    let smtp = Smtp::start();
    stage.channel(&json!({ "kind": "email", "to": ["noc@example.net"], "server": smtp.server() }));
    let (db, customer) = (Arc::clone(&stage.bench.app.db), stage.bench.ours.customer);
    let devices: Vec<_> = (10..40)
        .map(|key| join(&db, customer, [key; 32], &format!("Box {key}"), stage.bench.now()))
        .collect();
    devices.iter().for_each(|device| stage.beat_of(*device));
    for _ in 0..30 {
        stage.pass(30 * SECOND);
    }
    assert_eq!(stage.open().len(), 30);
    let mail = smtp.mail();
    assert!(mail.contains("Subject: Sensor offline: 30 opened\r\n"), "{mail}");
    assert!(smtp.is_quiet());
}

#[test]
fn what_waits_survives_a_restart_and_a_receiver_that_is_away() {
    let mut stage = Stage::new();
    stage.only(&["offline"]);
    let hook = Hook::start(503);
    stage.channel(&json!({ "kind": "webhook", "url": hook.url() }));
    stage.beat();
    for _ in 0..20 {
        stage.pass(30 * SECOND);
    }
    let first = hook.post().header(DELIVERY).to_owned();
    let channels = stage.bench.json(&stage.us, "/api/v1/alert_channels");
    assert_eq!(channels["channels"][0]["waiting"], 1);
    let says = channels["channels"][0]["error"].as_str().expect("an error");
    assert!(says.contains("503"), "{says}");

    hook.answer(204);
    let db = Arc::clone(&stage.bench.app.db);
    let events = Arc::clone(&stage.bench.app.events);
    stage.evaluator = Evaluator::new(db, events, stage.bench.now());
    for _ in 0..20 {
        stage.pass(MINUTE);
    }
    let posts = hook.all();
    assert_eq!(posts.last().expect("told").header(DELIVERY), first, "the same, said again");
    assert_eq!(stage.open().len(), 1, "the alert stayed as it was");
    let channels = stage.bench.json(&stage.us, "/api/v1/alert_channels");
    assert_eq!(
        (&channels["channels"][0]["waiting"], &channels["channels"][0]["error"]),
        (&json!(0), &Value::Null)
    );
}

#[test]
fn what_nobody_takes_for_a_day_is_given_up_and_counted() {
    let mut stage = Stage::new();
    stage.only(&["offline"]);
    let hook = Hook::start(500);
    stage.channel(&json!({ "kind": "webhook", "url": hook.url() }));
    stage.beat();
    for _ in 0..60 {
        stage.pass(HOUR / 2);
    }
    let (db, customer) = (&stage.bench.app.db, stage.bench.ours.customer);
    assert_eq!(db.counted(customer, "notifications_failed").expect("asked"), 1);
    assert!(queue::lengths(db, &scope_of_test(customer)).expect("asked").is_empty());
}

#[test]
fn a_silence_keeps_quiet_and_its_end_tells_what_is_still_open() {
    let mut stage = Stage::new();
    stage.only(&["offline"]);
    let hook = Hook::start(200);
    stage.channel(&json!({ "kind": "webhook", "url": hook.url() }));
    let until = json!({ "until": "2026-11-24T13:00:00Z", "reason": "works on the line" });
    stage.make("/api/v1/alert_silences", &until);
    stage.beat();
    for _ in 0..30 {
        stage.pass(MINUTE);
    }
    let open = stage.open();
    assert_eq!((open.len(), &open[0]["is_silenced"]), (1, &json!(true)));
    assert!(hook.is_quiet());
    for _ in 0..40 {
        stage.pass(MINUTE);
    }
    assert!(hook.post().body.contains("\"event\":\"opened\""));
    assert!(hook.is_quiet());
}

#[test]
fn evict_the_oldest_of_what_waits() {
    let stage = Stage::new();
    let id = stage.channel(&json!({ "kind": "email", "to": ["noc@example.net"] }))["id"].as_i64();
    let id = id.expect("a number");
    let scope = scope_of_test(stage.bench.ours.customer);
    let (db, now) = (&stage.bench.app.db, stage.bench.now());
    let tell: Vec<_> = (0..queue::MAX_WAITING + 5)
        .map(|number| log::Change::TellClosed(i64::from(number), vec![id]))
        .collect();
    log::write(db, &scope, &tell, now).expect("written");
    let lengths = queue::lengths(db, &scope).expect("asked");
    assert_eq!(lengths, [(id, u64::from(queue::MAX_WAITING))]);
    let counted = db.counted(stage.bench.ours.customer, "notifications_dropped").expect("asked");
    assert_eq!(counted, 5);
}

#[test]
fn finished_calls_are_told_of_once_and_as_the_filter_says() {
    use ringside_protocol::cdr::{Cdr, Party};
    let mut stage = Stage::new();
    let hook = Hook::start(200);
    stage.make(
        "/api/v1/alert_channels",
        &json!({
            "name": "CRM",
            "target": { "kind": "webhook", "url": hook.url() },
            "calls": "caller=%2B4930*",
        }),
    );
    let call = |number, caller: &str| Cdr {
        number,
        first_at: UnixMicros(NOON - MINUTE),
        caller: Party { user: caller.to_owned(), ..Party::default() },
        ..Cdr::default()
    };
    let calls = vec![call(1, "+49301"), call(2, "+49401"), call(3, "+49302")];
    stage.bench.store(&stage.bench.ours, calls.clone());
    stage.bench.store(&stage.bench.theirs, vec![call(4, "+49303")]);
    stage.turn();
    let told: Value = serde_json::from_str(&hook.post().body).expect("JSON");
    let callers: Vec<_> = told["calls"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|call| call["caller"]["user"].as_str().expect("a number"))
        .collect();
    assert_eq!((&told["event"], callers), (&json!("calls"), vec!["+49301", "+49302"]));
    stage.bench.store(&stage.bench.ours, calls);
    for _ in 0..5 {
        stage.pass(MINUTE);
    }
    assert!(hook.is_quiet());
}

#[test]
fn a_test_says_how_each_step_went() {
    let stage = Stage::new();
    let smtp = Smtp::start();
    let email = stage
        .channel(&json!({ "kind": "email", "to": ["noc@example.net"], "server": smtp.server() }));
    let test = |id: &Value| {
        body(stage.bench.post(&stage.us, &format!("/api/v1/alert_channels/{id}/test")))
    };
    let tested = test(&email["id"]);
    let names: Vec<_> = tested["steps"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|step| step["name"].as_str().expect("a name"))
        .collect();
    assert_eq!((&tested["is_taken"], names), (&json!(true), vec!["lookup", "connect", "send"]));
    assert!(smtp.mail().contains("Subject: Ringside: a test"));
    let refusing = Smtp::refusing("550 5.1.1 no such user");
    let email = stage.channel(&json!({
        "kind": "email", "to": ["nobody@example.net"], "server": refusing.server(),
    }));
    let tested = test(&email["id"]);
    assert_eq!(tested["is_taken"], false);
    let says = tested["steps"][2]["sentence"].as_str().expect("a sentence");
    assert!(says.contains("550") && says.contains("no such user"), "{says}");
    let none = stage.channel(&json!({ "kind": "email", "to": ["noc@example.net"] }));
    let says = test(&none["id"])["steps"][0]["sentence"].to_string();
    assert!(says.contains("--mail"), "{says}");
}
