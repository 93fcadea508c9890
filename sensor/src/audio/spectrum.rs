//! How loud which tones are: a power spectrum of 512 samples under a Hann window.

use core::f32::consts::{PI, TAU};

/// Samples of one window.
pub(super) const WINDOW: usize = 512;

/// Bands of equal width, from 0 Hz.
pub(super) const BANDS: usize = 64;

/// The quietest level that is told from nothing, in dB below a sine of full scale.
pub(super) const FLOOR_DB: f32 = 96.0;

/// The tables of the transform.
pub(super) struct Spectrum {
    window: Box<[f32]>,
    /// cos and -sin of n/512 turns.
    turns: Box<[(f32, f32)]>,
}

impl Spectrum {
    pub(super) fn new() -> Self {
        let part = |at: usize| f32::from(u16::try_from(at).unwrap_or(0)) / 512.0;
        let hann = |at: usize| 0.5 - 0.5 * libm::cosf(TAU * part(at));
        let turn = |at: usize| (libm::cosf(2.0 * PI * part(at)), -libm::sinf(2.0 * PI * part(at)));
        Self { window: (0..WINDOW).map(hann).collect(), turns: (0..WINDOW / 2).map(turn).collect() }
    }

    /// The loudest tone in each band up to `used` of 256 bins: 0 is nothing, 255 full scale.
    pub(super) fn bands(&self, samples: &[i16], used: usize) -> [u8; BANDS] {
        let mut values = [(0.0_f32, 0.0_f32); WINDOW];
        for ((to, sample), window) in values.iter_mut().zip(samples).zip(&self.window) {
            to.0 = f32::from(*sample) / 32_768.0 * window;
        }
        self.transform(&mut values);
        let mut bands = [0; BANDS];
        for (at, band) in bands.iter_mut().enumerate() {
            let (from, to) = (at * used / BANDS, (at + 1) * used / BANDS);
            let bins = &values[from..to.max(from + 1)];
            let loudest = bins.iter().map(|(re, im)| re * re + im * im).fold(0.0, f32::max);
            // A sine of full scale has WINDOW/4 in its bin.
            let db = 10.0 * libm::log10f(loudest / 16_384.0 + 1e-12);
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "`as` keeps a float within the range"
            )]
            let level = libm::roundf((db + FLOOR_DB) / FLOOR_DB * 255.0) as u8;
            *band = level;
        }
        bands
    }

    /// Radix 2, decimation in time, in place.
    fn transform(&self, values: &mut [(f32, f32); WINDOW]) {
        for at in 0..WINDOW {
            let mirrored = at.reverse_bits() >> (usize::BITS - 9);
            if at < mirrored {
                values.swap(at, mirrored);
            }
        }
        let mut half = 1;
        while half < WINDOW {
            let step = WINDOW / 2 / half;
            for group in values.chunks_exact_mut(2 * half) {
                let (low, high) = group.split_at_mut(half);
                for ((a, b), turn) in low.iter_mut().zip(high).zip(self.turns.iter().step_by(step))
                {
                    let (cos, sin) = *turn;
                    let turned = (b.0 * cos - b.1 * sin, b.0 * sin + b.1 * cos);
                    *b = (a.0 - turned.0, a.1 - turned.1);
                    *a = (a.0 + turned.0, a.1 + turned.1);
                }
            }
            half *= 2;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tone_stands_in_its_band_at_its_level() {
        let spectrum = Spectrum::new();
        // 1000 Hz at 8000 Hz is bin 64 of 256, band 16 of 64.
        for (amplitude, expected) in [(32_767.0, 0.0), (3276.7, -20.0), (327.67, -40.0)] {
            let samples: Vec<i16> = (0_u16..512)
                .map(|at| {
                    let value = amplitude * (f64::from(at) / 8.0 * core::f64::consts::TAU).sin();
                    #[expect(clippy::cast_possible_truncation, reason = "below 32,768")]
                    let value = value as i16;
                    value
                })
                .collect();
            let bands = spectrum.bands(&samples, 256);
            let level = f64::from(bands[16]) / 255.0 * 96.0 - 96.0;
            assert!((level - expected).abs() < 0.6, "{level} dB");
            assert!(bands[30] < bands[16] / 2 && bands[4] < bands[16] / 2);
        }
        assert_eq!(spectrum.bands(&[0; 512], 256), [0; BANDS]);
    }
}
