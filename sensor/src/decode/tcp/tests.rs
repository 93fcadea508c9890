use core::net::Ipv4Addr;

use proptest::prelude::*;

use super::*;
use crate::decode::Transport;
use crate::decode::websocket::tests::frame as websocket_frame;
use crate::decode::{Framing, Looked};
use crate::limits::{MAX_TCP_BUFFER, MAX_TCP_BUFFERS, MAX_TCP_CONNECTIONS, MAX_TCP_PIECES};

/// A line is a message; a line that begins with `#` is none.
fn lines(bytes: &[u8], _: &mut Looked) -> Framing {
    match bytes.iter().position(|&byte| byte == b'\n') {
        Some(end) if matches!(bytes[0], b'#' | b'\r' | b'\n') => Framing::Skip(end + 1),
        Some(end) => Framing::Complete(end + 1),
        None => Framing::NeedMore,
    }
}

/// One direction of one connection, and what came out of it.
struct Test {
    tcp: Tcp,
    counters: Counters,
    now: Instant,
    messages: Vec<String>,
    src_port: u16,
    carries: Carries,
}

const NOTHING: Segment<'static> = Segment {
    src_port: 0,
    dst_port: 5060,
    sequence_number: 0,
    acknowledgment_number: 0,
    syn: false,
    fin: false,
    rst: false,
    payload_len: 0,
    payload: b"",
};

/// The direction that [`Test::handle`] sends in.
const KEY: Key = Key {
    src: SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 40_000),
    dst: SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2)), 5060),
    vlan: Some(9),
};

impl Test {
    fn new() -> Self {
        Self {
            tcp: Tcp::new(lines, 1),
            counters: Counters::default(),
            now: Instant::from_secs(1000),
            messages: Vec::new(),
            src_port: 40_000,
            carries: Carries::Sip,
        }
    }

    fn handle(&mut self, segment: &Segment<'_>) {
        let host = |last| IpAddr::V4(Ipv4Addr::new(192, 0, 2, last));
        let context = Context { at: self.now, interface: 3, vlan: Some(9), dscp: 24 };
        let segment = Segment { src_port: self.src_port, ..*segment };
        let messages = &mut self.messages;
        let mut sink = |datagram: &Datagram<'_>, _: &mut Counters| {
            assert_eq!(datagram.transport, Transport::Tcp);
            assert_eq!((datagram.interface, datagram.vlan, datagram.dscp), (3, Some(9), 24));
            messages.push(String::from_utf8_lossy(datagram.payload).trim_end().to_owned());
        };
        let ends = (host(1), host(2));
        self.tcp.handle(ends, &segment, self.carries, context, &mut self.counters, &mut sink);
    }

    fn data(&mut self, sequence_number: u32, payload: &str) {
        let payload = payload.as_bytes();
        self.handle(&Segment { sequence_number, payload, payload_len: payload.len(), ..NOTHING });
    }

    fn wait(&mut self, duration: Duration) {
        self.now += duration;
        let messages = &mut self.messages;
        let mut sink = |datagram: &Datagram<'_>, _: &mut Counters| {
            messages.push(String::from_utf8_lossy(datagram.payload).trim_end().to_owned());
        };
        self.tcp.handle_timeout(self.now, &mut self.counters, &mut sink);
    }

    fn count(&self, counter: Counter) -> u64 {
        self.counters.of(counter)
    }

    fn buffers_in_use(&self) -> usize {
        self.tcp.pool.in_use().count()
    }
}

#[test]
fn several_messages_in_one_segment_and_one_over_many() {
    let mut test = Test::new();
    test.data(100, "one\ntwo\nthr");
    test.data(111, "e");
    test.data(112, "e\nfour\n");
    assert_eq!(test.messages, ["one", "two", "three", "four"]);
    assert_eq!(test.buffers_in_use(), 0, "nothing waits");
}

