//! From a stream's figures to an opinion: the E-model.
//!
//! Narrowband: ITU-T G.107 (06/2015), all of its formulas over [`Parameters`]. Wideband: ITU-T
//! G.107.1 (06/2019). Fullband: ITU-T G.107.2 (03/2023). Everything goes through `libm` and basic
//! IEEE operations, so that the results are the same on every architecture.
//!
//! A MOS of one scale is no MOS of another: 4.5 is the best line that each bandwidth allows.

use libm::{exp, fabs, log2, log10, pow, round, sqrt};
use ringside_protocol::cdr::Score;

use super::impairment::{Band, Impairment};
use super::playout::Buffer;

/// R of a wideband connection without impairments (G.107.1 §7.7).
pub const R_WIDEBAND: f64 = 129.0;

/// R of a fullband connection without impairments (G.107.2 §7.7).
pub const R_FULLBAND: f64 = 148.0;

/// Input of the E-model, with the symbols and units of G.107 table 2.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Parameters {
    /// Send loudness rating, dB.
    pub slr: f64,
    /// Receive loudness rating, dB.
    pub rlr: f64,
    /// Sidetone masking rating, dB.
    pub stmr: f64,
    /// D-value of the telephone, send side.
    pub ds: f64,
    /// D-value of the telephone, receive side.
    pub dr: f64,
    /// Talker echo loudness rating, dB.
    pub telr: f64,
    /// Weighted echo path loss, dB.
    pub wepl: f64,
    /// Mean one-way delay of the echo path, ms.
    pub t: f64,
    /// Round-trip delay in a 4-wire loop, ms.
    pub tr: f64,
    /// Absolute delay in echo-free connections, ms.
    pub ta: f64,
    /// Number of quantization distortion units.
    pub qdu: f64,
    /// Equipment impairment factor.
    pub ie: f64,
    /// Packet-loss robustness factor.
    pub bpl: f64,
    /// Packet-loss probability, %.
    pub ppl: f64,
    /// Burst ratio, 1 for random loss.
    pub burst_r: f64,
    /// Circuit noise referred to the 0 dBr point, dBm0p.
    pub nc: f64,
    /// Noise floor at the receive side, dBmp.
    pub nfor: f64,
    /// Room noise at the send side, dB(A).
    pub ps: f64,
    /// Room noise at the receive side, dB(A).
    pub pr: f64,
    /// Advantage factor.
    pub a: f64,
}

impl Default for Parameters {
    /// G.107 table 2.
    fn default() -> Self {
        Self {
            slr: 8.0,
            rlr: 2.0,
            stmr: 15.0,
            ds: 3.0,
            dr: 3.0,
            telr: 65.0,
            wepl: 110.0,
            t: 0.0,
            tr: 0.0,
            ta: 0.0,
            qdu: 1.0,
            ie: 0.0,
            bpl: 4.3,
            ppl: 0.0,
            burst_r: 1.0,
            nc: -70.0,
            nfor: -64.0,
            ps: 35.0,
            pr: 35.0,
            a: 0.0,
        }
    }
}

/// What a listener behind a jitter buffer heard of a stream.
#[derive(Clone, Copy, Debug, Default)]
pub struct Heard {
    /// Sequence numbers that should have come.
    pub expected: u32,
    /// Those that were not played: lost in the network or thrown away.
    pub lost: u32,
    /// Runs of consecutive numbers among those.
    pub bursts: u32,
    /// Packets thrown away by the buffer.
    pub discarded: u32,
    /// Time spent in the buffer, microseconds, over all packets played.
    pub waited: u64,
    /// Packets played whose time in the buffer is known.
    pub played: u32,
}

impl Heard {
    /// Everything since the stream's beginning, without `expected`.
    #[must_use]
    pub fn by(buffer: &Buffer) -> Self {
        let runs = buffer.runs();
        let (waited, played) = buffer.waits();
        Self {
            expected: 0,
            lost: runs.lost,
            bursts: runs.bursts,
            discarded: buffer.discarded(),
            waited,
            played,
        }
    }

