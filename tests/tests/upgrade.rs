//! A running sensor is upgraded: to a program that works, and to several that do not.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ringside_tests::cloud::Cloud;
use ringside_tests::folder::Folder;
use ringside_tests::live_call::Phones;
use ringside_tests::processes::{Process, program, wait_for, wait_until};
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

    /// Starts what the link leads to, and again if it ends: the last sensor may be ending still.
    fn start(&self) -> Process {
        wait_for("a sensor that captures and is accepted", || {
            let mut process = self.sensor.run(None, "");
            let is_up = |process: &Process| {
                let written = process.written();
                written.contains("accepted: connected to") && written.contains("capturing from lo")
            };
            wait_until("its start or end", || is_up(&process) || !process.is_running());
            process.is_running().then_some(process)
        })
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

/// A `systemctl` for which the unit is active, and that restarts the sensor as systemd would: it ends
/// the main process, waits for that, and starts what the link leads to.
fn fake_systemctl(host: &Host) -> PathBuf {
    use std::os::unix::fs::PermissionsExt;
    let path = host.folder.join("systemctl");
    let start = host.sensor.command(&["run".to_owned()]);
    let words: Vec<_> = start.get_args().map(|word| format!("'{}'", word.display())).collect();
    let (program, folder) = (start.get_program().display(), host.folder.path().display());
    let script = format!(
        "#!/bin/sh\n\
         echo \"$*\" >>'{folder}/told'\n\
         [ \"$1\" = restart ] || exit 0\n\
         kill -TERM $(cat '{folder}/main-pid')\n\
         while kill -0 $(cat '{folder}/main-pid'); do sleep 0.05; done 2>/dev/null\n\
         setsid '{program}' {} </dev/null >'{folder}/log' 2>&1 &\n\
         echo $! >'{folder}/main-pid'\n",
        words.join(" ")
    );
    fs::write(&path, script).expect("a script");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("a script");
    path
}

#[test]
fn a_unit_of_systemd_is_restarted_by_systemd() {
    if !can_capture() {
        return;
    }
    let (cloud, phones) = (Cloud::start(), Phones::new());
    let host = Host::new(&cloud, 60, &phones);
    fake_systemctl(&host);
    let mut first = host.start();
    fs::write(host.folder.join("main-pid"), first.id().to_string()).expect("a file");
    // A process that has ended is there until its parent has looked.
    let reaper = std::thread::spawn(move || first.wait().success());
    let release = host.release("good", &program("ringside-sensor"), "9.9.9");
    let path = std::env::var("PATH").unwrap_or_default();
    let words = ["upgrade".to_owned(), release.display().to_string()];
    let output = host
        .sensor
        .command(&words)
        .env("PATH", format!("{}:{path}", host.folder.path().display()))
        .output()
        .expect("it starts");
    let log = fs::read_to_string(host.folder.join("log")).unwrap_or_default();
    assert!(output.status.success(), "{output:?}\n{log}");
    assert!(reaper.join().expect("no panic"), "the old program ends in order");
    let told = fs::read_to_string(host.folder.join("told")).expect("it was asked");
    assert_eq!(
        told,
        "is-active --quiet ringside-sensor.service\nrestart --no-block ringside-sensor.service\n"
    );
    assert!(log.contains("upgraded to 9.9.9"), "{log}");
    assert_eq!(host.link(), Path::new("ringside-sensor.B"));
    let pid = fs::read_to_string(host.folder.join("main-pid")).expect("a process id");
    let pid = pid.trim().parse().ok().and_then(rustix::process::Pid::from_raw);
    rustix::process::kill_process(pid.expect("an id"), rustix::process::Signal::TERM)
        .expect("it runs");
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
    for kill in 0..12 {
        let mut process = host.start();
        let command = ["upgrade", &release.display().to_string()].map(str::to_owned);
        let mut upgrade = Process::start("upgrade", &mut host.sensor.command(&command));
        let after = Duration::from_millis(20 * kill * kill);
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
