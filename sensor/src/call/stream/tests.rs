use embassy_time::{Duration, Instant};
use proptest::prelude::*;
use ringside_protocol::cdr::{self, Interval, Scale};

use super::super::codec::Codec;
use super::super::interval::{BLOCK_INTERVALS, IntervalPool};
use super::*;
use crate::limits::MAX_INTERVALS;
use crate::wire::rtp::RtpMap;

const SSRC: u32 = 0xca11_0000;

/// Pseudo-random numbers (Steele, Lea and Flood's SplitMix64), the same in every run.
struct Noise(u64);

impl Noise {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }
}

/// A packet on its way.
#[derive(Clone, Copy, Debug)]
struct Sent {
    /// When it arrives, microseconds.
    at: u64,
    sequence_number: u16,
    timestamp: u32,
    payload_type: u8,
    marker: bool,
    payload: &'static [u8],
}

/// Packet `number` of a G.711 stream of 20 ms packets, arriving as sent.
fn pcma(number: u32) -> Sent {
    Sent {
        at: 10_000_000 + u64::from(number) * 20_000,
        sequence_number: 60_000_u16.wrapping_add(u16::try_from(number % 65_536).unwrap()),
        timestamp: 0xffff_0000_u32.wrapping_add(number.wrapping_mul(160)),
        payload_type: 8,
        marker: false,
        payload: &[0x34; 160],
    }
}

fn codec(payload_type: u8) -> Codec {
    match payload_type {
        96 => Codec::from_name("opus"),
        97 => Codec::from_name("AMR-WB"),
        98 => Codec::from_name("iLBC"),
        101 => Codec::from_name("telephone-event"),
        other => Codec::from_payload_type(other),
    }
}

/// A receiver of packets with one SSRC between two addresses.
struct Receiver {
    pool: IntervalPool,
    streams: Vec<Stream>,
    codec: fn(u8) -> Codec,
}

impl Receiver {
    fn new() -> Self {
        Self { pool: IntervalPool::with_blocks(64), streams: Vec::new(), codec }
    }

    fn receive(&mut self, sent: Sent) {
        let packet = Packet {
            payload_type: sent.payload_type,
            marker: sent.marker,
            sequence_number: sent.sequence_number,
            timestamp: sent.timestamp,
            ssrc: SSRC,
            payload: sent.payload,
            payload_len: u32::try_from(sent.payload.len()).unwrap(),
        };
        let arrival = Arrival { at: Instant::from_micros(sent.at), packet: &packet, dscp: 46 };
        let codec = (self.codec)(sent.payload_type);
        let begun = match self.streams.last_mut() {
            None => Stream::new(&arrival, codec, &mut self.pool),
            Some(stream) => match stream.fit(&arrival) {
                Fit::Continues => return stream.handle_rtp(&arrival, codec, &mut self.pool),
                Fit::Restart => stream.successor(&arrival, codec, &mut self.pool),
            },
        };
        self.streams.push(begun);
    }

    /// In order of arrival.
    fn receive_all(mut self, packets: impl IntoIterator<Item = Sent>) -> Self {
        let mut packets: Vec<Sent> = packets.into_iter().collect();
        packets.sort_by_key(|sent| sent.at);
        packets.into_iter().for_each(|sent| self.receive(sent));
        self
    }

    fn records(&self) -> Vec<cdr::Stream> {
        self.streams.iter().map(|stream| stream.record(&self.pool)).collect()
    }

    fn only(&self) -> cdr::Stream {
        let mut records = self.records();
        assert_eq!(records.len(), 1, "one stream");
        records.remove(0)
    }
}

fn record_of(packets: impl IntoIterator<Item = Sent>) -> cdr::Stream {
    Receiver::new().receive_all(packets).only()
}

fn mos(score: Option<cdr::Score>) -> u16 {
    score.unwrap().mos
}

