//! Conditions for choosing registrations, in the same language as those for calls.

use ringside_protocol::cdr::Fingerprint;
use ringside_protocol::registration::State;

use super::conditions::{Devices, NewestTest, Test, truth};
use super::parse::{self, Result, invalid, list};
use super::{Pattern, StatusRange, contains};
use crate::db::registrations::{Row, state};
use crate::network::Network;

/// The names of all conditions.
pub const REGISTRATION_NAMES: &[&str] = &[
    "state",
    "user",
    "registrar",
    "contact",
    "address",
    "agent",
    "status",
    "failures",
    "sensor",
    "history",
    "q",
];

/// One condition.
#[derive(Clone, Debug)]
pub enum RegistrationTest {
    /// Bits of the numbers of [`State`].
    State(u32),
    /// The user part, or `user@host`.
    User(Vec<Pattern>),
    /// Host of the Request-URI.
    Registrar(Vec<Pattern>),
    /// URI of Contact.
    Contact(Vec<Pattern>),
    /// Where the REGISTER came from or went to.
    Address(Vec<Network>),
    /// User-Agent of the phone.
    Agent(Vec<Pattern>),
    /// Of the newest attempt's final response.
    Status(Vec<StatusRange>),
    /// Whether attempts failed since the record before.
    Failures(bool),
    /// The sensor that saw it.
    Sensor(Vec<Fingerprint>),
    /// Each somewhere in user, host, contact or agent; in lower case.
    Words(Vec<String>),
}

impl Test for RegistrationTest {
    type Row<'a> = Row<'a>;

    fn read(name: &str, value: &str, devices: Devices<'_>) -> Result<Self> {
        let patterns = || list(name, value, |text| Ok(Pattern::new(text.trim())));
        Ok(match name {
            "state" => Self::State(list(name, value, state_bit)?.into_iter().fold(0, |a, b| a | b)),
            "user" => Self::User(list(name, value, parse::number)?),
            "registrar" => Self::Registrar(patterns()?),
            "contact" => Self::Contact(patterns()?),
            "address" => Self::Address(list(name, value, parse::address)?),
            "agent" => Self::Agent(patterns()?),
            "status" => Self::Status(list(name, value, parse::status)?),
            "failures" => Self::Failures(truth(name, value)?),
            "sensor" => Self::Sensor(list(name, value, |text| parse::sensor(text, devices))?),
            "q" => Self::Words(parse::words(value)?),
            _ => return Err(invalid(name, format!("one of {}", REGISTRATION_NAMES.join(", ")))),
        })
    }

    fn matches(&self, row: &Row<'_>) -> bool {
        let any = |patterns: &[Pattern], text: &str| patterns.iter().any(|p| p.matches(text));
        match self {
            Self::State(set) => {
                u32::try_from(row.state).is_ok_and(|bit| bit < 32 && set >> bit & 1 == 1)
            }
            Self::User(patterns) => {
                any(patterns, row.user) || any(patterns, &format!("{}@{}", row.user, row.host))
            }
            Self::Registrar(patterns) => any(patterns, row.registrar),
            Self::Contact(patterns) => any(patterns, row.contact),
            Self::Address(networks) => networks.iter().any(|network| {
                row.addresses.split_ascii_whitespace().any(|address| network.holds(address))
            }),
            Self::Agent(patterns) => any(patterns, row.agent),
            Self::Status(ranges) => ranges.iter().any(|range| range.holds(row.status_code)),
            Self::Failures(failed) => (row.failures > 0) == *failed,
            Self::Sensor(devices) => devices.contains(&row.device),
            Self::Words(words) => words.iter().all(|word| {
                [row.user, row.host, row.contact, row.agent].iter().any(|text| contains(text, word))
            }),
        }
    }
}

impl NewestTest for RegistrationTest {
    fn is_newest(row: &Row<'_>) -> bool {
        row.is_newest
    }
}

fn state_bit(text: &str) -> core::result::Result<u32, String> {
    let found = State::ALL.iter().find(|state| state.name() == text.trim());
    found.map(|&found| 1 << state(found)).ok_or_else(|| {
        let all: Vec<_> = State::ALL.iter().map(|state| state.name()).collect();
        format!("one of {}", all.join(", "))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{MAX_CONDITIONS, RegistrationFilter};
    use super::*;

    const ROW: Row<'_> = Row {
        device: Fingerprint([7; 16]),
        is_newest: true,
        user: "4711",
        host: "pbx.example",
        registrar: "pbx.example",
        contact: "sip:4711@192.0.2.10:5060",
        agent: "Yealink SIP-T46S",
        addresses: " 192.0.2.10 192.0.2.1 ",
        state: 1,
        status_code: Some(401),
        failures: 3,
        round_trip_us: Some(12_000),
    };

    fn filter(pairs: &[(&str, &str)]) -> Result<RegistrationFilter> {
        let mut filter = RegistrationFilter::default();
        for (name, value) in pairs {
            filter.add(name, value, &|number| (number == 7).then_some(Fingerprint([7; 16])))?;
        }
        Ok(filter)
    }

    #[test]
    fn each_condition_accepts_and_refuses() {
        for (name, yes, no) in [
            ("state", "failing,expired", "registered"),
            ("user", "47*", "4712"),
            ("user", "4711@pbx.example", "4711@other"),
            ("registrar", "PBX.example", "pbx"),
            ("contact", "*@192.0.2.10*", "*@192.0.2.11*"),
            ("address", "192.0.2.0/28", "10.0.0.0/8"),
            ("agent", "yealink*", "snom*"),
            ("status", "4xx", "!401"),
            ("failures", "true", "false"),
            ("sensor", "7", "!7"),
            ("q", "t46 4711", "t46 4712"),
        ] {
            assert!(filter(&[(name, yes)]).expect(yes).matches(&ROW), "{name} {yes}");
            assert!(!filter(&[(name, no)]).expect(no).matches(&ROW), "{name} {no}");
        }
    }

    #[test]
    fn older_records_belong_to_the_history() {
        let older = Row { is_newest: false, ..ROW };
        assert!(!RegistrationFilter::default().matches(&older));
        assert!(filter(&[("history", "true")]).expect("reads").matches(&older));
    }

    #[test]
    fn what_is_meant_by_a_wrong_value_is_said() {
        for (name, value, says) in [
            ("state", "dead", "registered, failing, expired, unregistered"),
            ("failures", "many", "true or false"),
            ("history", "!true", "true or false"),
            ("sensor", "8", "none with number 8"),
            ("colour", "red", "one of state"),
        ] {
            let error = filter(&[(name, value)]).expect_err(value);
            assert!(error.allowed.contains(says), "{error}");
        }
        let conditions = [("user", "1"); MAX_CONDITIONS];
        assert!(filter(&conditions).is_ok());
        assert!(filter(&[conditions.as_slice(), &[("user", "1")]].concat()).is_err());
    }

    proptest! {
        #[test]
        fn no_value_panics(name in 0..REGISTRATION_NAMES.len(), value in "\\PC{0,60}") {
            if let Ok(filter) = filter(&[(REGISTRATION_NAMES[name], &value)]) {
                let _ = filter.matches(&ROW);
            }
        }
    }
}