    /// What came after `before`, in the same stream. Losses may since have been given back.
    #[must_use]
    pub const fn since(&self, before: &Self) -> Self {
        Self {
            expected: self.expected.saturating_sub(before.expected),
            lost: self.lost.saturating_sub(before.lost),
            bursts: self.bursts.saturating_sub(before.bursts),
            discarded: self.discarded.saturating_sub(before.discarded),
            waited: self.waited.saturating_sub(before.waited),
            played: self.played.saturating_sub(before.played),
        }
    }

    /// Share of the numbers that were not played, 0 to 1.
    fn loss(&self) -> f64 {
        if self.expected == 0 {
            return 0.0;
        }
        f64::from(self.lost.min(self.expected)) / f64::from(self.expected)
    }

    /// Mean time in the buffer, ms.
    fn mean_wait(&self) -> f64 {
        if self.played == 0 {
            return 0.0;
        }
        #[expect(clippy::cast_precision_loss, reason = "285 years in microseconds fit 53 bits")]
        let waited = self.waited as f64;
        waited / f64::from(self.played) / 1000.0
    }
}

/// BurstR: the mean length of bursts of loss over that of random loss at the same rate, which is
/// `1 / (1 - loss)` (G.107 §7.5). `None` without loss.
#[must_use]
pub fn burst_ratio(heard: &Heard) -> Option<f64> {
    if heard.bursts == 0 {
        return None;
    }
    let mean = f64::from(heard.lost) / f64::from(heard.bursts);
    Some(mean * (1.0 - heard.loss()))
}

/// Greatest BurstR that enters the formula; one outage of a minute would have a thousand.
const MAX_BURST_R: f64 = 8.0;

/// The opinion of a listener; the delay is the buffer's and half a round trip, if one is known.
#[must_use]
pub fn score(impairment: Impairment, heard: &Heard, round_trip_us: Option<u32>) -> Score {
    let Impairment { band, ie, bpl, .. } = impairment;
    let ppl = 100.0 * heard.loss();
    let burst_r = burst_ratio(heard).unwrap_or(1.0).clamp(1.0, MAX_BURST_R);
    let ta = heard.mean_wait() + round_trip_us.map_or(0.0, |us| f64::from(us) / 2000.0);
    let (r, mos) = match band {
        Band::Narrow => {
            let r = transmission_rating(&Parameters {
                ie,
                bpl,
                ppl,
                burst_r,
                ta,
                t: ta,
                tr: 2.0 * ta,
                ..Parameters::default()
            });
            (r, mos_cqe(r))
        }
        Band::Wide => {
            let r = wideband_rating(ie, bpl, ppl, burst_r, ta);
            (r, mos_cqe_wideband(r))
        }
        Band::Full => {
            let r = fullband_rating(ie, bpl, ppl, burst_r, ta);
            (r, mos_cqe_fullband(r))
        }
    };
    Score { mos: rounded_u16(mos * 100.0), r: rounded_u16(r * 10.0), discarded: heard.discarded }
}

/// Rounded, and kept within `u16`.
#[must_use]
pub(super) fn rounded_u16(value: f64) -> u16 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "`as` keeps a float within the range"
    )]
    let rounded = round(value) as u16;
    rounded
}

/// Rounded, and kept within `u32`.
#[must_use]
pub(super) fn rounded_u32(value: f64) -> u32 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "`as` keeps a float within the range"
    )]
    let rounded = round(value) as u32;
    rounded
}

/// The transmission rating factor R of narrowband connections (G.107 §7.1).
#[must_use]
pub fn transmission_rating(p: &Parameters) -> f64 {
    let no = noise(p);
    let ro = 15.0 - 1.5 * (p.slr + no);
    let ist = sidetone(p);
    let ie_eff = effective_impairment(WORST, p.ie, p.bpl, p.ppl, p.burst_r);
    ro - simultaneous(p, no, ro, ist) - delay_impairment(p, no, ro, ist) - ie_eff + p.a
}

