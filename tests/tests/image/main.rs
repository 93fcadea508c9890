//! The image in QEMU, through real firmware: from power-on to calls in the cloud, upgrades that stay
//! and upgrades that are put back, and power cuts. `ci/image-test` runs these; without what it puts
//! together they say so and do nothing.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use ringside_image::build::Inputs;
use ringside_tests::api::Api;
use ringside_tests::authority::{Authority, Validity};
use ringside_tests::captures::recent;
use ringside_tests::cloud::Cloud;
use ringside_tests::generate::{frames, write};
use ringside_tests::kit::Kit;
use ringside_tests::machine::{HOST, Hardware, Machine, PATIENCE};
use ringside_tests::processes::wait_for_within;

/// Larger than the image, so that the data partition grows.
const DISK_BYTES: u64 = 300 << 20;

const NAME: &str = "box-1";

struct Site {
    kit: Kit,
    cloud: Cloud,
    hardware: Hardware,
}

/// A flashed box and its cloud; `None`, said why, where there is nothing to build from.
fn site() -> Option<Site> {
    let Some(kit) = Kit::from_environment() else {
        println!("skipped: RINGSIDE_IMAGE_KIT is not set; ci/image-test sets it");
        return None;
    };
    let authority = Authority::new();
    let issued = authority.issue(&["localhost", HOST, "127.0.0.1"], Validity::Now);
    let cloud = Cloud::start_with(&authority, &issued);
    let token = cloud.token_for(&format!("{HOST}:{}", cloud.sensors.port()));
    let built = kit.build("0.1.0", |_, _| ());
    println!("image {} bytes, root {} bytes", built.image_bytes, built.root_bytes);
    let conf = format!("# for the test\ntoken = {token}\nname = {NAME}\n");
    let disk = kit.flash(&built.image, DISK_BYTES, &conf);
    let hardware = Hardware::new(kit.board().architecture, &disk);
    Some(Site { kit, cloud, hardware })
}

impl Site {
    /// A stick with the next version, which `alter` may spoil.
    fn insert_update(&mut self, alter: impl Fn(&Path, &mut Inputs)) {
        let built = self.kit.build("0.2.0", alter);
        let bundle = built.bundle.expect("there is a key");
        self.hardware.stick = Some(self.kit.stick(&bundle));
    }
}

/// Makes `calls` calls pass by the mirror port and waits until they are in the cloud.
fn call(machine: &Machine, api: &Api, calls: u32, seed: u64) {
    let before = api.calls().len();
    send_calls(machine, calls, seed);
    wait_for_within(PATIENCE, "the calls in the cloud", || {
        (api.calls().len() >= before + calls as usize).then_some(())
    });
}

fn send_calls(machine: &Machine, calls: u32, seed: u64) {
    let mut capture = Vec::new();
    write(&recent(calls, 400, 50_000, seed), &mut capture).expect("memory takes it");
    machine.mirror(&frames(&capture));
}

/// Waits until the box captures and the cloud has accepted it, whichever comes first.
fn ready(machine: &mut Machine) {
    machine.says_all(&["capturing from eth1", "accepted: connected to"]);
}

fn wait_for_box(api: &Api) {
    wait_for_within(PATIENCE, "the box in the cloud", || {
        api.sensor(NAME).filter(|sensor| sensor["state"] == "online")
    });
}

/// No call is in the cloud twice.
fn assert_single(api: &Api) {
    let mut seen = BTreeMap::new();
    for call in api.calls() {
        *seen.entry(call["call_id"].to_string()).or_insert(0) += 1;
    }
    assert!(seen.values().all(|&count| count == 1), "{seen:?}");
}

#[test]
fn a_flashed_box_is_in_the_cloud_and_its_calls_with_it() {
    let Some(site) = site() else { return };
    let api = site.cloud.api();
    let mut machine = site.hardware.power_on();
    _ = machine.says("version 0.1.0, slot A");
    let first = machine.says("INFO  ");
    println!("power-on to the sensor: {:?}; {first}", machine.age());
    ready(&mut machine);
    println!("power-on to capturing and accepted: {:?}", machine.age());
    call(&machine, &api, 3, 1);
    println!("power-on to three calls in the cloud: {:?}", machine.age());
}

