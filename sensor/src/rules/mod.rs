//! Capture rules, compiled: which of them hold for a call, as far as it has gone.
//!
//! A [`RuleBook`] numbers the different tests of all its rules. What a call has shown is one bit a
//! test ([`Shown`]); each test kind has an index, so that a message is compared with all rules at
//! once, and a packet of media with none:
//!
//! | tests | index | looked at |
//! | --- | --- | --- |
//! | numbers, domains | hash of each beginning in use ([`numbers`]) | once a call |
//! | addresses | hash of each prefix length in use ([`addresses`]) | once for each new address |
//! | headers, agents | hash of names, then Aho-Corasick and expressions ([`headers`]) | each message |
//! | methods, statuses | one comparison each | each message |
//! | quality | one comparison each | at the call's end |
//!
//! Only rules of which a test has been shown are reckoned ([`value`]), and only when something new
//! was.

mod addresses;
pub mod counts;
mod decide;
mod domains;
mod headers;
mod numbers;
pub mod pushed;
mod shown;
mod value;

#[cfg(test)]
mod tests;

use core::fmt;
use core::net::IpAddr;
use std::collections::HashMap;

use ringside_protocol::cdr::{Cdr, Method, flags};
use ringside_protocol::rule::{Action, Condition, MAX_RULES, Party, Place, Rule, Test};

pub use decide::Decision;
pub use shown::Shown;
pub use value::Phase;

use addresses::Addresses;
use domains::Domains;
use headers::Headers;
use numbers::Numbers;
use value::{Kind, Tree, Value};

/// The number of a test within its book.
type TestId = u16;

/// A rule with the number that it has for its customer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NumberedRule {
    /// Given by the cloud; in a file, the rule's place.
    pub id: u64,
    /// What it says.
    pub rule: Rule,
}

/// Why rules cannot be applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BookError {
    /// More than [`MAX_RULES`].
    TooMany(usize),
    /// An expression that cannot be compiled within its bounds.
    Expression {
        /// The rule's id.
        rule: u64,
        /// What is wrong with it.
        says: String,
    },
}

impl fmt::Display for BookError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooMany(count) => write!(f, "{count} rules; a sensor takes at most {MAX_RULES}"),
            Self::Expression { rule, says } => {
                write!(f, "the regular expression of rule {rule} is not taken: {says}")
            }
        }
    }
}

impl core::error::Error for BookError {}

/// One rule, ready to be reckoned.
#[derive(Debug)]
struct Compiled {
    numbered: NumberedRule,
    tree: Tree,
}

/// All rules of a sensor, in the order in which they are looked at.
#[derive(Debug, Default)]
pub struct RuleBook {
    rules: Vec<Compiled>,
    tests: Vec<Test>,
    kinds: Vec<Kind>,
    /// Rules by test.
    users: Vec<Vec<u16>>,
    /// By [`Phase`], rules that matter although none of their tests was shown.
    standing: [Vec<u16>; 3],
    /// By [`Phase`], the first rule that keeps something and may come to hold later.
    first_late: [Option<u16>; 3],
    numbers: Numbers,
    domains: Domains,
    addresses: Addresses,
    headers: Headers,
    methods: Vec<(Method, TestId)>,
    statuses: Vec<(u16, u16, TestId)>,
    quality: Vec<(Quality, TestId)>,
}

/// What is asked at a call's end.
#[derive(Clone, Copy, Debug)]
enum Quality {
    MosBelow(u16),
    LossAbove(u16),
    OneWay,
}

impl RuleBook {
    /// Compiles rules; those with a higher priority come first, others keep their order.
    ///
    /// # Errors
    /// Every [`BookError`].
    pub fn compile(rules: Vec<NumberedRule>) -> Result<Self, BookError> {
        if rules.len() > MAX_RULES {
            return Err(BookError::TooMany(rules.len()));
        }
        let mut rules = rules;
        rules.sort_by_key(|numbered| core::cmp::Reverse(numbered.rule.priority));
        let mut book = Self::default();
        let mut known = HashMap::new();
        for (rank, numbered) in (0_u16..).zip(rules) {
            let tree = match &numbered.rule.when {
                None => Tree::All(Vec::new()),
                Some(when) => book.tree(when, rank, &mut known, numbered.id)?,
            };
            for phase in Phase::ALL {
                match (numbered.rule.action, tree.value(&book.kinds, &|_| false, phase)) {
                    (_, Value::False) => {}
                    (Action::Keep(_), Value::Late) => {
                        book.first_late[phase as usize].get_or_insert(rank);
                    }
                    _ => book.standing[phase as usize].push(rank),
                }
            }
            book.rules.push(Compiled { numbered, tree });
        }
        book.headers.finish().map_err(|says| BookError::Expression { rule: 0, says })?;
        Ok(book)
    }

