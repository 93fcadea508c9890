//! How much faster or slower a sender's clock runs than the sensor's.
//!
//! Arrival minus RTP timestamp grows steadily where the sender's clock is slow. Delays of the
//! network hide that from packet to packet, but not from the fastest packet of each ten seconds:
//! a line is laid through those (least squares). The jitter buffers keep them anyway, so a
//! packet costs nothing here.

/// Points before a slope is believed: a minute.
pub const MIN_POINTS: u32 = 6;

/// Share of the points' variance that the line must explain: a path that became longer in the
/// middle of a call looks like drift, but not like a line (0.75).
const MIN_FIT: f64 = 0.9;

/// Standard deviation below which the points are taken for level, microseconds.
const FLAT_MICROS: f64 = 500.0;

/// Sums over the points (seconds since the stream began, transit in microseconds); seven digits of
/// each are far more than an answer in parts per million needs.
#[derive(Clone, Copy, Debug, Default)]
pub struct Drift {
    points: u32,
    sum_x: f32,
    sum_y: f32,
    sum_xx: f32,
    sum_xy: f32,
    sum_yy: f32,
}

impl Drift {
    /// The fastest transit of the last ten seconds, so many seconds after the stream began.
    pub fn add(&mut self, seconds: u64, transit: i32) {
        let x = f32::from(u16::try_from(seconds).unwrap_or(u16::MAX));
        #[expect(clippy::cast_precision_loss, reason = "seven digits are enough")]
        let y = transit as f32;
        self.points += 1;
        self.sum_x += x;
        self.sum_y += y;
        self.sum_xx += x * x;
        self.sum_xy += x * y;
        self.sum_yy += y * y;
    }

    /// Microseconds a second by which the sender's clock is slow; `None` for few points, and for
    /// points that lie on no line.
    #[must_use]
    pub fn ppm(&self) -> Option<i32> {
        if self.points < MIN_POINTS {
            return None;
        }
        let n = f64::from(self.points);
        let [x, y, xx, xy, yy] =
            [self.sum_x, self.sum_y, self.sum_xx, self.sum_xy, self.sum_yy].map(f64::from);
        let (xx, xy, yy) = (n * xx - x * x, n * xy - x * y, n * yy - y * y);
        // Points that hardly differ are a line whatever their noise: their slope is nearly 0.
        let is_flat = yy <= n * n * FLAT_MICROS * FLAT_MICROS;
        let is_line = xx > 0.0 && (is_flat || xy * xy >= MIN_FIT * xx * yy);
        #[expect(clippy::cast_possible_truncation, reason = "`as` keeps a float within the range")]
        let slope = libm::round(xy / xx) as i32;
        is_line.then_some(slope)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drift_of(transits: impl IntoIterator<Item = i32>) -> Option<i32> {
        let mut drift = Drift::default();
        for (second, transit) in (10..).step_by(10).zip(transits) {
            drift.add(second, transit);
        }
        drift.ppm()
    }

    #[test]
    fn a_slow_clock_s_packets_come_later_and_later() {
        assert_eq!(drift_of((0..30).map(|n| n * 2000)), Some(200));
        assert_eq!(drift_of((0..30).map(|n| 30_000 - n * 500)), Some(-50));
        assert_eq!(drift_of([5; 30]), Some(0));
    }

    #[test]
    fn noise_of_the_fastest_packets_hardly_matters() {
        let noisy = (0..60).map(|n| n * 1000 + [0, 700, 150, 900][usize::try_from(n % 4).unwrap()]);
        let ppm = drift_of(noisy).unwrap();
        assert!((95..=105).contains(&ppm), "{ppm}");
    }

    #[test]
    fn a_longer_route_is_no_drift() {
        let step = core::iter::repeat_n(0, 15).chain(core::iter::repeat_n(40_000, 15));
        assert_eq!(drift_of(step), None);
    }

    #[test]
    fn less_than_a_minute_says_nothing() {
        assert_eq!(drift_of([0, 2000, 4000, 6000, 8000]), None);
        assert_eq!(drift_of([0, 2000, 4000, 6000, 8000, 10_000]), Some(200));
    }
}
