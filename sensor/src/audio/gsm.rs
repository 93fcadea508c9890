//! GSM full rate (GSM 06.10 = ETSI EN 300 961), packed as RFC 3551 §4.5.8.1 says: 33 bytes are
//! 160 samples.
//!
//! Names are those of the recommendation, §5.3: `erp` is the excitation, `drp` the long-term
//! synthesis, `wt` what goes through the short-term filter `rrp`.

use super::fixed::{multiply_rounded, saturate, saturated};

/// Bytes of a frame.
pub(super) const FRAME_BYTES: usize = 33;

/// Samples of a frame.
const FRAME: usize = 160;

/// A decoder's state.
#[derive(Clone, Debug)]
pub(super) struct Gsm {
    /// The last 120 samples of the long-term synthesis, and room for 40 more.
    drp: [i32; 160],
    /// The last lag that was within its range.
    lag: usize,
    /// Decoded log-area ratios of the frame before.
    larpp: [i32; 8],
    /// The short-term filter's memory.
    v: [i32; 9],
    /// The de-emphasis filter's memory.
    msr: i32,
}

impl Gsm {
    pub(super) const fn new() -> Self {
        Self { drp: [0; 160], lag: 40, larpp: [0; 8], v: [0; 9], msr: 0 }
    }

    /// Appends the samples of a payload; what is no frame is passed over.
    pub(super) fn decode(&mut self, payload: &[u8], samples: &mut Vec<i16>) {
        for frame in payload.as_chunks::<FRAME_BYTES>().0 {
            self.frame(frame, samples);
        }
    }

    fn frame(&mut self, frame: &[u8; FRAME_BYTES], samples: &mut Vec<i16>) {
        let mut bits = Bits { bytes: frame, at: 4 };
        let mut larc = [0; 8];
        for (value, width) in larc.iter_mut().zip([6, 6, 5, 5, 4, 4, 3, 3]) {
            *value = bits.take(width);
        }
        let mut wt = [0; FRAME];
        for part in wt.as_chunks_mut::<40>().0 {
            let (lag, gain, grid, maximum) =
                (bits.take(7), bits.take(2), bits.take(2), bits.take(6));
            let erp = excitation(maximum, grid, || bits.take(3));
            self.long_term(lag, gain, &erp);
            part.copy_from_slice(&self.drp[120..]);
            self.drp.copy_within(40.., 0);
        }
        self.short_term(&larc, &mut wt);
        for sample in wt {
            self.msr = saturated(sample + multiply_rounded(self.msr, 28_180));
            samples.push(saturate(self.msr * 2) & !7);
        }
    }

    /// §5.3.2.
    fn long_term(&mut self, lag: i32, gain: i32, erp: &[i32; 40]) {
        if let Some(lag) = usize::try_from(lag).ok().filter(|lag| (40..=120).contains(lag)) {
            self.lag = lag;
        }
        let gain = QLB[usize::try_from(gain & 3).unwrap_or(0)];
        for (at, excitation) in erp.iter().enumerate() {
            let past = self.drp[120 + at - self.lag];
            self.drp[120 + at] = saturated(excitation + multiply_rounded(gain, past));
        }
    }

    /// §5.3.3: the filter moves from the frame before's coefficients to this one's.
    fn short_term(&mut self, larc: &[i32; 8], wt: &mut [i32; FRAME]) {
        let before = self.larpp;
        let now = core::array::from_fn(|at| decode_lar(larc[at], &LAR[at]));
        self.larpp = now;
        let between = |weigh: fn(i32, i32) -> i32| -> [i32; 8] {
            core::array::from_fn(|at| weigh(before[at], now[at]))
        };
        let quarter = between(|a, b| saturated(saturated((a >> 2) + (b >> 2)) + (a >> 1)));
        let half = between(|a, b| saturated((a >> 1) + (b >> 1)));
        let most = between(|a, b| saturated(saturated((a >> 2) + (b >> 2)) + (b >> 1)));
        for (range, lar) in [(0..13, quarter), (13..27, half), (27..40, most), (40..160, now)] {
            let rrp = lar.map(reflection);
            for sample in &mut wt[range] {
                *sample = self.synthesize(*sample, &rrp);
            }
        }
    }

    fn synthesize(&mut self, sample: i32, rrp: &[i32; 8]) -> i32 {
        let mut sri = sample;
        for at in (0..8).rev() {
            sri = saturated(sri - multiply_rounded(rrp[at], self.v[at]));
            self.v[at + 1] = saturated(self.v[at] + multiply_rounded(rrp[at], sri));
        }
        self.v[0] = sri;
        sri
    }
}

/// §5.3.1: the 13 pulses of a sub-frame, on their grid.
fn excitation(maximum: i32, grid: i32, mut pulse: impl FnMut() -> i32) -> [i32; 40] {
    let mut exponent = if maximum > 15 { (maximum >> 3) - 1 } else { 0 };
    let mut mantissa = maximum - (exponent << 3);
    if mantissa == 0 {
        (exponent, mantissa) = (-4, 7);
    } else {
        while mantissa <= 7 {
            mantissa = mantissa << 1 | 1;
            exponent -= 1;
        }
        mantissa -= 8;
    }
    let factor = FAC[usize::try_from(mantissa & 7).unwrap_or(0)];
    let shift = 6 - exponent;
    let rounding = (1 << shift) >> 1;
    let mut erp = [0; 40];
    let first = usize::try_from(grid).unwrap_or(0);
    for at in 0..13 {
        let value = ((pulse() << 1) - 7) << 12;
        erp[first + 3 * at] = saturated(multiply_rounded(factor, value) + rounding) >> shift;
    }
    erp
}

/// §5.2.8.
fn decode_lar(code: i32, &(b, minimum, inverse): &(i32, i32, i32)) -> i32 {
    let value = saturated(((code + minimum) << 10) - (b << 1));
    saturated(multiply_rounded(inverse, value) * 2)
}

/// §5.2.9.2: a log-area ratio as a reflection coefficient.
fn reflection(lar: i32) -> i32 {
    let magnitude = lar.abs().min(32_767);
    let value = match magnitude {
        0..11_059 => magnitude << 1,
        11_059..20_070 => magnitude + 11_059,
        _ => saturated((magnitude >> 2) + 26_112),
    };
    if lar < 0 { -value } else { value }
}

/// The first bit is the highest of the first byte.
struct Bits<'a> {
    bytes: &'a [u8; FRAME_BYTES],
    at: usize,
}

impl Bits<'_> {
    fn take(&mut self, width: usize) -> i32 {
        let mut value = 0;
        for at in self.at..self.at + width {
            let bit = self.bytes.get(at / 8).map_or(0, |byte| byte >> (7 - at % 8) & 1);
            value = value << 1 | i32::from(bit);
        }
        self.at += width;
        value
    }
}

/// Gains of the long-term filter.
static QLB: [i32; 4] = [3277, 11_469, 21_299, 32_767];
static FAC: [i32; 8] = [18_431, 20_479, 22_527, 24_575, 26_623, 28_671, 30_719, 32_767];
/// B, MIC and INVA of each log-area ratio.
static LAR: [(i32, i32, i32); 8] = [
    (0, -32, 13_107),
    (0, -32, 13_107),
    (2048, -16, 13_107),
    (-2560, -16, 13_107),
    (94, -8, 19_223),
    (-1792, -8, 17_476),
    (-341, -4, 31_454),
    (-1144, -4, 29_708),
];
