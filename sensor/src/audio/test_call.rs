//! Calls for tests: frames as a capture has them, in a store as the sensor writes it.

use core::f64::consts::TAU;
use std::sync::OnceLock;

use ringside_protocol::cdr::{Boot, Fingerprint};

use super::{AudioError, Sound};
use crate::call::level::Law;
use crate::store::ring::catalog::Catalog;
use crate::store::ring::chunk::Lock;
use crate::store::ring::facts::Facts;
use crate::store::ring::packet::{MAX_PACKET_HEAD, Packet};
use crate::store::ring::{Chunk, FOLDER, Order, Ring, RingSettings};
use crate::store::test_dir::TestDir;

/// When calls begin.
pub(super) const START: u64 = 1_795_420_800_000_000;

const CALLER: [u8; 4] = [192, 0, 2, 1];
const CALLEE: [u8; 4] = [192, 0, 2, 2];

/// Media ports of caller and callee.
const PORTS: [u16; 2] = [4000, 5000];

/// Frames with their times, to be stored in the order of these.
#[derive(Default)]
pub(super) struct TestCall {
    frames: Vec<(u64, Vec<u8>, Option<usize>)>,
}

/// Who sends.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum From {
    Caller,
    Callee,
}

impl TestCall {
    /// A call with this `m=` line and attributes on both sides.
    pub(super) fn new(media: &str) -> Self {
        Self::with(media, media)
    }

    /// A call in which each side describes itself.
    pub(super) fn with(caller: &str, callee: &str) -> Self {
        let mut call = Self::default();
        call.invite(0, From::Caller, caller);
        call.answer(500_000, From::Callee, callee);
        call
    }

    /// An INVITE, microseconds after the beginning. `{port}` is the sender's.
    pub(super) fn invite(&mut self, at: u64, from: From, media: &str) {
        let (own, other) = if from == From::Caller { ("a", "b") } else { ("b", "a") };
        let head = format!(
            "INVITE sip:{other}@test.example SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK{at}\r\n\
             From: <sip:{own}@test.example>;tag={own}\r\nTo: <sip:{other}@test.example>\r\n\
             Call-ID: call@test.example\r\nCSeq: 1 INVITE\r\n"
        );
        self.sip(at, from, &head, media);
    }

    /// The 200 to the other's INVITE.
    pub(super) fn answer(&mut self, at: u64, from: From, media: &str) {
        let (own, other) = if from == From::Caller { ("a", "b") } else { ("b", "a") };
        let head = format!(
            "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK{at}\r\n\
             From: <sip:{other}@test.example>;tag={other}\r\n\
             To: <sip:{own}@test.example>;tag={own}\r\n\
             Call-ID: call@test.example\r\nCSeq: 1 INVITE\r\n"
        );
        self.sip(at, from, &head, media);
    }

