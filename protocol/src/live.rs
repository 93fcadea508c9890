//! Calls in progress, as a heartbeat carries them: how many are how good, and the worst of them.

use serde::{Deserialize, Serialize};

use crate::diagnosis::{MOS_BAD, MOS_FAIR};
use crate::time::UnixMicros;

/// Calls that a heartbeat names, at most.
pub const MAX_LIVE_CALLS: usize = 20;

/// A MOS in the words of the GUI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Band {
    /// At most [`MOS_BAD`].
    Bad,
    /// At most [`MOS_FAIR`].
    Fair,
    /// Above.
    Good,
}

impl Band {
    /// Of a MOS, 1/100.
    #[must_use]
    pub const fn of(mos: u16) -> Self {
        if mos <= MOS_BAD {
            Self::Bad
        } else if mos <= MOS_FAIR {
            Self::Fair
        } else {
            Self::Good
        }
    }
}

/// All calls in progress at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Live {
    /// The moment, by the packets' time; `None` before the first look.
    pub at: Option<UnixMicros>,
    /// Calls whose worst direction is [`Band::Bad`].
    pub bad: u16,
    /// Calls whose worst direction is [`Band::Fair`].
    pub fair: u16,
    /// Calls whose worst direction is [`Band::Good`].
    pub good: u16,
    /// Calls without a MOS: not answered yet, no media yet, or a codec without published values.
    pub unrated: u16,
    /// Of the rated ones the worst, at most [`MAX_LIVE_CALLS`], lowest MOS first.
    pub worst: Vec<LiveCall>,
}

/// One call in progress, with the figures that its record would have if it ended now.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LiveCall {
    /// Its number within the boot.
    pub number: u64,
    /// The caller's user, or host where there is none.
    pub caller: String,
    /// The callee's.
    pub callee: String,
    /// Its first packet.
    pub first_at: UnixMicros,
    /// The first 2xx to INVITE.
    pub answered_at: Option<UnixMicros>,
    /// MOS of the worst direction with an adaptive jitter buffer, 1/100.
    pub mos: u16,
    /// Sequence numbers that should have come in that direction …
    pub expected: u32,
    /// … and those that did not.
    pub lost: u32,
    /// Greatest interarrival jitter of that direction, microseconds.
    pub jitter_max: Option<u32>,
    /// The sensor itself missed packets of it.
    pub is_unreliable: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bands_meet_where_the_diagnosis_has_its_limits() {
        let of = [100, MOS_BAD, MOS_BAD + 1, MOS_FAIR, MOS_FAIR + 1, 450].map(Band::of);
        assert_eq!(of, [Band::Bad, Band::Bad, Band::Fair, Band::Fair, Band::Good, Band::Good]);
    }
}
