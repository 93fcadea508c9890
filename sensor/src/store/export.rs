//! A stored call as a capture file: pcapng (draft-ietf-opsawg-pcapng), or pcap where that is asked
//! for.
//!
//! Packets have the times and lengths with which they were captured. pcapng says in its comment
//! which call it is, which sensor saw it, and which rule has kept it.

use core::fmt;
use std::io::{self, Write};

use super::ring::facts::Facts;
use super::ring::packet::Packet;
use crate::limits::MAX_FRAME_BYTES;

/// How a call is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FileFormat {
    /// With comments, and any number of interfaces and link types.
    #[default]
    Pcapng,
    /// Of one link type.
    Pcap,
}

/// Why a call cannot be written.
#[derive(Debug)]
pub enum ExportError {
    /// The system refuses.
    Io(io::Error),
    /// Packets of several link types, which pcap cannot hold.
    SeveralLinkTypes,
}

impl fmt::Display for ExportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::SeveralLinkTypes => {
                f.write_str("the call's packets have several link types: use --format pcapng")
            }
        }
    }
}

impl core::error::Error for ExportError {}

impl From<io::Error> for ExportError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Writes a call's packets, which are in order. `id` is the call's.
///
/// # Errors
/// Every [`ExportError`].
pub fn export(
    format: FileFormat,
    id: &str,
    facts: &Facts,
    packets: &[Packet<'_>],
    out: &mut (impl Write + ?Sized),
) -> Result<(), ExportError> {
    match format {
        FileFormat::Pcapng => pcapng(id, facts, packets, out)?,
        FileFormat::Pcap => pcap(packets, out)?,
    }
    out.flush()?;
    Ok(())
}

fn pcapng(
    id: &str,
    facts: &Facts,
    packets: &[Packet<'_>],
    out: &mut (impl Write + ?Sized),
) -> io::Result<()> {
    let mut file = Pcapng::begin(id, facts, out)?;
    for packet in packets {
        file.packet(packet, out)?;
    }
    Ok(())
}

/// A pcapng file that is written packet by packet.
#[derive(Debug, Default)]
pub struct Pcapng {
    /// A link type and an interface of the capture make an interface of the file.
    interfaces: Vec<(u16, u8)>,
    body: Vec<u8>,
}

impl Pcapng {
    /// Writes the file's head. `id` is the call's.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn begin(id: &str, facts: &Facts, out: &mut (impl Write + ?Sized)) -> io::Result<Self> {
        const COMMENT: u16 = 1;
        const HARDWARE: u16 = 2;
        const APPLICATION: u16 = 4;
        let rule = if facts.rule.is_empty() { "without a name" } else { &facts.rule };
        let comment = format!(
            "call {id}\nSIP Call-ID {}\nsensor {} ({})\nrule {} ({rule})",
            facts.call_id, facts.sensor, facts.device, facts.rule_id
        );
        let mut body = Vec::new();
        body.extend_from_slice(&0x1a2b_3c4d_u32.to_le_bytes());
        body.extend_from_slice(&[1, 0, 0, 0]);
        body.extend_from_slice(&u64::MAX.to_le_bytes());
        option(COMMENT, comment.as_bytes(), &mut body);
        option(HARDWARE, facts.sensor.as_bytes(), &mut body);
        let version = concat!("ringside-sensor ", env!("CARGO_PKG_VERSION"));
        option(APPLICATION, version.as_bytes(), &mut body);
        end_of_options(&mut body);
        block(0x0a0d_0d0a, &body, out)?;
        Ok(Self { interfaces: Vec::new(), body })
    }

    /// Writes the next packet.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn packet(
        &mut self,
        packet: &Packet<'_>,
        out: &mut (impl Write + ?Sized),
    ) -> io::Result<()> {
        let number = self.interface(packet, out)?;
        let body = &mut self.body;
        body.clear();
        // Without an if_tsresol option, times are microseconds.
        let at = packet.at;
        for word in [
            u32::try_from(number).unwrap_or_default(),
            u32::try_from(at >> 32).unwrap_or(u32::MAX),
            u32::try_from(at & 0xffff_ffff).unwrap_or_default(),
            captured_len(packet),
            packet.original_len,
        ] {
            body.extend_from_slice(&word.to_le_bytes());
        }
        body.extend_from_slice(packet.bytes);
        body.resize(body.len().next_multiple_of(4), 0);
        block(6, body, out)
    }

    /// The number of the packet's interface, which is written before its first.
    fn interface(
        &mut self,
        packet: &Packet<'_>,
        out: &mut (impl Write + ?Sized),
    ) -> io::Result<usize> {
        const IF_NAME: u16 = 2;
        let interface = (packet.link_type, packet.interface);
        if let Some(number) = self.interfaces.iter().position(|known| *known == interface) {
            return Ok(number);
        }
        self.interfaces.push(interface);
        let body = &mut self.body;
        body.clear();
        body.extend_from_slice(&packet.link_type.to_le_bytes());
        body.extend_from_slice(&[0, 0]);
        body.extend_from_slice(&snap_len().to_le_bytes());
        option(IF_NAME, format!("interface {}", packet.interface).as_bytes(), body);
        end_of_options(body);
        block(1, body, out)?;
        Ok(self.interfaces.len() - 1)
    }
}

