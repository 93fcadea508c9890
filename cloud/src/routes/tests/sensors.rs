use ringside_protocol::counters::Counter;
use ringside_protocol::message::{Heartbeat, InterfaceHealth};
use ringside_protocol::step::Failure;
use ringside_protocol::token::Token;

use super::*;
use crate::db::intake::Kind;
use crate::routes::MAX_OUTSTANDING_TOKENS;

fn heartbeat(bench: &Bench, counters: &[(Counter, u64)]) -> Heartbeat {
    Heartbeat {
        sensor_time: bench.now().plus(12_000),
        uptime_seconds: 60,
        counters: counters.to_vec(),
        channels: 7,
        lease_serial: 0,
        outbox_cdrs: 2,
        outbox_bytes: (1000, 64_000_000),
        memory_bytes: 50_000_000,
        interfaces: vec![InterfaceHealth {
            name: "eth1".to_owned(),
            frames: 10,
            kernel_dropped: 0,
            fault: None,
        }],
        last_cdr_at: None,
        upgrade: None,
        is_leaving: false,
        live: ringside_protocol::live::Live::default(),
    }
}

/// Writes what a session and a heartbeat leave in the sensor's row.
fn beat(bench: &Bench, heartbeat: &Heartbeat) {
    let set = "UPDATE sensor SET accepted_at = ?2, seen_at = ?2, heartbeat = ?3, \
               heartbeat_at = ?2, address = '203.0.113.5', failure = NULL, boot = ?4, \
               software = '0.1.0', target = 'aarch64-unknown-linux-musl' WHERE device = ?1";
    let now = i64::try_from(bench.now().0).expect("a time");
    let bytes = postcard::to_stdvec(heartbeat).expect("encodes");
    let row = crate::db::params![bench.ours.device.0, now, bytes, BOOT.0];
    bench.app.db.writer().execute(set, row).expect("set");
}

fn sensor(bench: &Bench, us: &Browser) -> Value {
    bench.json(us, &format!("/api/v1/sensors/{}", bench.ours.device))
}

fn tick<'a>(sensor: &'a Value, name: &str) -> (&'a str, &'a str) {
    let lines = sensor["ticks"].as_array().expect("ticks").iter();
    let lines = lines.chain(sensor["steps"].as_array().expect("steps"));
    let line = lines.clone().find(|line| line["name"] == name).expect(name);
    (line["state"].as_str().expect("a state"), line["sentence"].as_str().expect("a sentence"))
}

#[test]
fn a_sensor_that_never_came_says_what_to_do_first() {
    let bench = Bench::new();
    let us = bench.log_in(&bench.ours.viewer);
    let sensor = sensor(&bench, &us);
    assert_eq!(sensor["state"], "never");
    for unknown in ["uptime_seconds", "channels", "memory_bytes", "drops", "outbox", "failure"] {
        assert_eq!(sensor[unknown], Value::Null, "{unknown}");
    }
    assert_eq!(sensor["counters"], serde_json::json!({}));
    for name in ["link", "clock", "cloud", "traffic", "first_call", "accepted"] {
        assert_eq!(tick(&sensor, name).0, "waiting", "{name}");
    }
    assert_eq!(tick(&sensor, "enrolment").0, "ok");
    assert!(tick(&sensor, "link").1.contains("plug in its network cable"));
}

#[test]
fn what_was_not_kept_is_said_on_the_page_and_counted() {
    let bench = Bench::new();
    let us = bench.log_in(&bench.ours.viewer);
    assert_eq!(sensor(&bench, &us)["notices"], serde_json::json!([]));
    let (customer, device) = (bench.ours.customer, bench.ours.device);
    let note = |kind, detail: &str| {
        let noted = bench.app.db.note_intake(customer, device, (kind, 2), detail, bench.now());
        noted.expect("noted");
    };
    note(Kind::Records, "streams of a call: 17, and a sensor makes at most 16");
    note(Kind::OverQuota, "20 records or 30 MiB a day");
    let sensor = sensor(&bench, &us);
    let notices = sensor["notices"].as_array().expect("notices");
    let codes: Vec<_> = notices.iter().map(|notice| &notice["code"]).collect();
    assert_eq!(codes, ["cdrs_refused", "batches_over_quota"]);
    assert_eq!((&notices[0]["count"], &notices[0]["at"]), (&2.into(), &sensor["notices"][1]["at"]));
    let said = notices[0]["sentence"].as_str().expect("a sentence");
    assert!(said.starts_with("2 records of this sensor were refused (streams of a call"), "{said}");
    let them = bench.log_in(&bench.theirs.viewer);
    let theirs = bench.json(&them, "/api/v1/sensors");
    assert_eq!(theirs["sensors"][0]["notices"], serde_json::json!([]));
    let metrics = request("GET", "/metrics", vec![("cookie".to_owned(), us.cookie)], "");
    let metrics = text(handle(&bench.app, &metrics));
    for counted in ["cdrs_refused_total", "batches_over_quota_total"] {
        let line = format!("ringside_{counted}{{customer=\"Ours\"}} 2");
        assert!(metrics.lines().any(|there| there == line), "{metrics}");
    }
}

