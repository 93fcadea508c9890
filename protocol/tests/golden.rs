//! Pins the bytes of every message: a sensor in the field speaks them for years.
//!
//! `tests/golden/KIND-rich.bin` and `-minimal.bin` are uncompressed envelopes. `BLESS=1 cargo test
//! -p ringside-protocol --test golden` writes those that are missing or differ; a difference in a
//! released version is a break of the protocol.

use core::fmt::Debug;
use core::net::SocketAddr;
use std::path::PathBuf;

use ringside_protocol::PROTOCOL_VERSION;
use ringside_protocol::cdr::*;
use ringside_protocol::claim::{Claim, ClaimAnswer};
use ringside_protocol::columns;
use ringside_protocol::counters::Counter;
use ringside_protocol::envelope::{EnvelopeError, HEADER_LEN, Message, open, seal};
use ringside_protocol::live::{Live, LiveCall};
use ringside_protocol::message::*;
use ringside_protocol::peer::{self, Peer};
use ringside_protocol::push::{News, NewsNoted, Order, Piece, PieceWanted, Progress};
use ringside_protocol::record::{Cause, Record, Transport};
use ringside_protocol::registration::{Registration, State};
use ringside_protocol::retrieval::*;
use ringside_protocol::step::Failure;
use ringside_protocol::time::UnixMicros;
use serde::Serialize;

const AT: UnixMicros = UnixMicros(1_795_420_859_453_875);

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(format!("{name}.bin"))
}

fn blessing() -> bool {
    std::env::var_os("BLESS").is_some()
}

/// The bytes of `name`, after writing them if that was asked for.
fn golden(name: &str, present: &[u8]) -> Vec<u8> {
    if blessing() {
        std::fs::write(path(name), present).expect("the golden folder");
    }
    std::fs::read(path(name)).unwrap_or_else(|error| panic!("{name}: {error}; run with BLESS=1"))
}

/// The envelope without compression: deflate's output may change with its library.
fn plain<M: Message>(message: &M) -> Vec<u8> {
    let (flags, body) = if M::IN_COLUMNS {
        (2, columns::to_vec(message).expect("encodes"))
    } else {
        (0, postcard::to_stdvec(message).expect("encodes"))
    };
    [&[b'R', b'S', PROTOCOL_VERSION, M::KIND, flags], &body[..]].concat()
}

fn pin<M: Message + PartialEq + Debug>(name: &str, message: &M) {
    let present = plain(message);
    let pinned = golden(name, &present);
    assert_eq!(present, pinned, "{name}: the bytes of this message have changed");
    assert_eq!(open::<M>(&pinned).as_ref(), Ok(message), "{name}");

    let sealed = seal(message).expect("seals");
    assert_eq!(sealed[..4], pinned[..4], "{name}");
    assert_eq!(open::<M>(&sealed).as_ref(), Ok(message), "{name}, as it travels");

    // A newer peer appends fields.
    let mut appended = pinned.clone();
    appended.extend_from_slice(&[0xff; 9]);
    assert_eq!(open::<M>(&appended).as_ref(), Ok(message), "{name}, with fields appended");
    assert_eq!(open::<M>(&deflated(&appended)).as_ref(), Ok(message), "{name}, and compressed");

    // Half a message is none.
    if pinned.len() > HEADER_LEN {
        let half = &pinned[..pinned.len() - 1];
        assert_eq!(open::<M>(half), Err(EnvelopeError::Body), "{name}, cut short");
    }
}

fn pin_both<M: Message + PartialEq + Debug>(name: &str, rich: &M, minimal: &M) {
    pin(&format!("{name}-rich"), rich);
    pin(&format!("{name}-minimal"), minimal);
}

fn deflated(envelope: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut header = envelope[..HEADER_LEN].to_vec();
    header[4] |= 1;
    let mut encoder = flate2::write::DeflateEncoder::new(header, flate2::Compression::default());
    encoder.write_all(&envelope[HEADER_LEN..]).expect("compresses");
    encoder.finish().expect("compresses")
}

fn count<const N: usize>(first: u8) -> [u8; N] {
    core::array::from_fn(|place| first.wrapping_add(u8::try_from(place).expect("short")))
}

fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

