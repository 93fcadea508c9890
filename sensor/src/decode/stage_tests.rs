use proptest::prelude::*;

use super::*;
use crate::capture::LinkType;
use crate::decode::{Framing, Looked};

const LINK_TYPES: [LinkType; 6] = [
    LinkType::Ethernet,
    LinkType::LinuxSll,
    LinkType::LinuxSll2,
    LinkType::RawIp,
    LinkType::Null,
    LinkType::Other(147),
];

/// A line is a message.
fn lines(bytes: &[u8], _: &mut Looked) -> Framing {
    let end = bytes.iter().position(|&byte| byte == b'\n');
    end.map_or(Framing::NeedMore, |end| Framing::Complete(end + 1))
}

/// What is compared of a datagram.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    src: String,
    dst: String,
    transport: Transport,
    vlan: Option<u16>,
    dscp: u8,
    payload_len: u32,
    payload: Vec<u8>,
}

struct Test {
    decoder: Decoder,
    counters: Counters,
    seen: Vec<Seen>,
}

impl Test {
    fn new() -> Self {
        Self::with(Options::default())
    }

    fn with(options: Options) -> Self {
        let sip_ports = PortSet::from_iter([5060]);
        Self {
            decoder: Decoder::new(DecoderSettings { sip_ports, options, framing: lines, seed: 1 }),
            counters: Counters::default(),
            seen: Vec::new(),
        }
    }

    fn handle(&mut self, link_type: LinkType, bytes: &[u8], original_len: usize) {
        let frame = Frame {
            at: Instant::from_secs(1),
            interface: 2,
            link_type,
            original_len: u32::try_from(original_len).expect("small"),
            bytes,
        };
        let seen = &mut self.seen;
        let mut sink = |datagram: &Datagram<'_>, _: &mut Counters| {
            assert_eq!((datagram.at, datagram.interface), (frame.at, 2));
            seen.push(Seen {
                src: datagram.src.to_string(),
                dst: datagram.dst.to_string(),
                transport: datagram.transport,
                vlan: datagram.vlan,
                dscp: datagram.dscp,
                payload_len: datagram.payload_len,
                payload: datagram.payload.to_vec(),
            });
        };
        self.decoder.handle_frame(&frame, &mut self.counters, &mut sink);
    }

    fn whole(&mut self, link_type: LinkType, bytes: &[u8]) {
        self.handle(link_type, bytes, bytes.len());
    }

    /// The counters that are not 0, but for those of every frame.
    fn counts(&self) -> Vec<(Counter, u64)> {
        let is_of_every_frame =
            |counter| matches!(counter, Counter::FramesSeen | Counter::BytesSeen);
        self.counters.non_zero().filter(|&(counter, _)| !is_of_every_frame(counter)).collect()
    }
}

fn sized(bytes: &[u8], header: usize) -> [u8; 2] {
    u16::try_from(bytes.len() + header).expect("short").to_be_bytes()
}

fn udp(payload: &[u8]) -> Vec<u8> {
    [&[0x13, 0xc4, 0x13, 0xc5], &sized(payload, 8)[..], &[0, 0], payload].concat()
}

/// A segment that begins at sequence number 1.
fn tcp(src_port: u16, payload: &[u8]) -> Vec<u8> {
    let ports = [src_port.to_be_bytes(), 5060_u16.to_be_bytes()].concat();
    [&ports[..], &[0, 0, 0, 1], &[0; 4], &[0x50, 0x10, 0, 0, 0, 0, 0, 0], payload].concat()
}

/// A segment of a web server.
fn from_web(payload: &[u8]) -> Vec<u8> {
    let mut segment = tcp(8080, payload);
    segment[2..4].copy_from_slice(&40_000_u16.to_be_bytes());
    segment
}

fn ipv4(protocol: u8, flags_and_offset: u16, payload: &[u8]) -> Vec<u8> {
    let [flags, offset] = flags_and_offset.to_be_bytes();
    let head = [&[0x45, 46 << 2], &sized(payload, 20)[..], &[0, 7, flags, offset, 64, protocol]];
    [&head.concat()[..], &[0, 0, 192, 0, 2, 1, 192, 0, 2, 2], payload].concat()
}

