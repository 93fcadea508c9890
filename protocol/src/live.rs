//! Calls in progress, as a heartbeat carries them: how many are how good, and the worst of them.

use serde::{Deserialize, Serialize};

use crate::band::Band;
use crate::time::UnixMicros;

/// Calls that a heartbeat names, at most.
pub const MAX_LIVE_CALLS: usize = 20;

/// All calls in progress at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Live {
    /// The moment, by the packets' time; `None` before the first look.
    pub at: Option<UnixMicros>,
    /// Calls whose worst direction is [`Band::Degraded`].
    pub degraded: u16,
    /// Calls whose worst direction is [`Band::Fair`].
    pub fair: u16,
    /// Calls whose worst direction is [`Band::Good`].
    pub good: u16,
    /// Calls without a MOS: not answered yet, no media yet, or a codec without published values.
    pub unrated: u16,
    /// At most [`MAX_LIVE_CALLS`]: the lowest MOS first, then those without one, the oldest first.
    pub worst: Vec<LiveCall>,
    /// Calls whose worst direction is [`Band::Excellent`].
    pub excellent: u16,
}

impl Live {
    /// How many calls are in a band; `None` is those without a MOS.
    pub const fn count_mut(&mut self, band: Option<Band>) -> &mut u16 {
        match band {
            Some(Band::Degraded) => &mut self.degraded,
            Some(Band::Fair) => &mut self.fair,
            Some(Band::Good) => &mut self.good,
            Some(Band::Excellent) => &mut self.excellent,
            // Who hears nothing is known at the call's end.
            Some(Band::NoAudio) | None => &mut self.unrated,
        }
    }
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
    /// MOS of the worst direction with an adaptive jitter buffer, 1/100; `None` where there is none.
    pub mos: Option<u16>,
    /// Sequence numbers that should have come in that direction …
    pub expected: u32,
    /// … and those that did not.
    pub lost: u32,
    /// Greatest interarrival jitter of that direction, microseconds.
    pub jitter_max: Option<u32>,
    /// The sensor itself missed packets of it.
    pub is_unreliable: bool,
    /// The caller's display name.
    pub caller_display: String,
    /// The callee's.
    pub callee_display: String,
}
