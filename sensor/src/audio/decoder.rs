//! Which encodings become sound, and how.
//!
//! | encoding | how |
//! | --- | --- |
//! | PCMU, PCMA, G722, GSM, L16 | here |
//! | opus | the crate `opus-pure` (RFC 6716) |
//! | all others | not at all: their packets can be fetched as a capture file |

use core::num::NonZeroU32;

use opus_pure::OpusDecoder;

use super::g711;
use super::g722::G722;
use super::gsm::{FRAME_BYTES, Gsm};
use crate::call::codec::Codec;
use crate::call::level::Law;

/// Samples of the longest Opus packet (RFC 6716 §3.4: 120 ms) at 48 kHz.
const MAX_OPUS: usize = 5760;

/// What one packet gives at most, seconds; what its payload holds beyond goes.
const MAX_SECONDS: u32 = 1;

/// Payloads in one encoding become samples.
pub(super) enum Decoder {
    G711(Law),
    G722(Box<G722>),
    Gsm(Box<Gsm>),
    L16 { rate: u32, channels: usize },
    Opus { decoder: Box<OpusDecoder>, rate: u32 },
}

impl Decoder {
    /// For an encoding, if there is one; Opus decodes to `rate` Hz by itself.
    pub(super) fn new(codec: &Codec, rate: u32) -> Option<Self> {
        let clock = codec.clock_rate().filter(|_| exists(codec))?.get();
        Some(match codec.encoding_name() {
            "PCMU" => Self::G711(Law::Mu),
            "PCMA" => Self::G711(Law::A),
            "G722" => Self::G722(Box::new(G722::new())),
            "GSM" => Self::Gsm(Box::new(Gsm::new())),
            "L16" => Self::L16 { rate: clock, channels: usize::from(codec.channels().max(1)) },
            "opus" => {
                let decoder = OpusDecoder::new(i32::try_from(rate).ok()?, 1).ok()?;
                Self::Opus { decoder: Box::new(decoder), rate }
            }
            _ => return None,
        })
    }

    /// Samples a second that it gives.
    pub(super) const fn rate(&self) -> u32 {
        match self {
            Self::G711(_) | Self::Gsm(_) => 8000,
            Self::G722(_) => 16_000,
            Self::L16 { rate, .. } | Self::Opus { rate, .. } => *rate,
        }
    }

    /// Appends the samples of a payload, [`MAX_SECONDS`] of them; of one that is damaged none.
    pub(super) fn decode(&mut self, payload: &[u8], samples: &mut Vec<i16>) {
        let most = samples.len() + (self.rate() * MAX_SECONDS) as usize;
        match self {
            Self::G711(law) => g711::decode(*law, payload, samples),
            Self::G722(decoder) => decoder.decode(payload, samples),
            Self::Gsm(decoder) => decoder.decode(payload, samples),
            Self::L16 { channels, .. } => {
                let frames = payload.chunks_exact(2 * *channels);
                samples.extend(frames.map(|frame| i16::from_be_bytes([frame[0], frame[1]])));
            }
            Self::Opus { decoder, .. } => {
                let before = samples.len();
                samples.resize(before + MAX_OPUS, 0);
                let decoded = decoder.decode_s16(payload, MAX_OPUS, &mut samples[before..]);
                samples.truncate(before + decoded.unwrap_or(0).min(MAX_OPUS));
            }
        }
        samples.truncate(most);
    }
}

/// Whether there is a decoder for an encoding, which has the clock that its payload format fixes
/// (RFC 3551, RFC 7587): another one would say that a packet lasts for hours.
pub(super) fn exists(codec: &Codec) -> bool {
    let clock = codec.clock_rate().map_or(0, NonZeroU32::get);
    match codec.encoding_name() {
        "PCMU" | "PCMA" | "G722" | "GSM" => clock == 8000,
        "L16" => (8000..=48_000).contains(&clock),
        "opus" => clock == 48_000,
        _ => false,
    }
}

/// What a payload says of itself before it is decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    /// In units of the RTP clock.
    pub(super) ticks: u32,
    /// Samples a second that its sound needs.
    pub(super) rate: u32,
}

/// The shape of a payload that there is a decoder for.
pub(super) fn shape(codec: &Codec, payload: &[u8]) -> Option<Shape> {
    let len = u32::try_from(payload.len()).ok()?;
    let clock = codec.clock_rate().filter(|_| exists(codec))?.get();
    let shape = match codec.encoding_name() {
        "PCMU" | "PCMA" => Shape { ticks: len, rate: 8000 },
        "G722" => Shape { ticks: len, rate: 16_000 },
        "GSM" => Shape { ticks: len / u32::try_from(FRAME_BYTES).ok()? * 160, rate: 8000 },
        "L16" => Shape { ticks: len / 2 / u32::from(codec.channels().max(1)), rate: clock },
        "opus" => opus_shape(payload)?,
        _ => return None,
    };
    Some(Shape { ticks: shape.ticks.min(clock * MAX_SECONDS), ..shape })
}

