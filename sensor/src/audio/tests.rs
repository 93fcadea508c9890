use core::f64::consts::TAU;

use super::test_call::{From, START, TestCall, packet, tone};
use super::*;
use crate::call::dialog::Side;

const PCM: &str = "m=audio {port} RTP/AVP 0 8 9 3 13 101\r\na=rtpmap:101 telephone-event/8000\r\n";

/// When media begins, microseconds after the INVITE.
const MEDIA: u64 = 1_000_000;

/// A tone of 8000 Hz clock from one side, packets of 20 ms; `keeps` says which arrive.
fn speak(
    call: &mut TestCall,
    from: From,
    pt: u8,
    hz: f64,
    packets: u64,
    keeps: impl Fn(u64) -> bool,
) {
    let ssrc = if from == From::Caller { 1 } else { 2 };
    for number in (0..packets).filter(|&number| keeps(number)) {
        let payload = tone(pt, hz, -16.0, number * 160, 160);
        let rtp = packet(pt, 65_530 + number, 4_294_967_000 + number * 160, ssrc, &payload);
        call.rtp(MEDIA + number * 20_000, from, &rtp);
    }
}

fn wav(sound: &mut Sound) -> Vec<u8> {
    let mut wav = Vec::new();
    sound.write_range(0..u64::MAX, &mut wav).unwrap();
    assert_eq!(wav.len() as u64, sound.len());
    wav
}

/// Both channels of a WAV file, and its rate.
fn channels(wav: &[u8]) -> ([Vec<i16>; 2], u32) {
    let word = |at: usize| u32::from_le_bytes(wav[at..at + 4].try_into().unwrap());
    assert_eq!(
        (&wav[..4], &wav[8..16], &wav[36..40]),
        (&b"RIFF"[..], &b"WAVEfmt "[..], &b"data"[..])
    );
    assert_eq!(word(4) as usize, wav.len() - 8);
    assert_eq!(word(40) as usize, wav.len() - 44);
    let frames: Vec<_> = wav[44..].as_chunks::<4>().0.iter().collect();
    let channel = |at: usize| {
        frames.iter().map(|frame| i16::from_le_bytes([frame[at], frame[at + 1]])).collect()
    };
    ([channel(0), channel(2)], word(24))
}

/// Level in dBm0 of the tone `hz`, and its share of all power.
fn level(samples: &[i16], hz: f64, rate: u32) -> (f64, f64) {
    let (mut sin, mut cos, mut total) = (0.0, 0.0, 0.0);
    for (at, &sample) in (0_u32..).zip(samples) {
        let angle = TAU * hz * f64::from(at) / f64::from(rate);
        sin += f64::from(sample) * angle.sin();
        cos += f64::from(sample) * angle.cos();
        total += f64::from(sample).powi(2);
    }
    let n = f64::from(u32::try_from(samples.len()).unwrap());
    let power = (sin * sin + cos * cos) * 2.0 / (n * n);
    (10.0 * (power / 2.57e8).log10(), power / (total / n))
}

fn marks(overview: &Overview, kind: MarkKind) -> Vec<(Side, u64, u64)> {
    let marks = overview.marks.iter().filter(|mark| mark.kind == kind);
    marks.map(|mark| (mark.side, mark.from, mark.to)).collect()
}

fn json(overview: &Overview) -> serde_json::Value {
    let bytes = overview.bytes();
    let len = u32::from_le_bytes(bytes[..4].try_into().unwrap()) as usize;
    let header: serde_json::Value = serde_json::from_slice(&bytes[4..4 + len]).unwrap();
    let size = |name: &str| usize::try_from(header[name].as_u64().unwrap()).unwrap();
    assert_eq!(bytes.len(), 4 + len + 2 * (3 * size("buckets") + 64 * size("columns")));
    header
}

