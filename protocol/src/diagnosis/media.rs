//! What a call's streams show beside their quality: media that is missing, silent, late, cut off,
//! of the wrong codec, from an unexpected address, unmarked, or on a clock of its own.

use core::net::{IpAddr, SocketAddr};

use super::{Finding, Severity, arrow, finding, seconds};
use crate::cdr::{Cdr, Direction, Scale, Stream, flags, observed};
use crate::words::plural;

/// Media that begins later than this after the answer is late, microseconds.
pub const LATE_MEDIA_MICROS: u64 = 1_000_000;
/// Packets below which a stream is too short for these rules: a second.
pub const MIN_PACKETS: u32 = 50;
/// Packets cut off at the top that people hear: a second of them …
pub const CLIPPED_PACKETS: u32 = 50;
/// … and this share of all, percent.
pub const CLIPPED_PERCENT: u32 = 2;
/// A clock that is off by so much is worth a sentence, parts per million: 6 ms a minute.
pub const DRIFT_NOTABLE_PPM: u32 = 100;
/// A clock that is off by so much makes a jitter buffer slip a packet every 40 s.
pub const DRIFT_BAD_PPM: u32 = 500;

const DIRECTIONS: [Direction; 2] = [Direction::CallerToCallee, Direction::CalleeToCaller];

/// Everything worth saying about the streams as a whole.
pub(super) fn findings(cdr: &Cdr, found: &mut Vec<Finding>) {
    missing(cdr, found);
    silence(cdr, found);
    clipping(cdr, found);
    codecs(cdr, found);
    addresses(cdr, found);
    late(cdr, found);
    dscp(cdr, found);
    drift(cdr, found);
}

fn speech(cdr: &Cdr) -> impl Iterator<Item = &Stream> {
    cdr.streams
        .iter()
        .filter(|stream| stream.packets >= MIN_PACKETS && stream.scale != Scale::NotSpeech)
}

fn missing(cdr: &Cdr, found: &mut Vec<Finding>) {
    let heard = cdr.streams.iter().find(|stream| stream.packets > 0);
    if cdr.has(flags::UNSEEN_MEDIA) {
        let mut evidence = match heard {
            Some(stream) => vec![format!("RTP seen: only {}", arrow(cdr, stream))],
            None => vec!["RTP seen: none".to_owned()],
        };
        let mute = match cdr.sip_dscp {
            [None, Some(_)] => Some("caller"),
            [Some(_), None] => Some("callee"),
            _ => None,
        };
        let sentence = match mute {
            Some(side) => {
                evidence.push(format!("SIP messages from the {side}'s side: none"));
                format!(
                    "The mirror port shows one direction only: nothing of the {side}'s side was \
                     seen, and yet the call was answered. Mirror both directions of the port."
                )
            }
            None => "The mirror port does not show all of the call's media: RTCP reports that it \
                     arrives. Mirror both directions of the port, and the path that RTP takes."
                .to_owned(),
        };
        found.push(finding(Severity::Warning, sentence, evidence));
    } else if cdr.has(flags::NO_MEDIA) {
        found.push(finding(
            Severity::Problem,
            "The call was answered, and no audio was seen in either direction: check that the \
             mirror port carries the media, and that a firewall does not block RTP.",
            vec![format!("0 RTP packets in {}", seconds(cdr.duration().unwrap_or(0)))],
        ));
    } else if cdr.has(flags::ONE_WAY) {
        one_way(cdr, heard, found);
    }
}