fn ipv6(next_header: u8, payload: &[u8]) -> Vec<u8> {
    let mut addresses = [0; 32];
    addresses[..2].copy_from_slice(&[0x20, 0x01]);
    (addresses[15], addresses[16], addresses[31]) = (1, 0x20, 2);
    [&[0x60, 0, 0, 0], &sized(payload, 0)[..], &[next_header, 64], &addresses, payload].concat()
}

fn ethernet(ethertype: [u8; 2], packet: &[u8]) -> Vec<u8> {
    [&[2; 12][..], &ethertype, packet].concat()
}

fn gre(packet: &[u8]) -> Vec<u8> {
    ipv4(47, 0, &[&[0, 0, 0x08, 0x00], packet].concat())
}

fn udp_to(port: u16, payload: &[u8]) -> Vec<u8> {
    let mut datagram = udp(payload);
    datagram[2..4].copy_from_slice(&port.to_be_bytes());
    datagram
}

fn vxlan(frame: &[u8]) -> Vec<u8> {
    ipv4(17, 0, &udp_to(4789, &[&[8, 0, 0, 0, 0, 0, 42, 0], frame].concat()))
}

/// The packets of a datagram in two fragments.
fn fragments(datagram: &[u8]) -> [Vec<u8>; 2] {
    let (first, last) = datagram.split_at(datagram.len() / 16 * 8);
    let offset = u16::try_from(first.len() / 8).expect("short");
    [ipv4(17, 0x2000, first), ipv4(17, offset, last)]
}

const IPV4: [u8; 2] = [0x08, 0x00];
const IPV6: [u8; 2] = [0x86, 0xdd];

fn seen(payload: &[u8]) -> Seen {
    Seen {
        src: "192.0.2.1:5060".to_owned(),
        dst: "192.0.2.2:5061".to_owned(),
        transport: Transport::Udp,
        vlan: None,
        dscp: 46,
        payload_len: u32::try_from(payload.len()).expect("short"),
        payload: payload.to_vec(),
    }
}

#[test]
fn a_udp_datagram_comes_out_of_every_link_type() {
    let packet = ipv4(17, 0x4000, &udp(b"hello"));
    let mut test = Test::new();
    test.whole(LinkType::Ethernet, &ethernet(IPV4, &[&packet[..], &[0; 20]].concat()));
    test.whole(LinkType::LinuxSll, &[&[0; 14][..], &IPV4, &packet].concat());
    test.whole(LinkType::LinuxSll2, &[&IPV4[..], &[0; 18], &packet].concat());
    test.whole(LinkType::RawIp, &packet);
    test.whole(LinkType::Null, &[&[2, 0, 0, 0][..], &packet].concat());
    assert_eq!(test.seen, vec![seen(b"hello"); 5]);
    let tagged = [&[0x00, 0x64], &IPV4[..], &packet].concat();
    test.whole(LinkType::Ethernet, &ethernet([0x81, 0x00], &tagged));
    assert_eq!(test.seen[5], Seen { vlan: Some(100), ..seen(b"hello") });
    test.whole(LinkType::Ethernet, &ethernet(IPV6, &ipv6(17, &udp(b"six"))));
    let six = Seen {
        src: "[2001::1]:5060".to_owned(),
        dst: "[2000::2]:5061".to_owned(),
        dscp: 0,
        ..seen(b"six")
    };
    assert_eq!(test.seen[6], six);
    assert_eq!(test.counts(), []);
}

#[test]
fn frames_and_their_bytes_on_the_wire_are_counted() {
    let mut test = Test::new();
    let frame = ethernet(IPV4, &ipv4(17, 0, &udp(b"hello")));
    test.whole(LinkType::Ethernet, &frame);
    test.whole(LinkType::Ethernet, &[0; 3]);
    assert_eq!(test.counters.of(Counter::FramesSeen), 2);
    assert_eq!(test.counters.of(Counter::BytesSeen), frame.len() as u64 + 3);
}