#[test]
fn tones_have_their_level_and_frequency_in_the_right_channel() {
    for pt in [0, 8] {
        let mut call = TestCall::new(PCM);
        speak(&mut call, From::Caller, pt, 1004.0, 1500, |_| true);
        speak(&mut call, From::Callee, pt, 440.0, 1500, |_| true);
        let (_dir, mut sound) = call.open().unwrap();
        let ([left, right], rate) = channels(&wav(&mut sound));
        assert_eq!((rate, left.len(), right.len()), (8000, 240_000, 240_000));
        for (samples, hz, other) in [(&left, 1004.0, 440.0), (&right, 440.0, 1004.0)] {
            let (dbm0, share) = level(samples, hz, rate);
            assert!((dbm0 + 16.0).abs() < 0.5, "{hz} Hz: {dbm0} dBm0");
            assert!(share > 0.99, "{hz} Hz: {share}");
            assert!(level(samples, other, rate).0 < -60.0);
            assert!(level(samples, hz + 2.0, rate).0 < -40.0, "the frequency is right");
        }
    }
}

#[test]
fn gaps_are_where_packets_are_missing_to_the_sample() {
    let lost = |number: u64| matches!(number, 100 | 200..205 | 995..1010);
    let mut call = TestCall::new(PCM);
    speak(&mut call, From::Caller, 0, 1004.0, 1500, |number| !lost(number));
    speak(&mut call, From::Callee, 0, 440.0, 1500, |_| true);
    let (_dir, mut sound) = call.open().unwrap();
    let overview = sound.overview().unwrap();
    let gap = |from: u64, to: u64| (Side::Caller, from * 160, to * 160);
    assert_eq!(marks(&overview, MarkKind::Loss), [gap(100, 101), gap(200, 205), gap(995, 1010)]);
    assert_eq!(json(&overview)["sides"][0]["lost"], 21);
    let ([left, _], _) = channels(&wav(&mut sound));
    let whole: Vec<i16> = {
        let mut samples = Vec::new();
        g711::decode(
            crate::call::level::Law::Mu,
            &tone(0, 1004.0, -16.0, 0, 240_000),
            &mut samples,
        );
        samples
    };
    for number in 0..1500 {
        let at =
            usize::try_from(number * 160).unwrap()..usize::try_from(number * 160 + 160).unwrap();
        if lost(number) {
            assert!(left[at].iter().all(|&sample| sample == 0), "packet {number}");
        } else {
            assert_eq!(left[at.clone()], whole[at], "packet {number}");
        }
    }
}

#[test]
fn any_range_has_the_bytes_of_the_whole() {
    let mut call = TestCall::new(PCM);
    speak(&mut call, From::Caller, 9, 1004.0, 1700, |number| number % 50 != 7);
    let (_dir, mut sound) = call.open().unwrap();
    let whole = wav(&mut sound);
    let len = whole.len();
    for (from, to) in [
        (0, 10),
        (40, 50),
        (43, 45),
        (44, 48),
        (1_280_040, 1_280_050),
        (1_280_043, 1_280_047),
        (2_000_001, 2_100_000),
        (100, 101),
        (len - 3, len),
        (len - 1, len + 99),
        (len, len + 5),
    ] {
        let mut part = Vec::new();
        sound.write_range(from as u64..to as u64, &mut part).unwrap();
        assert_eq!(part, whole[from.min(len)..to.min(len)], "{from} to {to}");
    }
}

#[test]
fn reordered_packets_are_put_right_and_duplicates_dropped() {
    let mut call = TestCall::new(PCM);
    for number in 0..500_u64 {
        let payload = tone(8, 1004.0, -16.0, number * 160, 160);
        let rtp = packet(8, number, number * 160, 1, &payload);
        // Every tenth comes behind its two successors; every seventh comes twice, on time.
        let late = if number % 10 == 5 { 45_000 } else { 0 };
        call.rtp(MEDIA + number * 20_000 + late, From::Caller, &rtp);
        if number % 7 == 0 {
            call.rtp(MEDIA + number * 20_000 + 3000, From::Caller, &rtp);
        }
    }
    let (_dir, mut sound) = call.open().unwrap();
    let overview = sound.overview().unwrap();
    assert_eq!(marks(&overview, MarkKind::Loss), []);
    let late = (0..500).filter(|number| number % 10 == 5 && number % 7 != 0).count();
    assert_eq!(marks(&overview, MarkKind::Reordered).len(), late);
    let ([left, _], _) = channels(&wav(&mut sound));
    let mut expected = Vec::new();
    g711::decode(crate::call::level::Law::A, &tone(8, 1004.0, -16.0, 0, 80_000), &mut expected);
    assert!(left == expected);
}

