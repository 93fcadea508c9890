use core::net::Ipv4Addr;

use proptest::prelude::*;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

/// One fragment of a packet whose payload is `bytes`.
#[derive(Clone, Copy, Debug)]
struct Piece {
    ident: u32,
    from: usize,
    to: usize,
    is_last: bool,
}

struct Test {
    reassembler: Reassembler,
    counters: Counters,
    now: Instant,
}

impl Test {
    fn new() -> Self {
        Self {
            reassembler: Reassembler::new(),
            counters: Counters::default(),
            now: Instant::from_secs(1000),
        }
    }

    fn insert(&mut self, bytes: &[u8], piece: Piece) -> Option<Vec<u8>> {
        self.insert_cut(bytes, piece, usize::MAX).map(|(payload, _)| payload)
    }

    fn insert_cut(&mut self, bytes: &[u8], piece: Piece, cut: usize) -> Option<(Vec<u8>, usize)> {
        let payload = &bytes[piece.from..piece.to];
        let fragment = Fragment { ident: piece.ident, offset: piece.from, more: !piece.is_last };
        let packet = Packet {
            src: Ipv4Addr::new(192, 0, 2, 1).into(),
            dst: Ipv4Addr::new(192, 0, 2, 2).into(),
            dscp: 0,
            protocol: IpProtocol::Udp,
            fragment: Some(fragment),
            payload_len: payload.len(),
            payload: &payload[..payload.len().min(cut)],
        };
        let upper =
            self.reassembler.handle(&packet, fragment, None, self.now, &mut self.counters)?;
        Some((upper.payload.to_vec(), upper.payload_len))
    }

    fn count(&self, counter: Counter) -> u64 {
        self.counters.of(counter)
    }
}

fn bytes(len: usize) -> Vec<u8> {
    (0..len).map(|index| u8::try_from(index % 251).expect("below 251")).collect()
}

const fn piece(ident: u32, from: usize, to: usize, is_last: bool) -> Piece {
    Piece { ident, from, to, is_last }
}

#[test]
fn a_packet_is_whole_when_its_last_gap_closes() {
    let mut test = Test::new();
    let all = bytes(3000);
    assert_eq!(test.insert(&all, piece(1, 1480, 2960, false)), None);
    assert_eq!(test.insert(&all, piece(1, 2960, 3000, true)), None);
    assert_eq!(test.insert(&all, piece(1, 0, 1480, false)), Some(all.clone()));
    assert_eq!(test.insert(&all, piece(1, 0, 1480, false)), None, "its slot was freed");
    assert_eq!(test.count(Counter::Fragments), 4);
    assert_eq!(test.count(Counter::FragmentsBad), 0);
}

#[test]
fn packets_with_other_identifications_do_not_mix() {
    let mut test = Test::new();
    let (one, other) = (bytes(16), vec![9; 16]);
    assert_eq!(test.insert(&one, piece(1, 0, 8, false)), None);
    assert_eq!(test.insert(&other, piece(2, 8, 16, true)), None);
    assert_eq!(test.insert(&one, piece(1, 8, 16, true)), Some(one));
    assert_eq!(test.insert(&other, piece(2, 0, 8, false)), Some(other));
}

#[test]
fn a_repeated_fragment_is_no_contradiction() {
    let mut test = Test::new();
    let all = bytes(20);
    assert_eq!(test.insert(&all, piece(1, 8, 20, true)), None);
    assert_eq!(test.insert(&all, piece(1, 8, 20, true)), None);
    assert_eq!(test.insert(&all, piece(1, 0, 8, false)), Some(all));
    assert_eq!(test.count(Counter::FragmentsBad), 0);
}

#[test]
fn fragments_that_contradict_each_other_refuse_the_packet() {
    let all = bytes(64);
    let mut other = bytes(64);
    other[20] = 255;
    let cases: [(&str, &[u8], Piece, Piece); 6] = [
        ("overlap", &all, piece(1, 0, 24, false), piece(1, 16, 32, false)),
        ("other bytes", &other, piece(1, 16, 24, false), piece(1, 16, 24, false)),
        ("two ends", &all, piece(1, 32, 40, true), piece(1, 40, 48, true)),
        ("behind the end", &all, piece(1, 32, 40, true), piece(1, 48, 56, false)),
        ("end before others", &all, piece(1, 48, 56, false), piece(1, 32, 40, true)),
        ("end that moves", &all, piece(1, 32, 40, false), piece(1, 32, 37, true)),
    ];
    for (case, second_bytes, first, second) in cases {
        let mut test = Test::new();
        assert_eq!(test.insert(&all, first), None, "{case}");
        assert_eq!(test.insert(second_bytes, second), None, "{case}");
        assert_eq!(test.count(Counter::FragmentsBad), 1, "{case}");
        assert_eq!(test.insert(&all, piece(1, 0, 64, true)), None, "{case}: stays refused");
        test.now += TIMEOUT + SECOND;
        assert_eq!(
            test.insert(&all, piece(1, 0, 64, true)),
            Some(all.clone()),
            "{case}: forgotten"
        );
    }
}

