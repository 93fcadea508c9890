//! Two slots, of which one always runs: the state machine behind every upgrade.
//!
//! A *slot* holds something that can be started: a binary on a plain host, kernel and root on a
//! box. An upgrade fills the slot that does not run, starts it on trial, and keeps it only when it
//! has proved its [`health`]. The machine does no I/O: a caller loads [`Slots`], hands over what
//! has happened, and stores them before it does anything else.
//!
//! ```text
//!                  InstallBegun            Installed
//!   any state ------------------> Empty --------------> OnTrial --Healthy--> Good
//!                                                          |                  |
//!                                                          | Unhealthy, or    | tries used up, and
//!                                                          | tries used up    | the other one runs
//!                                                          v                  v
//!                                                         Bad <---------------+
//! ```
//!
//! The variables are RAUC's for GRUB (<https://rauc.readthedocs.io>, "GRUB"), and one of our own:
//!
//! | variable | holds |
//! | --- | --- |
//! | `ORDER` | the slots that hold something, the one to start first: `A`, `B`, `A B` or `B A` |
//! | `A_OK`, `B_OK` | 1 when the slot may be started |
//! | `A_TRY`, `B_TRY` | starts since the slot was last known to work |
//! | `TRIAL` | the slot that has not proved itself yet, or `-` |
//!
//! A boot loader needs no arithmetic. It takes the first slot of `ORDER`
//! with `OK` = 1 and `TRY` < [`MAX_TRIES`], counts that one's `TRY` up, and stores the variables
//! before it starts the slot. When there is none it sets every `TRY` to 0 and every `OK` to 1, a slot
//! that was bad being on trial again, and takes the first of `ORDER`. [`Slots::start`] is that rule,
//! and [`GRUB_CHOICE`] is the rule in GRUB's language.
//!
//! What holds, whatever happens and wherever power is cut (`slot/proptests.rs`):
//!
//! * a slot that holds something and once worked can always be started, and is after at most
//!   [`MAX_TRIES`] starts of the other one;
//! * a slot that holds nothing, or half of something, is never started.

use core::fmt;
use core::str::FromStr;

pub mod block;
pub mod health;
#[cfg(test)]
mod proptests;
pub mod tryboot;

/// Starts of a slot without a sign that it works, after which it is passed over.
pub const MAX_TRIES: u8 = 3;

/// The boot loader's rule in GRUB's language, for a `grub.cfg`; its first lines say how to use it.
pub const GRUB_CHOICE: &str = include_str!("slot/choose.grub");

/// One of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Slot {
    /// The first; a new device runs from it.
    A,
    /// The second.
    B,
}

impl Slot {
    /// Both.
    pub const ALL: [Self; 2] = [Self::A, Self::B];

    /// The one that this is not.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }

    /// `A` or `B`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::A => "A",
            Self::B => "B",
        }
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Slot {
    type Err = UnknownSlot;

    fn from_str(text: &str) -> Result<Self, UnknownSlot> {
        match text {
            "A" => Ok(Self::A),
            "B" => Ok(Self::B),
            _ => Err(UnknownSlot),
        }
    }
}

/// A text that names no slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownSlot;

impl fmt::Display for UnknownSlot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a slot is A or B")
    }
}

impl core::error::Error for UnknownSlot {}

/// Where a slot stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It holds nothing that could be started.
    Empty,
    /// It has proved itself.
    Good {
        /// Starts since it was last known to work.
        tries: u8,
    },
    /// It is new and has yet to prove itself.
    OnTrial {
        /// Starts that it may still be given.
        tries_left: u8,
    },
    /// It has failed, and is not started again.
    Bad,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("empty"),
            Self::Good { .. } => f.write_str("good"),
            Self::OnTrial { tries_left } => write!(f, "on trial, {tries_left} tries left"),
            Self::Bad => f.write_str("bad"),
        }
    }
}

/// Something that has happened, as the program in slot `running` knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The other slot is about to be overwritten.
    InstallBegun,
    /// The other slot has been written, checked and synced: it is to be tried.
    Installed,
    /// The running slot has started what it is there for. That is enough for one that has proved
    /// itself before, whatever the network does; one on trial needs [`Event::Healthy`].
    Up,
    /// The running slot is healthy.
    Healthy,
    /// The running slot did not become healthy in time, or has ended.
    Unhealthy,
}

/// What an event has decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The running slot goes on.
    Stay,
    /// The running slot has proved itself, and is the one to start from now on.
    Proved,
    /// Start this slot now.
    Switch(Slot),
    /// The running slot goes on; the other one, which stood before it, is bad from now on: its
    /// tries were used up.
    FellBack,
}

