//! The cloud pushes an upgrade: to a program that works, over a line that breaks, and to several that do
//! not.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use data_encoding::HEXLOWER;
use ring::digest::{SHA256, digest};
use ringside_tests::api::Api;
use ringside_tests::cloud::Cloud;
use ringside_tests::folder::Folder;
use ringside_tests::processes::{Process, program, wait_for, wait_until};
use ringside_tests::proxy::Proxy;
use ringside_tests::sensor::Sensor;
use ringside_tests::signer::Signer;
use serde_json::{Value, json};

/// A sensor whose program the cloud may replace.
struct Host {
    folder: Folder,
    signer: Signer,
    sensor: Sensor,
    api: Api,
}

impl Host {
    fn new(cloud: &Cloud, name: &str, trial_seconds: u32) -> Self {
        let (folder, signer) = (Folder::new(), Signer::new());
        fs::create_dir(folder.join("bin")).expect("a folder can be made");
        let path = folder.join("bin/ringside-sensor");
        fs::copy(program("ringside-sensor"), &path).expect("the program can be copied");
        let sensor = Sensor::joined(name, &cloud.token())
            .with("upgrade_key", &signer.public())
            .with("upgrade_trial", &trial_seconds.to_string())
            .with("status_bind", "no")
            .with_program(&path);
        Self { folder, signer, sensor, api: cloud.api() }
    }

    fn start(&self) -> Process {
        let process = self.sensor.run(None, "");
        let _ = process.wait_for_line("accepted: connected to");
        process
    }

    /// A release archive of a program, as `ci/release` makes it, without its symbols where it has some.
    fn archive(&self, name: &str, of: &Path) -> PathBuf {
        let stage = self.folder.join(name);
        fs::create_dir(&stage).expect("a folder can be made");
        let program = stage.join("ringside-sensor");
        fs::copy(of, &program).expect("the program can be copied");
        // One that has none, or is none, stays as it is.
        let _ = Command::new("strip").arg(&program).output();
        let archive = self.folder.join(&format!("{name}.tar.gz"));
        let mut tar = Command::new("tar");
        tar.arg("-czf").arg(&archive).arg("-C").arg(self.folder.path()).arg(name);
        assert!(tar.status().expect("tar is there").success());
        archive
    }

    /// Brings an archive with its signature; answers the package, or the refusal.
    fn bring(&self, archive: &Path, version: &str, signer: &Signer) -> Result<Value, Value> {
        signer.sign(archive, version);
        let bytes = fs::read(archive).expect("the archive");
        let signature = fs::read_to_string(archive.with_extension("gz.minisig")).expect("signed");
        let sha256 = HEXLOWER.encode(digest(&SHA256, &bytes).as_ref());
        let wanted = json!({ "bytes": bytes.len(), "sha256": sha256, "signature": signature });
        let (status, mut package) = self.api.try_post("/packages", &wanted);
        if status != 201 {
            return Err(package);
        }
        let id = package["id"].clone();
        let size =
            usize::try_from(package["piece_bytes"].as_u64().expect("a number")).expect("small");
        for (number, piece) in bytes.chunks(size).enumerate() {
            let path = format!("/packages/{id}?offset={}", number * size);
            let (status, answered) = self.api.post_bytes(&path, piece);
            if status != 200 {
                return Err(answered);
            }
            package = answered;
        }
        Ok(package)
    }

    fn order(&self, package: &Value) -> Value {
        let device = self.page()["id"].clone();
        let wanted = json!({ "package": package["id"], "sensors": [device], "in_rings": true });
        self.api.post_json("/upgrades", &wanted)
    }

    fn page(&self) -> Value {
        self.api.sensor(&self.sensor.name).expect("it has joined")
    }

    /// Waits until the sensor's page shows this state, and gives the sentence.
    fn wait_for_state(&self, wanted: &str) -> String {
        wait_for(wanted, || {
            let push = self.page()["push"].clone();
            let is_it = push["state"] == wanted;
            is_it.then(|| push["sentence"].as_str().expect("a sentence").to_owned())
        })
    }

    fn link(&self) -> Option<PathBuf> {
        fs::read_link(self.folder.join("bin/ringside-sensor")).ok()
    }

