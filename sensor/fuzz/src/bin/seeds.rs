//! `seeds FOLDER`: one folder of seeds for each fuzz target, made of the project's own captures,
//! configuration and golden messages.

use std::fs;
use std::io;
use std::path::Path;

use ringside_protocol::rule::Rule;
use ringside_protocol::token::Token;
use ringside_sensor::capture::Frame;
use ringside_sensor::capture::file::FileSource;
use ringside_sensor::counters::Counters;
use ringside_sensor::decode::{Datagram, Decoder, DecoderSettings, Options, PortSet, Transport};
use ringside_sensor::store::ring::facts::Facts;
use ringside_sensor::store::ring::packet::Packet;
use ringside_sensor::wire::sip::Message;
use ringside_sensor::wire::{rtcp, rtp, sip};

/// Frames of a seed of many.
const FRAMES: usize = 30;

/// Datagrams of one kind that are taken from one capture.
const DATAGRAMS: usize = 12;

fn main() -> io::Result<()> {
    let folder = std::env::args().nth(1).ok_or(io::Error::other("usage: seeds FOLDER"))?;
    let seeds = Seeds(folder.into());
    let sensor = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for case in fs::read_dir(sensor.join("tests/captures"))? {
        let case = case?;
        let path = case.path().join("input.pcap.gz");
        if path.exists() {
            capture(&seeds, &case.file_name().to_string_lossy(), &path)?;
        }
    }
    for file in fs::read_dir(sensor.join("tests/config"))? {
        seeds.put("config", "real", &fs::read(file?.path())?)?;
    }
    for file in fs::read_dir(sensor.join("../protocol/tests/golden"))? {
        let file = file?;
        seeds.put("envelope", &file.file_name().to_string_lossy(), &fs::read(file.path())?)?;
    }
    for (number, rule) in RULES.iter().enumerate() {
        Rule::parse(rule).map_err(io::Error::other)?;
        seeds.put("rule", &number.to_string(), rule.as_bytes())?;
    }
    seeds.put("segment", "one", &stored()?)?;
    let token = Token {
        ca_key_sha256: [1; 32],
        secret: [2; 16],
        port: 60_023,
        host: "cloud.example".to_owned(),
    };
    seeds.put("token", "one", token.to_string().as_bytes())
}

/// Rules that use what the grammar has.
const RULES: [&str; 4] = [
    "keep sip, rtp, rtcp when loss > 2%",
    "\"a name\": keep sip masking dtmf at most 9 a day priority 3 when caller = 49* and not (callee = \"112\" \
     or header X-Test ~ /a+b/)",
    "skip until 2027-01-01 when media address = 192.0.2.0/24 or domain = *.example.net or status = 4xx",
    "keep rtp headers when mos < 3.50 or one_way or agent contains \"x\" or method = INVITE",
];

/// The parts of a segment with one call and one packet.
fn stored() -> io::Result<Vec<u8>> {
    let facts = Facts { call_id: "a@example.net".to_owned(), packets: 1, ..Facts::default() };
    let facts = postcard::to_allocvec(&facts).map_err(io::Error::other)?;
    let mut packet = Vec::new();
    let bytes = [0x45; 40];
    Packet { number: 1, at: 2, link_type: 101, interface: 0, original_len: 40, bytes: &bytes }
        .emit(&mut packet);
    let part = |kind, bytes: &[u8]| {
        let len = u16::try_from(bytes.len()).unwrap_or(u16::MAX).to_be_bytes();
        [&[kind, 0, 0], &len[..], bytes].concat()
    };
    Ok([part(1, &facts), part(0, &packet)].concat())
}

struct Seeds(std::path::PathBuf);

impl Seeds {
    fn put(&self, target: &str, name: &str, bytes: &[u8]) -> io::Result<()> {
        let folder = self.0.join(target);
        fs::create_dir_all(&folder)?;
        fs::write(folder.join(name), bytes)
    }
}

