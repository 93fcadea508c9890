//! What listeners make of an encoding: Ie and Bpl, and the scale that they stand on.
//!
//! An encoding for which ITU-T published the *pair* is scored with it:
//!
//! | encoding | Ie | Bpl | source |
//! | --- | --- | --- | --- |
//! | G.711 | 0 | 25.1 | G.113 appendix I (05/2002), table I.4, with packet loss concealment |
//! | G.729, G.729A, with or without annex B | 11 | 19.0 | the same, "G.729A + VAD" |
//! | G.723.1 at 6.3 kbit/s | 15 | 16.1 | the same, "G.723.1 + VAD" |
//! | GSM-EFR, AMR at 12.2 kbit/s | 5 | 10.0 | the same; the two are one codec (3GPP TS 26.071) |
//! | AMR-WB at 12.65 kbit/s | 20 | 4.3 | G.113 (09/2024) appendix IV, tables IV.3 and IV.4 |
//! | AMR-WB at 23.05 kbit/s | 8 | 4.6 | the same, wideband scale |
//! | AMR-WB at 23.85 kbit/s | 10 | 4.9 | the same: worse than 23.05, as published |
//!
//! Of others a part is published. They are scored, and the record says that it is an estimate:
//!
//! | encoding | Ie | Bpl | what is estimated |
//! | --- | --- | --- | --- |
//! | G.722 at 64 kbit/s | 13 | 4.3 | Ie of appendix IV; Bpl is G.107.1's default |
//! | AMR-WB at 6.6, 8.85, 15.85 kbit/s | 56, 41, 17 | 4.3 | Ie of table IV.3; Bpl, the least of table IV.4 |
//! | GSM-FR | 20 | 10.0 | Ie of appendix I; Bpl, GSM-EFR's |
//! | G.723.1 at 5.3 kbit/s | 19 | 16.1 | Ie of appendix I; Bpl, that of 6.3 kbit/s |
//! | AMR at 7.4 kbit/s | 10 | 10.0 | Ie of IS-641, which it is; Bpl, GSM-EFR's |
//! | EVS from 9.6 to 48 kbit/s | 7.2 to 22.7 | 9.3 to 13 | appendix V, tables V.1 and V.3, for super-wideband, which no packet shows; fullband scale |
//! | Opus | 10.7 to 38.1 | 9.8 to 16.5 | not ITU-T's: see [`OPUS`]; fullband scale |
//!
//! No score for G.726, G.728, G.722.1, the other modes of AMR and AMR-WB, iLBC and Speex: nothing
//! is published of their loss that another codec's value could stand for, and for the last two not
//! even an Ie.
//!
//! The recommendation is not at hand to everybody, so each value was compared with what others took
//! from it, two of them or more for the first table: G.711, G.729 and G.723.1 with OPAL
//! (`src/rtp/metrics.cxx`), AMR-WB and EVS with sipnab (`docs`: G.113 (09/2024) and its erratum 1),
//! GSM-EFR with a third E-model that marks it "G.113 provisional value". All agree to the digit. Of
//! the second, EVS at 24.4 kbit/s and GSM-FR were found twice, the others once; a manual of Mitel's
//! has 14 for G.722, which is 0.02 of a MOS.
//!
//! G.711 has two values of Bpl: 25.1 with the concealment of its appendix I, 4.3 without any. The
//! first is used, because every receiver of today conceals losses in some way.
//!
//! AMR-WB's values are those of listeners with both ears; for one ear no Bpl is published, and
//! an Ie of the one does not go with a Bpl of the other.

use super::codec::Codec;

/// Which bandwidth a scale was made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Band {
    /// G.107.
    Narrow,
    /// G.107.1.
    Wide,
    /// G.107.2.
    Full,
}

/// A pair of impairment values and the scale they belong to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Impairment {
    /// The scale.
    pub band: Band,
    /// One of the two is not ITU-T's for this encoding.
    pub is_estimate: bool,
    /// Equipment impairment factor.
    pub ie: f64,
    /// Packet-loss robustness factor.
    pub bpl: f64,
}

impl Impairment {
    const fn new(band: Band, ie: f64, bpl: f64) -> Self {
        Self { band, is_estimate: false, ie, bpl }
    }

    const fn estimate(self) -> Self {
        Self { is_estimate: true, ..self }
    }
}

/// What a stream's packets are like.
#[derive(Clone, Copy, Debug, Default)]
pub struct Packets {
    /// Payload bytes of most of them.
    pub usual_len: u32,
    /// Payload bytes, on average.
    pub mean_len: u32,
    /// Milliseconds of audio in each.
    pub ptime: Option<u16>,
}

impl Packets {
    /// Frames of so many milliseconds in each.
    fn frames(&self, frame_ms: u16) -> u32 {
        u32::from((self.ptime.unwrap_or(frame_ms) / frame_ms).max(1))
    }