/// Why an event is refused; nothing has changed then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The running slot has not proved itself, so the other one must stay.
    OnTrial,
    /// Nothing was being installed.
    NothingInstalled,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OnTrial => {
                "the last upgrade has not proved itself yet: wait until it has, or has been put \
                 back, and upgrade then"
            }
            Self::NothingInstalled => "no install was begun: install the upgrade again",
        })
    }
}

impl core::error::Error for Refusal {}

/// What is known of one slot that holds something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Mark {
    ok: bool,
    tries: u8,
}

impl Mark {
    const FRESH: Self = Self { ok: true, tries: 0 };
    const EMPTY: Self = Self { ok: false, tries: 0 };

    const fn is_runnable(self) -> bool {
        self.ok && self.tries < MAX_TRIES
    }
}

/// Both slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slots {
    /// The slot to start first. It always holds something.
    first: Slot,
    /// Whether the other slot holds something, too.
    has_second: bool,
    marks: [Mark; 2],
    trial: Option<Slot>,
}

impl Default for Slots {
    /// Where the variables are lost: both slots are tried, `A` first. (One that holds nothing cannot
    /// be loaded, and the loader goes on to the other.)
    fn default() -> Self {
        Self { first: Slot::A, has_second: true, marks: [Mark::FRESH; 2], trial: None }
    }
}

impl Slots {
    /// A new device: `A` is good, `B` holds nothing.
    #[must_use]
    pub const fn fresh() -> Self {
        Self::only(Slot::A)
    }

    /// `slot` is good, the other one holds nothing.
    #[must_use]
    pub const fn only(slot: Slot) -> Self {
        let mut marks = [Mark::EMPTY; 2];
        marks[slot as usize] = Mark::FRESH;
        Self { first: slot, has_second: false, marks, trial: None }
    }

    /// Where a slot stands.
    #[must_use]
    pub fn state(&self, slot: Slot) -> State {
        let Mark { ok, tries } = self.mark(slot);
        if !self.holds_something(slot) {
            State::Empty
        } else if !ok {
            State::Bad
        } else if self.trial == Some(slot) {
            State::OnTrial { tries_left: MAX_TRIES.saturating_sub(tries) }
        } else {
            State::Good { tries }
        }
    }

    /// The slot on trial.
    #[must_use]
    pub const fn on_trial(&self) -> Option<Slot> {
        self.trial
    }

    /// The slots that hold something, the one to start first.
    pub fn order(&self) -> impl Iterator<Item = Slot> {
        let second = self.has_second.then(|| self.first.other());
        core::iter::once(self.first).chain(second)
    }

    /// The slot that would be started now.
    #[must_use]
    pub fn next(&self) -> Slot {
        self.order().find(|&slot| self.mark(slot).is_runnable()).unwrap_or(self.first)
    }

    /// The boot loader's rule: which slot to start now. The start is counted.
    pub fn start(&mut self) -> Slot {
        if !self.order().any(|slot| self.mark(slot).is_runnable()) {
            // Nothing is left to try: everything is worth another try.
            for slot in self.order().collect::<Vec<_>>() {
                if !self.mark(slot).ok {
                    self.trial = Some(slot);
                }
                *self.mark_mut(slot) = Mark::FRESH;
            }
        }
        let slot = self.next();
        self.mark_mut(slot).tries += 1;
        slot
    }

    /// Takes in what has happened while `running` ran.
    ///
    /// # Errors
    /// Every [`Refusal`].
    pub fn handle(&mut self, running: Slot, event: Event) -> Result<Decision, Refusal> {
        let other = running.other();
        // That it runs is proof enough that it holds something.
        self.hold(running);
        let is_on_trial = self.trial == Some(running);
        match event {
            Event::InstallBegun if is_on_trial => Err(Refusal::OnTrial),
            Event::InstallBegun => {
                self.empty(other);
                *self.mark_mut(running) = Mark::FRESH;
                Ok(Decision::Stay)
            }
            Event::Installed if self.holds_something(other) => Err(Refusal::NothingInstalled),
            Event::Installed => {
                *self.mark_mut(other) = Mark::FRESH;
                (self.first, self.has_second, self.trial) = (other, true, Some(other));
                Ok(Decision::Switch(other))
            }
            Event::Up if is_on_trial => Ok(Decision::Stay),
            Event::Up => Ok(self.works(running)),
            Event::Healthy if is_on_trial => {
                self.trial = None;
                self.works(running);
                Ok(Decision::Proved)
            }
            Event::Healthy => Ok(self.works(running)),
            Event::Unhealthy if is_on_trial => Ok(self.fails(running)),
            // A network that is away is no reason to leave a slot that has proved itself.
            Event::Unhealthy => Ok(Decision::Stay),
        }
    }

