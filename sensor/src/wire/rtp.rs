//! RTP (RFC 3550 §5.1), static payload types (RFC 3551 §6) and telephone events (RFC 4733 §2.3).
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |V=2|P|X|  CC   |M|     PT      |       sequence number         |
//! |                           timestamp                           |
//! |           synchronization source (SSRC) identifier            |
//! ```

use core::fmt;

use super::reader::{Reader, Short};

/// Length of the fixed header.
pub const HEADER_LEN: usize = 12;

/// Why bytes are no RTP packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// Shorter than its own header, CSRC list or extension.
    Short,
    /// A version other than 2.
    Version(u8),
    /// More padding than payload (RFC 3550 §5.1).
    Padding,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Short => f.write_str("packet is shorter than its header (RFC 3550 §5.1)"),
            Self::Version(version) => write!(f, "version is {version}, not 2 (RFC 3550 §5.1)"),
            Self::Padding => f.write_str("padding is longer than the payload (RFC 3550 §5.1)"),
        }
    }
}

impl core::error::Error for Error {}

impl From<Short> for Error {
    fn from(Short: Short) -> Self {
        Self::Short
    }
}

/// One RTP packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet<'a> {
    /// 0 to 127.
    pub payload_type: u8,
    /// The marker bit; its meaning is the profile's.
    pub marker: bool,
    /// 16 bits, wraps.
    pub sequence_number: u16,
    /// In units of the payload type's clock rate.
    pub timestamp: u32,
    /// Synchronization source.
    pub ssrc: u32,
    /// What was captured of the payload, without padding where its length was captured.
    pub payload: &'a [u8],
    /// Payload bytes on the wire.
    pub payload_len: u32,
}

impl<'a> Packet<'a> {
    /// Reads a packet of `wire_len` bytes of which `bytes` were captured.
    ///
    /// # Errors
    /// Any [`Error`]. A cut capture is no error as long as the headers are whole.
    #[inline]
    pub fn parse(bytes: &'a [u8], wire_len: u32) -> Result<Self, Error> {
        let mut reader = Reader::new(bytes);
        let first = reader.u8()?;
        if first >> 6 != 2 {
            return Err(Error::Version(first >> 6));
        }
        let second = reader.u8()?;
        let sequence_number = reader.u16()?;
        let timestamp = reader.u32()?;
        let ssrc = reader.u32()?;
        reader.take(usize::from(first & 0x0f) * 4)?;
        if first & 0x10 != 0 {
            reader.u16()?;
            let words = reader.u16()?;
            reader.take(usize::from(words) * 4)?;
        }
        let mut payload = reader.rest();
        let header_len = bytes.len() - payload.len();
        let mut payload_len =
            wire_len.saturating_sub(u32::try_from(header_len).map_err(|_| Error::Short)?);
        let is_whole = bytes.len() as u64 >= u64::from(wire_len);
        if first & 0x20 != 0 && is_whole {
            let padding = payload.last().copied().ok_or(Error::Padding)?;
            let kept = payload.len().checked_sub(usize::from(padding)).ok_or(Error::Padding)?;
            if padding == 0 {
                return Err(Error::Padding);
            }
            payload = &payload[..kept];
            payload_len -= u32::from(padding);
        }
        Ok(Self {
            payload_type: second & 0x7f,
            marker: second & 0x80 != 0,
            sequence_number,
            timestamp,
            ssrc,
            payload,
            payload_len,
        })
    }
}

/// Whether a datagram on a media port is RTP or RTCP at all: version 2 and long enough
/// (RFC 7983 §7 keeps 128 to 191 for them).
#[must_use]
#[inline]
pub fn is_version_2(bytes: &[u8]) -> bool {
    bytes.first().is_some_and(|first| first >> 6 == 2)
}

/// What a payload type stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RtpMap<'a> {
    /// As in rtpmap or RFC 3551, for example `PCMU`.
    pub encoding_name: &'a str,
    /// Hz, of the RTP timestamp.
    pub clock_rate: u32,
    /// Audio channels.
    pub channels: u8,
}

