//! How often passwords may be tried: so that nobody guesses one, and nobody locks the owner out.
//!
//! | of whom | failed attempts in 15 minutes | then |
//! | --- | --- | --- |
//! | a browser that the user has logged in with before | [`MAX_ATTEMPTS_PER_DEVICE`] | it counts as any other |
//! | one address, with one login | [`MAX_ATTEMPTS_PER_LOGIN_AND_ADDRESS`] | that address waits |
//! | one address, with all logins | [`MAX_ATTEMPTS_PER_ADDRESS`] | that address waits |
//! | one login, from all addresses | [`MAX_ATTEMPTS_PER_LOGIN`] | one attempt in [`SLOW_SECONDS`] |
//!
//! The first line comes before the others: whatever strangers do with a login, wherever they sit,
//! its owner gets in with a browser used before. An address is a
//! [`party`](crate::network::party). A login need not exist to be counted, so that limits do not tell
//! which do.

use core::net::IpAddr;

use ringside_protocol::time::UnixMicros;

use super::device::Device;
use super::{Limited, RateLimit, Refusal};
use crate::db::people::Sha256;

/// Failed attempts of one known browser.
pub const MAX_ATTEMPTS_PER_DEVICE: u32 = 10;

/// Failed attempts with one login from one address.
pub const MAX_ATTEMPTS_PER_LOGIN_AND_ADDRESS: u32 = 10;

/// Failed attempts from one address, with whatever logins.
pub const MAX_ATTEMPTS_PER_ADDRESS: u32 = 30;

/// Failed attempts with one login, from wherever, until it is slowed down.
pub const MAX_ATTEMPTS_PER_LOGIN: u32 = 50;

/// A login that is slowed down is tried once in so many seconds: 90 times in a window.
pub const SLOW_SECONDS: u64 = 10;

/// How long attempts count, seconds.
pub const LOGIN_WINDOW_SECONDS: u64 = 900;

/// Who tries.
#[derive(Clone, Copy)]
pub(super) struct Who {
    /// SHA-256 of the login: of one length whatever somebody sends.
    pub(super) login: Sha256,
    pub(super) party: IpAddr,
    pub(super) device: Option<Device>,
}

/// The counts.
pub(super) struct Attempts {
    by_device: RateLimit<Device>,
    by_login_and_party: RateLimit<(Sha256, IpAddr)>,
    by_party: RateLimit<IpAddr>,
    by_login: RateLimit<Sha256>,
    slow: RateLimit<Sha256>,
}

/// An attempt that was counted.
#[derive(Clone, Copy)]
pub(super) enum Counted {
    /// For a known browser.
    Device(Device),
    /// For an address and a login; `is_slow`: outside the login's own count.
    Stranger { is_slow: bool },
}

impl Attempts {
    pub(super) fn new() -> Self {
        let within = LOGIN_WINDOW_SECONDS;
        Self {
            by_device: RateLimit::new(MAX_ATTEMPTS_PER_DEVICE, within),
            by_login_and_party: RateLimit::new(MAX_ATTEMPTS_PER_LOGIN_AND_ADDRESS, within),
            by_party: RateLimit::new(MAX_ATTEMPTS_PER_ADDRESS, within),
            by_login: RateLimit::new(MAX_ATTEMPTS_PER_LOGIN, within),
            slow: RateLimit::new(1, SLOW_SECONDS),
        }
    }

    /// Counts an attempt before the password is looked at, so that many at once count as many.
    pub(super) fn admit(&mut self, who: &Who, now: UnixMicros) -> Result<Counted, Refusal> {
        if let Some(device) = who.device
            && self.by_device.admit(&device, now).is_ok()
        {
            return Ok(Counted::Device(device));
        }
        let limited =
            |scope| move |retry_after: u64| Refusal::TooMany { limited: scope, retry_after };
        let pair = (who.login, who.party);
        self.by_party.admit(&who.party, now).map_err(limited(Limited::Address))?;
        if let Err(wait) = self.by_login_and_party.admit(&pair, now) {
            self.by_party.forgive(&who.party);
            return Err(limited(Limited::LoginAndAddress)(wait));
        }
        if self.by_login.admit(&who.login, now).is_ok() {
            return Ok(Counted::Stranger { is_slow: false });
        }
        if let Err(wait) = self.slow.admit(&who.login, now) {
            self.by_party.forgive(&who.party);
            self.by_login_and_party.forgive(&pair);
            return Err(limited(Limited::Login)(wait));
        }
        Ok(Counted::Stranger { is_slow: true })
    }

