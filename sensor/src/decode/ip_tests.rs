use super::*;

const UDP: u8 = 17;

/// An IPv4 header of 20 bytes and a payload.
fn ipv4(total_len: u16, flags_and_offset: u16, payload: &[u8]) -> Vec<u8> {
    let [len_upper, len_lower] = total_len.to_be_bytes();
    let [flags, offset] = flags_and_offset.to_be_bytes();
    let mut bytes =
        vec![0x45, 46 << 2 | 1, len_upper, len_lower, 0, 9, flags, offset, 64, UDP, 0, 0];
    bytes.extend([192, 0, 2, 1, 192, 0, 2, 2]);
    bytes.extend(payload);
    bytes
}

/// An IPv6 header and what follows it.
fn ipv6(payload_len: u16, next_header: u8, payload: &[u8]) -> Vec<u8> {
    let [upper, lower] = payload_len.to_be_bytes();
    let mut bytes = vec![0x6b, 0x80, 0, 0, upper, lower, next_header, 64];
    bytes.extend([0x20; 16]);
    bytes.extend([0x30; 16]);
    bytes.extend(payload);
    bytes
}

fn parse_v4(bytes: &[u8]) -> Result<Packet<'_>, Reject> {
    parse(Version::V4, bytes, bytes.len())
}

fn parse_v6(bytes: &[u8]) -> Result<Packet<'_>, Reject> {
    parse(Version::V6, bytes, bytes.len())
}

#[test]
fn total_length_cuts_off_padding() {
    let bytes = ipv4(23, 0x4000, b"abc and padding of the Ethernet");
    let packet = parse_v4(&bytes).expect("valid");
    assert_eq!((packet.payload, packet.payload_len), (&b"abc"[..], 3));
    assert_eq!((packet.dscp, packet.protocol), (46, IpProtocol::Udp));
    assert_eq!(packet.src.to_string(), "192.0.2.1");
    assert_eq!(packet.fragment, None);
    let bytes = ipv6(3, UDP, b"abc and padding");
    let packet = parse_v6(&bytes).expect("valid");
    assert_eq!((packet.payload, packet.payload_len, packet.dscp), (&b"abc"[..], 3, 46));
}

#[test]
fn a_cut_packet_keeps_its_length_on_the_wire() {
    let bytes = ipv4(1500, 0, b"abc");
    let packet = parse(Version::V4, &bytes, 1500).expect("cut, not wrong");
    assert_eq!((packet.payload, packet.payload_len), (&b"abc"[..], 1480));
    let bytes = ipv6(1460, UDP, b"abc");
    let packet = parse(Version::V6, &bytes, 1500).expect("cut, not wrong");
    assert_eq!((packet.payload, packet.payload_len), (&b"abc"[..], 1460));
    assert_eq!(parse(Version::V4, &bytes[..19], 1500), Err(Reject::Short));
    assert_eq!(parse(Version::V6, &bytes[..39], 1500), Err(Reject::Short));
}

#[test]
fn a_length_of_zero_takes_the_whole_frame() {
    let bytes = ipv4(0, 0, b"segmentation offload");
    assert_eq!(parse_v4(&bytes).expect("valid").payload, b"segmentation offload");
    let bytes = ipv6(0, 6, b"segmentation offload");
    assert_eq!(parse_v6(&bytes).expect("valid").payload, b"segmentation offload");
}

#[test]
fn options_are_passed_over() {
    let mut bytes = ipv4(27, 0, b"optsabc");
    bytes[0] = 0x46;
    assert_eq!(parse_v4(&bytes).expect("valid").payload, b"abc");
}

#[test]
fn contradictions_are_refused() {
    let mut short_header = ipv4(23, 0, b"abc");
    short_header[0] = 0x44;
    let mut other_version = ipv4(23, 0, b"abc");
    other_version[0] = 0x65;
    for bytes in [short_header, other_version, ipv4(19, 0, b"abc"), ipv4(24, 0, b"abc")] {
        assert_eq!(parse_v4(&bytes), Err(Reject::BadIp), "{bytes:?}");
    }
    let mut other_version = ipv6(3, UDP, b"abc");
    other_version[0] = 0x45;
    for bytes in [other_version, ipv6(4, UDP, b"abc")] {
        assert_eq!(parse_v6(&bytes), Err(Reject::BadIp), "{bytes:?}");
    }
}

#[test]
fn fragments_tell_their_place() {
    let first = ipv4(28, 0x2000, b"12345678");
    let fragment = Fragment { ident: 9, offset: 0, more: true };
    assert_eq!(parse_v4(&first).expect("valid").fragment, Some(fragment));
    let last = ipv4(28, 0x1fff, b"12345678");
    let fragment = Fragment { ident: 9, offset: 65_528, more: false };
    assert_eq!(parse_v4(&last).expect("valid").fragment, Some(fragment));
}

#[test]
fn extension_headers_lead_to_what_they_carry() {
    let hop_by_hop = [43, 0, 0, 0, 0, 0, 0, 0];
    let routing = [60, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let destination = [44, 0, 0, 0, 0, 0, 0, 0];
    let atomic = [UDP, 0, 0, 0, 0, 0, 0, 5];
    let all = [&hop_by_hop[..], &routing, &destination, &atomic, b"abc"].concat();
    let bytes = ipv6(u16::try_from(all.len()).expect("short"), 0, &all);
    let packet = parse_v6(&bytes).expect("valid");
    assert_eq!(
        (packet.protocol, packet.payload, packet.payload_len),
        (IpProtocol::Udp, &b"abc"[..], 3)
    );
    assert_eq!(packet.fragment, None, "RFC 6946");
}

#[test]
fn an_ipv6_fragment_ends_the_chain() {
    let header = [60, 0, 0x00, 0x11, 0, 1, 0, 2];
    let bytes = ipv6(16, 44, &[header, *b"12345678"].concat());
    let packet = parse_v6(&bytes).expect("valid");
    assert_eq!(packet.fragment, Some(Fragment { ident: 0x1_0002, offset: 16, more: true }));
    assert_eq!((packet.protocol, packet.payload), (IpProtocol::Ipv6Opts, &b"12345678"[..]));
}

#[test]
fn too_many_extension_headers_are_refused() {
    let chain = |count: usize| {
        let mut headers = [60, 0, 0, 0, 0, 0, 0, 0].repeat(count);
        headers[8 * (count - 1)] = UDP;
        let len = u16::try_from(headers.len()).expect("short");
        ipv6(len, 60, &headers)
    };
    assert_eq!(parse_v6(&chain(MAX_IPV6_EXTENSIONS)).map(|packet| packet.payload_len), Ok(0));
    assert_eq!(parse_v6(&chain(MAX_IPV6_EXTENSIONS + 1)), Err(Reject::BadIp));
}

#[test]
fn an_extension_header_longer_than_its_packet_is_refused() {
    let bytes = ipv6(8, 60, &[UDP, 1, 0, 0, 0, 0, 0, 0]);
    assert_eq!(parse_v6(&bytes), Err(Reject::BadIp));
    let bytes = ipv6(100, 60, &[UDP, 1, 0, 0, 0, 0, 0, 0]);
    assert_eq!(parse(Version::V6, &bytes, 140), Err(Reject::Short), "the capture cut it");
}
