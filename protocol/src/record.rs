//! What a sensor delivers: calls and registrations, each once.
//!
//! All kinds share the outbox, the batches and one sequence of numbers within a boot, so that
//! [`CallId`](crate::cdr::CallId) names any record.

use serde::{Deserialize, Serialize};

use crate::cdr::{Cdr, flags};
use crate::registration::Registration;
use crate::time::UnixMicros;

/// One record. New kinds are appended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Record {
    /// A call that has ended.
    Call(Box<Cdr>),
    /// What has become of a registration.
    Registration(Box<Registration>),
}

impl Record {
    /// Its number within its boot.
    #[must_use]
    pub fn number(&self) -> u64 {
        match self {
            Self::Call(cdr) => cdr.number,
            Self::Registration(registration) => registration.number,
        }
    }

    /// The time that its offsets count from.
    #[must_use]
    pub fn first_at(&self) -> UnixMicros {
        match self {
            Self::Call(cdr) => cdr.first_at,
            Self::Registration(registration) => registration.first_at,
        }
    }

    /// Moves it to another time.
    pub fn set_first_at(&mut self, at: UnixMicros) {
        match self {
            Self::Call(cdr) => cdr.first_at = at,
            Self::Registration(registration) => registration.first_at = at,
        }
    }

    /// The time by which it is filed: the call's end, or when the record was made.
    #[must_use]
    pub fn ended_at(&self) -> UnixMicros {
        match self {
            Self::Call(cdr) => cdr.ended_at(),
            Self::Registration(registration) => registration.made_at(),
        }
    }

    /// Whether its times are not wall time ([`flags::CLOCK_UNSET`]).
    #[must_use]
    pub fn is_clock_unset(&self) -> bool {
        self.flags() & flags::CLOCK_UNSET != 0
    }

    /// Notes whether its times are not wall time.
    pub fn set_clock_unset(&mut self, is_unset: bool) {
        let bits = match self {
            Self::Call(cdr) => &mut cdr.flags,
            Self::Registration(registration) => &mut registration.flags,
        };
        *bits = if is_unset { *bits | flags::CLOCK_UNSET } else { *bits & !flags::CLOCK_UNSET };
    }

    /// The call, if it is one.
    #[must_use]
    pub fn into_call(self) -> Option<Cdr> {
        match self {
            Self::Call(cdr) => Some(*cdr),
            Self::Registration(_) => None,
        }
    }

    /// The registration, if it is one.
    #[must_use]
    pub fn into_registration(self) -> Option<Registration> {
        match self {
            Self::Registration(registration) => Some(*registration),
            Self::Call(_) => None,
        }
    }

    fn flags(&self) -> u32 {
        match self {
            Self::Call(cdr) => cdr.flags,
            Self::Registration(registration) => registration.flags,
        }
    }
}

impl From<Cdr> for Record {
    fn from(cdr: Cdr) -> Self {
        Self::Call(Box::new(cdr))
    }
}

impl From<Registration> for Record {
    fn from(registration: Registration) -> Self {
        Self::Registration(Box::new(registration))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_shifted_and_flagged_alike() {
        let registration = Registration { number: 7, made: 5, ..Registration::default() };
        for mut record in
            [Record::from(Cdr { number: 7, ended: 5, ..Cdr::default() }), registration.into()]
        {
            record.set_first_at(UnixMicros(100));
            record.set_clock_unset(true);
            assert_eq!((record.number(), record.ended_at()), (7, UnixMicros(105)));
            assert!(record.is_clock_unset());
            record.set_clock_unset(false);
            assert!(!record.is_clock_unset());
        }
    }
}