#[test]
fn the_encoding_may_change_and_the_sound_has_the_highest_rate() {
    let mut call = TestCall::new(PCM);
    let sweep = include_bytes!("vectors/sweep.g722");
    let gsm = include_bytes!("vectors/sweep.gsm");
    for number in 0..90_u64 {
        let at = usize::try_from(number % 30).unwrap();
        let (pt, payload) = match number {
            0..30 => (0, tone(0, 1004.0, -16.0, number * 160, 160)),
            30..60 => (9, sweep[at * 160..at * 160 + 160].to_vec()),
            _ => (3, gsm[at * 33..at * 33 + 33].to_vec()),
        };
        call.rtp(
            MEDIA + number * 20_000,
            From::Callee,
            &packet(pt, number, number * 160, 7, &payload),
        );
    }
    let (_dir, mut sound) = call.open().unwrap();
    assert_eq!((sound.rate(), sound.samples()), (16_000, 28_800));
    let overview = sound.overview().unwrap();
    let names: Vec<_> = overview.marks.iter().filter(|mark| mark.kind == MarkKind::Codec).collect();
    let shown: Vec<_> = names.iter().map(|mark| (mark.text.as_str(), mark.from)).collect();
    assert_eq!(shown, [("PCMU", 0), ("G722", 9600), ("GSM", 19_200)]);
    assert_eq!(
        json(&overview)["sides"][1]["encodings"],
        serde_json::json!(["PCMU", "G722", "GSM"])
    );
    let ([left, right], rate) = channels(&wav(&mut sound));
    assert!(left.iter().all(|&sample| sample == 0), "the caller said nothing");
    assert!((level(&right[1000..9000], 1004.0, rate).0 + 16.0).abs() < 0.5);
    for part in [9600..19_200, 19_200..28_800] {
        assert!(right[part].iter().map(|sample| sample.unsigned_abs()).max() > Some(10_000));
    }
}

#[test]
fn a_call_that_the_index_finds_sounds_the_same() {
    use crate::store::ring::FOLDER;
    use crate::store::ring::reader::{StoredCall, scan};
    let mut call = TestCall::new(PCM);
    speak(&mut call, From::Caller, 0, 1004.0, 200, |_| true);
    let (dir, catalog) = call.store();
    let key = (ringside_protocol::cdr::Boot([5; 16]), 1);
    let places = scan(&dir.path().join(FOLDER), key).unwrap();
    let stored = StoredCall::open(places, None).unwrap().unwrap();
    let mut found = open_chunks(stored.chunks()).unwrap();
    assert_eq!(found.missing(), 0);
    assert!(wav(&mut found) == wav(&mut open(&catalog, key).unwrap()));
    // The disk loses a piece in the middle of the call.
    let segment = &catalog.segments[0].0.path;
    let mut bytes = std::fs::read(segment).unwrap();
    bytes[20_000] ^= 1;
    std::fs::write(segment, bytes).unwrap();
    let mut damaged = open_chunks(stored.chunks()).unwrap();
    assert_eq!(damaged.missing(), 1);
    assert_eq!(marks(&damaged.overview().unwrap(), MarkKind::Loss).len(), 1);
}