    /// Whether there is no rule.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// How many rules there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.rules.len()
    }

    /// A rule by its rank.
    #[must_use]
    pub fn rule(&self, rank: u16) -> Option<&NumberedRule> {
        self.compiled(rank).map(|compiled| &compiled.numbered)
    }

    fn compiled(&self, rank: u16) -> Option<&Compiled> {
        self.rules.get(usize::from(rank))
    }

    /// Nothing shown yet.
    #[must_use]
    pub fn nothing_shown(&self) -> Shown {
        Shown::new(self.tests.len())
    }

    /// What `shown` of another book says about the tests that this one asks, too.
    #[must_use]
    pub fn carry_over(&self, other: &Self, shown: &Shown) -> Shown {
        let mut carried = self.nothing_shown();
        let ids: HashMap<&Test, TestId> = self.tests.iter().zip(0..).collect();
        for test in shown.iter() {
            let id = other.tests.get(usize::from(test)).and_then(|test| ids.get(test));
            if let Some(&id) = id {
                carried.set(id);
            }
        }
        carried
    }

    /// The numbers of a call's parties, as its first message names them. The Request-URI's user
    /// counts as the callee's.
    pub fn show_numbers(&self, caller: &[u8], callees: [&[u8]; 2], shown: &mut Shown) {
        self.numbers.find(caller, Party::Caller, &mut |test| shown.set(test));
        self.numbers.find(callees[0], Party::Callee, &mut |test| shown.set(test));
        if callees[0] != callees[1] {
            self.numbers.find(callees[1], Party::Callee, &mut |test| shown.set(test));
        }
    }

    /// A host of From, To or Request-URI.
    pub fn show_host(&self, host: &[u8], shown: &mut Shown) {
        self.domains.find(host, &mut |test| shown.set(test));
    }

    /// An address of a message, or of media.
    pub fn show_address(&self, address: IpAddr, place: Place, shown: &mut Shown) {
        self.addresses.find(address, place, &mut |test| shown.set(test));
    }

    /// The headers of a message, of which these are the bytes.
    pub fn show_headers(&self, message: &[u8], shown: &mut Shown) {
        self.headers.find(message, &mut |test| shown.set(test));
    }

    /// A request of the call.
    pub fn show_method(&self, method: Method, shown: &mut Shown) {
        for &(wanted, test) in &self.methods {
            if wanted == method {
                shown.set(test);
            }
        }
    }

    /// A final response to its INVITE.
    pub fn show_status(&self, status_code: u16, shown: &mut Shown) {
        for &(first, last, test) in &self.statuses {
            if (first..=last).contains(&status_code) {
                shown.set(test);
            }
        }
    }

    /// The ended call.
    pub fn show_quality(&self, cdr: &Cdr, shown: &mut Shown) {
        if self.quality.is_empty() {
            return;
        }
        let mos = cdr.worst(|stream| stream.adaptive).map(|(score, _)| score.mos);
        let loss = cdr.streams.iter().filter_map(loss_of).max();
        for &(quality, test) in &self.quality {
            let holds = match quality {
                Quality::MosBelow(limit) => mos.is_some_and(|mos| mos < limit),
                Quality::LossAbove(limit) => loss.is_some_and(|loss| loss > u64::from(limit)),
                Quality::OneWay => cdr.has(flags::ONE_WAY),
            };
            if holds {
                shown.set(test);
            }
        }
    }

    fn tree(
        &mut self,
        condition: &Condition,
        rank: u16,
        known: &mut HashMap<Test, TestId>,
        rule: u64,
    ) -> Result<Tree, BookError> {
        let mut trees = |parts: &[Condition], known: &mut _| -> Result<Vec<Tree>, BookError> {
            parts.iter().map(|part| self.tree(part, rank, known, rule)).collect()
        };
        Ok(match condition {
            Condition::All(parts) => Tree::All(trees(parts, known)?),
            Condition::Any(parts) => Tree::Any(trees(parts, known)?),
            Condition::Not(inner) => Tree::Not(Box::new(self.tree(inner, rank, known, rule)?)),
            Condition::Test(test) => Tree::Test(self.number_test(test, rank, known, rule)?),
        })
    }

    /// The number of a test, which is put into its index when it is new.
    fn number_test(
        &mut self,
        test: &Test,
        rank: u16,
        known: &mut HashMap<Test, TestId>,
        rule: u64,
    ) -> Result<TestId, BookError> {
        let id = match known.get(test) {
            Some(&id) => id,
            None => {
                #[expect(clippy::cast_possible_truncation, reason = "1000 rules of 32 tests")]
                let id = self.tests.len() as TestId;
                self.index(test, id).map_err(|says| BookError::Expression { rule, says })?;
                self.tests.push(test.clone());
                self.kinds.push(Kind::of(test));
                self.users.push(Vec::new());
                known.insert(test.clone(), id);
                id
            }
        };
        let users = &mut self.users[usize::from(id)];
        if users.last() != Some(&rank) {
            users.push(rank);
        }
        Ok(id)
    }

    fn index(&mut self, test: &Test, id: TestId) -> Result<(), String> {
        match test {
            Test::Address { place, prefix } => self.addresses.add(*prefix, *place, id),
            Test::Number { party, pattern } => self.numbers.add(pattern, *party, id),
            Test::Domain(domain) => self.domains.add(domain, id),
            Test::Header { name, value } => self.headers.add(name, value, id)?,
            Test::Agent(value) => {
                self.headers.add("user-agent", value, id)?;
                self.headers.add("server", value, id)?;
            }
            Test::Method(method) => self.methods.push((*method, id)),
            Test::Status(first, last) => self.statuses.push((*first, *last, id)),
            Test::MosBelow(mos) => self.quality.push((Quality::MosBelow(*mos), id)),
            Test::LossAbove(loss) => self.quality.push((Quality::LossAbove(*loss), id)),
            Test::OneWay => self.quality.push((Quality::OneWay, id)),
        }
        Ok(())
    }
}

/// Lost of expected packets of a stream, 1/100 percent.
fn loss_of(stream: &ringside_protocol::cdr::Stream) -> Option<u64> {
    (u64::from(stream.lost) * 10_000).checked_div(u64::from(stream.expected))
}
