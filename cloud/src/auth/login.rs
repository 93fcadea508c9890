//! Logging in: limited, and as slow for a login that does not exist as for one that does.

use core::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use ring::hmac;
use ringside_protocol::time::UnixMicros;

use super::attempts::{Attempts, Who};
use super::{Caller, RateLimit, Refusal, Scope, device, random, session, sha256};
use crate::db::people::{self, User};
use crate::db::{Db, Result as DbResult};
use crate::network::party;
use crate::password;

/// Bytes of a login; a longer one is wrong.
pub const MAX_LOGIN_BYTES: usize = 254;

/// Failed logins that the audit log takes in a minute, of all customers; all are counted.
pub const MAX_FAILURES_NOTED_A_MINUTE: u32 = 60;

/// Workers that check a password or wait to, for strangers, and as many for known browsers. One
/// password is hashed at a time ([`password::verify`]); the other workers serve pages meanwhile.
pub const MAX_AT_THE_DOOR: usize = 2;

/// The door: counts attempts.
pub struct Logins {
    tables: Mutex<Tables>,
    strangers: AtomicUsize,
    known: AtomicUsize,
    /// Signs the cookies of known browsers.
    key: OnceLock<hmac::Key>,
    /// What the password of a login that nobody has is checked against.
    nobody: &'static str,
}

struct Tables {
    attempts: Attempts,
    noted: RateLimit<()>,
    failed: u64,
    limited: u64,
}

/// What somebody sends to log in.
#[derive(Clone, Copy)]
pub struct Attempt<'a> {
    /// Who they say they are.
    pub login: &'a str,
    /// How they prove it.
    pub password: &'a str,
    /// The cookie of a browser that may be known.
    pub device: Option<&'a str>,
    /// Where they are.
    pub address: IpAddr,
}

/// A session that was opened.
#[derive(Debug)]
pub struct Opened {
    /// Who it is, with the token for changes.
    pub caller: Caller,
    /// The session cookie's value.
    pub secret: String,
    /// The value of the cookie by which the browser is known from now on.
    pub device: String,
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
            attempts: Attempts::new(),
            noted: RateLimit::new(MAX_FAILURES_NOTED_A_MINUTE, 60),
            failed: 0,
            limited: 0,
        };
        Self {
            tables: Mutex::new(tables),
            strangers: AtomicUsize::new(0),
            known: AtomicUsize::new(0),
            key: OnceLock::new(),
            nobody,
        }
    }

    /// Opens a session for who knows the password.
    ///
    /// # Errors
    /// [`Refusal::WrongPassword`], [`Refusal::Disabled`], [`Refusal::TooMany`], [`Refusal::Crowd`], the database's.
    pub fn log_in(
        &self,
        db: &Db,
        attempt: Attempt<'_>,
        now: UnixMicros,
    ) -> Result<Opened, Refusal> {
        let Attempt { login, password, address, .. } = attempt;
        let user = if login.len() > MAX_LOGIN_BYTES { None } else { people::user(db, login)? };
        let key = self.key(db)?;
        let device = user.as_ref().zip(attempt.device);
        let device = device.and_then(|(user, cookie)| device::recognise(key, user, cookie, now));
        // As the database compares logins.
        let login = sha256(login.to_ascii_lowercase().as_bytes());
        let who = Who { login, party: party(address), device };

        let _place = self.place_at_the_door(&who)?;
        let counted = self.admit(&who, now)?;
        let hash = user.as_ref().map_or(self.nobody, |user| &user.password);
        let fits = password::verify(password, hash);
        let Some(user) = user.as_ref().filter(|_| fits) else {
            self.note_failure(db, user.as_ref(), address, now)?;
            return Err(Refusal::WrongPassword);
        };
        if user.is_disabled {
            return Err(Refusal::Disabled);
        }
        let (secret, csrf) = session::open(db, user, now)?;
        let from = address.to_canonical().to_string();
        people::note(db, Some(user.customer), now, &user.login, "login", &from)?;
        self.tables().attempts.forgive(&who, counted);
        let device = device::issue(key, user, now)?;
        let scope = Scope::new(user.customer, user.login.clone(), user.role);
        Ok(Opened { caller: Caller { scope, csrf: Some(csrf) }, secret, device })
    }

    /// Wrong passwords since the service started.
    pub fn failed(&self) -> u64 {
        self.tables().failed
    }

    /// Attempts since the service started whose password was not looked at.
    pub fn limited(&self) -> u64 {
        self.tables().limited
    }

    /// Takes all places of strangers at the door, until the answer is dropped.
    #[cfg(test)]
    pub(crate) fn crowd(&self) -> impl Drop + '_ {
        struct Crowd<'a>(#[expect(dead_code, reason = "held")] Vec<Place<'a>>);
        impl Drop for Crowd<'_> {
            fn drop(&mut self) {}
        }
        let who = Who { login: [0; 32], party: [192, 0, 2, 1].into(), device: None };
        Crowd(core::iter::from_fn(|| self.place_at_the_door(&who).ok()).collect())
    }

    fn key(&self, db: &Db) -> Result<&hmac::Key, Refusal> {
        if let Some(key) = self.key.get() {
            return Ok(key);
        }
        let fresh = random::<32>()?;
        let kept = db.secret("device_key", || fresh.to_vec())?;
        Ok(self.key.get_or_init(|| hmac::Key::new(hmac::HMAC_SHA256, &kept)))
    }

    fn place_at_the_door(&self, who: &Who) -> Result<Place<'_>, Refusal> {
        let taken = if who.device.is_some() { &self.known } else { &self.strangers };
        let before = taken.fetch_add(1, Ordering::SeqCst);
        let place = Place(taken);
        if before < MAX_AT_THE_DOOR { Ok(place) } else { Err(Refusal::Crowd) }
    }

    fn admit(&self, who: &Who, now: UnixMicros) -> Result<super::attempts::Counted, Refusal> {
        let mut tables = self.tables();
        let admitted = tables.attempts.admit(who, now);
        tables.limited += u64::from(admitted.is_err());
        admitted
    }

    /// A login that nobody has is not written down: it may be a password in the wrong field.
    fn note_failure(
        &self,
        db: &Db,
        user: Option<&User>,
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

/// A place at the door, until its worker has done.
#[derive(Debug)]
struct Place<'a>(&'a AtomicUsize);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crowd_at_the_door_leaves_places_for_known_browsers() {
        let logins = Logins::default();
        let stranger = Who { login: [1; 32], party: [192, 0, 2, 1].into(), device: None };
        let known = Who { device: Some([7; 16]), ..stranger };
        let places: Vec<_> =
            (0..MAX_AT_THE_DOOR).map(|_| logins.place_at_the_door(&stranger)).collect();
        assert!(places.iter().all(Result::is_ok));
        assert!(matches!(logins.place_at_the_door(&stranger), Err(Refusal::Crowd)));
        assert!(logins.place_at_the_door(&known).is_ok());
        drop(places);
        assert!(logins.place_at_the_door(&stranger).is_ok());
    }
}