#[test]
fn the_ticks_turn_green_one_after_the_other() {
    let bench = Bench::new();
    let us = bench.log_in(&bench.ours.viewer);
    beat(&bench, &heartbeat(&bench, &[]));
    let idle = sensor(&bench, &us);
    assert_eq!(idle["state"], "online");
    assert_eq!(idle["arch"], "aarch64");
    assert_eq!((&idle["channels"], &idle["clock_offset_ms"]), (&7.into(), &12.into()));
    assert_eq!(idle["drops"]["total"], 0);
    assert_eq!(idle["counters"]["rtp_bad"], 0);
    assert_eq!(idle["outbox"]["limit_bytes"], 64_000_000);
    for name in ["link", "clock", "cloud", "lookup", "accepted"] {
        assert_eq!(tick(&idle, name).0, "ok", "{name}");
    }
    let (state, sentence) = tick(&idle, "traffic");
    assert!(state == "waiting" && sentence.contains("eth1") && sentence.contains("mirror"));
    beat(&bench, &heartbeat(&bench, &[(Counter::FramesSeen, 5)]));
    assert!(tick(&sensor(&bench, &us), "traffic").1.contains("no SIP"));
    let counters =
        [(Counter::FramesSeen, 5), (Counter::SipMessages, 3), (Counter::CallsStarted, 1)];
    beat(&bench, &heartbeat(&bench, &counters));
    let busy = sensor(&bench, &us);
    assert_eq!(tick(&busy, "traffic").0, "ok");
    assert!(tick(&busy, "first_call").1.contains("hang up"));
    let mut noise = synthetic::Noise(1);
    bench.store(&bench.ours, vec![synthetic::call(&mut noise, 1, NOON - SECOND)]);
    assert_eq!(tick(&sensor(&bench, &us), "first_call").0, "ok");
    let mut broken = heartbeat(&bench, &counters);
    broken.interfaces[0].fault = Some("eth1 is down: bring it up.".to_owned());
    broken.sensor_time = UnixMicros(NOON + DAY);
    beat(&bench, &broken);
    let broken = sensor(&bench, &us);
    assert_eq!(tick(&broken, "traffic"), ("failed", "eth1 is down: bring it up."));
    assert_eq!(tick(&broken, "clock").0, "failed");
}

#[test]
fn a_silent_sensor_is_offline_and_its_figures_are_not_shown_as_present() {
    let bench = Bench::new();
    beat(&bench, &heartbeat(&bench, &[(Counter::KernelDropped, 4), (Counter::SipShed, 1)]));
    let us = bench.log_in(&bench.ours.viewer);
    bench.pass(46 * SECOND);
    let late = sensor(&bench, &us);
    assert_eq!((&late["state"], tick(&late, "link").0), (&"online".into(), "waiting"));
    bench.pass(45 * SECOND);
    let sensor = sensor(&bench, &us);
    assert_eq!((&sensor["state"], &sensor["channels"]), (&"offline".into(), &Value::Null));
    assert_eq!((&sensor["drops"]["kernel"], &sensor["drops"]["total"]), (&4.into(), &5.into()));
    let (state, sentence) = tick(&sensor, "link");
    assert!(state == "failed" && sentence.contains("2026-11-24T12:00:00Z"), "{sentence}");
    assert!(sentence.contains("ringside-sensor doctor"));
    let stats = bench.json(&us, "/api/v1/stats");
    assert_eq!(stats["channels"]["now"], Value::Null);
    assert_eq!(stats["sensors"], serde_json::json!({ "online": 0, "total": 1 }));
}

