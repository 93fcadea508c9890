//! The whole way: a device joins, reads or captures calls, and they come out of the API.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, Instant};

use ringside_protocol::step::Step;
use ringside_tests::api::Api;
use ringside_tests::captures::{recent, write_file};
use ringside_tests::cloud::Cloud;
use ringside_tests::folder::Folder;
use ringside_tests::generate::Truth;
use ringside_tests::live_call::Phones;
use ringside_tests::processes::{Process, wait_for};
use ringside_tests::sensor::{Sensor, analyze, version};
use serde_json::Value;

/// What the cloud adds to a call.
const OF_THE_CLOUD: [&str; 5] = ["id", "sensor", "arrived_at", "verdict", "other_legs"];

/// From a call's end to the API's answer, live.
const WITHIN: Duration = Duration::from_secs(10);

fn read_to_the_end(sensor: &Sensor, capture: &Path) {
    let mut process = sensor.run(Some(capture), "max");
    assert!(process.wait().success(), "{}", process.written());
    let last = process.written();
    assert!(last.ends_with("every record is acknowledged"), "{last}");
}

#[test]
fn a_capture_s_calls_come_out_of_the_api_as_they_went_in() {
    let (cloud, folder) = (Cloud::start(), Folder::new());
    let (capture, truth) = write_file(&folder, &recent(40, 3000, 150_000, 1));
    let sensor = Sensor::joined("gate-1", &cloud.token());
    read_to_the_end(&sensor, &capture);

    let api = cloud.api();
    let joined = api.sensor("gate-1").expect("it has joined");
    assert_eq!(joined["state"], "stopped", "it has taken its leave: {joined}");
    let device = joined["id"].clone();
    assert_eq!(api.stranger(device.as_str().expect("an id")), None, "it belongs to somebody");
    let listed = api.calls();
    assert_eq!(listed.len(), truth.len());
    let whole: Vec<_> = listed.iter().map(|call| api.call(text(call, "id"))).collect();
    for call in &whole {
        let number = text(&call["caller"], "user").trim_start_matches("+4930");
        let truth = truth[number.parse::<usize>().expect("a number")];
        assert_eq!(seen(call), truth, "{call}");
        assert_eq!(call["sensor"]["name"], "gate-1");
    }
    same_as_analyze(&whole, &capture);

    read_to_the_end(&sensor, &capture);
    let again = api.calls();
    let ids: BTreeSet<_> = again.iter().map(|call| text(call, "id")).collect();
    assert_eq!(ids.len(), 2 * truth.len(), "reading again is a new delivery");
    let boots: BTreeSet<_> = ids.iter().map(|id| id.split('-').nth(1)).collect();
    assert_eq!(boots.len(), 2);

    let (code, report) = sensor.doctor();
    if can_capture() {
        assert_eq!((code, &report["ok"]), (Some(0), &Value::Bool(true)), "{report}");
    } else {
        println!("doctor's word on the capture was not looked at: nothing can be captured here");
        let steps = report["steps"].as_array().expect("steps");
        let ways = steps.iter().filter(|step| Step::ALL.iter().any(|it| step["name"] == it.name()));
        assert!(ways.clone().all(|step| step["state"] == "ok"), "{report}");
        assert_eq!(ways.count(), Step::ALL.len());
    }
    let known = api.sensor("gate-1").expect("the sensor is listed");
    let [software, target, commit] = ["software", "target", "commit"].map(|it| text(&known, it));
    let told = format!("ringside-sensor {software} ({target}, commit {commit}, protocol ");
    let line = version();
    assert!(line.starts_with(&told), "{line} does not begin with {told}");
}

/// Packets that came and that were lost, by direction, as the API tells them.
fn seen(call: &Value) -> Truth {
    let mut seen = Truth::default();
    for stream in call["streams"].as_array().expect("streams") {
        let side = usize::from(text(stream, "direction") == "callee_to_caller");
        let count = |name: &str| u32::try_from(stream[name].as_u64().expect(name)).expect(name);
        seen.packets[side] += count("packets");
        seen.lost[side] += count("lost");
    }
    seen
}

/// The API's objects are those of `analyze` but for what only the cloud knows.
fn same_as_analyze(calls: &[Value], capture: &Path) {
    let mut analyzed: BTreeMap<_, _> = analyze(capture)
        .into_iter()
        .map(|call| (text(&call, "call_id").to_owned(), call))
        .collect();
    for call in calls {
        let mut call = call.clone();
        let fields = call.as_object_mut().expect("an object");
        fields.retain(|name, _| !OF_THE_CLOUD.contains(&name.as_str()));
        assert_eq!(analyzed.remove(text(&call, "call_id")), Some(call));
    }
    assert!(analyzed.is_empty(), "{} calls are only in analyze", analyzed.len());
}

fn text<'a>(object: &'a Value, name: &str) -> &'a str {
    object[name].as_str().unwrap_or_else(|| panic!("{name} is no text in {object}"))
}

/// Whether the sensor can capture here: as root, and not under qemu-user (`RINGSIDE_EMULATED`), which
/// lacks the system calls that libpcap opens an interface with.
fn can_capture() -> bool {
    std::env::var_os("RINGSIDE_EMULATED").is_none() && rustix::process::geteuid().is_root()
}

/// A sensor that captures on the loopback interface.
fn capturing(cloud: &Cloud, phones: &Phones) -> (Sensor, Process) {
    let sensor = Sensor::joined("live", &cloud.token()).with("sipport", &phones.sip_ports());
    let process = sensor.run(None, "");
    _ = process.wait_for_line("capturing from lo");
    _ = process.wait_for_line("accepted: connected to");
    (sensor, process)
}

fn wait_for_call(api: &Api, call_id: &str) -> Value {
    wait_for("the call in the API", || {
        api.calls().into_iter().find(|call| call["call_id"] == call_id)
    })
}

#[test]
fn a_live_call_is_in_the_api_seconds_after_its_end() {
    if !can_capture() {
        println!("skipped: nothing can be captured on lo here (it takes root and a real kernel)");
        return;
    }
    let (cloud, phones) = (Cloud::start(), Phones::new());
    let api = cloud.api();
    let (_sensor, _process) = capturing(&cloud, &phones);
    let mut call = phones.call("live-1@127.0.0.1");
    call.talk(50);
    let sent = call.hang_up();
    let ended = Instant::now();
    let call = wait_for_call(&api, "live-1@127.0.0.1");
    let took = ended.elapsed();
    println!("in the API {} ms after its BYE", took.as_millis());
    assert!(took < WITHIN, "{took:?}");
    let call = api.call(text(&call, "id"));
    assert_eq!(call["ended_by"], "caller");
    let both = Truth { packets: [u32::from(sent); 2], lost: [0; 2] };
    assert_eq!(seen(&call), both, "{call}");
}

#[test]
fn sigterm_turns_calls_in_progress_into_records_that_are_delivered() {
    if !can_capture() {
        println!("skipped: nothing can be captured on lo here (it takes root and a real kernel)");
        return;
    }
    let (cloud, phones) = (Cloud::start(), Phones::new());
    let api = cloud.api();
    let (_sensor, mut process) = capturing(&cloud, &phones);
    let mut calls: Vec<_> = ["a", "b"].iter().map(|name| phones.call(name)).collect();
    for call in &mut calls {
        call.talk(10);
    }
    process.terminate();
    assert_eq!(process.wait().code(), Some(0), "{}", process.written());
    for call_id in ["a", "b"] {
        let call = wait_for_call(&api, call_id);
        assert_eq!(call["ended_by"], "capture_end", "{call}");
    }
}
