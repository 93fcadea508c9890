//! The DSCP of a stream's packets: which most have, and whether it changed on the way.

use embassy_time::Instant;
use ringside_protocol::cdr::DscpChange;

/// Packets in a row with another DSCP that are a change: a second. Fewer are telephone events, or a
/// few packets that took another path.
pub(super) const SETTLED: u8 = 50;

/// What a stream's packets were marked with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Marking {
    /// By how many packets `winner` leads ([`super::vote`], packed).
    lead: u32,
    winner: u8,
    /// The newest that lasted.
    present: u8,
    before: u8,
    /// One that may be about to last, and packets in a row that have it.
    candidate: u8,
    run: u8,
    has_changed: bool,
    /// Seconds after the stream's first packet.
    candidate_at: u16,
    changed_at: u16,
}

impl Marking {
    pub(super) const fn new(dscp: u8) -> Self {
        Self {
            lead: 1,
            winner: dscp,
            present: dscp,
            before: dscp,
            candidate: dscp,
            run: 0,
            has_changed: false,
            candidate_at: 0,
            changed_at: 0,
        }
    }

    /// A packet has come at `at`, in a stream whose first came at `first_at`.
    #[inline]
    pub(super) fn see(&mut self, dscp: u8, at: Instant, first_at: Instant) {
        if dscp == self.winner {
            self.lead = self.lead.saturating_add(1);
        } else if self.lead > 0 {
            self.lead -= 1;
        } else {
            (self.winner, self.lead) = (dscp, 1);
        }
        if dscp != self.present {
            self.see_other(dscp, at, first_at);
        } else if self.run != 0 {
            self.run = 0;
        }
    }

    #[cold]
    fn see_other(&mut self, dscp: u8, at: Instant, first_at: Instant) {
        if self.run == 0 || dscp != self.candidate {
            let after = at.saturating_duration_since(first_at).as_secs();
            self.candidate_at = u16::try_from(after).unwrap_or(u16::MAX);
            (self.candidate, self.run) = (dscp, 0);
        }
        self.run += 1;
        if self.run == SETTLED {
            (self.before, self.present, self.run) = (self.present, dscp, 0);
            (self.changed_at, self.has_changed) = (self.candidate_at, true);
        }
    }

    /// The DSCP of most packets.
    pub(super) const fn winner(&self) -> u8 {
        self.winner
    }

    /// The newest change.
    pub(super) fn change(&self) -> Option<DscpChange> {
        let after = u64::from(self.changed_at) * 1_000_000;
        self.has_changed.then_some(DscpChange { from: self.before, to: self.present, after })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs of so many packets of 20 ms with one DSCP each.
    fn of(runs: &[(u8, u32)]) -> Marking {
        let mut marking = Marking::new(runs[0].0);
        let mut now = 0;
        for &(dscp, packets) in runs {
            for _ in 0..packets {
                marking.see(dscp, Instant::from_millis(now), Instant::from_millis(0));
                now += 20;
            }
        }
        marking
    }

    #[test]
    fn a_mark_that_is_lost_after_ten_seconds_is_a_change() {
        let marking = of(&[(46, 500), (0, 100)]);
        let change = DscpChange { from: 46, to: 0, after: 10_000_000 };
        assert_eq!((marking.winner(), marking.change()), (46, Some(change)));
    }

    #[test]
    fn less_than_a_second_is_none() {
        let few = u32::from(SETTLED) - 1;
        assert_eq!(of(&[(46, 500), (0, few), (46, 1), (0, few), (34, few)]).change(), None);
        assert!(of(&[(46, 500), (0, few + 1)]).change().is_some());
    }

    #[test]
    fn of_several_the_newest_is_told() {
        let change = of(&[(46, 100), (0, 100), (46, 100)]).change().unwrap();
        assert_eq!((change.from, change.to, change.after), (0, 46, 4_000_000));
    }

    #[test]
    fn paths_that_take_turns_are_no_change() {
        let turns: Vec<_> = (0..400).map(|turn| (if turn % 2 == 0 { 46 } else { 0 }, 10)).collect();
        assert_eq!(of(&turns).change(), None);
    }
}
