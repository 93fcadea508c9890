//! What a call costs on the wire: batches of 100 calls with random identities.
//!
//! TLS records and HTTP heads are added as they are on the uplink: one request of one batch.

use core::net::SocketAddr;

use ringside_protocol::cdr::*;
use ringside_protocol::envelope::seal;
use ringside_protocol::message::Batch;
use ringside_protocol::registration::{Cause, Registration, State, Transport};
use ringside_protocol::time::UnixMicros;

/// Request and response heads, and TLS records around both: measured on the uplink's own requests
/// and rounded up.
const HTTP_AND_TLS_BYTES: usize = 700;

/// SplitMix64: the test needs noise that is the same everywhere, not secrecy.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn narrow(&mut self, bound: u16) -> u16 {
        u16::try_from(self.below(u64::from(bound))).expect("below a u16")
    }
}

fn call(noise: &mut Noise, number: u64, seconds: u64) -> Cdr {
    let address = |noise: &mut Noise, port: u16| {
        let host = u8::try_from(noise.below(200)).expect("below 200");
        SocketAddr::from(([192, 0, 2, host], port))
    };
    let agents = ["Yealink SIP-T46S 66.85.0.5", "snomD785/10.1.54.13", "Asterisk PBX 20.9.3"];
    let names = ["Anna Berg", "Reception", "Carlos Ortega", "Support Desk 2"];
    let party = |noise: &mut Noise| Party {
        user: format!("+4930{:07}", noise.below(10_000_000)),
        host: "pbx.example.net".to_owned(),
        display: Some(names[usize::from(noise.narrow(4))].to_owned()),
    };
    let media_port = |noise: &mut Noise| 10_000 + 2 * noise.narrow(10_000);
    let (a, b) = (media_port(noise), media_port(noise));
    let addresses =
        vec![address(noise, 5060), address(noise, 5060), address(noise, a), address(noise, b)];
    let answered = 2_000_000 + noise.below(9_000_000);
    let ended = answered + seconds * 1_000_000 + noise.below(1_000_000);
    let event = |after, code: Option<u16>, cseq, method| {
        let (src, dst) = if code.is_some() { (1, 0) } else { (0, 1) };
        let message = code.map_or(SipMessage::Request, SipMessage::Response);
        SipEvent { after, src, dst, message, cseq, method }
    };
    let cseq = 1 + u32::from(noise.narrow(30_000));
    let ringing = 300_000 + noise.below(900_000);
    let trying = 500 + noise.below(9_000);
    let sip = vec![
        event(0, None, cseq, Method::Invite),
        event(400 + noise.below(9_000), Some(401), cseq, Method::Invite),
        event(300 + noise.below(900), None, cseq, Method::Ack),
        event(200 + noise.below(900), None, cseq + 1, Method::Invite),
        event(trying, Some(100), cseq + 1, Method::Invite),
        event(ringing, Some(180), cseq + 1, Method::Invite),
        event(answered - ringing, Some(200), cseq + 1, Method::Invite),
        event(900 + noise.below(9_000), None, cseq + 1, Method::Ack),
        event(ended - answered, None, cseq + 2, Method::Bye),
        event(700 + noise.below(9_000), Some(200), cseq + 2, Method::Bye),
    ];
    let score = |noise: &mut Noise| {
        Some(Score { mos: 380 + noise.narrow(60), r: 800 + noise.narrow(130), discarded: 0 })
    };
    let mut stream = |src, dst, direction| {
        let packets = u32::try_from(seconds * 50).expect("hours") - u32::from(noise.narrow(9));
        let lost = u32::from(noise.narrow(9));
        Stream {
            src,
            dst,
            ssrc: u32::try_from(noise.below(1 << 32)).expect("32 bits"),
            payload_type: 8,
            encoding_name: "PCMA".to_owned(),
            clock_rate: Some(8000),
            direction,
            first: answered + noise.below(90_000),
            length: seconds * 1_000_000 - noise.below(90_000),
            packets,
            bytes: u64::from(packets) * 160,
            expected: packets + lost,
            lost,
            jitter_mean: Some(100 + u32::from(noise.narrow(4_000))),
            jitter_max: Some(900 + u32::from(noise.narrow(20_000))),
            delta_max: Some(20_000 + u32::from(noise.narrow(60_000))),
            burst_r: Some(100),
            adaptive: score(noise),
            fixed_50: score(noise),
            fixed_200: score(noise),
            scale: Scale::Narrowband,
            rtcp: Some(Rtcp {
                reports: u32::try_from(seconds / 5).expect("hours"),
                fraction_lost: 0,
                cumulative_lost: i32::from(noise.narrow(9)),
                interarrival_jitter: u32::from(noise.narrow(400)),
                round_trip: Some(u32::from(noise.narrow(60_000))),
            }),
            intervals: (0..seconds / INTERVAL_SECONDS)
                .map(|_| Interval {
                    packets: 498 + noise.narrow(3),
                    lost: noise.narrow(2),
                    jitter: 1 + noise.narrow(40),
                    mos: 420 + noise.narrow(20),
                })
                .collect(),
            dscp: 46,
            ptime: Some(20),
            ..Stream::default()
        }
    };
    let streams =
        vec![stream(2, 3, Direction::CallerToCallee), stream(3, 2, Direction::CalleeToCaller)];
    let call_id = format!("{:016x}{:016x}", noise.next(), noise.next());
    let callee = party(noise);
    Cdr {
        number,
        flags: flags::AUTHENTICATED,
        first_at: UnixMicros(
            1_795_420_859_000_000 + number * 15_000_000 / 1000 + noise.below(9_999),
        ),
        start: Some(0),
        ringing: Some(ringing),
        answered: Some(answered),
        ended,
        session_request_delay: Some(ringing),
        call_id,
        caller: party(noise),
        request_uri: Some(format!("sip:{}@pbx.example.net", callee.user)),
        callee,
        addresses,
        src: 0,
        dst: 1,
        status: Some(Status { code: 200, reason_phrase: String::new() }),
        ended_by: EndedBy::Caller,
        caller_agent: Some(agents[usize::from(noise.narrow(3))].to_owned()),
        callee_agent: Some(agents[usize::from(noise.narrow(3))].to_owned()),
        sip,
        streams,
        ..Cdr::default()
    }
}

