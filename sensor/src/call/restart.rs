//! Whether a packet continues a stream or begins another one with the same SSRC and ports: the
//! port used again by a later call, or a sender that started over (RFC 3550 A.1).
//!
//! RFC 3550 asks whether the sequence number is within `MAX_DROPOUT` ahead or `MAX_MISORDER`
//! behind, and wants two packets in sequence before it believes a jump. Time is asked too:
//! numbers cannot run ahead of the clock, and no network holds a packet for long. So a real
//! outage of 300 packets is 6 s long and stays loss, while a jump by 300 within 20 ms is a
//! sender that started over; a call of one second that is made again with the same numbers is
//! not a row of duplicates.

/// Numbers ahead that need no further proof, and numbers behind that reordering may explain.
const MAX_MISORDER: u64 = 100;

/// Numbers ahead that loss may explain; beyond, only if the time that has passed agrees.
const MAX_DROPOUT: u64 = 3000;

/// How long a packet may be held on its way, microseconds.
const MAX_LATENESS: u64 = 1_000_000;

/// How far ahead of the arrival times the numbers may run, microseconds: packets that were held
/// somewhere arrive in a rush.
const MAX_RUSH: u64 = 2_000_000;

/// After this long without a packet, microseconds, one that does not fit begins a new stream at
/// once; before, it takes two in sequence.
pub(super) const RESTART_IDLE: u64 = 1_000_000;

/// Assumed where a stream has not shown its packets' length yet, microseconds.
pub(super) const USUAL_STEP: u64 = 20_000;

/// A packet's place relative to the stream's highest number.
#[derive(Clone, Copy, Debug)]
pub(super) struct Jump {
    /// Numbers ahead; negative: behind.
    pub(super) distance: i32,
    /// Since the last packet, microseconds.
    pub(super) idle: u64,
    /// Length of a packet, microseconds, where known.
    pub(super) step: Option<u64>,
    /// Whether the number is one that the stream still misses.
    pub(super) is_missing: bool,
}

impl Jump {
    /// Whether the stream may simply go on with this packet.
    #[inline]
    pub(super) fn is_plausible(self) -> bool {
        let numbers = u64::from(self.distance.unsigned_abs());
        if self.distance > 0 {
            return numbers <= MAX_MISORDER || self.is_plausible_ahead(numbers);
        }
        let late = self.idle.saturating_add(numbers * self.step.unwrap_or(USUAL_STEP));
        (numbers <= MAX_MISORDER && late <= MAX_LATENESS)
            || (self.is_missing && self.idle < RESTART_IDLE)
    }

    fn is_plausible_ahead(self, numbers: u64) -> bool {
        let Some(step) = self.step else { return numbers < MAX_DROPOUT };
        let sent = numbers * step;
        sent <= self.idle + MAX_RUSH
            && (numbers < MAX_DROPOUT || sent + sent / 4 + MAX_RUSH >= self.idle)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plausible(distance: i32, idle_ms: u64, is_missing: bool) -> bool {
        Jump { distance, idle: idle_ms * 1000, step: Some(20_000), is_missing }.is_plausible()
    }

    #[test]
    fn what_a_stream_does_is_plausible() {
        assert!(plausible(1, 20, false), "the next packet");
        assert!(plausible(1, 3_600_000, false), "after an hour of silence");
        assert!(plausible(100, 20, false), "loss");
        assert!(plausible(300, 6_000, false), "an outage of 6 s");
        assert!(plausible(5_000, 100_000, false), "an outage of 100 s");
        assert!(plausible(-3, 5, true), "reordering");
        assert!(plausible(0, 1, false), "a duplicate");
        assert!(plausible(-80, 5, true), "1.6 s late, but missing still");
    }

    #[test]
    fn what_a_stream_cannot_do_is_not() {
        assert!(!plausible(300, 20, false), "6 s of packets within 20 ms");
        assert!(!plausible(10_000, 20, false), "the sender started over");
        assert!(!plausible(5_000, 3_600_000, false), "100 s of packets in an hour");
        assert!(!plausible(-1299, 1_200, false), "the next call, same numbers");
        assert!(!plausible(-60, 20, false), "1.2 s late and a duplicate");
        assert!(!plausible(-49, 5_000, false), "a short call, made again");
        assert!(!plausible(-30_000, 20, false), "a jump back");
    }

    #[test]
    fn without_a_known_packet_length_rfc_3550_s_limits_hold() {
        let plausible = |distance| {
            Jump { distance, idle: 20_000, step: None, is_missing: false }.is_plausible()
        };
        assert!(plausible(2999) && plausible(-48));
        assert!(!plausible(3000) && !plausible(-101));
    }
}