fn rich_hello() -> Hello {
    Hello {
        device_key: count(1),
        boot: Boot(count(100)),
        sensor_time: AT,
        oldest_version: 1,
        newest_version: 2,
        id_sensor: Some(4711),
        name: "gate-1 (Köln)".to_owned(),
        software: "0.1.0".to_owned(),
        target: "aarch64-unknown-linux-musl".to_owned(),
        commit: "0123456789ab".to_owned(),
        last_failure: Some((AT, Failure::NoSuchName { host: "cloud.example.net".to_owned() })),
    }
}

fn minimal_hello() -> Hello {
    Hello {
        device_key: [0; 32],
        boot: Boot([0; 16]),
        sensor_time: UnixMicros(0),
        oldest_version: 1,
        newest_version: 1,
        id_sensor: None,
        name: String::new(),
        software: String::new(),
        target: String::new(),
        commit: String::new(),
        last_failure: None,
    }
}

fn rich_prove() -> Prove {
    Prove { hello: rich_hello(), nonce: count(50), signature: count(150) }
}

fn minimal_prove() -> Prove {
    Prove { hello: minimal_hello(), nonce: [0; 32], signature: [0; 64] }
}

fn rich_stream() -> Stream {
    Stream {
        src: 2,
        dst: 3,
        ssrc: 0xca11_0000,
        payload_type: 8,
        encoding_name: "PCMA".to_owned(),
        clock_rate: Some(8000),
        direction: Direction::CallerToCallee,
        first: 4_100_000,
        length: 25_900_000,
        packets: 1296,
        bytes: 207_360,
        expected: 1300,
        lost: 5,
        duplicates: 1,
        reordered: 2,
        capture_lost: Some(0),
        jitter_mean: Some(1250),
        jitter_max: Some(18_400),
        delta_max: Some(61_000),
        burst_r: Some(135),
        adaptive: Some(Score { mos: 431, r: 912, discarded: 0 }),
        fixed_50: Some(Score { mos: 418, r: 880, discarded: 7 }),
        fixed_200: Some(Score { mos: 425, r: 895, discarded: 1 }),
        scale: Scale::Narrowband,
        rtcp: Some(Rtcp {
            reports: 5,
            fraction_lost: 3,
            cumulative_lost: -2,
            interarrival_jitter: 90,
            round_trip: Some(23_000),
        }),
        intervals: vec![Interval { packets: 500, lost: 2, jitter: 13, mos: 428 }; 2],
        dscp: 46,
        ptime: Some(20),
        observed: observed::NOT_PREFERRED | observed::BEFORE_SDP,
        level: Some(Level { active: 41, dbm0: Some(-19), clipped: 3 }),
        drift_ppm: Some(-140),
        described: Some(3),
        preferred: Some("opus".to_owned()),
        cname: Some("a1b2@192.0.2.10".to_owned()),
        voip_metrics: Some(VoipMetrics {
            reports: 4,
            loss_rate: 2,
            burst_duration: 300,
            signal_level: -21,
            mos_lq: 41,
            mos_cq: 127,
            jb_abs_max: 500,
            ..VoipMetrics::default()
        }),
        dscp_change: Some(DscpChange { from: 46, to: 0, after: 12_000_000 }),
    }
}

