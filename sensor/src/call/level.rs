//! How loud G.711 is: whether anybody speaks, how loud, and whether it clips (G.711 tables 1a to 2b).
//!
//! A packet's mean square is taken over every [`STRIDE`]th sample: about 20 table look-ups for
//! 20 ms. The stride shares no factor with a tone's period at 8000 Hz, and begins at another
//! sample in each packet, so that no tone falls between. One look-up gives the square and, in the
//! bits above it, whether the sample is the law's largest, so that clipping costs nothing more.

use ringside_protocol::cdr;

/// Every so many samples one is looked at.
const STRIDE: usize = 7;

/// A packet louder than this holds speech or a tone, dBm0. Comfort noise and idle line noise lie
/// 15 dB and more below active speech (-26 dBm0 to -16 dBm0).
pub const SILENCE_DBM0: i32 = -50;

/// Packets before silence is said to be silence: a second of them.
pub const SILENCE_MIN_PACKETS: u32 = 50;

/// Samples of a packet at the law's largest value, of the 20 or so looked at, that show a waveform
/// cut off at the top rather than one that touches it: a sine of +3 dBm0 has one in 15.
pub const CLIPPED_SAMPLES: u64 = 3;

/// Mean square of 16-bit samples at [`SILENCE_DBM0`]: 50 dB, a factor of 100,000, below that of
/// the digital milliwatt (G.711 tables 5 and 6), which is 2.57e8 in mu-law and 2.60e8 in A-law.
const SILENCE_MEAN_SQUARE: u64 = 2570;

/// Mean square at 0 dBm0.
const MILLIWATT: f64 = 2.57e8;

/// Where a table entry counts the sample among the largest. Below it there is room for the squares
/// of 2^17 samples, above it for the count of as many as a datagram holds.
const RAIL_SHIFT: u32 = 48;
const RAIL: u64 = 1 << RAIL_SHIFT;

/// Which of the two laws a payload follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Law {
    /// PCMU.
    Mu,
    /// PCMA.
    A,
}

/// How many packets were looked at, how many were not silent, and what those held.
#[derive(Clone, Copy, Debug, Default)]
pub struct Level {
    packets: u32,
    loud: u32,
    clipped: u32,
    /// Over the packets that were not silent.
    loud_samples: u32,
    loud_squares: u64,
}

impl Level {
    /// Looks at one packet's payload.
    #[inline]
    pub fn add(&mut self, law: Law, payload: &[u8], sequence_number: u16) {
        let squares = match law {
            Law::Mu => &MU_SQUARES,
            Law::A => &A_SQUARES,
        };
        let first = usize::from(sequence_number) % STRIDE;
        let Some(samples) = payload.get(first..).filter(|samples| !samples.is_empty()) else {
            return;
        };
        let square = |byte: &u8| squares[usize::from(*byte)];
        // Whole strides first: their loop needs no test of its end but one.
        let strides = samples.chunks_exact(STRIDE);
        let last = strides.remainder().first().map_or(0, square);
        let sum = strides.map(|stride| square(&stride[0])).sum::<u64>() + last;
        let count = u32::try_from(samples.len().div_ceil(STRIDE)).unwrap_or(u32::MAX);
        self.packets += 1;
        let squares = sum & (RAIL - 1);
        if squares > SILENCE_MEAN_SQUARE * u64::from(count) {
            self.loud += 1;
            self.loud_squares += squares;
            self.loud_samples = self.loud_samples.saturating_add(count);
            self.clipped += u32::from(sum >> RAIL_SHIFT >= CLIPPED_SAMPLES);
        }
    }

    /// Reads a part of it; see [`super::flows::Flows::touch`].
    #[inline]
    #[must_use]
    pub const fn touch(&self) -> u32 {
        self.packets
    }

    /// Whether packets flowed and no one of them was louder than [`SILENCE_DBM0`]. `None` for
    /// fewer than [`SILENCE_MIN_PACKETS`].
    #[must_use]
    pub fn silence(&self) -> Option<bool> {
        (self.packets >= SILENCE_MIN_PACKETS).then_some(self.loud == 0)
    }

