//! What the routes share.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use ringside_protocol::time::UnixMicros;

use super::reply::ApiError;
use super::turns::Turns;
use super::users::{MAX_TRIES, TRY_WINDOW_SECONDS};
use crate::auth::{Logins, RateLimit};
use crate::claims::Claims;
use crate::db::Db;
use crate::db::stats::HourCache;
use crate::events::{Events, Waker};
use crate::front::FrontCounters;
use crate::identity::Identity;
use crate::relay::Relay;
use crate::web::Site;

/// Tells the time.
pub type Clock = Box<dyn Fn() -> UnixMicros + Send + Sync>;

/// Everything that the routes need.
pub struct App {
    /// The database.
    pub db: Arc<Db>,
    /// What has changed.
    pub events: Arc<Events>,
    /// Who holds requests that wait.
    pub waker: Arc<dyn Waker>,
    /// Who holds the polls of sensors, where that is another listener.
    pub sensors: Arc<dyn Waker>,
    /// Through which calls' packets can be asked for; `None` where there is no listener for sensors.
    pub relay: Option<Arc<Relay>>,
    /// Devices that wait to be accepted.
    pub claims: Arc<Claims>,
    /// The key that releases of the sensor are signed with, where the operator has named it.
    pub upgrade_key: Option<String>,
    /// Where sensors find us; enrolment tokens carry it.
    pub identity: Identity,
    /// What listeners count, by the name of their port.
    pub fronts: Vec<(&'static str, FrontCounters)>,
    /// The time.
    pub clock: Clock,
    /// The GUI's files.
    pub site: Site,
    /// Whether browsers are told to insist on TLS for this name (RFC 6797); off unless set.
    ///
    /// With a CA of our own, a browser that has been told so offers no way past a certificate that
    /// it does not trust: for a year the page could not be opened from a new machine. It also holds
    /// for every other port of the name, where other services may speak HTTP.
    pub hsts: bool,
    pub(super) logins: Logins,
    pub(super) answers: Answers,
    pub(super) hours: HourCache,
    /// Requests at work.
    pub(super) turns: Turns,
    /// Attempts to change the own password.
    pub(super) passwords: Mutex<RateLimit<String>>,
    /// Exports on their way.
    pub(super) exports: Turns,
}

/// Answers given since the start, by the first digit of their status.
#[derive(Debug, Default)]
pub(super) struct Answers([AtomicU64; 6]);

impl Answers {
    pub(super) fn count(&self, status: u16) {
        if let Some(count) = self.0.get(usize::from(status / 100)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Pairs of a class (`2xx`) and its count.
    pub(super) fn all(&self) -> impl Iterator<Item = (usize, u64)> {
        self.0.iter().map(|count| count.load(Ordering::Relaxed)).enumerate().skip(2)
    }
}

impl App {
    /// The routes over `db`, with the files that were built into this program.
    #[must_use]
    pub fn new(
        db: Arc<Db>,
        events: Arc<Events>,
        waker: Arc<dyn Waker>,
        identity: Identity,
        clock: Clock,
    ) -> Self {
        Self {
            db,
            events,
            sensors: Arc::clone(&waker),
            relay: None,
            claims: Arc::default(),
            upgrade_key: None,
            waker,
            identity,
            fronts: Vec::new(),
            clock,
            site: Site::embedded(),
            hsts: false,
            logins: Logins::default(),
            answers: Answers::default(),
            hours: HourCache::default(),
            turns: Turns::default(),
            passwords: Mutex::new(RateLimit::new(MAX_TRIES, TRY_WINDOW_SECONDS)),
            exports: Turns::default(),
        }
    }

    /// Counts an attempt to change the own password.
    pub(super) fn try_password(&self, who: &str, now: UnixMicros) -> Result<(), ApiError> {
        let mut passwords = self.passwords.lock().unwrap_or_else(PoisonError::into_inner);
        passwords.admit(&who.to_owned(), now).map_err(|seconds| {
            let message = format!("Too many attempts: wait {seconds} seconds and try again.");
            ApiError::new(429, "too_many_attempts", message)
                .with("Retry-After", seconds.to_string())
        })
    }

    /// Now.
    #[must_use]
    pub fn now(&self) -> UnixMicros {
        (self.clock)()
    }
}