fn rich_cdr() -> Cdr {
    let event = |after, src, dst, message| SipEvent {
        after,
        src,
        dst,
        message,
        cseq: 20,
        method: Method::Invite,
    };
    Cdr {
        number: 300,
        flags: flags::ONE_WAY | flags::TRUNCATED,
        first_at: AT,
        start: Some(0),
        ringing: Some(1_200_000),
        answered: Some(4_000_000),
        ended: 30_000_000,
        session_request_delay: Some(900_000),
        call_id: "b4c0e9f2@192.0.2.10".to_owned(),
        caller: Party {
            user: "+4930123456".to_owned(),
            host: "pbx.example.net".to_owned(),
            display: Some("Anna Müller".to_owned()),
        },
        callee: Party { user: "200".to_owned(), host: "192.0.2.20".to_owned(), display: None },
        request_uri: Some("sip:200@192.0.2.20".to_owned()),
        addresses: ["192.0.2.10:5060", "[2001:db8::20]:5060", "192.0.2.10:16384", "192.0.2.20:9"]
            .map(address)
            .to_vec(),
        src: 0,
        dst: 1,
        status: Some(Status { code: 200, reason_phrase: "Fine".to_owned() }),
        ended_by: EndedBy::Callee,
        caller_agent: Some("Yealink SIP-T46S 66.85.0.5".to_owned()),
        callee_agent: Some("Asterisk PBX 20.9.3".to_owned()),
        dtmf: "12#".to_owned(),
        sip: vec![
            event(0, 0, 1, SipMessage::Request),
            event(900_000, 1, 0, SipMessage::Response(180)),
            SipEvent { method: Method::Bye, ..event(29_100_000, 1, 0, SipMessage::Request) },
        ],
        sip_omitted: 1,
        retransmissions: 2,
        streams: vec![rich_stream(), Stream::default()],
        streams_omitted: 3,
        vlan: Some(100),
        q850_cause: Some(16),
        sip_dscp: [Some(24), None],
        quality_reports: vec![QualityReport {
            at: 30_100_000,
            direction: Direction::CalleeToCaller,
            kind: ReportKind::Alert,
            mos_lq: Some(412),
            mos_cq: Some(401),
            network_packet_loss_rate: Some(12),
            jitter_buffer_discard_rate: Some(3),
            interarrival_jitter: Some(7),
            round_trip_delay: Some(48),
        }],
        legs: Some(Legs { source: LegSource::Replaces, key: "first@192.0.2.10".to_owned() }),
        stored: Some(Stored {
            rule_id: 12,
            rule: "Berlin".to_owned(),
            packets: 2600,
            bytes: 600_000,
            first: 0,
            last: 30_000_000,
            dropped: 3,
        }),
    }
}

fn rich_registration() -> Registration {
    Registration {
        number: 301,
        flags: flags::CLOCK_UNSET,
        first_at: AT,
        made: 1_500_000,
        state: State::Failing,
        cause: Cause::Hour,
        state_seconds: 7200,
        granted_seconds_ago: Some(9000),
        aor: Party {
            user: "4711".to_owned(),
            host: "pbx.example.net".to_owned(),
            display: Some("Warehouse".to_owned()),
        },
        registrar: "pbx.example.net".to_owned(),
        contact: "sip:4711@192.0.2.10:5060;transport=tls".to_owned(),
        user_agent: Some("Yealink SIP-T46S 66.85.0.5".to_owned()),
        registrar_agent: Some("Asterisk PBX 20.9.3".to_owned()),
        call_id: "b4c0e9f2@192.0.2.10".to_owned(),
        transport: Transport::Tls,
        src: address("192.0.2.10:5060"),
        dst: address("[2001:db8::20]:5061"),
        vlan: Some(100),
        expires_asked: Some(3600),
        expires_granted: Some(600),
        min_expires: Some(60),
        status: Some(Status { code: 403, reason_phrase: "Go away".to_owned() }),
        is_challenged: true,
        has_credentials: true,
        round_trip: Some(23_000),
        round_trip_max: Some(61_000),
        granted: 3,
        failures: 40,
        failures_in_a_row: 37,
        retransmissions: 2,
    }
}

fn rich_peer() -> Peer {
    Peer {
        number: 302,
        flags: flags::CAPTURE_LOSS,
        first_at: AT,
        last: 3_540_000_000,
        made: 3_600_000_000,
        state: peer::State::Refusing,
        cause: Cause::Hour,
        state_since: 900_000_000,
        answered_before: Some(59_900_000),
        method: Method::Subscribe,
        event: Some("message-summary".to_owned()),
        from: Some("201".to_owned()),
        to: Some("305".to_owned()),
        user_agent: Some("Yealink SIP-T46S 66.85.0.5".to_owned()),
        peer_agent: Some("Asterisk PBX 20.9.3".to_owned()),
        transport: Transport::Tcp,
        src: address("192.0.2.10:5060"),
        dst: address("[2001:db8::20]:5061"),
        vlan: Some(100),
        requests: 120,
        retransmissions: 33,
        unanswered: 3,
        answers: [100, 1, 14, 1, 1],
        unanswered_in_a_row: 2,
        status: Some(Status { code: 489, reason_phrase: "No such package".to_owned() }),
        has_credentials: true,
        allow_events: Some("dialog, presence".to_owned()),
        round_trip: Some(peer::RoundTrip { min: 900, mean: 12_000, max: 1_400_000 }),
        changes: vec![
            peer::Change { before: 2_000_000_000, state: peer::State::Silent },
            peer::Change { before: 900_000_000, state: peer::State::Refusing },
        ],
        changes_omitted: 5,
    }
}

