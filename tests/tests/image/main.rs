//! The image in QEMU, through real firmware: from power-on to calls in the cloud, upgrades that stay
//! and upgrades that are put back, power cuts, and what goes wrong at a site. `ci/image-test` runs
//! these; without what it puts together they say so and do nothing.

use std::collections::BTreeMap;
use std::path::Path;

use ringside_image::build::{Inputs, Outputs};
use ringside_tests::api::Api;
use ringside_tests::authority::{Authority, Validity};
use ringside_tests::captures::recent;
use ringside_tests::cloud::Cloud;
use ringside_tests::generate::{frames, write};
use ringside_tests::kit::Kit;
use ringside_tests::machine::{HOST, Hardware, Machine, PATIENCE};
use ringside_tests::processes::wait_for_within;
use ringside_tests::proxy::Proxy;

mod cuts;
mod faults;
mod upgrades;

/// Larger than the image, so that the data partition grows.
const DISK_BYTES: u64 = 300 << 20;

const NAME: &str = "box-1";

/// A flashed box, its cloud, and the network between them.
struct Site {
    kit: Kit,
    cloud: Cloud,
    network: Proxy,
    hardware: Hardware,
    built: Outputs,
    token: String,
}

/// A flashed box and its cloud; `None`, said why, where there is nothing to build from.
fn site() -> Option<Site> {
    site_with(|_, _| ())
}

/// The same with an image that `alter` has changed.
fn site_with(alter: impl Fn(&Path, &mut Inputs)) -> Option<Site> {
    let Some(kit) = Kit::from_environment() else {
        println!("skipped: RINGSIDE_IMAGE_KIT is not set; ci/image-test sets it");
        return None;
    };
    let authority = Authority::new();
    let issued = authority.issue(&["localhost", HOST, "127.0.0.1"], Validity::Now);
    let cloud = Cloud::start_with(&authority, &issued);
    let network = Proxy::start(cloud.sensors);
    let token = cloud.token_for(&format!("{HOST}:{}", network.port));
    let built = kit.build("0.1.0", alter);
    println!("image {} bytes, root {} bytes", built.image_bytes, built.root_bytes);
    let disk = kit.flash(&built.image, DISK_BYTES, &conf(&token));
    let hardware = Hardware::new(kit.board().architecture, &disk);
    Some(Site { kit, cloud, network, hardware, built, token })
}

/// What a technician writes on the disk.
fn conf(token: &str) -> String {
    format!("# for the test\ntoken = {token}\nname = {NAME}\n")
}

impl Site {
    /// A stick with a later version, which `alter` may spoil.
    fn insert_update(&mut self, version: &str, alter: impl Fn(&Path, &mut Inputs)) {
        let built = self.kit.build(version, alter);
        let bundle = std::fs::read(built.bundle.expect("there is a key")).expect("it is there");
        self.hardware.stick = Some(self.kit.stick([("update", bundle)]));
    }

    /// From now on the kernel is started by QEMU itself, in slot A.
    fn skip_firmware(&mut self) {
        self.hardware.direct = Some(self.kit.direct(&self.hardware.disk));
    }
}

/// Puts `lines` before the line `before` of a start script.
fn add_to_script(root: &Path, script: &str, before: &str, lines: &str) {
    let path = root.join("usr/lib/ringside").join(script);
    let text = std::fs::read_to_string(&path).expect("a start script");
    let at = text.find(before).expect("the script has this line");
    std::fs::write(&path, format!("{}{lines}{}", &text[..at], &text[at..])).expect("written");
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
    machine.says_all(&["capturing from eth1"]);
    println!("power-on to capturing: {:?}", machine.age());
    _ = machine.says("accepted: connected to");
    println!("power-on to accepted: {:?}", machine.age());
    call(&machine, &api, 3, 1);
    println!("power-on to three calls in the cloud: {:?}", machine.age());
}

/// What the firmware wants beside the box does not count.
#[test]
fn a_box_runs_with_128_mib() {
    let Some(mut site) = site() else { return };
    let api = site.cloud.api();
    site.skip_firmware();
    site.hardware.memory = 128;
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