#[test]
fn opus_has_the_rate_that_its_packets_say() {
    let mut call = TestCall::new(
        "m=audio {port} RTP/AVP 111\r\na=rtpmap:111 opus/48000/2\r\na=fmtp:111 useinbandfec=1\r\n",
    );
    let mut rest = &include_bytes!("vectors/sweep.opus")[..];
    let mut packets = 0_u64;
    while let Some((len, after)) = rest.split_first_chunk::<2>() {
        let (payload, after) = after.split_at(u16::from_le_bytes(*len).into());
        let rtp = packet(111, packets, packets * 960, 5, payload);
        call.rtp(MEDIA + packets * 20_000, From::Callee, &rtp);
        (rest, packets) = (after, packets + 1);
    }
    let (_dir, mut sound) = call.open().unwrap();
    // Wideband, RFC 6716 table 2.
    assert_eq!((sound.rate(), sound.samples()), (16_000, packets * 320));
    let ([left, right], _) = channels(&wav(&mut sound));
    assert!(left.iter().all(|&sample| sample == 0));
    assert!(right.iter().map(|sample| sample.unsigned_abs()).max() > Some(10_000));
}

#[test]
fn clocks_that_drift_apart_stay_together() {
    // Four minutes: the caller's clock is 200 ppm fast, the callee's 150 ppm slow.
    let mut call = TestCall::new(PCM);
    let silence = [0xff; 160];
    let click = [0x80; 160];
    for (from, ssrc, ppm) in [(From::Caller, 1, -200_i64), (From::Callee, 2, 150)] {
        for number in 0..12_000_u64 {
            // Every 30 s of true time both say the same.
            let true_ms =
                |number: u64| number * 20 * (1_000_000_u64.saturating_add_signed(ppm)) / 1_000_000;
            let clicks = true_ms(number) / 30_000 != true_ms(number + 1) / 30_000;
            let at = (number * 20_000)
                .saturating_add_signed(i64::try_from(number * 20_000).unwrap() * ppm / 1_000_000)
                + number * 7919 % 9000;
            let payload = if clicks { &click } else { &silence };
            call.rtp(MEDIA + at, from, &packet(0, number, number * 160, ssrc, payload));
        }
    }
    let (_dir, mut sound) = call.open().unwrap();
    let overview = sound.overview().unwrap();
    let sides = &json(&overview)["sides"];
    assert_eq!(
        (sides[0]["clock_ppm"].as_i64(), sides[1]["clock_ppm"].as_i64()),
        (Some(-200), Some(150))
    );
    let ([left, right], _) = channels(&wav(&mut sound));
    let clicks = |samples: &[i16]| -> Vec<usize> {
        let mut found: Vec<usize> = Vec::new();
        for (at, _) in samples.iter().enumerate().filter(|(_, sample)| **sample > 20_000) {
            if found.last().is_none_or(|&last| at > last + 8000) {
                found.push(at);
            }
        }
        found
    };
    let (left, right) = (clicks(&left), clicks(&right));
    assert_eq!((left.len(), right.len()), (7, 8));
    for (left, right) in left.iter().zip(&right) {
        // Packets are 20 ms, and a click may stand anywhere in one.
        assert!(left.abs_diff(*right) <= 8 * 21, "{left} and {right}");
    }
    // Not a sample of the seams is silent or lost.
    assert_eq!(marks(&overview, MarkKind::Loss), []);
}