    /// As the record has it; `None` for fewer than [`SILENCE_MIN_PACKETS`].
    #[must_use]
    pub fn record(&self) -> Option<cdr::Level> {
        let percent = |part: u32| u8::try_from(u64::from(part) * 100 / u64::from(self.packets));
        (self.packets >= SILENCE_MIN_PACKETS).then(|| cdr::Level {
            active: percent(self.loud).unwrap_or(100),
            dbm0: self.dbm0(),
            clipped: self.clipped,
        })
    }

    /// Mean level of the packets that were not silent.
    fn dbm0(&self) -> Option<i8> {
        if self.loud_samples == 0 {
            return None;
        }
        #[expect(clippy::cast_precision_loss, reason = "an eighth of a dB needs far fewer bits")]
        let squares = self.loud_squares as f64;
        let mean = squares / f64::from(self.loud_samples);
        #[expect(clippy::cast_possible_truncation, reason = "between -50 and 7")]
        let level = libm::round(10.0 * libm::log10(mean / MILLIWATT)) as i8;
        Some(level)
    }
}

/// Squares of the 16-bit samples that the codes stand for, the largest with [`RAIL`] added.
static MU_SQUARES: [u64; 256] = squares(Law::Mu);
static A_SQUARES: [u64; 256] = squares(Law::A);

const fn squares(law: Law) -> [u64; 256] {
    let mut squares = [0; 256];
    let mut code = 0;
    while code < 256 {
        #[expect(clippy::cast_possible_truncation, reason = "code < 256")]
        let byte = code as u8;
        let (magnitude, largest) = match law {
            Law::Mu => (mu_magnitude(byte), MU_LARGEST),
            Law::A => (a_magnitude(byte), A_LARGEST),
        };
        squares[code] = magnitude as u64 * magnitude as u64;
        if magnitude == largest {
            squares[code] += RAIL;
        }
        code += 1;
    }
    squares
}

const MU_LARGEST: u32 = 32_124;
const A_LARGEST: u32 = 32_256;

/// Mu-law: all bits are inverted; segment and step on a scale that is shifted by 33 (of 14 bits,
/// here of 16).
pub(crate) const fn mu_magnitude(code: u8) -> u32 {
    let code = !code & 0x7f;
    let (segment, step) = (code >> 4, (code & 0x0f) as u32);
    (((step << 3) + 0x84) << segment) - 0x84
}

