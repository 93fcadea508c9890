//! Words into a rule, one function for each line of the grammar.

use super::RuleError;
use super::lexer::{Token, tokens};
use crate::cdr::Method;
use crate::nearest::nearest;
use crate::rule::{
    Action, Condition, Domain, Expression, Keep, MAX_DEPTH, MAX_RULE_TEXT, MAX_TESTS, MAX_WORD,
    Media, NumberPattern, Party, Place, Prefix, Rule, Test, TextTest,
};
use crate::time::UnixMicros;

/// Reads one rule.
pub(in crate::rule) fn parse(text: &str) -> Result<Rule, RuleError> {
    if text.len() > MAX_RULE_TEXT {
        let says = format!("a rule has at most {MAX_RULE_TEXT} bytes: make two of it");
        return Err(RuleError { at: MAX_RULE_TEXT, says });
    }
    let tokens = tokens(text)?;
    let mut parser = Parser { tokens: &tokens, next: 0, end: text.len(), tests: 0 };
    let rule = parser.rule()?;
    match parser.peek() {
        None => Ok(rule),
        Some(_) => Err(parser.expected("`and`, `or`, or the end of the rule")),
    }
}

struct Parser<'a> {
    tokens: &'a [(usize, Token)],
    next: usize,
    end: usize,
    tests: usize,
}

