//! What is known of each encoding: its name, its clock, how much audio its bytes hold.
//!
//! Names, clocks and frames are those of RFC 3551 and of each payload format's RFC. What listeners
//! make of an encoding is in [`super::impairment`].

use core::num::NonZeroU32;

use ringside_protocol::limits::MAX_ENCODING_NAME;

use super::level::Law;
use crate::wire::rtp::{RtpMap, static_payload_type};

/// What kind of payload an encoding carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Coded speech, or audio used for it.
    Speech,
    /// RFC 3389.
    ComfortNoise,
    /// RFC 4733 events and tones.
    TelephoneEvent,
    /// Video, text, data, fax.
    Other,
    /// An encoding that this table does not name.
    Unknown,
}

impl Kind {
    /// Whether packets of this kind follow the media clock one by one. Comfort noise comes when
    /// the sender likes, events keep the timestamp of their beginning (RFC 4733 §2.2.1): jitter
    /// and jitter buffers pass over them.
    #[must_use]
    pub const fn is_media(self) -> bool {
        !matches!(self, Self::ComfortNoise | Self::TelephoneEvent)
    }
}

/// Bytes of an encoding name that are kept; the rest is cut.
pub const MAX_NAME: usize = MAX_ENCODING_NAME;

/// An encoding as a payload type stands for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Codec {
    name: Name,
    clock_rate: Option<NonZeroU32>,
    channels: u8,
    encrypted: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Name {
    /// Index into [`TABLE`].
    Known(u8),
    /// As in rtpmap.
    Other { len: u8, bytes: [u8; MAX_NAME] },
}

/// How an encoding turns time into bytes.
#[derive(Clone, Copy, Debug)]
enum Frames {
    /// So many bytes a frame of so many microseconds, any whole number of frames a packet.
    Fixed { bytes: u32, micros: u32 },
    /// A frame length that does not show in the bytes.
    Variable,
}

struct Row {
    name: &'static str,
    clock_rate: u32,
    kind: Kind,
    frames: Frames,
}

const fn speech(name: &'static str, clock_rate: u32, bytes: u32, micros: u32) -> Row {
    Row { name, clock_rate, kind: Kind::Speech, frames: Frames::Fixed { bytes, micros } }
}

const fn variable(name: &'static str, clock_rate: u32) -> Row {
    Row { name, clock_rate, kind: Kind::Speech, frames: Frames::Variable }
}

const fn other(name: &'static str, clock_rate: u32, kind: Kind) -> Row {
    Row { name, clock_rate, kind, frames: Frames::Variable }
}

/// Places in [`TABLE`].
const PCMU: u8 = 0;
const PCMA: u8 = 1;

