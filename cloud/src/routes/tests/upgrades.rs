//! Packages are brought in pieces, and sensors are told to install them.

use data_encoding::HEXLOWER;
use ring::digest::{SHA256, digest};
use ringside_protocol::push::{PIECE_BYTES, Progress};
use serde_json::json;

use super::*;
use crate::db::packages::MAX_PACKAGES;
use crate::db::rights::Rights;
use crate::release::tests::Signer;
use crate::uplink::poll;

/// A release of a little more than one piece.
fn release() -> Vec<u8> {
    (0..PIECE_BYTES + 100).map(|place| u8::try_from(place % 251).expect("a byte")).collect()
}

fn announcement(bytes: &[u8], signature: &str) -> Value {
    let sha256 = HEXLOWER.encode(digest(&SHA256, bytes).as_ref());
    json!({ "bytes": bytes.len(), "sha256": sha256, "signature": signature })
}

fn piece(bench: &Bench, who: &Browser, id: &str, offset: usize, bytes: &[u8]) -> Response {
    let headers = vec![
        ("cookie".to_owned(), who.cookie.clone()),
        ("x-csrf-token".to_owned(), who.csrf.clone()),
    ];
    let target = format!("/api/v1/packages/{id}?offset={offset}");
    let mut sent = request("POST", &target, headers, "");
    sent.body = bytes.to_vec();
    handle(&bench.app, &sent)
}

/// Brings a package; answers its number and what the last piece was answered with.
fn bring(bench: &Bench, who: &Browser, bytes: &[u8], signature: &str) -> (String, Response) {
    let announced = bench.post_json(who, "/api/v1/packages", &announcement(bytes, signature));
    assert_eq!(announced.status, 201);
    let id = body(announced)["id"].to_string();
    let (first, last) = bytes.split_at(PIECE_BYTES);
    assert_eq!(piece(bench, who, &id, 0, first).status, 200);
    let answered = piece(bench, who, &id, PIECE_BYTES, last);
    (id, answered)
}

/// An upgrade of a customer's one sensor to 9.9.9; the numbers of package and upgrade.
pub(super) fn begun(bench: &Bench, who: &Browser, tenant: &Tenant) -> (String, String) {
    connected(bench, tenant.device);
    let bytes = release();
    let signature = Signer::new().sign(&bytes, "ringside-sensor 9.9.9 aarch64-unknown-linux-musl");
    let (package, answered) = bring(bench, who, &bytes, &signature);
    assert_eq!(answered.status, 200);
    let id: i64 = package.parse().expect("a number");
    let wanted = json!({ "package": id, "sensors": [tenant.device.to_string()], "in_rings": true });
    let begun = bench.post_json(who, "/api/v1/upgrades", &wanted);
    assert_eq!(begun.status, 201);
    (package, body(begun)["id"].to_string())
}

/// What the cloud knows of a sensor that has had a session.
fn connected(bench: &Bench, device: Fingerprint) {
    let set = "UPDATE sensor SET target = 'aarch64-unknown-linux-musl' WHERE device = ?1";
    bench.app.db.writer().execute(set, [device.0]).expect("set");
}

#[test]
fn a_package_comes_in_pieces_and_its_signature_is_checked() {
    let mut bench = Bench::new();
    let signer = Signer::new();
    bench.app.upgrade_key = Some(signer.public());
    let us = bench.log_in(&bench.ours.admin);
    let bytes = release();
    let named = "ringside-sensor 9.9.9 aarch64-unknown-linux-musl";
    let (id, answered) = bring(&bench, &us, &bytes, &signer.sign(&bytes, named));
    let package = body(answered);
    assert_eq!((&package["version"], &package["arch"]), (&json!("9.9.9"), &json!("aarch64")));
    assert_eq!(package["is_checked"], true);
    assert_eq!(package["received"], bytes.len());
    let last = bench.audit().pop().expect("an entry");
    assert_eq!((last.1.as_str(), last.2.as_str()), (bench.ours.admin.as_str(), "package.add"));
    assert_eq!(bench.post(&us, &format!("/api/v1/packages/{id}/delete")).status, 200);
    assert_eq!(bench.json(&us, "/api/v1/packages")["packages"], json!([]));

    let stranger = Signer::new();
    let (_, answered) = bring(&bench, &us, &bytes, &stranger.sign(&bytes, named));
    let (status, code, says) = error(answered);
    assert_eq!((status, code.as_str()), (422, "bad_release"));
    assert!(says.contains("not by the release key"), "{says}");
    assert_eq!(bench.json(&us, "/api/v1/packages")["packages"], json!([]), "it is not kept");
}

