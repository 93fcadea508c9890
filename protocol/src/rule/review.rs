//! A rule against a call's record: what it would have kept, as far as the record tells.

use core::net::IpAddr;

use super::{Action, Condition, Domain, Keep, Media, Party, Place, Rule, Test, TextTest};
use crate::cdr::{Cdr, SipMessage, flags};

/// Bytes of a SIP message, where only their number is known: what calls of several vendors have on
/// average, with the headers below SIP.
const SIP_BYTES: u64 = 750;

/// Ethernet, IPv4, UDP and RTP headers of one packet.
const HEADER_BYTES: u64 = 14 + 20 + 8 + 12;

/// Whether the rule would have held; `None` where only a header that records do not have could
/// tell.
#[must_use]
pub fn would_hold(rule: &Rule, cdr: &Cdr) -> Option<bool> {
    rule.when.as_ref().map_or(Some(true), |when| condition(when, cdr))
}

/// Bytes that the rule would have kept of a call, roughly.
#[must_use]
pub fn bytes_kept(rule: &Rule, cdr: &Cdr) -> u64 {
    let Action::Keep(Keep { sip, rtp, .. }) = rule.action else { return 0 };
    let messages = cdr.sip.len() as u64 + u64::from(cdr.sip_omitted);
    let of_media: u64 = cdr
        .streams
        .iter()
        .map(|stream| {
            let headers = u64::from(stream.packets) * HEADER_BYTES;
            match rtp {
                Media::Nothing => 0,
                Media::Headers => headers,
                Media::Whole => headers + stream.bytes,
            }
        })
        .sum();
    of_media + if sip { messages * SIP_BYTES } else { 0 }
}

fn condition(when: &Condition, cdr: &Cdr) -> Option<bool> {
    match when {
        Condition::Test(test) => self::test(test, cdr),
        Condition::Not(inner) => condition(inner, cdr).map(|holds| !holds),
        Condition::All(parts) => combined(parts, cdr, false),
        Condition::Any(parts) => combined(parts, cdr, true),
    }
}

/// `decisive` in one part decides; otherwise one that cannot be told leaves the whole untold.
fn combined(parts: &[Condition], cdr: &Cdr, decisive: bool) -> Option<bool> {
    let mut is_told = true;
    for part in parts {
        match condition(part, cdr) {
            Some(holds) if holds == decisive => return Some(decisive),
            Some(_) => {}
            None => is_told = false,
        }
    }
    is_told.then_some(!decisive)
}

fn test(test: &Test, cdr: &Cdr) -> Option<bool> {
    Some(match test {
        Test::Header { .. } => return None,
        Test::Address { place, prefix } => {
            addresses(*place, cdr).any(|address| prefix.contains(address))
        }
        Test::Number { party, pattern } => {
            let asked = cdr.request_uri.as_deref().unwrap_or_default();
            let caller = cdr.caller.user.as_str();
            let callees = [cdr.callee.user.as_str(), user_of(asked)];
            let matches = |number: &str| pattern.matches(number.as_bytes());
            match party {
                Party::Caller => matches(caller),
                Party::Callee => callees.into_iter().any(matches),
                Party::Either => matches(caller) || callees.into_iter().any(matches),
            }
        }
        Test::Domain(domain) => {
            let asked = host_of(cdr.request_uri.as_deref().unwrap_or_default());
            [cdr.caller.host.as_str(), &cdr.callee.host, asked].iter().any(|h| is_in(domain, h))
        }
        Test::Agent(value) => {
            let agents = [&cdr.caller_agent, &cdr.callee_agent];
            agents.into_iter().flatten().any(|agent| text(value, agent))
        }
        Test::Method(method) => cdr
            .sip
            .iter()
            .any(|event| event.message == SipMessage::Request && event.method == *method),
        Test::Status(first, last) => {
            cdr.status.as_ref().is_some_and(|status| (*first..=*last).contains(&status.code))
        }
        Test::MosBelow(limit) => {
            cdr.worst(|stream| stream.adaptive).is_some_and(|(score, _)| score.mos < *limit)
        }
        Test::LossAbove(limit) => cdr.streams.iter().any(|stream| {
            let lost = u64::from(stream.lost) * 10_000;
            lost.checked_div(u64::from(stream.expected)).is_some_and(|l| l > u64::from(*limit))
        }),
        Test::OneWay => cdr.has(flags::ONE_WAY),
    })
}

fn addresses(place: Place, cdr: &Cdr) -> impl Iterator<Item = IpAddr> {
    let ends = |src, dst| [src, dst].into_iter().filter_map(|end| cdr.address(end));
    let sip = cdr.sip.iter().flat_map(move |event| ends(event.src, event.dst));
    let rtp = cdr.streams.iter().flat_map(move |stream| ends(stream.src, stream.dst));
    let of = move |wanted| place == Place::Anywhere || place == wanted;
    sip.filter(move |_| of(Place::Signalling))
        .chain(rtp.filter(move |_| of(Place::Media)))
        .map(|address| address.ip())
}

