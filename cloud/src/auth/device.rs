//! Browsers that somebody has logged in with before: a second cookie, which opens nothing.
//!
//! It says that the right password was once typed in this browser, so that attempts from it have
//! limits of their own (`attempts.rs`). Nothing is stored: the cookie is a number, a time, and an
//! HMAC over both, the user, and the hash of their password, so that a new password ends it.

use data_encoding::BASE64URL_NOPAD;
use ring::hmac;
use ringside_protocol::time::{MICROS_PER_SECOND, UnixMicros};

use super::{Refusal, random};
use crate::db::people::User;

/// The cookie's name.
pub const DEVICE_COOKIE: &str = "__Host-ringside-device";

/// A browser is known for so long after a login, seconds.
pub const DEVICE_SECONDS: u64 = 180 * 86_400;

/// Names a browser in the limits.
pub(super) type Device = [u8; 16];

/// Bytes of the number and the time.
const SIGNED_BYTES: usize = 16 + 8;

/// The cookie's value for a browser in which `user` has logged in at `now`.
pub(super) fn issue(key: &hmac::Key, user: &User, now: UnixMicros) -> Result<String, Refusal> {
    let number: Device = random()?;
    let mut bytes = [&number[..], &now.0.to_be_bytes()].concat();
    let tag = hmac::sign(key, &message(&bytes, user));
    bytes.extend_from_slice(tag.as_ref());
    Ok(BASE64URL_NOPAD.encode(&bytes))
}

/// The browser that `cookie` names, if `user` has logged in with it.
pub(super) fn recognise(
    key: &hmac::Key,
    user: &User,
    cookie: &str,
    now: UnixMicros,
) -> Option<Device> {
    let bytes = BASE64URL_NOPAD.decode(cookie.as_bytes()).ok()?;
    let (signed, tag) = bytes.split_at_checked(SIGNED_BYTES)?;
    hmac::verify(key, &message(signed, user), tag).ok()?;
    let (number, time) = signed.split_first_chunk()?;
    let at = UnixMicros(u64::from_be_bytes(time.try_into().ok()?));
    (now.since(at) < DEVICE_SECONDS * MICROS_PER_SECOND).then_some(*number)
}

/// The `Set-Cookie` of a browser that is known from now on.
#[must_use]
pub fn device_cookie_header(value: &str) -> String {
    format!(
        "{DEVICE_COOKIE}={value}; Path=/; Max-Age={DEVICE_SECONDS}; Secure; HttpOnly; SameSite=Strict"
    )
}

fn message(signed: &[u8], user: &User) -> Vec<u8> {
    [b"known device", signed, &user.user.to_be_bytes()[..], user.password.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::Customer;
    use crate::db::customers::Role;

    fn key() -> hmac::Key {
        hmac::Key::new(hmac::HMAC_SHA256, &random::<32>().expect("random bytes"))
    }

    fn user(number: i64, password: &str) -> User {
        let (customer, role) = (Customer(1), Role::Viewer);
        let (login, password) = (String::new(), password.to_owned());
        User { user: number, customer, login, password, role, is_disabled: false }
    }

    #[test]
    fn a_browser_is_known_to_its_user_until_its_time_is_over_or_the_password_is_new() {
        let (key, user_a, start) = (key(), user(1, "a"), UnixMicros(1_795_000_000_000_000));
        let cookie = issue(&key, &user_a, start).expect("a cookie");
        let known = |user: &User, cookie: &str, seconds| {
            recognise(&key, user, cookie, start.plus(seconds * MICROS_PER_SECOND)).is_some()
        };
        assert!(known(&user_a, &cookie, 0) && known(&user_a, &cookie, DEVICE_SECONDS - 1));
        assert!(!known(&user_a, &cookie, DEVICE_SECONDS));
        assert!(!known(&user(1, "b"), &cookie, 0) && !known(&user(2, "a"), &cookie, 0));
        assert!(recognise(&self::key(), &user_a, &cookie, start).is_none());
    }

    #[test]
    fn what_is_no_cookie_of_ours_is_nobodys() {
        let (key, user, now) = (key(), user(1, "a"), UnixMicros(1_795_000_000_000_000));
        let cookie = issue(&key, &user, now).expect("a cookie");
        let mut forged = BASE64URL_NOPAD.decode(cookie.as_bytes()).expect("base64");
        forged[0] ^= 1;
        for text in ["", "x", &cookie[1..], &cookie[..40], &BASE64URL_NOPAD.encode(&forged)] {
            assert!(recognise(&key, &user, text, now).is_none(), "{text}");
        }
    }
}