#[test]
fn a_clean_stream_has_clean_figures() {
    let record = record_of((0..1500).map(pcma));
    assert_eq!(
        (record.payload_type, record.encoding_name.as_str(), record.clock_rate),
        (8, "PCMA", Some(8000))
    );
    assert_eq!((record.packets, record.bytes, record.expected), (1500, 240_000, 1500));
    assert_eq!((record.lost, record.duplicates, record.reordered), (0, 0, 0));
    assert_eq!((record.jitter_mean, record.jitter_max), (Some(0), Some(0)));
    assert_eq!((record.delta_max, record.length), (Some(20_000), 1499 * 20_000));
    assert_eq!((record.burst_r, record.dscp, record.ptime), (None, 46, Some(20)));
    assert_eq!((record.scale, record.rtcp), (Scale::Narrowband, None));
    assert_eq!(mos(record.adaptive), 439);
    assert_eq!(mos(record.fixed_50), 438);
    assert!(mos(record.fixed_200) < 430, "a fifth of a second is felt");
}

#[test]
fn one_percent_of_random_loss_is_counted_exactly() {
    let mut noise = Noise(1);
    let sent: Vec<Sent> = (0..5000)
        .map(pcma)
        .enumerate()
        .filter(|(n, _)| *n == 0 || *n == 4999 || noise.below(100) > 0)
        .map(|(_, sent)| sent)
        .collect();
    let came = u32::try_from(sent.len()).unwrap();
    let record = record_of(sent);
    assert_eq!((record.packets, record.expected, record.lost), (came, 5000, 5000 - came));
    let burst_r = record.burst_r.unwrap();
    assert!((95..=105).contains(&burst_r), "random loss has BurstR 1: {burst_r}");
    let lost: u32 = record.intervals.iter().map(|interval| u32::from(interval.lost)).sum();
    assert_eq!(lost, record.lost);
    // Ie,eff = 95 * 0.72 / (0.72 + 25.1) = 2.6.
    assert_eq!(record.lost, 36);
    let clean = record_of((0..5000).map(pcma)).adaptive.unwrap();
    assert_eq!(clean.r - record.adaptive.unwrap().r, 26);
}

#[test]
fn loss_in_bursts_is_bursty_and_costs_more() {
    let random = record_of((0..5000).filter(|number| number % 50 != 7).map(pcma));
    let bursts =
        record_of((0..5000).filter(|number| !(90..100).contains(&(number % 500))).map(pcma));
    assert_eq!((random.lost, bursts.lost), (100, 100));
    assert_eq!((random.burst_r, bursts.burst_r), (Some(98), Some(980)), "1 and 10 times 98 %");
    assert!(mos(bursts.adaptive) < mos(random.adaptive));
}

#[test]
fn twenty_ms_of_jitter_is_measured_and_played() {
    let mut noise = Noise(2);
    let record = record_of(
        (0..3000).map(pcma).map(|sent| Sent { at: sent.at + noise.below(19_000), ..sent }),
    );
    assert_eq!((record.lost, record.reordered), (0, 0));
    // The mean difference of two uniform numbers is a third of their range.
    let mean = record.jitter_mean.unwrap();
    assert!((5_900..6_800).contains(&mean), "{mean}");
    assert!(record.jitter_max.unwrap() > mean);
    assert_eq!(record.fixed_50.unwrap().discarded, 0);
    assert!(record.adaptive.unwrap().discarded < 5);
}

#[test]
fn duplicates_and_reordering_are_counted_and_lose_nothing() {
    let mut noise = Noise(3);
    let (mut duplicated, mut packets) = (0, Vec::new());
    for number in 0..3000 {
        let sent = pcma(number);
        let held = number % 100 == 50;
        packets.push(Sent { at: sent.at + if held { 45_000 } else { 0 }, ..sent });
        if noise.below(50) == 0 {
            duplicated += 1;
            packets.push(Sent { at: sent.at + 50_000, ..sent });
        }
    }
    let record = record_of(packets);
    assert_eq!(record.packets, 3000 + duplicated);
    assert_eq!((record.expected, record.lost), (3000, 0));
    assert_eq!((record.duplicates, record.reordered), (duplicated, 30));
    assert_eq!(record.burst_r, None, "what came late is not lost");
}

