//! CPU time that a frame takes from a capture file to a datagram.
//!
//! Cases: `read` (capture reader alone), `read and decode` (reader, Ethernet, IPv4, UDP). Both go
//! over one capture of 12 calls, repeated to about 200 MB in memory.

use std::hint::black_box;
use std::io::Cursor;
use std::path::Path;

use ringside_sensor::capture::file::FileSource;
use ringside_sensor::counters::Counters;
use ringside_sensor::decode::{Datagram, Decoder, DecoderSettings, Options};
use ringside_sensor::wire::sip;
use rustix::time::{ClockId, clock_gettime};

const CAPTURE: &str = "../../shared/captures/s27_parallel12.pcap";
const REPEATS: usize = 90;
const ROUNDS: usize = 5;
const FILE_HEAD: usize = 24;

fn main() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(CAPTURE);
    let Ok(capture) = std::fs::read(&path) else {
        println!("skipped: there is no capture {CAPTURE}");
        return;
    };
    let (head, records) = capture.split_at(FILE_HEAD);
    let file = [head, &records.repeat(REPEATS)].concat();
    for (name, case) in [("read", read as fn(Vec<u8>) -> u64), ("read and decode", decode)] {
        let best = (0..ROUNDS).map(|_| nanoseconds_per_frame(&file, case)).min().unwrap_or(0);
        println!("{name}: {best} ns a frame");
    }
}

fn nanoseconds_per_frame(file: &[u8], case: fn(Vec<u8>) -> u64) -> u64 {
    let file = file.to_vec();
    let begun = cpu_nanoseconds();
    let frames = case(file);
    (cpu_nanoseconds() - begun) / frames.max(1)
}

fn cpu_nanoseconds() -> u64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    let unsigned = |part: i64| u64::try_from(part).expect("CPU time only grows");
    unsigned(time.tv_sec) * 1_000_000_000 + unsigned(time.tv_nsec)
}

fn open(file: Vec<u8>) -> FileSource {
    FileSource::from_reader(Cursor::new(file)).expect("a capture")
}

fn read(file: Vec<u8>) -> u64 {
    let mut source = open(file);
    let mut frames = 0;
    while let Some(frame) = source.next_frame().expect("a whole capture") {
        black_box(frame.bytes.first());
        frames += 1;
    }
    frames
}

fn decode(file: Vec<u8>) -> u64 {
    let mut source = open(file);
    let mut decoder = Decoder::new(DecoderSettings {
        sip_ports: "5060".parse().expect("a port"),
        options: Options::default(),
        framing: sip::framing,
        seed: 1,
    });
    let mut counters = Counters::default();
    let mut frames = 0;
    let mut sink = |datagram: &Datagram<'_>, _: &mut Counters| {
        black_box(datagram);
    };
    while let Some(frame) = source.next_frame().expect("a whole capture") {
        decoder.handle_frame(&frame, &mut counters, &mut sink);
        frames += 1;
    }
    frames
}
