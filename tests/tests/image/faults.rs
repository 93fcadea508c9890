//! What goes wrong at a site: each has its sentence on the console and, where the box can be reached,
//! on its status page; and the box works as far as it can.

use std::path::Path;

use ringside_image::layout::Role;
use ringside_tests::kit::Kit;
use ringside_tests::machine::Cable;

use super::{add_to_script, call, conf, ready, site, site_with, wait_for_box};

#[test]
fn without_a_link_it_captures_and_joins_when_the_cable_is_plugged_in() {
    let Some(mut site) = site() else { return };
    let api = site.cloud.api();
    site.skip_firmware();
    site.hardware.cable = Cable::Unplugged;
    let mut machine = site.hardware.power_on();
    machine.says_all(&["no link on eth0: plug in its cable", "capturing from eth1"]);
    machine.plug_in();
    machine.says_all(&["by DHCP", "accepted: connected to"]);
    call(&machine, &api, 1, 1);
}

#[test]
fn without_dhcp_it_captures_and_says_what_to_do() {
    let Some(mut site) = site() else { return };
    site.skip_firmware();
    site.hardware.cable = Cable::Silence;
    let mut machine = site.hardware.power_on();
    machine.says_all(&[
        "capturing from eth1",
        "no DHCP server answers on eth0: connect one, or write address = into ringside.conf",
    ]);
}

#[test]
fn a_clock_that_was_never_set_is_told_on_console_and_status_page() {
    let Some(mut site) = site() else { return };
    site.skip_firmware();
    site.hardware.clock = Some("2001-02-03T04:05:06");
    let mut machine = site.hardware.power_on();
    machine.says_all(&[
        "the clock is not set (no battery): it is set from the network",
        "capturing from eth1",
        "this sensor's clock says 2001-02-03",
    ]);
    _ = machine.status_page("set the clock (NTP)");
}

#[test]
fn a_broken_provisioning_file_is_told_line_by_line_and_a_right_one_is_taken_then() {
    let Some(mut site) = site() else { return };
    let api = site.cloud.api();
    site.skip_firmware();
    let broken = format!("token = {}\nadress = 192.0.2.1/24\n", &site.token[..20]);
    Kit::write_on(&site.hardware.disk, &broken);
    let mut machine = site.hardware.power_on();
    machine.says_all(&[
        "capturing from eth1",
        "ringside.conf is not taken over",
        "line 1: the token cannot be read",
        "line 2: there is no setting adress",
    ]);
    let page = machine.status_page("ringside.conf was not taken over");
    assert!(page.contains("there is no setting adress"), "{page}");
    machine.cut_power();
    Kit::write_on(&site.hardware.disk, &conf(&site.token));
    let mut machine = site.hardware.power_on();
    ready(&mut machine);
    wait_for_box(&api);
}

#[test]
fn on_a_full_data_partition_kept_packets_give_way_to_records() {
    // At the second start, before the sensor opens its outbox.
    let fill = "if [ -f /data/second ]; then\n\
                mkdir -p /data/ringside/sensor/ring\n\
                dd if=/dev/zero of=/data/ringside/sensor/ring/full bs=64k 2>/dev/null\n\
                mv /data/second /data/third; sync\nfi\n\
                [ -f /data/third ] || touch /data/second\n";
    let altered =
        |root: &Path, _: &mut _| add_to_script(root, "provision", "mv /run/ringside", fill);
    let Some(mut site) = site_with(altered) else { return };
    let api = site.cloud.api();
    site.skip_firmware();
    let mut machine = site.hardware.power_on();
    ready(&mut machine);
    machine.cut_power();
    let mut machine = site.hardware.power_on();
    println!("{}", machine.says("the outbox could not be"));
    _ = machine.says("accepted: connected to");
    // Records go to the cloud all the same.
    call(&machine, &api, 3, 2);
    _ = machine.status_page("The disk takes no records");
    machine.cut_power();
    let mut machine = site.hardware.power_on();
    println!("{}", machine.says("the data partition is full"));
    ready(&mut machine);
    call(&machine, &api, 20, 3);
}

/// As a flash that breaks off, or a card that wears out, leaves it.
#[test]
fn a_box_with_half_a_slot_starts_the_other_one() {
    let Some(site) = site() else { return };
    let api = site.cloud.api();
    Kit::halve(&site.hardware.disk, Role::RootA, site.built.root_bytes);
    let mut machine = site.hardware.power_on();
    _ = machine.says("slot A cannot be loaded, trying the other one");
    _ = machine.says("version 0.1.0, slot B");
    ready(&mut machine);
    call(&machine, &api, 1, 1);
}
