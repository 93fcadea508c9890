//! From one rate to another: each output sample is a sum of input samples weighted by a windowed
//! sinc (Kaiser, beta 6).

/// Input samples that an output sample is made of.
const TAPS: usize = 32;

/// Places between two input samples for which there are weights.
const PHASES: usize = 240;

/// Samples of one stream at a higher rate. The output lags by [`TAPS`] / 2 input samples (2 ms at 8
/// kHz).
pub(super) struct Upsampler {
    weights: Box<[[f32; TAPS]]>,
    /// The end of what came before.
    history: Vec<f32>,
}

impl Upsampler {
    pub(super) fn new() -> Self {
        Self { weights: weights(), history: vec![0.0; TAPS] }
    }

    /// Forgets what came before: there was a gap.
    pub(super) fn reset(&mut self) {
        self.history.clear();
        self.history.resize(TAPS, 0.0);
    }

    /// Appends `len` samples that take as long as `input`, which follows the input before.
    pub(super) fn take(&mut self, input: &[i16], len: usize, output: &mut Vec<i16>) {
        self.history.extend(input.iter().map(|&sample| f32::from(sample)));
        for at in 0..len {
            // The place in the input, in PHASES-ths of a sample.
            let place = at * input.len() * PHASES / len;
            let (whole, phase) = (place / PHASES, place % PHASES);
            let weights = &self.weights[phase];
            let Some(samples) = self.history.get(whole..whole + TAPS) else { break };
            let value: f32 = weights.iter().zip(samples).map(|(a, b)| a * b).sum();
            #[expect(
                clippy::cast_possible_truncation,
                reason = "`as` keeps a float within the range"
            )]
            output.push(libm::roundf(value) as i16);
        }
        self.history.drain(..input.len());
    }
}

fn weights() -> Box<[[f32; TAPS]]> {
    const HALF: f64 = 16.0;
    let mut all = vec![[0.0; TAPS]; PHASES].into_boxed_slice();
    for (row, phase) in all.iter_mut().zip(0_u32..) {
        let shift = f64::from(phase) / 240.0;
        let mut sum = 0.0;
        let mut exact = [0.0; TAPS];
        for (weight, tap) in exact.iter_mut().zip(0_u32..) {
            let x = f64::from(tap) - (HALF - 1.0) - shift;
            // A little below half of the rate, so that the filter has room to fall.
            let angle = core::f64::consts::PI * x * 0.97;
            let sinc = if x.abs() < 1e-9 { 1.0 } else { libm::sin(angle) / angle };
            let edge = x / HALF;
            let window = bessel(6.0 * libm::sqrt((1.0 - edge * edge).max(0.0))) / bessel(6.0);
            *weight = sinc * window;
            sum += *weight;
        }
        for (to, weight) in row.iter_mut().zip(exact) {
            #[expect(clippy::cast_possible_truncation, reason = "24 bits are enough")]
            let weight = (weight / sum) as f32;
            *to = weight;
        }
    }
    all
}

/// The modified Bessel function of order 0.
fn bessel(x: f64) -> f64 {
    let (mut sum, mut term) = (1.0, 1.0);
    for k in 1..30 {
        let factor = x / (2.0 * f64::from(k));
        term *= factor * factor;
        sum += term;
    }
    sum
}

/// As many samples as fit `len` instead: for a clock that runs a little fast or slow.
pub(super) fn stretch(input: &[i16], len: usize, output: &mut Vec<i16>) {
    let (Some(&last), true) = (input.last(), len > 0) else { return };
    for at in 0..len {
        let place = at * input.len() * 256 / len;
        let (whole, part) = (place / 256, i32::try_from(place % 256).unwrap_or(0));
        let one = i32::from(input.get(whole).copied().unwrap_or(last));
        let next = i32::from(input.get(whole + 1).copied().unwrap_or(last));
        output.push(super::fixed::saturate(one + (next - one) * part / 256));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(hz: f64, rate: f64, len: u32) -> Vec<i16> {
        let sample =
            |at: u32| 10_000.0 * (core::f64::consts::TAU * hz * f64::from(at) / rate).sin();
        #[expect(clippy::cast_possible_truncation, reason = "below 10,001")]
        let samples = (0..len).map(|at| sample(at).round() as i16).collect();
        samples
    }

    /// The share of a tone in samples, and of everything else, in dB.
    fn purity(samples: &[i16], hz: f64, rate: f64) -> (f64, f64) {
        let (mut sin, mut cos, mut total) = (0.0, 0.0, 0.0);
        for (at, &sample) in (0_u32..).zip(samples) {
            let angle = core::f64::consts::TAU * hz * f64::from(at) / rate;
            sin += f64::from(sample) * angle.sin();
            cos += f64::from(sample) * angle.cos();
            total += f64::from(sample).powi(2);
        }
        let n = f64::from(u32::try_from(samples.len()).unwrap());
        let of_tone = (sin * sin + cos * cos) * 2.0 / n;
        let level = 10.0 * (of_tone / n / 5e7).log10();
        (level, 10.0 * ((total - of_tone).max(1.0) / total).log10())
    }

    #[test]
    fn a_tone_stays_a_tone_at_its_level() {
        for (hz, from, to) in [
            (1000.0, 8000_u32, 16_000_u32),
            (3000.0, 8000, 48_000),
            (1000.0, 16_000, 48_000),
            (3400.0, 8000, 16_000),
            (1000.0, 44_100, 48_000),
        ] {
            let input = tone(hz, f64::from(from), from);
            let mut upsampler = Upsampler::new();
            let mut output = Vec::new();
            let blocks = usize::try_from(from / 100).unwrap();
            for (number, block) in input.chunks(blocks).enumerate() {
                let end = (number + 1) * blocks * usize::try_from(to).unwrap() / input.len();
                upsampler.take(block, end - output.len(), &mut output);
            }
            // Without the first and last bits; whole periods of every tone here.
            let tenth = usize::try_from(to / 10).unwrap();
            let (level, rest) = purity(&output[tenth..9 * tenth], hz, f64::from(to));
            assert!(level.abs() < 0.5, "{hz} Hz, {from} to {to}: {level:.2} dB");
            assert!(rest < -38.0, "{hz} Hz, {from} to {to}: {rest:.1} dB");
        }
    }

    #[test]
    fn stretching_by_nothing_changes_nothing() {
        let input = tone(440.0, 8000.0, 160);
        let mut output = Vec::new();
        stretch(&input, 160, &mut output);
        assert_eq!(output, input);
        output.clear();
        stretch(&input, 161, &mut output);
        assert_eq!((output.len(), output[0], output[160]), (161, input[0], input[159]));
        stretch(&[], 10, &mut output);
        assert_eq!(output.len(), 161);
    }
}