#[test]
fn comfort_noise_fills_the_sender_s_silence() {
    let mut call = TestCall::new(PCM);
    let mut sequence = 0;
    let mut send = |call: &mut TestCall, at: u64, pt: u8, payload: &[u8]| {
        call.rtp(MEDIA + at * 20_000, From::Caller, &packet(pt, sequence, at * 160, 1, payload));
        sequence += 1;
    };
    for number in 0..100 {
        send(&mut call, number, 0, &tone(0, 1004.0, -16.0, number * 160, 160));
    }
    // A minute of noise at -60 dBov, without a packet; then speech.
    send(&mut call, 100, 13, &[60]);
    for number in 3100..3200 {
        send(&mut call, number, 0, &tone(0, 1004.0, -16.0, number * 160, 160));
    }
    let (_dir, mut sound) = call.open().unwrap();
    let overview = sound.overview().unwrap();
    assert_eq!(marks(&overview, MarkKind::Loss), []);
    assert_eq!(marks(&overview, MarkKind::Silence).len(), 2, "the caller's pause, the callee");
    let ([left, _], _) = channels(&wav(&mut sound));
    for part in [16_000..40_000, 200_000..400_000, 470_000..496_000] {
        let squares: f64 = left[part.clone()].iter().map(|&it| f64::from(it).powi(2)).sum();
        let mean = squares / f64::from(u32::try_from(part.len()).unwrap());
        let dbov = 10.0 * (mean / 32_768_f64.powi(2)).log10();
        assert!((dbov + 60.0).abs() < 0.5, "{part:?}: {dbov}");
    }
}

#[test]
fn hold_digits_and_a_stopped_clock_are_seen() {
    let mut call = TestCall::new(PCM);
    speak(&mut call, From::Callee, 0, 440.0, 1500, |_| true);
    // The caller's phone stops its RTP clock while it holds, from 10 s to 20 s.
    for number in 0..1000_u64 {
        let at = number * 20_000 + if number < 500 { 0 } else { 10_000_000 };
        let payload = tone(0, 1004.0, -16.0, number * 160, 160);
        call.rtp(MEDIA + at, From::Caller, &packet(0, number, number * 160, 1, &payload));
    }
    call.invite(MEDIA + 10_000_000, From::Caller, &format!("{PCM}a=sendonly\r\n"));
    call.invite(MEDIA + 20_000_000, From::Caller, PCM);
    for (number, end) in [(0, 0), (1, 0), (2, 0x80), (3, 0x80)] {
        let event = [5, end | 10, 0, u8::try_from(number * 80).unwrap()];
        let rtp = packet(101, 5000 + number, 999, 9, &event);
        call.rtp(MEDIA + 5_000_000 + number * 10_000, From::Caller, &rtp);
    }
    let (_dir, mut sound) = call.open().unwrap();
    let overview = sound.overview().unwrap();
    assert_eq!(marks(&overview, MarkKind::Hold), [(Side::Caller, 80_000, 160_000)]);
    assert_eq!(marks(&overview, MarkKind::Loss), []);
    let ([left, _], _) = channels(&wav(&mut sound));
    assert_eq!(left.len(), 240_000);
    assert!(left[80_000..160_000].iter().all(|&sample| sample == 0));
    for part in [0..80_000, 160_000..240_000] {
        assert!((level(&left[part], 1004.0, 8000).0 + 16.0).abs() < 0.5);
    }
}

#[test]
fn digits_are_marked_once_and_leave_no_loss() {
    let mut call = TestCall::new(PCM);
    for number in 0..200_u64 {
        let rtp = match number {
            100..110 => {
                let duration = u8::try_from((number - 100) * 20).unwrap();
                packet(101, number, 16_000, 1, &[11, 10, 0, duration])
            }
            _ => packet(0, number, number * 160, 1, &tone(0, 1004.0, -16.0, number * 160, 160)),
        };
        call.rtp(MEDIA + number * 20_000, From::Caller, &rtp);
    }
    let (_dir, mut sound) = call.open().unwrap();
    let overview = sound.overview().unwrap();
    assert_eq!(marks(&overview, MarkKind::Dtmf), [(Side::Caller, 16_000, 16_800)]);
    assert!(overview.marks.iter().any(|mark| mark.text == "#"));
    assert_eq!(marks(&overview, MarkKind::Loss), []);
}

const SRTP: &str = "m=audio {port} RTP/SAVP 0\r\n\
    a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwd\r\n";

fn sealed(call: &mut TestCall, packets: u64) {
    sealed_with(call, 0, 0..packets);
}