#[test]
fn a_packet_60_ms_late_is_for_200_ms_only() {
    let record = record_of((0..500).map(pcma).map(|sent| match sent.timestamp {
        timestamp if timestamp == pcma(250).timestamp => Sent { at: sent.at + 60_000, ..sent },
        _ => sent,
    }));
    let discarded = |score: Option<cdr::Score>| score.unwrap().discarded;
    assert_eq!((record.reordered, record.lost), (1, 0));
    assert_eq!((discarded(record.fixed_50), discarded(record.fixed_200)), (1, 0));
}

#[test]
fn an_hour_of_a_clock_100_ppm_off_makes_nothing_late() {
    for ppm in [-100_i64, 100] {
        // One packet each 100 ms.
        let record = record_of((0..36_000_u32).map(|number| {
            let sent = pcma(number * 5);
            let drift = i64::from(number) * 100 * ppm / 1000;
            let sequence_number = pcma(number).sequence_number;
            Sent { at: sent.at.saturating_add_signed(drift), sequence_number, ..sent }
        }));
        for score in [record.adaptive, record.fixed_50, record.fixed_200] {
            assert_eq!(score.unwrap().discarded, 0);
        }
        assert!(record.jitter_max.unwrap() <= 10, "{:?}", record.jitter_max);
    }
}

#[test]
fn the_next_call_with_the_same_numbers_is_another_stream() {
    for pause in [300_000, 5_000_000] {
        let end = pcma(899).at;
        let second =
            (0..600).map(pcma).map(|sent| Sent { at: sent.at - pcma(0).at + end + pause, ..sent });
        let receiver = Receiver::new().receive_all((0..900).map(pcma).chain(second));
        let counts: Vec<_> = receiver
            .records()
            .iter()
            .map(|it| (it.packets, it.expected, it.lost, it.duplicates))
            .collect();
        assert_eq!(counts, [(900, 900, 0, 0), (600, 600, 0, 0)], "pause of {pause}");
        assert_eq!(receiver.streams[1].first_at(), Instant::from_micros(end + pause));
        assert_eq!(receiver.streams[0].last_at(), Instant::from_micros(end));
    }
}

#[test]
fn a_short_call_made_again_is_no_row_of_duplicates() {
    let second = (0..50).map(pcma).map(|sent| Sent { at: sent.at + 2_500_000, ..sent });
    let receiver = Receiver::new().receive_all((0..50).map(pcma).chain(second));
    assert_eq!(receiver.records().iter().map(|it| it.packets).collect::<Vec<_>>(), [50, 50]);
}

#[test]
fn a_sender_that_jumps_in_mid_call_begins_another_stream() {
    let jumped = (500..1000)
        .map(pcma)
        .map(|sent| Sent { sequence_number: sent.sequence_number.wrapping_add(20_000), ..sent });
    let receiver = Receiver::new().receive_all((0..500).map(pcma).chain(jumped));
    let counts: Vec<_> = receiver.records().iter().map(|it| (it.packets, it.lost)).collect();
    assert_eq!(counts, [(500, 0), (500, 0)]);
}

#[test]
fn one_stray_packet_is_counted_and_begins_nothing() {
    let stray = Sent { sequence_number: 20_000, at: pcma(100).at + 5_000, ..pcma(100) };
    let record = record_of((0..500).map(pcma).chain([stray]));
    assert_eq!((record.packets, record.expected, record.lost), (501, 500, 0));
    let at_the_end = Sent { at: pcma(499).at + 5_000, ..stray };
    let record = record_of((0..500).map(pcma).chain([at_the_end]));
    assert_eq!((record.packets, record.expected, record.length), (501, 500, 499 * 20_000 + 5_000));
}

