//! Records of calls as an office has them, with random identities: what cannot be compressed away.

use core::net::SocketAddr;

use ringside_protocol::cdr::{
    Cdr, Direction, EndedBy, INTERVAL_SECONDS, Interval, Method, Party, Rtcp, Scale, Score,
    SipEvent, SipMessage, Status, Stream, flags,
};
use ringside_protocol::peer::{self, Peer, RoundTrip};
use ringside_protocol::record::{Cause, Transport};
use ringside_protocol::registration::{Registration, State};
use ringside_protocol::time::UnixMicros;

use crate::generate::Noise;

/// `count` answered calls of `seconds`, one every 15 ms from `began` on: 2 streams, 10 SIP messages,
/// user agents and display names; random 128-bit Call-IDs, numbers, SSRCs, ports and times.
#[must_use]
pub fn calls(count: u64, seconds: u64, began: UnixMicros) -> Vec<Cdr> {
    let mut noise = Noise(seconds);
    (1..=count).map(|number| call(&mut noise, began, number, seconds)).collect()
}

/// `count` records of phones that refresh every few minutes, each of an hour.
#[must_use]
pub fn registrations(count: u64, began: UnixMicros) -> Vec<Registration> {
    let mut noise = Noise(1);
    (1..=count).map(|number| registration(&mut noise, began, number)).collect()
}

/// `count` records of an hour each: half of them OPTIONS from a PBX to its phones, the others what
/// phones subscribe to.
#[must_use]
pub fn peers(count: u64, began: UnixMicros) -> Vec<Peer> {
    let mut noise = Noise(2);
    (1..=count).map(|number| peer(&mut noise, began, number)).collect()
}

fn narrow(noise: &mut Noise, bound: u16) -> u16 {
    u16::try_from(noise.below(u64::from(bound))).expect("below a u16")
}

