//! How good a call sounded, in one word: the bands of every list, figure, filter and table.

use crate::cdr::{Cdr, flags};

/// A MOS above this is excellent, 1/100.
pub const MOS_GOOD: u16 = 420;
/// A MOS at or below this is fair, 1/100.
pub const MOS_FAIR: u16 = 360;
/// A MOS at or below this is degraded, 1/100.
pub const MOS_DEGRADED: u16 = 300;

/// Any of these and somebody heard nothing, whatever the MOS of what flowed …
pub const NO_AUDIO: u32 = flags::ONE_WAY | flags::NO_MEDIA | flags::SILENT;
/// … unless only the mirror port did not show it.
pub const UNLESS: u32 = flags::UNSEEN_MEDIA;

/// A band, the worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Band {
    /// One way, no media, or silent: a MOS says nothing about it.
    NoAudio,
    /// At most [`MOS_DEGRADED`].
    Degraded,
    /// At most [`MOS_FAIR`].
    Fair,
    /// At most [`MOS_GOOD`].
    Good,
    /// Above.
    Excellent,
}

impl Band {
    /// Every band, the worst first.
    pub const ALL: [Self; 5] =
        [Self::NoAudio, Self::Degraded, Self::Fair, Self::Good, Self::Excellent];

    /// Of a MOS, 1/100.
    #[must_use]
    pub const fn of_mos(mos: u16) -> Self {
        if mos <= MOS_DEGRADED {
            Self::Degraded
        } else if mos <= MOS_FAIR {
            Self::Fair
        } else if mos <= MOS_GOOD {
            Self::Good
        } else {
            Self::Excellent
        }
    }

    /// Of a call with these flags and the MOS of its worst direction, 1/100; `None` where nothing
    /// can be said.
    #[must_use]
    pub const fn of_call(is_answered: bool, flags: u32, mos: Option<u16>) -> Option<Self> {
        if is_answered && flags & NO_AUDIO != 0 && flags & UNLESS == 0 {
            return Some(Self::NoAudio);
        }
        match mos {
            Some(mos) => Some(Self::of_mos(mos)),
            None => None,
        }
    }

    /// Of a record.
    #[must_use]
    pub fn of(cdr: &Cdr) -> Option<Self> {
        let mos = cdr.worst(|stream| stream.adaptive).map(|(score, _)| score.mos);
        Self::of_call(cdr.answered.is_some(), cdr.flags, mos)
    }

    /// As JSON and filters write it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::NoAudio => "no_audio",
            Self::Degraded => "degraded",
            Self::Fair => "fair",
            Self::Good => "good",
            Self::Excellent => "excellent",
        }
    }
}

/// Why a call with these flags is [`Band::NoAudio`].
#[must_use]
pub const fn why_no_audio(set: u32) -> &'static str {
    if set & flags::NO_MEDIA != 0 {
        "no media"
    } else if set & flags::ONE_WAY != 0 {
        "one way"
    } else {
        "silent"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bands_close_at_their_upper_edge() {
        let edges = [100, 300, 301, 360, 361, 420, 421, 450].map(|mos| Band::of_mos(mos).name());
        let expected =
            ["degraded", "degraded", "fair", "fair", "good", "good", "excellent", "excellent"];
        assert_eq!(edges, expected);
    }

    #[test]
    fn a_call_that_somebody_did_not_hear_is_never_good() {
        for flag in [flags::ONE_WAY, flags::NO_MEDIA, flags::SILENT] {
            assert_eq!(Band::of_call(true, flag | flags::NAT, Some(438)), Some(Band::NoAudio));
        }
        let unseen = flags::ONE_WAY | flags::UNSEEN_MEDIA;
        assert_eq!(Band::of_call(true, unseen, Some(438)), Some(Band::Excellent));
        assert_eq!(Band::of_call(true, 0, None), None);
        let early_media = Band::of_call(false, flags::SILENT, Some(438));
        assert_eq!(early_media, Some(Band::Excellent), "nobody has answered, and so nobody spoke");
    }
}
