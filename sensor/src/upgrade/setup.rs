//! Makes the sensor a service of this machine, in VoIPmonitor's place where that is asked for.
//!
//! VoIPmonitor's configuration is read as it is. Its service is stopped only when that
//! configuration is in order, and is put back when the sensor does not prove itself.

use core::fmt;
use core::time::Duration;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Instant;

use ringside_protocol::slot::health::{Health, Reason, Verdict};

use super::service::UNIT;
use super::signs::Signs;
use crate::store::atomic;

const UNIT_TEXT: &str = include_str!("../../../packaging/ringside-sensor.service");
const UNIT_FOLDER: &str = "etc/systemd/system";

/// What installs an upgrade that the cloud has pushed: the sensor itself runs without root.
const UPGRADE_PATH: &str = "ringside-sensor-upgrade.path";
const UPGRADE_UNITS: [(&str, &str); 2] = [
    (UPGRADE_PATH, include_str!("../../../packaging/ringside-sensor-upgrade.path")),
    (
        "ringside-sensor-upgrade.service",
        include_str!("../../../packaging/ringside-sensor-upgrade.service"),
    ),
];

/// The data directory that these name.
const USUAL_DATA_DIR: &str = "/var/lib/ringside";

/// The user of the unit.
pub const USER: &str = "ringside";

/// The service that is replaced.
pub const REPLACED: &str = "voipmonitor.service";

/// Between two looks at the started sensor.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Runs a program with words; whether it succeeded.
pub type Run<'a> = &'a dyn Fn(&str, &[&str]) -> io::Result<bool>;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// `--no-start`: everything but the start.
    Install,
    /// Start it, too.
    Start,
    /// `--take-over`: in VoIPmonitor's place.
    TakeOver,
}

/// Why the sensor is not this machine's service.
#[derive(Debug)]
pub enum SetupError {
    /// A file cannot be written.
    Io {
        /// Which.
        path: PathBuf,
        /// The system's words.
        error: io::Error,
    },
    /// A step was refused.
    Refused(String),
    /// It was started, and did not prove itself.
    NotProved {
        /// Why.
        reason: Reason,
        /// Whether VoIPmonitor runs again.
        is_put_back: bool,
    },
}

impl fmt::Display for SetupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io { path, error } => {
                write!(f, "{} cannot be written ({error}): run this as root", path.display())
            }
            Self::Refused(step) => write!(f, "{step} failed: see its own words above"),
            Self::NotProved { reason, is_put_back: true } => {
                write!(f, "the take-over failed: {reason}; VoIPmonitor is running again")
            }
            Self::NotProved { reason, is_put_back: false } => {
                write!(f, "the sensor was started, but {reason}; see `ringside-sensor doctor`")
            }
        }
    }
}

impl core::error::Error for SetupError {}

/// What a set-up needs to know.
pub struct Setup<'a> {
    /// `/`, outside tests.
    pub root: &'a Path,
    /// `data_dir`.
    pub data_dir: &'a Path,
    /// `upgrade_trial`.
    pub trial: Duration,
    /// How programs are run.
    pub run: Run<'a>,
}

