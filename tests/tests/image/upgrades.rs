//! Upgrades from a stick: a good one stays, and each that is not is put back by the box itself.

use minisign::KeyPair;
use ringside_tests::api::Api;

use super::{Site, call, ready, site, wait_for_box};

#[test]
fn an_upgrade_to_a_good_slot_stays() {
    let Some(mut site) = site() else { return };
    let api = site.cloud.api();
    site.insert_update("0.2.0", |_, _| ());
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
    site.insert_update("0.2.0", |_, inputs| inputs.kernel.clone_from(&broken));
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
    site.insert_update("0.2.0", |root, inputs| {
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
    site.insert_update("0.2.0", |root, _| {
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

#[test]
fn a_bundle_that_is_cut_short_foreign_or_for_another_board_is_refused_in_a_sentence() {
    let Some(mut site) = site() else { return };
    let stranger = KeyPair::generate_unencrypted_keypair().expect("a key can be made");
    let board = site.kit.board().id;
    let ours = site.kit.keys();
    let mut cut = site.kit.bundle(&board, ours);
    cut.truncate(cut.len() / 2);
    let foreign = site.kit.bundle(&board, &stranger);
    let other = site.kit.bundle("raspberrypi5", ours);
    let bundles = [("1-cut", cut), ("2-foreign", foreign), ("3-other", other)];
    site.hardware.stick = Some(site.kit.stick(bundles));
    let api = site.cloud.api();
    let mut machine = site.hardware.power_on();
    for (name, says) in [
        ("1-cut", "cut short"),
        ("2-foreign", "signed with a key that this box does not know"),
        ("3-other", "for the board raspberrypi5"),
    ] {
        _ = machine.says(&format!("installing {name}.bundle"));
        println!("{}", machine.says(says));
    }
    machine.cut_power();
    let mut machine = site.hardware.power_on();
    _ = machine.says("version 0.1.0, slot A");
    ready(&mut machine);
    wait_for_box(&api);
}
