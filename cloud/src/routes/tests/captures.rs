use data_encoding::BASE64;
use ringside_protocol::cdr::Stored;
use ringside_protocol::retrieval::{Refusal, SignedTicket};
use ringside_protocol::time::MICROS_PER_SECOND;

use super::synthetic::{Noise, call};
use super::*;
use crate::db::rights::{Rights, Terms};
use crate::relay::{Number, number};
use crate::routes::MAX_REASON_CHARS;
use crate::server::PipeEnd;

/// Ours has call 1, whose packets are kept, and call 2, and its sensor is connected.
fn bench() -> Bench {
    let bench = Bench::new();
    let mut noise = Noise(5);
    let mut kept = call(&mut noise, 1, NOON - HOUR);
    kept.stored = Some(Stored { packets: 9, ..Stored::default() });
    bench.store(&bench.ours, vec![kept, call(&mut noise, 2, NOON - HOUR)]);
    connect(&bench);
    bench
}

fn connect(bench: &Bench) {
    let set = "UPDATE sensor SET accepted_at = ?2, seen_at = ?2, failure = NULL WHERE device = ?1";
    let now = i64::try_from(bench.now().0).expect("a time");
    let row = crate::db::params![bench.ours.device.0, now];
    bench.app.db.writer().execute(set, row).expect("set");
}

fn key() -> String {
    let mut key = [7; 65];
    key[0] = 4;
    BASE64.encode(&key)
}

fn ask(bench: &Bench, who: &Browser, call: u64, more: &Value) -> Response {
    let mut body = serde_json::json!({ "action": "packets", "key": key() });
    for (name, value) in more.as_object().expect("an object") {
        body[name] = value.clone();
    }
    let target = format!("/api/v1/captures/{}", bench.ours.id(call));
    bench.post_json(who, &target, &body)
}

fn asked(bench: &Bench, who: &Browser) -> Number {
    let response = ask(bench, who, 1, &serde_json::json!({}));
    assert_eq!(response.status, 201);
    number(body(response)["transfer"].as_str().expect("a number")).expect("a number")
}

fn fetch(bench: &Bench, who: &Browser, number: Number) -> Response {
    let name = crate::relay::name(number);
    bench.get(who, &format!("/api/v1/captures/{}/{name}", bench.ours.id(1)))
}

fn refused(response: Response) -> (u16, String) {
    let (status, code, sentence) = error(response);
    assert!(sentence.ends_with('.'), "{sentence}");
    (status, code)
}

fn relay(bench: &Bench) -> &Relay {
    bench.app.relay.as_deref().expect("a relay")
}

#[test]
fn a_transfer_goes_from_waiting_to_the_sensor_s_bytes() {
    let bench = bench();
    let us = bench.log_in(&bench.ours.admin);
    let number = asked(&bench, &us);
    let waiting = fetch(&bench, &us, number).park.expect("it waits");
    let device = bench.ours.device;
    assert!(
        bench.notebook.take().contains(&crate::uplink::poll::key(device)),
        "the sensor is told"
    );
    let due = relay(&bench).due(device, bench.now());
    assert_eq!((due.len(), due[0].transfer), (1, number));
    let ticket = due[0].ticket.read().expect("a ticket");
    assert_eq!((ticket.user.as_str(), ticket.customer.as_str()), ("admin@Ours", "Ours"));
    let message = SignedTicket::message(&due[0].ticket.ticket);
    let signed_by = ring::signature::UnparsedPublicKey::new(
        &ring::signature::ED25519,
        relay(&bench).ticket_keys()[0],
    );
    signed_by.verify(&message, &due[0].ticket.signature).expect("the cloud's signature");

    let pipe = relay(&bench).begin(bench.ours.customer, device, number, bench.now());
    assert!(bench.notebook.take().contains(&waiting.key), "the browser is told");
    let response = fetch(&bench, &us, number);
    assert_eq!(response.pipe, pipe.map(PipeEnd::Draw));
    let sent = header(&response, "Ringside-Ticket").expect("the ticket");
    assert_eq!(BASE64.decode(sent.as_bytes()).expect("base64"), due[0].ticket.ticket);
    let about = bench.json(&us, &format!("/api/v1/captures/{}", bench.ours.id(1)));
    assert_eq!(about["transfers"][0]["state"], "begun");
    assert_eq!(about["rights"], serde_json::json!(["packets", "audio"]));
    assert_eq!(about["sensor"]["state"], "online");
}

#[test]
fn the_sensor_s_refusal_and_silence_are_told() {
    let bench = bench();
    let us = bench.log_in(&bench.ours.admin);
    let (customer, device) = (bench.ours.customer, bench.ours.device);
    let (first, second) = (asked(&bench, &us), asked(&bench, &us));
    assert_eq!(relay(&bench).due(device, bench.now()).len(), 2);
    relay(&bench).refuse(customer, device, first, Refusal::LetGo, bench.now());
    assert_eq!(refused(fetch(&bench, &us, first)), (409, "let_go".to_owned()));
    bench.pass(16 * MICROS_PER_SECOND);
    assert_eq!(refused(fetch(&bench, &us, second)), (504, "sensor_silent".to_owned()));
    let third = asked(&bench, &us);
    let target =
        format!("/api/v1/captures/{}/{}/cancel", bench.ours.id(1), crate::relay::name(third));
    assert_eq!(bench.post(&us, &target).status, 200);
    assert_eq!(refused(fetch(&bench, &us, third)), (410, "transfer_over".to_owned()));
}

