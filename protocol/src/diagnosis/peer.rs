//! What becomes of requests outside calls, in sentences: who does not answer, what is refused and
//! why, and what to do.

use core::net::SocketAddr;

use super::words::{count, repeated};
use super::{Finding, Severity, finding, seconds};
use crate::cdr::{Method, Offset, usual_reason_phrase};
use crate::peer::{Peer, State};

/// An answer that takes longer is worth a sentence, microseconds.
pub const SLOW_ANSWER_MICROS: u32 = 1_000_000;

/// From this share of unanswered requests on, of one that answers all the same, people may notice,
/// 1/1000.
pub const UNANSWERED_NOTABLE_PERMILLE: u64 = 20;

/// Everything worth saying about a peer relation, the most severe first; never empty.
#[must_use]
pub fn peer(peer: &Peer) -> Vec<Finding> {
    let it = peer;
    let mut found = vec![match it.state {
        State::Silent if it.unanswered_in_a_row == 0 => {
            let sentence = format!("The capture ended before {} answered.", host(it.dst));
            finding(Severity::Info, sentence, vec![])
        }
        State::Silent => silent(it),
        State::Refusing => refusing(it),
        State::Answering => answering(it),
    }];
    if it.state != State::Silent {
        found.extend(was_silent(it));
        found.extend(some_unanswered(it));
        let between = format!("{} and {}", host(it.src), host(it.dst));
        found.extend(repeated("Requests", &between, it.retransmissions));
    }
    if let Some(round_trip) = it.round_trip
        && round_trip.max >= SLOW_ANSWER_MICROS
    {
        let sentence =
            format!("{} answers slowly: look at its load and at the path to it.", host(it.dst));
        let evidence = format!(
            "{} from request to answer on average, up to {}",
            seconds(u64::from(round_trip.mean)),
            seconds(u64::from(round_trip.max))
        );
        found.push(finding(Severity::Warning, sentence, vec![evidence]));
    }
    found.sort_by_key(|finding| core::cmp::Reverse(finding.severity));
    found
}

fn answering(it: &Peer) -> Finding {
    let sentence = match it.method {
        Method::Message => format!("{} was accepted.", asked(it)),
        _ => format!("{} answers {} of {}.", host(it.dst), asked(it), host(it.src)),
    };
    // Whoever refuses OPTIONS is there all the same.
    let refusal = it.status.as_ref().filter(|status| status.code >= 300);
    let evidence = refusal.map(|status| format!("with {} {}", status.code, status.phrase()));
    finding(Severity::Ok, sentence, evidence.into_iter().collect())
}

fn silent(it: &Peer) -> Finding {
    let (dst, what) = (host(it.dst), asked(it));
    let of = match it.method {
        Method::Message => String::new(),
        _ => format!(" of {}", host(it.src)),
    };
    let since = moment(it, it.state_since);
    let requests = count(it.unanswered_in_a_row, "request");
    let (severity, sentence) = match it.answered_before {
        Some(_) => (
            Severity::Problem,
            format!(
                "{dst} has not answered {what}{of} since {since} ({requests}): check that it is \
                 running and reachable, and that no firewall drops SIP."
            ),
        ),
        // Who was never there may be what somebody has tried at random.
        None => (
            Severity::Warning,
            format!(
                "{dst} has never answered {what}{of}, since {since} ({requests}): check the \
                 address, that it is running and reachable, and that the mirror port shows both \
                 directions."
            ),
        ),
    };
    let evidence = it.answered_before.map(|before| format!("last answer {}", moment(it, before)));
    finding(severity, sentence, evidence.into_iter().collect())
}

