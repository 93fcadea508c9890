//! What somebody may send to harm the sensor: each function is one round of an attack, a few frames
//! at one time. Rounds are numbered, so that each may use other addresses and names.

use core::net::SocketAddr;

use super::{Segment, address, fragments, rtp, sdp, sip, tcp, udp};

/// One round, by its number.
pub(crate) type Attack = fn(&mut Frames, u32);

/// Where the frames of a round gather.
#[derive(Debug, Default)]
pub(crate) struct Frames(pub(crate) Vec<Vec<u8>>);

impl Frames {
    /// Those of some rounds.
    pub(crate) fn of(attack: Attack, rounds: core::ops::Range<u32>) -> Vec<Vec<u8>> {
        let mut frames = Self::default();
        rounds.for_each(|round| attack(&mut frames, round));
        frames.0
    }

    fn frame(&mut self, bytes: &[u8]) {
        self.0.push(bytes.to_vec());
    }

    fn udp(&mut self, src: SocketAddr, dst: SocketAddr, payload: &[u8]) {
        self.0.push(udp(src, dst, payload));
    }

    fn tcp(&mut self, src: SocketAddr, dst: SocketAddr, segment: Segment<'_>) {
        self.0.push(tcp(src, dst, segment));
    }
}

/// All of them, by name, for the bench.
pub(crate) const ALL: &[(&str, Attack)] = &[
    ("an INVITE that nobody answers", invite),
    ("an INVITE that nobody answers, and its ACK", invite_and_ack),
    ("an INVITE again, CSeq rising", invite_again),
    ("one Call-ID from 100 addresses", one_call_id),
    ("BYE and CANCEL of no call", bye_and_cancel),
    ("no tags, no branch", no_tags),
    ("numbers of 2^32 and more", huge_numbers),
    ("Call-IDs of 60 KB", long_call_id),
    ("headers of 64 KiB", long_header),
    ("5000 media lines", many_media_lines),
    ("an SDP of 60 KB of attributes", many_attributes),
    ("a multipart boundary of 20 KB", long_boundary),
    ("OPTIONS from anywhere, answered", options),
    ("MESSAGE to anybody", message),
    ("garbage on the SIP port", garbage),
    ("RTP, always another SSRC", new_ssrc),
    ("RTP, numbers at random", random_numbers),
    ("RTCP that lies", lying_rtcp),
    ("RTCP of 8000 packets", many_rtcp_packets),
    ("first fragments only", first_fragment),
    ("a datagram in 8-byte fragments", tiny_fragments),
    ("fragments that overlap", overlapping_fragments),
    ("a TCP connection with half a message", half_message),
    ("one TCP connection, a byte a segment", byte_by_byte),
    ("TCP segments behind gaps", gaps),
    ("SYN only", syn),
];

/// Where the attacks aim at: the first media address of call 0.
const CLAIMED: ([u8; 4], u16) = ([10, 1, 0, 0], 10_000);

const INVITE: &str = "INVITE sip:bob@example.net SIP/2.0";

fn attacker(round: u32) -> SocketAddr {
    let [_, a, b, c] = round.to_be_bytes();
    address([172, 16 | (a & 15), b, c], 5060)
}

fn server() -> SocketAddr {
    address([192, 0, 2, 9], 5060)
}

/// Bytes that are the same every time and look like nothing.
fn noise(seed: u32, len: usize) -> Vec<u8> {
    let mut state = u64::from(seed) << 32 | 0x9e37_79b9;
    let next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        state.to_be_bytes()[0]
    };
    core::iter::repeat_with(next).take(len).collect()
}

pub(crate) fn invite(to: &mut Frames, round: u32) {
    let body = sdp(address([172, 16, 0, 1], 20_000));
    let text = sip(INVITE, &format!("flood{round}"), "1 INVITE", "", &body);
    to.udp(attacker(round), server(), text.as_bytes());
}

