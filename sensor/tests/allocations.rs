//! Nothing is allocated for a packet: 20,000 RTP packets of established calls through the whole
//! analysis, with an allocator that counts.

mod network;

use embassy_time::Instant;
use network::{Call, Tap};
use ringside_protocol::counters::Counter;
use ringside_sensor::capture::{Frame, LinkType};

const CALLS: u16 = 10;
/// Of each direction: 20 s, so that ten-second intervals are closed.
const PACKETS: u16 = 1000;

#[test]
fn packets_of_established_calls_allocate_nothing() {
    let mut tap = Tap::new("");
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