fn refusing(it: &Peer) -> Finding {
    let Some(status) = &it.status else {
        return finding(Severity::Warning, format!("{} is refused.", asked(it)), vec![]);
    };
    let code = status.code;
    let severity = match it.method {
        Method::Options | Method::Message => Severity::Problem,
        _ => Severity::Warning,
    };
    let who = match it.method {
        Method::Message => format!("{} was refused", asked(it)),
        _ => format!("{} of {} is refused by {}", asked(it), host(it.src), host(it.dst)),
    };
    let name = match usual_reason_phrase(code) {
        "" => String::new(),
        name => format!(" ({name})"),
    };
    let sentence = format!("{who} with {code}{name}: {}", reason(it, code));
    let mut evidence = Vec::new();
    if !status.reason_phrase.is_empty() {
        evidence.push(format!("it says \"{}\"", status.reason_phrase));
    }
    let refused = refusals(it);
    if refused > 1 {
        evidence.push(format!("{refused} of {} refused", count(it.requests, "request")));
    }
    finding(severity, sentence, evidence)
}

/// Why it was refused, and what to do: the end of a sentence.
fn reason(it: &Peer, code: u16) -> String {
    let (src, dst) = (host(it.src), host(it.dst));
    let callee = match it.to.as_deref() {
        Some(user) if !user.is_empty() => user,
        _ => "the callee",
    };
    let text = match (code, it.method) {
        (401 | 407, _) if it.has_credentials => {
            return format!("give {src} and {dst} the same password.");
        }
        (401 | 407, _) => {
            return format!(
                "it asks for a password and gets none, so enter user name and password in {src}, or \
                 let {src} ask without one."
            );
        }
        (403, _) => return format!("{src} may not ask this, so look at the access list of {dst}."),
        (404 | 410 | 604, Method::Message) => {
            return format!(
                "{dst} does not know {callee}: correct the number, or create it there."
            );
        }
        (404 | 410 | 604, _) => {
            "what it is about (a mailbox, an extension) does not exist there: create it, or have it \
             no longer asked for."
        }
        (405 | 501, _) => {
            let method = it.method.as_str();
            return format!("{dst} takes no {method}: switch it off in {src}, or on in {dst}.");
        }
        (408 | 430 | 480 | 504, Method::Message) => {
            return format!("{callee} was not reached: see whether that phone is registered.");
        }
        (408 | 430 | 480 | 502 | 504, _) => {
            "a proxy got no answer in time, so look at what stands behind it."
        }
        (412, _) => {
            "the state published before is no longer known there, so it has to be published anew; \
             once after a restart that is usual."
        }
        (413 | 513, _) => "the message is too large: use TCP, or send less.",
        (415 | 488 | 606, _) => "what the message carries is not read there: send another format.",
        (423, _) => return format!("{src} asks for too short a time: set a longer expiry there."),
        (481, Method::Notify) => {
            return format!(
                "{dst} does not know the subscription any more, as after a restart; if it goes on, \
                 {src} keeps subscriptions that nobody has."
            );
        }
        (481, _) => {
            "the subscription is no longer known there, as after a restart: it has to begin anew."
        }
        (489, _) => {
            let event = it.event.as_deref().unwrap_or("this");
            let offers = match it.allow_events.as_deref() {
                Some(events) if !events.is_empty() => format!(", only {events}"),
                _ => String::new(),
            };
            return format!(
                "{dst} does not offer {event}{offers}: switch the subscription off in {src}, or the \
                 event package on in {dst}."
            );
        }
        (500 | 503, _) => "it is overloaded or out of service, so look at it.",
        (600 | 603, Method::Message) => return format!("{callee} does not take messages."),
        (300..=399, _) => "it names another address, and nothing was seen to go there.",
        _ => "look at its log.",
    };
    text.to_owned()
}

/// Silence that is over.
fn was_silent(it: &Peer) -> Option<Finding> {
    let silences = it.changes.iter().enumerate().filter(|(_, it)| it.state == State::Silent);
    let evidence: Vec<_> = silences
        .map(|(number, began)| {
            let ended = it.changes.get(number + 1).map_or(it.state_since, |next| next.before);
            format!("from {} to {}", moment(it, began.before), moment(it, ended))
        })
        .collect();
    // A silence that the record before told of.
    let came_back = it.changes.first().filter(|first| first.state != State::Silent);
    let sentence = match (evidence.is_empty(), came_back) {
        (false, _) => format!("{} was silent meanwhile, and answers again.", host(it.dst)),
        (true, Some(change)) if it.unanswered > 0 => {
            format!("{} answers again since {}.", host(it.dst), moment(it, change.before))
        }
        _ => return None,
    };
    let severity = if evidence.is_empty() { Severity::Info } else { Severity::Warning };
    Some(finding(severity, sentence, evidence))
}