#[test]
fn what_comes_again_is_passed_over() {
    let mut test = Test::new();
    test.data(100, "one\n");
    test.data(100, "one\n");
    test.data(102, "e\ntwo\n");
    test.data(107, "\n");
    test.data(108, "three\n");
    assert_eq!(test.messages, ["one", "two", "three"]);
    assert_eq!(test.counters.non_zero().count(), 0);
}

#[test]
fn what_comes_early_waits_for_its_turn() {
    let mut test = Test::new();
    test.data(100, "a\n");
    test.data(108, "d\n");
    test.data(104, "c\n");
    test.data(106, "x\n");
    assert_eq!(test.messages, ["a"]);
    test.data(102, "b\n");
    assert_eq!(test.messages, ["a", "b", "c", "x", "d"]);
    assert_eq!(test.count(Counter::TcpGaps), 0);
    assert_eq!(test.buffers_in_use(), 0);
}

#[test]
fn a_gap_that_does_not_close_is_given_up_after_its_timeout() {
    let mut test = Test::new();
    test.data(100, "one\nhal");
    test.data(120, "f\nthree\n");
    test.data(140, "five\n");
    test.wait(GAP_TIMEOUT - Duration::from_micros(1));
    assert_eq!(test.messages, ["one"]);
    test.wait(Duration::from_micros(1));
    assert_eq!(test.messages, ["one", "f", "three"]);
    test.wait(GAP_TIMEOUT);
    assert_eq!(test.messages, ["one", "f", "three", "five"]);
    assert_eq!(test.count(Counter::TcpGaps), 2);
    test.data(145, "six\n");
    assert_eq!(test.messages.last().expect("some"), "six");
    assert_eq!(test.tcp.deadline, None);
}

#[test]
fn at_the_end_of_a_file_every_gap_is_given_up() {
    let mut test = Test::new();
    test.data(100, "one\n");
    test.data(120, "two\nhalf");
    test.data(140, "three\n");
    let mut late = Vec::new();
    let mut sink = |datagram: &Datagram<'_>, _: &mut Counters| {
        late.push((datagram.at, datagram.payload.to_vec()));
    };
    test.tcp.finish(&mut test.counters, &mut sink);
    assert_eq!(late, [(test.now, b"two\n".to_vec()), (test.now, b"three\n".to_vec())]);
    assert_eq!(test.count(Counter::TcpGaps), 2);
}

#[test]
fn a_gap_is_given_up_at_once_where_there_is_no_room_to_wait() {
    let mut test = Test::new();
    test.data(100, "one\n");
    test.data(104 + u32::try_from(MAX_TCP_BUFFER).expect("small"), "two\n");
    assert_eq!(test.messages, ["one", "two"]);
    let mut test = Test::new();
    test.data(100, "one\n");
    for piece in 0..=u32::try_from(MAX_TCP_PIECES).expect("small") {
        test.data(110 + 10 * piece, "m\n");
    }
    assert_eq!(test.messages, ["one", "m"]);
    assert_eq!(test.count(Counter::TcpGaps), 1);
}

#[test]
fn sequence_numbers_wrap() {
    let mut test = Test::new();
    test.data(u32::MAX - 1, "one\n");
    test.data(5, "o\n");
    test.data(2, "tw\r");
    assert_eq!(test.messages, ["one", "tw\ro"]);
}

#[test]
fn joining_in_the_middle_passes_over_the_tail_of_a_message() {
    let mut test = Test::new();
    test.data(5000, "#tail of something\n\r\nfirst\n");
    assert_eq!(test.messages, ["first"]);
    assert_eq!(test.count(Counter::TcpSkippedBytes), 19, "the empty line keeps alive");
}

