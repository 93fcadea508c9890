use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;

use super::*;
use crate::limits::{FILE_BUFFER_BYTES, MAX_FILE_BLOCK, MAX_FILE_INTERFACES, MAX_FRAME_BYTES};

/// What a frame is compared by: time in microseconds, interface, link type, length on the wire,
/// bytes.
type Seen = (u64, u8, LinkType, u32, Vec<u8>);

/// Gives an input a few bytes at a time, and a signal in between.
struct Chunked {
    bytes: Cursor<Vec<u8>>,
    chunk: usize,
    is_interrupted: bool,
}

impl Read for Chunked {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.is_interrupted = !self.is_interrupted;
        if self.is_interrupted {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let len = buffer.len().min(self.chunk);
        self.bytes.read(&mut buffer[..len])
    }
}

fn read_chunked(bytes: &[u8], chunk: usize) -> (Vec<Seen>, Option<FileError>) {
    let bytes = Cursor::new(bytes.to_vec());
    match FileSource::from_reader(Chunked { bytes, chunk, is_interrupted: false }) {
        Ok(mut source) => read_all(&mut source),
        Err(error) => (Vec::new(), Some(error)),
    }
}

fn read_all(source: &mut FileSource) -> (Vec<Seen>, Option<FileError>) {
    let mut seen = Vec::new();
    loop {
        match source.next_frame() {
            Ok(Some(frame)) => seen.push((
                frame.at.as_micros(),
                frame.interface,
                frame.link_type,
                frame.original_len,
                frame.bytes.to_vec(),
            )),
            Ok(None) => return (seen, None),
            Err(error) => return (seen, Some(error)),
        }
    }
}

fn read(bytes: &[u8]) -> (Vec<Seen>, Option<FileError>) {
    read_chunked(bytes, usize::MAX)
}

fn error_of(bytes: &[u8]) -> String {
    read(bytes).1.expect("an error").to_string()
}

/// Writes numbers in one byte order.
#[derive(Clone, Copy)]
struct Writer {
    is_big: bool,
}

const BIG: Writer = Writer { is_big: true };
const LITTLE: Writer = Writer { is_big: false };

impl Writer {
    fn u16(self, number: u16) -> [u8; 2] {
        if self.is_big { number.to_be_bytes() } else { number.to_le_bytes() }
    }

    fn u32(self, number: u32) -> [u8; 4] {
        if self.is_big { number.to_be_bytes() } else { number.to_le_bytes() }
    }

    fn u64(self, number: u64) -> [u8; 8] {
        if self.is_big { number.to_be_bytes() } else { number.to_le_bytes() }
    }

    fn numbers(self, numbers: &[u32]) -> Vec<u8> {
        numbers.iter().flat_map(|&number| self.u32(number)).collect()
    }

    fn pcap_head(self, magic: u32, link_type: u32) -> Vec<u8> {
        let version = [self.u16(2), self.u16(4)].concat();
        [self.u32(magic).to_vec(), version, self.numbers(&[0, 0, 65_535, link_type])].concat()
    }

    fn pcap_record(self, seconds: u32, fraction: u32, original_len: u32, bytes: &[u8]) -> Vec<u8> {
        [self.numbers(&[seconds, fraction, len_of(bytes), original_len]), bytes.to_vec()].concat()
    }

    fn block(self, kind: u32, body: &[u8]) -> Vec<u8> {
        let body = padded(body);
        let total = len_of(&body) + 12;
        [self.numbers(&[kind, total]), body, self.u32(total).to_vec()].concat()
    }

    fn section(self) -> Vec<u8> {
        let version = [self.u16(1), self.u16(0)].concat();
        let body = [self.u32(0x1a2b_3c4d).to_vec(), version, self.u64(u64::MAX).to_vec()].concat();
        self.block(0x0a0d_0d0a, &body)
    }

    fn option(self, code: u16, value: &[u8]) -> Vec<u8> {
        let len = u16::try_from(value.len()).expect("short");
        [&self.u16(code)[..], &self.u16(len), &padded(value)].concat()
    }

    fn interface(self, link_type: u16, snap_len: u32, options: &[Vec<u8>]) -> Vec<u8> {
        let head = [&self.u16(link_type)[..], &[0, 0], &self.u32(snap_len)].concat();
        self.block(1, &[head, options.concat(), self.option(0, &[])].concat())
    }

    fn enhanced(self, interface: u32, ticks: u64, original_len: u32, bytes: &[u8]) -> Vec<u8> {
        self.block(6, &self.enhanced_body(interface, ticks, original_len, bytes))
    }

    fn enhanced_body(self, interface: u32, ticks: u64, original: u32, bytes: &[u8]) -> Vec<u8> {
        let [upper, lower] = halves(ticks);
        let head = self.numbers(&[interface, upper, lower, len_of(bytes), original]);
        [head, padded(bytes)].concat()
    }
}

