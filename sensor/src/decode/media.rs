//! A glance at a frame: which RTP flow may it belong to?

use core::net::Ipv4Addr;

use crate::capture::LinkType;

/// Ethernet, IPv4 without options, UDP and the fixed header of RTP.
const HEAD: usize = 14 + 20 + 8 + 12;

/// Addresses, ports (source above destination) and SSRC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flow {
    /// From.
    pub src: Ipv4Addr,
    /// To.
    pub dst: Ipv4Addr,
    /// Both ports.
    pub ports: u32,
    /// RFC 3550 §5.1.
    pub ssrc: u32,
}

/// The flow of a frame in its commonest form: RTP over UDP over IPv4 without options over Ethernet.
/// `None` for all others, and now and then something for what is no RTP: nothing but speed depends
/// on the answer.
#[must_use]
#[inline]
pub fn glance(link_type: LinkType, bytes: &[u8]) -> Option<Flow> {
    let head: &[u8; HEAD] = bytes.first_chunk()?;
    let word = |at: usize| u32::from_be_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
    let is_rtp = link_type == LinkType::Ethernet
        && head[12..15] == [0x08, 0x00, 0x45]
        && head[23] == 17
        && head[42] >> 6 == 2;
    is_rtp.then(|| Flow {
        src: Ipv4Addr::from_bits(word(26)),
        dst: Ipv4Addr::from_bits(word(30)),
        ports: word(34),
        ssrc: word(50),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame() -> Vec<u8> {
        let mut frame = vec![0; HEAD + 160];
        frame[12..15].copy_from_slice(&[0x08, 0x00, 0x45]);
        frame[23] = 17;
        frame[26..30].copy_from_slice(&[192, 0, 2, 1]);
        frame[30..34].copy_from_slice(&[192, 0, 2, 2]);
        frame[34..38].copy_from_slice(&[0x10, 0x00, 0x20, 0x00]);
        frame[42] = 0x80;
        frame[50..54].copy_from_slice(&[1, 2, 3, 4]);
        frame
    }

    #[test]
    fn rtp_in_its_commonest_form_is_seen() {
        let flow = Flow {
            src: Ipv4Addr::new(192, 0, 2, 1),
            dst: Ipv4Addr::new(192, 0, 2, 2),
            ports: 0x1000_2000,
            ssrc: 0x0102_0304,
        };
        assert_eq!(glance(LinkType::Ethernet, &frame()), Some(flow));
        assert_eq!(glance(LinkType::LinuxSll, &frame()), None);
        assert_eq!(glance(LinkType::Ethernet, &frame()[..HEAD - 1]), None);
    }

    #[test]
    fn other_frames_are_passed_over() {
        for (at, byte) in [(12, 0x86), (14, 0x46), (23, 6), (42, b'I')] {
            let mut frame = frame();
            frame[at] = byte;
            assert_eq!(glance(LinkType::Ethernet, &frame), None, "byte {at}");
        }
    }
}
