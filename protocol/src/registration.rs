//! One registration of a phone at a registrar, as it travels and as it is kept (RFC 3261 §10).
//!
//! A registration is what a registrar holds for one address-of-record and one contact address. A
//! record of it is made when its state changes, when its facts do, and once an hour while it
//! lives; the refreshes between two records are counted, not listed.

use core::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::cdr::{Offset, Party, Status};
pub use crate::record::{Cause, Transport};
use crate::time::UnixMicros;

/// What is known of a registration when the record is made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registration {
    /// The record's number within its boot; calls count with it.
    pub number: u64,
    /// Bits of [`crate::cdr::flags`]: `CLOCK_UNSET`, `CAPTURE_LOSS`.
    pub flags: u32,
    /// The first REGISTER of the newest attempt; every [`Offset`] counts from here.
    pub first_at: UnixMicros,
    /// When the record was made.
    pub made: Offset,
    /// What has become of it.
    pub state: State,
    /// Why a record was made now.
    pub cause: Cause,
    /// How long it has been in this state, seconds.
    pub state_seconds: u32,
    /// How long ago the registrar last granted it, seconds; `None`: not as far as was seen.
    pub granted_seconds_ago: Option<u32>,
    /// The address-of-record: To.
    pub aor: Party,
    /// Host of the Request-URI, with its port if one is written.
    pub registrar: String,
    /// The URI of Contact, as written; `*` for all of them.
    pub contact: String,
    /// User-Agent of the phone.
    pub user_agent: Option<String>,
    /// Server, or User-Agent, of the registrar's responses.
    pub registrar_agent: Option<String>,
    /// SIP Call-ID of the newest attempt.
    pub call_id: String,
    /// How the newest REGISTER travelled, as its Via says.
    pub transport: Transport,
    /// Where it came from.
    pub src: SocketAddr,
    /// Where it went.
    pub dst: SocketAddr,
    /// VLAN id of the newest REGISTER.
    pub vlan: Option<u16>,
    /// Expiry that the newest REGISTER asked for, seconds; 0 asks to be forgotten.
    pub expires_asked: Option<u32>,
    /// Expiry that the registrar last granted, seconds.
    pub expires_granted: Option<u32>,
    /// The least expiry that the registrar takes (Min-Expires of a 423), seconds.
    pub min_expires: Option<u32>,
    /// The newest attempt's final response; `None`: there was none.
    pub status: Option<Status>,
    /// The registrar asked for credentials in the newest attempt (401, 407).
    pub is_challenged: bool,
    /// The newest REGISTER carried credentials.
    pub has_credentials: bool,
    /// Request to final response of the newest transaction that has one, microseconds.
    pub round_trip: Option<u32>,
    /// The longest since the record before, microseconds.
    pub round_trip_max: Option<u32>,
    /// Attempts that succeeded since the record before.
    pub granted: u32,
    /// Attempts that failed since the record before.
    pub failures: u32,
    /// Attempts that failed since the last one that succeeded.
    pub failures_in_a_row: u32,
    /// REGISTERs that repeated an earlier one since the record before.
    pub retransmissions: u32,
}

/// What has become of a registration. New ones are appended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum State {
    /// The registrar has granted it, and its time is not over.
    Registered,
    /// The newest attempt failed.
    #[default]
    Failing,
    /// Its time is over, and nobody has asked again.
    Expired,
    /// The phone asked to be forgotten.
    Unregistered,
}

impl State {
    /// Every state, in the order of their numbers.
    pub const ALL: &'static [Self] =
        &[Self::Registered, Self::Failing, Self::Expired, Self::Unregistered];

    /// As JSON and API write it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Registered => "registered",
            Self::Failing => "failing",
            Self::Expired => "expired",
            Self::Unregistered => "unregistered",
        }
    }
}

impl Registration {
    /// When the record was made.
    #[must_use]
    pub const fn made_at(&self) -> UnixMicros {
        self.first_at.plus(self.made)
    }

    /// Until when the registrar's last grant holds, or held; `None` where none was seen.
    #[must_use]
    pub fn expires_at(&self) -> Option<UnixMicros> {
        let granted_at = self.made_at().0.checked_sub(seconds(self.granted_seconds_ago?))?;
        Some(UnixMicros(granted_at.saturating_add(seconds(self.expires_granted?))))
    }

    /// The registrar refuses the password, or the account that it belongs to: it asked for
    /// credentials, got some, and said no.
    #[must_use]
    pub fn is_wrong_password(&self) -> bool {
        let code = self.status.as_ref().map_or(0, |status| status.code);
        self.state == State::Failing && self.has_credentials && matches!(code, 401 | 403 | 407)
    }
}

const fn seconds(count: u32) -> u64 {
    count as u64 * 1_000_000
}

impl Default for Registration {
    fn default() -> Self {
        let nowhere = SocketAddr::new(core::net::Ipv4Addr::UNSPECIFIED.into(), 0);
        Self {
            number: 0,
            flags: 0,
            first_at: UnixMicros(0),
            made: 0,
            state: State::default(),
            cause: Cause::default(),
            state_seconds: 0,
            granted_seconds_ago: None,
            aor: Party::default(),
            registrar: String::new(),
            contact: String::new(),
            user_agent: None,
            registrar_agent: None,
            call_id: String::new(),
            transport: Transport::default(),
            src: nowhere,
            dst: nowhere,
            vlan: None,
            expires_asked: None,
            expires_granted: None,
            min_expires: None,
            status: None,
            is_challenged: false,
            has_credentials: false,
            round_trip: None,
            round_trip_max: None,
            granted: 0,
            failures: 0,
            failures_in_a_row: 0,
            retransmissions: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grant_ends_its_expiry_after_it_was_given() {
        let registration = Registration {
            first_at: UnixMicros(1_000_000_000),
            made: 500_000_000,
            granted_seconds_ago: Some(60),
            expires_granted: Some(300),
            ..Registration::default()
        };
        assert_eq!(registration.expires_at(), Some(UnixMicros(1_740_000_000)));
        assert_eq!(Registration::default().expires_at(), None);
        let impossible = Registration { granted_seconds_ago: Some(9), ..registration };
        let early = Registration { first_at: UnixMicros(0), made: 0, ..impossible };
        assert_eq!(early.expires_at(), None, "before the epoch");
    }
}