#[test]
fn an_outage_is_loss_and_not_a_restart() {
    for lost in [300, 4000] {
        let record = record_of((0..500).chain(500 + lost..1000 + lost).map(pcma));
        assert_eq!((record.packets, record.lost), (1000, lost));
        assert_eq!(
            record.burst_r,
            Some(rounded(f64::from(lost) * 1000.0 / f64::from(1000 + lost)))
        );
    }
}

fn rounded(ratio: f64) -> u16 {
    super::super::quality::rounded_u16(ratio * 100.0)
}

#[test]
fn silence_without_packets_continues_the_stream() {
    // A silence of a minute: the sequence goes on, the timestamps keep time.
    let after = (0..500).map(|number| Sent {
        sequence_number: pcma(500 + number).sequence_number,
        marker: number == 0,
        ..pcma(3500 + number)
    });
    let record = record_of((0..500).map(pcma).chain(after));
    assert_eq!((record.packets, record.lost, record.jitter_max), (1000, 0, Some(0)));
    assert_eq!(record.delta_max, Some(20_000), "silence before a talkspurt is no gap");
    assert_eq!(record.fixed_50.unwrap().discarded, 0);
}

#[test]
fn timestamps_that_stand_still_in_a_silence_are_a_break_and_no_jitter() {
    let after = (500..1000).map(pcma).map(|sent| Sent {
        at: sent.at + 5_000_000,
        marker: sent.timestamp == pcma(500).timestamp,
        ..sent
    });
    let record = record_of((0..500).map(pcma).chain(after));
    assert_eq!((record.packets, record.jitter_max), (1000, Some(0)));
    assert_eq!(record.fixed_50.unwrap().discarded, 0);
}

#[test]
fn a_stall_is_jitter_and_its_rush_is_late() {
    // Packets 500 to 599 are held and arrive together, 2 s late at most.
    let record = record_of((0..1000).map(pcma).enumerate().map(|(number, sent)| match number {
        500..600 => Sent { at: pcma(600).at + u64::try_from(number).unwrap() - 600, ..sent },
        _ => sent,
    }));
    assert_eq!((record.lost, record.reordered), (0, 0));
    assert!(record.jitter_max.unwrap() > 100_000);
    assert!(record.fixed_50.unwrap().discarded > 20);
}

#[test]
fn comfort_noise_and_events_count_but_do_not_disturb_jitter() {
    let record = record_of((0..1000).map(|number| match number % 50 {
        // Comfort noise whose timestamp is off, as some senders have it.
        10 => Sent { payload_type: 13, timestamp: 0, payload: &[60], ..pcma(number) },
        // An event keeps the timestamp of its beginning.
        20..25 => Sent {
            payload_type: 101,
            timestamp: pcma(number / 50 * 50 + 20).timestamp,
            payload: &[1, 10, 3, 32],
            ..pcma(number)
        },
        _ => pcma(number),
    }));
    assert_eq!((record.packets, record.lost, record.payload_type), (1000, 0, 8));
    assert_eq!((record.jitter_mean, record.jitter_max), (Some(0), Some(0)));
    assert_eq!((record.ptime, record.fixed_50.unwrap().discarded), (Some(20), 0));
}

#[test]
fn an_unknown_clock_has_no_jitter_and_no_score() {
    let record = record_of((0..100).map(pcma).map(|sent| Sent { payload_type: 120, ..sent }));
    assert_eq!((record.packets, record.expected), (100, 100));
    assert_eq!((record.clock_rate, record.jitter_mean, record.jitter_max), (None, None, None));
    assert_eq!((record.scale, record.adaptive), (Scale::UnknownCodec, None));
}

