use proptest::prelude::*;

use super::*;
use crate::limits::MAX_HEP_CHUNKS;

fn chunk(kind: u16, content: &[u8]) -> Vec<u8> {
    let len = u16::try_from(6 + content.len()).expect("short");
    [&[0, 0], &kind.to_be_bytes()[..], &len.to_be_bytes(), content].concat()
}

fn hep3(chunks: &[Vec<u8>]) -> Vec<u8> {
    let chunks = chunks.concat();
    let len = u16::try_from(HEAD + chunks.len()).expect("short");
    [MAGIC, &len.to_be_bytes()[..], &chunks].concat()
}

fn invite() -> Vec<Vec<u8>> {
    vec![
        chunk(1, &[2]),
        chunk(2, &[17]),
        chunk(3, &[192, 0, 2, 1]),
        chunk(4, &[192, 0, 2, 2]),
        chunk(7, &5060_u16.to_be_bytes()),
        chunk(8, &5080_u16.to_be_bytes()),
        chunk(9, &1000_u32.to_be_bytes()),
        chunk(10, &250_u32.to_be_bytes()),
        chunk(11, &[1]),
        chunk(14, b"a key of any length"),
        chunk(15, b"INVITE"),
    ]
}

fn expected() -> Message<'static> {
    Message {
        src: SocketAddr::from(([192, 0, 2, 1], 5060)),
        dst: SocketAddr::from(([192, 0, 2, 2], 5080)),
        transport: Transport::Udp,
        at: Some(Instant::from_micros(1_000_000_250)),
        vlan: None,
        content: Content::Sip,
        payload_len: 6,
        payload: b"INVITE",
    }
}

#[test]
fn version_3_tells_addresses_time_and_payload() {
    assert_eq!(Message::parse(&hep3(&invite())), Ok(expected()));
}

#[test]
fn chunks_stand_in_any_order_and_unknown_ones_are_passed_over() {
    let mut chunks = invite();
    chunks.push(chunk(999, b"?"));
    chunks.push([&[0, 42], &chunk(3, b"vendor's own")[2..]].concat());
    chunks.push(chunk(18, &[0x00, 0x64]));
    chunks.reverse();
    let message = hep3(&chunks);
    let expected = Message { vlan: Some(100), ..expected() };
    assert_eq!(Message::parse(&message), Ok(expected));
}

#[test]
fn ipv6_and_tcp_are_read() {
    let mut chunks = invite();
    chunks[1] = chunk(2, &[6]);
    chunks[2] = chunk(5, &[0x20; 16]);
    chunks[3] = chunk(6, &[0x30; 16]);
    let message = hep3(&chunks);
    let message = Message::parse(&message).expect("whole");
    assert_eq!(message.transport, Transport::Tcp);
    assert_eq!(message.src, SocketAddr::from(([0x20; 16], 5060)));
}

#[test]
fn what_is_no_sip_says_so() {
    let content = |kind, payload: Option<&[u8]>| {
        let mut chunks = invite();
        chunks[8] = chunk(11, &[kind]);
        chunks[10] = payload.map_or_else(|| chunk(16, b"gzip"), |payload| chunk(15, payload));
        Message::parse(&hep3(&chunks)).expect("whole").content
    };
    assert_eq!(content(1, Some(b"")), Content::Sip);
    assert_eq!(content(4, Some(b"")), Content::Rtp);
    assert_eq!(content(5, Some(b"{}")), Content::Other);
    assert_eq!(content(1, None), Content::Other, "compressed");
}

#[test]
fn a_payload_that_the_capture_cut_keeps_its_length() {
    let message = hep3(&invite());
    let cut = Message::parse(&message[..message.len() - 2]).expect("its payload was last");
    assert_eq!((cut.payload, cut.payload_len), (&b"INVI"[..], 6));
    assert_eq!(Message::parse(&message[..60]), Err(Error::Short));
    assert_eq!(Message::parse(&message[..5]), Err(Error::Short));
}