#[test]
fn handshake() {
    pin_both("hello", &rich_hello(), &minimal_hello());
    let challenge =
        |nonce, at, version, enrolled| Challenge { nonce, cloud_time: at, version, enrolled };
    pin_both(
        "challenge",
        &challenge(count(7), AT, 1, true),
        &challenge([0; 32], UnixMicros(0), 0, false),
    );
    pin_both("prove", &rich_prove(), &minimal_prove());
    pin_both(
        "enrol",
        &Enrol { prove: rich_prove(), secret: count(9) },
        &Enrol { prove: minimal_prove(), secret: [0; 16] },
    );
    pin_both(
        "claim",
        &Claim {
            prove: rich_prove(),
            hour: 498_728,
            code_signature: count(77),
            wait_seconds: ringside_protocol::claim::MAX_CLAIM_SECONDS,
        },
        &Claim { prove: minimal_prove(), hour: 0, code_signature: [0; 64], wait_seconds: 0 },
    );
    pin_both(
        "claim_answer",
        &ClaimAnswer { customer: Some("Müller & Söhne".to_owned()) },
        &ClaimAnswer { customer: None },
    );
    pin_both(
        "enrolled",
        &Enrolled { customer: "Acme GmbH".to_owned() },
        &Enrolled { customer: String::new() },
    );
    let accepted = |session, customer: &str, id_sensor, lease, seconds, at| Accepted {
        session,
        customer: customer.to_owned(),
        id_sensor,
        lease,
        heartbeat_seconds: seconds,
        cloud_time: at,
        ticket_keys: Vec::new(),
    };
    let rich = accepted(count(3), "Acme GmbH", 4711, Lease { serial: 9, channels: 2000 }, 30, AT);
    pin_both(
        "accepted",
        &Accepted { ticket_keys: vec![count(5), count(70)], ..rich },
        &accepted([0; 32], "", 0, Lease::default(), 0, UnixMicros(0)),
    );
    pin_both(
        "refused",
        &Refused {
            failure: Failure::IdTaken { id_sensor: 4711, by: "gate-2".to_owned() },
            retry_after_seconds: 30,
        },
        &Refused { failure: Failure::NotEnrolled, retry_after_seconds: 0 },
    );
}

#[test]
fn records() {
    pin_both(
        "batch",
        &Batch::new(
            Boot(count(100)),
            [
                Record::from(rich_cdr()),
                Cdr::default().into(),
                rich_registration().into(),
                Registration::default().into(),
                rich_peer().into(),
                Peer::default().into(),
            ],
        ),
        &Batch { boot: Boot([0; 16]), records: Vec::new() },
    );
    pin_both(
        "batch_ack",
        &BatchAck { stored: 497, known: 1, expired: 1, refused: 1 },
        &BatchAck { stored: 0, known: 0, expired: 0, refused: 0 },
    );
}

#[test]
fn a_compressed_envelope_of_the_first_release_still_opens() {
    let batch = Batch::new(Boot(count(100)), vec![rich_cdr(); 3]);
    let name = "batch-deflated";
    let pinned = if blessing() && !path(name).exists() {
        golden(name, &seal(&batch).expect("seals"))
    } else {
        std::fs::read(path(name)).expect("the golden folder")
    };
    assert_eq!(pinned[4], 3);
    assert_eq!(open(&pinned), Ok(batch));
}

