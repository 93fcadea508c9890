//! A sensor that was given no token shows a claim code, and is somebody's seconds after it was entered.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use ringside_tests::api::Api;
use ringside_tests::cloud::Cloud;
use ringside_tests::folder::Folder;
use ringside_tests::processes::{Process, wait_for, wait_until};
use ringside_tests::sensor::Sensor;
use serde_json::{Value, json};

/// From "accept" to a session: what a person waits for.
const WITHIN: Duration = Duration::from_secs(2);

const PIN: &str = "80915177";

/// A sensor that knows its cloud, and nothing else.
fn unclaimed(cloud: &Cloud, name: &str) -> Sensor {
    let ca = json!(cloud.api().get("/claims")["cloud_ca"]);
    Sensor::new(name)
        .toward("localhost", cloud.sensors.port())
        .with("cloud_ca", ca.as_str().expect("a CA"))
}

/// The code that `doctor` shows to whoever may read the device's key.
fn code(sensor: &Sensor) -> String {
    let (_, report) = sensor.doctor();
    let steps = report["steps"].as_array().expect("steps");
    let step = steps.iter().find(|step| step["name"] == "enrolment").expect("a step");
    let sentence = step["sentence"].as_str().expect("text").to_owned();
    let code = sentence.split("claim code ").nth(1).and_then(|rest| rest.split(' ').next());
    code.unwrap_or_else(|| panic!("no code in {sentence}")).to_owned()
}

fn waiting(sensor: &Sensor) -> Process {
    let process = sensor.run(None, "");
    let _ = process.wait_for_line("this device belongs to nobody yet");
    process
}

fn accept(api: &Api, code: &str) -> Value {
    let found = api.post_json("/claims", &json!({ "code": code }));
    let wanted = json!({ "code": code, "device": found["device"] });
    api.post_json("/claims/accept", &wanted)
}

fn can_capture() -> bool {
    let can =
        std::env::var_os("RINGSIDE_EMULATED").is_none() && rustix::process::geteuid().is_root();
    if !can {
        println!("skipped: nothing can be captured here");
    }
    can
}

#[test]
fn a_sensor_without_a_token_is_online_seconds_after_its_code_was_entered() {
    if !can_capture() {
        return;
    }
    let cloud = Cloud::start();
    let api = cloud.api();
    let sensor = unclaimed(&cloud, "shop-12").with("status_bind", "no");
    let mut process = waiting(&sensor);
    let code = code(&sensor);
    let log = process.written();
    assert!(!log.contains(&code), "logs and support bundles are read by others: {log}");
    let found = api.post_json("/claims", &json!({ "code": code.to_lowercase() }));
    assert_eq!((&found["name"], &found["address"]), (&json!("shop-12"), &json!("127.0.0.1")));
    let begun = Instant::now();
    let joined = accept(&api, &code);
    wait_until("the sensor online", || {
        api.sensor("shop-12").is_some_and(|sensor| sensor["state"] == "online")
    });
    println!("online {} ms after it was accepted", begun.elapsed().as_millis());
    assert!(begun.elapsed() < WITHIN, "{:?}", begun.elapsed());
    assert_eq!(api.sensor("shop-12").expect("joined")["id"], joined["device"]);
    let entries = api.get("/audit");
    assert_eq!(entries["entries"][0]["action"], "sensor.claim", "{entries}");
    process.terminate();
    assert!(process.wait().success(), "{}", process.written());
    // From now on it is like any other.
    let process = sensor.run(None, "");
    let _ = process.wait_for_line("accepted: connected to");
}

#[test]
fn the_code_stands_behind_the_pin_and_outlives_both_restarts() {
    if !can_capture() {
        return;
    }
    let (mut cloud, folder) = (Cloud::start(), Folder::new());
    fs::write(folder.join("pin"), PIN).expect("a file can be written");
    let port = TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr()).expect("a port");
    let sensor = unclaimed(&cloud, "shop-13")
        .with("status_bind", &port.to_string())
        .with("status_pin_file", &folder.join("pin").display().to_string());
    let mut process = waiting(&sensor);
    let page = |request: &str| {
        wait_for("an answer", || {
            let mut stream = TcpStream::connect(port).ok()?;
            stream.write_all(request.as_bytes()).ok()?;
            let mut text = String::new();
            stream.read_to_string(&mut text).ok()?;
            Some(text)
        })
    };
    let post = |pin: &str| {
        let form = format!("pin={pin}");
        let head =
            format!("POST /claim HTTP/1.1\r\nHost: {port}\r\nContent-Length: {}", form.len());
        page(&format!("{head}\r\n\r\n{form}"))
    };
    let code = code(&sensor);
    let status = page(&format!("GET / HTTP/1.1\r\nHost: {port}\r\n\r\n"));
    assert!(status.contains("href=\"/claim\"") && !status.contains(&code), "{status}");
    let refused = post("11111111");
    assert!(refused.starts_with("HTTP/1.1 403") && !refused.contains(&code), "{refused}");
    let shown = post(PIN);
    assert!(shown.contains(&code), "{shown}");

    // Neither side has kept anything, and within the hour the code is the same.
    process.terminate();
    assert!(process.wait().success(), "{}", process.written());
    cloud.kill();
    cloud.start_again();
    let sensor = sensor.back().toward("localhost", cloud.sensors.port());
    let _process = waiting(&sensor);
    let api = cloud.api();
    let again = self::code(&sensor);
    println!("before {code}, after {again}: alike but where an hour has ended between");
    accept(&api, &again);
    wait_until("the sensor online", || {
        api.sensor("shop-13").is_some_and(|sensor| sensor["state"] == "online")
    });
    let none = post(PIN);
    assert!(none.starts_with("HTTP/1.1 409"), "{none}");
}

#[test]
fn a_token_ends_the_wait_at_once() {
    if !can_capture() {
        return;
    }
    let cloud = Cloud::start();
    let sensor = unclaimed(&cloud, "shop-14").with("status_bind", "no");
    let process = waiting(&sensor);
    let said = sensor.enrol(&cloud.token());
    assert_eq!(said.code, Some(0), "{said:?}");
    let begun = Instant::now();
    let _ = process.wait_for_line("accepted: connected to");
    assert!(begun.elapsed() < WITHIN, "{:?}", begun.elapsed());
}