fn one_way(cdr: &Cdr, heard: Option<&Stream>, found: &mut Vec<Finding>) {
    let deaf = match heard.map(|stream| stream.direction) {
        Some(Direction::CallerToCallee) => "the caller heard nothing",
        Some(Direction::CalleeToCaller) => "the callee heard nothing",
        _ => "one side heard nothing",
    };
    let mut evidence: Vec<_> =
        heard.map(|stream| format!("only {}", arrow(cdr, stream))).into_iter().collect();
    if let Some(rtcp) = heard.and_then(|stream| stream.rtcp.as_ref()) {
        evidence
            .push(format!("the receiver of that stream sent {}", plural(rtcp.reports, "report")));
    }
    let private = heard.and_then(|stream| private_receiver(cdr, stream));
    let advice = match private {
        Some(address) => {
            evidence.push(format!("the deaf side described {address}"));
            "Its SDP names a private address that the other side cannot reach: set its public \
             address or use STUN."
        }
        None => "Check NAT and firewall on the silent path.",
    };
    found.push(finding(Severity::Problem, format!("One-way audio: {deaf}. {advice}"), evidence));
}

/// The address at which the sender of a stream wants to receive, where that is a private one and
/// its peer is beyond the private network.
fn private_receiver(cdr: &Cdr, stream: &Stream) -> Option<SocketAddr> {
    let own = cdr.address(stream.described.unwrap_or(stream.src))?;
    let peer = cdr.address(stream.dst)?;
    (is_private(own.ip()) && !is_private(peer.ip())).then_some(own)
}

fn silence(cdr: &Cdr, found: &mut Vec<Finding>) {
    if cdr.has(flags::SILENT) {
        found.push(finding(
            Severity::Warning,
            "Audio packets flowed, but nobody spoke: check microphones, mute and what feeds the \
             call.",
            speech(cdr).filter_map(|stream| level_of(cdr, stream)).collect(),
        ));
        return;
    }
    for direction in DIRECTIONS {
        let mut streams = speech(cdr).filter(|stream| stream.direction == direction).peekable();
        let is_silent =
            streams.peek().is_some() && streams.all(|stream| stream.has(observed::SILENT));
        if is_silent {
            let (silent, other) = sides(direction);
            let evidence = speech(cdr).filter_map(|stream| level_of(cdr, stream)).collect();
            let sentence = format!(
                "Only silence came from the {silent}, while the {other} could be heard: muted, or \
                 no audio behind its gateway."
            );
            found.push(finding(Severity::Warning, sentence, evidence));
        }
    }
}

fn level_of(cdr: &Cdr, stream: &Stream) -> Option<String> {
    let level = stream.level.as_ref()?;
    let speech = level.dbm0.map_or(String::new(), |dbm0| format!(", {dbm0} dBm0"));
    let way = arrow(cdr, stream);
    Some(format!("{way}: {} % of {} packets above -50 dBm0{speech}", level.active, stream.packets))
}

fn clipping(cdr: &Cdr, found: &mut Vec<Finding>) {
    for stream in speech(cdr) {
        let Some(level) = &stream.level else { continue };
        let share = u64::from(level.clipped) * 100 / u64::from(stream.packets);
        if level.clipped >= CLIPPED_PACKETS && share >= u64::from(CLIPPED_PERCENT) {
            let sentence = format!(
                "{} is too loud and clips: lower the gain at its source.",
                capitalised(&arrow(cdr, stream))
            );
            let loudness =
                level.dbm0.map_or(String::new(), |dbm0| format!(", mean level {dbm0} dBm0"));
            let evidence =
                format!("{} of {} packets clip{loudness}", level.clipped, stream.packets);
            found.push(finding(Severity::Warning, sentence, vec![evidence]));
        }
    }
}

fn codecs(cdr: &Cdr, found: &mut Vec<Finding>) {
    for stream in speech(cdr) {
        let sent = match stream.encoding_name.as_str() {
            "" => format!("payload type {}", stream.payload_type),
            name => format!("payload type {} ({name})", stream.payload_type),
        };
        if stream.has(observed::NOT_AGREED) {
            let sentence = format!(
                "{} uses a payload type that its receiver did not offer or accept: it may not be \
                 played.",
                capitalised(&arrow(cdr, stream))
            );
            found.push(finding(Severity::Warning, sentence, vec![format!("sent: {sent}")]));
        } else if let Some(preferred) = &stream.preferred {
            let sentence = format!(
                "{} does not use the codec that the answer put first.",
                capitalised(&arrow(cdr, stream))
            );
            let evidence = format!("first in the answer: {preferred}; sent: {sent}");
            found.push(finding(Severity::Info, sentence, vec![evidence]));
        }
    }
}