    /// The slot runs and has proved itself. If it is here because the other one's tries were used
    /// up, that one is bad.
    fn works(&mut self, running: Slot) -> Decision {
        *self.mark_mut(running) = Mark::FRESH;
        let other = running.other();
        let Mark { ok, tries } = self.mark(other);
        if self.first == running {
            if self.trial == Some(other) {
                // It was bad, and got another try only because this one had none left.
                self.fails(other);
            }
            return Decision::Stay;
        }
        // One on trial may have been passed over after a single start: it could not be loaded.
        let limit = if self.trial == Some(other) { 1 } else { MAX_TRIES };
        if !ok || tries < limit {
            return Decision::Stay;
        }
        self.fails(other);
        Decision::FellBack
    }

    /// The slot is bad, unless nothing else could be started.
    fn fails(&mut self, slot: Slot) -> Decision {
        let other = slot.other();
        if !self.holds_something(other) {
            return Decision::Stay;
        }
        self.trial = None;
        self.mark_mut(slot).ok = false;
        *self.mark_mut(other) = Mark::FRESH;
        self.first = other;
        Decision::Switch(other)
    }

    fn holds_something(&self, slot: Slot) -> bool {
        self.has_second || self.first == slot
    }

    fn hold(&mut self, slot: Slot) {
        if !self.holds_something(slot) {
            self.has_second = true;
            *self.mark_mut(slot) = Mark::FRESH;
        }
    }

    fn empty(&mut self, slot: Slot) {
        (self.first, self.has_second) = (slot.other(), false);
        *self.mark_mut(slot) = Mark::EMPTY;
        self.trial = self.trial.filter(|&trial| trial != slot);
    }

    const fn mark(&self, slot: Slot) -> Mark {
        self.marks[slot as usize]
    }

