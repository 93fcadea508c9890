//! Ethernet frames, built from their payload outwards. Checksums are left out: nothing reads them.

use core::net::{IpAddr, SocketAddr};

const ETHERNET: [u8; 12] = [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];
const UDP: u8 = 17;
const TCP: u8 = 6;

/// What a TCP segment holds.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Segment<'a> {
    pub(crate) sequence_number: u32,
    pub(crate) syn: bool,
    pub(crate) fin: bool,
    pub(crate) payload: &'a [u8],
}

/// A UDP datagram in one frame, however long it is.
pub(crate) fn udp(src: SocketAddr, dst: SocketAddr, payload: &[u8]) -> Vec<u8> {
    ip_frame(src.ip(), dst.ip(), UDP, &udp_packet(src, dst, payload))
}

/// A TCP segment.
pub(crate) fn tcp(src: SocketAddr, dst: SocketAddr, segment: Segment<'_>) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(20 + segment.payload.len());
    bytes.extend(src.port().to_be_bytes());
    bytes.extend(dst.port().to_be_bytes());
    bytes.extend(segment.sequence_number.to_be_bytes());
    bytes.extend([0; 4]);
    let flags = u8::from(segment.fin) | u8::from(segment.syn) << 1 | 0x10;
    bytes.extend([0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
    bytes.extend(segment.payload);
    ip_frame(src.ip(), dst.ip(), TCP, &bytes)
}

/// The fragments of a UDP datagram, each with at most `len` bytes (a multiple of 8) of it. IPv4.
pub(crate) fn fragments(
    src: SocketAddr,
    dst: SocketAddr,
    payload: &[u8],
    ident: u16,
    len: usize,
) -> Vec<Vec<u8>> {
    let packet = udp_packet(src, dst, payload);
    let count = packet.len().div_ceil(len);
    let fragment = |(index, part): (usize, &[u8])| {
        let more = index + 1 < count;
        let offset = u16::try_from(index * len / 8).unwrap() | if more { 0x2000 } else { 0 };
        ipv4_frame(src.ip(), dst.ip(), UDP, (ident, offset), part)
    };
    packet.chunks(len).enumerate().map(fragment).collect()
}

/// An RTP packet of 20 ms PCMA.
pub(crate) fn rtp(ssrc: u32, sequence_number: u16, timestamp: u32) -> [u8; 172] {
    let mut bytes = [0x55; 172];
    bytes[..2].copy_from_slice(&[0x80, 8]);
    bytes[2..4].copy_from_slice(&sequence_number.to_be_bytes());
    bytes[4..8].copy_from_slice(&timestamp.to_be_bytes());
    bytes[8..12].copy_from_slice(&ssrc.to_be_bytes());
    // Something that is no silence.
    for (index, byte) in bytes[12..].iter_mut().enumerate() {
        *byte = [0x2a, 0x95, 0x31, 0xb4][index % 4];
    }
    bytes
}

fn udp_packet(src: SocketAddr, dst: SocketAddr, payload: &[u8]) -> Vec<u8> {
    let len = u16::try_from(8 + payload.len()).unwrap();
    let mut bytes = Vec::with_capacity(len.into());
    bytes.extend(src.port().to_be_bytes());
    bytes.extend(dst.port().to_be_bytes());
    bytes.extend(len.to_be_bytes());
    bytes.extend([0, 0]);
    bytes.extend(payload);
    bytes
}

fn ip_frame(src: IpAddr, dst: IpAddr, protocol: u8, payload: &[u8]) -> Vec<u8> {
    match (src, dst) {
        (IpAddr::V6(src), IpAddr::V6(dst)) => {
            let mut frame = ETHERNET.to_vec();
            frame.extend([0x86, 0xdd, 0x60, 0, 0, 0]);
            frame.extend(u16::try_from(payload.len()).unwrap().to_be_bytes());
            frame.extend([protocol, 64]);
            frame.extend(src.octets());
            frame.extend(dst.octets());
            frame.extend(payload);
            frame
        }
        _ => ipv4_frame(src, dst, protocol, (0, 0), payload),
    }
}

/// `fragment`: identification, and flags with offset (RFC 791 §3.1).
fn ipv4_frame(
    src: IpAddr,
    dst: IpAddr,
    protocol: u8,
    fragment: (u16, u16),
    payload: &[u8],
) -> Vec<u8> {
    let (IpAddr::V4(src), IpAddr::V4(dst)) = (src, dst) else { panic!("both ends are IPv4") };
    let mut frame = Vec::with_capacity(34 + payload.len());
    frame.extend(ETHERNET);
    frame.extend([8, 0, 0x45, 0]);
    frame.extend(u16::try_from(20 + payload.len()).unwrap().to_be_bytes());
    frame.extend(fragment.0.to_be_bytes());
    frame.extend(fragment.1.to_be_bytes());
    frame.extend([64, protocol, 0, 0]);
    frame.extend(src.octets());
    frame.extend(dst.octets());
    frame.extend(payload);
    frame
}
