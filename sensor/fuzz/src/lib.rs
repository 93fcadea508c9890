//! What is done with the bytes that the fuzzer makes: each function is one target, and panics only
//! where the reader under it is wrong.

use std::fs;
use std::io::Cursor;

use embassy_time::Instant;
use ringside_protocol::cdr::Boot;
use ringside_protocol::message::{
    Accepted, Batch, BatchAck, Challenge, Commands, Enrol, Enrolled, Heartbeat, HeartbeatAnswer,
    Hello, Poll, Prove, Refused,
};
use ringside_protocol::rule::Rule;
use ringside_protocol::token::Token;
use ringside_protocol::{envelope, json};
use ringside_sensor::analysis::{Analysis, AnalysisSettings};
use ringside_sensor::audio::decode_all;
use ringside_sensor::call::CallSettings;
use ringside_sensor::call::codec::Codec;
use ringside_sensor::capture::file::FileSource;
use ringside_sensor::capture::{Frame, LinkType};
use ringside_sensor::counters::Counters;
use ringside_sensor::decode::{Decoder, DecoderSettings, Framing, Looked, Options, PortSet, media};
use ringside_sensor::peer::Methods;
use ringside_sensor::retrieval::direct::is_request;
use ringside_sensor::store::export::{self, FileFormat};
use ringside_sensor::store::ring::catalog::Catalog;
use ringside_sensor::store::ring::chunk::{CHUNK_HEAD, Head, Kind, Lock};
use ringside_sensor::wire::rtp::TelephoneEvent;
use ringside_sensor::wire::sip::{Message, NameAddr, Uri, Via};
use ringside_sensor::wire::{rtcp, rtp, sdp, sip, vq};

/// A phone's voice quality report.
pub fn vq_report(bytes: &[u8]) {
    if let Some(report) = vq::Report::parse(bytes) {
        assert!(!report.call_id.is_empty());
    }
}

/// A kept call's sound: the encoding, then payloads with a byte of length each.
pub fn audio(bytes: &[u8]) {
    const NAMES: [&str; 6] = ["PCMU", "PCMA", "G722", "GSM", "opus", "L16"];
    let Some((&which, mut rest)) = bytes.split_first() else { return };
    let codec = Codec::from_name(NAMES[usize::from(which) % NAMES.len()]);
    let payloads = core::iter::from_fn(|| {
        let (&len, after) = rest.split_first()?;
        let (payload, after) = after.split_at(usize::from(len).min(after.len()));
        rest = after;
        Some(payload)
    });
    // A packet gives a second at most.
    let samples = decode_all(&codec, payloads).unwrap_or(0);
    assert!(samples <= bytes.len() * 48_000);
}

/// What a browser, or anybody else, says to the page for calls' packets.
pub fn direct(bytes: &[u8]) {
    let length = bytes.first().copied().map_or(0, u64::from);
    let _ = is_request(bytes, length);
}

/// The text of a capture rule: what is understood is written, and understood again as the same.
pub fn rule(bytes: &[u8]) {
    let Ok(text) = core::str::from_utf8(bytes) else { return };
    if let Ok(rule) = Rule::parse(text) {
        let written = rule.to_string();
        assert_eq!(Rule::parse(&written).map_err(|error| (error, written)), Ok(rule));
    }
}

/// A segment file of the ring store, made of the input's parts with right checksums, so that what
/// stands behind a checksum is reached: a byte each for kind, lock and call, two for the length.
pub fn segment(bytes: &[u8]) {
    const SERIAL: u64 = 7;
    const KINDS: [Kind; 4] = [Kind::Packets, Kind::Facts, Kind::Key, Kind::Pinned];
    const LOCKS: [Lock; 4] = [Lock::Clear, Lock::Kept, Lock::Held, Lock::Device];
    let mut file = Vec::from(*b"RSsegm1\0");
    file.extend(SERIAL.to_le_bytes());
    file.extend([1; 16]);
    file.extend(crc32fast::hash(&file).to_le_bytes());
    file.resize(64, 0);
    let mut rest = bytes;
    while let Some((&[kind, lock, call, high, low], after)) = rest.split_first_chunk() {
        let len = u16::from_be_bytes([high, low]);
        let (part, after) = after.split_at(usize::from(len).min(after.len()));
        rest = after;
        let head = Head {
            kind: KINDS[usize::from(kind % 4)],
            lock: LOCKS[usize::from(lock % 4)],
            packets: len,
            call: (Boot([call % 4; 16]), 1),
            nonce: 0,
            at: 0,
            len: part.len().try_into().unwrap_or(0),
        };
        let mut chunk = [&[0; CHUNK_HEAD], part].concat();
        head.emit(SERIAL, &mut chunk);
        assert_eq!(Head::parse(&chunk, SERIAL), Some((head, part)));
        chunk.resize(head.stride(), 0);
        file.extend(chunk);
    }
    let directory = std::env::temp_dir().join(format!("ringside-fuzz-{}", std::process::id()));
    fs::create_dir_all(&directory).expect("a directory for the segment");
    fs::write(directory.join("0.seg"), file).expect("the segment is written");
    let catalog = Catalog::read(&directory, None).expect("the segment is read");
    for (call, facts, _) in catalog.kept() {
        let packets = catalog.packets(call).expect("the segment is read");
        assert_eq!(packets.missing_chunks, 0);
        let mut out = Vec::new();
        let packets = packets.in_order();
        if export::export(FileFormat::Pcapng, "call", facts, &packets, &mut out).is_ok() {
            assert!(FileSource::from_reader(Cursor::new(out)).is_ok());
        }
    }
    let _ = fs::remove_dir_all(&directory);
}