fn call(noise: &mut Noise, began: UnixMicros, number: u64, seconds: u64) -> Cdr {
    let address = |noise: &mut Noise, port: u16| {
        let host = u8::try_from(noise.below(200)).expect("below 200");
        SocketAddr::from(([192, 0, 2, host], port))
    };
    let agents = ["Yealink SIP-T46S 66.85.0.5", "snomD785/10.1.54.13", "Asterisk PBX 20.9.3"];
    let names = ["Anna Berg", "Reception", "Carlos Ortega", "Support Desk 2"];
    let party = |noise: &mut Noise| Party {
        user: format!("+4930{:07}", noise.below(10_000_000)),
        host: "pbx.example.net".to_owned(),
        display: Some(names[usize::from(narrow(noise, 4))].to_owned()),
    };
    let media_port = |noise: &mut Noise| 10_000 + 2 * narrow(noise, 10_000);
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
    let cseq = 1 + u32::from(narrow(noise, 30_000));
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
        Some(Score { mos: 380 + narrow(noise, 60), r: 800 + narrow(noise, 130), discarded: 0 })
    };
    let mut stream = |src, dst, direction| {
        let packets = u32::try_from(seconds * 50).expect("hours") - u32::from(narrow(noise, 9));
        let lost = u32::from(narrow(noise, 9));
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
            jitter_mean: Some(100 + u32::from(narrow(noise, 4_000))),
            jitter_max: Some(900 + u32::from(narrow(noise, 20_000))),
            delta_max: Some(20_000 + u32::from(narrow(noise, 60_000))),
            burst_r: Some(100),
            adaptive: score(noise),
            fixed_50: score(noise),
            fixed_200: score(noise),
            scale: Scale::Narrowband,
            rtcp: Some(Rtcp {
                reports: u32::try_from(seconds / 5).expect("hours"),
                fraction_lost: 0,
                cumulative_lost: i32::from(narrow(noise, 9)),
                interarrival_jitter: u32::from(narrow(noise, 400)),
                round_trip: Some(u32::from(narrow(noise, 60_000))),
            }),
            intervals: (0..seconds / INTERVAL_SECONDS)
                .map(|_| Interval {
                    packets: 498 + narrow(noise, 3),
                    lost: narrow(noise, 2),
                    jitter: 1 + narrow(noise, 40),
                    mos: 420 + narrow(noise, 20),
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
        first_at: began.plus(number * 15_000 + noise.below(9_999)),
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
        caller_agent: Some(agents[usize::from(narrow(noise, 3))].to_owned()),
        callee_agent: Some(agents[usize::from(narrow(noise, 3))].to_owned()),
        sip,
        streams,
        ..Cdr::default()
    }
}

fn registration(noise: &mut Noise, began: UnixMicros, number: u64) -> Registration {
    let host = noise.below(200);
    let user = format!("{}", 4000 + noise.below(2000));
    let agents =
        ["Yealink SIP-T46S 66.85.0.5", "snomD785/10.1.54.13", "Grandstream GXP2170 1.0.11"];
    Registration {
        number,
        first_at: began.plus(number * 31_000_000 + noise.below(9_999)),
        made: noise.below(3_600_000_000),
        state: State::Registered,
        cause: Cause::Hour,
        state_seconds: u32::from(narrow(noise, 60_000)),
        granted_seconds_ago: Some(u32::from(narrow(noise, 300))),
        contact: format!("sip:{user}@192.0.2.{host}:5060;line={:08x}", noise.below(1 << 32)),
        aor: Party { user, host: "pbx.example.net".to_owned(), display: None },
        registrar: "pbx.example.net".to_owned(),
        user_agent: Some(agents[usize::from(narrow(noise, 3))].to_owned()),
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
        round_trip: Some(u32::from(narrow(noise, 60_000))),
        round_trip_max: Some(u32::from(narrow(noise, 60_000))),
        granted: 12,
        ..Registration::default()
    }
}

fn peer(noise: &mut Noise, began: UnixMicros, number: u64) -> Peer {
    let agents =
        ["Yealink SIP-T46S 66.85.0.5", "snomD785/10.1.54.13", "Grandstream GXP2170 1.0.11"];
    let events = ["message-summary", "dialog", "presence"];
    let phone = format!("192.0.2.{}:{}", noise.below(200), 5060 + noise.below(3));
    let (phone, pbx) =
        (phone.parse().expect("an address"), SocketAddr::from(([198, 51, 100, 1], 5060)));
    let phone_agent = Some(agents[usize::from(narrow(noise, 3))].to_owned());
    let pbx_agent = Some("Asterisk PBX 20.9.3".to_owned());
    let is_options = noise.below(2) == 0;
    let requests = if is_options { 60 } else { 1 + u32::from(narrow(noise, 6)) };
    let min = u32::from(narrow(noise, 9_000));
    let mean = min + u32::from(narrow(noise, 20_000));
    Peer {
        number,
        first_at: began.plus(number * 31_000_000 + noise.below(9_999)),
        last: 3_400_000_000 + noise.below(100_000_000),
        made: 3_500_000_000 + noise.below(100_000_000),
        state: peer::State::Answering,
        cause: Cause::Hour,
        state_since: noise.below(90_000_000_000),
        answered_before: Some(noise.below(60_000_000)),
        method: if is_options { Method::Options } else { Method::Subscribe },
        event: (!is_options).then(|| events[usize::from(narrow(noise, 3))].to_owned()),
        user_agent: if is_options { pbx_agent.clone() } else { phone_agent.clone() },
        peer_agent: if is_options { phone_agent } else { pbx_agent },
        transport: Transport::Udp,
        src: if is_options { pbx } else { phone },
        dst: if is_options { phone } else { pbx },
        requests,
        answers: [requests, 0, 0, 0, 0],
        status: Some(Status { code: 200, reason_phrase: String::new() }),
        round_trip: Some(RoundTrip { min, mean, max: mean + u32::from(narrow(noise, 60_000)) }),
        ..Peer::default()
    }
}
