//! A call's figures turned into sentences with evidence.
//!
//! The sentences are made from the record alone, wherever it is shown, and never travel. Each
//! threshold is named here; a figure that is not known makes no sentence.

mod peer;
mod registration;
mod words;

pub use peer::{SLOW_ANSWER_MICROS, UNANSWERED_NOTABLE_PERMILLE, peer};
pub use registration::{SLOW_REGISTRAR_MICROS, registration};
pub use words::RETRANSMISSIONS_NOTABLE;

use crate::band::Band;
use crate::cdr::{Cdr, Direction, EndedBy, Score, Stream, flags, usual_reason_phrase};
use crate::words::plural;

pub mod media;

/// How much a finding matters, lowest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Nothing is wrong.
    Ok,
    /// Good to know.
    Info,
    /// People may have noticed.
    Warning,
    /// People have noticed.
    Problem,
}

impl Severity {
    /// As the API writes it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Problem => "problem",
        }
    }
}

/// One sentence and the figures it rests on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How much it matters.
    pub severity: Severity,
    /// What is so, and what to do where something can be done.
    pub sentence: String,
    /// The figures.
    pub evidence: Vec<String>,
}

/// Loss at or above this share is worth a sentence, 1/1000.
pub const LOSS_NOTABLE_PERMILLE: u64 = 10;
/// A gap between two packets that people hear, microseconds.
pub const GAP_NOTABLE_MICROS: u32 = 1_000_000;
/// A call set up slower than this is worth a sentence, microseconds.
pub const SLOW_SETUP_MICROS: u64 = 8_000_000;

/// Everything worth saying about a call, the most severe first; never empty.
#[must_use]
pub fn findings(cdr: &Cdr) -> Vec<Finding> {
    let mut found = Vec::new();
    if cdr.has(flags::CAPTURE_LOSS) {
        found.push(finding(
            Severity::Warning,
            "The sensor itself missed packets during this call: its loss figures are unreliable.",
            vec![match capture_lost(cdr) {
                0 => "see the drop counters on the sensor's page".to_owned(),
                lost => format!("{lost} RTP packets were lost while the sensor missed some"),
            }],
        ));
    }
    media::findings(cdr, &mut found);
    for stream in &cdr.streams {
        quality(cdr, stream, &mut found);
    }
    signalling(cdr, &mut found);
    found.push(how_it_ended(cdr));
    found.sort_by_key(|finding| core::cmp::Reverse(finding.severity));
    found
}

fn finding(severity: Severity, sentence: impl Into<String>, evidence: Vec<String>) -> Finding {
    Finding { severity, sentence: sentence.into(), evidence }
}

fn quality(cdr: &Cdr, stream: &Stream, found: &mut Vec<Finding>) {
    let lost_permille = u64::from(stream.lost) * 1000 / u64::from(stream.expected.max(1));
    let mut evidence = Vec::new();
    if lost_permille >= LOSS_NOTABLE_PERMILLE {
        let burst = match stream.burst_r {
            Some(burst_r) if burst_r >= 150 => ", in bursts",
            _ => "",
        };
        evidence.push(format!(
            "{} of {} packets lost ({}.{} %{burst})",
            stream.lost,
            stream.expected,
            lost_permille / 10,
            lost_permille % 10
        ));
    }
    if let Some(jitter) = stream.jitter_max
        && jitter >= 30_000
    {
        evidence.push(format!("jitter up to {} ms", jitter / 1000));
    }
    if let Some(gap) = stream.delta_max
        && gap >= GAP_NOTABLE_MICROS
    {
        evidence.push(format!("a gap of {}", seconds(u64::from(gap))));
    }
    let Some(Score { mos, discarded, .. }) = stream.adaptive else {
        if !evidence.is_empty() {
            let sentence = format!("The path of {} was disturbed.", arrow(cdr, stream));
            found.push(finding(Severity::Warning, sentence, evidence));
        }
        return;
    };
    if discarded > 0 {
        evidence.push(format!("{} too late for the jitter buffer", plural(discarded, "packet")));
    }
    let (severity, word) = match Band::of_mos(mos) {
        Band::NoAudio | Band::Degraded => (Severity::Problem, "degraded"),
        Band::Fair => (Severity::Warning, "fair"),
        Band::Good if lost_permille >= LOSS_NOTABLE_PERMILLE => (Severity::Info, "still good"),
        Band::Excellent if lost_permille >= LOSS_NOTABLE_PERMILLE => {
            (Severity::Info, "still excellent")
        }
        Band::Good | Band::Excellent => return,
    };
    let estimated = if stream.scale.is_estimate() { ", estimated" } else { "" };
    evidence.insert(0, format!("MOS {}.{:02}{estimated}", mos / 100, mos % 100));
    if stream.is_unreliable(cdr.flags) {
        // Said as what it is: nobody knows what the listener heard.
        let sentence = format!("Quality of {} cannot be judged.", arrow(cdr, stream));
        evidence.push("the sensor itself missed packets".to_owned());
        found.push(finding(Severity::Info, sentence, evidence));
        return;
    }
    let sentence = format!("Quality of {} was {word}.", arrow(cdr, stream));
    found.push(finding(severity, sentence, evidence));
}