/// A pcap or pcapng file, gzipped or not.
pub fn file(bytes: &[u8]) {
    let Ok(mut source) = FileSource::from_reader(Cursor::new(bytes.to_vec())) else { return };
    loop {
        let mut ahead = None;
        source.look_ahead(1, |_, bytes| ahead = Some(bytes.to_vec()));
        let Ok(Some(frame)) = source.next_frame() else { break };
        assert!(frame.original_len as usize >= frame.bytes.len());
        assert!(ahead.is_none_or(|ahead| ahead == frame.bytes));
    }
    assert!(source.position() <= u64::MAX / 2);
}

/// Frames of one link type, each behind its length in two bytes.
pub fn frames(link_type: LinkType, bytes: &[u8]) {
    let mut decoder = decoder();
    let mut counters = Counters::default();
    let mut sink = |datagram: &ringside_sensor::decode::Datagram<'_>, _: &mut Counters| {
        assert!(datagram.payload.len() <= datagram.payload_len as usize);
    };
    for (number, frame) in chunks(bytes).enumerate() {
        let frame = Frame { link_type, ..ethernet(number as u64 * 100_000, frame) };
        let _ = media::glance(link_type, frame.bytes);
        decoder.handle_frame(&frame, &mut counters, &mut sink);
    }
    decoder.finish(&mut counters, &mut sink);
}