/// Encodings by name, with the clock rate that their payload format fixes or that is usual.
static TABLE: [Row; 88] = [
    speech("PCMU", 8_000, 8, 1_000),
    speech("PCMA", 8_000, 8, 1_000),
    // It samples at 16 kHz; its RTP clock is 8 kHz for historical reasons (RFC 3551 §4.5.2).
    speech("G722", 8_000, 8, 1_000),
    variable("G723", 8_000),
    speech("G728", 8_000, 5, 2_500),
    speech("G729", 8_000, 10, 10_000),
    speech("G729D", 8_000, 8, 10_000),
    speech("G729E", 8_000, 15, 10_000),
    variable("G7291", 16_000),
    speech("GSM", 8_000, 33, 20_000),
    speech("GSM-EFR", 8_000, 31, 20_000),
    speech("GSM-HR-08", 8_000, 14, 20_000),
    speech("LPC", 8_000, 14, 20_000),
    variable("DVI4", 8_000),
    variable("VDVI", 8_000),
    speech("G726-16", 8_000, 2, 1_000),
    speech("G726-24", 8_000, 3, 1_000),
    speech("G726-32", 8_000, 4, 1_000),
    speech("G726-40", 8_000, 5, 1_000),
    speech("AAL2-G726-16", 8_000, 2, 1_000),
    speech("AAL2-G726-24", 8_000, 3, 1_000),
    speech("AAL2-G726-32", 8_000, 4, 1_000),
    speech("AAL2-G726-40", 8_000, 5, 1_000),
    variable("L8", 8_000),
    variable("L16", 44_100),
    variable("L24", 48_000),
    variable("QCELP", 8_000),
    variable("EVRC", 8_000),
    variable("EVRC0", 8_000),
    variable("EVRCB", 8_000),
    variable("EVRCWB", 16_000),
    variable("EVRC1", 8_000),
    variable("EVRCB0", 8_000),
    variable("EVRCB1", 8_000),
    variable("EVRCWB0", 16_000),
    variable("EVRCWB1", 16_000),
    variable("EVRCNW", 16_000),
    variable("EVRCNW0", 16_000),
    variable("EVRCNW1", 16_000),
    variable("SMV", 8_000),
    variable("SMV0", 8_000),
    variable("AMR", 8_000),
    variable("AMR-WB", 16_000),
    variable("AMR-WB+", 72_000),
    variable("EVS", 16_000),
    variable("iLBC", 8_000),
    variable("iSAC", 16_000),
    variable("speex", 8_000),
    variable("SILK", 8_000),
    variable("opus", 48_000),
    variable("G7221", 16_000),
    variable("G719", 48_000),
    // G.711.1 (RFC 5391): a core of G.711 and layers above it.
    variable("PCMU-WB", 16_000),
    variable("PCMA-WB", 16_000),
    variable("L20", 48_000),
    variable("MELP", 8_000),
    variable("MELP600", 8_000),
    variable("MELP1200", 8_000),
    variable("MELP2400", 8_000),
    // Redundant audio (RFC 2198): what is inside has a payload type of its own.
    variable("red", 8_000),
    speech("BV16", 8_000, 10, 5_000),
    speech("BV32", 16_000, 20, 5_000),
    variable("MPA", 90_000),
    variable("MP4A-LATM", 90_000),
    variable("mpeg4-generic", 48_000),
    variable("vorbis", 48_000),
    other("CN", 8_000, Kind::ComfortNoise),
    other("telephone-event", 8_000, Kind::TelephoneEvent),
    other("tone", 8_000, Kind::TelephoneEvent),
    other("CLEARMODE", 8_000, Kind::Other),
    other("t38", 8_000, Kind::Other),
    other("t140", 1_000, Kind::Other),
    other("CelB", 90_000, Kind::Other),
    other("JPEG", 90_000, Kind::Other),
    other("nv", 90_000, Kind::Other),
    other("H261", 90_000, Kind::Other),
    other("H263", 90_000, Kind::Other),
    other("H263-1998", 90_000, Kind::Other),
    other("H264", 90_000, Kind::Other),
    other("H265", 90_000, Kind::Other),
    other("MPV", 90_000, Kind::Other),
    other("MP2T", 90_000, Kind::Other),
    other("VP8", 90_000, Kind::Other),
    other("VP9", 90_000, Kind::Other),
    other("AV1", 90_000, Kind::Other),
    other("rtx", 90_000, Kind::Other),
    other("ulpfec", 90_000, Kind::Other),
    other("flexfec-03", 90_000, Kind::Other),
];

impl Codec {
    /// Of a payload type of which nothing is known.
    pub const UNKNOWN: Self = Self {
        name: Name::Other { len: 0, bytes: [0; MAX_NAME] },
        clock_rate: None,
        channels: 1,
        encrypted: false,
    };

    /// As an rtpmap says.
    #[must_use]
    pub fn from_rtpmap(map: RtpMap<'_>) -> Self {
        Self {
            name: Name::of(map.encoding_name),
            clock_rate: NonZeroU32::new(map.clock_rate),
            channels: map.channels,
            encrypted: false,
        }
    }

    /// By name alone, with the usual clock rate if the table has one.
    #[must_use]
    pub fn from_name(encoding_name: &str) -> Self {
        let name = Name::of(encoding_name);
        let clock_rate = name.row().and_then(|row| NonZeroU32::new(row.clock_rate));
        Self { name, clock_rate, ..Self::UNKNOWN }
    }

    /// Of a payload type that no rtpmap explains: RFC 3551's static types, else unknown.
    #[must_use]
    pub fn from_payload_type(payload_type: u8) -> Self {
        static_payload_type(payload_type).map_or(Self::UNKNOWN, Self::from_rtpmap)
    }

    /// The same, inside SRTP or not: if it is, its bytes cannot be read.
    #[must_use]
    pub const fn inside_srtp(self, encrypted: bool) -> Self {
        Self { encrypted, ..self }
    }

    /// Whether it is inside SRTP.
    #[must_use]
    pub const fn is_encrypted(&self) -> bool {
        self.encrypted
    }

    /// As in the table where it is there, else as in rtpmap; empty where unknown.
    #[must_use]
    pub fn encoding_name(&self) -> &str {
        match &self.name {
            Name::Known(_) => self.name.row().map_or("", |row| row.name),
            Name::Other { len, bytes } => {
                core::str::from_utf8(&bytes[..usize::from(*len)]).unwrap_or("")
            }
        }
    }

    /// Hz, of the RTP timestamp.
    #[must_use]
    #[inline]
    pub const fn clock_rate(&self) -> Option<NonZeroU32> {
        self.clock_rate
    }

    /// Audio channels.
    #[must_use]
    pub const fn channels(&self) -> u8 {
        self.channels
    }

    /// What it carries.
    #[must_use]
    #[inline]
    pub fn kind(&self) -> Kind {
        self.name.row().map_or(Kind::Unknown, |row| row.kind)
    }