fn capture_lost(cdr: &Cdr) -> u32 {
    let lost = cdr.streams.iter().filter_map(|stream| stream.capture_lost);
    lost.fold(0, u32::saturating_add)
}

fn signalling(cdr: &Cdr, found: &mut Vec<Finding>) {
    if cdr.retransmissions >= 3 {
        found.push(finding(
            Severity::Warning,
            "SIP messages had to be repeated: packets of the signalling path are lost or answered \
             late.",
            vec![format!("{} retransmissions", cdr.retransmissions)],
        ));
    }
    if let Some(delay) = cdr.session_request_delay
        && delay > SLOW_SETUP_MICROS
    {
        found.push(finding(
            Severity::Warning,
            "The caller waited long for a first answer.",
            vec![format!("{} from INVITE to ringing or final response", seconds(delay))],
        ));
    }
}

fn how_it_ended(cdr: &Cdr) -> Finding {
    let code = cdr.status.as_ref().map_or(0, |status| status.code);
    let phrase = cdr.status.as_ref().map_or("", |status| status.phrase());
    let answered = cdr.answered.is_some();
    let after = || seconds(cdr.duration().unwrap_or(0));
    match cdr.ended_by {
        EndedBy::Caller => {
            finding(Severity::Ok, format!("The caller hung up after {}.", after()), cause(cdr))
        }
        EndedBy::Callee => {
            finding(Severity::Ok, format!("The callee hung up after {}.", after()), cause(cdr))
        }
        EndedBy::Cancelled => finding(
            Severity::Info,
            format!("The caller gave up after {}.", seconds(cdr.ended)),
            vec![],
        ),
        EndedBy::Rejected => {
            let (severity, sentence) = rejection(code);
            finding(severity, sentence, vec![format!("final response {code} {phrase}")])
        }
        EndedBy::Timeout if answered => finding(
            Severity::Warning,
            format!("No BYE was seen: the media stopped after {}.", after()),
            vec![],
        ),
        EndedBy::Timeout => finding(
            Severity::Problem,
            "Nobody answered the INVITE: check that the destination is reachable.",
            vec![format!("{} without a final response", seconds(cdr.ended))],
        ),
        EndedBy::CaptureEnd => finding(
            Severity::Info,
            "The capture ended before the call did.",
            vec![format!("seen for {}", seconds(cdr.ended))],
        ),
    }
}

/// Why, as the one who hung up says.
fn cause(cdr: &Cdr) -> Vec<String> {
    cdr.q850_cause.map(|cause| format!("Q.850 cause {cause}")).into_iter().collect()
}

fn rejection(code: u16) -> (Severity, String) {
    let sentence = match code {
        401 | 407 => "The server asked for credentials and got none that it accepts.",
        403 => "The server does not allow this call: check the account and its rights.",
        404 | 410 | 604 => "The number does not exist.",
        408 => "The server got no answer from the callee's side in time.",
        480 => "The callee is not registered or not reachable.",
        484 => "The number is incomplete.",
        486 | 600 => "The callee was busy.",
        487 => "The call was cancelled before an answer.",
        488 | 606 => "The two sides found no common codec or media.",
        503 => "The server is overloaded or out of service.",
        603 => "The callee declined.",
        300..=399 => "The call was redirected.",
        _ => {
            let name = usual_reason_phrase(code);
            return (
                Severity::Warning,
                format!("The call failed with {code} {name}.").replace(" .", "."),
            );
        }
    };
    let severity = match code {
        486 | 600 | 603 | 487 | 300..=399 => Severity::Info,
        404 | 410 | 480 | 484 | 604 => Severity::Warning,
        _ => Severity::Problem,
    };
    (severity, sentence.to_owned())
}