#[test]
fn a_cut_frame_keeps_its_payload_length() {
    let mut test = Test::new();
    let frame = ethernet(IPV4, &ipv4(17, 0, &udp(&[7; 160])));
    test.handle(LinkType::Ethernet, &frame[..60], frame.len());
    assert_eq!(test.seen, [Seen { payload_len: 160, ..seen(&[7; 18]) }]);
    test.handle(LinkType::Ethernet, &frame[..40], frame.len());
    test.handle(LinkType::Ethernet, &frame[..20], frame.len());
    assert_eq!(test.counts(), [(Counter::Truncated, 3)], "no header is called wrong");
}

#[test]
fn what_cannot_be_read_is_counted_by_its_reason() {
    let mut bad_udp = udp(b"hello");
    bad_udp[5] = 200;
    let cases = [
        (LinkType::Other(147), vec![0; 60], Counter::UnknownLinkType),
        (LinkType::Ethernet, ethernet([0x08, 0x06], &[0; 46]), Counter::NotIp),
        (LinkType::RawIp, ipv4(17, 0, b"")[..19].to_vec(), Counter::BadIp),
        (LinkType::RawIp, ipv4(1, 0, b"an ICMP message"), Counter::OtherProtocol),
        (LinkType::RawIp, ipv4(47, 0, &[0x40, 0, 8, 0, 0x45]), Counter::BadEncapsulation),
        (LinkType::Ethernet, ethernet([0x88, 0x47], &[0; 60]), Counter::NestedTooDeep),
        (LinkType::RawIp, ipv4(17, 0, &bad_udp), Counter::BadTransport),
        (LinkType::RawIp, ipv4(6, 0, &[0; 20]), Counter::BadTransport),
    ];
    for (link_type, bytes, counter) in cases {
        let mut test = Test::new();
        test.whole(link_type, &bytes);
        assert_eq!(test.counts(), [(counter, 1)]);
        assert!(test.seen.is_empty());
    }
}

#[test]
fn tcp_is_followed_on_sip_ports_only() {
    let mut test = Test::new();
    test.whole(LinkType::RawIp, &ipv4(6, 0, &tcp(40_000, b"one\ntw")));
    let sip = Seen {
        src: "192.0.2.1:40000".to_owned(),
        dst: "192.0.2.2:5060".to_owned(),
        transport: Transport::Tcp,
        ..seen(b"one\n")
    };
    assert_eq!(test.seen, [sip]);
    let mut other = tcp(40_000, b"one\n");
    other[2..4].copy_from_slice(&80_u16.to_be_bytes());
    test.whole(LinkType::RawIp, &ipv4(6, 0, &other));
    assert_eq!(test.seen.len(), 1);
}

#[test]
fn fragments_of_both_versions_are_joined() {
    let datagram = udp(&[9; 3000]);
    let mut test = Test::new();
    for (flags_and_offset, part) in [
        (370, &datagram[2960..]),
        (0x2000, &datagram[..1480]),
        (0x2000 | 185, &datagram[1480..2960]),
    ] {
        test.whole(LinkType::RawIp, &ipv4(17, flags_and_offset, part));
    }
    assert_eq!(test.seen, [seen(&[9; 3000])]);

    // Destination options stand in the part that is split.
    let options = [17, 0, 1, 4, 0, 0, 0, 0];
    let datagram = [&options[..], &datagram].concat();
    let mut test = Test::new();
    for (place, part) in [([0, 1], &datagram[..1448]), ([5, 168], &datagram[1448..])] {
        let header = [&[60, 0][..], &place, &[0, 0, 0, 7]].concat();
        test.whole(LinkType::RawIp, &ipv6(44, &[&header, part].concat()));
    }
    assert_eq!(test.seen.len(), 1);
    assert_eq!(test.seen[0].payload, [9; 3000]);
    assert_eq!(test.counts(), [(Counter::Fragments, 2)]);
}