impl Setup<'_> {
    /// Does it.
    ///
    /// # Errors
    /// Every [`SetupError`]; VoIPmonitor then runs as before.
    pub fn carry_out(&self, wish: Wish) -> Result<(), SetupError> {
        self.make_user()?;
        self.write_unit(UNIT, UNIT_TEXT)?;
        for (name, text) in UPGRADE_UNITS {
            let data_dir = self.data_dir.display().to_string();
            self.write_unit(name, &text.replace(USUAL_DATA_DIR, &data_dir))?;
        }
        self.give_files()?;
        self.systemctl(&["daemon-reload"])?;
        self.systemctl(&["enable", "--now", UPGRADE_PATH])?;
        match wish {
            Wish::Install => Ok(()),
            Wish::Start => {
                self.start().map_err(|reason| SetupError::NotProved { reason, is_put_back: false })
            }
            Wish::TakeOver => self.take_over(),
        }
    }

    fn write_unit(&self, name: &str, text: &str) -> Result<(), SetupError> {
        let path = self.root.join(UNIT_FOLDER).join(name);
        fs::create_dir_all(self.root.join(UNIT_FOLDER))
            .and_then(|()| atomic::replace(&path, text.as_bytes(), 0o644))
            .map_err(|error| SetupError::Io { path: path.clone(), error })
    }

    fn take_over(&self) -> Result<(), SetupError> {
        self.systemctl(&["stop", REPLACED])?;
        match self.start() {
            Ok(()) => self.systemctl(&["disable", REPLACED]),
            Err(reason) => {
                // Whatever of this fails, VoIPmonitor is to run again.
                let _ = self.systemctl(&["disable", "--now", UNIT]);
                let is_put_back = self.systemctl(&["start", REPLACED]).is_ok();
                Err(SetupError::NotProved { reason, is_put_back })
            }
        }
    }

    /// Starts the unit and waits until the sensor is healthy.
    fn start(&self) -> Result<(), Reason> {
        let not_started = |error: SetupError| Reason::NotStarted { detail: error.to_string() };
        // What an earlier sensor has said does not count.
        let earlier = Signs::read(self.data_dir, None).map(|signs| signs.pid);
        self.systemctl(&["enable", "--now", UNIT]).map_err(not_started)?;
        let started = Instant::now();
        loop {
            let signs = Signs::read(self.data_dir, None).filter(|signs| Some(signs.pid) != earlier);
            let health = signs.map_or_else(|| Health::new(self.trial), |it| it.health(self.trial));
            match health.verdict(started.elapsed()) {
                Verdict::Healthy => return Ok(()),
                Verdict::Unhealthy(reason) => return Err(reason),
                Verdict::Waiting => std::thread::sleep(LOOK_EVERY),
            }
        }
    }

    fn make_user(&self) -> Result<(), SetupError> {
        if self.succeeds("id", &["-u", USER]) {
            return Ok(());
        }
        let words = [
            "--system",
            "--user-group",
            "--home-dir",
            "/var/lib/ringside",
            "--shell",
            "/usr/sbin/nologin",
            USER,
        ];
        self.run("useradd", &words)
    }

    /// The unit's user reads the configuration, and owns what the sensor keeps.
    fn give_files(&self) -> Result<(), SetupError> {
        for name in ["etc/ringside/sensor.conf", "etc/voipmonitor.conf"] {
            let path = self.root.join(name);
            if path.is_file() {
                self.run("chgrp", &[USER, &path.display().to_string()])?;
                self.run("chmod", &["g+r", &path.display().to_string()])?;
            }
        }
        if self.data_dir.is_dir() {
            let owner = format!("{USER}:{USER}");
            self.run("chown", &["-R", &owner, &self.data_dir.display().to_string()])?;
        }
        Ok(())
    }

    fn systemctl(&self, words: &[&str]) -> Result<(), SetupError> {
        self.run("systemctl", words)
    }

    fn run(&self, program: &str, words: &[&str]) -> Result<(), SetupError> {
        if self.succeeds(program, words) {
            return Ok(());
        }
        Err(SetupError::Refused(format!("{program} {}", words.join(" "))))
    }

    fn succeeds(&self, program: &str, words: &[&str]) -> bool {
        (self.run)(program, words).is_ok_and(|done| done)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;
    use crate::store::test_dir::TestDir;
    use crate::upgrade::signs::Teller;
    use crate::uplink::Status;

    /// A machine whose systemd does as it is told, and writes it down.
    struct Machine {
        dir: TestDir,
        told: RefCell<Vec<String>>,
    }

    impl Machine {
        fn new() -> Self {
            let dir = TestDir::new();
            fs::create_dir_all(dir.path().join("etc")).expect("mkdir");
            fs::create_dir_all(dir.path().join("data")).expect("mkdir");
            fs::write(dir.path().join("etc/voipmonitor.conf"), "interface = eth0\n")
                .expect("write");
            Self { dir, told: RefCell::default() }
        }

        /// `sensor` is what a started sensor says at once.
        fn set_up(&self, wish: Wish, sensor: Option<&Status>) -> Result<(), SetupError> {
            let data_dir = self.dir.path().join("data");
            let run = |program: &str, words: &[&str]| {
                let line = format!("{program} {}", words.join(" "));
                let starts = line == "systemctl enable --now ringside-sensor.service";
                self.told.borrow_mut().push(line);
                if let Some(status) = sensor.filter(|_| starts) {
                    Teller::new(&data_dir).tell(Signs::of(None, Some(status)))?;
                }
                Ok(program != "id")
            };
            let trial = Duration::from_millis(300);
            Setup { root: self.dir.path(), data_dir: &data_dir, trial, run: &run }.carry_out(wish)
        }

        fn services(&self) -> Vec<String> {
            let told = self.told.borrow();
            let lines = told.iter().filter_map(|line| line.strip_prefix("systemctl "));
            lines.map(str::to_owned).collect()
        }
    }

    fn healthy() -> Status {
        let at = Some(ringside_protocol::time::UnixMicros(1));
        Status { connected_since: at, acknowledged_at: at, ..Status::default() }
    }

    #[test]
    fn a_healthy_sensor_takes_voipmonitor_s_place_for_good() {
        let machine = Machine::new();
        machine.set_up(Wish::TakeOver, Some(&healthy())).expect("taken over");
        assert_eq!(
            machine.services(),
            [
                "daemon-reload",
                "enable --now ringside-sensor-upgrade.path",
                "stop voipmonitor.service",
                "enable --now ringside-sensor.service",
                "disable voipmonitor.service"
            ]
        );
        let unit = machine.dir.path().join("etc/systemd/system/ringside-sensor.service");
        assert!(
            fs::read_to_string(unit).expect("a unit").contains("CapabilityBoundingSet=CAP_NET_RAW")
        );
        assert!(machine.told.borrow().iter().any(|line| line.starts_with("useradd --system")));
    }

    #[test]
    fn one_that_does_not_reach_the_cloud_gives_it_back() {
        let machine = Machine::new();
        let error =
            machine.set_up(Wish::TakeOver, Some(&Status::default())).expect_err("not proved");
        let says = "the take-over failed: it did not reach the cloud; VoIPmonitor is running again";
        assert_eq!(error.to_string(), says);
        assert_eq!(
            machine.services()[4..],
            ["disable --now ringside-sensor.service", "start voipmonitor.service"]
        );
    }

    #[test]
    fn one_that_says_nothing_gives_it_back_too() {
        let machine = Machine::new();
        let error = machine.set_up(Wish::TakeOver, None).expect_err("not proved");
        assert!(error.to_string().contains("did not begin to capture"), "{error}");
    }

    #[test]
    fn without_start_nothing_is_started() {
        let machine = Machine::new();
        machine.set_up(Wish::Install, None).expect("installed");
        assert_eq!(
            machine.services(),
            ["daemon-reload", "enable --now ringside-sensor-upgrade.path"]
        );
        let units = machine.dir.path().join("etc/systemd/system");
        for name in ["ringside-sensor-upgrade.path", "ringside-sensor-upgrade.service"] {
            let text = fs::read_to_string(units.join(name)).expect("a unit");
            let pushed = machine.dir.path().join("data/upgrade/pushed/");
            assert!(text.contains(&pushed.display().to_string()), "{text}");
        }
    }
}
