//! An invented network: frames made by hand, and a tap that analyses them.
//!
//! Shared by the tests of hostile traffic, allocations and memory, each of which uses a part.

#![allow(dead_code, unused_imports, reason = "each test binary uses a part")]

pub(crate) mod attack;
mod call;
mod frame;

use core::net::SocketAddr;

use embassy_time::Instant;
use ringside_protocol::cdr::Cdr;
use ringside_protocol::counters::Counter;
use ringside_sensor::analysis::{Analysis, AnalysisSettings};
use ringside_sensor::call::CallSettings;
use ringside_sensor::capture::{Frame, LinkType};
use ringside_sensor::decode::{Options, PortSet};
use ringside_sensor::peer::Methods;

pub(crate) use call::{Call, sdp, sip};
pub(crate) use frame::{Segment, fragments, rtp, tcp, udp};

/// Microseconds.
pub(crate) const SECOND: u64 = 1_000_000;

/// When every tap begins: 2026-09-21.
pub(crate) const START: u64 = 1_790_000_000 * SECOND;

/// An address of the network.
pub(crate) fn address(host: [u8; 4], port: u16) -> SocketAddr {
    SocketAddr::from((host, port))
}

/// With SIP on port 5060, and on any other where a datagram looks like it.
pub(crate) fn settings(seed: u64) -> AnalysisSettings {
    let mut sip_ports = PortSet::new();
    sip_ports.insert(5060);
    let call = CallSettings { seed, ..CallSettings::default() };
    AnalysisSettings {
        sip_ports,
        is_sip_anywhere: true,
        decode: Options::default(),
        call,
        has_registrations: true,
        peer_methods: Methods::ALL,
        leg_header: Some("X-CID".to_owned()),
    }
}

/// The analysis, a clock, and the records of calls that the test asked for.
pub(crate) struct Tap {
    pub(crate) analysis: Analysis,
    /// Microseconds.
    pub(crate) now: u64,
    /// Records of Call-IDs that begin so are kept, others are only counted.
    kept: &'static str,
    pub(crate) records: Vec<Cdr>,
    pub(crate) others: usize,
}

impl Tap {
    /// Keeps the records of Call-IDs that begin with `kept`.
    pub(crate) fn new(kept: &'static str) -> Self {
        Self {
            analysis: Analysis::new(settings(0x5eed)),
            now: START,
            kept,
            records: Vec::new(),
            others: 0,
        }
    }

    /// One Ethernet frame, now.
    pub(crate) fn frame(&mut self, bytes: &[u8]) {
        self.cut_frame(bytes, bytes.len());
    }

    /// One frame that was longer on the wire.
    pub(crate) fn cut_frame(&mut self, bytes: &[u8], original_len: usize) {
        self.analysis.handle_frame(&Frame {
            at: Instant::from_micros(self.now),
            interface: 0,
            link_type: LinkType::Ethernet,
            original_len: u32::try_from(original_len).unwrap(),
            bytes,
        });
        self.drain();
    }

    /// One UDP datagram, in one frame however long it is.
    pub(crate) fn udp(&mut self, src: SocketAddr, dst: SocketAddr, payload: &[u8]) {
        self.frame(&udp(src, dst, payload));
    }

    /// One TCP segment.
    pub(crate) fn tcp(&mut self, src: SocketAddr, dst: SocketAddr, segment: Segment<'_>) {
        self.frame(&tcp(src, dst, segment));
    }

    /// Time passes, and nothing comes.
    pub(crate) fn pass(&mut self, micros: u64) {
        self.now += micros;
        self.analysis.handle_timeout(Instant::from_micros(self.now));
        self.drain();
    }

    /// The end of the capture.
    pub(crate) fn finish(&mut self) {
        self.analysis.finish();
        self.drain();
    }

    /// What was counted.
    pub(crate) fn count(&mut self, counter: Counter) -> u64 {
        self.analysis.counters().of(counter)
    }

    fn drain(&mut self) {
        while let Some(record) = self.analysis.poll_record() {
            let Some(record) = record.into_call() else { continue };
            if record.call_id.starts_with(self.kept) {
                self.records.push(record);
            } else {
                self.others += 1;
            }
        }
    }
}
