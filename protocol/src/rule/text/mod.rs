//! A rule's text form.
//!
//! ```text
//! rule      = [ string ":" ] ( "keep" what *( "," what ) / "skip" ) *option [ "when" any ]
//! what      = "sip" / "rtp" / "rtp" "headers" / "rtcp"
//! option    = "masking" "dtmf"                  ; with keep only
//!           / "until" date                      ; 2026-12-31, that day included, UTC
//!           / "at" "most" number "a" "day"      ; with keep only
//!           / "priority" number                 ; -1000 to 1000, 0 where there is none
//! any       = all *( "or" all )
//! all       = one *( "and" one )
//! one       = "not" one / "(" any ")" / test
//! test      = [ "signalling" / "media" ] "address" "=" ( address / address "/" number )
//!           / ( "caller" / "callee" / "number" ) "=" ( number / string )
//!           / "domain" "=" ( host / "*." host )
//!           / "header" name ( "exists" / text )
//!           / "agent" text
//!           / "method" "=" method
//!           / "status" "=" ( "486" / "4xx" / "400..499" )
//!           / "mos" "<" decimal                 ; 1.00 to 5.00
//!           / "loss" ">" decimal "%"
//!           / "one_way"
//! text      = "=" string / "contains" string / "~" "/" regular expression "/"
//! ```
//!
//! Key words are in lower case. A string stands in double quotes; `\"` and `\\` in it are the
//! characters themselves. White space and line ends separate words and mean nothing else; a `#`
//! after white space begins a comment that ends with its line.

mod lexer;
mod parser;
mod printer;

#[cfg(test)]
mod tests;

use core::fmt;

use super::Rule;

pub(super) use parser::parse;
pub(super) use printer::print;

/// What is wrong with a rule's text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleError {
    /// The byte at which reading stopped.
    pub at: usize,
    /// What would be right, as half a sentence.
    pub says: String,
}

impl fmt::Display for RuleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at character {}: {}", self.at + 1, self.says)
    }
}

impl core::error::Error for RuleError {}

/// Reads the rules of a file: one a line; a line that begins with white space goes on with the one
/// before, empty lines and those that begin with `#` are passed over.
///
/// # Errors
/// Each rule that is wrong, with the number of its first line, counted from 1.
pub fn parse_file(text: &str) -> Result<Vec<Rule>, Vec<(usize, RuleError)>> {
    let mut texts: Vec<(usize, String)> = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        match texts.last_mut().filter(|_| line.starts_with([' ', '\t'])) {
            Some((_, rule)) => {
                rule.push('\n');
                rule.push_str(line);
            }
            None => texts.push((number, line.to_owned())),
        }
    }
    let mut rules = Vec::new();
    let mut errors = Vec::new();
    for (number, text) in texts {
        match parse(&text) {
            Ok(rule) => rules.push(rule),
            Err(error) => errors.push((number, error)),
        }
    }
    if errors.is_empty() { Ok(rules) } else { Err(errors) }
}