#[test]
fn a_score_is_refused_with_a_reason() {
    let of = |count: u32, payload_type| {
        let record = record_of((0..count).map(pcma).map(|sent| Sent { payload_type, ..sent }));
        (record.scale, record.adaptive.is_some())
    };
    assert_eq!(of(MIN_SCORED_PACKETS - 1, 8), (Scale::TooShort, false));
    assert_eq!(of(MIN_SCORED_PACKETS, 8), (Scale::Narrowband, true));
    assert_eq!(of(100, 98), (Scale::NoImpairmentValues, false));
    assert_eq!(of(100, 34), (Scale::NotSpeech, false));
    assert_eq!(of(100, 101), (Scale::NotSpeech, false));
}

#[test]
fn a_score_that_rests_on_other_codecs_values_says_so() {
    let of = |payload_type, step: u32| {
        let record = record_of((0..500).map(pcma).map(|sent| Sent {
            payload_type,
            timestamp: sent.timestamp.wrapping_mul(step),
            ..sent
        }));
        (record.scale, record.adaptive.unwrap().r)
    };
    assert_eq!(of(9, 1), (Scale::WidebandEstimate, 1160), "129 - 13");
    assert_eq!(of(96, 6), (Scale::FullbandEstimate, 1373), "148 - 10.7: 64 kbit/s");
    assert_eq!(of(8, 1).0, Scale::Narrowband);
}

#[test]
fn amr_wb_is_scored_on_the_wideband_scale() {
    let record = record_of((0..500).map(pcma).map(|sent| Sent {
        payload_type: 97,
        timestamp: sent.timestamp.wrapping_mul(2),
        payload: &[0; 33],
        ..sent
    }));
    assert_eq!((record.scale, record.ptime), (Scale::Wideband, Some(20)));
    let score = record.adaptive.unwrap();
    assert_eq!((score.r, score.mos), (1090, 418), "129 - 20");
}

#[test]
fn intervals_are_ten_seconds_of_packets() {
    // 35 s, and 4 of 5 packets lost between 10 s and 20 s.
    let record = record_of((0..1750).filter(|n| !(500..1000).contains(n) || n % 5 == 0).map(pcma));
    let counts: Vec<_> = record.intervals.iter().map(|it| (it.packets, it.lost)).collect();
    // The gap before packet 1000 is seen when that packet comes.
    assert_eq!(counts, [(500, 0), (100, 396), (500, 4), (250, 0)]);
    assert_eq!(record.interval_seconds(), 10);
    assert_eq!(record.intervals[0].mos, 438);
    assert!(record.intervals[1].mos < 150, "{:?}", record.intervals[1]);
    assert!(record.intervals[3].mos >= 438, "{:?}", record.intervals[3]);
}

#[test]
fn intervals_of_a_hold_are_empty() {
    let held = (0..50).map(|number| Sent {
        sequence_number: pcma(50 + number).sequence_number,
        ..pcma(1750 + number)
    });
    let record = record_of((0..50).map(pcma).chain(held));
    let packets: Vec<u16> = record.intervals.iter().map(|it| it.packets).collect();
    assert_eq!(packets, [50, 0, 0, 50]);
    assert_eq!(record.intervals[1], Interval::default());
}

#[test]
fn a_late_packet_gives_its_loss_back_to_the_interval_that_saw_it() {
    let late = Sent { at: pcma(503).at + 1, ..pcma(497) };
    let record = record_of((0..1000).filter(|n| ![497, 502].contains(n)).map(pcma).chain([late]));
    let counts: Vec<_> = record.intervals.iter().map(|it| (it.packets, it.lost)).collect();
    assert_eq!(counts, [(499, 0), (500, 1)]);
}