/// RFC 6716 §3.1 and §3.2: the table of contents says how long, how many, how wide.
fn opus_shape(payload: &[u8]) -> Option<Shape> {
    let &toc = payload.first()?;
    let config = usize::from(toc >> 3);
    let ticks = match config {
        0..12 => [480, 960, 1920, 2880][config % 4],
        12..16 => [480, 960][config % 2],
        _ => [120, 240, 480, 960][config % 4],
    };
    let frames = match toc & 3 {
        0 => 1,
        1 | 2 => 2,
        _ => u32::from(payload.get(1)? & 0x3f),
    };
    let rate = match config {
        0..4 | 16..20 => 8000,
        4..12 | 20..24 => 16_000,
        _ => 48_000,
    };
    let ticks = ticks * frames;
    (ticks > 0 && ticks <= 5760).then_some(Shape { ticks, rate })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::rtp::RtpMap;

    fn decoded(name: &str, payloads: &[&[u8]], rate: u32) -> Vec<i16> {
        let mut decoder = Decoder::new(&Codec::from_name(name), rate).unwrap();
        let mut samples = Vec::new();
        for payload in payloads {
            decoder.decode(payload, &mut samples);
        }
        samples
    }

    fn checksum(samples: &[i16]) -> u32 {
        let bytes: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
        crc32fast::hash(&bytes)
    }

    // vectors/README.md says where files and checksums come from.

    #[test]
    fn g722_is_decoded_as_others_decode_it() {
        let sweep = include_bytes!("vectors/sweep.g722");
        assert_eq!(checksum(&decoded("G722", &[sweep], 16_000)), 0xf658_4224);
    }

    #[test]
    fn gsm_is_decoded_as_the_reference_decodes_it() {
        let sweep = include_bytes!("vectors/sweep.gsm");
        assert_eq!(checksum(&decoded("GSM", &[sweep], 8000)), 0xcb34_2bc6);
    }

    #[test]
    fn opus_decodes_to_the_rate_that_is_asked_for() {
        let mut rest = &include_bytes!("vectors/sweep.opus")[..];
        let mut payloads = Vec::new();
        while let Some((len, after)) = rest.split_first_chunk::<2>() {
            let (payload, after) = after.split_at(u16::from_le_bytes(*len).into());
            payloads.push(payload);
            rest = after;
        }
        let codec = Codec::from_name("opus");
        let ticks: u32 = payloads.iter().map(|it| shape(&codec, it).unwrap().ticks).sum();
        for rate in [8000, 16_000, 48_000] {
            let samples = decoded("opus", &payloads, rate);
            assert_eq!(
                samples.len(),
                (ticks / 48_000 * rate + ticks % 48_000 * (rate / 1000) / 48) as usize
            );
            let loudest = samples.iter().map(|sample| sample.unsigned_abs()).max().unwrap();
            assert!((10_000..20_000).contains(&loudest), "{rate} Hz: {loudest}");
        }
    }

    #[test]
    fn the_first_of_two_channels_is_taken() {
        let map = RtpMap { encoding_name: "L16", clock_rate: 44_100, channels: 2 };
        let codec = Codec::from_rtpmap(map);
        let payload = [0, 1, 9, 9, 0xff, 0xfe, 9, 9];
        assert_eq!(shape(&codec, &payload), Some(Shape { ticks: 2, rate: 44_100 }));
        let mut samples = Vec::new();
        Decoder::new(&codec, 48_000).unwrap().decode(&payload, &mut samples);
        assert_eq!(samples, [1, -2]);
    }

    #[test]
    fn encodings_without_a_decoder_have_none() {
        for name in ["G729", "iLBC", "G723", "AMR", "AMR-WB", "EVS", "speex", "G726-32", "CN", ""] {
            assert!(!exists(&Codec::from_name(name)), "{name}");
            assert!(Decoder::new(&Codec::from_name(name), 8000).is_none(), "{name}");
            assert_eq!(shape(&Codec::from_name(name), &[0; 40]), None, "{name}");
        }
    }

    #[test]
    fn a_clock_that_its_format_does_not_have_has_no_decoder() {
        for (encoding_name, clock_rate, has_one) in [
            ("GSM", 1, false),
            ("GSM", 8000, true),
            ("G722", 16_000, false),
            ("opus", 8000, false),
            ("opus", 48_000, true),
            ("PCMA", 16_000, false),
            ("L16", 1, false),
            ("L16", 7999, false),
            ("L16", 8000, true),
            ("L16", 48_000, true),
            ("L16", 48_001, false),
        ] {
            let codec = Codec::from_rtpmap(RtpMap { encoding_name, clock_rate, channels: 1 });
            let about = format!("{encoding_name}/{clock_rate}");
            assert_eq!(exists(&codec), has_one, "{about}");
            assert_eq!(Decoder::new(&codec, 48_000).is_some(), has_one, "{about}");
            assert_eq!(shape(&codec, &[0x08; 660]).is_some(), has_one, "{about}");
        }
    }

    #[test]
    fn a_packet_gives_a_second_at_most() {
        let payload = [0; 65_495];
        for (encoding_name, clock_rate, rate) in
            [("PCMU", 8000, 8000), ("G722", 8000, 16_000), ("GSM", 8000, 8000), ("L16", 9000, 9000)]
        {
            let codec = Codec::from_rtpmap(RtpMap { encoding_name, clock_rate, channels: 1 });
            assert_eq!(shape(&codec, &payload), Some(Shape { ticks: clock_rate, rate }));
            let mut samples = vec![7; 10];
            Decoder::new(&codec, 48_000).unwrap().decode(&payload, &mut samples);
            assert_eq!(samples.len(), 10 + rate as usize, "{encoding_name}");
        }
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(24))]
        #[test]
        fn arbitrary_payloads_never_panic(payloads: Vec<Vec<u8>>) {
            for name in ["PCMA", "G722", "GSM", "opus", "L16"] {
                let codec = Codec::from_name(name);
                for rate in [8000, 48_000] {
                    let mut decoder = Decoder::new(&codec, rate).unwrap();
                    for payload in &payloads {
                        let mut samples = Vec::new();
                        decoder.decode(payload, &mut samples);
                        let _ = shape(&codec, payload);
                    }
                }
            }
        }
    }
}