fn text(value: &TextTest, found: &str) -> bool {
    match value {
        TextTest::Exists => true,
        TextTest::Equals(text) => text.eq_ignore_ascii_case(found),
        TextTest::Contains(text) => found.to_ascii_lowercase().contains(&text.to_ascii_lowercase()),
        TextTest::Matches(expression) => {
            expression.compile().is_ok_and(|regex| regex.is_match(found.as_bytes()))
        }
    }
}

/// The user part of a URI.
fn user_of(uri: &str) -> &str {
    let rest = uri.split_once(':').map_or(uri, |(_, rest)| rest);
    match rest.split_once('@') {
        Some((user, _)) => user.split([';', ':']).next().unwrap_or_default(),
        None if uri.starts_with("tel:") => rest.split(';').next().unwrap_or_default(),
        None => "",
    }
}

/// The host part of a URI, with its port.
fn host_of(uri: &str) -> &str {
    let rest = uri.split_once(':').map_or(uri, |(_, rest)| rest);
    let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
    host.split([';', '?']).next().unwrap_or_default()
}

fn is_in(domain: &Domain, host: &str) -> bool {
    let port = host.rsplit_once(':').filter(|(_, port)| port.bytes().all(|b| b.is_ascii_digit()));
    let host = port.map_or(host, |(host, _)| host).to_ascii_lowercase();
    match host.strip_suffix(domain.host.as_str()) {
        Some("") => !domain.is_below,
        Some(below) => domain.is_below && below.ends_with('.'),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cdr::{Method, Party, SipEvent, Status, Stream};

    fn call() -> Cdr {
        Cdr {
            caller: Party {
                user: "+4930123".to_owned(),
                host: "A.example:5070".to_owned(),
                display: None,
            },
            callee: Party { user: "200".to_owned(), host: "b.example".to_owned(), display: None },
            request_uri: Some("sip:201;x=y@pbx.b.example:5060;user=phone".to_owned()),
            caller_agent: Some("Yealink T46".to_owned()),
            addresses: ["192.0.2.1:5060", "192.0.2.2:5060", "198.51.100.1:9000"]
                .map(|address| address.parse().unwrap())
                .to_vec(),
            sip: vec![SipEvent {
                after: 0,
                src: 0,
                dst: 1,
                message: SipMessage::Request,
                cseq: 1,
                method: Method::Invite,
            }],
            status: Some(Status { code: 486, reason_phrase: String::new() }),
            streams: vec![Stream {
                src: 2,
                dst: 1,
                packets: 100,
                bytes: 16_000,
                expected: 105,
                lost: 5,
                ..Stream::default()
            }],
            ..Cdr::default()
        }
    }

    #[test]
    fn a_record_answers_all_but_headers() {
        for (when, answer) in [
            ("caller = +4930*", Some(true)),
            ("callee = 201", Some(true)),
            ("number = 202", Some(false)),
            ("domain = a.example", Some(true)),
            ("domain = *.b.example", Some(true)),
            ("domain = *.a.example", Some(false)),
            ("agent contains \"yealink\"", Some(true)),
            ("agent ~ /T4[0-9]$/", Some(true)),
            ("media address = 198.51.100.0/24", Some(true)),
            ("signalling address = 198.51.100.0/24", Some(false)),
            ("method = INVITE", Some(true)),
            ("status = 4xx", Some(true)),
            ("loss > 4%", Some(true)),
            ("loss > 5%", Some(false)),
            ("mos < 5", Some(false)),
            ("one_way", Some(false)),
            ("header X exists", None),
            ("header X exists and one_way", Some(false)),
            ("header X exists or method = INVITE", Some(true)),
            ("not header X exists", None),
        ] {
            let rule = Rule::parse(&format!("keep sip when {when}")).unwrap();
            assert_eq!(would_hold(&rule, &call()), answer, "{when}");
        }
        assert_eq!(would_hold(&Rule::parse("keep sip").unwrap(), &call()), Some(true));
    }

    #[test]
    fn bytes_follow_what_is_kept() {
        let bytes = |text: &str| bytes_kept(&Rule::parse(text).unwrap(), &call());
        assert_eq!(bytes("keep sip"), SIP_BYTES);
        assert_eq!(bytes("keep rtp headers"), 100 * HEADER_BYTES);
        assert_eq!(bytes("keep sip, rtp"), SIP_BYTES + 100 * HEADER_BYTES + 16_000);
        assert_eq!(bytes("skip"), 0);
    }
}