fn bytes_a_call(seconds: u64) -> usize {
    let mut noise = Noise(seconds);
    let cdrs = (1..=100).map(|number| call(&mut noise, number, seconds));
    let sealed = seal(&Batch::new(Boot([7; 16]), cdrs)).expect("seals");
    (sealed.len() + HTTP_AND_TLS_BYTES).div_ceil(100)
}

fn registration(noise: &mut Noise, number: u64) -> Registration {
    let host = noise.below(200);
    let user = format!("{}", 4000 + noise.below(2000));
    let agents =
        ["Yealink SIP-T46S 66.85.0.5", "snomD785/10.1.54.13", "Grandstream GXP2170 1.0.11"];
    Registration {
        number,
        first_at: UnixMicros(1_795_420_859_000_000 + number * 31_000_000 + noise.below(9_999)),
        made: noise.below(3_600_000_000),
        state: State::Registered,
        cause: Cause::Hour,
        state_seconds: u32::from(noise.narrow(60_000)),
        granted_seconds_ago: Some(u32::from(noise.narrow(300))),
        contact: format!("sip:{user}@192.0.2.{host}:5060;line={:08x}", noise.below(1 << 32)),
        aor: Party { user, host: "pbx.example.net".to_owned(), display: None },
        registrar: "pbx.example.net".to_owned(),
        user_agent: Some(agents[usize::from(noise.narrow(3))].to_owned()),
        registrar_agent: Some("Asterisk PBX 20.9.3".to_owned()),
        call_id: format!("{:016x}{:016x}", noise.next(), noise.next()),
        transport: Transport::Udp,
        src: format!("192.0.2.{host}:5060").parse().expect("an address"),
        dst: "198.51.100.1:5060".parse().expect("an address"),
        expires_asked: Some(600),
        expires_granted: Some(300),
        status: Some(Status { code: 200, reason_phrase: String::new() }),
        is_challenged: true,
        has_credentials: true,
        round_trip: Some(u32::from(noise.narrow(60_000))),
        round_trip_max: Some(u32::from(noise.narrow(60_000))),
        granted: 12,
        ..Registration::default()
    }
}

#[test]
fn an_hour_of_a_registration_takes_at_most_200_bytes() {
    let mut noise = Noise(1);
    let records = (1..=100).map(|number| registration(&mut noise, number));
    let sealed = seal(&Batch::new(Boot([7; 16]), records)).expect("seals");
    let bytes = (sealed.len() + HTTP_AND_TLS_BYTES).div_ceil(100);
    println!("registrations: {bytes} bytes a record");
    assert!(bytes <= 200, "{bytes} bytes a record");
}

#[test]
fn a_call_of_thirty_seconds_takes_at_most_400_bytes() {
    let bytes = bytes_a_call(30);
    println!("30 s calls: {bytes} bytes a call");
    assert!(bytes <= 400, "{bytes} bytes a call");
}

#[test]
fn an_hour_with_all_its_intervals_takes_at_most_4_kib() {
    let bytes = bytes_a_call(3600);
    println!("1 h calls: {bytes} bytes a call");
    assert!(bytes <= 4096, "{bytes} bytes a call");
}