fn addresses(cdr: &Cdr, found: &mut Vec<Finding>) {
    let differing = |stream: &&Stream| {
        let described = stream.described.and_then(|index| cdr.address(index));
        described.zip(cdr.address(stream.src))
    };
    let evidence = |(described, src): (SocketAddr, SocketAddr)| {
        format!("the SDP says {described}, media came from {src}")
    };
    let pairs = || cdr.streams.iter().filter_map(|stream| differing(&stream));
    let private =
        pairs().find(|(described, src)| is_private(described.ip()) && !is_private(src.ip()));
    if let Some(pair) = private {
        found.push(finding(
            Severity::Warning,
            "An SDP names a private address, and media came from a public one: the device does not \
             know its public address. Audio works only where the other side answers to where media \
             comes from.",
            vec![evidence(pair)],
        ));
    } else if cdr.has(flags::NAT) {
        found.push(finding(
            Severity::Info,
            "Media came from another address than its SDP said: a NAT or a relay lies between.",
            pairs().next().map(evidence).into_iter().collect(),
        ));
    }
}

fn late(cdr: &Cdr, found: &mut Vec<Finding>) {
    let Some(answered) = cdr.answered else { return };
    for direction in DIRECTIONS {
        let streams = cdr.streams.iter().filter(|stream| stream.direction == direction);
        let Some(first) = streams.map(|stream| stream.first).min() else { continue };
        let late = first.saturating_sub(answered);
        if late > LATE_MEDIA_MICROS {
            let (from, _) = sides(direction);
            found.push(finding(
                Severity::Warning,
                format!("Media from the {from} began late: its first words may be missing."),
                vec![format!("first RTP packet {} after the answer", seconds(late))],
            ));
        }
    }
}

fn dscp(cdr: &Cdr, found: &mut Vec<Finding>) {
    let streams: Vec<_> = speech(cdr).collect();
    for stream in &streams {
        let Some(change) = stream.dscp_change else { continue };
        let what = if change.to == 0 { "was lost" } else { "changed" };
        let sentence = format!(
            "The DSCP marking of {} {what} during the call: it takes another route, or a device on \
             its way rewrites it from then on.",
            arrow(cdr, stream)
        );
        let evidence = format!(
            "{} for {}, then {}",
            dscp_name(change.from),
            seconds(change.after),
            dscp_name(change.to)
        );
        found.push(finding(Severity::Info, sentence, vec![evidence]));
    }
    if streams.iter().any(|stream| stream.dscp_change.is_some()) {
        return;
    }
    let changed = streams.iter().enumerate().find_map(|(index, first)| {
        let is_other_leg =
            |second: &&&Stream| second.ssrc == first.ssrc && second.dscp != first.dscp;
        streams[index + 1..].iter().find(is_other_leg).map(|second| (*first, *second))
    });
    let marks = |first: &Stream, second: &Stream| {
        [first, second]
            .map(|stream| format!("{}: DSCP {}", arrow(cdr, stream), dscp_name(stream.dscp)))
            .to_vec()
    };
    if let Some((first, second)) = changed {
        found.push(finding(
            Severity::Info,
            "A stream's DSCP marking changes on its way: a device between rewrites or drops it.",
            marks(first, second),
        ));
        return;
    }
    let of = |direction| streams.iter().find(|stream| stream.direction == direction);
    if let (Some(there), Some(back)) = (of(DIRECTIONS[0]), of(DIRECTIONS[1]))
        && (there.dscp == 0) != (back.dscp == 0)
    {
        found.push(finding(
            Severity::Info,
            "Only one direction of the media is marked with a DSCP: the other competes with all \
             other traffic, or lost its mark on the way.",
            marks(there, back),
        ));
        return;
    }
    for (direction, sip) in DIRECTIONS.into_iter().zip(cdr.sip_dscp) {
        let Some(sip @ 1..) = sip else { continue };
        if let Some(stream) = of(direction).filter(|stream| stream.dscp == 0) {
            let (from, _) = sides(direction);
            found.push(finding(
                Severity::Info,
                format!("The {from}'s SIP is marked with a DSCP and its media is not."),
                vec![format!("SIP {}, RTP {}", dscp_name(sip), dscp_name(stream.dscp))],
            ));
        }
    }
}

