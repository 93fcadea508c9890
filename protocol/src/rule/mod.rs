//! Capture rules: which calls' packets a sensor keeps, and what of them.
//!
//! A rule has one text form, which people write, the cloud stores, and sensors are sent; it reads
//! as a sentence:
//!
//! ```text
//! "Berlin": keep sip, rtp, rtcp masking dtmf until 2026-12-31 at most 100 a day priority 5
//!           when caller = +4930* and not (domain = test.example or agent contains "sipp")
//! ```
//!
//! [`text`] has the grammar. Printing a rule and reading it again gives the same rule.

mod pattern;
pub mod review;
pub mod text;

use core::fmt;

pub use pattern::{Expression, NumberPattern, Prefix};
pub use text::RuleError;

use crate::cdr::Method;
use crate::time::UnixMicros;

/// Rules that one sensor applies, at most.
pub const MAX_RULES: usize = 1000;

/// Bytes of one rule's text, at most.
pub const MAX_RULE_TEXT: usize = 2048;

/// Tests in one rule, at most.
pub const MAX_TESTS: usize = 32;

/// Parentheses and negations inside each other, at most.
pub const MAX_DEPTH: usize = 16;

/// Bytes of a name, a header's name, or a text that is compared, at most.
pub const MAX_WORD: usize = 255;

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// What people call it; empty where it has none.
    pub name: String,
    /// What happens to a call for which it holds.
    pub action: Action,
    /// The last day on which it holds, days since the epoch, UTC.
    pub until: Option<u64>,
    /// Calls that it keeps in one day (UTC), at most.
    pub calls_a_day: Option<u32>,
    /// Rules with a higher one are looked at first; those with the same, in their given order.
    pub priority: i16,
    /// When it holds; `None`: for every call.
    pub when: Option<Condition>,
}

/// What happens to a call for which a rule holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Its packets are kept.
    Keep(Keep),
    /// No rule that is looked at later keeps anything of it.
    Skip,
}

/// What is kept of a call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Keep {
    /// Its signalling.
    pub sip: bool,
    /// Its media.
    pub rtp: Media,
    /// Its RTCP packets.
    pub rtcp: bool,
    /// The digits of RFC 4733 events and of SIP INFO are overwritten.
    pub mask_dtmf: bool,
}

/// How much of RTP packets is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Media {
    /// Nothing.
    #[default]
    Nothing,
    /// Up to the end of the RTP header: times and losses can be told, nothing heard.
    Headers,
    /// Everything.
    Whole,
}

impl Keep {
    /// What both keep together. Digits stay masked only if both mask them.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        if other.is_nothing() {
            return self;
        }
        if self.is_nothing() {
            return other;
        }
        Self {
            sip: self.sip || other.sip,
            rtp: self.rtp.max(other.rtp),
            rtcp: self.rtcp || other.rtcp,
            mask_dtmf: self.mask_dtmf && other.mask_dtmf,
        }
    }

    /// Whether it keeps nothing.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        !self.sip && !self.rtcp && self.rtp == Media::Nothing
    }
}

/// When a rule holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// When a test does.
    Test(Test),
    /// When the other does not.
    Not(Box<Self>),
    /// When all of them do; at least two.
    All(Vec<Self>),
    /// When one of them does; at least two.
    Any(Vec<Self>),
}

/// One question about a call.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Test {
    /// An address of the call lies in a network.
    Address {
        /// Which addresses are meant.
        place: Place,
        /// The network.
        prefix: Prefix,
    },
    /// A party's number or name, the user part of its URI.
    Number {
        /// Whose.
        party: Party,
        /// What it is to look like.
        pattern: NumberPattern,
    },
    /// The host of From, To or Request-URI of the first INVITE: this one, or one below it.
    Domain(Domain),
    /// A header of any of the call's messages.
    Header {
        /// Lower case, in its long form.
        name: String,
        /// What its value is to look like.
        value: TextTest,
    },
    /// User-Agent or Server of any of the call's messages.
    Agent(TextTest),
    /// A request with this method belongs to the call.
    Method(Method),
    /// The final response to the INVITE lies in this range, both ends included.
    Status(u16, u16),
    /// At the call's end, the worst direction's MOS (adaptive jitter buffer), in 1/100, is lower.
    MosBelow(u16),
    /// At the call's end, the worst stream's loss, in 1/100 percent, is higher.
    LossAbove(u16),
    /// At the call's end, media went one way only although both were agreed.
    OneWay,
}