/// The static payload types of RFC 3551 §6, tables 4 and 5.
#[must_use]
pub const fn static_payload_type(payload_type: u8) -> Option<RtpMap<'static>> {
    let (encoding_name, clock_rate, channels) = match payload_type {
        0 => ("PCMU", 8_000, 1),
        3 => ("GSM", 8_000, 1),
        4 => ("G723", 8_000, 1),
        5 => ("DVI4", 8_000, 1),
        6 => ("DVI4", 16_000, 1),
        7 => ("LPC", 8_000, 1),
        8 => ("PCMA", 8_000, 1),
        9 => ("G722", 8_000, 1),
        10 => ("L16", 44_100, 2),
        11 => ("L16", 44_100, 1),
        12 => ("QCELP", 8_000, 1),
        13 | 19 => ("CN", 8_000, 1),
        14 => ("MPA", 90_000, 1),
        15 => ("G728", 8_000, 1),
        16 => ("DVI4", 11_025, 1),
        17 => ("DVI4", 22_050, 1),
        18 => ("G729", 8_000, 1),
        25 => ("CelB", 90_000, 1),
        26 => ("JPEG", 90_000, 1),
        28 => ("nv", 90_000, 1),
        31 => ("H261", 90_000, 1),
        32 => ("MPV", 90_000, 1),
        33 => ("MP2T", 90_000, 1),
        34 => ("H263", 90_000, 1),
        _ => return None,
    };
    Some(RtpMap { encoding_name, clock_rate, channels })
}

/// An RFC 4733 event payload (§2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TelephoneEvent {
    /// 0 to 9 are digits, 10 `*`, 11 `#`, 12 to 15 A to D.
    pub event: u8,
    /// The end bit.
    pub end: bool,
    /// In timestamp units since the packet's timestamp.
    pub duration: u16,
}

impl TelephoneEvent {
    /// Reads the first event of a payload.
    ///
    /// # Errors
    /// [`Error::Short`].
    pub fn parse(payload: &[u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(payload);
        let event = reader.u8()?;
        let end = reader.u8()? & 0x80 != 0;
        let duration = reader.u16()?;
        Ok(Self { event, end, duration })
    }

    /// The digit that it stands for; `None` for tones that are no digits.
    #[must_use]
    pub fn digit(self) -> Option<char> {
        b"0123456789*#ABCD".get(usize::from(self.event)).map(|&digit| char::from(digit))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: [u8; 16] = [0x80, 0x88, 0, 7, 0, 0, 0, 160, 1, 2, 3, 4, 9, 9, 9, 9];

    #[test]
    fn header_fields_are_read() {
        let packet = Packet::parse(&PLAIN, 16).unwrap();
        assert_eq!(
            packet,
            Packet {
                payload_type: 8,
                marker: true,
                sequence_number: 7,
                timestamp: 160,
                ssrc: 0x0102_0304,
                payload: &[9; 4],
                payload_len: 4
            }
        );
    }

    #[test]
    fn csrc_extension_and_padding_are_no_payload() {
        let mut bytes = PLAIN[..12].to_vec();
        bytes[0] = 0x80 | 0x20 | 0x10 | 2;
        bytes.extend([0; 8]);
        bytes.extend([0xbe, 0xde, 0, 1, 1, 2, 3, 4]);
        bytes.extend([5, 5, 5, 0, 0, 3]);
        let packet = Packet::parse(&bytes, u32::try_from(bytes.len()).unwrap()).unwrap();
        assert_eq!(packet.payload, &[5; 3]);
        assert_eq!(packet.payload_len, 3);
    }

    #[test]
    fn a_cut_capture_still_knows_the_payload_s_length_on_the_wire() {
        let packet = Packet::parse(&PLAIN, 172).unwrap();
        assert_eq!(packet.payload_len, 160);
        assert_eq!(packet.payload.len(), 4);
    }

    #[test]
    fn padding_longer_than_the_payload_is_refused() {
        let mut bytes = PLAIN;
        bytes[0] |= 0x20;
        bytes[15] = 5;
        assert_eq!(Packet::parse(&bytes, 16), Err(Error::Padding));
        bytes[15] = 0;
        assert_eq!(Packet::parse(&bytes, 16), Err(Error::Padding));
    }

    #[test]
    fn every_truncation_is_an_error_or_a_packet_but_never_a_panic() {
        for len in 0..12 {
            assert_eq!(Packet::parse(&PLAIN[..len], 16), Err(Error::Short), "{len}");
        }
        assert_eq!(Packet::parse(&[0x40; 20], 20), Err(Error::Version(1)));
    }

    #[test]
    fn telephone_event_gives_its_digit() {
        let event = TelephoneEvent::parse(&[11, 0x8a, 3, 32]).unwrap();
        assert_eq!(event, TelephoneEvent { event: 11, end: true, duration: 800 });
        assert_eq!(event.digit(), Some('#'));
        assert_eq!(TelephoneEvent::parse(&[66, 0, 0, 0]).unwrap().digit(), None);
        assert_eq!(TelephoneEvent::parse(&[1, 2, 3]), Err(Error::Short));
    }
}
