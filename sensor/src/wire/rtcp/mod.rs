//! RTCP compound packets (RFC 3550 §6), as far as quality needs them.

use core::fmt;

use super::reader::{Reader, Short};

pub mod bye;
pub mod sdes;
pub mod xr;

/// Why bytes are no RTCP packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// Shorter than its length field says.
    Short,
    /// A version other than 2.
    Version(u8),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Short => f.write_str("packet is shorter than its length says (RFC 3550 §6.4.1)"),
            Self::Version(version) => write!(f, "version is {version}, not 2 (RFC 3550 §6.4.1)"),
        }
    }
}

impl core::error::Error for Error {}

impl From<Short> for Error {
    fn from(Short: Short) -> Self {
        Self::Short
    }
}

/// Whether a version 2 packet is RTCP rather than RTP, where both share a port (RFC 5761 §4).
#[must_use]
#[inline]
pub fn is_rtcp(bytes: &[u8]) -> bool {
    matches!(bytes, [first, packet_type, ..] if first >> 6 == 2 && (192..=223).contains(packet_type))
}

/// One packet of a compound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packet<'a> {
    /// RFC 3550 §6.4.1.
    SenderReport(SenderReport<'a>),
    /// RFC 3550 §6.4.2.
    ReceiverReport(ReceiverReport<'a>),
    /// RFC 3550 §6.5.
    SourceDescription(sdes::Cnames<'a>),
    /// RFC 3550 §6.6.
    Bye(bye::Sources<'a>),
    /// RFC 3611.
    ExtendedReport(xr::Blocks<'a>),
    /// Any other type.
    Other(u8),
}

/// What a sender says of itself and of those it hears.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SenderReport<'a> {
    /// The sender.
    pub ssrc: u32,
    /// NTP timestamp, 32.32 fixed point.
    pub ntp: u64,
    /// The same moment in RTP timestamp units.
    pub rtp_timestamp: u32,
    /// Packets sent so far.
    pub packet_count: u32,
    /// Payload bytes sent so far.
    pub octet_count: u32,
    /// Whom it hears.
    pub reports: Reports<'a>,
}

/// What a receiver says of those it hears.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReceiverReport<'a> {
    /// The reporter.
    pub ssrc: u32,
    /// Whom it hears.
    pub reports: Reports<'a>,
}

/// What one receiver says of one source (RFC 3550 §6.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReportBlock {
    /// The source.
    pub ssrc: u32,
    /// Lost since the last report, 1/256.
    pub fraction_lost: u8,
    /// Lost since the start, signed 24 bits.
    pub cumulative_lost: i32,
    /// Extended highest sequence number received.
    pub extended_highest: u32,
    /// Timestamp units.
    pub interarrival_jitter: u32,
    /// Middle 32 bits of the last SR's NTP timestamp; 0: none.
    pub lsr: u32,
    /// Delay since that SR, 1/65536 s.
    pub dlsr: u32,
}

/// The report blocks of one packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reports<'a> {
    blocks: &'a [u8],
}

const BLOCK_LEN: usize = 24;

impl Iterator for Reports<'_> {
    type Item = ReportBlock;

    fn next(&mut self) -> Option<ReportBlock> {
        let (block, rest) = self.blocks.split_at_checked(BLOCK_LEN)?;
        self.blocks = rest;
        let mut reader = Reader::new(block);
        let ssrc = reader.u32().ok()?;
        let lost = reader.u32().ok()?;
        let [fraction_lost, ..] = lost.to_be_bytes();
        Some(ReportBlock {
            ssrc,
            fraction_lost,
            // Shifted up and back down, so that bit 23 becomes the sign.
            cumulative_lost: (lost << 8).cast_signed() >> 8,
            extended_highest: reader.u32().ok()?,
            interarrival_jitter: reader.u32().ok()?,
            lsr: reader.u32().ok()?,
            dlsr: reader.u32().ok()?,
        })
    }
}

/// The packets of a compound, until its end or its first error.
#[must_use]
pub const fn packets(bytes: &[u8]) -> Packets<'_> {
    Packets { left: bytes }
}