#[test]
fn health_and_commands() {
    let heartbeat = Heartbeat {
        sensor_time: AT,
        uptime_seconds: 86_400,
        counters: vec![(Counter::FramesSeen, 5_950_000), (Counter::OutboxErrors, 1)],
        channels: 1999,
        lease_serial: 9,
        outbox_cdrs: 12,
        outbox_bytes: (4096, 1 << 30),
        memory_bytes: 48 << 20,
        interfaces: vec![
            InterfaceHealth {
                name: "eth1".to_owned(),
                frames: 5_950_000,
                kernel_dropped: 3,
                fault: None,
            },
            InterfaceHealth {
                name: "eth2".to_owned(),
                frames: 0,
                kernel_dropped: 0,
                fault: Some("eth2 is down: plug its cable in".to_owned()),
            },
        ],
        live: Live {
            at: Some(AT),
            degraded: 1,
            fair: 2,
            good: 300,
            unrated: 4,
            worst: vec![LiveCall {
                number: 300,
                caller: "+4930123456".to_owned(),
                callee: "200".to_owned(),
                first_at: AT,
                answered_at: Some(AT),
                mos: Some(212),
                expected: 1300,
                lost: 120,
                jitter_max: Some(18_400),
                is_unreliable: true,
                caller_display: "Anna Berg".to_owned(),
                callee_display: String::new(),
            }],
            excellent: 5,
        },
        last_cdr_at: Some(AT),
        upgrade: Some(UpgradeReport {
            at: AT,
            to: "0.2.0".to_owned(),
            running: "0.1.0".to_owned(),
            failure: Some("it did not reach the cloud".to_owned()),
        }),
        is_leaving: true,
    };
    let quiet = Heartbeat {
        sensor_time: UnixMicros(0),
        uptime_seconds: 0,
        counters: Vec::new(),
        channels: 0,
        lease_serial: 0,
        outbox_cdrs: 0,
        outbox_bytes: (0, 0),
        memory_bytes: 0,
        interfaces: Vec::new(),
        last_cdr_at: None,
        upgrade: None,
        is_leaving: false,
        live: Live::default(),
    };
    pin_both("heartbeat", &heartbeat, &quiet);
    pin_both(
        "heartbeat_answer",
        &HeartbeatAnswer { lease: Lease { serial: 10, channels: 1000 }, cloud_time: AT },
        &HeartbeatAnswer { lease: Lease::default(), cloud_time: UnixMicros(0) },
    );
    pin_both(
        "poll",
        &Poll {
            wait_seconds: MAX_POLL_SECONDS,
            done: 300,
            rules: 1 << 32 | 5,
            refused_rules: vec![(7, "at character 1: write `keep` or `skip`".to_owned())],
        },
        &Poll { wait_seconds: 0, done: 0, rules: 0, refused_rules: Vec::new() },
    );
    let commands = vec![
        (20, Command::Lease(Lease { serial: 10, channels: 1000 })),
        (21, Command::HeartbeatNow),
        (0, Command::Rules(RuleSet { version: 1 << 32 | 6, rules: rule_texts() })),
        (0, Command::Retrieve(Box::new(retrieve()))),
        (0, Command::Upgrade(Box::new(order()))),
    ];
    pin_both("commands", &Commands { commands }, &Commands::default());
}

fn order() -> Order {
    Order {
        order: 300,
        version: "0.2.0".to_owned(),
        bytes: 3_145_729,
        sha256: count(9),
        signature: "untrusted comment: signature\nRUQf6LRCGA9i".to_owned(),
    }
}

#[test]
fn an_upgrade_that_is_pushed() {
    pin_both(
        "piece_wanted",
        &PieceWanted { order: 300, offset: 98_304 },
        &PieceWanted { order: 0, offset: 0 },
    );
    pin_both("piece", &Piece { bytes: count::<40>(3).to_vec() }, &Piece { bytes: Vec::new() });
    let refused = Progress::Refused { why: "it is built for x86_64".to_owned() };
    pin_both(
        "news",
        &News { order: 300, progress: refused },
        &News { order: 0, progress: Progress::Checking },
    );
    pin_both("news_noted", &NewsNoted { stands: true }, &NewsNoted { stands: false });
}

fn ticket() -> Ticket {
    Ticket {
        number: count(1),
        user: "anna@example.com".to_owned(),
        customer: "Acme GmbH".to_owned(),
        call: CallId { device: Fingerprint(count(20)), boot: Boot(count(40)), number: 300 },
        action: Action::Packets,
        way: Way::Relay,
        issued_at: AT,
        expires_at: AT.plus(REDEEM_WITHIN_SECONDS * 1_000_000),
    }
}