#[test]
fn ports_used_again_begin_a_new_stream() {
    let mut test = Test::new();
    let syn = Segment { syn: true, ..NOTHING };
    test.handle(&Segment { sequence_number: 99, ..syn });
    test.data(100, "one\nhalf");
    test.handle(&Segment { sequence_number: 99, ..syn });
    test.data(108, "-two\n");
    assert_eq!(test.messages, ["one", "half-two"], "a SYN that came twice");
    test.data(113, "half");
    test.handle(&Segment { sequence_number: 4_000_000_000, ..syn });
    test.data(4_000_000_001, "three\n");
    assert_eq!(test.messages[2..], ["three"]);
    test.handle(&Segment { sequence_number: 4_000_000_007, rst: true, ..NOTHING });
    test.data(7, "four\n");
    assert_eq!(test.messages[3..], ["four"]);
    test.data(2_000_000_000, "five\n");
    assert_eq!(test.messages[4..], ["five"], "without a SYN");
    assert_eq!(test.count(Counter::TcpGaps), 1);
}

#[test]
fn a_stream_that_ends_drops_its_unfinished_message() {
    let mut test = Test::new();
    test.data(100, "one\nhalf");
    test.handle(&Segment { sequence_number: 108, fin: true, ..NOTHING });
    assert_eq!(test.buffers_in_use(), 0);
    assert_eq!(test.count(Counter::TcpSkippedBytes), 4);
    test.data(100, "one\nhalf");
    assert_eq!(test.messages, ["one"], "a repetition after the end");
}

#[test]
fn a_cut_segment_loses_its_message_only() {
    let mut test = Test::new();
    let payload = b"one\ntw";
    let cut = Segment { sequence_number: 100, payload, payload_len: 10, ..NOTHING };
    test.handle(&cut);
    test.data(110, "three\n");
    assert_eq!(test.messages, ["one", "three"]);
    assert_eq!(test.count(Counter::TcpGaps), 1);
}

#[test]
fn a_message_larger_than_the_buffer_is_counted() {
    let mut test = Test::new();
    let part = "x".repeat(50_000);
    test.data(0, &part);
    test.data(50_000, &part);
    test.data(100_000, "\nnext\n");
    assert_eq!(test.count(Counter::SipTooLarge), 1);
    assert_eq!(test.messages[1..], ["next"]);
}

#[test]
fn evict_the_idle_when_the_table_is_full() {
    let mut test = Test::new();
    let streams = u16::try_from(2 * MAX_TCP_CONNECTIONS).expect("ports");
    for port in 1..=streams {
        test.src_port = port;
        test.now += Duration::from_millis(1);
        test.data(100, "m\n");
    }
    test.src_port = streams + 1;
    test.handle(&Segment { syn: true, ..NOTHING });
    assert_eq!(test.count(Counter::TcpTableFull), 0, "a SYN alone pushes nobody out");
    test.data(100, "m\n");
    assert_eq!(test.count(Counter::TcpTableFull), 1);
}

#[test]
fn evict_the_buffer_of_the_idle_when_all_are_in_use() {
    let mut test = Test::new();
    let buffers = u16::try_from(MAX_TCP_BUFFERS).expect("ports");
    for port in 1..=buffers + 1 {
        test.src_port = port;
        test.now += Duration::from_millis(1);
        test.data(100, "half");
    }
    assert_eq!(test.count(Counter::TcpTableFull), 1);
    test.src_port = 1;
    test.data(104, "-lost\nnext\n");
    test.src_port = 2;
    test.data(104, "-found\n");
    assert_eq!(test.messages, ["-lost", "next", "half-found"]);
}

/// Numbered messages of many lengths.
fn stream(lengths: &[usize]) -> (String, Vec<String>) {
    let messages: Vec<_> = lengths
        .iter()
        .enumerate()
        .map(|(index, &len)| format!("{index}:{}", "z".repeat(len)))
        .collect();
    (messages.iter().map(|message| format!("{message}\n")).collect(), messages)
}

const ANSWER: &str = "HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Protocol: sip\r\n\r\n";

/// A server's frame of one message.
fn frame(payload: &str) -> Vec<u8> {
    websocket_frame(0x81, false, payload.as_bytes())
}

impl Test {
    /// A server on one of the web's ports.
    fn web() -> Self {
        Self { carries: Carries::Nothing, ..Self::new() }
    }

