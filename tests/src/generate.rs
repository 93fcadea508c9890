//! Captures of any size: N calls of a given length, so many at once, with loss at random, and the
//! truth about them.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io::{self, Write};

/// What to generate.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Calls in all.
    pub calls: u32,
    /// How long each talks, ms.
    pub talk_ms: u64,
    /// From one call's beginning to the next one's, microseconds.
    pub every_us: u64,
    /// Packets lost, of 1000.
    pub loss_permille: u64,
    /// Makes everything else.
    pub seed: u64,
    /// When the first call begins, microseconds since the epoch.
    pub start_us: u64,
}

/// What one call came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Truth {
    /// RTP packets written, by direction (caller's, callee's).
    pub packets: [u32; 2],
    /// RTP packets left out.
    pub lost: [u32; 2],
}

/// SplitMix64: noise that is the same everywhere.
#[derive(Clone, Debug)]
pub struct Noise(pub u64);

impl Noise {
    /// 64 bits.
    pub const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Less than `bound`.
    pub const fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}

const PTIME_US: u64 = 20_000;
const ANSWER_AFTER_US: u64 = 500_000;

/// Something that happens in a call. Ordered by time, then by call and step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Event {
    at: u64,
    call: u32,
    step: Step,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Invite,
    Trying,
    Ringing,
    Answer,
    Ack,
    /// A packet is sent.
    Rtp {
        side: u8,
        number: u32,
    },
    /// It comes by the tap.
    Seen {
        side: u8,
        number: u32,
    },
    Bye,
    ByeAnswer,
}

/// Writes a pcap file and says what each call came to.
///
/// # Errors
/// The writer's.
pub fn write(plan: &Plan, out: &mut impl Write) -> io::Result<Vec<Truth>> {
    out.write_all(&0xa1b2_c3d4u32.to_le_bytes())?;
    out.write_all(&[2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 1, 0, 0, 0])?;
    let mut truth = vec![Truth::default(); plan.calls as usize];
    let mut noise = Noise(plan.seed);
    let mut queue = BinaryHeap::new();
    let packets = u32::try_from(plan.talk_ms * 1000 / PTIME_US).unwrap_or(u32::MAX);
    let mut next_call = 0;
    loop {
        let starts_at = plan.start_us + u64::from(next_call) * plan.every_us;
        if next_call < plan.calls
            && queue.peek().is_none_or(|Reverse(event): &Reverse<Event>| event.at >= starts_at)
        {
            queue.push(Reverse(Event { at: starts_at, call: next_call, step: Step::Invite }));
            next_call += 1;
            continue;
        }
        let Some(Reverse(event)) = queue.pop() else { return Ok(truth) };
        let Event { at, call, step } = event;
        let mut then = |after: u64, step| queue.push(Reverse(Event { at: at + after, call, step }));
        match step {
            Step::Invite => then(2_000, Step::Trying),
            Step::Trying => then(40_000, Step::Ringing),
            Step::Ringing => then(ANSWER_AFTER_US, Step::Answer),
            Step::Answer => then(3_000, Step::Ack),
            Step::Ack => {
                then(500, Step::Rtp { side: 0, number: 0 });
                then(900, Step::Rtp { side: 1, number: 0 });
                then(u64::from(packets) * PTIME_US + 5_000, Step::Bye);
            }
            Step::Rtp { side, number } => {
                if number + 1 < packets {
                    then(PTIME_US, Step::Rtp { side, number: number + 1 });
                }
                let is_edge = number == 0 || number + 1 == packets;
                let counted = &mut truth[call as usize];
                if !is_edge && noise.below(1000) < plan.loss_permille {
                    counted.lost[usize::from(side)] += 1;
                    continue;
                }
                counted.packets[usize::from(side)] += 1;
                // Some jitter, less than the distance between two packets.
                then(noise.below(3_000), Step::Seen { side, number });
                continue;
            }
            Step::Seen { side, number } => {
                write_rtp(out, plan, call, side, number, at)?;
                continue;
            }
            Step::Bye => then(2_000, Step::ByeAnswer),
            Step::ByeAnswer => {}
        }
        write_sip(out, plan, call, step, at)?;
    }
}

/// The frames of a capture that [`write`] made.
#[must_use]
pub fn frames(capture: &[u8]) -> Vec<&[u8]> {
    let mut frames = Vec::new();
    // A file's head, then for each frame 16 bytes that hold its length twice.
    let mut rest = capture.get(24..).unwrap_or_default();
    while let Some((head, after)) = rest.split_at_checked(16) {
        let length = u32::from_le_bytes([head[8], head[9], head[10], head[11]]);
        let Some((frame, after)) = after.split_at_checked(length as usize) else { break };
        frames.push(frame);
        rest = after;
    }
    frames
}

fn host(call: u32, side: u8) -> [u8; 4] {
    let [_, _, high, low] = call.to_be_bytes();
    [10, 20 + side, high & 0x0f, low]
}

fn media_port(call: u32, side: u8) -> u16 {
    let [_, _, high, low] = call.to_be_bytes();
    10_000 + (u16::from_be_bytes([high, low]) % 5_000) * 4 + u16::from(side) * 2
}

