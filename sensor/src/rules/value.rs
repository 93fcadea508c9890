//! What can be said of a condition before a call is over.
//!
//! ```text
//! False < Late < AtEnd < True        and = the lower, or = the higher
//! not:  False -> True, True -> False, Late -> AtEnd, AtEnd -> AtEnd
//! ```
//!
//! *Late*: it does not hold, and a later message may change that. *AtEnd*: it will hold unless
//! something speaks against it by the end of the call, such as its quality.

use ringside_protocol::rule::Test;

use super::TestId;

/// What can be said of a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Value {
    False,
    Late,
    AtEnd,
    True,
}

impl Value {
    const fn not(self) -> Self {
        match self {
            Self::False => Self::True,
            Self::Late | Self::AtEnd => Self::AtEnd,
            Self::True => Self::False,
        }
    }
}

/// How far a call has gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Its first message has been read, and it has not been answered.
    Ringing,
    /// It has been answered: its final status is known.
    Answered,
    /// It is over.
    Ended,
}

impl Phase {
    /// Every phase, in order.
    pub const ALL: [Self; 3] = [Self::Ringing, Self::Answered, Self::Ended];
}

/// When a test that was not shown yet is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// With the first message.
    AtFirst,
    /// With the final response.
    AtAnswer,
    /// With any message or packet.
    Late,
    /// With the record.
    AtEnd,
}

impl Kind {
    pub(super) const fn of(test: &Test) -> Self {
        match test {
            Test::Number { .. } | Test::Domain(_) => Self::AtFirst,
            Test::Status(..) => Self::AtAnswer,
            Test::Address { .. } | Test::Header { .. } | Test::Agent(_) | Test::Method(_) => {
                Self::Late
            }
            Test::MosBelow(_) | Test::LossAbove(_) | Test::OneWay => Self::AtEnd,
        }
    }

    /// What can be said of a test that was not shown.
    const fn value(self, phase: Phase) -> Value {
        match (self, phase) {
            (Self::AtFirst, _) | (_, Phase::Ended) | (Self::AtAnswer, Phase::Answered) => {
                Value::False
            }
            (Self::AtEnd, _) => Value::AtEnd,
            (Self::AtAnswer | Self::Late, _) => Value::Late,
        }
    }
}

/// A condition with its tests numbered.
#[derive(Clone, Debug)]
pub(super) enum Tree {
    Test(TestId),
    Not(Box<Self>),
    All(Vec<Self>),
    Any(Vec<Self>),
}

impl Tree {
    /// What can be said of it.
    pub(super) fn value(
        &self,
        kinds: &[Kind],
        is_shown: &impl Fn(TestId) -> bool,
        phase: Phase,
    ) -> Value {
        let of = |part: &Self| part.value(kinds, is_shown, phase);
        match self {
            Self::Test(test) if is_shown(*test) => Value::True,
            Self::Test(test) => kinds[usize::from(*test)].value(phase),
            Self::Not(inner) => of(inner).not(),
            Self::All(parts) => parts.iter().map(of).min().unwrap_or(Value::True),
            Self::Any(parts) => parts.iter().map(of).max().unwrap_or(Value::False),
        }
    }
}
