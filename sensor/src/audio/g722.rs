//! G.722 at 64 kbit/s: two samples of 16 kHz a byte, six bits for the lower band and two for the
//! upper.
//!
//! Names are those of the recommendation's block diagrams: `det` is the quantizer's scale factor,
//! `nb` its logarithm, `a` and `b` the coefficients of the pole and zero predictors.

use super::fixed::{saturate, saturated};

/// A decoder's state.
#[derive(Clone, Debug)]
pub(super) struct G722 {
    lower: Band,
    upper: Band,
    /// The receive filter's delay line.
    delay: [i32; 24],
}

#[derive(Clone, Debug, Default)]
struct Band {
    s: i32,
    sz: i32,
    nb: i32,
    det: i32,
    a: [i32; 3],
    b: [i32; 7],
    d: [i32; 7],
    p: [i32; 3],
    r: [i32; 3],
}

impl G722 {
    pub(super) fn new() -> Self {
        Self {
            lower: Band { det: 32, ..Band::default() },
            upper: Band { det: 8, ..Band::default() },
            delay: [0; 24],
        }
    }

    /// Appends the samples of a payload.
    pub(super) fn decode(&mut self, payload: &[u8], samples: &mut Vec<i16>) {
        for &code in payload {
            let low = self.lower(usize::from(code & 0x3f));
            let high = self.upper(usize::from(code >> 6));
            samples.extend(self.join(low, high));
        }
    }

    fn lower(&mut self, code: usize) -> i32 {
        let band = &mut self.lower;
        let output = band.s + ((band.det * QM6[code]) >> 15);
        let coarse = code >> 2;
        let difference = (band.det * QM4[coarse]) >> 15;
        band.nb = (((band.nb * 127) >> 7) + WL[RL42[coarse]]).clamp(0, 18_432);
        band.det = scale(band.nb, 8);
        band.predict(difference);
        output.clamp(-16_384, 16_383)
    }

    fn upper(&mut self, code: usize) -> i32 {
        let band = &mut self.upper;
        let difference = (band.det * QM2[code]) >> 15;
        let output = band.s + difference;
        band.nb = (((band.nb * 127) >> 7) + WH[RH2[code]]).clamp(0, 22_528);
        band.det = scale(band.nb, 10);
        band.predict(difference);
        output.clamp(-16_384, 16_383)
    }

    /// The quadrature mirror filter: two samples of the whole band.
    fn join(&mut self, low: i32, high: i32) -> [i16; 2] {
        self.delay.copy_within(2.., 0);
        self.delay[22] = low + high;
        self.delay[23] = low - high;
        let (mut even, mut odd) = (0, 0);
        for (at, pair) in self.delay.as_chunks::<2>().0.iter().enumerate() {
            even += pair[0] * QMF[at];
            odd += pair[1] * QMF[QMF.len() - 1 - at];
        }
        [saturate(odd >> 11), saturate(even >> 11)]
    }
}

/// The scale factor from its logarithm (`SCALEL`, `SCALEH`).
fn scale(nb: i32, shift: i32) -> i32 {
    let mantissa = usize::try_from((nb >> 6) & 31).map_or(0, |at| ILB[at]);
    let shift = shift - (nb >> 11);
    (if shift < 0 { mantissa << -shift } else { mantissa >> shift }) << 2
}

impl Band {
    /// Blocks 4L and 4H: adapts the predictors by a difference and predicts the next sample.
    fn predict(&mut self, difference: i32) {
        self.d[0] = difference;
        self.r[0] = saturated(self.s + difference);
        self.p[0] = saturated(self.sz + difference);
        let agrees = |x: i32, y: i32| (x < 0) == (y < 0);

        // UPPOL2
        let wd1 = saturated(self.a[1] << 2);
        let wd2 = if agrees(self.p[0], self.p[1]) { -wd1 } else { wd1 }.min(32_767);
        let sign = if agrees(self.p[0], self.p[2]) { 128 } else { -128 };
        let a2 = ((wd2 >> 7) + sign + ((self.a[2] * 32_512) >> 15)).clamp(-12_288, 12_288);
        // UPPOL1
        let sign = if agrees(self.p[0], self.p[1]) { 192 } else { -192 };
        let limit = saturated(15_360 - a2);
        let a1 = saturated(sign + ((self.a[1] * 32_640) >> 15)).clamp(-limit, limit);
        // UPZERO
        let step = if difference == 0 { 0 } else { 128 };
        for at in 1..7 {
            let sign = if agrees(self.d[at], self.d[0]) { step } else { -step };
            self.b[at] = saturated(sign + ((self.b[at] * 32_640) >> 15));
        }
        // DELAYA
        self.d.copy_within(0..6, 1);
        self.r.copy_within(0..2, 1);
        self.p.copy_within(0..2, 1);
        (self.a[1], self.a[2]) = (a1, a2);
        // FILTEP, FILTEZ, PREDIC
        let twice = |value: i32| saturated(value + value);
        let poles = |at: usize| (self.a[at] * twice(self.r[at])) >> 15;
        let sp = saturated(poles(1) + poles(2));
        let zeros = (1..7).map(|at| (self.b[at] * twice(self.d[at])) >> 15).sum();
        self.sz = saturated(zeros);
        self.s = saturated(sp + self.sz);
    }
}

static WL: [i32; 8] = [-60, -30, 58, 172, 334, 538, 1198, 3042];
static RL42: [usize; 16] = [0, 7, 6, 5, 4, 3, 2, 1, 7, 6, 5, 4, 3, 2, 1, 0];
static WH: [i32; 3] = [0, -214, 798];
static RH2: [usize; 4] = [2, 1, 2, 1];
static ILB: [i32; 32] = [
    2048, 2093, 2139, 2186, 2233, 2282, 2332, 2383, 2435, 2489, 2543, 2599, 2656, 2714, 2774, 2834,
    2896, 2960, 3025, 3091, 3158, 3228, 3298, 3371, 3444, 3520, 3597, 3676, 3756, 3838, 3922, 4008,
];
static QM2: [i32; 4] = [-7408, -1616, 7408, 1616];
static QM4: [i32; 16] = [
    0, -20_456, -12_896, -8968, -6288, -4240, -2584, -1200, 20_456, 12_896, 8968, 6288, 4240, 2584,
    1200, 0,
];
static QM6: [i32; 64] = [
    -136, -136, -136, -136, -24_808, -21_904, -19_008, -16_704, -14_984, -13_512, -12_280, -11_192,
    -10_232, -9360, -8576, -7856, -7192, -6576, -6000, -5456, -4944, -4464, -4008, -3576, -3168,
    -2776, -2400, -2032, -1688, -1360, -1040, -728, 24_808, 21_904, 19_008, 16_704, 14_984, 13_512,
    12_280, 11_192, 10_232, 9360, 8576, 7856, 7192, 6576, 6000, 5456, 4944, 4464, 4008, 3576, 3168,
    2776, 2400, 2032, 1688, 1360, 1040, 728, 432, 136, -432, -136,
];
/// Half of the receive filter's coefficients; the other half mirrors them.
static QMF: [i32; 12] = [3, -11, 12, 32, -210, 951, 3876, -805, 362, -156, 53, -11];
