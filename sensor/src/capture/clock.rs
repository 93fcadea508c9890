//! A time line that setting the clock does not bend.
//!
//! libpcap stamps frames with the wall clock, which may be set at any moment: at boot by NTP, later
//! by hand. Analysis counts microseconds since the epoch *by the clock as it stood when the process
//! started*, and from then on as the monotonic clock does.
//!
//! ```text
//! wall clock    ____/‾‾‾‾   set forward by `shift`
//! time line     _________   wall clock - shift
//! ```

use embassy_time::Instant;
use rustix::time::{ClockId, clock_gettime};

/// Both clocks at one moment, in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockReading {
    /// CLOCK_REALTIME: since the epoch, as it is set.
    pub wall_us: u64,
    /// CLOCK_MONOTONIC: since some moment, never set.
    pub monotonic_us: u64,
}

/// How often the clocks are read to get the two close together.
const ATTEMPTS: usize = 5;
/// As close together as that is good enough.
const CLOSE_US: u64 = 20;

impl ClockReading {
    /// Reads both clocks.
    #[must_use]
    pub fn now() -> Self {
        let mut best = Self::read();
        for _ in 1..ATTEMPTS {
            if best.0 <= CLOSE_US {
                break;
            }
            let other = Self::read();
            if other.0 < best.0 {
                best = other;
            }
        }
        best.1
    }

    /// A reading, and how long it took.
    fn read() -> (u64, Self) {
        let before = micros(ClockId::Monotonic);
        let wall_us = micros(ClockId::Realtime);
        let after = micros(ClockId::Monotonic);
        let took = after.saturating_sub(before);
        (took, Self { wall_us, monotonic_us: before + took / 2 })
    }

    /// Wall clock minus monotonic clock.
    const fn offset(self) -> i64 {
        self.wall_us.wrapping_sub(self.monotonic_us).cast_signed()
    }
}

fn micros(clock: ClockId) -> u64 {
    let time = clock_gettime(clock);
    // Neither clock is before its zero: the kernel refuses to set one there.
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    seconds * 1_000_000 + u64::try_from(time.tv_nsec).unwrap_or(0) / 1000
}

/// The clocks when the process started: where the time line begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockStart(ClockReading);

impl ClockStart {
    /// Takes the present moment as the start; `main` does so first of all, once.
    #[must_use]
    pub fn measure() -> Self {
        Self(ClockReading::now())
    }

    /// From a reading taken elsewhere.
    #[must_use]
    pub const fn from_reading(reading: ClockReading) -> Self {
        Self(reading)
    }

    /// The present moment on the time line.
    #[must_use]
    pub fn now(self) -> Instant {
        self.at(micros(ClockId::Monotonic))
    }

    /// How far the clock has been set since the start, in microseconds: time line plus this is the
    /// wall clock.
    #[must_use]
    pub fn shift_us(self) -> i64 {
        ClockReading::now().offset() - self.0.offset()
    }

    /// A moment of the monotonic clock on the time line.
    const fn at(self, monotonic_us: u64) -> Instant {
        let since_start = monotonic_us.saturating_sub(self.0.monotonic_us);
        Instant::from_micros(self.0.wall_us + since_start)
    }
}

/// Changes of the offset below this are the two clocks not being read at the same moment.
const STEP_US: u64 = 1000;
/// How old a frame may be when it is placed: it waited in the kernel's ring.
const MAX_AGE_US: u64 = 5_000_000;
/// How much younger than the last reading a frame may be.
const SLACK_US: u64 = 50_000;

/// Puts the time stamps of one interface on the time line.
#[derive(Clone, Debug)]
pub struct ClockLine {
    start: ClockStart,
    /// How far the clock stands from the time line.
    shift: i64,
    earlier: Option<Earlier>,
}

/// How the clock stood before it was set. Frames stamped by it are still to come.
#[derive(Clone, Copy, Debug)]
struct Earlier {
    shift: i64,
    /// Monotonic time after which none can come.
    until_us: u64,
}

impl ClockLine {
    /// Begins with the clock as it stood at the start.
    #[must_use]
    pub const fn new(start: ClockStart) -> Self {
        Self { start, shift: 0, earlier: None }
    }