/// A DSCP with its usual name (RFC 4594 §2.3).
fn dscp_name(dscp: u8) -> String {
    let name = match dscp {
        0 => "best effort",
        24 => "CS3",
        26 => "AF31",
        34 => "AF41",
        40 => "CS5",
        44 => "VOICE-ADMIT",
        46 => "EF",
        _ => return dscp.to_string(),
    };
    format!("{dscp} ({name})")
}

fn drift(cdr: &Cdr, found: &mut Vec<Finding>) {
    for stream in speech(cdr) {
        let Some(ppm) = stream.drift_ppm else { continue };
        if ppm.unsigned_abs() < DRIFT_NOTABLE_PPM {
            continue;
        }
        let severity =
            if ppm.unsigned_abs() >= DRIFT_BAD_PPM { Severity::Warning } else { Severity::Info };
        let word = if ppm > 0 { "slow" } else { "fast" };
        let sentence = format!(
            "The clock behind {} is {word}: jitter buffers run empty or full, and audio skips from \
             time to time.",
            arrow(cdr, stream)
        );
        let evidence = format!("{} ppm over {}", ppm.unsigned_abs(), seconds(stream.length));
        found.push(finding(severity, sentence, vec![evidence]));
    }
}

/// Who sends in a direction, and who hears.
const fn sides(direction: Direction) -> (&'static str, &'static str) {
    match direction {
        Direction::CallerToCallee => ("caller", "callee"),
        Direction::CalleeToCaller => ("callee", "caller"),
        Direction::Unknown => ("one side", "other side"),
    }
}

fn capitalised(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or(String::new(), |first| first.to_uppercase().chain(chars).collect())
}