#[test]
fn a_long_stream_merges_its_intervals_pairwise() {
    // One packet each 5 s for 2 h and 10 s.
    let packets = (0..=1442)
        .map(|number| Sent { sequence_number: pcma(number).sequence_number, ..pcma(number * 250) });
    let record = record_of(packets);
    assert_eq!((record.intervals.len(), record.interval_seconds()), (MAX_INTERVALS / 2 + 1, 20));
    assert!(record.intervals[..360].iter().all(|interval| interval.packets == 4));
    assert_eq!(record.intervals[360].packets, 3);
}

#[test]
fn a_stream_without_a_block_left_merges_too() {
    let mut receiver = Receiver::new();
    receiver.pool = IntervalPool::with_blocks(1);
    let minutes_16 = u32::try_from(BLOCK_INTERVALS * 30).unwrap() * 50;
    let receiver = receiver.receive_all((0..minutes_16).map(pcma));
    let record = receiver.only();
    assert_eq!((record.intervals.len(), record.interval_seconds()), (24, 40));
    assert!(record.intervals.iter().all(|interval| interval.packets == 2000));
    let mut starved = Receiver::new();
    starved.pool = IntervalPool::with_blocks(0);
    let record = starved.receive_all((0..1600).map(pcma)).only();
    assert_eq!((record.intervals.len(), record.interval_seconds()), (1, 40));
    assert_eq!(record.intervals[0].packets, 1600);
}

#[test]
fn reports_are_kept_and_the_round_trip_costs() {
    let mut receiver = Receiver::new().receive_all((0..500).map(pcma));
    let before = receiver.streams[0].live_score().unwrap();
    let block = |fraction_lost, cumulative_lost, interarrival_jitter| ReportBlock {
        ssrc: SSRC,
        fraction_lost,
        cumulative_lost,
        extended_highest: 0,
        interarrival_jitter,
        lsr: 0,
        dlsr: 0,
    };
    let stream = &mut receiver.streams[0];
    stream.handle_report(&block(9, 3, 80), Some(500_000));
    stream.handle_report(&block(2, 5, 40), None);
    stream.handle_report(&block(0, 5, 60), Some(700_000));
    let record = receiver.only();
    assert_eq!(
        record.rtcp,
        Some(cdr::Rtcp {
            reports: 3,
            fraction_lost: 9,
            cumulative_lost: 5,
            interarrival_jitter: 80,
            round_trip: Some(600_000)
        })
    );
    assert!(mos(record.adaptive) + 50 < before.mos, "300 ms one way");
}

#[test]
fn the_live_score_is_the_record_s() {
    let mut noise = Noise(4);
    let packets = (0..2000).map(pcma).filter(|_| noise.below(20) > 0);
    let receiver = Receiver::new().receive_all(packets);
    assert_eq!(receiver.streams[0].live_score(), receiver.only().adaptive);
}

#[test]
fn silence_is_heard_in_g711_only() {
    let with = |codec: fn(u8) -> Codec, payload: &'static [u8]| {
        let mut receiver = Receiver::new();
        receiver.codec = codec;
        let receiver =
            receiver.receive_all((0..100).map(pcma).map(|sent| Sent { payload, ..sent }));
        receiver.streams[0].silence()
    };
    assert_eq!(with(codec, &[0xd5; 160]), Some(true));
    assert_eq!(with(codec, &[0x34; 160]), Some(false));
    assert_eq!(with(|_| Codec::from_name("G722"), &[0xd5; 160]), None);
    assert_eq!(with(|_| Codec::from_name("PCMA").inside_srtp(true), &[0xd5; 170]), None);
}

#[test]
fn the_payload_type_of_most_packets_wins() {
    let record = record_of((0..1000).map(pcma).enumerate().map(|(number, sent)| {
        let payload_type = if number < 300 { 0 } else { 8 };
        Sent { payload_type, ..sent }
    }));
    assert_eq!((record.payload_type, record.encoding_name.as_str()), (8, "PCMA"));
}