fn halves(ticks: u64) -> [u32; 2] {
    [ticks >> 32, ticks & 0xffff_ffff].map(|half| u32::try_from(half).expect("32 bits"))
}

fn len_of(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).expect("short")
}

fn padded(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).expect("in memory");
    encoder.finish().expect("in memory")
}

/// A file of every kind, with some frames.
fn samples() -> Vec<(&'static str, Vec<u8>)> {
    let pcap = |writer: Writer, magic| {
        [
            writer.pcap_head(magic, 1),
            writer.pcap_record(1, 5, 90, b"abc"),
            writer.pcap_record(2, 6, 2, b"de"),
            writer.pcap_record(3, 7, 0, b""),
        ]
        .concat()
    };
    let pcapng = |writer: Writer| {
        [
            writer.section(),
            writer.interface(1, 0, &[]),
            writer.enhanced(0, 1_000_005, 90, b"abc"),
            writer.block(0x0bad, b"unknown blocks are passed over"),
            writer.enhanced(0, 2_000_006, 2, b"de"),
            writer.block(3, &[writer.u32(5).to_vec(), b"third".to_vec()].concat()),
        ]
        .concat()
    };
    vec![
        ("pcap, big", pcap(BIG, 0xa1b2_c3d4)),
        ("pcap, little", pcap(LITTLE, 0xa1b2_c3d4)),
        ("pcap, nanoseconds", pcap(LITTLE, 0xa1b2_3c4d)),
        ("pcapng, big", pcapng(BIG)),
        ("pcapng, little", pcapng(LITTLE)),
        ("pcap, gzip", gzipped(&pcap(LITTLE, 0xa1b2_c3d4))),
    ]
}

#[test]
fn what_comes_next_is_looked_at_and_not_taken() {
    let look = |source: &FileSource, most| {
        let mut seen = Vec::new();
        let count = source.look_ahead(most, |_, bytes| seen.push(bytes.to_vec()));
        assert_eq!(count, seen.len());
        seen
    };
    let samples = samples();
    let (_, pcap) = &samples[0];
    let mut source = FileSource::from_reader(Cursor::new(pcap.clone())).unwrap();
    source.next_frame().unwrap();
    assert_eq!(look(&source, 1), [b"de"]);
    assert_eq!(look(&source, 9), [&b"de"[..], b""], "no more than there are");
    assert_eq!(source.next_frame().unwrap().unwrap().bytes, b"de");
    let cut = pcap[..pcap.len() - 17].to_vec();
    let mut source = FileSource::from_reader(Cursor::new(cut)).unwrap();
    source.next_frame().unwrap();
    assert!(look(&source, 9).is_empty(), "the next one is cut");
    let (_, pcapng) = &samples[3];
    let source = FileSource::from_reader(Cursor::new(pcapng.clone())).unwrap();
    assert!(look(&source, 9).is_empty(), "only pcap is looked at");
}

#[test]
fn pcap_reads_in_both_byte_orders_and_units() {
    for writer in [BIG, LITTLE] {
        for (magic, fraction) in [(0xa1b2_c3d4, 250_000), (0xa1b2_3c4d, 250_000_999)] {
            let file = [
                writer.pcap_head(magic, 0xf000_0000 | 113),
                writer.pcap_record(1_700_000_000, fraction, 1500, b"frame"),
            ]
            .concat();
            let at = 1_700_000_000_250_000;
            let frame = (at, 0, LinkType::LinuxSll, 1500, b"frame".to_vec());
            assert_eq!(read(&file).0, [frame]);
        }
    }
}

#[test]
fn pcapng_interfaces_differ_in_link_type_and_resolution() {
    for writer in [BIG, LITTLE] {
        let nanoseconds = writer.option(9, &[9]);
        let offset = writer.option(14, &writer.u64(1_000_000));
        let file = [
            writer.section(),
            writer.interface(1, 96, &[writer.option(2, b"eth0")]),
            writer.interface(276, 0, &[nanoseconds, offset]),
            writer.enhanced(1, 5_000_000_999, 3, b"ns"),
            writer.enhanced(0, 7, 3, b"us"),
        ]
        .concat();
        assert_eq!(
            read(&file).0,
            [
                (1_000_005_000_000, 1, LinkType::LinuxSll2, 3, b"ns".to_vec()),
                (7, 0, LinkType::Ethernet, 3, b"us".to_vec()),
            ]
        );
    }
}

#[test]
fn pcapng_sections_number_their_interfaces_anew_and_may_change_byte_order() {
    let file = [
        LITTLE.section(),
        LITTLE.interface(1, 0, &[]),
        LITTLE.enhanced(0, 1, 1, b"a"),
        BIG.section(),
        BIG.interface(101, 0, &[]),
        BIG.interface(0, 0, &[]),
        BIG.enhanced(1, 2, 1, b"b"),
    ]
    .concat();
    assert_eq!(
        read(&file).0,
        [(1, 0, LinkType::Ethernet, 1, b"a".to_vec()), (2, 2, LinkType::Null, 1, b"b".to_vec())]
    );
}

