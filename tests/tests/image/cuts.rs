//! Power cuts, and what hangs: afterwards the cloud has every record that existed, once, and the store
//! of packets is whole.
//!
//! A record exists when the outbox has flushed it; the box then writes its id on its console, which
//! these tests read to the cut. The disk has a write cache of its own ([`ringside_tests::write_cache`]):
//! a cut takes what the box had not written yet, and most of what it had written and not flushed.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use ringside_image::build::Inputs;
use ringside_protocol::cdr::CallId;
use ringside_protocol::slot::MAX_TRIES;
use ringside_tests::api::Api;
use ringside_tests::journal::{ids, rows};
use ringside_tests::machine::{Machine, PATIENCE};
use ringside_tests::processes::wait_for_within;
use serde_json::json;

use super::{add_to_script, assert_single, call, ready, send_calls, site_with};

/// Cuts of one run; `RINGSIDE_POWER_CUTS` names another number.
const CUTS: u64 = 4;

fn cuts() -> u64 {
    let named = std::env::var("RINGSIDE_POWER_CUTS").ok();
    named.map_or(CUTS, |text| text.parse().expect("RINGSIDE_POWER_CUTS is a number"))
}

/// Has the box write its journal on the console, and check its store before the sensor runs.
fn journalled(root: &Path, _: &mut Inputs) {
    let journal = "export RINGSIDE_OUTBOX_JOURNAL=/dev/console\n";
    add_to_script(root, "sensor", "ringside-sensor run", journal);
    let verify = "[ ! -d /data/ringside/sensor/ring ] || {\n\
                  ringside-sensor store verify --store /data/ringside/sensor >/dev/console 2>&1 &&\n\
                  say 'the store is whole' || say 'the store is damaged'\n}\n";
    add_to_script(root, "provision", "with_boot rw take_over", verify);
}

/// Every call's packets are kept from now on.
fn keep_packets(api: &Api) {
    api.post_json("/rules", &json!({ "text": "keep sip, rtp when mos < 5" }));
    wait_for_within(PATIENCE, "the rule to be applied", || {
        (api.get("/rules")["sensors"][0]["is_applied"] == true).then_some(())
    });
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
    let Some(mut site) = site_with(journalled) else { return };
    let api = site.cloud.api();
    site.hardware.caches_writes = true;
    let mut existed = Existed::default();
    for cut in 0..cuts() {
        let mut machine = site.hardware.power_on();
        ready(&mut machine);
        if cut == 0 {
            keep_packets(&api);
        } else {
            assert_whole(&machine);
        }
        call(&machine, &api, 2, 100 + cut);
        // In the middle of calls, some milliseconds later each time.
        send_calls(&machine, 3, 200 + cut);
        std::thread::sleep(Duration::from_millis(cut * 137 % 1500));
        existed.cut_power(machine);
    }
    let mut machine = site.hardware.power_on();
    ready(&mut machine);
    assert_whole(&machine);
    call(&machine, &api, 2, 99);
    existed.wait_for_all(&api);
    assert_single(&api);
    println!("{} cuts, {} records existed before one", cuts(), existed.0.len());
}

/// The box has checked its store at this start.
fn assert_whole(machine: &Machine) {
    let console = machine.console();
    assert!(console.contains("the store is whole"), "{console}");
    assert!(!console.contains("the store is damaged"), "{console}");
}

/// Where in an upgrade power goes: after the console has said this, and some milliseconds.
const MOMENTS: [&str; 4] = ["installing update", "is installed", "starting slot", "is on trial"];

#[test]
fn power_cuts_during_upgrades_lose_and_double_no_call_that_existed() {
    let Some(mut site) = site_with(journalled) else { return };
    let api = site.cloud.api();
    site.hardware.caches_writes = true;
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

/// Everything on the new slot hangs before it has proved itself, and what would judge it with it:
/// only the watchdog is left.
#[test]
fn a_slot_on_trial_that_hangs_is_put_back_by_the_watchdog() {
    let Some(mut site) = site_with(|_, _| ()) else { return };
    let api = site.cloud.api();
    site.insert_update("0.2.0", |root, _| {
        let hang = "(until [ -f /run/ringside/hang ]; do sleep 1; done\n\
                    kill -STOP $(pidof ringside-sensor)) &\n";
        add_to_script(root, "sensor", "ringside-sensor run", hang);
        let script = "#!/bin/sh\n. /usr/lib/ringside/functions\n\
                      until pidof ringside-sensor >/dev/null; do sleep 1; done\n\
                      sleep 2\nsay 'everything hangs'\ntouch /run/ringside/hang\n";
        std::fs::write(root.join("usr/lib/ringside/judge"), script).expect("written");
    });
    let mut machine = site.hardware.power_on();
    _ = machine.says("version 0.2.0 is installed");
    for _ in 0..MAX_TRIES {
        _ = machine.says("version 0.2.0, slot B");
        _ = machine.says("everything hangs");
    }
    _ = machine.says("version 0.1.0, slot A");
    println!("from power-on to the old slot: {:?}", machine.age());
    machine.says_all(&["back on slot A", "capturing from eth1", "accepted: connected to"]);
    call(&machine, &api, 1, 6);
    assert_single(&api);
}

/// A sensor that runs and does nothing: the watchdog is what finds it.
#[test]
fn a_sensor_that_hangs_is_started_again_by_the_watchdog() {
    let hang = "(until [ -f /data/hang ]; do sleep 1; done\n\
                [ ! -f /data/hung ] || exit\n\
                mv /data/hang /data/hung; sync; kill -STOP $(pidof ringside-sensor)) &\n";
    let altered = |root: &Path, inputs: &mut Inputs| {
        journalled(root, inputs);
        add_to_script(root, "sensor", "ringside-sensor run", hang);
        // A slot that has started well, and is accepted, is what hangs here.
        let accepted = "until grep -q '\"is_accepted\":true' /data/ringside/sensor/health.json; do\n\
                        sleep 1\ndone\ntouch /data/hang\n";
        add_to_script(root, "judge", "case $(with_boot ro", accepted);
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