/// What the firmware wants beside the box does not count.
#[test]
fn a_box_runs_with_160_mib() {
    let Some(mut site) = site() else { return };
    let api = site.cloud.api();
    site.hardware.direct = Some(site.kit.direct(&site.hardware.disk));
    site.hardware.memory = 160;
    for start in ["first", "second"] {
        let mut machine = site.hardware.power_on();
        _ = machine.says("version 0.1.0, slot A");
        println!("{start} start, kernel to the start scripts: {:?}", machine.age());
        machine.says_all(&["by DHCP", "capturing from eth1", "accepted: connected to"]);
        println!("to an address, capturing and accepted: {:?}", machine.age());
        call(&machine, &api, 3, start.len() as u64);
        machine.cut_power();
    }
}

#[test]
fn an_upgrade_to_a_good_slot_stays() {
    let Some(mut site) = site() else { return };
    let api = site.cloud.api();
    site.insert_update(|_, _| ());
    let mut machine = site.hardware.power_on();
    _ = machine.says("version 0.2.0 is installed");
    _ = machine.says("version 0.2.0, slot B");
    _ = machine.says("slot B has proved itself");
    call(&machine, &api, 1, 2);
    machine.cut_power();
    let mut machine = site.hardware.power_on();
    _ = machine.says("version 0.2.0, slot B");
    wait_for_box(&api);
    assert!(!machine.console().contains("installing"), "a bundle is installed once");
}

#[test]
fn a_slot_that_cannot_boot_is_put_back() {
    let Some(mut site) = site() else { return };
    let api = site.cloud.api();
    let broken = site.kit.folder().join("broken");
    std::fs::write(&broken, [0x5a; 100_000]).expect("a file can be written");
    site.insert_update(|_, inputs| inputs.kernel.clone_from(&broken));
    let mut machine = site.hardware.power_on();
    _ = machine.says("version 0.2.0 is installed");
    _ = machine.says("slot B cannot be loaded");
    _ = machine.says("version 0.1.0, slot A");
    machine.says_all(&["back on slot A", "capturing from eth1", "accepted: connected to"]);
    wait_for_box(&api);
    call(&machine, &api, 1, 3);
}

#[test]
fn a_slot_whose_sensor_crashes_is_put_back() {
    let Some(mut site) = site() else { return };
    let api = site.cloud.api();
    site.insert_update(|root, inputs| {
        let script = "#!/bin/sh\n[ \"$1\" != run ] || exit 1\nexec /usr/bin/sensor \"$@\"\n";
        std::fs::copy(&inputs.sensor, root.join("usr/bin/sensor")).expect("copied");
        inputs.sensor = root.join("crashing");
        std::fs::write(&inputs.sensor, script).expect("a file can be written");
    });
    put_back(&site, &api);
}

#[test]
fn a_slot_that_cannot_reach_the_cloud_is_put_back() {
    let Some(mut site) = site() else { return };
    let api = site.cloud.api();
    site.insert_update(|root, _| {
        let script = root.join("usr/lib/ringside/network");
        std::fs::write(script, "#!/bin/sh\nip link set eth1 up promisc on\n").expect("written");
    });
    put_back(&site, &api);
}

/// The update is tried, found wanting, and the old slot has the box again.
fn put_back(site: &Site, api: &Api) {
    let mut machine = site.hardware.power_on();
    _ = machine.says("version 0.2.0 is installed");
    _ = machine.says("version 0.2.0, slot B");
    _ = machine.says("slot B is not healthy in time");
    _ = machine.says("version 0.1.0, slot A");
    ready(&mut machine);
    wait_for_box(api);
    call(&machine, api, 1, 4);
}

/// Cuts of one run; `RINGSIDE_POWER_CUTS` names another number.
const CUTS: u64 = 2;

#[test]
fn power_cuts_lose_and_double_no_call_that_was_in_the_cloud() {
    let Some(site) = site() else { return };
    let api = site.cloud.api();
    let cuts = std::env::var("RINGSIDE_POWER_CUTS").ok().and_then(|text| text.parse().ok());
    for cut in 0..cuts.unwrap_or(CUTS) {
        let mut machine = site.hardware.power_on();
        ready(&mut machine);
        call(&machine, &api, 2, 100 + cut);
        let known = api.calls().len();
        // In the middle of calls, some milliseconds later each time.
        send_calls(&machine, 3, 200 + cut);
        std::thread::sleep(Duration::from_millis(cut * 137 % 1500));
        machine.cut_power();
        assert!(api.calls().len() >= known);
    }
    let mut machine = site.hardware.power_on();
    ready(&mut machine);
    call(&machine, &api, 2, 99);
    assert_single(&api);
}