#[test]
fn a_datagram_comes_out_of_every_tunnel() {
    let packet = ipv4(17, 0x4000, &udp(b"hello"));
    let frame = ethernet(IPV4, &packet);
    let gtp = [&[0x30, 255], &sized(&packet, 0)[..], &[0, 0, 0, 9], &packet].concat();
    let geneve = [&[0, 0, 0x65, 0x58, 0, 0, 42, 0][..], &frame].concat();
    let erspan = [&[0x10, 0, 0x88, 0xbe, 0, 0, 0, 1, 0x10, 0x64, 0, 0, 0, 0, 0, 0], &frame[..]];
    let mut test = Test::new();
    for outer in [
        gre(&packet),
        ipv4(4, 0, &packet),
        ipv6(4, &packet),
        vxlan(&frame),
        ipv4(17, 0, &udp_to(8472, &[&[8, 0, 0, 0, 0, 0, 42, 0], &frame[..]].concat())),
        ipv4(17, 0, &udp_to(6081, &geneve)),
        ipv4(17, 0, &udp_to(2152, &gtp)),
        gre(&gre(&ipv4(4, 0, &packet))),
    ] {
        test.whole(LinkType::RawIp, &outer);
    }
    assert_eq!(test.seen, vec![seen(b"hello"); 8]);
    assert_eq!(test.counts(), [(Counter::Tunnelled, 10)]);

    test.whole(LinkType::RawIp, &ipv4(47, 0, &erspan.concat()));
    assert_eq!(test.seen[8].vlan, Some(100), "the mirrored port's");
    test.whole(LinkType::RawIp, &ipv4(41, 0, &ipv6(17, &udp(b"six"))));
    assert_eq!(test.seen[9].src, "[2001::1]:5060");
    let tagged = [&[0, 7], &IPV4[..], &gre(&packet)].concat();
    test.whole(LinkType::Ethernet, &ethernet([0x81, 0], &tagged));
    assert_eq!(test.seen[10].vlan, Some(7), "the innermost that there is");
}

#[test]
fn rtp_on_a_tunnels_port_is_left_alone() {
    let mut test = Test::new();
    for port in super::tunnel::UDP_PORTS {
        test.whole(LinkType::RawIp, &ipv4(17, 0, &udp_to(port, &[0x80; 172])));
    }
    assert_eq!(test.seen.len(), 4);
    assert_eq!(test.counts(), []);
}

#[test]
fn tunnels_in_tunnels_end_at_the_limit() {
    let nested = |depth| (0..depth).fold(ipv4(17, 0, &udp(b"x")), |inner, _| gre(&inner));
    let mut test = Test::new();
    test.whole(LinkType::RawIp, &nested(MAX_TUNNELS));
    assert_eq!(test.seen.len(), 1);
    test.whole(LinkType::RawIp, &nested(MAX_TUNNELS + 1));
    test.whole(LinkType::RawIp, &nested(100));
    assert_eq!(test.seen.len(), 1);
    assert_eq!(test.counters.of(Counter::NestedTooDeep), 2);
}

#[test]
fn fragments_inside_a_fragmented_tunnel_are_joined() {
    let mut test = Test::new();
    for inner in fragments(&udp(&[9; 3000])) {
        let carried = [&[8, 0, 0, 0, 0, 0, 42, 0], &ethernet(IPV4, &inner)[..]].concat();
        for mut outer in fragments(&udp_to(4789, &carried)) {
            outer[5] = inner[7];
            test.whole(LinkType::RawIp, &outer);
        }
    }
    assert_eq!(test.seen, [seen(&[9; 3000])]);
    assert_eq!(test.counts(), [(Counter::Fragments, 6), (Counter::Tunnelled, 2)]);
}

#[test]
fn joined_packets_in_joined_packets_end_at_the_second() {
    let tunnel = |frame: &[u8]| [&[8, 0, 0, 0, 0, 0, 42, 0], frame].concat();
    let mut datagram = udp(&[9; 3000]);
    let mut test = Test::new();
    for _ in 0..2 {
        datagram = udp_to(4789, &tunnel(&ethernet(IPV4, &ipv4(17, 0, &datagram))));
    }
    let packets = fragments(&datagram);
    let packets = packets.iter().flat_map(|inner| {
        let mut outer = fragments(&udp_to(4789, &tunnel(&ethernet(IPV4, inner))));
        outer.iter_mut().for_each(|outer| outer[5] = inner[7]);
        outer
    });
    for packet in packets {
        test.whole(LinkType::RawIp, &packet);
    }
    assert!(test.seen.is_empty());
    assert_eq!(test.counters.of(Counter::NestedTooDeep), 1);
    test.whole(LinkType::RawIp, &fragments(&datagram)[0]);
    test.whole(LinkType::RawIp, &fragments(&datagram)[1]);
    assert_eq!(test.seen, [seen(&[9; 3000])], "the room is given back");
}