    /// Mean rate of the payload, bit/s.
    fn bits_per_second(&self) -> Option<u32> {
        let ptime = self.ptime.filter(|&ptime| ptime > 0)?;
        Some(self.mean_len.saturating_mul(8000) / u32::from(ptime))
    }
}

/// The values for packets of an encoding; `None` where there are none.
#[must_use]
pub fn impairment(codec: &Codec, packets: &Packets) -> Option<Impairment> {
    let narrow = |ie, bpl| Some(Impairment::new(Band::Narrow, ie, bpl));
    let estimated_narrow = |ie, bpl| Some(Impairment::new(Band::Narrow, ie, bpl).estimate());
    let estimated_wide = |ie| Some(Impairment::new(Band::Wide, ie, LEAST_WIDEBAND_BPL).estimate());
    match codec.encoding_name() {
        "PCMU" | "PCMA" => narrow(0.0, 25.1),
        "G729" => narrow(11.0, 19.0),
        // RFC 3551 §4.5.3: 24 bytes a frame of 30 ms at 6.3 kbit/s, 20 at 5.3.
        "G723" => match packets.usual_len / packets.frames(30) {
            24 => narrow(15.0, 16.1),
            20 => estimated_narrow(19.0, 16.1),
            _ => None,
        },
        "GSM-EFR" => narrow(5.0, 10.0),
        "GSM" => estimated_narrow(20.0, 10.0),
        "AMR" => match amr_mode(&[244, 148], packets)? {
            244 => narrow(5.0, 10.0),
            _ => estimated_narrow(10.0, 10.0),
        },
        // 8000 bytes a second; 56 and 48 kbit/s come in as many (RFC 3551 §4.5.2).
        "G722" => estimated_wide(13.0),
        "AMR-WB" => match amr_mode(&[253, 461, 477, 132, 177, 317], packets)? {
            253 => Some(Impairment::new(Band::Wide, 20.0, 4.3)),
            461 => Some(Impairment::new(Band::Wide, 8.0, 4.6)),
            477 => Some(Impairment::new(Band::Wide, 10.0, 4.9)),
            132 => estimated_wide(56.0),
            177 => estimated_wide(41.0),
            _ => estimated_wide(17.0),
        },
        "EVS" => evs(packets).map(Impairment::estimate),
        "opus" => opus(packets.bits_per_second()?).map(Impairment::estimate),
        _ => None,
    }
}

/// The least of G.113's table IV.4, and the default of G.107.1's table 2.
const LEAST_WIDEBAND_BPL: f64 = 4.3;

/// Which of some modes, by the bits of a frame, all frames of the usual packet have: packed or
/// octet-aligned (RFC 4867 §4.3 and §4.4), a mode request of 4 or 8 bits, and for each frame 6 or 8
/// bits of contents table.
fn amr_mode(modes: &[u32], packets: &Packets) -> Option<u32> {
    let frames = packets.frames(20);
    let is_it = |bits: u32| {
        let packed = (4 + frames * (6 + bits)).div_ceil(8);
        let aligned = 1 + frames * (1 + bits.div_ceil(8));
        packets.usual_len == packed || packets.usual_len == aligned
    };
    modes.iter().copied().find(|&bits| is_it(bits))
}

/// By the size of one frame: alone (3GPP TS 26.445 A.2.1), or behind a contents table and perhaps a
/// mode request of a byte each (A.2.2).
fn evs(packets: &Packets) -> Option<Impairment> {
    if packets.frames(20) != 1 {
        return None;
    }
    let (ie, bpl) = match packets.usual_len {
        24..=26 => (22.7, 13.0),
        33..=35 => (17.1, 11.7),
        41..=43 => (10.8, 10.3),
        61..=63 => (7.2, 11.4),
        80..=82 => (8.7, 9.3),
        120..=122 => (10.2, 9.6),
        _ => return None,
    };
    Some(Impairment::new(Band::Full, ie, bpl))
}

/// kbit/s, Ie, Bpl for random loss: Opus, super-wideband, variable rate. Derived with P.863 by
/// M. Alahmadi, P. Pocta and H. Melvin, "An Adaptive Bitrate Switching Algorithm for Speech
/// Applications in Context of WebRTC", ACM TOMM 17(4), 2021, rounded to one digit; the authors
/// publish the table as `Opus_emodel.js`. Its best value is near the one of EVS at 48 kbit/s that
/// rtpengine and wire-avs take for Opus.
const OPUS: [(f64, f64, f64); 11] = [
    (14.0, 38.1, 16.5),
    (15.0, 34.1, 15.0),
    (16.0, 30.2, 11.8),
    (19.0, 23.8, 10.7),
    (22.0, 20.2, 10.5),
    (25.0, 20.2, 11.3),
    (28.0, 18.5, 10.6),
    (31.0, 16.8, 10.4),
    (34.0, 14.8, 10.1),
    (37.0, 12.1, 10.4),
    (40.0, 10.7, 9.8),
];