/// With the key whose bytes count up from `key`.
fn sealed_with(call: &mut TestCall, key: u8, packets: Range<u64>) {
    let bytes: Vec<u8> = (key..key + 30).collect();
    let context =
        srtp::Context::new(bytes[..16].try_into().unwrap(), bytes[16..].try_into().unwrap(), 10, 0);
    for number in packets {
        let sequence = 65_000 + number;
        let payload = tone(0, 1004.0, -16.0, number * 160, 160);
        let mut rtp = packet(0, sequence, number * 160, 1, &payload);
        srtp::tests::seal(&context, &mut rtp, 1, sequence);
        call.rtp(MEDIA + number * 20_000, From::Caller, &rtp);
    }
}

#[test]
fn srtp_opens_with_the_key_of_its_description_also_behind_a_roll_over() {
    let mut call = TestCall::new(SRTP);
    // The roll-over is within the second page.
    sealed(&mut call, 1500);
    let (_dir, mut sound) = call.open().unwrap();
    let overview = sound.overview().unwrap();
    assert_eq!(marks(&overview, MarkKind::Loss), []);
    let ([left, _], _) = channels(&wav(&mut sound));
    assert_eq!(left.len(), 240_000);
    let (dbm0, share) = level(&left, 1004.0, 8000);
    assert!((dbm0 + 16.0).abs() < 0.5 && share > 0.99, "{dbm0} {share}");
}

#[test]
fn forged_packets_end_the_search_for_keys_and_not_the_stream() {
    let two_keys = format!(
        "{SRTP}a=crypto:2 AES_CM_128_HMAC_SHA1_80 inline:ZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXp7fH1+f4CB\r\n"
    );
    let mut call = TestCall::new(&two_keys);
    sealed_with(&mut call, 0, 0..100);
    // A key that nobody described, then the second one: it is not looked for any longer.
    sealed_with(&mut call, 50, 100..300);
    sealed_with(&mut call, 100, 300..310);
    // The stream itself goes on, and may then change its key.
    sealed_with(&mut call, 0, 310..400);
    sealed_with(&mut call, 100, 400..500);
    let (_dir, mut sound) = call.open().unwrap();
    let overview = sound.overview().unwrap();
    let expected = (Side::Caller, 100 * 160, 310 * 160);
    assert_eq!(marks(&overview, MarkKind::Encrypted), [expected]);
    let ([left, _], _) = channels(&wav(&mut sound));
    assert_eq!(left.len(), 80_000);
    assert!(level(&left[49_600..], 1004.0, 8000).1 > 0.99);
}

#[test]
fn what_cannot_be_heard_says_why() {
    let error = |call: TestCall| call.open().map(drop).unwrap_err();
    let mut call = TestCall::new("m=audio {port} RTP/SAVP 0\r\na=fingerprint:sha-256 00:11\r\n");
    sealed(&mut call, 100);
    assert_eq!(error(call).word(), "encrypted");

    let mut call = TestCall::new("m=audio {port} RTP/AVP 18\r\n");
    for number in 0..100 {
        call.rtp(
            MEDIA + number * 20_000,
            From::Caller,
            &packet(18, number, number * 160, 1, &[0; 20]),
        );
    }
    let g729 = error(call);
    assert_eq!(g729.word(), "no_decoder");
    assert!(g729.to_string().contains("G729"));

    let mut call = TestCall::new(PCM);
    for number in 0..100 {
        call.rtp(
            MEDIA + number * 20_000,
            From::Caller,
            &packet(0, number, number * 160, 1, &[0; 160]),
        );
        call.headers_only();
    }
    assert_eq!(error(call).word(), "headers_only");
    assert_eq!(error(TestCall::new(PCM)).word(), "no_media");
}

