//! A running sensor is upgraded: to a program that works, and to several that do not.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ringside_tests::cloud::Cloud;
use ringside_tests::folder::Folder;
use ringside_tests::live_call::Phones;
use ringside_tests::processes::{Process, program, wait_until};
use ringside_tests::sensor::{Said, Sensor};
use ringside_tests::signer::Signer;

/// A sensor whose program can be upgraded.
struct Host {
    folder: Folder,
    signer: Signer,
    sensor: Sensor,
}

impl Host {
    fn new(cloud: &Cloud, trial_seconds: u32, phones: &Phones) -> Self {
        let (folder, signer) = (Folder::new(), Signer::new());
        let path = folder.join("ringside-sensor");
        fs::copy(program("ringside-sensor"), &path).expect("the program can be copied");
        let sensor = Sensor::joined("upgraded", &cloud.token())
            .with("upgrade_key", &signer.public())
            .with("upgrade_trial", &trial_seconds.to_string())
            .with("status_bind", "no")
            .with("sipport", &phones.sip_ports())
            .with_program(&path);
        Self { folder, signer, sensor }
    }

    fn release(&self, name: &str, bytes: &Path, version: &str) -> PathBuf {
        let path = self.folder.join(name);
        fs::copy(bytes, &path).expect("the release can be copied");
        self.signer.sign(&path, version);
        path
    }

    fn upgrade(&self, release: &Path) -> Said {
        self.sensor.said(&["upgrade", &release.display().to_string()])
    }

    fn start(&self) -> Process {
        // A program on trial ends a moment after the one that has started it.
        wait_until("the end of the last sensor", || {
            let lock = fs::File::open(self.sensor.data().join("sensor.lock"));
            lock.map_or(true, |lock| lock.try_lock().is_ok())
        });
        let process = self.sensor.run(None, "");
        _ = process.wait_for_line("accepted: connected to");
        _ = process.wait_for_line("capturing from lo");
        process
    }

    /// What the link leads to.
    fn link(&self) -> PathBuf {
        fs::read_link(self.folder.join("ringside-sensor")).expect("a link")
    }
}

fn can_capture() -> bool {
    let can =
        std::env::var_os("RINGSIDE_EMULATED").is_none() && rustix::process::geteuid().is_root();
    if !can {
        println!("skipped: nothing can be captured here");
    }
    can
}

fn count(process: &Process, text: &str) -> usize {
    process.written().matches(text).count()
}

#[test]
fn a_good_release_stays_and_calls_in_progress_are_cut_and_told() {
    if !can_capture() {
        return;
    }
    let (cloud, phones) = (Cloud::start(), Phones::new());
    let host = Host::new(&cloud, 60, &phones);
    let mut process = host.start();
    let mut call = phones.call("cut-by-an-upgrade");
    call.talk(20);
    let said = host.upgrade(&host.release("good", &program("ringside-sensor"), "9.9.9"));
    assert_eq!(said.code, Some(0), "{said:?}\n{}", process.written());
    assert!(said.out.ends_with("upgraded to 9.9.9\n"), "{said:?}");
    assert_eq!(host.link(), Path::new("ringside-sensor.B"));
    assert!(process.is_running(), "whoever started the sensor sees no end of it");

    let api = cloud.api();
    wait_until("the cut call", || api.calls().iter().any(|call| call["ended_by"] == "capture_end"));
    wait_until("the report in the cloud", || {
        api.sensor("upgraded").is_some_and(|sensor| sensor["upgrade"]["ok"] == true)
    });
    // Once more, onto the slot that the first program was in.
    let said = host.upgrade(&host.release("better", &program("ringside-sensor"), "9.9.10"));
    assert_eq!(said.code, Some(0), "{said:?}\n{}", process.written());
    assert_eq!(host.link(), Path::new("ringside-sensor.A"));
    process.terminate();
    assert!(process.wait().success(), "{}", process.written());
}

#[test]
fn a_release_that_ends_by_itself_is_put_back_and_everybody_hears_why() {
    if !can_capture() {
        return;
    }
    let (cloud, phones) = (Cloud::start(), Phones::new());
    let host = Host::new(&cloud, 60, &phones);
    let mut process = host.start();
    let said = host.upgrade(&host.release("bad", Path::new("/bin/false"), "9.9.9"));
    assert_eq!(said.code, Some(1), "{said:?}\n{}", process.written());
    let sentence = "upgrade to 9.9.9 failed: it ended by itself (exit status: 1); ";
    assert!(said.out.contains(sentence), "{said:?}");
    assert_eq!(host.link(), Path::new("ringside-sensor.A"));
    wait_until("the old program", || count(&process, "accepted: connected to") == 2);
    let (_, report) = host.sensor.doctor();
    let steps = report["steps"].as_array().expect("steps");
    let step = steps.iter().find(|step| step["name"] == "upgrade").expect("a step");
    assert!(step["sentence"].as_str().expect("text").contains(sentence), "{step}");
    let api = cloud.api();
    wait_until("the report in the cloud", || {
        let told = api.sensor("upgraded").map(|sensor| sensor["upgrade"]["sentence"].clone());
        told.is_some_and(|told| told.as_str().is_some_and(|told| told.contains(sentence)))
    });
    process.terminate();
    assert!(process.wait().success());
}

#[test]
fn a_release_that_cannot_reach_the_cloud_is_put_back() {
    if !can_capture() {
        return;
    }
    let (mut cloud, phones) = (Cloud::start(), Phones::new());
    let host = Host::new(&cloud, 5, &phones);
    let mut process = host.start();
    cloud.kill();
    let said = host.upgrade(&host.release("good", &program("ringside-sensor"), "9.9.9"));
    assert_eq!(said.code, Some(1), "{said:?}\n{}", process.written());
    assert!(said.out.contains("the cloud did not accept it: tcp: "), "{said:?}");
    assert!(process.is_running(), "the old program captures on");
    process.terminate();
    assert!(process.wait().success());
}

#[test]
fn a_stranger_s_release_changes_nothing() {
    let (cloud, phones) = (Cloud::start(), Phones::new());
    let host = Host::new(&cloud, 5, &phones);
    let release = host.release("good", &program("ringside-sensor"), "9.9.9");
    Signer::new().sign(&release, "9.9.9");
    let said = host.upgrade(&release);
    assert_eq!(said.code, Some(1));
    assert!(said.err.contains("not by a trusted key"), "{said:?}");
    assert!(fs::read_link(host.folder.join("ringside-sensor")).is_err(), "still a plain file");
}

/// SIGKILL for everything that runs, at another moment of the upgrade each time.
#[test]
fn killed_at_any_moment_one_of_the_two_runs_at_the_next_start() {
    if !can_capture() {
        return;
    }
    let (cloud, phones) = (Cloud::start(), Phones::new());
    let host = Host::new(&cloud, 60, &phones);
    let release = host.release("good", &program("ringside-sensor"), "9.9.9");
    for kill in 0..6 {
        let mut process = host.start();
        let command = ["upgrade", &release.display().to_string()].map(str::to_owned);
        let mut upgrade = Process::start("upgrade", &mut host.sensor.command(&command));
        let after = Duration::from_millis(60 * kill * kill);
        wait_until("the moment", || upgrade.age() >= after || !upgrade.is_running());
        if upgrade.is_running() {
            upgrade.kill();
        }
        process.kill();
        // What the link leads to starts, captures and is accepted; `start` waits for that.
        let mut again = host.start();
        again.terminate();
        assert!(again.wait().success(), "{}", again.written());
    }
}