/// R of a wideband connection (G.107.1 §7.1): the impairments of codec, loss and pure delay.
///
/// G.107.1's echo terms (equations 7-5 to 7-12) are left out: they rest on the telephones' echo
/// loss, which nobody on the wire can see, and cost about 1 on a scale of 129 for its default. Its
/// Ie,eff knows random loss only; BurstR enters as it does in G.107.
#[must_use]
pub fn wideband_rating(ie_wb: f64, bpl: f64, ppl: f64, burst_r: f64, ta: f64) -> f64 {
    R_WIDEBAND - 1.29 * absolute_delay(ta) - effective_impairment(WORST, ie_wb, bpl, ppl, burst_r)
}

/// R of a fullband connection (G.107.2 §7.1): codec, loss and pure delay; BurstR as above.
#[must_use]
pub fn fullband_rating(ie_fb: f64, bpl: f64, ppl: f64, burst_r: f64, ta: f64) -> f64 {
    let ie_eff = effective_impairment(WORST_FULLBAND, ie_fb, bpl, ppl, burst_r);
    R_FULLBAND - 1.48 * absolute_delay(ta) - ie_eff
}

/// Mean opinion score (conversational quality, estimated) for a narrowband R (G.107 annex B).
#[must_use]
pub fn mos_cqe(r: f64) -> f64 {
    if r <= 0.0 {
        1.0
    } else if r >= 100.0 {
        4.5
    } else {
        // Between 0 and 6.5 the polynomial falls below the scale's end.
        (1.0 + 0.035 * r + r * (r - 60.0) * (100.0 - r) * 7e-6).max(1.0)
    }
}

/// The same for a wideband R (G.107.1 annex A).
#[must_use]
pub fn mos_cqe_wideband(r: f64) -> f64 {
    mos_cqe(r / 1.29)
}

/// The same for a fullband R (G.107.2 annex A).
#[must_use]
pub fn mos_cqe_fullband(r: f64) -> f64 {
    mos_cqe(r / 1.48)
}

/// No, the sum of all noise at the 0 dBr point, dBm0p (G.107 §7.2).
fn noise(p: &Parameters) -> f64 {
    let olr = p.slr + p.rlr;
    let room = p.ps - p.slr - p.ds;
    let excess = p.ps - olr - p.ds - 14.0;
    let nos = room - 100.0 + 0.004 * excess * excess;
    let lstr = p.stmr + p.dr;
    let pre = p.pr + 10.0 * log10(1.0 + decibels((10.0 - lstr) / 10.0));
    let nor = p.rlr - 121.0 + pre + 0.008 * (pre - 35.0) * (pre - 35.0);
    let nfo = p.nfor + p.rlr;
    10.0 * log10(
        decibels(p.nc / 10.0) + decibels(nos / 10.0) + decibels(nor / 10.0) + decibels(nfo / 10.0),
    )
}

fn decibels(tenth: f64) -> f64 {
    pow(10.0, tenth)
}

/// `(1 + x^n)^(1/n)`, of which the recommendation is fond.
fn soft_max(x: f64, n: f64) -> f64 {
    pow(1.0 + pow(x, n), 1.0 / n)
}

/// Is: loudness, sidetone and quantizing (G.107 §7.3).
fn simultaneous(p: &Parameters, no: f64, ro: f64, ist: f64) -> f64 {
    let olr = p.slr + p.rlr;
    let xolr = olr + 0.2 * (64.0 + no - p.rlr);
    let iolr = 20.0 * (soft_max(xolr / 8.0, 8.0) - xolr / 8.0);
    let q = 37.0 - 15.0 * log10(p.qdu);
    let g = 1.07 + 0.258 * q + 0.0602 * q * q;
    let y = (ro - 100.0) / 15.0 + 46.0 / 8.4 - g / 9.0;
    let z = 46.0 / 30.0 - g / 40.0;
    let iq = 15.0 * log10(1.0 + decibels(y) + decibels(z));
    iolr + ist + iq
}

/// Ist: non-optimum sidetone (G.107 §7.3).
fn sidetone(p: &Parameters) -> f64 {
    let stmro =
        -10.0 * log10(decibels(-p.stmr / 10.0) + exp(-p.t / 4.0) * decibels(-p.telr / 10.0));
    12.0 * soft_max(fabs((stmro - 13.0) / 6.0), 8.0)
        - 28.0 * even_odd((stmro + 1.0) / 19.4, 35.0)
        - 13.0 * even_odd((stmro - 3.0) / 33.0, 13.0)
        + 29.0
}

