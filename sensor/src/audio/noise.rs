//! Comfort noise (RFC 3389): a level, and the shape of its spectrum.

/// Reflection coefficients that are used.
const MAX_ORDER: usize = 12;

/// What a comfort noise packet asks for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Comfort {
    /// RMS of the noise, in 16-bit samples.
    rms: f32,
    reflection: [i8; MAX_ORDER],
    order: u8,
}

impl Comfort {
    /// Reads a payload (RFC 3389 §3).
    pub(super) fn parse(payload: &[u8]) -> Option<Self> {
        let (&level, coefficients) = payload.split_first()?;
        // The level is in -dBov; a square wave of full scale is 0 dBov.
        let level = -f32::from(level & 0x7f);
        let rms = 32_768.0 * libm::powf(10.0, level / 20.0);
        let mut comfort = Self { rms, reflection: [0; MAX_ORDER], order: 0 };
        for (to, &code) in comfort.reflection.iter_mut().zip(coefficients) {
            // 127 is 0; 0 and 254 are nearly -1 and 1.
            *to = i8::try_from(i16::from(code.min(254)) - 127).ok()?;
            comfort.order += 1;
        }
        Some(comfort)
    }

    /// Fills `samples`, the first of which is the `at`th of the whole sound: the same place has the
    /// same noise, wherever filling begins.
    pub(super) fn fill(&self, at: u64, samples: &mut [i16]) {
        let coefficients = self.coefficients();
        // The filter's gain for white noise is the product of 1 / (1 - k^2).
        let gain = coefficients.iter().map(|k| 1.0 - k * k).product::<f32>();
        let amplitude = self.rms * libm::sqrtf(gain * 3.0);
        let mut memory = [0.0_f32; MAX_ORDER + 1];
        for (place, sample) in (at..).zip(samples) {
            let mut value = amplitude * white(place);
            for at in (0..coefficients.len()).rev() {
                value -= coefficients[at] * memory[at];
                memory[at + 1] = memory[at] + coefficients[at] * value;
            }
            memory[0] = value;
            #[expect(
                clippy::cast_possible_truncation,
                reason = "`as` keeps a float within the range"
            )]
            let value = libm::roundf(value) as i16;
            *sample = value;
        }
    }

    fn coefficients(&self) -> heapless::Vec<f32, MAX_ORDER> {
        let used = &self.reflection[..usize::from(self.order)];
        used.iter().map(|&code| f32::from(code) * 258.0 / 32_768.0).collect()
    }
}

/// Between -1 and 1, evenly; its mean square is a third.
fn white(place: u64) -> f32 {
    // SplitMix64.
    let mut z = place.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    #[expect(clippy::cast_precision_loss, reason = "24 bits of it")]
    let value = ((z >> 40) as i32 - (1 << 23)) as f32;
    value / 8_388_608.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn level_dbov(samples: &[i16]) -> f64 {
        let squares: f64 = samples.iter().map(|&sample| f64::from(sample).powi(2)).sum();
        let count = f64::from(u32::try_from(samples.len()).unwrap());
        10.0 * (squares / count).log10() - 20.0 * 32_768_f64.log10()
    }

    #[test]
    fn noise_has_the_level_that_is_asked_for() {
        for payload in [&[40][..], &[55, 127, 127], &[30, 200, 90, 140]] {
            let comfort = Comfort::parse(payload).unwrap();
            let mut samples = vec![0; 32_000];
            comfort.fill(12_345, &mut samples);
            let level = level_dbov(&samples);
            assert!((level + f64::from(payload[0])).abs() < 0.5, "{payload:?}: {level}");
        }
        assert_eq!(Comfort::parse(&[]), None);
    }

    #[test]
    fn the_same_place_has_the_same_noise() {
        let comfort = Comfort::parse(&[40]).unwrap();
        let (mut whole, mut part) = ([0; 100], [0; 40]);
        comfort.fill(500, &mut whole);
        comfort.fill(560, &mut part);
        assert_eq!(whole[60..], part);
    }

    proptest::proptest! {
        #[test]
        fn arbitrary_payloads_never_panic(payload: Vec<u8>) {
            if let Some(comfort) = Comfort::parse(&payload) {
                comfort.fill(0, &mut [0; 200]);
            }
        }
    }
}