fn some_unanswered(it: &Peer) -> Option<Finding> {
    if it.unanswered == 0 || it.requests == 0 {
        return None;
    }
    let permille = u64::from(it.unanswered) * 1000 / u64::from(it.requests);
    let severity =
        if permille >= UNANSWERED_NOTABLE_PERMILLE { Severity::Warning } else { Severity::Info };
    let sentence = format!(
        "{} of {} to {} were not answered.",
        it.unanswered,
        count(it.requests, "request"),
        host(it.dst)
    );
    Some(finding(severity, sentence, vec![]))
}

/// Final responses since the record before that refuse.
fn refusals(it: &Peer) -> u32 {
    it.answers[1..].iter().fold(0, |sum, &count| sum.saturating_add(count))
}

/// `OPTIONS`, `SUBSCRIBE message-summary`, `MESSAGE from 201 to 305`.
fn asked(it: &Peer) -> String {
    let method = it.method.as_str();
    if it.method == Method::Message {
        let named = |user: &Option<String>| match user.as_deref() {
            Some(user) if !user.is_empty() => user.to_owned(),
            _ => "?".to_owned(),
        };
        return format!("{method} from {} to {}", named(&it.from), named(&it.to));
    }
    match it.event.as_deref() {
        Some(event) if !event.is_empty() => format!("{method} {event}"),
        _ => method.to_owned(),
    }
}

/// An address, without the port that is everybody's.
fn host(address: SocketAddr) -> String {
    if address.port() == 5060 { address.ip().to_string() } else { address.to_string() }
}