/// HEP version 1 from 192.0.2.1:5060 to 192.0.2.2:5061.
fn hep(payload: &[u8]) -> Vec<u8> {
    let head = [1, 16, 2, 17, 0x13, 0xc4, 0x13, 0xc5, 192, 0, 2, 1, 192, 0, 2, 2];
    let mut packet = ipv4(17, 0, &udp_to(9060, &[&head, payload].concat()));
    packet[15] = 99;
    packet
}

#[test]
fn hep_is_handed_on_as_what_it_copies() {
    let mut test = Test::new();
    test.whole(LinkType::RawIp, &hep(b"INVITE"));
    test.whole(LinkType::RawIp, &gre(&hep(b"BYE")));
    let inside = |payload| Seen { dscp: 0, ..seen(payload) };
    assert_eq!(test.seen, [inside(b"INVITE"), inside(b"BYE")]);
    test.whole(LinkType::RawIp, &ipv4(17, 0, &udp_to(9060, b"HEP3\0\x07?")));
    assert_eq!(test.counters.of(Counter::HepBad), 1);
    test.whole(LinkType::RawIp, &ipv4(17, 0, &udp_to(9060, &[0x80; 172])));
    assert_eq!(test.seen.len(), 3, "RTP takes any port");
}

#[test]
fn hep_beside_what_it_copies_is_taken_once() {
    let mut test = Test::new();
    for _ in 0..2 {
        test.whole(LinkType::RawIp, &ipv4(17, 0, &udp(b"INVITE")));
        test.whole(LinkType::RawIp, &hep(b"INVITE"));
    }
    assert_eq!(test.seen, [seen(b"INVITE"), seen(b"INVITE")]);
    assert_eq!(test.counts(), [(Counter::HepMessages, 2), (Counter::HepCopies, 2)]);
}

#[test]
fn a_doubled_mirror_counts_once_when_asked_for() {
    let packet = ipv4(17, 0, &udp(&[0x80; 172]));
    let mut farther = packet.clone();
    farther[8] -= 1;
    let tagged = [&[0, 7], &IPV4[..], &farther].concat();
    let mirrored = |test: &mut Test| {
        test.whole(LinkType::Ethernet, &ethernet(IPV4, &packet));
        test.whole(LinkType::Ethernet, &ethernet([0x81, 0], &tagged));
        test.whole(LinkType::RawIp, &gre(&packet));
        test.seen.len()
    };
    assert_eq!(mirrored(&mut Test::new()), 3);
    let mut test = Test::with(Options { deduplicate: true, ..Options::default() });
    assert_eq!(mirrored(&mut test), 1);
    assert_eq!(test.counters.of(Counter::MirroredTwice), 2);
}

#[test]
fn the_web_is_left_alone() {
    let mut test = Test::new();
    test.whole(LinkType::RawIp, &ipv4(6, 0, &from_web(b"HTTP/1.1 200 OK\r\n\r\n")));
    test.whole(LinkType::RawIp, &ipv4(6, 0, &from_web(b"one\n")));
    assert!(test.seen.is_empty());
    assert_eq!(test.counts(), []);
}

#[test]
fn silence_gives_up_gaps_and_fragments() {
    let mut test = Test::new();
    test.whole(LinkType::RawIp, &ipv4(17, 0x2000, &[0; 8]));
    test.whole(LinkType::RawIp, &ipv4(6, 0, &tcp(40_000, b"one\n")));
    let mut early = tcp(40_000, b"three\n");
    early[7] = 20;
    test.whole(LinkType::RawIp, &ipv4(6, 0, &early));
    assert_eq!(test.seen.len(), 1);
    let mut late = 0;
    let now = Instant::from_secs(60);
    test.decoder.handle_timeout(now, &mut test.counters, &mut |_, _| late += 1);
    assert_eq!(late, 1);
    assert_eq!(test.counters.of(Counter::FragmentsTimedOut), 1);

    test.whole(LinkType::RawIp, &ipv4(17, 0x2000, &[0; 8]));
    test.decoder.finish(&mut test.counters, &mut |_, _| late += 1);
    assert_eq!(test.counters.of(Counter::FragmentsTimedOut), 2);
}

