//! What rules together say of a call.
//!
//! Rules are looked at in their order. What rules keep adds up; a `skip` rule ends the list. As
//! long as a `skip` rule may still come to hold, what the rules behind it keep is held under a key
//! in memory, as what a rule about quality keeps is.

use ringside_protocol::rule::{Action, Keep, MAX_RULES};

use super::value::{Phase, Value};
use super::{RuleBook, Shown};

/// What is to be done with a call's packets from now on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Decision {
    /// Kept.
    pub keep: Keep,
    /// The first rule that keeps it.
    pub rule: Option<u16>,
    /// Held until the call's end decides: all of `keep` and perhaps more.
    pub hold: Keep,
    /// Whether a later message may bring a rule to hold that keeps something.
    pub may_come: bool,
}

impl RuleBook {
    /// What the rules say of a call that has shown this much. `may_keep` tells whether a rule is
    /// still in force: not over, and not at its calls of a day.
    #[must_use]
    pub fn decide(&self, shown: &Shown, phase: Phase, may_keep: impl Fn(u16) -> bool) -> Decision {
        let mut matters = Ranks::default();
        for test in shown.iter() {
            self.users[usize::from(test)].iter().for_each(|&rank| matters.insert(rank));
        }
        self.standing[phase as usize].iter().for_each(|&rank| matters.insert(rank));
        let mut decision = Decision::default();
        let mut may_be_skipped = false;
        let mut first_late = self.first_late[phase as usize];
        for (rank, compiled) in matters.iter().filter_map(|rank| Some((rank, self.compiled(rank)?)))
        {
            if !may_keep(rank) {
                continue;
            }
            let value = compiled.tree.value(&self.kinds, &|test| shown.has(test), phase);
            match (compiled.numbered.rule.action, value) {
                (_, Value::False) => {}
                (Action::Skip, Value::True) => {
                    first_late = first_late.filter(|&late| late < rank);
                    break;
                }
                (Action::Skip, _) => may_be_skipped = true,
                (Action::Keep(_), Value::Late) => {
                    first_late = Some(first_late.map_or(rank, |late| late.min(rank)));
                }
                (Action::Keep(keep), value) => {
                    decision.hold = decision.hold.and(keep);
                    if value == Value::True && !may_be_skipped {
                        decision.keep = decision.keep.and(keep);
                        decision.rule = decision.rule.or(Some(rank));
                    }
                }
            }
        }
        decision.may_come = first_late.is_some();
        decision
    }
}

/// A set of rules by rank.
#[derive(Default)]
struct Ranks([u64; MAX_RULES.div_ceil(64)]);

impl Ranks {
    fn insert(&mut self, rank: u16) {
        if let Some(word) = self.0.get_mut(usize::from(rank / 64)) {
            *word |= 1 << (rank % 64);
        }
    }

    fn iter(&self) -> impl Iterator<Item = u16> {
        (0_u16..).zip(self.0).flat_map(|(place, word)| {
            let mut left = word;
            core::iter::from_fn(move || {
                let bit = left.trailing_zeros();
                left &= left.checked_sub(1)?;
                u16::try_from(bit).ok().map(|bit| place * 64 + bit)
            })
        })
    }
}
