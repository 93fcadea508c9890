//! The uplink's state as people see it, and the two files by which `doctor` sees a running
//! sensor's: `sensor.lock`, held as long as the sensor runs, and `uplink.json`.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::Path;
use std::time::Duration;

use data_encoding::HEXLOWER;
use ringside_protocol::cdr::Boot;
use ringside_protocol::step::{Failure, Step};
use ringside_protocol::time::UnixMicros;
use serde::{Deserialize, Serialize};

use crate::identity::Server;
use crate::store::atomic;

const LOCK_FILE: &str = "sensor.lock";
const STATUS_FILE: &str = "uplink.json";

/// How long a starting sensor waits for the lock: `doctor` looks at it for a moment.
const LOCK_PATIENCE: Duration = Duration::from_secs(1);
const LOCK_PAUSE: Duration = Duration::from_millis(50);

/// Where a step stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepState {
    /// Not tried since the last attempt began.
    #[default]
    NotReached,
    /// Done.
    Passed,
    /// Failed so.
    Failed(Failure),
}

/// One look at the uplink.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// In the order of [`Step::ALL`]: of the present attempt, or of the session.
    pub steps: [StepState; Step::ALL.len()],
    /// The server being tried, or that the session is with.
    pub server: Option<Server>,
    /// The last failure and when it happened; it stays after a success.
    pub last_failure: Option<(UnixMicros, Failure)>,
    /// Since when a session is open; `None` when none is.
    pub connected_since: Option<UnixMicros>,
    /// When the newest heartbeat of this session was acknowledged.
    #[serde(default)]
    pub acknowledged_at: Option<UnixMicros>,
    /// When the next attempt is due; `None` during one and while connected.
    pub next_attempt_at: Option<UnixMicros>,
    /// Whether this device belongs to nobody, and waits for somebody to accept its claim code.
    #[serde(default)]
    pub is_claiming: bool,
    /// The customer's name, once known.
    pub customer: Option<String>,
    /// The sensor's number, once known.
    pub id_sensor: Option<u16>,
}

impl Status {
    /// Where a step stands.
    #[must_use]
    pub fn step(&self, step: Step) -> &StepState {
        &self.steps[step as usize]
    }

    /// The step that has failed in the present attempt, if one has.
    #[must_use]
    pub fn failed(&self) -> Option<&Failure> {
        self.steps.iter().find_map(|state| match state {
            StepState::Failed(failure) => Some(failure),
            _ => None,
        })
    }
}

/// What a running sensor tells `doctor`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Running {
    /// Its start.
    pub boot: Boot,
    /// Its uplink.
    pub status: Status,
}

#[derive(Serialize, Deserialize)]
struct Written {
    boot: String,
    status: Status,
}

/// Held as long as a sensor runs on a data directory.
#[derive(Debug)]
pub(super) struct RunLock(#[expect(dead_code, reason = "held, not used")] File);

impl RunLock {
    /// Takes the lock; `None` when another sensor holds it.
    pub(super) fn take(directory: &Path) -> io::Result<Option<Self>> {
        let path = directory.join(LOCK_FILE);
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(path)?;
        let mut waited = Duration::ZERO;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Some(Self(file))),
                Err(fs::TryLockError::Error(error)) => return Err(error),
                Err(fs::TryLockError::WouldBlock) if waited >= LOCK_PATIENCE => return Ok(None),
                Err(fs::TryLockError::WouldBlock) => {
                    std::thread::sleep(LOCK_PAUSE);
                    waited += LOCK_PAUSE;
                }
            }
        }
    }
}

impl Running {
    /// Tells `doctor`.
    pub(super) fn write(&self, directory: &Path) -> io::Result<()> {
        let boot = HEXLOWER.encode(&self.boot.0);
        let text = serde_json::to_vec(&Written { boot, status: self.status.clone() })?;
        atomic::replace(&directory.join(STATUS_FILE), &text, 0o644)
    }

    /// What the sensor that runs on `directory` tells; `None` when none runs, or it has not said
    /// anything yet.
    ///
    /// # Errors
    /// The system's, where the files cannot be read.
    pub fn read(directory: &Path) -> io::Result<Option<Self>> {
        match File::open(directory.join(LOCK_FILE)).map(|lock| lock.try_lock_shared()) {
            Ok(Err(fs::TryLockError::WouldBlock)) => {}
            Ok(Err(fs::TryLockError::Error(error))) => return Err(error),
            Ok(Ok(())) => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        }
        let text = match fs::read(directory.join(STATUS_FILE)) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let written: Written = serde_json::from_slice(&text)?;
        let boot = HEXLOWER.decode(written.boot.as_bytes()).ok().and_then(|b| b.try_into().ok());
        let boot = Boot(boot.ok_or(io::ErrorKind::InvalidData)?);
        Ok(Some(Self { boot, status: written.status }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::test_dir::TestDir;

    fn running() -> Running {
        let mut status = Status { customer: Some("Näbe GmbH".to_owned()), ..Status::default() };
        status.steps[0] = StepState::Passed;
        status.steps[1] = StepState::Failed(Failure::PortClosed {
            address: "192.0.2.1:60023".parse().expect("address"),
        });
        Running { boot: Boot([0xab; 16]), status }
    }

    #[test]
    fn a_running_sensor_is_seen_and_one_that_has_ended_is_not() {
        let dir = TestDir::new();
        assert_eq!(Running::read(dir.path()).expect("read"), None);
        let lock = RunLock::take(dir.path()).expect("lock").expect("free");
        assert_eq!(Running::read(dir.path()).expect("read"), None, "it has not said anything");
        running().write(dir.path()).expect("write");
        assert_eq!(Running::read(dir.path()).expect("read"), Some(running()));
        assert!(RunLock::take(dir.path()).expect("lock").is_none(), "one sensor a directory");
        drop(lock);
        assert_eq!(Running::read(dir.path()).expect("read"), None);
    }
}