fn write_rtp(
    out: &mut impl Write,
    plan: &Plan,
    call: u32,
    side: u8,
    number: u32,
    at: u64,
) -> io::Result<()> {
    let mut payload = [0xd5u8; 172];
    let [a, b, c, d, e, f, ..] = Noise(plan.seed ^ u64::from(call)).next().to_le_bytes();
    let seed = u32::from_le_bytes([a, b, c, d]);
    payload[0] = 0x80;
    payload[1] = 8 | if number == 0 { 0x80 } else { 0 };
    let [low, high, ..] = number.to_le_bytes();
    let sequence = u16::from_le_bytes([e, f]).wrapping_add(u16::from_le_bytes([low, high]));
    payload[2..4].copy_from_slice(&sequence.to_be_bytes());
    payload[4..8].copy_from_slice(&seed.wrapping_add(number.wrapping_mul(160)).to_be_bytes());
    let ssrc = seed.rotate_left(7) ^ (u32::from(side) << 31);
    payload[8..12].copy_from_slice(&ssrc.to_be_bytes());
    let mut noise = Noise(u64::from(ssrc) << 32 | u64::from(number));
    for chunk in payload[12..].chunks_mut(8) {
        chunk.copy_from_slice(&noise.next().to_le_bytes()[..chunk.len()]);
    }
    let other = 1 - side;
    write_udp(
        out,
        at,
        (host(call, side), media_port(call, side)),
        (host(call, other), media_port(call, other)),
        &payload,
    )
}

fn write_sip(out: &mut impl Write, plan: &Plan, call: u32, step: Step, at: u64) -> io::Result<()> {
    let (start, cseq, is_caller, has_sdp) = match step {
        Step::Invite => ("INVITE sip:b@b.example SIP/2.0", "1 INVITE", true, true),
        Step::Trying => ("SIP/2.0 100 Trying", "1 INVITE", false, false),
        Step::Ringing => ("SIP/2.0 180 Ringing", "1 INVITE", false, false),
        Step::Answer => ("SIP/2.0 200 OK", "1 INVITE", false, true),
        Step::Ack => ("ACK sip:b@b.example SIP/2.0", "1 ACK", true, false),
        Step::Bye => ("BYE sip:b@b.example SIP/2.0", "2 BYE", true, false),
        Step::ByeAnswer => ("SIP/2.0 200 OK", "2 BYE", false, false),
        Step::Rtp { .. } | Step::Seen { .. } => return Ok(()),
    };
    let side = u8::from(!is_caller);
    let ip = |side| host(call, side).map(|byte| byte.to_string()).join(".");
    let body = if has_sdp {
        format!(
            "v=0\r\no=- 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\n\
             m=audio {} RTP/AVP 8 101\r\na=rtpmap:8 PCMA/8000\r\n\
             a=rtpmap:101 telephone-event/8000\r\na=ptime:20\r\n",
            media_port(call, side),
            ip = ip(side),
        )
    } else {
        String::new()
    };
    let tag = if step == Step::Invite { "" } else { ";tag=b" };
    let branch = cseq.replace(' ', "");
    let agent = if is_caller { "User-Agent: Yealink SIP-T46S 66.85.0.5" } else { "Server: PBX 20" };
    let text = format!(
        "{start}\r\nVia: SIP/2.0/UDP {caller}:5060;branch=z9hG4bK{branch}{call}\r\n\
         From: \"Caller {call}\" <sip:+4930{call:07}@a.example>;tag=a{call}\r\n\
         To: <sip:+4940{call:07}@b.example>{tag}\r\nCall-ID: {seed:016x}{call:016x}@a.example\r\n\
         CSeq: {cseq}\r\nContact: <sip:a@{caller}>\r\nMax-Forwards: 70\r\n{agent}\r\n\
         {content}Content-Length: {len}\r\n\r\n{body}",
        caller = ip(0),
        seed = Noise(plan.seed ^ u64::from(call)).next(),
        content = if has_sdp { "Content-Type: application/sdp\r\n" } else { "" },
        len = body.len(),
    );
    let other = 1 - side;
    write_udp(out, at, (host(call, side), 5060), (host(call, other), 5060), text.as_bytes())
}

fn write_udp(
    out: &mut impl Write,
    at: u64,
    (src, src_port): ([u8; 4], u16),
    (dst, dst_port): ([u8; 4], u16),
    payload: &[u8],
) -> io::Result<()> {
    let udp_len = u16::try_from(8 + payload.len()).unwrap_or(u16::MAX);
    let mut frame = Vec::with_capacity(42 + payload.len());
    frame.extend([2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, 0x45, 0xb8]);
    frame.extend((20 + udp_len).to_be_bytes());
    frame.extend([0, 0, 0, 0, 64, 17, 0, 0]);
    frame.extend(src);
    frame.extend(dst);
    frame.extend(src_port.to_be_bytes());
    frame.extend(dst_port.to_be_bytes());
    frame.extend(udp_len.to_be_bytes());
    frame.extend([0, 0]);
    frame.extend(payload);
    let len = u32::try_from(frame.len()).unwrap_or(u32::MAX).to_le_bytes();
    let (seconds, micros) = (at / 1_000_000, at % 1_000_000);
    out.write_all(&u32::try_from(seconds).unwrap_or(u32::MAX).to_le_bytes())?;
    out.write_all(&u32::try_from(micros).unwrap_or(0).to_le_bytes())?;
    out.write_all(&len)?;
    out.write_all(&len)?;
    out.write_all(&frame)
}
