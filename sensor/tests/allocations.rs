//! Nothing is allocated for a packet: 20,000 RTP packets of established calls through the whole
//! analysis, with an allocator that counts; without capture rules, with rules that keep none of
//! them, and with one that keeps them all.

mod network;

use embassy_time::Instant;
use network::{Call, Tap};
use ringside_protocol::counters::Counter;
use ringside_protocol::rule::Rule;
use ringside_sensor::capture::{Frame, LinkType};
use ringside_sensor::keep::{Keeper, Origin};
use ringside_sensor::rules::{NumberedRule, RuleBook};

const CALLS: u16 = 10;
/// Of each direction: 20 s, so that ten-second intervals are closed.
const PACKETS: u16 = 1000;

/// One test, because others would allocate beside it.
#[test]
fn packets_of_established_calls_allocate_nothing() {
    established(&[]);
    established(&["keep rtp when caller = nobody", "keep sip, rtp when status = 486"]);
    // Counted only: what the store's thread allocates is its own, and bounded.
    established(&["keep sip, rtp, rtcp"]);
}

fn established(rules: &[&str]) {
    let mut tap = Tap::new("");
    if !rules.is_empty() {
        let parse = |text: &&str| Rule::parse(text).unwrap();
        let numbered = (1..).zip(rules.iter().map(parse));
        let rules = numbered.map(|(id, rule)| NumberedRule { id, rule }).collect();
        let book = RuleBook::compile(rules).unwrap();
        tap.analysis.set_keeper(Keeper::new(book, None, Origin::default()));
    }
    let mut calls: Vec<Call> =
        (0..CALLS).map(|number| Call::new(&format!("call{number}"), number)).collect();
    for call in &mut calls {
        call.begin(&mut tap);
        // The first packets begin the streams.
        call.packets().iter().for_each(|frame| tap.frame(frame));
    }
    let mut frames = Vec::new();
    for round in 0..u64::from(PACKETS) {
        for call in &mut calls {
            frames.extend(call.packets().map(|frame| (tap.now + round * 20_000, frame)));
        }
    }
    let analysis = &mut tap.analysis;
    let info = allocation_counter::measure(|| {
        for (at, bytes) in &frames {
            analysis.handle_frame(&Frame {
                at: Instant::from_micros(*at),
                interface: 0,
                link_type: LinkType::Ethernet,
                original_len: 214,
                bytes,
            });
            assert!(analysis.poll_record().is_none());
        }
    });
    assert_eq!(info.count_total, 0, "{info:?}");
    assert_eq!(frames.len(), 20_000);
    assert_eq!(tap.count(Counter::RtpPackets), 20_000 + 2 * u64::from(CALLS));
}