#[test]
fn fragments_off_the_grid_or_too_long_are_bad() {
    let mut test = Test::new();
    let all = bytes(70_000);
    for bad in [
        piece(1, 0, 7, false),
        piece(1, 8, 8, true),
        piece(1, 65_528, 65_536, true),
        piece(1, 65_528, 65_600, false),
    ] {
        assert_eq!(test.insert(&all, bad), None, "{bad:?}");
    }
    assert_eq!(test.count(Counter::FragmentsBad), 4);
}

#[test]
fn a_packet_waits_thirty_seconds_of_packet_time() {
    let mut test = Test::new();
    let all = bytes(16);
    test.insert(&all, piece(1, 0, 8, false));
    test.now += TIMEOUT;
    test.reassembler.handle_timeout(test.now, &mut test.counters);
    assert_eq!(test.count(Counter::FragmentsTimedOut), 0);
    test.now += SECOND;
    test.reassembler.handle_timeout(test.now, &mut test.counters);
    assert_eq!(test.count(Counter::FragmentsTimedOut), 1);
    assert_eq!(test.insert(&all, piece(1, 8, 16, true)), None);
}

#[test]
fn evict_the_packet_that_has_waited_longest() {
    let mut test = Test::new();
    let all = bytes(16);
    for ident in 0..=u32::try_from(MAX_FRAGMENTED).expect("small") {
        test.now += Duration::from_millis(1);
        test.insert(&all, piece(ident, 0, 8, false));
    }
    assert_eq!(test.count(Counter::FragmentTableFull), 1);
    assert_eq!(test.insert(&all, piece(1, 8, 16, true)), Some(all.clone()));
    assert_eq!(test.insert(&all, piece(0, 8, 16, true)), None, "the first one left");
}

#[test]
fn a_cut_fragment_ends_what_is_given_but_not_its_length() {
    let mut test = Test::new();
    let all = bytes(48);
    assert_eq!(test.insert_cut(&all, piece(1, 24, 48, true), 4), None);
    assert_eq!(test.insert_cut(&all, piece(1, 0, 24, false), 24), Some((all[..28].to_vec(), 48)));
}

proptest! {
    #[test]
    fn any_order_gives_the_packet_back(
        len in 1_usize..65_000,
        cuts in proptest::collection::vec(0_usize..8125, 0..40),
        order in any::<u64>(),
        repeated in any::<prop::sample::Index>(),
    ) {
        let all = bytes(len);
        let mut pieces = pieces(len, cuts);
        pieces.push(pieces[repeated.index(pieces.len())]);
        shuffle(&mut pieces, order);
        let mut test = Test::new();
        let given: Vec<_> = pieces.iter().filter_map(|&piece| test.insert(&all, piece)).collect();
        prop_assert!(given.contains(&all));
        prop_assert_eq!(test.count(Counter::FragmentsBad), 0);
    }

    #[test]
    fn arbitrary_fragments_never_give_more_than_came(
        pieces in proptest::collection::vec((0_usize..64, 0_usize..64, any::<bool>(), 0_u32..3), 0..60),
    ) {
        let all = bytes(1024);
        let mut test = Test::new();
        for (from, len, is_last, ident) in pieces {
            let piece = piece(ident, from * 8, from * 8 + len, is_last);
            if let Some(given) = test.insert(&all, piece) {
                prop_assert_eq!(&given[..], &all[..given.len()]);
            }
        }
    }
}

/// A packet of `len` bytes cut at some units.
fn pieces(len: usize, cuts: Vec<usize>) -> Vec<Piece> {
    let mut ends: Vec<_> = cuts.into_iter().map(|cut| cut * 8).filter(|&at| at < len).collect();
    ends.push(0);
    ends.push(len);
    ends.sort_unstable();
    ends.dedup();
    ends.windows(2).map(|ends| piece(7, ends[0], ends[1], ends[1] == len)).collect()
}

fn shuffle<T>(items: &mut [T], mut seed: u64) {
    for index in (1..items.len()).rev() {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        items.swap(index, usize::try_from(seed >> 33).expect("31 bits") % (index + 1));
    }
}