/// [`soft_max`] for an odd power of what may be negative: no less than 0 under the root.
fn even_odd(x: f64, n: f64) -> f64 {
    pow((1.0 + pow(x, n)).max(0.0), 1.0 / n)
}

/// Id: talker echo, listener echo, absolute delay (G.107 §7.4).
fn delay_impairment(p: &Parameters, no: f64, ro: f64, ist: f64) -> f64 {
    talker_echo(p, no, ist) + listener_echo(p, ro) + absolute_delay(p.ta)
}

fn talker_echo(p: &Parameters, no: f64, ist: f64) -> f64 {
    let terv = p.telr - 40.0 * log10((1.0 + p.t / 10.0) / (1.0 + p.t / 150.0))
        + 6.0 * exp(-0.3 * p.t * p.t);
    let terv = if p.stmr < 9.0 { terv + ist / 2.0 } else { terv };
    let roe = -1.5 * (no - p.rlr);
    let re = 80.0 + 2.5 * (terv - 14.0);
    let half = (roe - re) / 2.0;
    let idte = (half + sqrt(half * half + 100.0) - 1.0) * (1.0 - exp(-p.t));
    if p.stmr > 20.0 { sqrt(idte * idte + ist * ist) } else { idte }
}

fn listener_echo(p: &Parameters, ro: f64) -> f64 {
    let rle = 10.5 * (p.wepl + 7.0) * pow(p.tr + 1.0, -0.25);
    let half = (ro - rle) / 2.0;
    half + sqrt(half * half + 169.0)
}

/// Idd: too long a delay even without echo; the default delay sensitivity (sT 1, mT 100 ms).
/// G.107.1 (7-13) has it too, times 1.29, and G.107.2, times 1.48.
fn absolute_delay(ta: f64) -> f64 {
    if ta <= 100.0 {
        return 0.0;
    }
    let x = log2(ta / 100.0);
    25.0 * (soft_max(x, 6.0) - 3.0 * soft_max(x / 3.0, 6.0) + 2.0)
}

/// What remains of nothing but losses (G.107 §7.5, G.107.1 §7.5).
const WORST: f64 = 95.0;

/// The same (G.107.2 §7.5).
const WORST_FULLBAND: f64 = 132.0;