    fn sip(&mut self, at: u64, from: From, head: &str, media: &str) {
        let (address, port) = match from {
            From::Caller => ("192.0.2.1", PORTS[0]),
            From::Callee => ("192.0.2.2", PORTS[1]),
        };
        let media = media.replace("{port}", &port.to_string());
        let body = format!(
            "v=0\r\no=- 1 1 IN IP4 {address}\r\ns=-\r\nc=IN IP4 {address}\r\nt=0 0\r\n{media}"
        );
        let message = format!(
            "{head}Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        self.datagram(at, from, [5060, 5060], message.as_bytes());
    }

    /// An RTP packet, microseconds after the beginning.
    pub(super) fn rtp(&mut self, at: u64, from: From, packet: &[u8]) {
        let [caller, callee] = PORTS;
        let ports = if from == From::Caller { [caller, callee] } else { [callee, caller] };
        self.rtp_on(at, from, ports, packet);
    }

    /// The same from and to other ports.
    pub(super) fn rtp_on(&mut self, at: u64, from: From, ports: [u16; 2], packet: &[u8]) {
        self.datagram(at, from, ports, packet);
    }

    fn datagram(&mut self, at: u64, from: From, ports: [u16; 2], payload: &[u8]) {
        let (src, dst) = if from == From::Caller { (CALLER, CALLEE) } else { (CALLEE, CALLER) };
        let mut frame = vec![2; 12];
        frame.extend([8, 0]);
        let length = |of: usize| u16::try_from(of).unwrap().to_be_bytes();
        frame.extend([0x45, 0]);
        frame.extend(length(28 + payload.len()));
        frame.extend([0, 0, 0x40, 0, 64, 17, 0, 0]);
        frame.extend(src);
        frame.extend(dst);
        frame.extend(ports[0].to_be_bytes());
        frame.extend(ports[1].to_be_bytes());
        frame.extend(length(8 + payload.len()));
        frame.extend([0, 0]);
        frame.extend(payload);
        self.frames.push((START + at, frame, None));
    }

    /// Of the newest frame, only the headers were kept.
    pub(super) fn headers_only(&mut self) {
        self.frames.last_mut().unwrap().2 = Some(14 + 28 + 12);
    }

    /// In a store.
    pub(super) fn store(mut self) -> (TestDir, Catalog) {
        self.frames.sort_by_key(|frame| frame.0);
        let dir = TestDir::new();
        let settings = RingSettings {
            directory: dir.path().join(FOLDER),
            max_bytes: 64 << 20,
            max_days: None,
            device: Fingerprint([1; 16]),
            boot: Boot([5; 16]),
            device_key: None,
            waits: true,
            parks_for: None,
        };
        let mut ring = Ring::open(settings).unwrap();
        ring.push(Order::Keep(1, Box::default()));
        let mut buffer = ring.buffer().unwrap();
        let (mut packets, mut latest) = (0, 0);
        for (number, (at, bytes, kept)) in (0..).zip(&self.frames) {
            if Ring::room(&buffer) < bytes.len() + MAX_PACKET_HEAD {
                let full = core::mem::replace(&mut buffer, ring.buffer().unwrap());
                push(&mut ring, full, packets, latest);
                packets = 0;
            }
            let packet = Packet {
                number,
                at: *at,
                link_type: 1,
                interface: 0,
                original_len: u32::try_from(bytes.len()).unwrap(),
                bytes: &bytes[..kept.unwrap_or(bytes.len())],
            };
            packet.emit(&mut buffer);
            packets += 1;
            latest = *at;
        }
        push(&mut ring, buffer, packets, latest);
        ring.push(Order::End(1, Some(Box::<Facts>::default()), false));
        drop(ring);
        let catalog = Catalog::read(&dir.path().join(FOLDER), None).unwrap();
        (dir, catalog)
    }

    /// Its sound.
    pub(super) fn open(self) -> Result<(TestDir, Sound), AudioError> {
        let (dir, catalog) = self.store();
        let sound = super::open(&catalog, (Boot([5; 16]), 1))?;
        Ok((dir, sound))
    }
}

fn push(ring: &mut Ring, bytes: Vec<u8>, packets: u16, at: u64) {
    ring.push(Order::Write(Chunk { number: 1, lock: Lock::Clear, packets, at, bytes }));
}

/// An RTP packet.
pub(super) fn packet(
    payload_type: u8,
    sequence: u64,
    timestamp: u64,
    ssrc: u32,
    payload: &[u8],
) -> Vec<u8> {
    let mut packet = vec![0x80, payload_type];
    packet.extend(&sequence.to_be_bytes()[6..]);
    packet.extend(&timestamp.to_be_bytes()[4..]);
    packet.extend(ssrc.to_be_bytes());
    packet.extend(payload);
    packet
}

/// G.711 of a tone, from a sample on. 0 dBm0 is a sine of 22,670 of 32,768.
pub(super) fn tone(payload_type: u8, hz: f64, dbm0: f64, from: u64, len: u64) -> Vec<u8> {
    let amplitude = 22_670.0 * 10_f64.powf(dbm0 / 20.0);
    let sample = |at: u64| {
        let at = f64::from(u32::try_from(at).unwrap());
        amplitude * (TAU * hz * at / 8000.0).sin()
    };
    (from..from + len).map(|at| encode(payload_type, sample(at))).collect()
}

/// The code whose sample is nearest.
fn encode(payload_type: u8, sample: f64) -> u8 {
    static CODES: OnceLock<[Vec<(i16, u8)>; 2]> = OnceLock::new();
    let laws = CODES.get_or_init(|| {
        [Law::Mu, Law::A].map(|law| {
            let codes: Vec<u8> = (0..=255).collect();
            let mut samples = Vec::new();
            super::g711::decode(law, &codes, &mut samples);
            let mut pairs: Vec<_> = samples.into_iter().zip(codes).collect();
            pairs.sort_unstable();
            pairs
        })
    });
    let codes = &laws[usize::from(payload_type == 8)];
    let above = codes.partition_point(|&(known, _)| f64::from(known) < sample).min(255);
    let below = above.saturating_sub(1);
    let distance = |at: usize| (f64::from(codes[at].0) - sample).abs();
    codes[if distance(below) < distance(above) { below } else { above }].1
}