/// An ACK with a branch of its own, as if there had been a 2xx.
pub(crate) fn invite_and_ack(to: &mut Frames, round: u32) {
    invite(to, round);
    let id = format!("flood{round}");
    let ack = sip("ACK sip:bob@example.net SIP/2.0", &id, "1 ACK", ";tag=b", "");
    to.udp(attacker(round), server(), ack.replace("z9hG4bK", "z9hG4bKack").as_bytes());
}

/// Each INVITE reopens what the answer before it closed.
pub(crate) fn invite_again(to: &mut Frames, round: u32) {
    let cseq = format!("{} INVITE", round + 1);
    let text = sip(INVITE, "again", &cseq, "", &sdp(address([172, 16, 0, 2], 20_000)));
    to.udp(attacker(1), server(), text.as_bytes());
    let text = sip("SIP/2.0 480 No", "again", &cseq, ";tag=b", "");
    to.udp(server(), attacker(1), text.as_bytes());
}

pub(crate) fn one_call_id(to: &mut Frames, round: u32) {
    let port = 20_000 + u16::try_from(round % 1000).unwrap() * 2;
    let body = sdp(address([172, 16, 0, 3], port));
    let text = sip(INVITE, "same", &format!("{round} INVITE"), "", &body);
    to.udp(attacker(round % 100), server(), text.as_bytes());
}

pub(crate) fn bye_and_cancel(to: &mut Frames, round: u32) {
    let id = format!("nobody{round}");
    let bye = sip("BYE sip:bob@example.net SIP/2.0", &id, "7 BYE", ";tag=b", "");
    to.udp(attacker(round), server(), bye.as_bytes());
    let id = format!("none{round}");
    let cancel = sip("CANCEL sip:bob@example.net SIP/2.0", &id, "7 CANCEL", "", "");
    to.udp(attacker(round), server(), cancel.as_bytes());
}

pub(crate) fn no_tags(to: &mut Frames, round: u32) {
    for (start, cseq) in [(INVITE, "1 INVITE"), ("SIP/2.0 200 OK", "1 INVITE"), (INVITE, "2 BYE")] {
        let text = format!(
            "{start}\r\nFrom:\r\nTo:\r\nVia:\r\nCall-ID: bare{round}\r\nCSeq: {cseq}\r\n\r\n"
        );
        to.udp(attacker(round), server(), text.as_bytes());
    }
}

pub(crate) fn huge_numbers(to: &mut Frames, round: u32) {
    let body = "v=0\r\no=- 99999999999999999999 1 IN IP4 1\r\nc=IN IP4 300.1.1.999\r\n\
                m=audio 99999 RTP/AVP 8 256 99999\r\na=rtpmap:8 PCMA/99999999999\r\n\
                a=ptime:99999999\r\na=rtcp:70000\r\nm=audio 65535/4294967297 RTP/AVP 127\r\n";
    for cseq in ["4294967295 INVITE", "4294967296 INVITE", "-1 INVITE", "0 INVITE"] {
        let text = sip(INVITE, &format!("huge{round}"), cseq, "", body);
        to.udp(attacker(round), server(), text.as_bytes());
        let text = text.replace("Content-Length: ", "Content-Length: 184467440737095516");
        to.udp(attacker(round), server(), text.as_bytes());
    }
    let nul =
        sip(INVITE, &format!("nul\0{round}"), "1 INVITE", ";tag=\0", "v=0\0\r\nm=\0 \0 \0\r\n");
    to.udp(attacker(round), server(), nul.as_bytes());
}

pub(crate) fn long_call_id(to: &mut Frames, round: u32) {
    let id = format!("{}{round}", "i".repeat(60_000));
    to.udp(attacker(round), server(), sip(INVITE, &id, "1 INVITE", "", "").as_bytes());
}

