//! When something new has proved itself.
//!
//! Three signs, each seen within [`TRIAL`] of the start: capture is open, the cloud has accepted the
//! handshake, and it has acknowledged a heartbeat. [`Health`] takes what happens and the time since
//! the start; it reads no clock.

use core::fmt;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::step::Failure;

/// How long a slot on trial has, from its start.
pub const TRIAL: Duration = Duration::from_secs(300);

/// Something that a running sensor has come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sign {
    /// Frames can be captured from every interface (with a file: it can be read).
    CaptureOpen,
    /// They cannot, and why: a sentence.
    CaptureFault(String),
    /// The cloud has opened a session.
    Accepted,
    /// A step to the cloud has failed.
    Refused(Failure),
    /// The cloud has acknowledged a heartbeat.
    HeartbeatAcknowledged,
}

/// What is to be thought of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Not known yet.
    Waiting,
    /// It has proved itself. This does not change any more.
    Healthy,
    /// Its time is up.
    Unhealthy(Reason),
}

/// Why something is not kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reason {
    /// It could not capture.
    Capture {
        /// A sentence, where it gave one.
        detail: Option<String>,
    },
    /// The cloud did not open a session.
    NotAccepted {
        /// The last step that failed.
        failure: Option<Failure>,
    },
    /// The session stood, and no heartbeat was acknowledged.
    NoHeartbeat,
    /// It has ended by itself.
    Ended {
        /// How, in the system's words.
        how: String,
    },
    /// It could not be started.
    NotStarted {
        /// In the system's words.
        detail: String,
    },
    /// It was started and never said anything, as often as it may.
    TriesUsedUp,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Capture { detail: Some(detail) } => write!(f, "it could not capture: {detail}"),
            Self::Capture { detail: None } => f.write_str("it did not begin to capture"),
            Self::NotAccepted { failure: Some(failure) } => {
                write!(f, "the cloud did not accept it: {failure}")
            }
            Self::NotAccepted { failure: None } => f.write_str("it did not reach the cloud"),
            Self::NoHeartbeat => f.write_str("the cloud acknowledged no heartbeat of it"),
            Self::Ended { how } => write!(f, "it ended by itself ({how})"),
            Self::NotStarted { detail } => write!(f, "it could not be started ({detail})"),
            Self::TriesUsedUp => f.write_str("it was started several times and never became ready"),
        }
    }
}

/// The signs seen since a start.
#[derive(Clone, Debug)]
pub struct Health {
    limit: Duration,
    is_capturing: bool,
    capture_fault: Option<String>,
    is_accepted: bool,
    failure: Option<Failure>,
    is_acknowledged: bool,
}

impl Health {
    /// Nothing has been seen yet; there is `limit` for all of it.
    #[must_use]
    pub const fn new(limit: Duration) -> Self {
        Self {
            limit,
            is_capturing: false,
            capture_fault: None,
            is_accepted: false,
            failure: None,
            is_acknowledged: false,
        }
    }

    /// Takes in a sign.
    pub fn note(&mut self, sign: Sign) {
        match sign {
            Sign::CaptureOpen => self.is_capturing = true,
            Sign::CaptureFault(detail) => {
                self.is_capturing = false;
                self.capture_fault = Some(detail);
            }
            Sign::Accepted => self.is_accepted = true,
            Sign::Refused(failure) => {
                self.is_accepted = false;
                self.failure = Some(failure);
            }
            Sign::HeartbeatAcknowledged => self.is_acknowledged = true,
        }
    }

    /// What is to be thought of it so long after the start.
    #[must_use]
    pub fn verdict(&self, since_start: Duration) -> Verdict {
        if self.is_capturing && self.is_accepted && self.is_acknowledged {
            Verdict::Healthy
        } else if since_start < self.limit {
            Verdict::Waiting
        } else if !self.is_capturing {
            Verdict::Unhealthy(Reason::Capture { detail: self.capture_fault.clone() })
        } else if !self.is_accepted {
            Verdict::Unhealthy(Reason::NotAccepted { failure: self.failure.clone() })
        } else {
            Verdict::Unhealthy(Reason::NoHeartbeat)
        }
    }

    /// How much of its time is left.
    #[must_use]
    pub const fn left(&self, since_start: Duration) -> Duration {
        self.limit.saturating_sub(since_start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LATE: Duration = TRIAL;
    const EARLY: Duration = Duration::from_secs(1);

    fn after(signs: &[Sign]) -> Health {
        let mut health = Health::new(TRIAL);
        signs.iter().cloned().for_each(|sign| health.note(sign));
        health
    }

    #[test]
    fn all_three_signs_make_it_healthy_at_once() {
        let mut health = Health::new(TRIAL);
        for sign in [Sign::CaptureOpen, Sign::Accepted] {
            health.note(sign);
            assert_eq!(health.verdict(EARLY), Verdict::Waiting);
        }
        health.note(Sign::HeartbeatAcknowledged);
        assert_eq!(health.verdict(EARLY), Verdict::Healthy);
        assert_eq!(health.left(EARLY), TRIAL - EARLY);
    }

    #[test]
    fn what_is_missing_when_time_is_up_is_the_reason() {
        let refused = Sign::Refused(Failure::NotEnrolled);
        let fault = Sign::CaptureFault("there is no interface eth9".to_owned());
        for (signs, reason) in [
            (vec![], "it did not begin to capture"),
            (vec![fault], "it could not capture: there is no interface eth9"),
            (vec![Sign::CaptureOpen], "it did not reach the cloud"),
            (vec![Sign::CaptureOpen, refused], "did not accept it: enrolment: the cloud does not"),
            (vec![Sign::CaptureOpen, Sign::Accepted], "acknowledged no heartbeat"),
        ] {
            assert_eq!(after(&signs).verdict(EARLY), Verdict::Waiting);
            let Verdict::Unhealthy(found) = after(&signs).verdict(LATE) else {
                panic!("{signs:?}");
            };
            assert!(found.to_string().contains(reason), "{found}");
        }
    }

    #[test]
    fn a_session_that_was_lost_again_does_not_count() {
        let lost = [
            Sign::CaptureOpen,
            Sign::Accepted,
            Sign::Refused(Failure::SessionEnded),
            Sign::HeartbeatAcknowledged,
        ];
        assert_eq!(after(&lost).verdict(EARLY), Verdict::Waiting);
    }
}
