//! Sessions of browsers: a cookie, an idle and an absolute end.

use data_encoding::BASE64URL_NOPAD;
use ringside_protocol::time::{MICROS_PER_SECOND, UnixMicros};

use super::{Caller, Refusal, Scope, random, sha256};
use crate::db::Db;
use crate::db::people::{self, Sha256, User};
use crate::server::Request;

/// The cookie's name; the prefix makes browsers insist on TLS, no domain and the whole site (RFC
/// 6265bis §4.1.3.2).
pub const COOKIE: &str = "__Host-ringside";

/// A session without requests ends after so long, seconds.
pub const IDLE_SECONDS: u64 = 12 * 3600;

/// Every session ends after so long, seconds.
pub const ABSOLUTE_SECONDS: u64 = 7 * 86_400;

/// Sessions of one user. The one unused for longest leaves.
pub const MAX_SESSIONS_PER_USER: usize = 10;

/// A session's use is written down at most so often, seconds: each note is a commit.
pub const TOUCH_SECONDS: u64 = 60;

/// Opens a session: the cookie's value and the CSRF token.
pub(super) fn open(db: &Db, user: &User, now: UnixMicros) -> Result<(String, String), Refusal> {
    let secret = BASE64URL_NOPAD.encode(&random::<32>()?);
    let csrf = BASE64URL_NOPAD.encode(&random::<24>()?);
    let end = now.plus(ABSOLUTE_SECONDS * MICROS_PER_SECOND);
    let hash = sha256(secret.as_bytes());
    people::open_session(db, &hash, user.user, &csrf, (now, end), MAX_SESSIONS_PER_USER)?;
    Ok((secret, csrf))
}

/// Whose session the request's cookie names.
pub(super) fn caller(db: &Db, request: &Request, now: UnixMicros) -> Result<Caller, Refusal> {
    let hash = hash_of_cookie(request).ok_or(Refusal::NotLoggedIn)?;
    let session = people::session(db, &hash)?.ok_or(Refusal::SessionOver)?;
    let idle = now.since(session.seen_at);
    if now >= session.expires_at || idle >= IDLE_SECONDS * MICROS_PER_SECOND {
        people::close_session(db, &hash)?;
        return Err(Refusal::SessionOver);
    }
    if idle >= TOUCH_SECONDS * MICROS_PER_SECOND {
        people::touch_session(db, &hash, now)?;
    }
    let scope = Scope::new(session.customer, session.login, session.role);
    Ok(Caller { scope, csrf: Some(session.csrf) })
}

/// Ends the session that the request's cookie names.
///
/// # Errors
/// The database's.
pub fn log_out(db: &Db, request: &Request) -> crate::db::Result<()> {
    hash_of_cookie(request).map_or(Ok(()), |hash| people::close_session(db, &hash))
}

/// The `Set-Cookie` of a new session.
#[must_use]
pub fn cookie_header(secret: &str) -> String {
    format!(
        "{COOKIE}={secret}; Path=/; Max-Age={ABSOLUTE_SECONDS}; Secure; HttpOnly; SameSite=Strict"
    )
}

/// The `Set-Cookie` that takes it away.
#[must_use]
pub fn ended_cookie_header() -> String {
    format!("{COOKIE}=; Path=/; Max-Age=0; Secure; HttpOnly; SameSite=Strict")
}

fn hash_of_cookie(request: &Request) -> Option<Sha256> {
    cookie(request, COOKIE).map(|secret| sha256(secret.as_bytes()))
}

/// The value of the request's cookie of this name.
#[must_use]
pub fn cookie<'a>(request: &'a Request, name: &str) -> Option<&'a str> {
    let cookies = request.header("cookie")?;
    let mut pairs = cookies.split(';').filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(known, _)| *known == name).map(|(_, value)| value)
}
