//! `data_dir/health.json`: what the running sensor has come to, for whoever judges it.
//!
//! Written by the sensor whenever it changes, a few times a start; read by the program that has
//! started it on trial, or by the box's start script.

use core::time::Duration;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use ringside_protocol::slot::health::{Health, Sign};
use ringside_protocol::step::Failure;
use serde::{Deserialize, Serialize};

use crate::store::atomic;
use crate::uplink::Status;

const FILE: &str = "health.json";

/// What a sensor has come to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signs {
    /// The process that says so.
    pub pid: u32,
    /// Whether every interface is captured from.
    pub is_capturing: bool,
    /// Why not.
    pub capture_fault: Option<String>,
    /// Whether a session is open.
    pub is_accepted: bool,
    /// The last step to the cloud that failed.
    pub failure: Option<Failure>,
    /// Whether a heartbeat of the session was acknowledged.
    pub is_acknowledged: bool,
}

impl Signs {
    /// Of this process, given its capture's fault and its uplink.
    #[must_use]
    pub fn of(capture_fault: Option<String>, uplink: Option<&Status>) -> Self {
        Self {
            pid: std::process::id(),
            is_capturing: capture_fault.is_none(),
            capture_fault,
            is_accepted: uplink.is_some_and(|status| status.connected_since.is_some()),
            failure: uplink
                .and_then(|status| status.last_failure.clone())
                .map(|(_, failure)| failure),
            is_acknowledged: uplink.is_some_and(|status| status.acknowledged_at.is_some()),
        }
    }

    /// The same for the machine that judges, which gives it `limit` from its start.
    #[must_use]
    pub fn health(&self, limit: Duration) -> Health {
        let mut health = Health::new(limit);
        if let Some(failure) = &self.failure {
            health.note(Sign::Refused(failure.clone()));
        }
        match &self.capture_fault {
            Some(fault) => health.note(Sign::CaptureFault(fault.clone())),
            None if self.is_capturing => health.note(Sign::CaptureOpen),
            None => {}
        }
        if self.is_accepted {
            health.note(Sign::Accepted);
        }
        if self.is_acknowledged {
            health.note(Sign::HeartbeatAcknowledged);
        }
        health
    }

    /// What the sensor with this process id says; `None` as long as it has said nothing.
    #[must_use]
    pub fn read(data_dir: &Path, pid: Option<u32>) -> Option<Self> {
        let text = fs::read(data_dir.join(FILE)).ok()?;
        let signs: Self = serde_json::from_slice(&text).ok()?;
        pid.is_none_or(|pid| pid == signs.pid).then_some(signs)
    }
}

/// Writes the file when there is something new.
#[derive(Debug)]
pub struct Teller {
    path: PathBuf,
    told: Option<Signs>,
}

impl Teller {
    /// Into this data directory.
    #[must_use]
    pub fn new(data_dir: &Path) -> Self {
        Self { path: data_dir.join(FILE), told: None }
    }

    /// Writes `signs` unless they are what was written last.
    ///
    /// # Errors
    /// The system's.
    pub fn tell(&mut self, signs: Signs) -> io::Result<()> {
        if self.told.as_ref() == Some(&signs) {
            return Ok(());
        }
        atomic::replace(&self.path, &serde_json::to_vec(&signs)?, 0o644)?;
        self.told = Some(signs);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use ringside_protocol::slot::health::{Reason, Verdict};
    use ringside_protocol::time::UnixMicros;

    use super::*;
    use crate::store::test_dir::TestDir;

    const LIMIT: Duration = Duration::from_secs(10);

    #[test]
    fn signs_pass_through_the_file_to_a_verdict() {
        let dir = TestDir::new();
        let mut teller = Teller::new(dir.path());
        let mut status = Status::default();
        let mut verdict = |fault: Option<&str>, status: &Status, after| {
            teller.tell(Signs::of(fault.map(str::to_owned), Some(status))).expect("told");
            let signs = Signs::read(dir.path(), Some(std::process::id())).expect("read");
            signs.health(LIMIT).verdict(after)
        };
        assert_eq!(verdict(None, &status, Duration::ZERO), Verdict::Waiting);
        status.last_failure = Some((UnixMicros(1), Failure::NotEnrolled));
        let refused = Reason::NotAccepted { failure: Some(Failure::NotEnrolled) };
        assert_eq!(verdict(None, &status, LIMIT), Verdict::Unhealthy(refused));
        status.connected_since = Some(UnixMicros(2));
        assert_eq!(verdict(None, &status, LIMIT), Verdict::Unhealthy(Reason::NoHeartbeat));
        status.acknowledged_at = Some(UnixMicros(3));
        assert_eq!(verdict(None, &status, Duration::ZERO), Verdict::Healthy);
        let down = Reason::Capture { detail: Some("down".to_owned()) };
        assert_eq!(verdict(Some("down"), &status, LIMIT), Verdict::Unhealthy(down));
    }

    #[test]
    fn what_another_process_has_said_does_not_count() {
        let dir = TestDir::new();
        assert_eq!(Signs::read(dir.path(), None), None);
        Teller::new(dir.path()).tell(Signs::of(None, None)).expect("told");
        assert_eq!(Signs::read(dir.path(), Some(1)), None);
        assert!(Signs::read(dir.path(), None).is_some());
    }
}