    /// Where a frame stamped `wall_us` belongs. `now_wall_us` and `now_monotonic_us` are one
    /// reading of the clocks, taken at about this moment; it may serve for several frames.
    pub fn place(&mut self, wall_us: u64, now_wall_us: u64, now_monotonic_us: u64) -> Instant {
        let now = ClockReading { wall_us: now_wall_us, monotonic_us: now_monotonic_us };
        let shift = now.offset() - self.start.0.offset();
        if shift.abs_diff(self.shift) >= STEP_US {
            let until_us = now_monotonic_us + MAX_AGE_US;
            self.earlier = Some(Earlier { shift: self.shift, until_us });
            self.shift = shift;
        }
        let placed = wall_us.saturating_add_signed(-self.shift);
        let placed = match self.earlier {
            None => placed,
            Some(earlier) if now_monotonic_us > earlier.until_us => {
                self.earlier = None;
                placed
            }
            Some(earlier) => {
                let before_step = wall_us.saturating_add_signed(-earlier.shift);
                let now = self.start.at(now_monotonic_us).as_micros();
                let plausible = now.saturating_sub(MAX_AGE_US)..=now + SLACK_US;
                if !plausible.contains(&placed) && plausible.contains(&before_step) {
                    before_step
                } else {
                    placed
                }
            }
        };
        Instant::from_micros(placed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The process started when the clock said 1 000 s and the machine had run for 50 s.
    const START: ClockStart =
        ClockStart(ClockReading { wall_us: 1_000_000_000, monotonic_us: 50_000_000 });

    /// A clock that is `shift` off the time line.
    struct Wall {
        shift: i64,
    }

    impl Wall {
        fn at(&self, line_us: u64) -> u64 {
            line_us.checked_add_signed(self.shift).expect("small")
        }

        /// Places a frame captured at `frame_us`, `now_us` being the present, both on the line.
        fn place(&self, line: &mut ClockLine, frame_us: u64, now_us: u64) -> u64 {
            let now_monotonic = now_us - 950_000_000;
            line.place(self.at(frame_us), self.at(now_us), now_monotonic).as_micros()
        }
    }

    const SECOND: u64 = 1_000_000;
    const T: u64 = 1_100 * SECOND;

    #[test]
    fn a_clock_that_is_left_alone_is_taken_as_it_is() {
        let mut line = ClockLine::new(START);
        let wall = Wall { shift: 0 };
        assert_eq!(wall.place(&mut line, T, T + 10), T);
        assert_eq!(
            wall.place(&mut line, T + 300_000, T + 10),
            T + 300_000,
            "newer than the reading"
        );
        assert_eq!(Wall { shift: 400 }.place(&mut line, T, T), T + 400, "clocks read apart");
    }

    #[test]
    fn setting_the_clock_moves_no_frame() {
        for shift in [-3_600_000_000_000_i64 / 10_000, 86_400_000_000, 5_500_000, -6_000_000] {
            let mut line = ClockLine::new(START);
            let (before, after) = (Wall { shift: 0 }, Wall { shift });
            assert_eq!(before.place(&mut line, T, T), T);
            assert_eq!(after.place(&mut line, T + SECOND, T + SECOND), T + SECOND, "{shift}");
            let late =
                line.place(before.at(T + 900_000), after.at(T + SECOND), T + SECOND - 950_000_000);
            assert_eq!(late.as_micros(), T + 900_000, "{shift}: stamped before, read after");
            assert_eq!(
                after.place(&mut line, T + 100 * SECOND, T + 100 * SECOND),
                T + 100 * SECOND
            );
        }
    }

    #[test]
    fn a_small_step_misplaces_at_most_what_was_in_flight() {
        let mut line = ClockLine::new(START);
        let after = Wall { shift: 20_000 };
        assert_eq!(after.place(&mut line, T, T), T);
        let late = line.place(T - 1000, after.at(T), T - 950_000_000);
        assert!(late.as_micros().abs_diff(T - 1000) <= 20_000);
    }

    #[test]
    fn now_goes_on_from_the_start() {
        let start = ClockStart::measure();
        let (one, other) = (start.now(), start.now());
        assert!(one <= other);
        assert!(one.as_micros() >= start.0.wall_us);
    }
}