#[test]
fn one_side_that_cannot_be_heard_is_marked_and_the_other_plays() {
    let mut call = TestCall::new("m=audio {port} RTP/AVP 0 18\r\n");
    speak(&mut call, From::Caller, 0, 1004.0, 200, |_| true);
    for number in 0..200 {
        call.rtp(
            MEDIA + number * 20_000,
            From::Callee,
            &packet(18, number, number * 160, 3, &[0; 20]),
        );
    }
    let (_dir, mut sound) = call.open().unwrap();
    let overview = sound.overview().unwrap();
    assert_eq!(marks(&overview, MarkKind::NoDecoder), [(Side::Callee, 0, 199 * 160)]);
    let header = json(&overview);
    assert_eq!(header["sides"][1]["problem"], "no_decoder");
    assert_eq!(header["sides"][1]["is_heard"], false);
    assert_eq!(header["started_at"].as_u64(), Some(START + MEDIA));
}

#[test]
fn a_change_to_an_encoding_without_a_decoder_is_marked_as_long_as_it_lasts() {
    let mut call = TestCall::new("m=audio {port} RTP/AVP 0 18\r\n");
    for number in 0..1200_u64 {
        let (pt, payload) = match number {
            500..1100 => (18, vec![0; 20]),
            _ => (0, tone(0, 1004.0, -16.0, number * 160, 160)),
        };
        call.rtp(
            MEDIA + number * 20_000,
            From::Caller,
            &packet(pt, number, number * 160, 1, &payload),
        );
    }
    let (_dir, mut sound) = call.open().unwrap();
    let overview = sound.overview().unwrap();
    let expected = (Side::Caller, 500 * 160, 1100 * 160);
    assert_eq!(marks(&overview, MarkKind::NoDecoder), [expected], "over the end of a page");
    assert_eq!(marks(&overview, MarkKind::Loss), []);
}

#[test]
fn memory_does_not_grow_with_the_call() {
    let peak = |packets: u64| {
        let mut call = TestCall::new(PCM);
        let payload = tone(0, 1004.0, -16.0, 0, 160);
        for number in 0..packets {
            for (from, ssrc) in [(From::Caller, 1), (From::Callee, 2)] {
                call.rtp(
                    MEDIA + number * 20_000,
                    from,
                    &packet(0, number, number * 160, ssrc, &payload),
                );
            }
        }
        let (_dir, catalog) = call.store();
        let info = allocation_counter::measure(|| {
            let mut sound = open(&catalog, (ringside_protocol::cdr::Boot([5; 16]), 1)).unwrap();
            sound.overview().unwrap();
            sound.write_range(0..u64::MAX, &mut std::io::sink()).unwrap();
        });
        info.bytes_max
    };
    // 40 s and 4 min.
    let (short, long) = (peak(2000), peak(12_000));
    // The decoder of frames reserves 21 MiB, of which it touches what it needs.
    assert!(short < 26 << 20, "{short}");
    assert!(long < short + (1 << 20), "{short} and {long}");
}

#[test]
fn a_clock_in_a_description_does_not_make_a_packet_long() {
    for (name, problem) in [("GSM/1", "GSM"), ("L16/1", "L16")] {
        let media = format!(
            "m=audio {{port}} RTP/AVP 96 97\r\na=rtpmap:96 {name}\r\na=rtpmap:97 L16/48000\r\n"
        );
        let mut call = TestCall::new(&media);
        call.rtp(MEDIA, From::Caller, &packet(97, 0, 0, 1, &[1; 1920]));
        call.rtp(MEDIA + 20_000, From::Caller, &packet(96, 1, 960, 1, &[0xd0; 1386]));
        call.rtp(MEDIA + 40_000, From::Caller, &packet(97, 2, 1920, 1, &[1; 1920]));
        let (_dir, catalog) = call.store();
        let info = allocation_counter::measure(|| {
            let mut sound = open(&catalog, (ringside_protocol::cdr::Boot([5; 16]), 1)).unwrap();
            assert!(sound.samples() < 48_000, "{name}: {}", sound.samples());
            let overview = sound.overview().unwrap();
            let mark = overview.marks.iter().find(|mark| mark.kind == MarkKind::NoDecoder);
            assert_eq!(mark.unwrap().text, problem);
            sound.write_range(0..u64::MAX, &mut std::io::sink()).unwrap();
        });
        // See `memory_does_not_grow_with_the_call`.
        assert!(info.bytes_max < 26 << 20, "{name}: {}", info.bytes_max);
    }
}

