//! From an interface's ticks to microseconds: pcapng's `if_tsresol` and `if_tsoffset`.

use embassy_time::Instant;

use super::LATEST;

/// What one tick of an interface's time stamps is worth.
#[derive(Clone, Copy, Debug)]
pub(super) struct Resolution {
    tick: Tick,
    /// Microseconds to add.
    offset: i64,
}

#[derive(Clone, Copy, Debug)]
enum Tick {
    /// So many microseconds.
    Micros(u64),
    /// So many ticks are one microsecond.
    PerMicro(u64),
    /// So many bits to the right of the second.
    BinaryFraction(u8),
}

impl Default for Resolution {
    /// Microseconds since the epoch.
    fn default() -> Self {
        Self { tick: Tick::Micros(1), offset: 0 }
    }
}

impl Resolution {
    /// `if_tsresol`: a negative power of 10, or of 2 where the upper bit is set.
    pub(super) fn set_exponent(&mut self, value: u8) {
        let power = |exponent: u8| 10_u64.saturating_pow(exponent.into());
        self.tick = match value {
            0..=6 => Tick::Micros(power(6 - value)),
            7..0x80 => Tick::PerMicro(power(value - 6)),
            0x80.. => Tick::BinaryFraction(value & 0x7f),
        };
    }

    /// `if_tsoffset`: seconds to add.
    pub(super) fn set_offset(&mut self, seconds: i64) {
        self.offset = seconds.saturating_mul(1_000_000);
    }

    /// Fractions of a microsecond are cut off; nothing is later than [`LATEST`].
    #[inline]
    pub(super) fn instant(self, ticks: u64) -> Instant {
        let micros = match self.tick {
            Tick::Micros(micros) => ticks.saturating_mul(micros),
            Tick::PerMicro(ticks_per_micro) => ticks / ticks_per_micro,
            Tick::BinaryFraction(bits) => {
                let micros = (u128::from(ticks) * 1_000_000) >> bits;
                u64::try_from(micros).unwrap_or(u64::MAX)
            }
        };
        LATEST.min(Instant::from_micros(micros.saturating_add_signed(self.offset)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn micros(exponent: u8, offset: i64, ticks: u64) -> u64 {
        let mut resolution = Resolution::default();
        resolution.set_exponent(exponent);
        resolution.set_offset(offset);
        resolution.instant(ticks).as_micros()
    }

    #[test]
    fn powers_of_ten_and_of_two_give_microseconds() {
        assert_eq!(micros(6, 0, 1_500_000), 1_500_000);
        assert_eq!(micros(9, 0, 1_500_000_999), 1_500_000);
        assert_eq!(micros(3, 0, 1_500), 1_500_000);
        assert_eq!(micros(0, 0, 2), 2_000_000);
        assert_eq!(micros(0x80 | 20, 0, 3 << 19), 1_500_000);
        assert_eq!(micros(127, 0, 1 << 63), 0);
        assert_eq!(micros(0xff, 0, u64::MAX), 0);
    }

    #[test]
    fn an_offset_is_added_and_never_wraps() {
        assert_eq!(micros(6, 10, 5), 10_000_005);
        assert_eq!(micros(6, -10, 5), 0);
        assert_eq!(micros(0, i64::MAX, u64::MAX), LATEST.as_micros());
    }
}