#[test]
fn simple_and_old_packets_are_read() {
    let writer = LITTLE;
    let old =
        [&writer.u16(0)[..], &writer.u16(7), &writer.numbers(&[0, 55, 3, 9]), &padded(b"old")]
            .concat();
    let file = [
        writer.section(),
        writer.interface(1, 4, &[]),
        writer.block(2, &old),
        writer.block(3, &[&writer.u32(9)[..], b"simple"].concat()),
    ]
    .concat();
    let mut source = FileSource::from_reader(Cursor::new(file)).expect("a capture");
    assert_eq!(
        read_all(&mut source).0,
        [
            (55, 0, LinkType::Ethernet, 9, b"old".to_vec()),
            (55, 0, LinkType::Ethernet, 9, b"simp".to_vec()),
        ],
        "a simple packet has no time of its own and is cut by the snap length"
    );
    assert_eq!(source.drops().kernel, 7);
}

#[test]
fn drops_that_the_file_tells_are_summed_over_interfaces_and_sections() {
    let writer = LITTLE;
    let statistics = |interface: u32, interface_drops: u64, kernel_drops: u64| {
        let options = [
            writer.option(5, &writer.u64(interface_drops)),
            writer.option(7, &writer.u64(kernel_drops)),
        ];
        writer.block(5, &[writer.numbers(&[interface, 0, 0]), options.concat()].concat())
    };
    let lossy = {
        let body = writer.enhanced_body(0, 1, 1, b"a");
        writer.block(6, &[body, writer.option(4, &writer.u64(20))].concat())
    };
    let file = [
        writer.section(),
        writer.interface(1, 0, &[]),
        writer.interface(1, 0, &[]),
        lossy,
        statistics(1, 1, 4),
        statistics(1, 2, 5),
        statistics(0, 3, 20),
        writer.section(),
        writer.interface(1, 0, &[]),
        statistics(0, 10, 100),
    ]
    .concat();
    let mut source = FileSource::from_reader(Cursor::new(file)).expect("a capture");
    assert_eq!(read_all(&mut source).0.len(), 1);
    assert_eq!(source.drops(), RecordedDrops { kernel: 125, interface: 15 });
    let mut counters = Counters::default();
    source.count(&mut counters);
    assert_eq!(counters.of(Counter::KernelDropped), 125);
    assert_eq!(counters.of(Counter::InterfaceDropped), 15);
}

#[test]
fn a_block_that_is_passed_over_may_be_larger_than_the_buffer() {
    let file = [
        LITTLE.section(),
        LITTLE.interface(1, 0, &[]),
        LITTLE.block(10, &vec![0; FILE_BUFFER_BYTES + 5]),
        LITTLE.enhanced(0, 1, 1, b"a"),
    ]
    .concat();
    assert_eq!(read(&file).0.len(), 1);
}

#[test]
fn the_largest_frame_is_read_and_a_larger_one_is_an_error() {
    let largest = vec![7; MAX_FRAME_BYTES];
    let larger = vec![7; MAX_FRAME_BYTES + 1];
    let head = LITTLE.pcap_head(0xa1b2_c3d4, 1);
    let record = LITTLE.pcap_record(1, 1, 1, &largest);
    let file = [head.clone(), record, LITTLE.pcap_record(1, 1, 1, &larger)].concat();
    let (seen, error) = read(&file);
    assert_eq!(seen.len(), 1);
    let error = error.expect("too large").to_string();
    let at = head.len() + 16 + MAX_FRAME_BYTES;
    assert!(error.contains(&format!("byte {at} claims 262145 bytes")), "{error}");

    let head = [LITTLE.section(), LITTLE.interface(1, 0, &[])].concat();
    let file = [head.clone(), LITTLE.enhanced(0, 1, 1, &vec![7; MAX_FILE_BLOCK])].concat();
    assert!(error_of(&file).contains(&format!("byte {} claims", head.len())));
}

#[test]
fn too_many_interfaces_are_an_error() {
    let interfaces = LITTLE.interface(1, 0, &[]).repeat(MAX_FILE_INTERFACES);
    let file = [LITTLE.section(), interfaces, LITTLE.enhanced(1023, 1, 1, b"a")].concat();
    assert_eq!(read(&file).0[0].1, 255, "further interfaces share the last number");
    let file = [file, LITTLE.interface(1, 0, &[])].concat();
    assert!(error_of(&file).contains("one interface description too many"));
}