/// Between two rates a straight line; beyond the last its values. Below the first Opus turns to
/// narrower bands, of which nothing is known on this scale.
fn opus(bits_per_second: u32) -> Option<Impairment> {
    let rate = f64::from(bits_per_second) / 1000.0;
    let mut steps = OPUS.iter().zip(&OPUS[1..]);
    let last = OPUS.last().filter(|last| rate >= last.0).map(|last| (last, last));
    let step = last.or_else(|| steps.find(|(below, above)| (below.0..above.0).contains(&rate)));
    let (below, above) = step?;
    let part = if below.0 < above.0 { (rate - below.0) / (above.0 - below.0) } else { 0.0 };
    let between = |from: f64, to: f64| from + (to - from) * part;
    Some(Impairment::new(Band::Full, between(below.1, above.1), between(below.2, above.2)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(name: &str, len: u32, ptime: u16) -> Option<Impairment> {
        let packets = Packets { usual_len: len, mean_len: len, ptime: Some(ptime) };
        impairment(&Codec::from_name(name), &packets)
    }

    /// Ie, Bpl and whether they are an estimate.
    fn values(name: &str, len: u32, ptime: u16) -> Option<(f64, f64, bool)> {
        of(name, len, ptime).map(|found| (found.ie, found.bpl, found.is_estimate))
    }

    #[test]
    fn amr_modes_are_told_by_their_size() {
        assert_eq!(values("AMR", 32, 20), Some((5.0, 10.0, false)), "12.2 kbit/s, packed");
        assert_eq!(values("AMR", 33, 20), Some((5.0, 10.0, false)), "12.2 kbit/s, octet-aligned");
        assert_eq!(values("AMR", 65, 40), Some((5.0, 10.0, false)), "two of them");
        assert_eq!(values("AMR", 20, 20), Some((10.0, 10.0, true)), "7.4 kbit/s");
        assert_eq!(values("AMR", 22, 20), None, "7.95 kbit/s");
        assert_eq!(values("AMR-WB", 33, 20), Some((20.0, 4.3, false)));
        assert_eq!(values("AMR-WB", 60, 20), Some((8.0, 4.6, false)));
        assert_eq!(values("AMR-WB", 61, 20), Some((10.0, 4.9, false)));
        assert_eq!(values("AMR-WB", 18, 20), Some((56.0, 4.3, true)), "6.6 kbit/s");
        assert_eq!(values("AMR-WB", 41, 20), Some((17.0, 4.3, true)), "15.85 kbit/s");
        assert_eq!(values("AMR-WB", 37, 20), None, "14.25 kbit/s");
    }

    #[test]
    fn both_rates_of_g723_are_told_apart() {
        assert_eq!(values("G723", 24, 30), Some((15.0, 16.1, false)));
        assert_eq!(values("G723", 40, 60), Some((19.0, 16.1, true)));
        assert_eq!(values("G723", 4, 30), None, "a silence descriptor");
    }

    #[test]
    fn evs_is_on_the_fullband_scale_whatever_its_header() {
        for len in [61, 62, 63] {
            assert_eq!(values("EVS", len, 20), Some((7.2, 11.4, true)), "24.4 kbit/s");
            assert_eq!(of("EVS", len, 20).unwrap().band, Band::Full);
        }
        assert_eq!(values("EVS", 18, 20), None, "7.2 kbit/s: not super-wideband");
        assert_eq!(values("EVS", 66, 40), None);
    }

    #[test]
    fn opus_lies_between_the_published_rates() {
        // 25 kbit/s: 62.5 bytes in 20 ms.
        assert_eq!(values("opus", 125, 40), Some((20.2, 11.3, true)));
        let (ie, bpl, _) = values("opus", 85, 20).unwrap();
        assert!((14.8..=16.8).contains(&ie) && bpl < 10.5, "34 kbit/s: {ie}, {bpl}");
        assert_eq!(values("opus", 240, 20), Some((10.7, 9.8, true)), "96 kbit/s");
        assert_eq!(values("opus", 34, 20), None, "13.6 kbit/s");
        let unknown = Packets { usual_len: 80, mean_len: 80, ptime: None };
        assert_eq!(impairment(&Codec::from_name("opus"), &unknown), None);
    }

    #[test]
    fn codecs_of_which_nothing_is_published_have_none() {
        for name in ["G726-32", "G728", "G7221", "iLBC", "speex", "L16", "CN", ""] {
            assert_eq!(of(name, 160, 20), None, "{name}");
        }
        assert_eq!(values("G722", 160, 20), Some((13.0, 4.3, true)));
        assert_eq!(values("GSM", 33, 20), Some((20.0, 10.0, true)));
    }
}