    fn left_over(&self) -> bool {
        self.sensor.data().join("upgrade/pushed").exists()
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

#[test]
fn a_pushed_release_is_fetched_over_a_line_that_breaks_and_proves_itself() {
    if !can_capture() {
        return;
    }
    let cloud = Cloud::start();
    let proxy = Proxy::start(cloud.sensors);
    let mut host = Host::new(&cloud, "pushed", 60);
    host.sensor = host.sensor.toward("localhost", proxy.port);
    let mut process = host.start();
    let archive = host.archive("good", &program("ringside-sensor"));
    let length = fs::metadata(&archive).expect("an archive").len();
    let package = host.bring(&archive, "9.9.9", &host.signer).expect("brought");
    assert_eq!(package["is_checked"], false, "this cloud was given no key");
    host.order(&package);
    // Twice in the middle of it.
    for part in [4, 2] {
        wait_until("a part of the package", || {
            let package = host.sensor.data().join("upgrade/pushed/package");
            fs::metadata(package).is_ok_and(|file| file.len() > length / part)
        });
        proxy.reset();
    }
    host.wait_for_state("done");
    let carried: u64 = proxy.carried().iter().sum();
    println!("{length} bytes of a package, {carried} carried");
    assert!(carried < length * 3 / 2, "what was fetched is not fetched again");
    wait_until("the report in the cloud", || host.page()["upgrade"]["ok"] == true);
    wait_until("the link", || host.link().as_deref() == Some(Path::new("ringside-sensor.B")));
    wait_until("an empty folder", || !host.left_over());
    assert!(process.is_running(), "whoever started the sensor sees no end of it");
    assert_eq!(host.api.get("/upgrades")["upgrades"][0]["state"], "done");
    process.terminate();
    assert!(process.wait().success(), "{}", process.written());
}

#[test]
fn a_release_that_ends_by_itself_is_rolled_back_and_the_page_says_why() {
    if !can_capture() {
        return;
    }
    let cloud = Cloud::start();
    let host = Host::new(&cloud, "rolled-back", 60);
    let mut process = host.start();
    let archive = host.archive("bad", Path::new("/bin/false"));
    let package = host.bring(&archive, "9.9.9", &host.signer).expect("brought");
    host.order(&package);
    let sentence = host.wait_for_state("rolled_back");
    assert!(sentence.contains("it ended by itself (exit status: 1)"), "{sentence}");
    assert_eq!(host.link().as_deref(), Some(Path::new("ringside-sensor.A")));
    let upgrade = host.api.get("/upgrades")["upgrades"][0].clone();
    assert_eq!(upgrade["sensors"][0]["state"], "rolled_back", "{upgrade}");
    // It can be tried again at once.
    host.order(&package);
    host.wait_for_state("rolled_back");
    process.terminate();
    assert!(process.wait().success(), "{}", process.written());
}

#[test]
fn what_is_signed_by_another_or_built_for_another_machine_is_not_installed() {
    if !can_capture() {
        return;
    }
    let cloud = Cloud::start();
    let host = Host::new(&cloud, "refusing", 60);
    let mut process = host.start();
    let refused = |archive: &Path, version: &str, signer: &Signer| {
        let package = host.bring(archive, version, signer).expect("brought");
        host.order(&package);
        wait_until("it is over", || {
            host.page()["push"]["version"] == version && host.page()["push"]["state"] == "refused"
        });
        host.page()["push"]["sentence"].as_str().expect("a sentence").to_owned()
    };
    let good = host.archive("good", Path::new("/bin/true"));
    let sentence = refused(&good, "9.9.9", &Signer::new());
    assert!(sentence.contains("not by a trusted key"), "{sentence}");
    // An older one, rightly signed.
    let old = host.archive("old", Path::new("/bin/echo"));
    let sentence = refused(&old, "0.0.1", &host.signer);
    assert!(sentence.contains("0.0.1 is older than"), "{sentence}");
    // Rightly signed, and wrongly named.
    let mut other = fs::read("/bin/true").expect("a program");
    other[18] = if cfg!(target_arch = "x86_64") { 183 } else { 62 };
    fs::write(host.folder.join("other"), other).expect("a file can be written");
    let foreign = host.archive("foreign", &host.folder.join("other"));
    let sentence = refused(&foreign, "9.9.10", &host.signer);
    assert!(sentence.contains("it is built for"), "{sentence}");
    assert_eq!(host.link(), None, "the program is the plain file that it was");
    wait_until("an empty folder", || !host.left_over());
    assert!(process.is_running());
    assert_eq!(process.written().matches("accepted: connected to").count(), 1, "it ran on");
    process.terminate();
    assert!(process.wait().success(), "{}", process.written());
}

#[test]
fn an_upgrade_that_is_cancelled_is_not_fetched_and_one_for_a_sensor_that_is_away_waits() {
    if !can_capture() {
        return;
    }
    let cloud = Cloud::start();
    let host = Host::new(&cloud, "away", 60);
    let mut process = host.start();
    process.terminate();
    assert!(process.wait().success(), "{}", process.written());
    let archive = host.archive("bad", Path::new("/bin/false"));
    let package = host.bring(&archive, "9.9.9", &host.signer).expect("brought");
    let first = host.order(&package);
    assert!(host.wait_for_state("offered").contains("when it is back"));
    host.api.post(&format!("/upgrades/{}/cancel", first["id"]));
    host.wait_for_state("cancelled");
    host.order(&package);
    let _process = host.start();
    host.wait_for_state("rolled_back");
}