#[test]
fn a_sensor_that_has_taken_its_leave_is_stopped_at_once() {
    let bench = Bench::new();
    beat(&bench, &Heartbeat { is_leaving: true, ..heartbeat(&bench, &[]) });
    let us = bench.log_in(&bench.ours.viewer);
    let sensor = sensor(&bench, &us);
    assert_eq!((&sensor["state"], &sensor["channels"]), (&"stopped".into(), &Value::Null));
    let (state, sentence) = tick(&sensor, "cloud");
    assert!(state == "failed" && sentence.contains("start ringside-sensor"), "{sentence}");
    assert_eq!(tick(&sensor, "link").0, "waiting");
}

#[test]
fn a_refused_sensor_shows_the_step_that_fails_and_its_sentence() {
    let bench = Bench::new();
    let us = bench.log_in(&bench.ours.viewer);
    let failure = Failure::IdTaken { id_sensor: 3, by: "Lyon".to_owned() };
    bench.app.db.note_failure(bench.ours.device, &failure, bench.now()).expect("noted");
    let refused = sensor(&bench, &us);
    assert_eq!(refused["state"], "refused");
    assert_eq!(refused["failure"]["code"], "id_taken");
    assert_eq!(refused["failure"]["sentence"], format!("{}.", failure.sentence()));
    assert_eq!(refused["last_seen_at"], refused["failure"]["at"], "an attempt is a sign of life");
    assert_eq!(tick(&refused, "clock").0, "ok", "the clocks were compared before");
    assert!(tick(&refused, "cloud").1.starts_with("id_sensor 3"), "a setting keeps its letters");
    let states: Vec<_> = refused["steps"]
        .as_array()
        .expect("steps")
        .iter()
        .map(|step| step["state"].as_str().expect("a state"))
        .collect();
    assert_eq!(states, ["ok", "ok", "ok", "ok", "ok", "ok", "failed", "waiting"]);
    assert!(tick(&refused, "sensor_id").1.contains("already belongs to \"Lyon\""));
    assert_eq!(tick(&refused, "link").0, "ok");
    assert_eq!(tick(&refused, "cloud").0, "failed");
    bench.pass(2 * HOUR);
    assert_eq!(tick(&sensor(&bench, &us), "link").0, "failed");
    let skew = Failure::ClockSkew { sensor_time: UnixMicros(0), cloud_time: bench.now() };
    bench.app.db.note_failure(bench.ours.device, &skew, bench.now()).expect("noted");
    assert_eq!(tick(&sensor(&bench, &us), "clock").0, "failed");
    // It has come through: what was is history.
    bench.pass(SECOND);
    beat(&bench, &heartbeat(&bench, &[]));
    assert_eq!(sensor(&bench, &us)["state"], "online");
}

#[test]
fn what_a_sensor_tells_of_its_way_is_shown() {
    let bench = Bench::new();
    let us = bench.log_in(&bench.ours.viewer);
    let failure = Failure::NoSuchName { host: "cluod".to_owned() };
    bench.app.db.note_report(bench.ours.device, &failure, bench.now()).expect("noted");
    let sensor = sensor(&bench, &us);
    assert_eq!(sensor["failure"]["step"], "lookup");
    assert_eq!(tick(&sensor, "lookup").0, "failed");
    assert!(tick(&sensor, "link").1.contains("no server named cluod"));
}

#[test]
fn a_revoked_sensor_is_out_and_the_audit_log_says_who() {
    let bench = Bench::new();
    let us = bench.log_in(&bench.ours.admin);
    beat(&bench, &heartbeat(&bench, &[]));
    bench.notebook.take();
    let response = bench.post(&us, &format!("/api/v1/sensors/{}/revoke", bench.ours.device));
    let revoked = body(response);
    assert_eq!(revoked["state"], "revoked");
    assert_eq!(tick(&revoked, "cloud").0, "failed");
    assert_eq!(tick(&revoked, "enrolment").0, "failed");
    assert_eq!(bench.notebook.take(), [format!("changes:{}", bench.ours.customer.0)]);
    assert!(bench.audit().contains(&(
        Some(bench.ours.customer.0),
        "admin@Ours".to_owned(),
        "sensor.revoke".to_owned()
    )));
    for wrong in ["x", "00", "ffffffffffffffffffffffffffffffff"] {
        let response = bench.post(&us, &format!("/api/v1/sensors/{wrong}/revoke"));
        assert_eq!(response.status, 404, "{wrong}");
    }
}