impl Parser<'_> {
    fn rule(&mut self) -> Result<Rule, RuleError> {
        let name = self.name()?;
        let action = if self.takes("skip") {
            Action::Skip
        } else if self.takes("keep") {
            Action::Keep(self.what()?)
        } else {
            return Err(self.expected("`keep` or `skip`"));
        };
        let mut rule =
            Rule { name, action, until: None, calls_a_day: None, priority: 0, when: None };
        while self.option(&mut rule)? {}
        if self.takes("when") {
            rule.when = Some(self.any(0)?);
        } else if self.peek().is_some() {
            return Err(self.expected("`when`, or an option such as `until 2026-12-31`"));
        }
        Ok(rule)
    }

    /// `"Berlin":`
    fn name(&mut self) -> Result<String, RuleError> {
        let Some(Token::Text(name)) = self.peek() else { return Ok(String::new()) };
        let name = name.clone();
        if name.trim().is_empty() || name.len() > MAX_WORD {
            return Err(self.expected("a name of 1 to 255 bytes"));
        }
        self.next += 1;
        self.sign(':', "`:` after the rule's name")?;
        Ok(name)
    }

    fn what(&mut self) -> Result<Keep, RuleError> {
        let mut keep = Keep::default();
        loop {
            if self.takes("sip") {
                keep.sip = true;
            } else if self.takes("rtcp") {
                keep.rtcp = true;
            } else if self.takes("rtp") {
                let media = if self.takes("headers") { Media::Headers } else { Media::Whole };
                keep.rtp = keep.rtp.max(media);
            } else {
                return Err(self.expected("what to keep: `sip`, `rtp`, `rtp headers` or `rtcp`"));
            }
            if !self.takes_sign(',') {
                return Ok(keep);
            }
        }
    }

    /// Reads one option, if there is one.
    fn option(&mut self, rule: &mut Rule) -> Result<bool, RuleError> {
        let start = self.next;
        if self.takes("until") {
            rule.until = Some(self.word("a day, as in 2026-12-31", |word| {
                UnixMicros::from_date(word).map(UnixMicros::day)
            })?);
        } else if self.takes("priority") {
            rule.priority = self.word("a priority from -1000 to 1000", |word| {
                word.parse().ok().filter(|priority| (-1000..=1000).contains(priority))
            })?;
        } else if self.takes("masking") {
            self.key_word("dtmf")?;
            match &mut rule.action {
                Action::Keep(keep) => keep.mask_dtmf = true,
                Action::Skip => return Err(self.kept_only(start)),
            }
        } else if self.takes("at") {
            self.key_word("most")?;
            let calls = self.word("a number of calls, 1 or more", |word| {
                word.parse().ok().filter(|&calls: &u32| calls > 0)
            })?;
            self.key_word("a")?;
            self.key_word("day")?;
            if rule.action == Action::Skip {
                return Err(self.kept_only(start));
            }
            rule.calls_a_day = Some(calls);
        } else {
            return Ok(false);
        }
        Ok(true)
    }

    fn any(&mut self, depth: usize) -> Result<Condition, RuleError> {
        let mut parts = vec![self.all(depth)?];
        while self.takes("or") {
            parts.push(self.all(depth)?);
        }
        Ok(one_or(parts, Condition::Any))
    }

    fn all(&mut self, depth: usize) -> Result<Condition, RuleError> {
        let mut parts = vec![self.one(depth)?];
        while self.takes("and") {
            parts.push(self.one(depth)?);
        }
        Ok(one_or(parts, Condition::All))
    }

    fn one(&mut self, depth: usize) -> Result<Condition, RuleError> {
        if depth >= MAX_DEPTH {
            return Err(self.expected("fewer parentheses and negations inside each other"));
        }
        if self.takes("not") {
            return Ok(Condition::Not(Box::new(self.one(depth + 1)?)));
        }
        if self.takes_sign('(') {
            let inner = self.any(depth + 1)?;
            self.sign(')', "`)`, `and` or `or`")?;
            return Ok(inner);
        }
        self.tests += 1;
        if self.tests > MAX_TESTS {
            return Err(self.expected("at most 32 tests in one rule: make two of it"));
        }
        self.test().map(Condition::Test)
    }

    fn test(&mut self) -> Result<Test, RuleError> {
        let Some(Token::Word(name)) = self.peek() else { return Err(self.expected(A_TEST)) };
        let name = name.clone();
        self.next += 1;
        match name.as_str() {
            "address" => self.address(Place::Anywhere),
            "signalling" => {
                self.key_word("address")?;
                self.address(Place::Signalling)
            }
            "media" => {
                self.key_word("address")?;
                self.address(Place::Media)
            }
            "caller" => self.number(Party::Caller),
            "callee" => self.number(Party::Callee),
            "number" => self.number(Party::Either),
            "domain" => self.domain(),
            "header" => self.header(),
            "agent" => Ok(Test::Agent(self.text(false)?)),
            "method" => self.method(),
            "status" => self.status(),
            "mos" => self.mos(),
            "loss" => self.loss(),
            "one_way" => Ok(Test::OneWay),
            _ => {
                self.next -= 1;
                Err(match nearest(&name.to_ascii_lowercase(), TESTS.into_iter()) {
                    Some(meant) => self.says(format!("did you mean `{meant}`?")),
                    None => self.expected(A_TEST),
                })
            }
        }
    }

    fn address(&mut self, place: Place) -> Result<Test, RuleError> {
        self.sign('=', "`=`")?;
        let prefix = self.word("an address, or a network such as 192.0.2.0/24", |word| {
            word.parse::<Prefix>().ok()
        })?;
        Ok(Test::Address { place, prefix })
    }

    fn number(&mut self, party: Party) -> Result<Test, RuleError> {
        const WANTED: &str = "a number, a beginning such as +4930*, a pattern with * and ?, or a \
                              range of numbers of the same length such as +493010..+493019";
        self.sign('=', "`=`")?;
        let pattern = self.word_or_text(WANTED, NumberPattern::parse)?;
        Ok(Test::Number { party, pattern })
    }

    fn domain(&mut self) -> Result<Test, RuleError> {
        self.sign('=', "`=`")?;
        let domain = self.word_or_text("a host such as example.org or *.example.org", domain)?;
        Ok(Test::Domain(domain))
    }

    fn header(&mut self) -> Result<Test, RuleError> {
        let name = self.word("a header's name, such as X-Trunk", header_name)?;
        Ok(Test::Header { name, value: self.text(true)? })
    }

    fn text(&mut self, may_exist: bool) -> Result<TextTest, RuleError> {
        const A_TEXT: &str = "a text in quotes, 1 to 255 bytes";
        let quoted = |token: &Token| match token {
            Token::Text(text) if !text.is_empty() => Some(text.clone()),
            _ => None,
        };
        if may_exist && self.takes("exists") {
            Ok(TextTest::Exists)
        } else if self.takes_sign('=') {
            self.value(A_TEXT, quoted).map(TextTest::Equals)
        } else if self.takes("contains") {
            self.value(A_TEXT, quoted).map(TextTest::Contains)
        } else if self.takes_sign('~') {
            self.value(
                "a regular expression between slashes, 1 to 255 bytes",
                |token| match token {
                    Token::Expression(pattern) => Expression::new(pattern),
                    _ => None,
                },
            )
            .map(TextTest::Matches)
        } else if may_exist {
            Err(self.expected("`exists`, `=`, `contains` or `~`"))
        } else {
            Err(self.expected("`=`, `contains` or `~`"))
        }
    }

    fn method(&mut self) -> Result<Test, RuleError> {
        self.sign('=', "`=`")?;
        let method = self.word("a SIP method in capitals, such as REFER", |word| {
            Some(Method::from_token(word.as_bytes())).filter(|&method| method != Method::Other)
        })?;
        Ok(Test::Method(method))
    }

    fn status(&mut self) -> Result<Test, RuleError> {
        self.sign('=', "`=`")?;
        let (first, last) = self.word("a final status code: 486, 4xx or 400..499", status_range)?;
        Ok(Test::Status(first, last))
    }

    fn mos(&mut self) -> Result<Test, RuleError> {
        self.sign('<', "`<`")?;
        let mos = self.word("a MOS from 1.00 to 5.00", |word| {
            hundredths(word).filter(|mos| (100..=500).contains(mos))
        })?;
        Ok(Test::MosBelow(mos))
    }

    fn loss(&mut self) -> Result<Test, RuleError> {
        self.sign('>', "`>`")?;
        let loss = self.word("a loss from 0% to 100%", |word| {
            hundredths(word.strip_suffix('%')?).filter(|&loss| loss <= 10_000)
        })?;
        Ok(Test::LossAbove(loss))
    }

    // Words.

    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.next).map(|(_, token)| token)
    }

    fn takes(&mut self, key_word: &str) -> bool {
        let is_it = matches!(self.peek(), Some(Token::Word(word)) if word == key_word);
        self.next += usize::from(is_it);
        is_it
    }

    fn takes_sign(&mut self, sign: char) -> bool {
        let is_it = self.peek() == Some(&Token::Sign(sign));
        self.next += usize::from(is_it);
        is_it
    }

    fn sign(&mut self, sign: char, wanted: &str) -> Result<(), RuleError> {
        if self.takes_sign(sign) { Ok(()) } else { Err(self.expected(wanted)) }
    }

    fn key_word(&mut self, key_word: &str) -> Result<(), RuleError> {
        if self.takes(key_word) { Ok(()) } else { Err(self.expected(&format!("`{key_word}`"))) }
    }

    fn word<T>(
        &mut self,
        wanted: &str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T, RuleError> {
        self.value(wanted, |token| match token {
            Token::Word(word) => read(word),
            _ => None,
        })
    }

    fn word_or_text<T>(
        &mut self,
        wanted: &str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T, RuleError> {
        self.value(wanted, |token| match token {
            Token::Word(word) | Token::Text(word) => read(word),
            _ => None,
        })
    }

    fn value<T>(
        &mut self,
        wanted: &str,
        read: impl FnOnce(&Token) -> Option<T>,
    ) -> Result<T, RuleError> {
        let is_short = |token: &&Token| match token {
            Token::Word(text) | Token::Text(text) | Token::Expression(text) => {
                text.len() <= MAX_WORD
            }
            Token::Sign(_) => true,
        };
        match self.peek().filter(is_short).and_then(read) {
            Some(value) => {
                self.next += 1;
                Ok(value)
            }
            None => Err(self.expected(wanted)),
        }
    }

    fn expected(&self, wanted: &str) -> RuleError {
        self.says(format!("write {wanted}"))
    }

    fn says(&self, says: String) -> RuleError {
        let at = self.tokens.get(self.next).map_or(self.end, |&(at, _)| at);
        RuleError { at, says }
    }

    fn kept_only(&self, token: usize) -> RuleError {
        let at = self.tokens.get(token).map_or(self.end, |&(at, _)| at);
        RuleError { at, says: "this goes with `keep` only: a `skip` rule keeps nothing".to_owned() }
    }
}

/// The words that a test begins with.
const TESTS: [&str; 14] = [
    "address",
    "signalling",
    "media",
    "caller",
    "callee",
    "number",
    "domain",
    "header",
    "agent",
    "method",
    "status",
    "mos",
    "loss",
    "one_way",
];

const A_TEST: &str = "a test: address, caller, callee, number, domain, header, agent, method, \
                      status, mos, loss or one_way";

fn one_or(mut parts: Vec<Condition>, several: fn(Vec<Condition>) -> Condition) -> Condition {
    match parts.pop() {
        Some(only) if parts.is_empty() => only,
        last => {
            parts.extend(last);
            several(parts)
        }
    }
}

fn domain(text: &str) -> Option<Domain> {
    let (host, is_below) = match text.strip_prefix("*.") {
        Some(host) => (host, true),
        None => (text, false),
    };
    let is_host = |letter: char| letter.is_ascii_alphanumeric() || "-._:[]".contains(letter);
    (!host.is_empty() && host.chars().all(is_host))
        .then(|| Domain { host: host.to_ascii_lowercase(), is_below })
}

/// A header's name in lower case, compact forms written out (RFC 3261 §7.3.3 and extensions).
fn header_name(word: &str) -> Option<String> {
    let is_token = |letter: char| letter.is_ascii_alphanumeric() || "-.!%*_+`'~".contains(letter);
    if !word.chars().all(is_token) {
        return None;
    }
    let name = word.to_ascii_lowercase();
    Some(crate::rule::long_header_name(&name).map_or(name, str::to_owned))
}

fn status_range(word: &str) -> Option<(u16, u16)> {
    let code = |text: &str| -> Option<u16> {
        text.parse().ok().filter(|code| text.len() == 3 && (200..=699).contains(code))
    };
    if let Some(class) = word.strip_suffix("xx") {
        let class: u16 = class.parse().ok().filter(|class| (2..=6).contains(class))?;
        return Some((class * 100, class * 100 + 99));
    }
    if let Some((first, last)) = word.split_once("..") {
        return Some((code(first)?, code(last)?)).filter(|(first, last)| first <= last);
    }
    code(word).map(|code| (code, code))
}

/// A decimal number with up to two decimals, times 100.
fn hundredths(word: &str) -> Option<u16> {
    let (whole, decimals) = word.split_once('.').unwrap_or((word, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(decimals) || decimals.len() > 2 {
        return None;
    }
    let decimals = decimals.parse::<u16>().ok()? * if decimals.len() == 1 { 10 } else { 1 };
    whole.parse::<u16>().ok()?.checked_mul(100)?.checked_add(decimals)
}