fn retrieve() -> Retrieve {
    let ticket = postcard::to_stdvec(&ticket()).expect("encodes");
    Retrieve {
        transfer: count(60),
        ticket: SignedTicket { ticket, signature: count(100) },
        browser_key: count(4),
        resume: Some(Resume { offset: 70_000, proof: count(9) }),
    }
}

#[test]
fn a_transfer_s_bytes() {
    let Retrieve { transfer, ticket: signed, browser_key, resume } = retrieve();
    assert_eq!(golden("ticket", &signed.ticket), signed.ticket);
    assert_eq!(signed.read(), Some(ticket()));
    let message = SignedTicket::message(&signed.ticket);
    assert_eq!(golden("ticket_signed", &message), message);
    let said = transcript(&signed, &transfer, 70_000, &browser_key, &count(8));
    assert_eq!(golden("transcript", &said), said);
    let opening = opening(&count(8), &count(11), &count(12));
    assert_eq!(opening.len(), OPENING_BYTES);
    assert_eq!(golden("opening", &opening), opening);
    let proof = resume_proof_message(&browser_key, resume.expect("it resumes").offset);
    assert_eq!(golden("resume_proof", &proof), proof);
    pin_both(
        "refuse",
        &Refuse { transfer, refusal: Refusal::LetGo },
        &Refuse { transfer: [0; 16], refusal: Refusal::Forged },
    );
}

fn rule_texts() -> Vec<RuleText> {
    let text = |(id, text): (u64, &str)| RuleText { id, text: text.to_owned() };
    let texts = [
        "\"Berlin\": keep sip, rtp, rtcp masking dtmf until 2026-12-31 at most 100 a day priority 5 \
         when caller = +4930* and not (domain = *.test.example or agent contains \"sipp\")",
        "keep sip, rtp headers when mos < 3.50 or loss > 5.00% or one_way",
        "skip when media address = 2001:db8::/32 or signalling address = 192.0.2.7",
        "keep sip when header x-trunk ~ /^gate-[0-9]+\\./ and method = REFER and status = 4xx",
        "keep rtcp when callee = +493010..+493019 or number = \"*9 ?\" or header subject exists",
    ];
    (1..).zip(texts).map(text).collect()
}

/// The canonical text of rules travels and is stored: it is pinned with the messages above.
#[test]
fn rules_are_printed_as_they_are_pinned() {
    for RuleText { text, .. } in rule_texts() {
        let rule: ringside_protocol::rule::Rule = text.parse().expect("a rule");
        assert_eq!(rule.to_string(), text);
    }
}

/// Every failure, in the order of their numbers.
fn failures() -> Vec<Failure> {
    let host = || "cloud.example.net".to_owned();
    let detail = || "timed out".to_owned();
    let address = address("192.0.2.1:60023");
    vec![
        Failure::NoSuchName { host: host() },
        Failure::NoResolver { host: host(), detail: detail() },
        Failure::PortClosed { address },
        Failure::PortFiltered { address, seconds: 10 },
        Failure::Unreachable { address, detail: detail() },
        Failure::WrongCa { host: host() },
        Failure::WrongName { host: host() },
        Failure::NotTls { host: host(), detail: detail() },
        Failure::CertificateTime { sensor_time: AT, not_before: AT.plus(1), not_after: AT.plus(2) },
        Failure::ClockSkew { sensor_time: AT, cloud_time: AT.plus(1) },
        Failure::SensorTooOld { sensor: 1, cloud_oldest: 2 },
        Failure::CloudTooOld { sensor_oldest: 3, cloud: 2 },
        Failure::NotRingside { host: host(), detail: detail() },
        Failure::NotEnrolled,
        Failure::TokenMalformed { detail: detail() },
        Failure::TokenUnknown,
        Failure::TokenUsed,
        Failure::TokenExpired { at: AT },
        Failure::Revoked,
        Failure::BadSignature,
        Failure::IdTaken { id_sensor: 7, by: "gate-2".to_owned() },
        Failure::ClonedDevice { other: "198.51.100.9".to_owned() },
        Failure::Busy { limit: "20000 sensors".to_owned() },
        Failure::CloudFault { detail: detail() },
        Failure::SessionEnded,
        Failure::Interrupted { detail: detail() },
        Failure::MessageRefused { detail: detail() },
    ]
}