/// Addresses of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// Of its messages and of its media.
    Anywhere,
    /// Of its messages.
    Signalling,
    /// Of its media.
    Media,
}

/// Parties of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Party {
    /// From of the first INVITE.
    Caller,
    /// To of the first INVITE, or its Request-URI.
    Callee,
    /// One of the two.
    Either,
}

/// A domain, in lower case; hosts compare in any case and without their port.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Domain {
    /// The host.
    pub host: String,
    /// Whether hosts below it are meant (`*.example.org`) instead of it.
    pub is_below: bool,
}

/// What a text is to look like. Letters compare in any case, but for an expression's.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum TextTest {
    /// There is one.
    Exists,
    /// It is this.
    Equals(String),
    /// This stands in it.
    Contains(String),
    /// A regular expression finds something in it.
    Matches(Expression),
}

/// The long form of a header's compact name (RFC 3261 §7.3.3 and extensions), both in lower case.
#[must_use]
pub const fn long_header_name(compact: &str) -> Option<&'static str> {
    let &[letter] = compact.as_bytes() else { return None };
    Some(match letter {
        b'a' => "accept-contact",
        b'b' => "referred-by",
        b'c' => "content-type",
        b'd' => "request-disposition",
        b'e' => "content-encoding",
        b'f' => "from",
        b'i' => "call-id",
        b'j' => "reject-contact",
        b'k' => "supported",
        b'l' => "content-length",
        b'm' => "contact",
        b'n' => "identity-info",
        b'o' => "event",
        b'r' => "refer-to",
        b's' => "subject",
        b't' => "to",
        b'u' => "allow-events",
        b'v' => "via",
        b'x' => "session-expires",
        b'y' => "identity",
        _ => return None,
    })
}

impl Test {
    /// Whether only the call's end answers it.
    #[must_use]
    pub const fn is_about_quality(&self) -> bool {
        matches!(self, Self::MosBelow(_) | Self::LossAbove(_) | Self::OneWay)
    }
}

impl Condition {
    /// Calls `visit` with each of its tests.
    pub fn each_test<'a>(&'a self, visit: &mut impl FnMut(&'a Test)) {
        match self {
            Self::Test(test) => visit(test),
            Self::Not(inner) => inner.each_test(visit),
            Self::All(parts) | Self::Any(parts) => {
                for part in parts {
                    part.each_test(visit);
                }
            }
        }
    }
}

impl Rule {
    /// Reads a rule's text form.
    ///
    /// # Errors
    /// What is wrong, where, and what would be right.
    pub fn parse(text: &str) -> Result<Self, RuleError> {
        text::parse(text)
    }

    /// Whether it is over at `now`.
    #[must_use]
    pub fn is_over(&self, now: UnixMicros) -> bool {
        self.until.is_some_and(|day| now.day() > day)
    }

    /// Compiles each of its expressions.
    ///
    /// # Errors
    /// What is wrong with the first that cannot be.
    pub fn check_expressions(&self) -> Result<(), String> {
        let mut wrong = None;
        if let Some(when) = &self.when {
            when.each_test(&mut |test| {
                if let Test::Header { value: TextTest::Matches(expression), .. }
                | Test::Agent(TextTest::Matches(expression)) = test
                    && let Err(says) = expression.compile()
                {
                    wrong.get_or_insert_with(|| format!("{expression}: {says}"));
                }
            });
        }
        wrong.map_or(Ok(()), Err)
    }

    /// Whether it asks about quality, so that packets are held until the call's end.
    #[must_use]
    pub fn is_about_quality(&self) -> bool {
        let mut found = false;
        if let Some(when) = &self.when {
            when.each_test(&mut |test| found |= test.is_about_quality());
        }
        found
    }
}

impl core::str::FromStr for Rule {
    type Err = RuleError;

    fn from_str(text: &str) -> Result<Self, RuleError> {
        Self::parse(text)
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        text::print(self, f)
    }
}