    fn bytes(&mut self, sequence_number: u32, payload: &[u8]) {
        let payload_len = payload.len();
        self.handle(&Segment { sequence_number, payload, payload_len, ..NOTHING });
    }

    /// From the other end.
    fn client_bytes(&mut self, sequence_number: u32, payload: &[u8]) {
        let host = |last| IpAddr::V4(Ipv4Addr::new(192, 0, 2, last));
        let context = Context { at: self.now, interface: 3, vlan: Some(9), dscp: 24 };
        let (src_port, dst_port) = (NOTHING.dst_port, self.src_port);
        let payload_len = payload.len();
        let segment =
            Segment { src_port, dst_port, sequence_number, payload, payload_len, ..NOTHING };
        let messages = &mut self.messages;
        let mut sink = |datagram: &Datagram<'_>, _: &mut Counters| {
            assert_eq!((datagram.src.port(), datagram.is_sip), (5060, true));
            messages.push(String::from_utf8_lossy(datagram.payload).into_owned());
        };
        let ends = (host(2), host(1));
        self.tcp.handle(ends, &segment, self.carries, context, &mut self.counters, &mut sink);
    }

    /// The server's answer at 100, which acknowledges 500; gives where the next byte stands.
    fn upgrade(&mut self) -> u32 {
        let payload = ANSWER.as_bytes();
        self.handle(&Segment {
            sequence_number: 100,
            acknowledgment_number: 500,
            payload,
            payload_len: payload.len(),
            ..NOTHING
        });
        advance(100, ANSWER.len())
    }
}

#[test]
fn an_upgrade_opens_both_directions() {
    let mut test = Test::web();
    test.client_bytes(400, b"GET / HTTP/1.1\r\n\r\n");
    assert_eq!(test.tcp.table.find(&KEY), None, "the web is not followed");
    let next = test.upgrade();
    let registered = websocket_frame(0x81, true, b"REGISTER");
    test.client_bytes(500, &registered[..5]);
    test.client_bytes(505, &registered[5..]);
    test.bytes(next, &[frame("200 OK"), frame("INVITE")].concat());
    assert_eq!(test.messages, ["REGISTER", "200 OK", "INVITE"]);
    assert_eq!(test.counters.non_zero().collect::<Vec<_>>(), [(Counter::WebSocketConnections, 1)]);
    assert_eq!(test.buffers_in_use(), 0);
}

#[test]
fn a_repeated_answer_begins_nothing_anew() {
    let mut test = Test::web();
    let next = test.upgrade();
    test.bytes(next, &frame("one"));
    test.upgrade();
    test.bytes(next, &frame("one"));
    assert_eq!(test.messages, ["one"]);
    assert_eq!(test.count(Counter::WebSocketConnections), 1);
}

#[test]
fn a_connection_that_ends_frees_its_ports_for_the_web() {
    let mut test = Test::web();
    for last in [Segment { fin: true, ..NOTHING }, Segment { rst: true, ..NOTHING }] {
        let next = test.upgrade();
        test.handle(&Segment { sequence_number: next, ..last });
        test.handle(&Segment { sequence_number: 1 << 30, syn: true, ..NOTHING });
        test.bytes((1 << 30) + 1, &frame("HTTP again"));
        test.bytes(next, &frame("HTTP again"));
        assert_eq!(test.messages, [""; 0]);
        assert_eq!(test.count(Counter::WebSocketBad), 0);
    }
    assert_eq!(test.count(Counter::WebSocketConnections), 2);
}

#[test]
fn a_spoofed_answer_does_not_turn_a_stream_that_gives_sip_to_websocket() {
    let mut test = Test::new();
    let payload = ANSWER.as_bytes();
    test.data(1_000_000, "one\nhal");
    for sequence_number in [7, 1_000_007, 1_000_000] {
        test.handle(&Segment { sequence_number, payload, payload_len: payload.len(), ..NOTHING });
    }
    test.data(1_000_007, "f\ntwo\n");
    test.client_bytes(500, b"three\n");
    assert_eq!(test.messages, ["one", "half", "two", "three\n"]);
    assert_eq!(test.count(Counter::WebSocketConnections), 0);
}