#[test]
fn timestamps_that_run_away_do_not_make_a_call_long() {
    for step in [15_000_u64, 160 * 2] {
        let mut call = TestCall::new(PCM);
        for number in 0..3000 {
            let rtp = packet(0, number, number * step, 1, &[0; 160]);
            call.rtp(MEDIA + number * 20_000, From::Caller, &rtp);
        }
        let (_dir, sound) = call.open().unwrap();
        assert!(sound.samples() <= 120 * 8000, "{step}: {} samples", sound.samples());
    }
}

#[test]
fn an_overview_ends_where_its_reader_does() {
    let mut call = TestCall::new(PCM);
    speak(&mut call, From::Caller, 0, 1004.0, 2300, |_| true);
    let (_dir, mut sound) = call.open().unwrap();
    let mut pages = 0;
    let overview = sound.overview_while(|| {
        pages += 1;
        pages < 2
    });
    assert_eq!(overview.unwrap(), None);
    assert_eq!(pages, 2);
}

#[test]
fn the_same_sound_on_two_hops_is_heard_once() {
    let mut call = TestCall::new(PCM);
    speak(&mut call, From::Caller, 0, 1004.0, 500, |_| true);
    // The proxy's own leg: other ports, the same payload.
    for number in 0..500_u64 {
        let payload = tone(0, 1004.0, -16.0, number * 160, 160);
        let rtp = packet(0, number, number * 160, 77, &payload);
        call.rtp_on(MEDIA + number * 20_000 + 500, From::Caller, [4444, 5000], &rtp);
    }
    let (_dir, mut sound) = call.open().unwrap();
    let ([left, _], _) = channels(&wav(&mut sound));
    let (dbm0, share) = level(&left, 1004.0, 8000);
    assert!((dbm0 + 16.0).abs() < 0.5 && share > 0.99, "{dbm0} {share}");
}

#[test]
fn a_new_source_goes_on_where_the_old_one_ends() {
    let mut call = TestCall::new(PCM);
    for number in 0..400_u64 {
        let (ssrc, sequence, timestamp) = if number < 200 {
            (1, number, number * 160)
        } else {
            (9, 3 + number, 7_000_000 + number * 160)
        };
        let payload = tone(0, 1004.0, -16.0, number * 160, 160);
        call.rtp(
            MEDIA + number * 20_000,
            From::Callee,
            &packet(0, sequence, timestamp, ssrc, &payload),
        );
    }
    let (_dir, mut sound) = call.open().unwrap();
    assert_eq!(sound.samples(), 64_000);
    assert_eq!(marks(&sound.overview().unwrap(), MarkKind::Loss), []);
    let ([_, right], _) = channels(&wav(&mut sound));
    assert!(level(&right, 1004.0, 8000).1 > 0.99);
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(6))]
    #[test]
    fn hostile_packets_neither_panic_nor_break_the_promise_of_a_length(
        packets in proptest::collection::vec(
            (0_u64..21_000_000, 0_u8..6, proptest::prelude::any::<(u16, u32, bool)>(), 0_u32..3,
             proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200)),
            1..60,
        ),
    ) {
        let mut call = TestCall::new(PCM);
        for (at, pt, (sequence, timestamp, is_callers), ssrc, payload) in packets {
            let pt = [0, 8, 9, 3, 13, 101][usize::from(pt)];
            let from = if is_callers { From::Caller } else { From::Callee };
            call.rtp(at, from, &packet(pt, sequence.into(), timestamp.into(), ssrc, &payload));
        }
        if let Ok((_dir, mut sound)) = call.open() {
            json(&sound.overview().unwrap());
            wav(&mut sound);
        }
    }
}