#[test]
fn rights_terms_and_what_is_there_decide() {
    let bench = bench();
    let (us, viewer) = (bench.log_in(&bench.ours.admin), bench.log_in(&bench.ours.viewer));
    let nothing = serde_json::json!({});
    let code = |response: Response| refused(response).1;
    assert_eq!(refused(ask(&bench, &viewer, 1, &nothing)), (403, "forbidden".to_owned()));
    let live = serde_json::json!({ "action": "live" });
    assert_eq!(code(ask(&bench, &us, 1, &live)), "forbidden", "each right by itself");
    let packets = Rights { packets: true, ..Rights::default() };
    assert!(
        bench.app.db.set_rights(&bench.ours.viewer, packets, "test", bench.now()).expect("set")
    );
    assert_eq!(ask(&bench, &viewer, 1, &nothing).status, 201);
    assert_eq!(refused(ask(&bench, &us, 2, &nothing)), (409, "not_kept".to_owned()));
    assert_eq!(refused(ask(&bench, &us, 3, &nothing)).0, 404);

    let terms = |asks_reason, relay| {
        let terms = Terms { asks_reason, relay };
        bench.app.db.set_terms(bench.ours.customer, terms, "test", bench.now()).expect("set");
    };
    terms(true, true);
    assert_eq!(refused(ask(&bench, &us, 1, &nothing)), (422, "reason_needed".to_owned()));
    let reason = |reason: &str| serde_json::json!({ "reason": reason });
    assert_eq!(code(ask(&bench, &us, 1, &reason(" \n "))), "reason_needed");
    let long = "x".repeat(MAX_REASON_CHARS + 1);
    assert_eq!(code(ask(&bench, &us, 1, &reason(&long))), "bad_parameter");
    assert_eq!(ask(&bench, &us, 1, &reason("ticket\n4711")).status, 201);
    let log = bench.json(&us, "/api/v1/audit");
    let detail = log["entries"][0]["detail"].as_str().expect("text");
    assert!(detail.ends_with(": ticket 4711"), "one line: {detail}");
    terms(false, false);
    assert_eq!(refused(ask(&bench, &us, 1, &nothing)), (403, "way_forbidden".to_owned()));
    terms(false, true);
    bench.pass(HOUR);
    assert_eq!(refused(ask(&bench, &us, 1, &nothing)), (409, "sensor_offline".to_owned()));
}

#[test]
fn what_cannot_be_meant_is_refused() {
    let bench = bench();
    let us = bench.log_in(&bench.ours.admin);
    let mut compressed = [2; 65];
    compressed[1] = 9;
    let resume = |transfer: &str, proof: &[u8]| {
        serde_json::json!({
            "resume": { "transfer": transfer, "offset": 5, "proof": BASE64.encode(proof) }
        })
    };
    for more in [
        serde_json::json!({ "action": "video" }),
        serde_json::json!({ "key": "no base64" }),
        serde_json::json!({ "key": BASE64.encode(&[4; 64]) }),
        serde_json::json!({ "key": BASE64.encode(&compressed) }),
        serde_json::json!({ "more": 1 }),
        resume("ab", &[0; 32]),
        resume(&"ab".repeat(16), &[0; 31]),
    ] {
        assert_eq!(ask(&bench, &us, 1, &more).status, 400, "{more}");
    }
    let unknown = resume(&"ab".repeat(16), &[0; 32]);
    assert_eq!(refused(ask(&bench, &us, 1, &unknown)), (410, "session_over".to_owned()));
    let number = asked(&bench, &us);
    let path = format!("/api/v1/captures/{}/{}", bench.ours.id(1), crate::relay::name(number));
    let cookie = vec![("cookie".to_owned(), us.cookie.clone())];
    let head = handle(&bench.app, &request("HEAD", &path, cookie, ""));
    assert_eq!(head.status, 405, "it would use the transfer up");
}

#[test]
fn a_customer_s_downloads_are_bounded_and_counted() {
    let bench = bench();
    let us = bench.log_in(&bench.ours.admin);
    for _ in 0..crate::relay::MAX_PER_CUSTOMER {
        asked(&bench, &us);
    }
    let response = ask(&bench, &us, 1, &serde_json::json!({}));
    assert_eq!(refused(response), (429, "too_many_transfers".to_owned()));
    assert_eq!(relay(&bench).due(bench.ours.device, bench.now()).len(), 2);
    let mut metrics = request("GET", "/metrics", vec![], "");
    metrics.peer = "127.0.0.1:1".parse().expect("an address");
    let metrics = text(handle(&bench.app, &metrics));
    for line in
        ["ringside_transfers{state=\"waiting\"} 14", "ringside_transfers{state=\"under_way\"} 2"]
    {
        assert!(metrics.lines().any(|there| there == line), "{metrics}");
    }
}