    const fn mark_mut(&mut self, slot: Slot) -> &mut Mark {
        &mut self.marks[slot as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `A` runs and has proved itself, `B` was installed.
    fn installed() -> Slots {
        let mut slots = Slots::fresh();
        assert_eq!(slots.start(), Slot::A);
        assert_eq!(slots.handle(Slot::A, Event::Up), Ok(Decision::Stay));
        assert_eq!(slots.handle(Slot::A, Event::InstallBegun), Ok(Decision::Stay));
        assert_eq!(slots.handle(Slot::A, Event::Installed), Ok(Decision::Switch(Slot::B)));
        slots
    }

    #[test]
    fn a_new_device_starts_a_and_never_the_empty_slot() {
        let mut slots = Slots::fresh();
        for _ in 0..20 {
            assert_eq!(slots.start(), Slot::A);
        }
        assert_eq!(slots.state(Slot::B), State::Empty);
    }

    #[test]
    fn a_slot_that_is_healthy_stays() {
        let mut slots = installed();
        assert_eq!(slots.start(), Slot::B);
        assert_eq!(slots.state(Slot::B), State::OnTrial { tries_left: MAX_TRIES - 1 });
        assert_eq!(slots.handle(Slot::B, Event::Up), Ok(Decision::Stay));
        assert_eq!(slots.on_trial(), Some(Slot::B), "that it is up is not enough");
        assert_eq!(slots.handle(Slot::B, Event::Healthy), Ok(Decision::Proved));
        assert_eq!(slots.state(Slot::B), State::Good { tries: 0 });
        assert_eq!(slots.state(Slot::A), State::Good { tries: 0 });
        assert_eq!(slots.next(), Slot::B);
    }

    #[test]
    fn a_slot_that_is_not_healthy_gives_way_to_the_old_one() {
        let mut slots = installed();
        assert_eq!(slots.start(), Slot::B);
        assert_eq!(slots.handle(Slot::B, Event::Unhealthy), Ok(Decision::Switch(Slot::A)));
        assert_eq!(slots.state(Slot::B), State::Bad);
        assert_eq!(slots.start(), Slot::A);
        assert_eq!(slots.handle(Slot::A, Event::Up), Ok(Decision::Stay));
        assert_eq!(slots.state(Slot::A), State::Good { tries: 0 });
    }

    #[test]
    fn a_slot_that_never_says_anything_is_tried_three_times() {
        let mut slots = installed();
        for _ in 0..MAX_TRIES {
            assert_eq!(slots.start(), Slot::B);
        }
        assert_eq!(slots.start(), Slot::A);
        assert_eq!(slots.handle(Slot::A, Event::Up), Ok(Decision::FellBack));
        assert_eq!(slots.state(Slot::B), State::Bad);
        assert_eq!(slots.handle(Slot::A, Event::Up), Ok(Decision::Stay), "told once");
    }

    /// A loader that cannot read a slot's kernel goes on to the next without counting to three.
    #[test]
    fn a_slot_on_trial_that_the_loader_passed_over_is_bad() {
        let mut slots = installed();
        assert_eq!(slots.start(), Slot::B);
        assert_eq!(slots.handle(Slot::A, Event::Up), Ok(Decision::FellBack));
        assert_eq!(slots.state(Slot::B), State::Bad);
    }

    #[test]
    fn a_slot_that_waits_for_its_first_start_is_not_given_up() {
        let mut slots = installed();
        assert_eq!(slots.handle(Slot::A, Event::Up), Ok(Decision::Stay));
        assert_eq!(slots.handle(Slot::A, Event::Healthy), Ok(Decision::Stay));
        assert_eq!(slots.start(), Slot::B);
    }

    #[test]
    fn a_proved_slot_outlives_any_time_without_network() {
        let mut slots = installed();
        slots.start();
        slots.handle(Slot::B, Event::Healthy).expect("it runs");
        for _ in 0..20 {
            assert_eq!(slots.start(), Slot::B);
            assert_eq!(slots.handle(Slot::B, Event::Up), Ok(Decision::Stay));
            assert_eq!(slots.handle(Slot::B, Event::Unhealthy), Ok(Decision::Stay));
        }
    }

    #[test]
    fn a_proved_slot_that_no_longer_starts_gives_way_to_the_other() {
        let mut slots = installed();
        slots.start();
        slots.handle(Slot::B, Event::Healthy).expect("it runs");
        for _ in 0..MAX_TRIES {
            assert_eq!(slots.start(), Slot::B);
        }
        assert_eq!(slots.start(), Slot::A);
        assert_eq!(slots.handle(Slot::A, Event::Up), Ok(Decision::FellBack));
        assert_eq!(slots.next(), Slot::A);
    }

    #[test]
    fn when_all_tries_are_used_up_they_begin_anew() {
        let mut slots = installed();
        for _ in 0..2 * MAX_TRIES {
            slots.start();
        }
        assert_eq!(slots.start(), Slot::B);
    }

    /// Power that comes and goes uses up the tries of a slot that works, too.
    #[test]
    fn a_bad_slot_that_gets_another_try_is_on_trial_again() {
        let mut slots = installed();
        slots.start();
        slots.handle(Slot::B, Event::Unhealthy).expect("it runs");
        for _ in 0..2 * MAX_TRIES {
            assert_eq!(slots.start(), Slot::A);
        }
        let mut back = slots;
        assert_eq!(back.handle(Slot::A, Event::Up), Ok(Decision::Stay));
        assert_eq!(back.state(Slot::B), State::Bad, "A works after all");
        assert_eq!(slots.start(), Slot::B);
        assert_eq!(slots.handle(Slot::B, Event::Unhealthy), Ok(Decision::Switch(Slot::A)));
        assert_eq!(slots.start(), Slot::A);
    }

    #[test]
    fn a_slot_on_trial_may_not_overwrite_the_proved_one() {
        let mut slots = installed();
        slots.start();
        let before = slots;
        assert_eq!(slots.handle(Slot::B, Event::InstallBegun), Err(Refusal::OnTrial));
        assert_eq!(slots, before);
        assert!(Refusal::OnTrial.to_string().contains("wait until it has"));
    }

    #[test]
    fn an_install_that_was_not_begun_or_was_cut_short_is_not_started() {
        let mut slots = Slots::default();
        assert_eq!(slots.handle(Slot::A, Event::Installed), Err(Refusal::NothingInstalled));
        assert_eq!(slots.handle(Slot::A, Event::InstallBegun), Ok(Decision::Stay));
        for _ in 0..20 {
            assert_eq!(slots.start(), Slot::A);
        }
    }

    #[test]
    fn an_upgrade_may_be_replaced_by_another_before_it_is_tried() {
        let mut slots = installed();
        assert_eq!(slots.handle(Slot::A, Event::InstallBegun), Ok(Decision::Stay));
        assert_eq!(slots.on_trial(), None);
        assert_eq!(slots.next(), Slot::A);
        assert_eq!(slots.handle(Slot::A, Event::Installed), Ok(Decision::Switch(Slot::B)));
    }
}
