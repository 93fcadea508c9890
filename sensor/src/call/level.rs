//! Whether anybody speaks: the level of G.711 samples (G.711 tables 1a to 2b).
//!
//! A packet's mean square is taken over every [`STRIDE`]th sample: about 20 table look-ups for
//! 20 ms. The stride shares no factor with a tone's period at 8000 Hz, and begins at another
//! sample in each packet, so that no tone falls between.

/// Every so many samples one is looked at.
const STRIDE: usize = 7;

/// A packet louder than this holds speech or a tone, dBm0. Comfort noise and idle line noise lie
/// 15 dB and more below active speech (-26 dBm0 to -16 dBm0).
pub const SILENCE_DBM0: i32 = -50;

/// Packets before silence is said to be silence: a second of them.
pub const SILENCE_MIN_PACKETS: u32 = 50;

/// Mean square of 16-bit samples at [`SILENCE_DBM0`]: 50 dB, a factor of 100,000, below that of
/// the digital milliwatt (G.711 tables 5 and 6), which is 2.57e8 in mu-law and 2.60e8 in A-law.
const SILENCE_MEAN_SQUARE: u64 = 2570;

/// Which of the two laws a payload follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Law {
    /// PCMU.
    Mu,
    /// PCMA.
    A,
}

/// How many packets were looked at, and how many were not silent.
#[derive(Clone, Copy, Debug, Default)]
pub struct Level {
    packets: u32,
    loud: u32,
}

impl Level {
    /// Looks at one packet's payload.
    #[inline]
    pub fn add(&mut self, law: Law, payload: &[u8], sequence_number: u16) {
        let squares = match law {
            Law::Mu => &MU_SQUARES,
            Law::A => &A_SQUARES,
        };
        let (mut sum, mut count) = (0_u64, 0_u64);
        let first = usize::from(sequence_number) % STRIDE;
        for &byte in payload.iter().skip(first).step_by(STRIDE) {
            sum += u64::from(squares[usize::from(byte)]);
            count += 1;
        }
        if count == 0 {
            return;
        }
        self.packets += 1;
        if sum > SILENCE_MEAN_SQUARE * count {
            self.loud += 1;
        }
    }

    /// Whether packets flowed and no one of them was louder than [`SILENCE_DBM0`]. `None` for
    /// fewer than [`SILENCE_MIN_PACKETS`].
    #[must_use]
    pub fn silence(&self) -> Option<bool> {
        (self.packets >= SILENCE_MIN_PACKETS).then_some(self.loud == 0)
    }
}

/// Squares of the 16-bit samples that the codes stand for.
static MU_SQUARES: [u32; 256] = squares(Law::Mu);
static A_SQUARES: [u32; 256] = squares(Law::A);

const fn squares(law: Law) -> [u32; 256] {
    let mut squares = [0; 256];
    let mut code = 0;
    while code < 256 {
        #[expect(clippy::cast_possible_truncation, reason = "code < 256")]
        let byte = code as u8;
        let magnitude = match law {
            Law::Mu => mu_magnitude(byte),
            Law::A => a_magnitude(byte),
        };
        squares[code] = magnitude * magnitude;
        code += 1;
    }
    squares
}

/// Mu-law: all bits are inverted; segment and step on a scale that is shifted by 33 (of 14 bits,
/// here of 16).
const fn mu_magnitude(code: u8) -> u32 {
    let code = !code & 0x7f;
    let (segment, step) = (code >> 4, (code & 0x0f) as u32);
    (((step << 3) + 0x84) << segment) - 0x84
}

/// A-law: every second bit is inverted; segments 0 and 1 share their step.
const fn a_magnitude(code: u8) -> u32 {
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
            let sum: f64 = codes.iter().map(|&code| f64::from(squares[usize::from(code)])).sum();
            let dbm0 = 10.0
                * (sum / 8.0 / (f64::from(u32::try_from(SILENCE_MEAN_SQUARE).unwrap()) * 1e5))
                    .log10();
            assert!(dbm0.abs() < 0.1, "{dbm0}");
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
}