/// One header that is as long as a datagram may be, then as many headers as fit.
pub(crate) fn long_header(to: &mut Frames, round: u32) {
    let text = sip(INVITE, &format!("header{round}"), "1 INVITE", "", "");
    let long = format!("X: {}\r\n\r\n", " ,;=<\"".repeat(10_800));
    to.udp(attacker(round), server(), text.replace("\r\n\r\n", &format!("\r\n{long}")).as_bytes());
    let many = format!("\r\n{}\r\n", "a:b\r\n".repeat(12_900));
    to.udp(attacker(round), server(), text.replace("\r\n\r\n", &many).as_bytes());
}

pub(crate) fn many_media_lines(to: &mut Frames, round: u32) {
    let body = sdp(address([172, 16, 0, 4], 20_000)) + &"m=a 1 R 0\r\n".repeat(5000);
    let text = sip(INVITE, &format!("media{round}"), "1 INVITE", "", &body);
    to.udp(attacker(round), server(), text.as_bytes());
}

pub(crate) fn many_attributes(to: &mut Frames, round: u32) {
    let formats: String = (72..96).map(|format| format!(" {format}")).collect();
    let body = format!("v=0\r\nm=audio 9 RTP/AVP{formats}\r\n{}", "a=\r\n".repeat(15_000));
    let text = sip(INVITE, &format!("attributes{round}"), "1 INVITE", "", &body);
    to.udp(attacker(round), server(), text.as_bytes());
}

/// Almost everywhere in the body it stands but for its last byte.
pub(crate) fn long_boundary(to: &mut Frames, round: u32) {
    let body = format!("{}x\r\n{}", "-".repeat(20_000), "-".repeat(44_000));
    let text = sip(INVITE, &format!("boundary{round}"), "1 INVITE", "", &body);
    let text = text.replace("application/sdp", "multipart/mixed");
    to.udp(attacker(round), server(), text.as_bytes());
}

/// From a source of its own each time; the server answers, as most do.
pub(crate) fn options(to: &mut Frames, round: u32) {
    let id = format!("scan{round}");
    let request = sip("OPTIONS sip:100@192.0.2.9 SIP/2.0", &id, "1 OPTIONS", "", "");
    to.udp(attacker(round), server(), request.as_bytes());
    let answer = sip("SIP/2.0 200 OK", &id, "1 OPTIONS", ";tag=s", "");
    to.udp(server(), attacker(round), answer.as_bytes());
}

/// To a user of its own each time, and no answer.
pub(crate) fn message(to: &mut Frames, round: u32) {
    let text = sip("MESSAGE sip:bob@192.0.2.9 SIP/2.0", &format!("m{round}"), "1 MESSAGE", "", "")
        .replace("<sip:bob@", &format!("<sip:u{round}@"));
    to.udp(attacker(1), server(), text.as_bytes());
}

pub(crate) fn garbage(to: &mut Frames, round: u32) {
    let (high, low) = (usize::try_from(round / 64 % 1500).unwrap(), round % 64);
    to.udp(attacker(round), server(), &noise(round, high));
    to.udp(attacker(round), address(CLAIMED.0, CLAIMED.1), &noise(low, high));
    to.udp(attacker(round), server(), &[]);
    to.udp(attacker(round), address(CLAIMED.0, CLAIMED.1), &[]);
    to.frame(&noise(round, high / 10));
}

pub(crate) fn new_ssrc(to: &mut Frames, round: u32) {
    let packet = rtp(0x5000_0000 + round, 1, 160);
    to.udp(attacker(7), address(CLAIMED.0, CLAIMED.1), &packet);
}

/// A stream of its own on the claimed port, whose numbers and timestamps mean nothing.
pub(crate) fn random_numbers(to: &mut Frames, round: u32) {
    let mut packet = rtp(1, 0, 0);
    packet[1..8].copy_from_slice(&noise(round, 7));
    // Not RTCP's packet types.
    packet[1] &= 0x9f;
    to.udp(attacker(8), address(CLAIMED.0, CLAIMED.1), &packet);
}