#[test]
fn contradictions_are_named() {
    let without = |at: usize| {
        let mut chunks = invite();
        chunks.remove(at);
        Message::parse(&hep3(&chunks)).err()
    };
    assert_eq!(without(2), Some(Error::NoAddresses));
    assert_eq!(without(3), Some(Error::NoAddresses));
    let changed = |at: usize, other: Vec<u8>| {
        let mut chunks = invite();
        chunks[at] = other;
        Message::parse(&hep3(&chunks)).err()
    };
    assert_eq!(changed(2, chunk(5, &[1; 16])), Some(Error::NoAddresses), "two versions");
    assert_eq!(changed(2, chunk(3, &[1; 3])), Some(Error::BadChunk(3)));
    assert_eq!(changed(0, vec![0, 0, 0, 1, 0, 5]), Some(Error::BadChunk(1)));
    assert_eq!(Message::parse(b"HEP4 and more"), Err(Error::NotHep));
}

#[test]
fn chunks_end_at_the_limit() {
    let mut chunks = invite();
    chunks.resize(MAX_HEP_CHUNKS, chunk(12, &[0; 4]));
    assert!(Message::parse(&hep3(&chunks)).is_ok());
    chunks.push(chunk(12, &[0; 4]));
    assert_eq!(Message::parse(&hep3(&chunks)), Err(Error::TooManyChunks));
}

#[test]
fn versions_1_and_2_are_read() {
    let head = |version| {
        [&[version, 16, 2, 17, 0x13, 0xc4, 0x13, 0xd8][..], &[192, 0, 2, 1, 192, 0, 2, 2]].concat()
    };
    let first = [&head(1)[..], b"INVITE"].concat();
    assert_eq!(Message::parse(&first), Ok(Message { at: None, ..expected() }));
    let times = [&1000_u32.to_le_bytes()[..], &250_u32.to_le_bytes(), &[0; 4]].concat();
    let second = [&head(2)[..], &times, b"INVITE"].concat();
    assert_eq!(Message::parse(&second), Ok(expected()));
    assert_eq!(Message::parse(&second[..20]), Err(Error::Short));
    let six = [&[1, 40, 10, 6, 0, 1, 0, 2][..], &[0x20; 16], &[0x30; 16], b"BYE"].concat();
    let message = Message::parse(&six).expect("whole");
    assert_eq!((message.src, message.payload), (([0x20; 16], 1).into(), &b"BYE"[..]));
}

#[test]
fn other_datagrams_on_its_port_are_left_alone() {
    for bytes in [&b"INVITE"[..], &[0x80; 40], &[1, 1, 0, 0], &[1, 16, 3, 17], b"HEP", b""] {
        assert!(!begins(bytes), "{bytes:?}");
    }
}

#[test]
fn a_stream_is_cut_by_total_lengths() {
    let message = hep3(&invite());
    let two = message.repeat(2);
    assert_eq!(framing(&two), Framing::Complete(message.len()));
    for len in 0..message.len() {
        assert_eq!(framing(&message[..len]), Framing::NeedMore, "{len}");
    }
    assert_eq!(framing(&[b"no H", &message[..]].concat()), Framing::Skip(3));
    assert_eq!(framing(b"none"), Framing::Skip(4));
    assert_eq!(framing(b"HEP3\0\x05"), Framing::Skip(6));
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(
        bytes in proptest::collection::vec(any::<u8>(), 0..200),
        kinds in proptest::collection::vec((0_u16..20, 0_usize..20), 0..20),
    ) {
        let chunks: Vec<_> =
            kinds.iter().map(|&(kind, len)| chunk(kind, &vec![7; len])).collect();
        let hep = hep3(&chunks);
        for bytes in [&bytes, &hep, &[&MAGIC[..], &bytes].concat(), &[&[2, 16, 2], &bytes[..]].concat()] {
            let _ = (Message::parse(bytes), framing(bytes));
        }
    }

    #[test]
    fn damaged_messages_never_panic(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut message = hep3(&invite());
        let at = at.index(message.len());
        message[at] = byte;
        let _ = (Message::parse(&message), framing(&message));
    }
}
