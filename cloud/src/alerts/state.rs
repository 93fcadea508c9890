//! When an alert opens and when it closes: one step at a time, no clock, no database.
//!
//! ```text
//!             bad                        good (or nothing to tell) for the hold
//!   closed ─────────► open ──────────────────────────────────────────► closed
//!                      │  ▲
//!       a person has    ▼  │ bad again, or between threshold and margin: the hold begins anew
//!       seen it   acknowledged
//! ```

use ringside_protocol::time::{MICROS_PER_SECOND, UnixMicros};

/// How a rule's value stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Beyond the threshold, in as many windows as the rule asks for.
    Bad,
    /// Not bad, and not so good that an alert may close.
    Between,
    /// Better than the threshold by the margin.
    Good,
    /// Too few calls, or nothing known.
    Untold,
}

/// What follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing.
    Stay,
    /// An alert opens.
    Open,
    /// The alert closes: it has been good for long enough.
    Recovered,
    /// The alert closes: for long there was nothing to tell.
    Faded,
}

/// How long a value must be good before an alert closes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hold {
    /// Seconds of good.
    pub good: u64,
    /// Seconds of nothing to tell.
    pub untold: u64,
}

/// What is remembered between two looks. After a restart a hold begins anew.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Watch {
    good_since: Option<UnixMicros>,
    untold_since: Option<UnixMicros>,
}

impl Watch {
    /// Takes the newest verdict.
    pub fn look(&mut self, is_open: bool, verdict: Verdict, hold: Hold, now: UnixMicros) -> Step {
        let has_lasted = |since: Option<UnixMicros>, seconds: u64| {
            since.is_some_and(|since| now.since(since) >= seconds * MICROS_PER_SECOND)
        };
        match verdict {
            Verdict::Bad => {
                *self = Self::default();
                if is_open { Step::Stay } else { Step::Open }
            }
            Verdict::Between => {
                *self = Self::default();
                Step::Stay
            }
            Verdict::Good => {
                self.untold_since = None;
                self.good_since.get_or_insert(now);
                if is_open && has_lasted(self.good_since, hold.good) {
                    Step::Recovered
                } else {
                    Step::Stay
                }
            }
            Verdict::Untold => {
                self.good_since = None;
                self.untold_since.get_or_insert(now);
                if is_open && has_lasted(self.untold_since, hold.untold) {
                    Step::Faded
                } else {
                    Step::Stay
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOLD: Hold = Hold { good: 120, untold: 600 };

    fn at(seconds: u64) -> UnixMicros {
        UnixMicros(1_000_000_000 + seconds * MICROS_PER_SECOND)
    }

    #[test]
    fn it_opens_at_once_and_closes_after_the_hold() {
        let mut watch = Watch::default();
        assert_eq!(watch.look(false, Verdict::Bad, HOLD, at(0)), Step::Open);
        assert_eq!(watch.look(true, Verdict::Bad, HOLD, at(30)), Step::Stay);
        assert_eq!(watch.look(true, Verdict::Good, HOLD, at(60)), Step::Stay);
        assert_eq!(watch.look(true, Verdict::Good, HOLD, at(179)), Step::Stay);
        assert_eq!(watch.look(true, Verdict::Good, HOLD, at(180)), Step::Recovered);
        assert_eq!(watch.look(false, Verdict::Good, HOLD, at(210)), Step::Stay);
    }

    #[test]
    fn a_value_that_trembles_about_the_threshold_keeps_one_alert_open() {
        let mut watch = Watch::default();
        let mut opened = 0;
        let mut is_open = false;
        for turn in 0..100 {
            let verdict = if turn % 2 == 0 { Verdict::Bad } else { Verdict::Good };
            match watch.look(is_open, verdict, HOLD, at(turn * 30)) {
                Step::Open => (opened, is_open) = (opened + 1, true),
                Step::Recovered | Step::Faded => is_open = false,
                Step::Stay => {}
            }
        }
        assert_eq!((opened, is_open), (1, true));
    }

    #[test]
    fn between_threshold_and_margin_the_hold_begins_anew() {
        let mut watch = Watch::default();
        watch.look(true, Verdict::Good, HOLD, at(0));
        assert_eq!(watch.look(true, Verdict::Between, HOLD, at(100)), Step::Stay);
        assert_eq!(watch.look(true, Verdict::Good, HOLD, at(130)), Step::Stay);
        assert_eq!(watch.look(true, Verdict::Good, HOLD, at(250)), Step::Recovered);
    }

    #[test]
    fn an_alert_of_which_nothing_can_be_told_fades() {
        let mut watch = Watch::default();
        assert_eq!(watch.look(false, Verdict::Untold, HOLD, at(0)), Step::Stay);
        assert_eq!(watch.look(true, Verdict::Untold, HOLD, at(599)), Step::Stay);
        assert_eq!(watch.look(true, Verdict::Untold, HOLD, at(600)), Step::Faded);
    }
}