#[test]
fn damage_is_told_with_its_place() {
    let head = [LITTLE.section(), LITTLE.interface(1, 0, &[])].concat();
    let at = head.len();
    let mut two_lengths = LITTLE.enhanced(0, 1, 1, b"a");
    *two_lengths.last_mut().expect("not empty") = 1;
    let mut long_packet = LITTLE.enhanced(0, 1, 1, b"a");
    long_packet[20] = 200;
    let cases = [
        (two_lengths, "is a block whose two lengths differ"),
        (long_packet, "is a packet longer than its block"),
        (LITTLE.enhanced(1, 1, 1, b"a"), "names an interface not described"),
        (LITTLE.block(6, b"short"), "is an enhanced packet cut short"),
        (LITTLE.block(3, b""), "is a simple packet cut short"),
        (LITTLE.block(2, b"short"), "is a packet block cut short"),
        (LITTLE.block(1, b"shrt"), "is an interface description cut short"),
        (LITTLE.block(5, b"shrt"), "is an interface statistics block cut short"),
        (LITTLE.numbers(&[77, 8]), "is a block shorter than its own head"),
        (LITTLE.numbers(&[0x0a0d_0d0a, 28, 5]), "is a section header without byte order"),
    ];
    for (block, what) in cases {
        let error = error_of(&[head.clone(), block].concat());
        assert!(error.starts_with(&format!("the record at byte {at} {what};")), "{error}");
    }
}

#[test]
fn what_is_no_capture_is_told_so() {
    assert!(error_of(b"").contains("empty"));
    assert!(error_of(b"not a capture at all").contains("neither pcap nor pcapng"));
    assert!(error_of(b"\x28\xb5\x2f\xfd and so on").contains("packed with zstd"));
    assert!(error_of(b"PK\x03\x04").contains("packed with zip"));
    assert!(error_of(&gzipped(b"")).contains("empty"));
    assert!(error_of(b"\x1f\x8bnot really gzip").contains("reading stopped at byte 0"));
    let missing = Path::new("/nonexistent/x.pcap");
    let error = FileSource::open(missing).err().expect("no such file").to_string();
    assert!(error.starts_with("cannot open /nonexistent/x.pcap: "), "{error}");
}

#[test]
fn a_file_cut_anywhere_gives_its_whole_frames_and_then_says_where() {
    for (name, file) in samples() {
        let whole = read(&file).0;
        assert_eq!(whole.len(), 3, "{name}");
        for len in 1..file.len() {
            let (seen, error) = read(&file[..len]);
            assert_eq!(seen[..], whole[..seen.len()], "{name} cut at {len}");
            match error {
                Some(FileError::Truncated { at }) => {
                    assert!(name.contains("gzip") || at < len as u64, "{name} cut at {len}");
                }
                Some(error) => panic!("{name} cut at {len}: {error}"),
                None => assert!(!name.contains("gzip"), "{name} cut at {len}"),
            }
        }
    }
}

#[test]
fn a_cut_is_told_once() {
    let file = [LITTLE.pcap_head(0xa1b2_c3d4, 1), vec![0; 15]].concat();
    let mut source = FileSource::from_reader(Cursor::new(file)).expect("a capture");
    assert!(matches!(source.next_frame(), Err(FileError::Truncated { at: 24 })));
    assert!(matches!(source.next_frame(), Ok(None)));
}

#[test]
fn a_gzip_stream_of_several_members_is_one_file() {
    let (_, file) = samples().remove(0);
    let (one, other) = file.split_at(30);
    let members = [gzipped(one), gzipped(other)].concat();
    assert_eq!(read(&members).0, read(&file).0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_chunking_gives_the_same_frames(chunk in 1_usize..40, sample in 0_usize..6) {
        let (name, file) = samples().remove(sample);
        prop_assert_eq!(read_chunked(&file, chunk).0, read(&file).0, "{}", name);
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes: Vec<u8>, sample in 0_usize..6, at: prop::sample::Index) {
        read(&bytes);
        let (_, mut file) = samples().remove(sample);
        let at = at.index(file.len());
        for (target, byte) in file[at..].iter_mut().zip(&bytes) {
            *target = *byte;
        }
        read(&file);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn frames_pass_the_end_of_the_buffer_unharmed(
        lens in proptest::collection::vec(0_usize..MAX_FRAME_BYTES, 5..20),
        chunk in 1000_usize..3_000_000,
    ) {
        let frames: Vec<_> = lens.iter().map(|&len| vec![u8::try_from(len % 256).expect("a byte"); len]).collect();
        let mut file = LITTLE.pcap_head(0xa1b2_c3d4, 1);
        for frame in &frames {
            file.extend(LITTLE.pcap_record(1, 1, len_of(frame), frame));
        }
        let (seen, error) = read_chunked(&file, chunk);
        prop_assert!(error.is_none());
        prop_assert!(seen.iter().map(|seen| &seen.4).eq(&frames));
    }
}