/// A moment that is told by how long before the record it was, as in `2026-11-24T10:02:11Z`.
fn moment(it: &Peer, before: Offset) -> String {
    it.before_made(before).to_the_second()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cdr::Status;
    use crate::peer::{Change, RoundTrip};
    use crate::time::UnixMicros;

    const SECOND: u64 = 1_000_000;

    /// Made at 10:04:11 of 2026-11-24.
    fn relation(method: Method, state: State) -> Peer {
        Peer {
            first_at: UnixMicros(1_795_514_400 * SECOND),
            made: 251 * SECOND,
            state,
            method,
            src: "192.0.2.1:5060".parse().unwrap(),
            dst: "192.0.2.5:5060".parse().unwrap(),
            requests: 20,
            ..Peer::default()
        }
    }

    fn refused(method: Method, code: u16) -> Peer {
        Peer {
            status: Some(Status { code, reason_phrase: String::new() }),
            from: Some("201".to_owned()),
            to: Some("305".to_owned()),
            event: Some("message-summary".to_owned()),
            ..relation(method, State::Refusing)
        }
    }

    fn first(peer: &Peer) -> (Severity, String) {
        let first = super::peer(peer).swap_remove(0);
        (first.severity, first.sentence)
    }

    #[test]
    fn silence_is_told_with_its_beginning_and_its_length() {
        let mut it = Peer {
            state_since: 120 * SECOND,
            answered_before: Some(150 * SECOND),
            unanswered_in_a_row: 12,
            ..relation(Method::Options, State::Silent)
        };
        let (severity, sentence) = first(&it);
        assert_eq!(severity, Severity::Problem);
        assert!(
            sentence.starts_with(
                "192.0.2.5 has not answered OPTIONS of 192.0.2.1 since 2026-11-24T10:02:11Z (12 \
                 requests)"
            ),
            "{sentence}"
        );
        assert_eq!(super::peer(&it)[0].evidence, ["last answer 2026-11-24T10:01:41Z"]);
        it.state_since = 86_400 * SECOND;
        it.dst.set_port(5080);
        assert!(first(&it).1.contains("192.0.2.5:5080"));
        assert!(first(&it).1.contains("since 2026-11-23T10:04:11Z"), "{}", first(&it).1);
        it.answered_before = None;
        let (severity, sentence) = first(&it);
        assert_eq!(severity, Severity::Warning);
        assert!(sentence.contains("has never answered"), "{sentence}");
        it.unanswered_in_a_row = 0;
        assert_eq!(first(&it).1, "The capture ended before 192.0.2.5:5080 answered.");
    }

    #[test]
    fn a_refusal_names_who_and_what_and_what_to_do() {
        assert_eq!(
            first(&refused(Method::Message, 404)),
            (
                Severity::Problem,
                "MESSAGE from 201 to 305 was refused with 404 (Not Found): 192.0.2.5 does not know \
                 305: correct the number, or create it there."
                    .to_owned()
            )
        );
        let mut it = refused(Method::Subscribe, 489);
        it.allow_events = Some("dialog, presence".to_owned());
        assert_eq!(
            first(&it).1,
            "SUBSCRIBE message-summary of 192.0.2.1 is refused by 192.0.2.5 with 489 (Bad Event): \
             192.0.2.5 does not offer message-summary, only dialog, presence: switch the \
             subscription off in 192.0.2.1, or the event package on in 192.0.2.5."
        );
        let mut it = refused(Method::Publish, 401);
        assert!(first(&it).1.contains("gets none"));
        it.has_credentials = true;
        assert!(first(&it).1.contains("the same password"));
    }

    #[test]
    fn every_refusal_has_a_sentence() {
        for method in
            [Method::Options, Method::Subscribe, Method::Notify, Method::Message, Method::Publish]
        {
            for code in 300..700 {
                let text = first(&refused(method, code)).1;
                assert!(text.ends_with('.') && !text.contains("  "), "{code}: {text}");
            }
        }
    }

    #[test]
    fn one_that_answers_again_is_told_with_the_silence() {
        let mut it = relation(Method::Options, State::Answering);
        assert_eq!(
            first(&it),
            (Severity::Ok, "192.0.2.5 answers OPTIONS of 192.0.2.1.".to_owned())
        );
        it.status = Some(Status { code: 404, reason_phrase: String::new() });
        assert_eq!(super::peer(&it)[0].evidence, ["with 404 Not Found"]);
        it.state_since = 30 * SECOND;
        it.unanswered = 1;
        it.changes = vec![
            Change { before: 120 * SECOND, state: State::Silent },
            Change { before: 30 * SECOND, state: State::Answering },
        ];
        let found = super::peer(&it);
        assert_eq!(found[0].sentence, "192.0.2.5 was silent meanwhile, and answers again.");
        assert_eq!(found[0].evidence, ["from 2026-11-24T10:02:11Z to 2026-11-24T10:03:41Z"]);
        assert_eq!(found[1].sentence, "1 of 20 requests to 192.0.2.5 were not answered.");
        assert_eq!(found[1].severity, Severity::Warning);
        it.changes.remove(0);
        it.requests = 200;
        let sentences: Vec<_> = super::peer(&it).into_iter().map(|it| it.sentence).collect();
        assert!(
            sentences.contains(&"192.0.2.5 answers again since 2026-11-24T10:03:41Z.".to_owned())
        );
    }

    #[test]
    fn slow_and_repeated_answers_are_notable() {
        let mut it = relation(Method::Notify, State::Answering);
        it.round_trip = Some(RoundTrip { min: 1, mean: 400_000, max: SLOW_ANSWER_MICROS });
        it.retransmissions = super::super::RETRANSMISSIONS_NOTABLE;
        let severities: Vec<_> = super::peer(&it).iter().map(|it| it.severity).collect();
        assert_eq!(severities, [Severity::Warning, Severity::Warning, Severity::Ok]);
    }
}