/// An enum's variants are numbered by their order: none may move.
fn pin_variants<T: Serialize>(name: &str, variants: &[T]) {
    let mut present = Vec::new();
    for (number, variant) in variants.iter().enumerate() {
        let bytes = postcard::to_stdvec(variant).expect("encodes");
        assert_eq!(usize::from(bytes[0]), number, "{name}: variant {number} has moved");
        present.extend(bytes);
    }
    let pinned = golden(name, &present);
    assert!(present.starts_with(&pinned), "{name}: variants are only appended");
}

#[test]
fn variants() {
    pin_variants("failures", &failures());
    pin_variants("counters", Counter::ALL);
    let ended_by = [
        EndedBy::Caller,
        EndedBy::Callee,
        EndedBy::Cancelled,
        EndedBy::Rejected,
        EndedBy::Timeout,
        EndedBy::CaptureEnd,
    ];
    pin_variants("ended_by", &ended_by);
    let scales = [
        Scale::Narrowband,
        Scale::Wideband,
        Scale::UnknownCodec,
        Scale::NoImpairmentValues,
        Scale::NotSpeech,
        Scale::TooShort,
        Scale::Fullband,
        Scale::NarrowbandEstimate,
        Scale::WidebandEstimate,
        Scale::FullbandEstimate,
    ];
    pin_variants("scales", &scales);
    let sources = [
        LegSource::SessionId,
        LegSource::Header,
        LegSource::Replaces,
        LegSource::NumberAndTime,
        LegSource::Media,
    ];
    pin_variants("leg_sources", &sources);
    let kinds = [ReportKind::Session, ReportKind::Interval, ReportKind::Alert];
    pin_variants("report_kinds", &kinds);
    pin_variants("registration_states", State::ALL);
    let causes = [Cause::State, Cause::Facts, Cause::Hour, Cause::CaptureEnd];
    pin_variants("registration_causes", &causes);
    let transports = [
        Transport::Other,
        Transport::Udp,
        Transport::Tcp,
        Transport::Tls,
        Transport::Ws,
        Transport::Wss,
    ];
    pin_variants("transports", &transports);
    pin_variants("peer_states", peer::State::ALL);
    let records =
        [Record::from(Cdr::default()), Registration::default().into(), Peer::default().into()];
    for (number, record) in records.iter().enumerate() {
        let bytes = postcard::to_stdvec(record).expect("encodes");
        assert_eq!(usize::from(bytes[0]), number, "a kind of record has moved");
    }
    let directions = [Direction::CallerToCallee, Direction::CalleeToCaller, Direction::Unknown];
    pin_variants("directions", &directions);
    let methods = [
        Method::Other,
        Method::Invite,
        Method::Ack,
        Method::Bye,
        Method::Cancel,
        Method::Register,
        Method::Options,
        Method::Prack,
        Method::Subscribe,
        Method::Notify,
        Method::Publish,
        Method::Info,
        Method::Refer,
        Method::Message,
        Method::Update,
    ];
    pin_variants("methods", &methods);
    let why = || "it did not reach the cloud".to_owned();
    let progress = [
        Progress::Checking,
        Progress::OnTrial,
        Progress::Done,
        Progress::RolledBack { why: why() },
        Progress::Refused { why: why() },
    ];
    pin_variants("progress", &progress);
    pin_variants("refusals", &Refusal::ALL);
    pin_variants("actions", &Action::ALL);
    pin_variants("ways", &[Way::Relay, Way::Direct]);
}

/// Every failure's sentence names something to do or to expect, and its code is its own.
#[test]
fn every_failure_has_a_code_and_a_sentence_of_its_own() {
    let failures = failures();
    let codes: std::collections::BTreeSet<_> = failures.iter().map(Failure::code).collect();
    let sentences: std::collections::BTreeSet<_> = failures.iter().map(Failure::sentence).collect();
    assert_eq!((codes.len(), sentences.len()), (failures.len(), failures.len()));
}
