//! Power cuts, and a sensor that hangs: afterwards the cloud has every record that existed, once.
//!
//! A record exists when the outbox has flushed it; the box then writes its id on its console, which
//! these tests read to the cut. (QEMU hands what the box has written to the host at once: a cut takes
//! what the box had not written yet, not what a disk's cache would lose.)

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use ringside_image::build::Inputs;
use ringside_protocol::cdr::CallId;
use ringside_tests::api::Api;
use ringside_tests::journal::{ids, rows};
use ringside_tests::machine::{Machine, PATIENCE};
use ringside_tests::processes::wait_for_within;

use super::{add_to_script, assert_single, call, ready, send_calls, site_with};

/// Cuts of one run; `RINGSIDE_POWER_CUTS` names another number.
const CUTS: u64 = 4;

fn cuts() -> u64 {
    let named = std::env::var("RINGSIDE_POWER_CUTS").ok();
    named.map_or(CUTS, |text| text.parse().expect("RINGSIDE_POWER_CUTS is a number"))
}

/// Has the box write its journal on the console.
fn journalled(root: &Path, _: &mut Inputs) {
    let journal = "export RINGSIDE_OUTBOX_JOURNAL=/dev/console\n";
    add_to_script(root, "sensor", "ringside-sensor run", journal);
}

/// What existed, by the consoles of all starts so far.
#[derive(Default)]
struct Existed(BTreeSet<CallId>);

impl Existed {
    fn cut_power(&mut self, machine: Machine) {
        self.0.extend(ids(&machine.cut_power()));
    }

    /// Waits until the cloud has all of them; none may be there twice.
    fn wait_for_all(&self, api: &Api) {
        wait_for_within(PATIENCE, "every record that existed", || {
            let rows = rows(api).into_iter().collect();
            self.0.is_subset(&rows).then_some(())
        });
        let rows = rows(api);
        let unique: BTreeSet<_> = rows.iter().collect();
        assert_eq!(unique.len(), rows.len(), "rows are doubled");
    }
}

#[test]
fn power_cuts_lose_and_double_no_call_that_existed() {
    let Some(site) = site_with(journalled) else { return };
    let api = site.cloud.api();
    let mut existed = Existed::default();
    for cut in 0..cuts() {
        let mut machine = site.hardware.power_on();
        ready(&mut machine);
        call(&machine, &api, 2, 100 + cut);
        // In the middle of calls, some milliseconds later each time.
        send_calls(&machine, 3, 200 + cut);
        std::thread::sleep(Duration::from_millis(cut * 137 % 1500));
        existed.cut_power(machine);
    }
    let mut machine = site.hardware.power_on();
    ready(&mut machine);
    call(&machine, &api, 2, 99);
    existed.wait_for_all(&api);
    assert_single(&api);
    println!("{} cuts, {} records existed before one", cuts(), existed.0.len());
}

/// Where in an upgrade power goes: after the console has said this, and some milliseconds.
const MOMENTS: [&str; 4] = ["installing update", "is installed", "starting slot", "is on trial"];

#[test]
fn power_cuts_during_upgrades_lose_and_double_no_call_that_existed() {
    let Some(mut site) = site_with(journalled) else { return };
    let api = site.cloud.api();
    let mut machine = site.hardware.power_on();
    ready(&mut machine);
    call(&machine, &api, 1, 1);
    machine.cut_power();
    let mut existed = Existed::default();
    for (cut, moment) in (0..cuts()).zip(MOMENTS.iter().cycle()) {
        let version = format!("0.2.{cut}");
        site.insert_update(&version, journalled);
        // Nothing leaves the box: what existed is in its outbox when power goes.
        site.network.stall();
        let mut machine = site.hardware.power_on();
        machine.says_all(&["capturing from eth1", "installing update"]);
        send_calls(&machine, 3, 300 + cut);
        if *moment != MOMENTS[0] {
            _ = machine.says("is installed");
        }
        if ["starting slot", "is on trial"].contains(moment) {
            _ = machine.says(moment);
        }
        std::thread::sleep(Duration::from_millis(cut * 311 % 2500));
        existed.cut_power(machine);
        site.network.reset();
        // The upgrade comes to its end all the same, and what the outbox held to the cloud.
        let mut machine = site.hardware.power_on();
        println!("{}", machine.says("has proved itself"));
        existed.wait_for_all(&api);
        assert!(machine.console().contains(&format!("version {version}")));
        existed.cut_power(machine);
    }
    site.hardware.stick = None;
    let mut machine = site.hardware.power_on();
    ready(&mut machine);
    call(&machine, &api, 2, 99);
    existed.wait_for_all(&api);
    assert_single(&api);
    println!("{} cuts during upgrades, {} records existed", cuts(), existed.0.len());
}

/// A sensor that runs and does nothing: the watchdog is what finds it.
#[test]
fn a_sensor_that_hangs_is_started_again_by_the_watchdog() {
    let hang = "if [ ! -f /data/hung ]; then\n\
                (until [ -f /data/hang ]; do sleep 1; done\n\
                mv /data/hang /data/hung; sync; kill -STOP $(pidof ringside-sensor)) &\nfi\n";
    let altered = |root: &Path, inputs: &mut Inputs| {
        journalled(root, inputs);
        add_to_script(root, "sensor", "ringside-sensor run", hang);
        // A slot that has started well is what hangs here.
        add_to_script(root, "judge", "case $(with_boot ro", "touch /data/hang\n");
    };
    let Some(mut site) = site_with(altered) else { return };
    let api = site.cloud.api();
    site.skip_firmware();
    let mut machine = site.hardware.power_on();
    ready(&mut machine);
    let begun = machine.age();
    _ = machine.says("version 0.1.0, slot A");
    println!("from a sensor that hangs to a box that starts again: {:?}", machine.age() - begun);
    ready(&mut machine);
    call(&machine, &api, 2, 5);
    assert_single(&api);
}
