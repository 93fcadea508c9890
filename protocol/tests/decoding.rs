//! What decoding costs in memory, whatever a message claims: with an allocator that counts, on the
//! bytes that unfold the furthest, on damaged ones and on any.

use std::io::Write;

use allocation_counter::measure;
use flate2::Compression;
use flate2::write::DeflateEncoder;
use proptest::prelude::*;
use ringside_protocol::cdr::{Boot, Cdr, Interval, QualityReport, Stream};
use ringside_protocol::columns;
use ringside_protocol::envelope::{
    EnvelopeError, MAX_BATCH_BYTES, MAX_BATCH_MEMORY, Message, open,
};
use ringside_protocol::json;
use ringside_protocol::limits::{MAX_INTERVALS, MAX_STREAMS};
use ringside_protocol::message::{Batch, Enrol, Heartbeat, Hello, Poll, Prove};

/// What inflating takes beside its result, and the columns' own places.
const MACHINERY: u64 = 256 << 10;

/// An envelope of that kind, deflated.
fn envelope(kind: u8, flags: u8, plain: &[u8]) -> Vec<u8> {
    let header = vec![b'R', b'S', 1, kind, flags | 1];
    let mut encoder = DeflateEncoder::new(header, Compression::best());
    encoder.write_all(plain).expect("compresses");
    encoder.finish().expect("compresses")
}

/// How opening `bytes` ends, and the most memory that it held.
fn opened<M: Message>(bytes: &[u8]) -> (Option<EnvelopeError>, u64) {
    let mut error = None;
    let info = measure(|| error = open::<M>(bytes).err());
    (error, info.bytes_max)
}

/// A batch of hostile calls in columns, by `change` of each of them.
fn hostile(calls: usize, change: impl Fn(&mut Cdr)) -> Vec<u8> {
    let call = |number| {
        let mut cdr = Cdr { number, ..Cdr::default() };
        change(&mut cdr);
        cdr
    };
    let batch = Batch::new(Boot([1; 16]), (0..calls as u64).map(call));
    envelope(Batch::KIND, 2, &columns::to_vec(&batch).expect("columns"))
}

fn assert_bounded(bytes: &[u8]) -> Option<EnvelopeError> {
    let (error, most) = opened::<Batch>(bytes);
    println!("{} bytes on the wire: {most} in memory", bytes.len());
    let bound = (MAX_BATCH_MEMORY + 2 * MAX_BATCH_BYTES) as u64 + MACHINERY;
    assert!(most <= bound, "{most} bytes for {} on the wire", bytes.len());
    error
}

#[test]
fn a_small_batch_does_not_unfold_without_bound() {
    let intervals = hostile(1, |cdr| {
        let intervals = vec![Interval::default(); 1_500_000];
        cdr.streams = vec![Stream { intervals, ..Stream::default() }];
    });
    assert!(intervals.len() < 20_000, "it is small on the wire");
    assert_eq!(assert_bounded(&intervals), Some(EnvelopeError::TooLarge), "inflated");
    let streams = hostile(1, |cdr| cdr.streams = vec![Stream::default(); 24_000]);
    assert_eq!(assert_bounded(&streams), Some(EnvelopeError::TooLarge), "unfolded");
    let calls = hostile(20_000, |_| {});
    assert_eq!(assert_bounded(&calls), Some(EnvelopeError::TooLarge), "unfolded");
    let reports = hostile(1, |cdr| cdr.quality_reports = vec![QualityReport::default(); 100_000]);
    assert_bounded(&reports);
}

#[test]
fn a_message_that_inflates_beyond_its_kind_s_size_is_refused_before_it_is_read() {
    fn refuses<M: Message>() {
        let flags = if M::IN_COLUMNS { 2 } else { 0 };
        let bytes = envelope(M::KIND, flags, &vec![0; 64 << 20]);
        let (error, most) = opened::<M>(&bytes);
        assert_eq!(error, Some(EnvelopeError::TooLarge), "kind {}", M::KIND);
        // A vector that grows holds its old place and its new one, of twice the size.
        assert!(most <= 3 * M::MAX_BYTES as u64 + MACHINERY, "{most} bytes, kind {}", M::KIND);
    }
    refuses::<Hello>();
    refuses::<Prove>();
    refuses::<Enrol>();
    refuses::<Batch>();
    refuses::<Heartbeat>();
    refuses::<Poll>();
}

#[test]
fn a_batch_in_rows_and_a_hello_in_columns_are_none() {
    let (error, _) = opened::<Batch>(&envelope(Batch::KIND, 0, &[0; 100]));
    assert_eq!(error, Some(EnvelopeError::Flags(1)));
    let (error, _) = opened::<Hello>(&envelope(Hello::KIND, 2, &[0; 100]));
    assert_eq!(error, Some(EnvelopeError::Flags(3)));
}

/// Two bytes a counter, and as few as three an interface.
#[test]
fn a_heartbeat_of_many_small_things_is_bounded() {
    for filler in [[0, 0], [1, 0]] {
        let mut plain = vec![0, 0, 0xff, 0xff, 0x01];
        plain.extend(filler.repeat(30_000));
        let (_, most) = opened::<Heartbeat>(&envelope(Heartbeat::KIND, 0, &plain));
        assert!(most <= 3 << 20, "{most} bytes");
    }
}

/// What is kept is shown: a page of the largest call costs so much, and no more.
#[test]
fn the_largest_call_as_json_is_bounded() {
    let interval = Interval { packets: 500, lost: 3, jitter: 12, mos: 440 };
    let stream = Stream { intervals: vec![interval; MAX_INTERVALS], ..Stream::default() };
    let cdr = Cdr { streams: vec![stream; MAX_STREAMS], ..Cdr::default() };
    let most = measure(|| drop(json::call(&cdr, None).to_string())).bytes_max;
    println!("{most} bytes");
    assert!(most <= 16 << 20, "{most} bytes");
}

fn sound() -> Vec<u8> {
    let stream = Stream { intervals: vec![Interval::default(); 9], ..Stream::default() };
    let cdr = Cdr { streams: vec![stream; 2], call_id: "a@b".to_owned(), ..Cdr::default() };
    columns::to_vec(&Batch::new(Boot([1; 16]), vec![cdr; 20])).expect("columns")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn damaged_columns_take_no_more(
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        filler in prop::collection::vec(any::<u8>(), 0..2000),
    ) {
        let mut plain = sound();
        for (at, byte) in damage {
            let at = at.index(plain.len());
            plain[at] = byte;
        }
        plain.extend(filler);
        assert_bounded(&envelope(Batch::KIND, 2, &plain));
    }

    #[test]
    fn any_bytes_take_no_more(
        kind in 1u8..14,
        flags in 0u8..4,
        body in prop::collection::vec(any::<u8>(), 0..4000),
    ) {
        let mut bytes = vec![b'R', b'S', 1, kind, flags];
        bytes.extend(body);
        assert_bounded(&bytes);
        for (_, most) in [opened::<Heartbeat>(&bytes), opened::<Poll>(&bytes), opened::<Hello>(&bytes)] {
            prop_assert!(most <= 8 << 20, "{most} bytes");
        }
    }
}