/// Reports about streams that are there and are not, with the worst of numbers.
pub(crate) fn lying_rtcp(to: &mut Frames, round: u32) {
    let rtcp_port = address(CLAIMED.0, CLAIMED.1 + 1);
    for kind in [200u8, 201, 202, 203, 204, 207, 223] {
        let mut packet = noise(round, 200);
        packet[..4].copy_from_slice(&[0x9f, kind, 0, 49]);
        to.udp(attacker(9), rtcp_port, &packet);
        packet[..4].copy_from_slice(&[0x9f, kind, 0xff, 0xff]);
        to.udp(attacker(9), rtcp_port, &packet);
    }
}

pub(crate) fn many_rtcp_packets(to: &mut Frames, _round: u32) {
    let packets = [0x80, 201, 0, 1, 0, 0, 0, 1].repeat(8000);
    to.udp(attacker(9), address(CLAIMED.0, CLAIMED.1 + 1), &packets);
}

pub(crate) fn first_fragment(to: &mut Frames, round: u32) {
    let ident = u16::try_from(round & 0xffff).unwrap();
    let parts = fragments(attacker(round), server(), &noise(round, 2000), ident, 1480);
    to.frame(&parts[0]);
}

pub(crate) fn tiny_fragments(to: &mut Frames, round: u32) {
    let ident = u16::try_from(round & 0xffff).unwrap();
    let mut payload = noise(round, 1000);
    // Not RTP's version.
    payload[0] = 0;
    for part in fragments(attacker(round), server(), &payload, ident, 8).iter().rev() {
        to.frame(part);
    }
}

pub(crate) fn overlapping_fragments(to: &mut Frames, round: u32) {
    let ident = u16::try_from(round & 0xffff).unwrap();
    for (seed, len) in [(1, 800), (2, 784), (3, 1480)] {
        let parts = fragments(attacker(round), server(), &noise(seed, 2000), ident, len);
        // Never the last one, which would complete the packet.
        parts.iter().rev().skip(1).for_each(|part| to.frame(part));
    }
}

fn stream(round: u32) -> (SocketAddr, SocketAddr) {
    let [_, _, high, low] = round.to_be_bytes();
    (address([172, 31, high, low], 40_000), server())
}

pub(crate) fn half_message(to: &mut Frames, round: u32) {
    let (src, dst) = stream(round);
    let text = sip(INVITE, &format!("half{round}"), "1 INVITE", "", "v=0\r\n");
    to.tcp(src, dst, Segment { syn: true, sequence_number: 7, ..Segment::default() });
    let payload = &text.as_bytes()[..text.len() / 2];
    to.tcp(src, dst, Segment { sequence_number: 8, payload, ..Segment::default() });
}

/// A head that never ends, in the smallest of segments; every one may end it.
pub(crate) fn byte_by_byte(to: &mut Frames, round: u32) {
    let (src, dst) = stream(0x00ff_fff0);
    let payload: &[u8] = if round == 0 { b"INVITE sip:a SIP/2.0\n" } else { b"\n:" };
    let sequence_number = if round == 0 { 0 } else { 21 + (round - 1) * 2 };
    // Two bytes: a line end behind a colon is no empty line.
    let payload = if round == 0 { payload } else { &[payload[1], payload[0]] };
    to.tcp(src, dst, Segment { sequence_number, payload, ..Segment::default() });
}

pub(crate) fn gaps(to: &mut Frames, round: u32) {
    let (src, dst) = stream(round % 64);
    let sequence_number = (round / 64).wrapping_mul(1000);
    to.tcp(src, dst, Segment { sequence_number, payload: b"BYE ", ..Segment::default() });
}

pub(crate) fn syn(to: &mut Frames, round: u32) {
    let (src, dst) = stream(round);
    to.tcp(src, dst, Segment { syn: true, sequence_number: round, ..Segment::default() });
}
