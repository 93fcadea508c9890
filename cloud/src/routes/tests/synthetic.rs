//! Calls as they are in offices: mostly answered, some busy, few bad.

use ringside_protocol::cdr::{
    Cdr, Direction, EndedBy, Interval, Method, Party, Scale, Score, SipEvent, SipMessage, Status,
    Stream, flags,
};
use ringside_protocol::time::UnixMicros;

use super::SECOND;

/// SplitMix64: noise that is the same everywhere.
pub(crate) struct Noise(pub(crate) u64);

impl Noise {
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }

    fn narrow(&mut self, bound: u16) -> u16 {
        u16::try_from(self.below(u64::from(bound))).expect("below a u16")
    }
}

/// A call that ended at `ended_at`, of a kind that its number and the noise choose.
pub(crate) fn call(noise: &mut Noise, number: u64, ended_at: u64) -> Cdr {
    let seconds = 5 + noise.below(300);
    match noise.below(10) {
        0 => rejected(noise, number, ended_at, 486),
        1 => {
            let code = [404, 480, 503][usize::from(noise.narrow(3))];
            rejected(noise, number, ended_at, code)
        }
        2 => cancelled(noise, number, ended_at),
        3 => {
            let mos = 150 + noise.narrow(200);
            answered(noise, number, ended_at, seconds, mos)
        }
        _ => {
            let mos = 380 + noise.narrow(60);
            answered(noise, number, ended_at, seconds, mos)
        }
    }
}

/// An answered call with two streams of this MOS, 1/100.
pub(crate) fn answered(
    noise: &mut Noise,
    number: u64,
    ended_at: u64,
    seconds: u64,
    mos: u16,
) -> Cdr {
    let answered = 4 * SECOND;
    let mut cdr = attempt(noise, number, ended_at, answered + seconds * SECOND);
    cdr.answered = Some(answered);
    cdr.status = Some(Status { code: 200, reason_phrase: String::new() });
    cdr.ended_by = if noise.below(2) == 0 { EndedBy::Caller } else { EndedBy::Callee };
    cdr.sip.push(event(answered, 1, 0, SipMessage::Response(200)));
    let directions = [(2, 3, Direction::CallerToCallee), (3, 2, Direction::CalleeToCaller)];
    cdr.streams = directions
        .into_iter()
        .map(|(src, dst, direction)| stream(src, dst, direction, answered, seconds, mos))
        .collect();
    cdr
}

/// A call that was refused with `code`.
pub(crate) fn rejected(noise: &mut Noise, number: u64, ended_at: u64, code: u16) -> Cdr {
    let mut cdr = attempt(noise, number, ended_at, SECOND / 2);
    cdr.status = Some(Status { code, reason_phrase: String::new() });
    cdr.ended_by = EndedBy::Rejected;
    cdr.sip.push(event(SECOND / 2, 1, 0, SipMessage::Response(code)));
    cdr
}

/// A call that the caller gave up.
pub(crate) fn cancelled(noise: &mut Noise, number: u64, ended_at: u64) -> Cdr {
    let mut cdr = attempt(noise, number, ended_at, 20 * SECOND);
    cdr.status = Some(Status { code: 487, reason_phrase: String::new() });
    cdr.ended_by = EndedBy::Cancelled;
    cdr
}

fn attempt(noise: &mut Noise, number: u64, ended_at: u64, ended: u64) -> Cdr {
    let host = u8::try_from(1 + noise.below(200)).expect("below 201");
    let port = 10_000 + 2 * noise.narrow(10_000);
    let party = |user: String| Party {
        user,
        host: "pbx.example.net".to_owned(),
        display: Some("Anna Berg".to_owned()),
    };
    Cdr {
        number,
        flags: flags::AUTHENTICATED,
        first_at: UnixMicros(ended_at - ended),
        start: Some(0),
        ringing: Some(ended.min(SECOND)),
        ended,
        session_request_delay: Some(ended.min(SECOND)),
        call_id: format!("{:016x}{number:08x}@pbx", noise.below(u64::MAX)),
        caller: party(format!("+4930{:07}", noise.below(10_000_000))),
        callee: party(format!("{:03}", 100 + noise.below(300))),
        request_uri: Some("sip:100@pbx.example.net".to_owned()),
        addresses: vec![
            ([192, 0, 2, host], 5060).into(),
            ([198, 51, 100, 1], 5060).into(),
            ([192, 0, 2, host], port).into(),
            ([198, 51, 100, 2], port).into(),
        ],
        src: 0,
        dst: 1,
        caller_agent: Some("Yealink SIP-T46S 66.85.0.5".to_owned()),
        callee_agent: Some("Asterisk PBX 20.9.3".to_owned()),
        sip: vec![event(0, 0, 1, SipMessage::Request)],
        ..Cdr::default()
    }
}

fn event(after: u64, src: u8, dst: u8, message: SipMessage) -> SipEvent {
    SipEvent { after, src, dst, message, cseq: 1, method: Method::Invite }
}

fn stream(src: u8, dst: u8, direction: Direction, first: u64, seconds: u64, mos: u16) -> Stream {
    let score = Some(Score { mos, r: mos * 2, discarded: 0 });
    let packets = u32::try_from(seconds * 50).expect("hours");
    Stream {
        src,
        dst,
        ssrc: u32::from(src) << 24 | 0x1234,
        payload_type: 8,
        encoding_name: "PCMA".to_owned(),
        clock_rate: Some(8000),
        direction,
        first,
        length: seconds * SECOND,
        packets,
        bytes: u64::from(packets) * 160,
        expected: packets,
        jitter_mean: Some(900),
        jitter_max: Some(4_000),
        delta_max: Some(30_000),
        adaptive: score,
        fixed_50: score,
        fixed_200: score,
        scale: Scale::Narrowband,
        intervals: (0..seconds / 10)
            .map(|_| Interval { packets: 500, lost: 0, jitter: 9, mos })
            .collect(),
        dscp: 46,
        ptime: Some(20),
        ..Stream::default()
    }
}
