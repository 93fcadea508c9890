//! The process's clock: time that never jumps, and how far the wall clock has moved from it.
//!
//! ```text
//!            start                        clock is set
//!  Instant  ---+----------------------------+------------------>   never jumps, never goes back
//!              |  wall clock as it stood    |
//!  wall time --+------------ - - - - - -    +==================>   Instant + offset
//!                                           offset
//! ```
//!
//! [`embassy_time::Instant::now`] counts microseconds since the Unix epoch **by the clock as it
//! stood when the process started**. Frames and calls live on that line. [`WallClock`] tells the
//! present wall time, and by how much a time of that line has to be shifted to be one.

use std::sync::{Arc, OnceLock};
use std::task::Waker;
use std::time::{SystemTime, UNIX_EPOCH};

use embassy_time::Instant;
use embassy_time_driver::Driver;
use ringside_protocol::time::{MICROS_PER_SECOND, UnixMicros};

/// 2026-01-01T00:00:00Z. A clock that shows less has not been set since the board got its power.
pub const EARLIEST_PLAUSIBLE: UnixMicros = UnixMicros(1_767_225_600 * MICROS_PER_SECOND);

/// Offsets below this are the noise of reading two clocks one after the other, not a setting:
/// NTP slews both clocks alike.
pub const SMALLEST_STEP_MICROS: u64 = 500_000;

/// When the process started, by both clocks.
struct Start {
    wall: UnixMicros,
    monotonic: std::time::Instant,
}

static START: OnceLock<Start> = OnceLock::new();

fn start() -> &'static Start {
    START.get_or_init(|| Start { wall: system_time(), monotonic: std::time::Instant::now() })
}

/// Fixes the line that [`Instant`] counts on; the first reading does so too. To be called first
/// thing in `main`.
pub fn init() {
    start();
}

/// The system's wall clock; the epoch where it stands before that.
fn system_time() -> UnixMicros {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixMicros(u64::try_from(since_epoch.as_micros()).unwrap_or(u64::MAX))
}

/// Drives embassy-time from `CLOCK_MONOTONIC`.
struct MonotonicDriver;

impl Driver for MonotonicDriver {
    fn now(&self) -> u64 {
        let start = start();
        let elapsed = u64::try_from(start.monotonic.elapsed().as_micros()).unwrap_or(u64::MAX);
        start.wall.0.saturating_add(elapsed)
    }

    fn schedule_wake(&self, _at: u64, waker: &Waker) {
        // No part of the sensor is async. A wake that comes early is allowed, a lost one is not.
        waker.wake_by_ref();
    }
}

embassy_time_driver::time_driver_impl!(static DRIVER: MonotonicDriver = MonotonicDriver);

/// Both clocks, read at the same moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// On the line that never jumps.
    pub instant: Instant,
    /// What the wall clock shows.
    pub wall: UnixMicros,
}

impl Now {
    /// Whether the wall clock has been set, as far as one can tell.
    #[must_use]
    pub fn is_set(self) -> bool {
        self.wall >= EARLIEST_PLAUSIBLE
    }

    /// Microseconds to add to a time on the [`Instant`] line to get wall time; 0 below
    /// [`SMALLEST_STEP_MICROS`].
    #[must_use]
    pub const fn offset(self) -> i64 {
        let line = self.instant.as_micros();
        if self.wall.0.abs_diff(line) < SMALLEST_STEP_MICROS {
            return 0;
        }
        self.wall.0.wrapping_sub(line).cast_signed()
    }
}

/// `time` moved by `offset` microseconds, within what the type holds.
#[must_use]
pub const fn shifted(time: UnixMicros, offset: i64) -> UnixMicros {
    UnixMicros(time.0.saturating_add_signed(offset))
}

/// Reads both clocks. Cloning is cheap.
#[derive(Clone)]
pub struct WallClock(Arc<dyn Fn() -> Now + Send + Sync>);

impl WallClock {
    /// The system's.
    #[must_use]
    pub fn system() -> Self {
        init();
        Self::reading(|| Now { instant: Instant::now(), wall: system_time() })
    }

    /// One that shows what `read` returns.
    pub fn reading(read: impl Fn() -> Now + Send + Sync + 'static) -> Self {
        Self(Arc::new(read))
    }

    /// Both clocks now.
    #[must_use]
    pub fn now(&self) -> Now {
        (self.0)()
    }
}

impl core::fmt::Debug for WallClock {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_tuple("WallClock").field(&self.now()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(instant_seconds: u64, wall_seconds: u64) -> Now {
        Now {
            instant: Instant::from_secs(instant_seconds),
            wall: UnixMicros(wall_seconds * MICROS_PER_SECOND),
        }
    }

    #[test]
    fn instants_and_the_wall_clock_agree_until_the_clock_is_set() {
        let now = WallClock::system().now();
        assert_eq!(now.offset(), 0);
        assert!(now.is_set(), "the machine that runs the tests knows the time");
    }

    #[test]
    fn instants_never_go_back() {
        let first = Instant::now();
        assert!(Instant::now() >= first);
    }

    #[test]
    fn a_clock_that_was_set_shifts_by_the_difference() {
        let before = at(40, 40);
        assert!(!before.is_set());
        assert_eq!(before.offset(), 0);
        let after = at(60, 1_790_000_060);
        assert!(after.is_set());
        assert_eq!(after.offset(), 1_790_000_000_000_000);
        assert_eq!(
            shifted(UnixMicros(50_000_000), after.offset()),
            UnixMicros(1_790_000_050_000_000)
        );
    }

    #[test]
    fn a_clock_that_was_ahead_shifts_back() {
        let now = at(1_800_000_000, 1_790_000_000);
        assert_eq!(shifted(UnixMicros(1_800_000_000_000_000), now.offset()), now.wall);
        assert_eq!(shifted(UnixMicros(5), -9), UnixMicros(0));
    }

    #[test]
    fn the_noise_of_two_readings_is_no_offset() {
        let mut now = at(1_790_000_000, 1_790_000_000);
        now.wall = now.wall.plus(SMALLEST_STEP_MICROS - 1);
        assert_eq!(now.offset(), 0);
        now.wall = now.wall.plus(1);
        assert_eq!(now.offset(), 500_000);
    }
}
