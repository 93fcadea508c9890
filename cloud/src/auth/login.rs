//! Logging in: rate limited, and as slow for a login that does not exist as for one that does.

use core::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use ringside_protocol::time::UnixMicros;

use super::{Caller, RateLimit, Refusal, Scope, session, sha256};
use crate::db::people::{self, Sha256};
use crate::db::{Db, Result as DbResult};
use crate::network::party;
use crate::password;

/// Failed attempts with one login within [`LOGIN_WINDOW_SECONDS`].
pub const MAX_ATTEMPTS_PER_LOGIN: u32 = 10;

/// Failed attempts from one address ([`party`]) within [`LOGIN_WINDOW_SECONDS`].
pub const MAX_ATTEMPTS_PER_ADDRESS: u32 = 30;

/// How long attempts count, seconds.
pub const LOGIN_WINDOW_SECONDS: u64 = 900;

/// Bytes of a login; a longer one is wrong.
pub const MAX_LOGIN_BYTES: usize = 254;

/// Failed logins that the audit log takes in a minute, of all customers; all are counted.
pub const MAX_FAILURES_NOTED_A_MINUTE: u32 = 60;

/// The door: counts attempts.
pub struct Logins {
    tables: Mutex<Tables>,
    /// What the password of a login that nobody has is checked against.
    nobody: &'static str,
}

struct Tables {
    by_login: RateLimit<Sha256>,
    by_address: RateLimit<IpAddr>,
    noted: RateLimit<()>,
    failed: u64,
}

/// A session that was opened.
#[derive(Debug)]
pub struct Opened {
    /// Who it is, with the token for changes.
    pub caller: Caller,
    /// The cookie's value.
    pub secret: String,
}

impl Default for Logins {
    fn default() -> Self {
        Self::new(password::NOBODY)
    }
}

impl Logins {
    /// `nobody` is a hash that no password fits and that costs what the users' hashes cost.
    #[must_use]
    pub fn new(nobody: &'static str) -> Self {
        let tables = Tables {
            by_login: RateLimit::new(MAX_ATTEMPTS_PER_LOGIN, LOGIN_WINDOW_SECONDS),
            by_address: RateLimit::new(MAX_ATTEMPTS_PER_ADDRESS, LOGIN_WINDOW_SECONDS),
            noted: RateLimit::new(MAX_FAILURES_NOTED_A_MINUTE, 60),
            failed: 0,
        };
        Self { tables: Mutex::new(tables), nobody }
    }

    /// Opens a session for who knows `password`.
    ///
    /// # Errors
    /// [`Refusal::WrongPassword`], [`Refusal::TooMany`], the database's.
    pub fn log_in(
        &self,
        db: &Db,
        (login, password): (&str, &str),
        address: IpAddr,
        now: UnixMicros,
    ) -> Result<Opened, Refusal> {
        // As the database compares logins, and of one length whatever somebody sends.
        let key = sha256(login.to_ascii_lowercase().as_bytes());
        let party = party(address);
        self.admit(&key, party, now)?;
        let user = if login.len() > MAX_LOGIN_BYTES { None } else { people::user(db, login)? };
        let hash = user.as_ref().map_or(self.nobody, |user| &user.password);
        let fits = password::verify(password, hash);
        let Some(user) = user.as_ref().filter(|_| fits) else {
            self.note_failure(db, user.as_ref(), address, now)?;
            return Err(Refusal::WrongPassword);
        };
        let (secret, csrf) = session::open(db, user, now)?;
        let from = address.to_canonical().to_string();
        people::note(db, Some(user.customer), now, &user.login, "login", &from)?;
        let mut tables = self.tables();
        tables.by_login.forget(&key);
        tables.by_address.forgive(&party);
        let scope = Scope::new(user.customer, user.login.clone(), user.role);
        Ok(Opened { caller: Caller { scope, csrf: Some(csrf) }, secret })
    }

    /// Failed attempts since the service started.
    pub fn failed(&self) -> u64 {
        self.tables().failed
    }

    /// Counts the attempt before the password is looked at, so that many at once count as many.
    fn admit(&self, login: &Sha256, party: IpAddr, now: UnixMicros) -> Result<(), Refusal> {
        let mut tables = self.tables();
        let admitted =
            tables.by_address.admit(&party, now).and_then(|()| tables.by_login.admit(login, now));
        admitted.map_err(|retry_after| Refusal::TooMany { retry_after })
    }

    /// A login that nobody has is not written down: it may be a password in the wrong field.
    fn note_failure(
        &self,
        db: &Db,
        user: Option<&people::User>,
        address: IpAddr,
        now: UnixMicros,
    ) -> DbResult<()> {
        let mut tables = self.tables();
        tables.failed += 1;
        if tables.noted.admit(&(), now).is_err() {
            return Ok(());
        }
        drop(tables);
        let who = user.map_or("unknown login", |user| &user.login);
        let from = address.to_canonical().to_string();
        people::note(db, user.map(|user| user.customer), now, who, "login_failed", &from)
    }

    fn tables(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