    /// The password was right: the attempt counts no more.
    pub(super) fn forgive(&mut self, who: &Who, counted: Counted) {
        match counted {
            Counted::Device(device) => self.by_device.forget(&device),
            Counted::Stranger { is_slow } => {
                self.by_party.forgive(&who.party);
                self.by_login_and_party.forgive(&(who.login, who.party));
                if !is_slow {
                    self.by_login.forgive(&who.login);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use ringside_protocol::time::MICROS_PER_SECOND;

    use super::*;

    const NOW: UnixMicros = UnixMicros(1_795_000_000_000_000);
    const OWNER: Who =
        Who { login: [1; 32], party: IpAddr::V4(core::net::Ipv4Addr::LOCALHOST), device: None };

    fn stranger(number: u32) -> Who {
        Who { party: core::net::Ipv4Addr::from_bits(number).into(), ..OWNER }
    }

    fn limit(attempts: &mut Attempts, who: &Who, now: UnixMicros) -> Option<Limited> {
        match attempts.admit(who, now) {
            Err(Refusal::TooMany { limited, .. }) => Some(limited),
            _ => None,
        }
    }

    #[test]
    fn a_stranger_locks_out_only_his_own_address() {
        let mut attempts = Attempts::new();
        for _ in 0..MAX_ATTEMPTS_PER_LOGIN_AND_ADDRESS {
            assert_eq!(limit(&mut attempts, &stranger(1), NOW), None);
        }
        for _ in 0..1000 {
            let refused = limit(&mut attempts, &stranger(1), NOW);
            assert_eq!(refused, Some(Limited::LoginAndAddress));
        }
        assert_eq!(limit(&mut attempts, &OWNER, NOW), None);
        // What was refused was no attempt: another login is still open to that address.
        let other = Who { login: [2; 32], ..stranger(1) };
        assert_eq!(limit(&mut attempts, &other, NOW), None);
    }

    #[test]
    fn an_address_that_tries_many_logins_waits() {
        let mut attempts = Attempts::new();
        for number in 0..MAX_ATTEMPTS_PER_ADDRESS {
            let login = [u8::try_from(number).expect("few"); 32];
            assert_eq!(limit(&mut attempts, &Who { login, ..OWNER }, NOW), None);
        }
        assert_eq!(limit(&mut attempts, &OWNER, NOW), Some(Limited::Address));
        let at_home = Who { device: Some([7; 16]), ..OWNER };
        assert_eq!(limit(&mut attempts, &at_home, NOW), None);
    }

    #[test]
    fn a_login_that_many_addresses_try_is_slowed_down_but_not_for_known_browsers() {
        let mut attempts = Attempts::new();
        for number in 0..MAX_ATTEMPTS_PER_LOGIN {
            assert_eq!(limit(&mut attempts, &stranger(number), NOW), None);
        }
        assert_eq!(limit(&mut attempts, &stranger(1000), NOW), None, "the first slow one");
        assert_eq!(limit(&mut attempts, &stranger(1001), NOW), Some(Limited::Login));
        let at_home = Who { device: Some([7; 16]), ..OWNER };
        assert_eq!(limit(&mut attempts, &at_home, NOW), None);
        let later = NOW.plus(SLOW_SECONDS * MICROS_PER_SECOND);
        assert_eq!(limit(&mut attempts, &OWNER, later), None);
        assert_eq!(limit(&mut attempts, &OWNER, later), Some(Limited::Login));
    }

    #[test]
    fn a_stolen_cookie_is_worth_few_attempts_and_costs_its_owner_none() {
        let mut attempts = Attempts::new();
        let thief = Who { device: Some([7; 16]), ..stranger(1) };
        for _ in 0..MAX_ATTEMPTS_PER_DEVICE + MAX_ATTEMPTS_PER_LOGIN_AND_ADDRESS {
            assert_eq!(limit(&mut attempts, &thief, NOW), None);
        }
        assert_eq!(limit(&mut attempts, &thief, NOW), Some(Limited::LoginAndAddress));
        assert_eq!(limit(&mut attempts, &Who { device: thief.device, ..OWNER }, NOW), None);
    }

    #[test]
    fn right_passwords_do_not_count() {
        let mut attempts = Attempts::new();
        for who in [OWNER, Who { device: Some([7; 16]), ..OWNER }] {
            for _ in 0..2 * MAX_ATTEMPTS_PER_LOGIN {
                let counted = attempts.admit(&who, NOW).expect("open");
                attempts.forgive(&who, counted);
            }
        }
    }
}
