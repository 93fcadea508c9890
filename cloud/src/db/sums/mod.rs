//! Sums of calls: kept in the transaction that keeps the records, read by the overview.
//!
//! A sum counts records, as lists do: of a call that several sensors see each one's. Days of a
//! schema that had no sums are added up in the background (`rebuild.rs`).

mod channels;
mod read;
mod rebuild;
mod tally;
pub mod trouble;

pub(super) use self::channels::sample;
pub use self::channels::{Channels, channels};
pub use self::read::{by_sensor, over_time};
pub(super) use self::rebuild::note_unsummed;
pub(super) use self::tally::{Seen, Tally};
use super::calls::Row;
use super::cdrs::ended_by;
use super::stats::Counts;
use super::{Db, Result, params, stored_time};
use ringside_protocol::band::Band;
use ringside_protocol::cdr::{EndedBy, flags};
use ringside_protocol::time::{MICROS_PER_SECOND, UnixMicros};

/// Microseconds of the shortest time that is summed: 5 minutes.
pub const SLOT: u64 = 300 * MICROS_PER_SECOND;

/// A longer delay counts as one of so long, microseconds: Timer C (RFC 3261 §16.6) and a minute.
const MAX_DELAY_US: u64 = 240 * MICROS_PER_SECOND;

/// Final responses that say something of the caller or the callee, and not of the network: what
/// asks for another request, and who was busy, away or would not (RFC 6076 §4.7).
const NO_FAULT: &[i64] = &[401, 402, 407, 480, 486, 487, 600, 603];

/// What a filter says of the calls that [`failed`] accepts.
pub const FAILED_FILTER: &[(&str, &str)] = &[
    ("answered", "false"),
    ("ended_by", "rejected,timeout"),
    ("flag", "!joined_late"),
    ("status", "!3xx,401,402,407,480,486,487,600,603"),
];

/// What a filter says of the calls that [`sounded_bad`] accepts.
pub const BAD_AUDIO_FILTER: &[(&str, &str)] = &[("band", "no_audio,degraded")];

/// What the calls of a time add up to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    /// As other figures count them.
    pub counts: Counts,
    /// Not answered, and for no reason of the caller's or the callee's.
    pub failed: u64,
    /// Sum of the session request delays (RFC 6076 §4.3), microseconds.
    pub delay_us: u64,
    /// Calls that have one.
    pub delay_calls: u64,
}

/// Whether a call was not answered although neither side wanted that. One whose beginning was not
/// seen may have been answered, and one that the capture's end cut off might have been.
#[must_use]
pub fn failed(row: &Row<'_>) -> bool {
    let is_fault = |code: i64| !(300..400).contains(&code) && !NO_FAULT.contains(&code);
    let is_over = [EndedBy::Rejected, EndedBy::Timeout]
        .into_iter()
        .any(|way| row.ended_by == i64::from(ended_by(way)));
    !row.answered
        && is_over
        && row.flags & flags::JOINED_LATE == 0
        && row.status_code.is_none_or(is_fault)
}

/// Whether somebody heard nothing, or badly.
#[must_use]
pub fn sounded_bad(row: &Row<'_>) -> bool {
    let mos = row.mos.and_then(|mos| u16::try_from(mos).ok());
    let band = Band::of_call(row.answered, row.flags, mos);
    matches!(band, Some(Band::NoAudio | Band::Degraded))
}

/// The columns of sums, in the order of [`Sums::values`].
const COLUMNS: [&str; 18] = [
    "calls",
    "answered",
    "duration_us",
    "excellent",
    "good",
    "fair",
    "degraded",
    "no_audio",
    "unrated",
    "mos_sum",
    "mos_calls",
    "redirected",
    "callee_refused",
    "ineffective",
    "cancelled",
    "failed",
    "delay_us",
    "delay_calls",
];

impl Sums {
    /// Of one call, with its session request delay in microseconds.
    fn of(row: &Row<'_>, delay: Option<u64>) -> Self {
        Self {
            counts: Counts::of(row),
            failed: u64::from(failed(row)),
            delay_us: delay.unwrap_or(0).min(MAX_DELAY_US),
            delay_calls: u64::from(delay.is_some()),
        }
    }

    /// Both together.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self {
            counts: self.counts.plus(other.counts),
            failed: self.failed + other.failed,
            delay_us: self.delay_us.saturating_add(other.delay_us),
            delay_calls: self.delay_calls + other.delay_calls,
        }
    }

    /// Calls in which somebody heard nothing, or badly.
    #[must_use]
    pub const fn bad_audio(&self) -> u64 {
        self.counts.no_audio + self.counts.degraded
    }

    const fn values(&self) -> [u64; COLUMNS.len()] {
        let Counts {
            calls,
            answered,
            duration_us,
            excellent,
            good,
            fair,
            degraded,
            no_audio,
            unrated,
            mos_sum,
            mos_calls,
            redirected,
            callee_refused,
            ineffective,
            cancelled,
        } = self.counts;
        [
            calls,
            answered,
            duration_us,
            excellent,
            good,
            fair,
            degraded,
            no_audio,
            unrated,
            mos_sum,
            mos_calls,
            redirected,
            callee_refused,
            ineffective,
            cancelled,
            self.failed,
            self.delay_us,
            self.delay_calls,
        ]
    }

    const fn from_values(values: [u64; COLUMNS.len()]) -> Self {
        let [
            calls,
            answered,
            duration_us,
            excellent,
            good,
            fair,
            degraded,
            no_audio,
            unrated,
            mos_sum,
            mos_calls,
            redirected,
            callee_refused,
            ineffective,
            cancelled,
            failed,
            delay_us,
            delay_calls,
        ] = values;
        let counts = Counts {
            calls,
            answered,
            duration_us,
            excellent,
            good,
            fair,
            degraded,
            no_audio,
            unrated,
            mos_sum,
            mos_calls,
            redirected,
            callee_refused,
            ineffective,
            cancelled,
        };
        Self { counts, failed, delay_us, delay_calls }
    }
}

/// The beginning of the time of `width` microseconds that holds `at`.
#[must_use]
pub const fn begin(at: UnixMicros, width: u64) -> UnixMicros {
    UnixMicros(at.0 - at.0 % width)
}

impl Db {
    /// Forgets the sums of times that began at `until` or before.
    ///
    /// # Errors
    /// The database's.
    pub fn forget_sums(&self, until: UnixMicros) -> Result<()> {
        self.write(|tx| {
            for table in ["call_sums", "channel_use", "trouble", "unsummed"] {
                tx.execute(
                    &format!("DELETE FROM {table} WHERE at <= ?1"),
                    params![stored_time(until)],
                )?;
            }
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests;