/// What one capture gives.
fn capture(seeds: &Seeds, case: &str, path: &Path) -> io::Result<()> {
    seeds.put("file", case, &fs::read(path)?)?;
    let mut source = FileSource::open(path).map_err(io::Error::other)?;
    let mut sip_ports = PortSet::new();
    sip_ports.insert(5060);
    let options = Options::default();
    let settings = DecoderSettings { sip_ports, options, framing: sip::framing, seed: 1 };
    let mut decoder = Decoder::new(settings);
    let mut counters = Counters::default();
    let mut datagrams: Vec<(&str, Vec<u8>)> = Vec::new();
    let (mut links, mut analysis) = (Vec::new(), Vec::new());
    let (mut count, mut before) = (0, None);
    while let Ok(Some(frame)) = source.next_frame() {
        count += 1;
        decoder
            .handle_frame(&frame, &mut counters, &mut |datagram, _| note(datagram, &mut datagrams));
        // Everything of the signalling, and some of the media.
        if count <= FRAMES || frame.bytes.len() > 250 {
            let at = frame.at.as_micros();
            let after = (at - before.unwrap_or(at)) / 10_000;
            before = Some(at);
            analysis.extend(u16::try_from(after).unwrap_or(u16::MAX).to_be_bytes());
            analysis.extend(chunk(&frame));
            links.extend(chunk(&frame));
        }
    }
    seeds.put("analysis", case, &analysis)?;
    seeds.put("ethernet", case, &links)?;
    for (index, (target, bytes)) in datagrams.iter().enumerate() {
        let before = datagrams[..index].iter().filter(|(other, _)| other == target).count();
        if before < DATAGRAMS {
            seeds.put(target, &format!("{case}-{before}"), bytes)?;
        }
    }
    others(seeds, case, &links)
}

fn chunk(frame: &Frame<'_>) -> Vec<u8> {
    let len = u16::try_from(frame.bytes.len()).unwrap_or(u16::MAX);
    [&len.to_be_bytes(), &frame.bytes[..len.into()]].concat()
}

/// The same frames behind the heads of other link types.
fn others(seeds: &Seeds, case: &str, links: &[u8]) -> io::Result<()> {
    for (target, head) in [
        ("linux_sll", &[0, 0, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0, 8, 0][..]),
        ("linux_sll2", &[8, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0]),
        ("raw_ip", &[]),
        ("null", &[2, 0, 0, 0]),
    ] {
        let (mut seed, mut left) = (Vec::new(), links);
        while let Some((len, rest)) = left.split_first_chunk::<2>() {
            let (frame, rest) = rest.split_at(u16::from_be_bytes(*len).into());
            left = rest;
            let packet = [head, &frame[14..]].concat();
            seed.extend(u16::try_from(packet.len()).unwrap_or(u16::MAX).to_be_bytes());
            seed.extend(packet);
        }
        seeds.put(target, case, &seed)?;
    }
    Ok(())
}

fn note(datagram: &Datagram<'_>, datagrams: &mut Vec<(&str, Vec<u8>)>) {
    let payload = datagram.payload;
    if let Ok(message) = Message::parse(payload) {
        datagrams.push(("sip", payload.to_vec()));
        datagrams.push(("framing", payload.to_vec()));
        if let Some(sdp) = message.sdp() {
            datagrams.push(("sdp", sdp.to_vec()));
        }
        let is_report = |kind: &[u8]| kind.eq_ignore_ascii_case(b"application/vq-rtcpxr");
        if message.content_type().is_some_and(is_report) {
            datagrams.push(("vq", message.body.to_vec()));
        }
        if datagram.transport == Transport::Tcp {
            let segment =
                |part: &[u8]| [&[0, 0x10, u8::try_from(part.len()).unwrap_or(0)], part].concat();
            datagrams.push(("tcp", payload.chunks(200).flat_map(segment).collect()));
        }
    } else if rtcp::is_rtcp(payload) {
        datagrams.push(("rtcp", payload.to_vec()));
    } else if rtp::is_version_2(payload) {
        datagrams.push(("rtp", payload.to_vec()));
    }
}