/// Addresses that mean nothing outside their network (RFC 1918, RFC 6598, RFC 3927, RFC 4193).
#[must_use]
pub fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(ip) => {
            let [a, b, ..] = ip.octets();
            ip.is_private() || ip.is_link_local() || (a == 100 && b & 0xc0 == 64)
        }
        IpAddr::V6(ip) => ip.is_unique_local() || ip.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{findings as all_findings, tests::answered};
    use super::*;
    use crate::cdr::{DscpChange, EndedBy, Level, Score};

    const PUBLIC: &str = "198.51.100.7:30000";
    const PRIVATE: &str = "192.168.1.5:4000";

    fn stream(direction: Direction) -> Stream {
        Stream {
            direction,
            ssrc: 1 + direction as u32,
            dst: 1,
            first: 1_000_000,
            length: 30_000_000,
            packets: 1500,
            expected: 1500,
            payload_type: 8,
            encoding_name: "PCMA".to_owned(),
            scale: Scale::Narrowband,
            dscp: 46,
            adaptive: Some(Score { mos: 441, r: 930, discarded: 0 }),
            level: Some(Level { active: 40, dbm0: Some(-20), clipped: 0 }),
            ..Stream::default()
        }
    }

    /// A call of both directions without any fault.
    fn call() -> Cdr {
        Cdr {
            addresses: vec![
                "203.0.113.1:4000".parse().unwrap(),
                "203.0.113.2:6000".parse().unwrap(),
            ],
            streams: DIRECTIONS.map(stream).to_vec(),
            ..answered(EndedBy::Caller)
        }
    }

    /// The sentences beside who hung up.
    fn said(change: impl FnOnce(&mut Cdr)) -> Vec<Finding> {
        let mut cdr = call();
        change(&mut cdr);
        let mut found = all_findings(&cdr);
        found.retain(|finding| finding.severity != Severity::Ok);
        found
    }

    /// Exactly one sentence, with these words.
    #[track_caller]
    fn only(words: &str, change: impl FnOnce(&mut Cdr)) -> Finding {
        let mut found = said(change);
        assert_eq!(found.len(), 1, "{found:#?}");
        let finding = found.remove(0);
        assert!(finding.sentence.contains(words), "{finding:#?}");
        assert!(!finding.evidence.is_empty(), "{finding:#?}");
        finding
    }

    #[track_caller]
    fn nothing(change: impl FnOnce(&mut Cdr)) {
        assert_eq!(said(change), []);
    }

    #[test]
    fn a_call_without_faults_says_nothing() {
        nothing(|_| {});
    }

    #[test]
    fn a_mirror_that_shows_one_direction_is_not_one_way_audio() {
        let one_sided = |flag| {
            move |cdr: &mut Cdr| {
                cdr.flags = flag;
                cdr.streams.truncate(1);
            }
        };
        only("mirror port does not show all", one_sided(flags::UNSEEN_MEDIA));
        only("the caller heard nothing. Check NAT", one_sided(flags::ONE_WAY));
        only("mirror port does not show all", |cdr| {
            cdr.flags = flags::UNSEEN_MEDIA;
            cdr.streams.clear();
        });
        only("no audio was seen in either direction", |cdr| {
            cdr.flags = flags::NO_MEDIA;
            cdr.streams.clear();
        });
    }

    #[test]
    fn one_way_audio_to_a_private_address_names_it() {
        let finding = only("names a private address", |cdr| {
            cdr.flags = flags::ONE_WAY;
            cdr.streams.truncate(1);
            cdr.addresses[0] = PRIVATE.parse().unwrap();
        });
        assert!(finding.evidence.iter().any(|line| line.contains(PRIVATE)), "{finding:?}");
        only("Check NAT and firewall", |cdr| {
            cdr.flags = flags::ONE_WAY;
            cdr.streams.truncate(1);
            cdr.addresses = vec![PRIVATE.parse().unwrap(), "10.0.0.1:9".parse().unwrap()];
        });
    }

    #[test]
    fn silence_of_one_side_names_it_and_one_word_ends_it() {
        let silent = Level { active: 0, dbm0: None, clipped: 0 };
        only("Only silence came from the callee", |cdr| {
            cdr.streams[1].observed = observed::SILENT;
            cdr.streams[1].level = Some(silent);
        });
        nothing(|cdr| {
            cdr.streams[1].level = Some(Level { active: 1, dbm0: Some(-30), clipped: 0 })
        });
        only("nobody spoke", |cdr| {
            cdr.flags = flags::SILENT;
            for stream in &mut cdr.streams {
                stream.observed = observed::SILENT;
                stream.level = Some(silent);
            }
        });
    }

    #[test]
    fn clipping_needs_a_second_and_its_share() {
        let clip = |clipped, packets| {
            move |cdr: &mut Cdr| {
                let stream = &mut cdr.streams[0];
                (stream.packets, stream.expected) = (packets, packets);
                stream.level = Some(Level { active: 90, dbm0: Some(-3), clipped });
            }
        };
        let finding = only("too loud and clips", clip(50, 1500));
        assert!(finding.sentence.starts_with("Caller to callee"), "{finding:?}");
        nothing(clip(49, 1500));
        nothing(clip(50, 2600));
    }

    #[test]
    fn a_codec_that_was_not_agreed_and_one_that_was_not_first() {
        let finding = only("did not offer or accept", |cdr| {
            cdr.streams[0].observed = observed::NOT_AGREED;
        });
        assert_eq!(finding.evidence, ["sent: payload type 8 (PCMA)"]);
        let finding = only("does not use the codec", |cdr| {
            cdr.streams[0].observed = observed::NOT_PREFERRED;
            cdr.streams[0].preferred = Some("opus".to_owned());
        });
        assert_eq!(finding.evidence, ["first in the answer: opus; sent: payload type 8 (PCMA)"]);
    }

    #[test]
    fn a_private_address_in_sdp_matters_where_media_comes_from_a_public_one() {
        let from = |src: &'static str| {
            move |cdr: &mut Cdr| {
                cdr.flags = flags::NAT;
                cdr.addresses[0] = src.parse().unwrap();
                cdr.addresses.push(PRIVATE.parse().unwrap());
                cdr.streams[0].described = Some(2);
            }
        };
        let finding = only("names a private address", from(PUBLIC));
        assert_eq!(finding.severity, Severity::Warning);
        assert!(finding.evidence[0].contains(PRIVATE) && finding.evidence[0].contains(PUBLIC));
        assert_eq!(only("a NAT or a relay", from("192.168.9.9:4000")).severity, Severity::Info);
    }

    #[test]
    fn late_media_of_either_side_is_told() {
        let after = |micros: u64| move |cdr: &mut Cdr| cdr.streams[1].first = 1_000_000 + micros;
        only("Media from the callee began late", after(LATE_MEDIA_MICROS + 1));
        nothing(after(LATE_MEDIA_MICROS));
        nothing(|cdr| {
            let later = Stream { first: 9_000_000, ..cdr.streams[1].clone() };
            cdr.streams.push(later);
        });
    }

    #[test]
    fn marks_that_are_missing_or_change() {
        only("Only one direction", |cdr| cdr.streams[1].dscp = 0);
        nothing(|cdr| cdr.streams[1].dscp = 34);
        only("changes on its way", |cdr| {
            let leg = Stream { dscp: 0, ..cdr.streams[0].clone() };
            cdr.streams.push(leg);
        });
        let unmarked = |sip| {
            move |cdr: &mut Cdr| {
                cdr.sip_dscp = [sip, None];
                cdr.streams.iter_mut().for_each(|stream| stream.dscp = 0);
            }
        };
        let finding = only("The caller's SIP is marked", unmarked(Some(24)));
        assert_eq!(finding.evidence, ["SIP 24 (CS3), RTP 0 (best effort)"]);
        nothing(unmarked(Some(0)));
        nothing(unmarked(None));
    }

    #[test]
    fn a_mark_that_is_lost_in_the_middle() {
        let change = |to| {
            move |cdr: &mut Cdr| {
                let change = DscpChange { from: 46, to, after: 12_000_000 };
                cdr.streams[1].dscp_change = Some(change);
                cdr.streams[1].dscp = 0;
            }
        };
        let finding = only("was lost during the call", change(0));
        assert_eq!(finding.evidence, ["46 (EF) for 12 s, then 0 (best effort)"]);
        only("changed during the call", change(34));
    }

    #[test]
    fn a_side_of_which_nothing_is_seen_shows_the_mirror_s_fault() {
        let finding = only("nothing of the callee's side", |cdr| {
            cdr.flags = flags::UNSEEN_MEDIA;
            cdr.sip_dscp = [Some(0), None];
            cdr.streams.truncate(1);
        });
        assert_eq!(finding.evidence[1], "SIP messages from the callee's side: none");
    }

    #[test]
    fn clocks_that_run_fast_or_slow() {
        assert_eq!(
            only("is slow", |cdr| cdr.streams[0].drift_ppm = Some(100)).severity,
            Severity::Info
        );
        let fast = only("is fast", |cdr| cdr.streams[0].drift_ppm = Some(-500));
        assert_eq!(
            (fast.severity, fast.evidence[0].as_str()),
            (Severity::Warning, "500 ppm over 30 s")
        );
        nothing(|cdr| cdr.streams[0].drift_ppm = Some(-99));
    }

    #[test]
    fn private_networks_are_told_from_public_ones() {
        for text in
            ["10.1.1.1", "172.31.0.1", "192.168.0.1", "100.127.0.1", "169.254.1.1", "fd00::1"]
        {
            assert!(is_private(text.parse().unwrap()), "{text}");
        }
        for text in ["172.32.0.1", "100.128.0.1", "192.0.2.1", "2001:db8::1"] {
            assert!(!is_private(text.parse().unwrap()), "{text}");
        }
    }
}