/// Segments of one TCP stream: how far each jumps, its flags, its length, its bytes.
pub fn tcp(bytes: &[u8]) {
    let mut decoder = decoder();
    let mut counters = Counters::default();
    let mut sink = |_: &ringside_sensor::decode::Datagram<'_>, _: &mut Counters| {};
    let (mut left, mut sequence_number, mut at) = (bytes, 0u32, 0);
    while let [jump, flags, len, rest @ ..] = left {
        let (payload, rest) = rest.split_at(usize::from(*len).min(rest.len()));
        left = rest;
        let jump = i32::from(jump.cast_signed());
        let start = sequence_number.wrapping_add_signed(jump);
        let mut frame = vec![0x45, 0, 0, 0, 0, 0, 0, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
        frame.extend([0x9c, 0x40, 0x13, 0xc4]);
        frame.extend(start.to_be_bytes());
        frame.extend([0, 0, 0, 0, 0x50, flags & 0x17, 0, 0, 0, 0, 0, 0]);
        frame.extend(payload);
        sequence_number = start.wrapping_add(payload.len() as u32);
        at += u64::from(flags >> 5) * 500_000;
        let frame = Frame { link_type: LinkType::RawIp, ..ethernet(at, &frame) };
        decoder.handle_frame(&frame, &mut counters, &mut sink);
    }
    decoder.finish(&mut counters, &mut sink);
}

/// A TCP stream's bytes: going on with a message gives what beginning anew gives.
pub fn framing(bytes: &[u8]) {
    let mut looked = Looked::default();
    for len in (0..=bytes.len()).step_by(1 + bytes.len() / 64) {
        let anew = sip::framing(&bytes[..len], &mut Looked::default());
        assert_eq!(sip::framing(&bytes[..len], &mut looked), anew);
        match anew {
            Framing::NeedMore => {}
            Framing::Complete(count) | Framing::Skip(count) => {
                assert!((1..=len).contains(&count));
                return;
            }
        }
    }
}

/// One SIP message, and the values of its headers.
pub fn sip(bytes: &[u8]) {
    let _ = (sip::looks_like_sip(bytes), sip::is_keep_alive(bytes));
    let _ = (Uri::parse(bytes), Via::parse(bytes), NameAddr::parse(bytes).tag());
    let _ = sip::quoted_text(bytes);
    let Ok(message) = Message::parse(bytes) else { return };
    assert!(message.body.len() <= bytes.len());
    let _ = (message.top_via(), message.user_agent(), message.from().tag(), message.to().tag());
    if let Some(sdp) = message.sdp() {
        crate::sdp(sdp);
    }
}

/// One session description.
pub fn sdp(bytes: &[u8]) {
    let Ok(session) = sdp::Session::parse(bytes) else { return };
    for media in &session.media {
        for payload_type in 0..=127 {
            let _ = media.rtpmap(payload_type);
        }
    }
}

/// One RTP packet, and a telephone event.
pub fn rtp(bytes: &[u8]) {
    for more in [0, 1, 1500] {
        if let Ok(packet) = rtp::Packet::parse(bytes, bytes.len() as u32 + more) {
            assert!(packet.payload.len() <= packet.payload_len as usize);
            let _ = TelephoneEvent::parse(packet.payload).map(TelephoneEvent::digit);
        }
    }
}

/// One compound of RTCP packets.
pub fn rtcp(bytes: &[u8]) {
    let mut count = 0;
    for packet in rtcp::packets(bytes) {
        count += 1;
        match packet {
            Ok(rtcp::Packet::SenderReport(report)) => assert!(report.reports.count() <= 31),
            Ok(rtcp::Packet::ReceiverReport(report)) => assert!(report.reports.count() <= 31),
            Ok(rtcp::Packet::SourceDescription(cnames)) => assert!(cnames.count() <= 31),
            Ok(rtcp::Packet::Bye(sources)) => assert!(sources.count() <= 31),
            Ok(rtcp::Packet::ExtendedReport(blocks)) => assert!(blocks.count() <= bytes.len() / 36),
            _ => {}
        }
    }
    assert!(count <= 1 + bytes.len() / 4);
}

/// A configuration file.
pub fn config(bytes: &[u8]) {
    let (loaded, problems) = ringside_sensor::config::read(bytes);
    for note in &loaded.notes {
        assert!(!note.to_string().is_empty());
    }
    assert!(problems.iter().all(|problem| !problem.to_string().is_empty()));
}

/// An enrolment token: what is read is what is written.
pub fn token(bytes: &[u8]) {
    let Ok(text) = core::str::from_utf8(bytes) else { return };
    if let Ok(token) = text.parse::<Token>() {
        assert!(token.to_string().parse::<Token>().is_ok_and(|again| again == token));
    }
}

/// An envelope with a message of any kind.
pub fn envelope(bytes: &[u8]) {
    let _ = envelope::kind(bytes);
    let _ = envelope::open::<Hello>(bytes);
    let _ = envelope::open::<Challenge>(bytes);
    let _ = envelope::open::<Prove>(bytes);
    let _ = envelope::open::<Enrol>(bytes);
    let _ = envelope::open::<Enrolled>(bytes);
    let _ = envelope::open::<Accepted>(bytes);
    let _ = envelope::open::<Refused>(bytes);
    let _ = envelope::open::<BatchAck>(bytes);
    let _ = envelope::open::<Heartbeat>(bytes);
    let _ = envelope::open::<HeartbeatAnswer>(bytes);
    let _ = envelope::open::<Poll>(bytes);
    let _ = envelope::open::<Commands>(bytes);
    if let Ok(batch) = envelope::open::<Batch>(bytes) {
        for record in &batch.records {
            let _ = json::record(record, None);
        }
    }
}

/// Ethernet frames through the whole analysis: two bytes of time (a hundredth of a second each),
/// two of length, the frame.
pub fn analysis(bytes: &[u8]) {
    let mut sip_ports = PortSet::new();
    sip_ports.insert(5060);
    let call = CallSettings { seed: 1, ..CallSettings::default() };
    let decode = Options { deduplicate: true, ..Options::default() };
    let mut analysis = Analysis::new(AnalysisSettings {
        sip_ports,
        is_sip_anywhere: true,
        decode,
        call,
        has_registrations: true,
        peer_methods: Methods::ALL,
        leg_header: Some("X-CID".to_owned()),
    });
    let (mut left, mut at) = (bytes, 0);
    while let Some((time, rest)) = left.split_first_chunk::<2>() {
        at += u64::from(u16::from_be_bytes(*time)) * 10_000;
        let Some(frame) = chunks(rest).next() else { break };
        left = rest.get(2 + frame.len()..).unwrap_or_default();
        analysis.handle_frame(&ethernet(at, frame));
        while let Some(record) = analysis.poll_record() {
            let _ = json::record(&record, None);
        }
    }
    analysis.finish();
    assert_eq!(analysis.table().in_progress(), 0);
    while let Some(record) = analysis.poll_record() {
        let _ = json::record(&record, None);
    }
}

fn decoder() -> Decoder {
    let mut sip_ports = PortSet::new();
    sip_ports.insert(5060);
    let options = Options::default();
    Decoder::new(DecoderSettings { sip_ports, options, framing: sip::framing, seed: 1 })
}

fn ethernet(at: u64, bytes: &[u8]) -> Frame<'_> {
    Frame {
        at: Instant::from_micros(1_790_000_000_000_000 + at),
        interface: 0,
        link_type: LinkType::Ethernet,
        original_len: bytes.len() as u32,
        bytes,
    }
}

/// Pieces of the input, each behind its length in two bytes; the last may be shorter.
fn chunks(mut left: &[u8]) -> impl Iterator<Item = &[u8]> {
    core::iter::from_fn(move || {
        let (len, rest) = left.split_first_chunk::<2>()?;
        let (chunk, rest) = rest.split_at(usize::from(u16::from_be_bytes(*len)).min(rest.len()));
        left = rest;
        Some(chunk)
    })
}