/// A-law: every second bit is inverted; segments 0 and 1 share their step.
pub(crate) const fn a_magnitude(code: u8) -> u32 {
    let code = (code ^ 0x55) & 0x7f;
    let (segment, step) = (code >> 4, (code & 0x0f) as u32);
    match segment {
        0 => (step << 4) + 8,
        _ => ((step << 4) + 0x108) << (segment - 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A packet stream whose samples repeat `codes`.
    fn level_of(law: Law, codes: &[u8]) -> Level {
        let mut level = Level::default();
        for number in 0..200 {
            let payload: Vec<u8> = codes.iter().copied().cycle().skip(number).take(160).collect();
            level.add(law, &payload, u16::try_from(number).unwrap());
        }
        level
    }

    /// G.711 tables 5 and 6: the periodic sequences that decode to a 1 kHz sine of 0 dBm0.
    const MU_0_DBM0: [u8; 8] = [0x1e, 0x0b, 0x0b, 0x1e, 0x9e, 0x8b, 0x8b, 0x9e];
    const A_0_DBM0: [u8; 8] = [0x34, 0x21, 0x21, 0x34, 0xb4, 0xa1, 0xa1, 0xb4];

    #[test]
    fn the_digital_milliwatt_is_0_dbm0() {
        for (squares, codes) in [(&MU_SQUARES, MU_0_DBM0), (&A_SQUARES, A_0_DBM0)] {
            let sum: u64 = codes.iter().map(|&code| squares[usize::from(code)]).sum();
            let mean = f64::from(u32::try_from(sum / 8).unwrap());
            assert!((10.0 * libm::log10(mean / MILLIWATT)).abs() < 0.1, "{mean}");
            assert_eq!(u64::from(2570_u32), SILENCE_MEAN_SQUARE, "0 dBm0 / 100,000");
        }
    }

    #[test]
    fn known_codes_decode_to_known_samples() {
        assert_eq!(
            (mu_magnitude(0xff), mu_magnitude(0x80), mu_magnitude(0x00)),
            (0, 32_124, 32_124)
        );
        assert_eq!((a_magnitude(0xd5), a_magnitude(0xaa), a_magnitude(0x2a)), (8, 32_256, 32_256));
    }

    #[test]
    fn tones_are_no_silence() {
        assert_eq!(level_of(Law::Mu, &MU_0_DBM0).silence(), Some(false));
        assert_eq!(level_of(Law::A, &A_0_DBM0).silence(), Some(false));
    }

    #[test]
    fn idle_codes_are_silence() {
        assert_eq!(level_of(Law::Mu, &[0xff]).silence(), Some(true));
        assert_eq!(level_of(Law::A, &[0xd5]).silence(), Some(true));
        assert_eq!(level_of(Law::A, &[0xd5, 0x55]).silence(), Some(true));
    }

    #[test]
    fn one_word_ends_the_silence() {
        let mut level = level_of(Law::A, &[0xd5]);
        level.add(Law::A, &A_0_DBM0.repeat(20), 0);
        assert_eq!(level.silence(), Some(false));
    }

    #[test]
    fn too_few_packets_say_nothing() {
        let mut level = Level::default();
        for number in 0..49 {
            level.add(Law::Mu, &[0xff; 160], number);
        }
        level.add(Law::Mu, &[], 49);
        assert_eq!(level.silence(), None);
    }

    /// Level of a sine that reaches the largest value of A-law (G.711 §4).
    const A_OVERLOAD_DBM0: f64 = 3.140_1;

    /// A sine of so many dBm0, clipped as an encoder clips, as A-law codes (found by search).
    fn sine(dbm0: f64) -> Vec<u8> {
        let peak = f64::from(32_256_u32) * libm::pow(10.0, (dbm0 - A_OVERLOAD_DBM0) / 20.0);
        let nearest = |value: f64| -> u8 {
            let distance = |code: u8| (f64::from(a_magnitude(code)) - value.abs()).abs();
            let code = (0..=127).min_by(|&a, &b| distance(a).total_cmp(&distance(b))).unwrap();
            if value < 0.0 { code } else { code | 0x80 }
        };
        // 401 Hz: no period falls together with the stride.
        (0..1600)
            .map(|n| {
                nearest(peak * libm::sin(f64::from(n) * 401.0 / 8000.0 * core::f64::consts::TAU))
            })
            .collect()
    }

    fn second_of(codes: &[u8]) -> cdr::Level {
        let mut level = Level::default();
        for (number, packet) in codes.chunks(160).cycle().take(50).enumerate() {
            level.add(Law::A, packet, u16::try_from(number).unwrap());
        }
        level.record().unwrap()
    }

    #[test]
    fn levels_are_those_of_the_sines_that_were_sent() {
        for dbm0 in [-40.0, -26.0, -16.0, -6.0, 0.0, 3.0] {
            let level = second_of(&sine(dbm0));
            let heard = f64::from(level.dbm0.unwrap());
            assert!((heard - dbm0).abs() <= 1.0, "{dbm0}: {heard}");
            assert_eq!((level.active, level.clipped), (100, 0), "{dbm0}");
        }
        assert_eq!(second_of(&[0xd5; 8000]), cdr::Level { active: 0, dbm0: None, clipped: 0 });
    }

    #[test]
    fn what_is_cut_off_at_the_top_clips_and_what_touches_it_does_not() {
        assert_eq!(second_of(&sine(3.0)).clipped, 0);
        let clipped = second_of(&sine(9.0)).clipped;
        assert_eq!(clipped, 50, "every packet");
    }

    #[test]
    fn the_longest_packet_does_not_overflow_its_sum() {
        let mut level = Level::default();
        for number in 0..60 {
            level.add(Law::A, &vec![0xaa; 65_535], number);
        }
        assert_eq!(level.record().unwrap().clipped, 60);
        assert_eq!(level.dbm0(), Some(6), "a square wave");
    }
}