    /// The G.711 law of a payload that can be read sample by sample.
    #[must_use]
    #[inline]
    pub const fn law(&self) -> Option<Law> {
        match self.name {
            _ if self.encrypted => None,
            Name::Known(PCMU) => Some(Law::Mu),
            Name::Known(PCMA) => Some(Law::A),
            _ => None,
        }
    }

    /// Microseconds of audio in a payload of so many bytes, where the bytes tell.
    #[must_use]
    pub fn payload_micros(&self, payload_len: u32) -> Option<u32> {
        let Frames::Fixed { bytes, micros } = self.name.row()?.frames else { return None };
        let frames = payload_len / bytes;
        (frames > 0 && payload_len.is_multiple_of(bytes) && !self.encrypted)
            .then(|| frames.saturating_mul(micros))
    }
}

impl Name {
    fn of(encoding_name: &str) -> Self {
        let known = TABLE.iter().position(|row| row.name.eq_ignore_ascii_case(encoding_name));
        if let Some(known) = known.and_then(|at| u8::try_from(at).ok()) {
            return Self::Known(known);
        }
        let mut end = encoding_name.len().min(MAX_NAME);
        while !encoding_name.is_char_boundary(end) {
            end -= 1;
        }
        let mut bytes = [0; MAX_NAME];
        bytes[..end].copy_from_slice(&encoding_name.as_bytes()[..end]);
        Self::Other { len: u8::try_from(end).unwrap_or(0), bytes }
    }

    #[inline]
    fn row(&self) -> Option<&'static Row> {
        match self {
            Self::Known(at) => TABLE.get(usize::from(*at)),
            Self::Other { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_match_in_any_case_and_unknown_ones_are_kept() {
        assert_eq!(Codec::from_name("pcmu"), Codec::from_payload_type(0));
        assert_eq!(Codec::from_name("OPUS").encoding_name(), "opus");
        let own = Codec::from_rtpmap(RtpMap { encoding_name: "X-own", clock_rate: 7, channels: 2 });
        assert_eq!(
            (own.encoding_name(), own.clock_rate(), own.channels()),
            ("X-own", NonZeroU32::new(7), 2)
        );
        assert_eq!(own.kind(), Kind::Unknown);
    }

    #[test]
    fn a_long_name_is_cut_at_max_name() {
        let long = "\u{e9}".repeat(MAX_NAME);
        let codec = Codec::from_name(&long);
        assert_eq!(codec.encoding_name(), "\u{e9}".repeat(MAX_NAME / 2));
    }

    #[test]
    fn every_static_payload_type_is_in_the_table() {
        for payload_type in 0..128 {
            if static_payload_type(payload_type).is_some() {
                let codec = Codec::from_payload_type(payload_type);
                assert_ne!(codec.kind(), Kind::Unknown, "payload type {payload_type}");
            }
        }
        assert_eq!(Codec::from_payload_type(96), Codec::UNKNOWN);
    }

    #[test]
    fn dynamic_encodings_have_the_clock_of_their_payload_format() {
        for (name, clock_rate) in [
            ("opus", 48_000),
            ("G722", 8_000),
            ("AMR", 8_000),
            ("AMR-WB", 16_000),
            ("iLBC", 8_000),
            ("GSM-HR-08", 8_000),
            ("speex", 8_000),
            ("EVS", 16_000),
            ("EVRCNW", 16_000),
            ("PCMA-WB", 16_000),
            ("G719", 48_000),
        ] {
            let codec = Codec::from_name(name);
            assert_eq!(codec.clock_rate(), NonZeroU32::new(clock_rate), "{name}");
            assert_eq!(codec.kind(), Kind::Speech, "{name}");
        }
    }

    #[test]
    fn g711_can_be_read_unless_it_is_encrypted() {
        assert_eq!(Codec::from_name("PCMU").law(), Some(Law::Mu));
        assert_eq!(Codec::from_name("PCMA").law(), Some(Law::A));
        assert_eq!(Codec::from_name("PCMA").inside_srtp(true).law(), None);
        assert_eq!(Codec::from_name("G722").law(), None);
    }

    #[test]
    fn no_name_is_in_the_table_twice() {
        for (at, row) in TABLE.iter().enumerate() {
            assert_eq!(Name::of(row.name), Name::Known(u8::try_from(at).unwrap()), "{}", row.name);
        }
    }

    #[test]
    fn bytes_give_the_time() {
        let micros = |name, len| Codec::from_name(name).payload_micros(len);
        assert_eq!(micros("PCMA", 160), Some(20_000));
        assert_eq!(micros("G722", 160), Some(20_000));
        assert_eq!(micros("G729", 20), Some(20_000));
        assert_eq!(micros("G729", 12), None, "a frame and a silence descriptor");
        assert_eq!(micros("GSM", 33), Some(20_000));
        assert_eq!(micros("G726-24", 60), Some(20_000));
        assert_eq!(micros("opus", 160), None);
        assert_eq!(Codec::from_name("PCMA").inside_srtp(true).payload_micros(170), None);
    }
}
