//! A rule as text: one line that [`super::parse`] reads back.

use core::fmt::{self, Formatter, Write};

use super::lexer::is_in_word;
use crate::rule::{Action, Condition, Domain, Media, Party, Place, Rule, Test, TextTest};
use crate::time::UnixMicros;

/// Writes one rule.
pub(in crate::rule) fn print(rule: &Rule, f: &mut Formatter<'_>) -> fmt::Result {
    if !rule.name.is_empty() {
        quoted(&rule.name, f)?;
        f.write_str(": ")?;
    }
    let mut masks = false;
    match rule.action {
        Action::Skip => f.write_str("skip")?,
        Action::Keep(keep) => {
            let rtp = match keep.rtp {
                Media::Nothing => None,
                Media::Headers => Some("rtp headers"),
                Media::Whole => Some("rtp"),
            };
            let parts = [keep.sip.then_some("sip"), rtp, keep.rtcp.then_some("rtcp")];
            let mut before = "keep ";
            for part in parts.into_iter().flatten() {
                write!(f, "{before}{part}")?;
                before = ", ";
            }
            masks = keep.mask_dtmf;
        }
    }
    if masks {
        f.write_str(" masking dtmf")?;
    }
    if let Some(day) = rule.until {
        write!(f, " until {}", UnixMicros::of_day(day).to_date())?;
    }
    if let Some(calls) = rule.calls_a_day {
        write!(f, " at most {calls} a day")?;
    }
    if rule.priority != 0 {
        write!(f, " priority {}", rule.priority)?;
    }
    if let Some(when) = &rule.when {
        f.write_str(" when ")?;
        condition(when, Binds::Any, f)?;
    }
    Ok(())
}

/// How strongly the words around a condition bind; a weaker one inside needs parentheses.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Binds {
    Any,
    All,
    One,
}

fn condition(condition: &Condition, around: Binds, f: &mut Formatter<'_>) -> fmt::Result {
    match condition {
        Condition::Test(inner) => test(inner, f),
        Condition::Not(inner) => {
            f.write_str("not ")?;
            self::condition(inner, Binds::One, f)
        }
        Condition::All(parts) => several(parts, " and ", Binds::All, around, f),
        Condition::Any(parts) => several(parts, " or ", Binds::Any, around, f),
    }
}

fn several(
    parts: &[Condition],
    between: &str,
    own: Binds,
    around: Binds,
    f: &mut Formatter<'_>,
) -> fmt::Result {
    // The same inside itself stays apart, so that what is read back is the same tree.
    let inner = if own == Binds::Any { Binds::All } else { Binds::One };
    let is_in_parentheses = around > own;
    if is_in_parentheses {
        f.write_char('(')?;
    }
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            f.write_str(between)?;
        }
        condition(part, inner, f)?;
    }
    if is_in_parentheses { f.write_char(')') } else { Ok(()) }
}

fn test(test: &Test, f: &mut Formatter<'_>) -> fmt::Result {
    match test {
        Test::Address { place, prefix } => {
            let place = match place {
                Place::Anywhere => "",
                Place::Signalling => "signalling ",
                Place::Media => "media ",
            };
            write!(f, "{place}address = {prefix}")
        }
        Test::Number { party, pattern } => {
            let party = match party {
                Party::Caller => "caller",
                Party::Callee => "callee",
                Party::Either => "number",
            };
            write!(f, "{party} = ")?;
            word(&pattern.to_string(), f)
        }
        Test::Domain(Domain { host, is_below }) => {
            write!(f, "domain = {}{host}", if *is_below { "*." } else { "" })
        }
        Test::Header { name, value } => {
            write!(f, "header {name} ")?;
            text(value, f)
        }
        Test::Agent(value) => {
            f.write_str("agent ")?;
            text(value, f)
        }
        Test::Method(method) => write!(f, "method = {}", method.as_str()),
        Test::Status(first, last) if first == last => write!(f, "status = {first}"),
        Test::Status(first, last) if first % 100 == 0 && *last == first + 99 => {
            write!(f, "status = {}xx", first / 100)
        }
        Test::Status(first, last) => write!(f, "status = {first}..{last}"),
        Test::MosBelow(mos) => write!(f, "mos < {}.{:02}", mos / 100, mos % 100),
        Test::LossAbove(loss) => write!(f, "loss > {}.{:02}%", loss / 100, loss % 100),
        Test::OneWay => f.write_str("one_way"),
    }
}

fn text(value: &TextTest, f: &mut Formatter<'_>) -> fmt::Result {
    match value {
        TextTest::Exists => f.write_str("exists"),
        TextTest::Equals(text) => {
            f.write_str("= ")?;
            quoted(text, f)
        }
        TextTest::Contains(text) => {
            f.write_str("contains ")?;
            quoted(text, f)
        }
        TextTest::Matches(expression) => write!(f, "~ {expression}"),
    }
}

/// As it is where it is one word, else in quotes.
fn word(text: &str, f: &mut Formatter<'_>) -> fmt::Result {
    if text.chars().all(is_in_word) { f.write_str(text) } else { quoted(text, f) }
}

fn quoted(text: &str, f: &mut Formatter<'_>) -> fmt::Result {
    f.write_char('"')?;
    for letter in text.chars() {
        if matches!(letter, '"' | '\\') {
            f.write_char('\\')?;
        }
        f.write_char(letter)?;
    }
    f.write_char('"')
}