#[test]
fn a_spoofed_answer_far_off_does_not_turn_a_silent_sip_stream_to_websocket() {
    let mut test = Test::new();
    test.handle(&Segment { sequence_number: 999_999, syn: true, ..NOTHING });
    test.upgrade();
    test.data(1_000_000, "one\n");
    assert_eq!(test.messages, ["one"]);
}

#[test]
fn a_spoofed_reset_or_syn_does_not_end_a_websocket_stream() {
    let mut test = Test::web();
    let next = test.upgrade();
    test.bytes(next, &frame("one"));
    let next = advance(next, frame("one").len());
    test.handle(&Segment { sequence_number: 1 << 30, rst: true, ..NOTHING });
    test.handle(&Segment { sequence_number: 1 << 29, syn: true, ..NOTHING });
    test.bytes(next, &frame("two"));
    test.client_bytes(500, &websocket_frame(0x81, true, b"three"));
    assert_eq!(test.messages, ["one", "two", "three"]);
}

#[test]
fn sip_ports_may_turn_to_websocket_as_well() {
    let mut test = Test::new();
    test.bytes(96, b"#ab\n");
    let next = test.upgrade();
    test.bytes(next, &frame("one"));
    assert_eq!(test.messages, ["one"]);
}

#[test]
fn a_frame_too_large_is_passed_over_without_being_held() {
    let mut test = Test::web();
    let mut next = test.upgrade();
    let large = websocket_frame(0x82, false, &vec![7; 200_000]);
    for bytes in [&large[..], &frame("after")].concat().chunks(1400) {
        test.bytes(next, bytes);
        next = advance(next, bytes.len());
    }
    assert_eq!(test.messages, ["after"]);
    assert_eq!(test.count(Counter::SipTooLarge), 1);
    assert_eq!(test.count(Counter::WebSocketBad), 0);
}

#[test]
fn reading_goes_on_behind_a_gap_that_begins_with_a_frame() {
    let mut test = Test::web();
    let next = test.upgrade();
    test.bytes(next + 50, &frame("after"));
    test.wait(GAP_TIMEOUT);
    assert_eq!(test.messages, ["after"]);
    assert_eq!(test.count(Counter::TcpGaps), 1);
}

#[test]
fn compressed_messages_are_counted() {
    let mut test = Test::web();
    let next = test.upgrade();
    let packed = websocket_frame(0xc1, false, b"packed");
    test.bytes(next, &[packed, frame("plain")].concat());
    assert_eq!(test.messages, ["plain"]);
    assert_eq!(test.count(Counter::WebSocketCompressed), 1);
}

#[test]
fn hep_messages_are_cut_out_of_a_stream() {
    let chunk = |kind: u8, content: &[u8]| {
        let len = u8::try_from(6 + content.len()).expect("short");
        [&[0, 0, 0, kind, 0, len], content].concat()
    };
    let chunks = [
        chunk(2, &[17]),
        chunk(3, &[192, 0, 2, 1]),
        chunk(4, &[192, 0, 2, 2]),
        chunk(7, &[0x13, 0xc4]),
        chunk(8, &[0x13, 0xc4]),
        chunk(11, &[1]),
        chunk(18, &[0, 9]),
        chunk(15, b"INVITE"),
    ]
    .concat();
    let message = [&b"HEP3"[..], &[0, u8::try_from(6 + chunks.len()).expect("short")], &chunks];
    let bytes = message.concat().repeat(3);
    let mut test = Test { carries: Carries::Hep, ..Test::new() };
    let mut seen = Vec::new();
    let mut sink = |datagram: &Datagram<'_>, _: &mut Counters| {
        assert_eq!((datagram.transport, datagram.is_sip), (Transport::Udp, true));
        seen.push(datagram.payload.to_vec());
    };
    let context = Context { at: test.now, interface: 3, vlan: None, dscp: 24 };
    for (number, payload) in bytes.chunks(50).enumerate() {
        let sequence_number = advance(100, 50 * number);
        let segment = Segment { sequence_number, payload, payload_len: payload.len(), ..NOTHING };
        let ends = (KEY.src.ip(), KEY.dst.ip());
        test.tcp.handle(ends, &segment, test.carries, context, &mut test.counters, &mut sink);
    }
    assert_eq!(seen, [b"INVITE"; 3]);
    assert_eq!(test.count(Counter::HepMessages), 3);
}