#[test]
fn one_packet_is_a_stream() {
    let record = record_of([pcma(0)]);
    assert_eq!((record.packets, record.expected, record.lost, record.length), (1, 1, 0, 0));
    assert_eq!((record.delta_max, record.jitter_max, record.ptime), (None, Some(0), Some(20)));
    assert_eq!(record.intervals.len(), 1);
}

#[test]
fn silence_descriptors_do_not_hide_the_mode() {
    let record = record_of((0..500).map(pcma).map(|sent| Sent {
        payload_type: 97,
        timestamp: sent.timestamp.wrapping_mul(2),
        payload: if sent.timestamp / 160 % 10 == 0 { &[0; 33] } else { &[0; 7] },
        ..sent
    }));
    assert_eq!(record.scale, Scale::Wideband);
}

#[test]
fn absurd_clock_rates_are_survived() {
    const fn pcma_at(clock_rate: u32) -> RtpMap<'static> {
        RtpMap { encoding_name: "PCMA", clock_rate, channels: 1 }
    }
    let codecs: [fn(u8) -> Codec; 2] =
        [|_| Codec::from_rtpmap(pcma_at(1)), |_| Codec::from_rtpmap(pcma_at(u32::MAX))];
    for codec in codecs {
        let mut noise = Noise(5);
        let mut receiver = Receiver::new();
        receiver.codec = codec;
        let receiver = receiver.receive_all((0..2000).map(|number| Sent {
            timestamp: u32::try_from(noise.below(1 << 32)).unwrap(),
            ..pcma(number * 3)
        }));
        assert_eq!(receiver.only().packets, 2000);
    }
}

#[test]
fn a_clock_that_steps_back_is_survived() {
    let mut receiver = Receiver::new();
    for (number, second) in (0..).zip([10, 11, 20, 12, 13, 14]) {
        receiver.receive(Sent { at: second * 1_000_000, ..pcma(number) });
    }
    assert_eq!(receiver.only().packets, 6);
    assert_eq!(receiver.streams[0].last_at(), Instant::from_secs(20));
}

proptest! {
    /// Whatever comes, no packet is uncounted, no figure contradicts another, no block is kept.
    #[test]
    fn any_packets_give_sound_records(
        packets in proptest::collection::vec(
            (0_u64..40_000_000, any::<u32>(), 0_u32..400, 0_u8..128, any::<bool>()), 1..300),
        wild in 0_u32..4,
    ) {
        let mut receiver = Receiver::new();
        let total = packets.len();
        let mut at = 1_000_000;
        for (gap, timestamp, number, payload_type, marker) in packets {
            at += gap / if marker { 1 } else { 1000 };
            let tame = pcma(number);
            let payload_type = if payload_type % 2 == 0 { 8 } else { payload_type };
            receiver.receive(Sent {
                at,
                sequence_number: tame.sequence_number.wrapping_mul(
                    if wild == 0 { u16::try_from(timestamp % 7).unwrap() } else { 1 }),
                timestamp: if wild < 2 { timestamp } else { tame.timestamp },
                payload_type,
                marker,
                ..tame
            });
        }
        let records = receiver.records();
        let counted: u32 = records.iter().map(|record| record.packets).sum();
        prop_assert_eq!(usize::try_from(counted).unwrap(), total);
        for record in &records {
            prop_assert!(record.lost < record.expected);
            prop_assert!(record.expected - record.lost + record.duplicates <= record.packets);
            prop_assert!(record.length <= Duration::from_micros(at).as_micros());
            let in_intervals: u64 =
                record.intervals.iter().map(|interval| u64::from(interval.packets)).sum();
            prop_assert!(in_intervals <= u64::from(record.packets));
            for score in [record.adaptive, record.fixed_50, record.fixed_200].iter().flatten() {
                prop_assert!((100..=450).contains(&score.mos));
            }
        }
        for stream in &mut receiver.streams {
            stream.release(&mut receiver.pool);
        }
        prop_assert_eq!(receiver.pool.used(), 0);
    }
}