/// Ie,eff: codec and packet loss.
fn effective_impairment(worst: f64, ie: f64, bpl: f64, ppl: f64, burst_r: f64) -> f64 {
    ie + (worst - ie) * ppl / (ppl / burst_r + bpl)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rating(change: impl FnOnce(&mut Parameters)) -> f64 {
        let mut parameters = Parameters::default();
        change(&mut parameters);
        transmission_rating(&parameters)
    }

    fn assert_near(value: f64, expected: f64, tolerance: f64) {
        assert!((value - expected).abs() <= tolerance, "{value} is not {expected}");
    }

    /// G.107 §7.7: "R = 93.2".
    #[test]
    fn all_defaults_give_r_93_2_and_mos_4_41() {
        let r = rating(|_| ());
        assert_near(r, 93.2, 0.05);
        assert_near(mos_cqe(r), 4.41, 0.005);
    }

    /// G.107 annex B, table B.1: lower limits of R with their MOS. The table's 4.03 is 4.024 by
    /// the formula.
    #[test]
    fn annex_b_gives_the_table_s_mos() {
        for (r, mos) in [(90.0, 4.34), (80.0, 4.03), (70.0, 3.60), (60.0, 3.10), (50.0, 2.58)] {
            assert_near(mos_cqe(r), mos, 0.0061);
        }
        assert_eq!(
            (mos_cqe(-5.0), mos_cqe(3.0), mos_cqe(100.0), mos_cqe(120.0)),
            (1.0, 1.0, 4.5, 4.5)
        );
    }

    /// G.113 appendix I's codecs at 0 %: R falls by Ie exactly.
    #[test]
    fn ie_comes_off_r() {
        assert_near(rating(|p| p.ie = 11.0), rating(|_| ()) - 11.0, 1e-9);
    }

    /// Ie,eff = 0 + 95 * 2 / (2 / BurstR + 25.1): G.711 with concealment at 2 %.
    #[test]
    fn loss_costs_more_in_bursts() {
        let random = rating(|p| (p.ppl, p.bpl) = (2.0, 25.1));
        assert_near(rating(|_| ()) - random, 190.0 / 27.1, 1e-9);
        let bursty = rating(|p| (p.ppl, p.bpl, p.burst_r) = (2.0, 25.1, 2.0));
        assert_near(rating(|_| ()) - bursty, 190.0 / 26.1, 1e-9);
    }

    /// G.114 figure 1 is this curve: no cost up to 100 ms, 250 ms about 11, 400 ms about 24.
    #[test]
    fn absolute_delay_costs_from_100_ms_on() {
        assert_eq!(absolute_delay(100.0), 0.0);
        assert_near(absolute_delay(150.0), 0.2, 0.2);
        assert_near(absolute_delay(200.0), 3.0, 0.2);
        assert_near(absolute_delay(400.0), 23.7, 0.5);
    }

    #[test]
    fn echo_of_a_poor_telephone_costs_more_with_delay() {
        let echo = |t, telr| rating(|p| (p.t, p.ta, p.tr, p.telr) = (t, t, 2.0 * t, telr));
        assert!(echo(150.0, 65.0) < echo(50.0, 65.0));
        assert!(echo(50.0, 40.0) < echo(50.0, 65.0) - 10.0);
        assert!(echo(0.0, 40.0) > 85.0);
    }

    #[test]
    fn wideband_starts_at_129() {
        assert_near(mos_cqe_wideband(wideband_rating(0.0, 4.3, 0.0, 1.0, 0.0)), 4.5, 1e-9);
        // AMR-WB 12.65 with 2 % random loss: 129 - (20 + 75 * 2 / 6.3).
        let r = wideband_rating(20.0, 4.3, 2.0, 1.0, 0.0);
        assert_near(r, 129.0 - 20.0 - 150.0 / 6.3, 1e-9);
        assert_near(mos_cqe_wideband(r), 3.406, 0.001);
    }

    /// The default that rtpengine and wire-avs take for Opus (Ie 10.2, Bpl 4.3), by their formula:
    /// `(148 - 1.48 * Idd - (10.2 + 121.8 * Ppl / (Ppl + 4.3))) / 1.48`.
    #[test]
    fn fullband_starts_at_148() {
        assert_near(mos_cqe_fullband(fullband_rating(0.0, 4.3, 0.0, 1.0, 0.0)), 4.5, 1e-9);
        let r = fullband_rating(10.2, 4.3, 1.0, 1.0, 0.0);
        assert_near(r, 148.0 - 10.2 - 121.8 / 5.3, 1e-9);
        assert_near(mos_cqe_fullband(r), 3.9294, 0.0005);
        let late = fullband_rating(10.2, 4.3, 1.0, 1.0, 400.0);
        assert_near(r - late, 1.48 * absolute_delay(400.0), 1e-9);
        // EVS 24.4 kbit/s (G.113 appendix V: 7.2, 11.4) with 3 % random loss.
        let r = fullband_rating(7.2, 11.4, 3.0, 1.0, 0.0);
        assert_near(r, 148.0 - 7.2 - 124.8 * 3.0 / 14.4, 1e-9);
    }

    /// The delay's whole cost by default telephones, against the straight lines that Cole and
    /// Rosenbluth fitted to G.107 ("Voice over IP performance monitoring", 2001):
    /// `0.024 d`, and `0.11 (d - 177.3)` more above 177.3 ms.
    #[test]
    fn delay_costs_what_the_known_fit_says() {
        for delay in [25.0, 50.0, 100.0, 150.0, 200.0, 300.0] {
            let r = rating(|p| (p.t, p.ta, p.tr) = (delay, delay, 2.0 * delay));
            let fit = 0.024 * delay + 0.11 * f64::max(delay - 177.3, 0.0);
            assert_near(rating(|_| ()) - r, fit, 0.3);
        }
    }
}