fn block(kind: u32, body: &[u8], out: &mut (impl Write + ?Sized)) -> io::Result<()> {
    let len = u32::try_from(body.len() + 12).unwrap_or(u32::MAX).to_le_bytes();
    out.write_all(&kind.to_le_bytes())?;
    out.write_all(&len)?;
    out.write_all(body)?;
    out.write_all(&len)
}

fn option(code: u16, value: &[u8], to: &mut Vec<u8>) {
    if value.is_empty() {
        return;
    }
    let value = &value[..value.len().min(usize::from(u16::MAX))];
    to.extend_from_slice(&code.to_le_bytes());
    to.extend_from_slice(&u16::try_from(value.len()).unwrap_or_default().to_le_bytes());
    to.extend_from_slice(value);
    to.resize(to.len().next_multiple_of(4), 0);
}

fn end_of_options(to: &mut Vec<u8>) {
    to.extend_from_slice(&[0; 4]);
}

fn pcap(packets: &[Packet<'_>], out: &mut (impl Write + ?Sized)) -> Result<(), ExportError> {
    let link_type = packets.first().map_or(1, |packet| packet.link_type);
    if packets.iter().any(|packet| packet.link_type != link_type) {
        return Err(ExportError::SeveralLinkTypes);
    }
    out.write_all(&0xa1b2_c3d4_u32.to_le_bytes())?;
    out.write_all(&[2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0])?;
    out.write_all(&snap_len().to_le_bytes())?;
    out.write_all(&u32::from(link_type).to_le_bytes())?;
    for packet in packets {
        let seconds = u32::try_from(packet.at / 1_000_000).unwrap_or(u32::MAX);
        let micros = u32::try_from(packet.at % 1_000_000).unwrap_or_default();
        for word in [seconds, micros, captured_len(packet), packet.original_len] {
            out.write_all(&word.to_le_bytes())?;
        }
        out.write_all(packet.bytes)?;
    }
    Ok(())
}

fn captured_len(packet: &Packet<'_>) -> u32 {
    u32::try_from(packet.bytes.len()).unwrap_or(u32::MAX)
}

fn snap_len() -> u32 {
    u32::try_from(MAX_FRAME_BYTES).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::file::FileSource;

    fn packets() -> Vec<Packet<'static>> {
        let packet = |number, link_type, interface, bytes: &'static [u8]| Packet {
            number,
            at: 1_795_420_859_453_875 + u64::from(number),
            link_type,
            interface,
            original_len: 99,
            bytes,
        };
        vec![packet(0, 1, 0, b"abc"), packet(1, 1, 1, b"defg"), packet(2, 1, 0, b"")]
    }

    fn read_back(format: FileFormat, packets: &[Packet<'_>]) -> Vec<(u64, u16, u32, Vec<u8>)> {
        let mut file = Vec::new();
        let facts = Facts { rule: "Berlin".to_owned(), ..Facts::default() };
        export(format, "the-id", &facts, packets, &mut file).unwrap();
        if format == FileFormat::Pcapng {
            let text = String::from_utf8_lossy(&file);
            assert!(text.contains("call the-id\n") && text.contains("rule 0 (Berlin)"));
        }
        let mut source = FileSource::from_reader(io::Cursor::new(file)).unwrap();
        let mut read = Vec::new();
        while let Some(frame) = source.next_frame().unwrap() {
            let bytes = frame.bytes.to_vec();
            read.push((frame.at.as_micros(), frame.link_type.number(), frame.original_len, bytes));
        }
        read
    }

    #[test]
    fn what_is_written_is_read_back() {
        let packets = packets();
        let expected: Vec<_> = packets
            .iter()
            .map(|packet| (packet.at, packet.link_type, packet.original_len, packet.bytes.to_vec()))
            .collect();
        for format in [FileFormat::Pcapng, FileFormat::Pcap] {
            assert_eq!(read_back(format, &packets), expected, "{format:?}");
        }
    }

    #[test]
    fn pcap_holds_one_link_type() {
        let mut packets = packets();
        packets[1].link_type = 113;
        assert_eq!(read_back(FileFormat::Pcapng, &packets)[1].1, 113);
        let refused =
            export(FileFormat::Pcap, "", &Facts::default(), &packets, &mut Vec::new()).unwrap_err();
        assert!(refused.to_string().contains("pcapng"));
    }
}
