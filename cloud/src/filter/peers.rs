//! Conditions for choosing peer relations, in the same language as those for calls.

use ringside_protocol::cdr::Fingerprint;
use ringside_protocol::peer::State;

use super::conditions::{Devices, NewestTest, Test, truth};
use super::parse::{self, Result, invalid, list};
use super::{Pattern, StatusRange, contains};
use crate::db::peers::{Row, state};
use crate::network::Network;

/// The names of all conditions.
pub const PEER_NAMES: &[&str] = &[
    "state",
    "method",
    "event",
    "user",
    "address",
    "src",
    "dst",
    "agent",
    "status",
    "unanswered",
    "sensor",
    "history",
    "q",
];

/// The methods that peer relations have.
const METHODS: [&str; 5] = ["OPTIONS", "SUBSCRIBE", "NOTIFY", "MESSAGE", "PUBLISH"];

/// One condition.
#[derive(Clone, Debug)]
pub enum PeerTest {
    /// Bits of the numbers of [`State`].
    State(u32),
    /// In capitals.
    Method(Vec<String>),
    /// The event package.
    Event(Vec<Pattern>),
    /// User of From or of To.
    User(Vec<Pattern>),
    /// Who asks, or who is asked.
    Address(Vec<Network>),
    /// Who asks.
    Src(Vec<Network>),
    /// Who is asked.
    Dst(Vec<Network>),
    /// Of either.
    Agent(Vec<Pattern>),
    /// Of the newest final response.
    Status(Vec<StatusRange>),
    /// Whether requests were not answered since the record before.
    Unanswered(bool),
    /// The sensor that saw it.
    Sensor(Vec<Fingerprint>),
    /// Each somewhere in method, event, users, agents or addresses; in lower case.
    Words(Vec<String>),
}

impl Test for PeerTest {
    type Row<'a> = Row<'a>;

    fn read(name: &str, value: &str, devices: Devices<'_>) -> Result<Self> {
        let patterns = || list(name, value, |text| Ok(Pattern::new(text.trim())));
        let networks = || list(name, value, parse::address);
        Ok(match name {
            "state" => Self::State(list(name, value, state_bit)?.into_iter().fold(0, |a, b| a | b)),
            "method" => Self::Method(list(name, value, method)?),
            "event" => Self::Event(patterns()?),
            "user" => Self::User(list(name, value, parse::number)?),
            "address" => Self::Address(networks()?),
            "src" => Self::Src(networks()?),
            "dst" => Self::Dst(networks()?),
            "agent" => Self::Agent(patterns()?),
            "status" => Self::Status(list(name, value, parse::status)?),
            "unanswered" => Self::Unanswered(truth(name, value)?),
            "sensor" => Self::Sensor(list(name, value, |text| parse::sensor(text, devices))?),
            "q" => Self::Words(parse::words(value)?),
            _ => return Err(invalid(name, format!("one of {}", PEER_NAMES.join(", ")))),
        })
    }

    fn matches(&self, row: &Row<'_>) -> bool {
        let any = |patterns: &[Pattern], text: &str| patterns.iter().any(|p| p.matches(text));
        let in_any = |networks: &[Network], text: &str| networks.iter().any(|n| n.holds(text));
        match self {
            Self::State(set) => {
                u32::try_from(row.state).is_ok_and(|bit| bit < 32 && set >> bit & 1 == 1)
            }
            Self::Method(methods) => methods.iter().any(|method| method == row.method),
            Self::Event(patterns) => any(patterns, row.event),
            Self::User(patterns) => row.users.split(' ').any(|user| any(patterns, user)),
            Self::Address(networks) => in_any(networks, row.src) || in_any(networks, row.dst),
            Self::Src(networks) => in_any(networks, row.src),
            Self::Dst(networks) => in_any(networks, row.dst),
            Self::Agent(patterns) => row.agents.split('\n').any(|agent| any(patterns, agent)),
            Self::Status(ranges) => ranges.iter().any(|range| range.holds(row.status_code)),
            Self::Unanswered(some) => (row.unanswered > 0) == *some,
            Self::Sensor(devices) => devices.contains(&row.device),
            Self::Words(words) => words.iter().all(|word| {
                let texts = [row.method, row.event, row.users, row.agents, row.src, row.dst];
                texts.iter().any(|text| contains(text, word))
            }),
        }
    }
}

impl NewestTest for PeerTest {
    fn is_newest(row: &Row<'_>) -> bool {
        row.is_newest
    }
}

fn method(text: &str) -> core::result::Result<String, String> {
    let method = text.trim().to_ascii_uppercase();
    if METHODS.contains(&method.as_str()) {
        return Ok(method);
    }
    Err(format!("one of {}", METHODS.join(", ")))
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

    use super::super::PeerFilter;
    use super::*;

    const ROW: Row<'_> = Row {
        device: Fingerprint([7; 16]),
        is_newest: true,
        method: "MESSAGE",
        event: "",
        users: "+49201 305",
        agents: "Yealink SIP-T46S\nAsterisk PBX 20",
        src: "192.0.2.10",
        dst: "2001:db8::1",
        state: 1,
        status_code: Some(404),
        unanswered: 3,
    };

    fn filter(pairs: &[(&str, &str)]) -> Result<PeerFilter> {
        let mut filter = PeerFilter::default();
        for (name, value) in pairs {
            filter.add(name, value, &|number| (number == 7).then_some(Fingerprint([7; 16])))?;
        }
        Ok(filter)
    }

    #[test]
    fn each_condition_accepts_and_refuses() {
        for (name, yes, no) in [
            ("state", "refusing,silent", "answering"),
            ("method", "options,message", "!MESSAGE"),
            ("event", "!dialog", "dialog"),
            ("user", "305", "30"),
            ("user", "+492*", "+493*"),
            ("address", "192.0.2.0/28", "10.0.0.0/8"),
            ("src", "192.0.2.10", "2001:db8::1"),
            ("dst", "2001:db8::/32", "192.0.2.10"),
            ("agent", "asterisk*", "snom*"),
            ("status", "4xx", "none"),
            ("unanswered", "true", "false"),
            ("sensor", "7", "!7"),
            ("q", "t46 305", "t46 306"),
        ] {
            assert!(filter(&[(name, yes)]).expect(yes).matches(&ROW), "{name} {yes}");
            assert!(!filter(&[(name, no)]).expect(no).matches(&ROW), "{name} {no}");
        }
        let older = Row { is_newest: false, ..ROW };
        assert!(!PeerFilter::default().matches(&older));
        assert!(filter(&[("history", "true")]).expect("reads").matches(&older));
    }

    #[test]
    fn what_is_meant_by_a_wrong_value_is_said() {
        for (name, value, says) in [
            ("state", "dead", "answering, refusing, silent"),
            ("method", "INVITE", "OPTIONS, SUBSCRIBE, NOTIFY, MESSAGE, PUBLISH"),
            ("unanswered", "many", "true or false"),
            ("dst", "pbx", "an IP address or a network"),
            ("colour", "red", "one of state"),
        ] {
            let error = filter(&[(name, value)]).expect_err(value);
            assert!(error.allowed.contains(says), "{error}");
        }
    }

    proptest! {
        #[test]
        fn no_value_panics(name in 0..PEER_NAMES.len(), value in "\\PC{0,60}") {
            if let Ok(filter) = filter(&[(PEER_NAMES[name], &value)]) {
                let _ = filter.matches(&ROW);
            }
        }
    }
}