#[test]
fn signalling_is_told_from_other_frames() {
    let sip_ports = PortSet::from_iter([5060]);
    let options = Options::default();
    let mut rtp = udp(b"payload");
    rtp[1] = 0;
    let mut web = tcp(40_000, b"");
    web[3] = 0;
    for (is_wanted, packet) in [
        (true, ipv4(17, 0, &udp(b"payload"))),
        (false, ipv4(17, 0, &rtp)),
        (true, ipv4(6, 0, &tcp(40_000, b""))),
        (false, ipv4(6, 0, &web)),
        (true, ipv4(17, 185, &[0; 100])),
        (false, ipv4(1, 0, &[0; 100])),
        (false, vec![0x45]),
        (true, hep(b"INVITE")),
        (true, ipv4(6, 0, &from_web(b"\x81\x02OK"))),
        (true, ipv4(6, 0, &from_web(b"HTTP/1.1 101 Switching"))),
        (false, ipv4(6, 0, &from_web(b"<html>"))),
        (true, gre(&ipv4(17, 0, &udp(b"payload")))),
        (false, gre(&ipv4(17, 0, &rtp))),
        (true, vxlan(&ethernet(IPV4, &ipv4(17, 0, &udp(b"payload"))))),
        (false, (0..=MAX_TUNNELS).fold(ipv4(17, 0, &udp(b"x")), |inner, _| gre(&inner))),
    ] {
        let frame = Frame {
            at: Instant::from_secs(1),
            interface: 0,
            link_type: LinkType::RawIp,
            original_len: 0,
            bytes: &packet,
        };
        assert_eq!(
            crate::decode::is_signalling(&frame, &sip_ports, &options),
            is_wanted,
            "{packet:?}"
        );
    }
}

const PACKETS: usize = 17;