#[test]
fn what_is_no_package_has_its_sentence() {
    let bench = Bench::new();
    let us = bench.log_in(&bench.ours.admin);
    let signer = Signer::new();
    let bytes = release();
    let refused = |wanted: &Value| error(bench.post_json(&us, "/api/v1/packages", wanted));
    assert_eq!(refused(&json!({})).1, "bad_body");
    let unnamed = announcement(&bytes, &signer.sign(&bytes, "timestamp:1"));
    assert!(refused(&unnamed).2.contains("which release"));
    assert!(refused(&announcement(&bytes, "hello")).2.contains(".minisig"));
    let mut large = announcement(&bytes, &signer.sign(&bytes, "ringside-sensor 1.0.0 x86_64"));
    large["bytes"] = json!(u64::MAX);
    assert!(refused(&large).2.contains("no release"));
    let good = announcement(&bytes, &signer.sign(&bytes, "ringside-sensor 1.0.0 x86_64"));
    let id = body(bench.post_json(&us, "/api/v1/packages", &good))["id"].to_string();
    let put = |offset, bytes: &[u8]| error(piece(&bench, &us, &id, offset, bytes));
    assert_eq!(put(PIECE_BYTES, &bytes[PIECE_BYTES..]).1, "not_next");
    assert_eq!(put(0, &bytes[1..PIECE_BYTES]).1, "bad_piece");
    let half = json!({ "package": id.parse::<i64>().expect("a number"), "sensors": [] });
    assert_eq!(bench.post_json(&us, "/api/v1/upgrades", &half).status, 404, "it is not whole");
    for number in 1..MAX_PACKAGES {
        let mut bytes = bytes.clone();
        bytes[0] = u8::try_from(number).expect("few");
        let next = announcement(&bytes, &signer.sign(&bytes, "ringside-sensor 1.0.0 x86_64"));
        assert_eq!(bench.post_json(&us, "/api/v1/packages", &next).status, 201);
    }
    let one_more = announcement(&bytes[1..], &signer.sign(b"", "ringside-sensor 1.0.0 x86_64"));
    assert_eq!(refused(&one_more).1, "too_many_packages");
}

#[test]
fn a_sensor_s_page_shows_how_far_it_is() {
    let bench = Bench::new();
    let us = bench.log_in(&bench.ours.admin);
    bench.notebook.take();
    let (package, upgrade) = begun(&bench, &us, &bench.ours);
    let device = bench.ours.device;
    assert!(bench.notebook.take().contains(&poll::key(device)), "the sensor is told at once");
    let page = || bench.json(&us, &format!("/api/v1/sensors/{device}"))["push"].clone();
    assert_eq!(page()["state"], "offered");
    let db = &bench.app.db;
    let order = db.order_for(device).expect("asked").expect("an order");
    db.fetch_piece(device, order.order, 0, bench.now()).expect("fetched");
    assert_eq!((&page()["state"], &page()["percent"]), (&json!("downloading"), &json!(0)));
    let why = "it did not reach the cloud".to_owned();
    db.note_progress(device, order.order, &Progress::RolledBack { why }, bench.now())
        .expect("noted");
    let shown = page();
    assert_eq!(shown["sentence"], "The old version runs again: it did not reach the cloud.");
    let listed = bench.json(&us, "/api/v1/upgrades")["upgrades"][0].clone();
    assert_eq!((&listed["id"].to_string(), &listed["state"]), (&upgrade, &json!("done")));
    assert_eq!(listed["sensors"][0]["why"], "it did not reach the cloud");
    assert_eq!(bench.post(&us, &format!("/api/v1/packages/{package}/delete")).status, 200);
}

#[test]
fn an_upgrade_is_refused_where_it_cannot_be() {
    let bench = Bench::new();
    let us = bench.log_in(&bench.ours.admin);
    let (package, _) = begun(&bench, &us, &bench.ours);
    let device = bench.ours.device.to_string();
    let begin = |sensors: &[&str]| {
        let id: i64 = package.parse().expect("a number");
        let wanted = json!({ "package": id, "sensors": sensors });
        error(bench.post_json(&us, "/api/v1/upgrades", &wanted))
    };
    assert_eq!(begin(&[&device]).1, "being_upgraded");
    assert_eq!(begin(&[]).1, "bad_parameter");
    assert_eq!(begin(&[&bench.theirs.device.to_string()]).1, "bad_parameter");
    let set = "UPDATE sensor SET target = 'x86_64-unknown-linux-musl' WHERE device = ?1";
    bench.app.db.writer().execute(set, [bench.ours.device.0]).expect("set");
    let (_, code, says) = begin(&[&device]);
    assert_eq!(code, "wrong_machine");
    assert!(says.contains("is built for aarch64, and Ours box is x86_64"), "{says}");
}

#[test]
fn upgrading_is_a_right_of_its_own() {
    let bench = Bench::new();
    let us = bench.log_in(&bench.ours.admin);
    let (_, upgrade) = begun(&bench, &us, &bench.ours);
    let rights = Rights::named("packets audio").expect("rights");
    assert!(bench.app.db.set_rights(&bench.ours.admin, rights, "test", bench.now()).expect("set"));
    let cancel = format!("/api/v1/upgrades/{upgrade}/cancel");
    assert_eq!(error(bench.post(&us, &cancel)).1, "forbidden");
    assert_eq!(error(bench.post(&us, "/api/v1/packages")).1, "forbidden");
    assert_eq!(bench.json(&us, "/api/v1/upgrades")["upgrades"][0]["state"], "running");
    let viewer = bench.log_in(&bench.ours.viewer);
    assert_eq!(bench.get(&viewer, "/api/v1/upgrades").status, 403);
    bench
        .app
        .db
        .set_rights(&bench.ours.admin, Rights { upgrades: true, ..rights }, "t", bench.now())
        .expect("set");
    assert_eq!(body(bench.post(&us, &cancel))["state"], "cancelled");
}