fn arrow(cdr: &Cdr, stream: &Stream) -> String {
    let side = match stream.direction {
        Direction::CallerToCallee => "caller to callee",
        Direction::CalleeToCaller => "callee to caller",
        Direction::Unknown => "a stream",
    };
    match (cdr.address(stream.src), cdr.address(stream.dst)) {
        (Some(src), Some(dst)) => format!("{side} ({src} to {dst})"),
        _ => side.to_owned(),
    }
}

fn seconds(micros: u64) -> String {
    let millis = micros / 1000;
    match millis {
        0..10_000 => format!("{}.{} s", millis / 1000, millis % 1000 / 100),
        10_000..120_000 => format!("{} s", millis / 1000),
        _ => format!("{} min {} s", millis / 60_000, millis / 1000 % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cdr::{Scale, Status};

    pub(super) fn answered(ended_by: EndedBy) -> Cdr {
        Cdr {
            start: Some(0),
            answered: Some(1_000_000),
            ended: 31_000_000,
            ended_by,
            ..Cdr::default()
        }
    }

    fn stream(lost: u32, mos: u16) -> Stream {
        Stream {
            direction: Direction::CallerToCallee,
            first: 1_000_000,
            packets: 1000 - lost,
            expected: 1000,
            lost,
            scale: Scale::Narrowband,
            adaptive: Some(Score { mos, r: 500, discarded: 0 }),
            ..Stream::default()
        }
    }

    #[test]
    fn a_good_call_says_who_hung_up_and_nothing_else() {
        let mut cdr = answered(EndedBy::Callee);
        cdr.streams = vec![stream(0, 441)];
        let found = findings(&cdr);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].sentence, "The callee hung up after 30 s.");
        assert_eq!(found[0].severity, Severity::Ok);
    }

    #[test]
    fn one_way_audio_names_the_side_that_heard_nothing() {
        let mut cdr = answered(EndedBy::Caller);
        cdr.flags = flags::ONE_WAY;
        cdr.streams = vec![stream(0, 441)];
        assert!(findings(&cdr)[0].sentence.contains("the caller heard nothing"));
    }

    #[test]
    fn a_bad_stream_comes_first_with_its_figures() {
        let mut cdr = answered(EndedBy::Caller);
        cdr.streams = vec![stream(0, 441), stream(120, 231)];
        let found = findings(&cdr);
        assert_eq!(found[0].severity, Severity::Problem);
        assert_eq!(found[0].evidence[0], "MOS 2.31");
        assert_eq!(found[0].evidence[1], "120 of 1000 packets lost (12.0 %)");
    }

    #[test]
    fn an_estimated_mos_is_called_that() {
        let mut cdr = answered(EndedBy::Caller);
        cdr.streams = vec![Stream { scale: Scale::WidebandEstimate, ..stream(20, 350) }];
        assert_eq!(findings(&cdr)[0].evidence[0], "MOS 3.50, estimated");
    }

    #[test]
    fn loss_that_may_be_the_sensor_s_own_is_no_bad_quality() {
        let with = |capture_lost| {
            let mut cdr = answered(EndedBy::Caller);
            cdr.flags = flags::CAPTURE_LOSS;
            cdr.streams = vec![Stream { capture_lost, ..stream(120, 231) }];
            assert_eq!(cdr.is_unreliable(), capture_lost != Some(0));
            findings(&cdr)
        };
        for unreliable in [None, Some(100)] {
            let found = with(unreliable);
            assert!(found.iter().all(|finding| finding.severity < Severity::Problem), "{found:#?}");
            assert!(found.iter().any(|finding| finding.sentence.contains("cannot be judged")));
        }
        assert_eq!(with(Some(0))[0].severity, Severity::Problem, "this stream was seen whole");
    }

    #[test]
    fn busy_is_no_problem_and_no_answer_is() {
        let mut cdr = Cdr { ended_by: EndedBy::Rejected, ..Cdr::default() };
        cdr.status = Some(Status { code: 486, reason_phrase: String::new() });
        assert_eq!(findings(&cdr)[0].severity, Severity::Info);
        let unanswered = Cdr { ended_by: EndedBy::Timeout, ..Cdr::default() };
        assert_eq!(findings(&unanswered)[0].severity, Severity::Problem);
    }

    #[test]
    fn every_rejection_has_a_sentence() {
        for code in 300..700 {
            let (_, sentence) = rejection(code);
            assert!(sentence.ends_with('.') && !sentence.contains("  "), "{code}: {sentence}");
        }
    }
}