#[test]
fn an_enrolment_token_is_one_line_to_paste() {
    let bench = Bench::new();
    let us = bench.log_in(&bench.ours.admin);
    let made = body(bench.post(&us, "/api/v1/tokens"));
    let text = made["token"].as_str().expect("a token");
    let token: Token = text.parse().expect("a token");
    assert_eq!((token.host.as_str(), token.port), ("cloud.example.net", 60023));
    assert_eq!(token.ca_key_sha256, [3; 32]);
    let command = format!("ringside-sensor enrol --server cloud.example.net:60023 --token {text}");
    assert_eq!(made["command"], command);
    let listed = bench.json(&us, "/api/v1/tokens");
    assert_eq!(listed["tokens"][0]["created_by"], "admin@Ours");
    assert_eq!(listed["tokens"][0]["expires_at"], made["expires_at"]);
    assert!(!listed.to_string().contains(text));
    assert!(bench.audit().iter().any(|entry| entry.1 == "admin@Ours" && entry.2 == "token.new"));
    let hello = hello([42; 32], "new box", bench.now());
    let device = fingerprint(&[42; 32]);
    bench.app.db.enrol(&token.secret, device, &hello, bench.now()).expect("asked").expect("joined");
    assert_eq!(bench.json(&us, "/api/v1/tokens")["tokens"], serde_json::json!([]));
}

#[test]
fn the_number_of_unused_tokens_is_limited() {
    let bench = Bench::new();
    let us = bench.log_in(&bench.ours.admin);
    for _ in 0..MAX_OUTSTANDING_TOKENS {
        assert_eq!(bench.post(&us, "/api/v1/tokens").status, 201);
    }
    assert_eq!(error(bench.post(&us, "/api/v1/tokens")).1, "too_many_tokens");
    bench.pass(8 * DAY);
    let us = bench.log_in(&bench.ours.admin);
    assert_eq!(bench.post(&us, "/api/v1/tokens").status, 201);
}

#[test]
fn live_calls_are_those_of_sensors_that_are_online() {
    use ringside_protocol::live::{Live, LiveCall};
    let bench = Bench::new();
    let us = bench.log_in(&bench.ours.viewer);
    let worst =
        LiveCall { number: 7, caller: "200".to_owned(), mos: Some(212), ..LiveCall::default() };
    let live = Live { degraded: 1, good: 40, unrated: 3, worst: vec![worst], ..Live::default() };
    beat(&bench, &Heartbeat { live, ..heartbeat(&bench, &[]) });
    let answer = bench.json(&us, "/api/v1/live");
    assert_eq!((&answer["degraded"], &answer["good"]), (&1.into(), &40.into()));
    let sensor = &answer["sensors"][0];
    assert_eq!(sensor["sensor"]["id"], bench.ours.device.to_string());
    assert_eq!((&sensor["channels"], &sensor["unrated"]), (&7.into(), &3.into()));
    assert_eq!(sensor["calls"][0]["mos"], 2.12);
    assert_eq!(sensor["calls"][0]["caller"], "200");
    // Its record comes before the next heartbeat.
    let noise = &mut synthetic::Noise(1);
    bench.store(&bench.ours, vec![synthetic::answered(noise, 7, NOON - SECOND, 20, 212)]);
    let answer = bench.json(&us, "/api/v1/live");
    assert_eq!((&answer["degraded"], &answer["good"]), (&0.into(), &40.into()));
    assert_eq!(answer["sensors"][0]["calls"], serde_json::json!([]));
    let them = bench.log_in(&bench.theirs.viewer);
    assert_eq!(bench.json(&them, "/api/v1/live")["sensors"], serde_json::json!([]));
    bench.pass(1_000_000_000);
    assert_eq!(bench.json(&us, "/api/v1/live")["sensors"], serde_json::json!([]), "offline");
}