proptest! {
    #[test]
    fn cuts_reordering_and_repetition_change_nothing(
        start: u32,
        lengths in proptest::collection::vec(0_usize..600, 1..20),
        cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..30),
        moves in proptest::collection::vec((any::<prop::sample::Index>(), 1_usize..6), 0..20),
        repeats in proptest::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 0..6),
    ) {
        let (text, messages) = stream(&lengths);
        let mut ends: Vec<_> = cuts.iter().map(|cut| cut.index(text.len())).collect();
        ends.extend([0, text.len()]);
        ends.sort_unstable();
        ends.dedup();
        let mut parts: Vec<_> = ends.windows(2).map(|ends| (ends[0], ends[1])).collect();
        for (from, to) in repeats {
            let (one, other) = (from.index(text.len()), to.index(text.len()));
            parts.push((one.min(other), one.max(other)));
        }
        for (from, by) in moves {
            let from = from.index(parts.len());
            let to = (from + by).min(parts.len() - 1);
            parts[from..=to].rotate_left(1);
        }
        let mut test = Test::new();
        test.handle(&Segment { sequence_number: start.wrapping_sub(1), syn: true, ..NOTHING });
        for (from, to) in parts {
            let offset = u32::try_from(from).expect("small");
            test.data(start.wrapping_add(offset), &text[from..to]);
        }
        prop_assert_eq!(&test.messages, &messages);
        prop_assert_eq!(test.buffers_in_use(), 0);
        prop_assert_eq!(test.counters.non_zero().count(), 0);
    }

    #[test]
    fn arbitrary_segments_never_panic_and_leak_no_buffer(
        segments in proptest::collection::vec(
            (0_u32..3000, 0_usize..900, 0_u8..16, 0_u64..3, 0_u16..3, any::<bool>()), 0..80),
        carries in 0_usize..3,
    ) {
        let (mut test, bytes) = match carries {
            0 => (Test::new(), b"ab\ncdefgh\n#i\n".repeat(100)),
            1 => (Test { carries: Carries::Hep, ..Test::new() }, b"HEP3\0\x0bchunk".repeat(100)),
            _ => (Test::web(), [frame("REGISTER"), frame("INVITE")].concat().repeat(80)),
        };
        for (sequence_number, len, flags, seconds, port, is_cut) in segments {
            test.src_port = port;
            test.wait(Duration::from_secs(seconds));
            if carries == 2 && flags == 4 {
                test.upgrade();
            }
            let payload = &bytes[..len];
            test.handle(&Segment {
                sequence_number: sequence_number * if flags == 15 { 1_000_000 } else { 1 },
                payload,
                payload_len: len + usize::from(is_cut),
                syn: flags == 1,
                fin: flags == 2,
                rst: flags == 3,
                ..NOTHING
            });
        }
        for _ in 0..MAX_TCP_PIECES {
            test.wait(GAP_TIMEOUT);
        }
        prop_assert_eq!(test.tcp.deadline, None);
        for (buffer, held) in test.tcp.pool.in_use() {
            let stream = held.stream.expect("in use");
            prop_assert!(!held.is_empty());
            prop_assert_eq!(test.tcp.table.buffer_of(stream), Some(buffer));
        }
    }
}