/// One of everything that is read.
fn packets() -> [Vec<u8>; PACKETS] {
    let options = [17, 1, 1, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let packet = ipv4(17, 0, &udp(b"hello"));
    let frame = ethernet(IPV4, &packet);
    let in_ipv4 = |protocol, head: &[u8], inside: &[u8]| {
        ethernet(IPV4, &ipv4(protocol, 0, &[head, inside].concat()))
    };
    let in_udp = |port, head: &[u8], inside: &[u8]| {
        ethernet(IPV4, &ipv4(17, 0, &udp_to(port, &[head, inside].concat())))
    };
    [
        frame.clone(),
        ethernet(IPV4, &ipv4(6, 0, &tcp(5060, b"one\ntwo"))),
        ethernet(IPV4, &ipv4(17, 0x2000, &[3; 24])),
        ethernet(IPV6, &ipv6(60, &[&options[..], &udp(b"hello")].concat())),
        ethernet(IPV6, &ipv6(44, &[&[17, 0, 0, 1, 0, 0, 0, 1], &udp(b"hello")[..]].concat())),
        ethernet([0x88, 0xa8], &[&[0, 1, 0x81, 0, 0, 2, 8, 0], &packet[..]].concat()),
        ethernet([0x88, 0x47], &[&[0, 0, 0x10, 9, 0, 0, 0x11, 9], &packet[..]].concat()),
        ethernet([0x88, 0x47], &[&[0, 0, 0x11, 9, 0, 0, 0, 0], &frame[..]].concat()),
        ethernet([0x88, 0x64], &[&[0x11, 0, 0, 1, 0, 62, 0, 0x21], &packet[..]].concat()),
        in_ipv4(47, &[0xb0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], &packet),
        in_ipv4(47, &[0x10, 0, 0x88, 0xbe, 0, 0, 0, 0, 0x10, 0, 0, 0, 0, 0, 0, 0], &frame),
        in_ipv4(
            47,
            &[&[0x10, 0, 0x22, 0xeb, 0, 0, 0, 0, 0x20][..], &[0; 10], &[1], &[0; 8]].concat(),
            &frame,
        ),
        in_ipv4(4, &[], &packet),
        in_udp(4789, &[8, 0, 0, 0, 0, 0, 42, 0], &frame),
        in_udp(6081, &[1, 0, 0x65, 0x58, 0, 0, 42, 0, 0, 0, 0, 0], &frame),
        in_udp(2152, &[0x34, 255, 0, 41, 0, 0, 0, 9, 0, 0, 0, 0x85, 1, 0, 0, 0], &packet),
        in_udp(9060, &[1, 16, 2, 17, 0, 1, 0, 2, 192, 0, 2, 1, 192, 0, 2, 2], b"INVITE"),
    ]
}

#[test]
fn each_of_these_packets_is_whole() {
    let fragments = [2, 4];
    let is_whole = |(at, _): &(usize, _)| !fragments.contains(at);
    for (_, packet) in packets().iter().enumerate().filter(is_whole) {
        let mut test = Test::new();
        test.whole(LinkType::Ethernet, packet);
        assert_eq!(test.seen.len(), 1, "{packet:02x?} {:?}", test.counts());
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(
        frames in proptest::collection::vec(
            (0_usize..6, proptest::collection::vec(any::<u8>(), 0..200), 0_usize..100), 1..4),
    ) {
        let mut test = Test::new();
        for (link_type, bytes, more) in &frames {
            test.handle(LINK_TYPES[*link_type], bytes, bytes.len() + more);
        }
    }

    #[test]
    fn arbitrary_bytes_in_every_encapsulation_never_panic(
        way in 0_usize..13,
        depth in 0..=MAX_TUNNELS,
        bytes in proptest::collection::vec(any::<u8>(), 0..200),
        more in 0_usize..100,
    ) {
        let begun = |first: &[u8]| [first, &bytes].concat();
        let mut frame = match way {
            0 => ethernet([0x88, 0x47], &bytes),
            1 => ethernet([0x88, 0x64], &begun(&[0x11, 0])),
            2 => ethernet([0x81, 0x00], &bytes),
            3 => ethernet(IPV4, &ipv4(47, 0, &begun(&[0xb0, 0, 0x08, 0]))),
            4 => ethernet(IPV4, &ipv4(47, 0, &begun(&[0x10, 0, 0x88, 0xbe, 0, 0, 0, 0, 0x10]))),
            5 => ethernet(IPV4, &ipv4(47, 0, &begun(&[0x10, 0, 0x22, 0xeb, 0, 0, 0, 0, 0x20]))),
            6 => ethernet(IPV4, &ipv4(4, 0, &begun(&[0x45]))),
            7 => ethernet(IPV6, &ipv6(41, &begun(&[0x60]))),
            8 => ethernet(IPV4, &ipv4(17, 0, &udp_to(4789, &begun(&[8])))),
            9 => ethernet(IPV4, &ipv4(17, 0, &udp_to(6081, &begun(&[2, 0, 0x65, 0x58])))),
            10 => ethernet(IPV4, &ipv4(17, 0, &udp_to(2152, &begun(&[0x37, 255])))),
            11 => ethernet(IPV4, &ipv4(17, 0, &udp_to(9060, &begun(b"HEP3")))),
            _ => ethernet(IPV4, &ipv4(17, 0, &udp_to(9060, &begun(&[2, 16, 2])))),
        };
        for _ in 0..depth {
            frame = ethernet(IPV4, &vxlan(&frame));
        }
        let mut test = Test::new();
        test.handle(LinkType::Ethernet, &frame, frame.len() + more);
    }

    #[test]
    fn damaged_packets_never_panic(
        packet in 0_usize..PACKETS,
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = packets()[packet].clone();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let mut test = Test::new();
        test.handle(LinkType::Ethernet, &bytes[..cut.index(bytes.len())], bytes.len());
        test.whole(LinkType::Ethernet, &bytes);
    }
}