/// See [`packets`].
#[derive(Clone, Copy, Debug)]
pub struct Packets<'a> {
    left: &'a [u8],
}

impl<'a> Iterator for Packets<'a> {
    type Item = Result<Packet<'a>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.left.is_empty() {
            return None;
        }
        let packet = self.read();
        if packet.is_err() {
            self.left = &[];
        }
        Some(packet)
    }
}

impl<'a> Packets<'a> {
    fn read(&mut self) -> Result<Packet<'a>, Error> {
        let mut reader = Reader::new(self.left);
        let first = reader.u8()?;
        if first >> 6 != 2 {
            return Err(Error::Version(first >> 6));
        }
        let packet_type = reader.u8()?;
        let words = reader.u16()?;
        let body = reader.take(usize::from(words) * 4)?;
        self.left = reader.rest();
        let mut body = Reader::new(body);
        let count = usize::from(first & 0x1f);
        match packet_type {
            200 => {
                let (ssrc, ntp) = (body.u32()?, body.u64()?);
                let (rtp_timestamp, packet_count, octet_count) =
                    (body.u32()?, body.u32()?, body.u32()?);
                let reports = Reports { blocks: body.take(count * BLOCK_LEN)? };
                Ok(Packet::SenderReport(SenderReport {
                    ssrc,
                    ntp,
                    rtp_timestamp,
                    packet_count,
                    octet_count,
                    reports,
                }))
            }
            201 => {
                let ssrc = body.u32()?;
                let reports = Reports { blocks: body.take(count * BLOCK_LEN)? };
                Ok(Packet::ReceiverReport(ReceiverReport { ssrc, reports }))
            }
            202 => Ok(Packet::SourceDescription(sdes::Cnames { body: body.rest(), chunks: count })),
            203 => Ok(Packet::Bye(bye::Sources { sources: body.take(count * 4)? })),
            207 => {
                body.u32()?;
                Ok(Packet::ExtendedReport(xr::Blocks { body: body.rest() }))
            }
            other => Ok(Packet::Other(other)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn receiver_report(lost: [u8; 4]) -> Vec<u8> {
        let mut bytes = vec![0x81, 201, 0, 7, 0, 0, 0, 1, 0, 0, 0, 2];
        bytes.extend(lost);
        bytes.extend([0, 0, 1, 0, 0, 0, 0, 80, 1, 2, 3, 4, 0, 1, 0, 0]);
        bytes
    }

    #[test]
    fn cumulative_lost_is_signed_24_bits() {
        for (wire, expected) in [([64, 0, 0, 5], 5), ([0, 0xff, 0xff, 0xff], -1)] {
            let bytes = receiver_report(wire);
            let Some(Ok(Packet::ReceiverReport(report))) = packets(&bytes).next() else {
                panic!("no receiver report");
            };
            let block = report.reports.into_iter().next().unwrap();
            assert_eq!(block.cumulative_lost, expected);
            assert_eq!(block.fraction_lost, wire[0]);
            assert_eq!(block.dlsr, 65_536);
        }
    }

    #[test]
    fn a_compound_gives_each_packet_and_stops_at_the_first_error() {
        let mut bytes = receiver_report([0; 4]);
        bytes.extend([0x80, 203, 0, 0]);
        bytes.extend([0x80, 202, 0, 9, 1]);
        let kinds: Vec<_> = packets(&bytes).map(|packet| packet.is_ok()).collect();
        assert_eq!(kinds, [true, true, false]);
    }

    #[test]
    fn more_blocks_than_bytes_is_an_error() {
        let mut bytes = receiver_report([0; 4]);
        bytes[0] = 0x9f;
        assert_eq!(packets(&bytes).next(), Some(Err(Error::Short)));
    }

    #[test]
    fn rtcp_is_told_from_rtp_on_one_port() {
        assert!(is_rtcp(&[0x80, 200]));
        assert!(!is_rtcp(&[0x80, 0x80 | 96]));
        assert!(!is_rtcp(&[0x80]));
    }
}
