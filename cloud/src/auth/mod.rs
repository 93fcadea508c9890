//! Who asks: from a request's cookie or token to a [`Scope`].
//!
//! People log in and carry a cookie; programs carry `Authorization: Bearer TOKEN` and only read.
//! Of both secrets the database holds SHA-256 alone.

mod attempts;
mod device;
mod limit;
mod login;
mod origin;
mod scope;
mod session;

use core::fmt;

use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom, SystemRandom};
use ringside_protocol::time::UnixMicros;

pub use self::attempts::{
    LOGIN_WINDOW_SECONDS, MAX_ATTEMPTS_PER_ADDRESS, MAX_ATTEMPTS_PER_DEVICE,
    MAX_ATTEMPTS_PER_LOGIN, MAX_ATTEMPTS_PER_LOGIN_AND_ADDRESS, SLOW_SECONDS,
};
pub use self::device::{DEVICE_COOKIE, DEVICE_SECONDS, device_cookie_header};
pub use self::limit::{MAX_KEYS, RateLimit};
pub use self::login::{
    Attempt, Logins, MAX_AT_THE_DOOR, MAX_FAILURES_NOTED_A_MINUTE, MAX_LOGIN_BYTES, Opened,
};
pub use self::origin::is_foreign;
pub use self::scope::{Admin, Scope};
pub use self::session::{
    ABSOLUTE_SECONDS, COOKIE, IDLE_SECONDS, MAX_SESSIONS_PER_USER, TOUCH_SECONDS, cookie,
    cookie_header, ended_cookie_header, log_out,
};
use crate::db::customers::Role;
use crate::db::people::{self, Sha256};
use crate::db::{Db, DbError};
use crate::server::Request;

/// Who asks.
#[derive(Clone, Debug)]
pub struct Caller {
    /// What they may ask about.
    pub scope: Scope,
    /// A browser's session: the token that its changes carry. Programs have none.
    pub csrf: Option<String>,
}

/// Whose attempts to log in are too many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limited {
    /// One address's, with this login.
    LoginAndAddress,
    /// One address's, with any login.
    Address,
    /// Everybody's, with this login.
    Login,
}

/// Why a request is refused.
#[derive(Debug)]
pub enum Refusal {
    /// No cookie and no token.
    NotLoggedIn,
    /// The session is over.
    SessionOver,
    /// No such token, or its time is over.
    BadToken,
    /// A token was used to change something.
    TokenOnlyReads,
    /// The page that sent it is not ours.
    Foreign,
    /// `X-CSRF-Token` is missing or wrong.
    Csrf,
    /// Login or password is wrong.
    WrongPassword,
    /// Somebody has shut this login out.
    Disabled,
    /// Too many attempts.
    TooMany {
        /// Of whom.
        limited: Limited,
        /// Seconds until the next one is allowed.
        retry_after: u64,
    },
    /// As many passwords are being checked as may be.
    Crowd,
    /// The database's.
    Db(DbError),
    /// The system has no random bytes.
    NoRandom,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotLoggedIn => "Log in, or send an API token as `Authorization: Bearer TOKEN`.",
            Self::SessionOver => "Your session is over: log in again.",
            Self::BadToken => {
                "This API token is unknown or has expired: have an administrator make a new one \
                 (POST /api/v1/api_tokens)."
            }
            Self::TokenOnlyReads => "API tokens only read: log in to change something.",
            Self::Foreign => {
                "This request came from another site's page: open the Ringside page itself."
            }
            Self::Csrf => {
                "The request lacks this session's X-CSRF-Token: reload the page and try again."
            }
            Self::WrongPassword => "Login or password is wrong: check both and try again.",
            Self::Disabled => {
                "This login is switched off: ask an administrator of your organisation."
            }
            Self::TooMany { limited, retry_after } => {
                let what = match limited {
                    Limited::LoginAndAddress => {
                        "Too many wrong passwords for this login from your network: wait"
                    }
                    Limited::Address => "Too many failed logins from your network: wait",
                    Limited::Login => {
                        "Somebody tries passwords for this login, so attempts are taken slowly: wait"
                    }
                };
                return write!(
                    f,
                    "{what} {retry_after} seconds and try again, or use a browser in which you have \
                     logged in before."
                );
            }
            Self::Crowd => "Many people log in at this moment: try again in a few seconds.",
            Self::Db(error) => return error.fmt(f),
            Self::NoRandom => "The system gives no random bytes: try again.",
        })
    }
}

impl From<DbError> for Refusal {
    fn from(error: DbError) -> Self {
        Self::Db(error)
    }
}

/// Who sent `request`, if they may send one like it at all.
///
/// # Errors
/// [`Refusal`].
pub fn authenticate(db: &Db, request: &Request, now: UnixMicros) -> Result<Caller, Refusal> {
    let reads = matches!(request.method.as_str(), "GET" | "HEAD");
    if let Some(authorization) = request.header("authorization") {
        let caller = token(db, authorization, now)?;
        return if reads { Ok(caller) } else { Err(Refusal::TokenOnlyReads) };
    }
    let caller = session::caller(db, request, now)?;
    if !reads {
        if is_foreign(request) {
            return Err(Refusal::Foreign);
        }
        let sent = request.header("x-csrf-token").map(|sent| sha256(sent.as_bytes()));
        // Hashes are compared, so that the time taken says nothing about the text.
        if sent != caller.csrf.as_ref().map(|csrf| sha256(csrf.as_bytes())) {
            return Err(Refusal::Csrf);
        }
    }
    Ok(caller)
}

/// The program that holds this token. It reads what an administrator reads.
fn token(db: &Db, authorization: &str, now: UnixMicros) -> Result<Caller, Refusal> {
    let (scheme, token) = authorization.split_once(' ').ok_or(Refusal::BadToken)?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(Refusal::BadToken);
    }
    let found = people::api_token(db, &sha256(token.trim().as_bytes()))?;
    let found = found
        .filter(|token| token.expires_at.is_none_or(|end| now < end))
        .ok_or(Refusal::BadToken)?;
    let who = format!("token {}", found.name);
    Ok(Caller { scope: Scope::new(found.customer, who, Role::Admin), csrf: None })
}

/// SHA-256, as the database keeps secrets.
#[must_use]
pub fn sha256(bytes: &[u8]) -> Sha256 {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, bytes).as_ref());
    hash
}

/// Random bytes for a secret.
///
/// # Errors
/// [`Refusal::NoRandom`].
pub fn random<const N: usize>() -> Result<[u8; N], Refusal> {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).map_err(|_| Refusal::NoRandom)?;
    Ok(bytes)
}

/// What a test may ask without a session.
#[cfg(test)]
pub(crate) fn scope_of_test(customer: crate::db::Customer) -> Scope {
    Scope::new(customer, "test".to_owned(), Role::Viewer)
}

/// What a test may change without a session.
#[cfg(test)]
pub(crate) fn scope_of_admin(customer: crate::db::Customer) -> Scope {
    Scope::new(customer, "test".to_owned(), Role::Admin)
}
