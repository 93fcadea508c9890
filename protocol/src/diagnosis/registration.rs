//! What becomes of a registration, in sentences: why it fails, and what to do.

use super::words::{count, repeated, span};
use super::{Finding, Severity, finding, seconds};
use crate::cdr::usual_reason_phrase;
use crate::registration::{Cause, Registration, State};

/// A registrar that takes longer to answer is worth a sentence, microseconds.
pub const SLOW_REGISTRAR_MICROS: u32 = 1_000_000;

/// Everything worth saying about a registration, the most severe first; never empty.
#[must_use]
pub fn registration(registration: &Registration) -> Vec<Finding> {
    let it = registration;
    let mut found = vec![match it.state {
        State::Registered => registered(it),
        State::Failing if it.cause == Cause::CaptureEnd && it.failures_in_a_row == 0 => {
            finding(Severity::Info, "The capture ended before the registrar answered.", vec![])
        }
        State::Failing => failing(it),
        State::Expired => expired(it),
        State::Unregistered => finding(
            Severity::Info,
            "The phone logged out: it asked the registrar to forget it.",
            vec![],
        ),
    }];
    if let Some(slowest) = it.round_trip_max
        && slowest >= SLOW_REGISTRAR_MICROS
    {
        found.push(finding(
            Severity::Warning,
            "The registrar answers slowly: look at its load and at the path to it.",
            vec![format!("up to {} from REGISTER to answer", seconds(u64::from(slowest)))],
        ));
    }
    found.extend(repeated("REGISTERs", "phone and registrar", it.retransmissions));
    if it.cause == Cause::Facts {
        found.push(finding(
            Severity::Info,
            "The phone registered again with other facts than before: its address, transport, \
             program or expiry has changed.",
            vec![],
        ));
    }
    found.sort_by_key(|finding| core::cmp::Reverse(finding.severity));
    found
}

fn registered(it: &Registration) -> Finding {
    if it.failures > 0 {
        let attempts = count(it.failures, "attempt");
        let sentence =
            format!("Registered, after {attempts} that failed: calls to it failed meanwhile.");
        return finding(Severity::Warning, sentence, vec![]);
    }
    let sentence = match it.expires_granted {
        Some(expires) => format!("Registered for {} at a time.", span(expires)),
        None => "Registered.".to_owned(),
    };
    finding(Severity::Ok, sentence, vec![])
}

fn expired(it: &Registration) -> Finding {
    finding(
        Severity::Warning,
        "The phone did not register again before its time was over: it is switched off, has lost \
         its network, or what lies between keeps its packets back. Calls to it fail.",
        since_granted(it).into_iter().collect(),
    )
}

fn failing(it: &Registration) -> Finding {
    let code = it.status.as_ref().map_or(0, |status| status.code);
    let (severity, sentence) = reason(it, code);
    let mut evidence = Vec::new();
    if let Some(status) = &it.status {
        evidence.push(format!("final response {code} {}", status.phrase()).trim_end().to_owned());
    }
    if it.failures_in_a_row > 1 {
        evidence.push(format!("{} in a row", count(it.failures_in_a_row, "failed attempt")));
    }
    evidence.extend(since_granted(it));
    finding(severity, sentence, evidence)
}

/// Why an attempt failed, and what to do.
fn reason(it: &Registration, code: u16) -> (Severity, String) {
    let user = if it.aor.user.is_empty() { "this user" } else { it.aor.user.as_str() };
    let sentence = match code {
        0 => format!(
            "The registrar does not answer: check that {} is running and reachable from the phone, \
             and that no firewall drops SIP.",
            it.dst
        ),
        401 | 407 if it.has_credentials => format!(
            "The password is wrong: give the phone and the registrar the same password for {user}."
        ),
        401 | 407 => format!(
            "The registrar asks for a password and the phone sends none: enter user name and \
             password of {user} in the phone."
        ),
        403 if it.has_credentials => format!(
            "The registrar refuses the account: the password of {user} is wrong, or the account is \
             locked or may not be used from this address."
        ),
        403 => "The registrar does not let this address register: check its access list and \
                whether it has banned the address."
            .to_owned(),
        404 | 410 | 604 => format!(
            "The registrar does not know {user}: create the account, or correct the user name in \
             the phone."
        ),
        405 | 501 => format!(
            "{} takes no registrations: check the registrar's address in the phone.",
            it.dst
        ),
        408 | 504 => {
            "A proxy got no answer from the registrar in time: check the registrar behind \
                      it."
            .to_owned()
        }
        423 => match it.min_expires {
            Some(least) => format!(
                "The phone asks for too short a time: set its registration expiry to {} or more.",
                span(least)
            ),
            None => {
                "The phone asks for too short a time: set a longer registration expiry.".to_owned()
            }
        },
        500 | 503 => {
            "The registrar is overloaded or out of service: look at the registrar.".to_owned()
        }
        513 => {
            "The registrar finds the REGISTER too large: use TCP, or shorter headers.".to_owned()
        }
        300..=399 => {
            "The registrar sends the phone elsewhere, and no further attempt was seen.".to_owned()
        }
        _ => {
            let name = usual_reason_phrase(code);
            let sentence = format!("The registrar answers {code} {name}: look at its log.");
            return (Severity::Problem, sentence.replace(" :", ":"));
        }
    };
    (Severity::Problem, sentence)
}

fn since_granted(it: &Registration) -> Option<String> {
    Some(format!("last registered {} ago", span(it.granted_seconds_ago?)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cdr::{Party, Status};

    fn failing_with(code: u16) -> Registration {
        Registration {
            state: State::Failing,
            aor: Party { user: "4711".to_owned(), ..Party::default() },
            dst: "192.0.2.9:5060".parse().unwrap(),
            status: (code > 0).then(|| Status { code, reason_phrase: String::new() }),
            ..Registration::default()
        }
    }

    fn sentence(registration: &Registration) -> String {
        super::registration(registration).swap_remove(0).sentence
    }

    #[test]
    fn a_wrong_password_is_told_from_none() {
        let mut it = failing_with(401);
        assert!(sentence(&it).contains("sends none"));
        it.has_credentials = true;
        it.failures_in_a_row = 12;
        it.granted_seconds_ago = Some(5400);
        assert!(sentence(&it).starts_with("The password is wrong"));
        let evidence = super::registration(&it).swap_remove(0).evidence;
        assert_eq!(
            evidence,
            [
                "final response 401 Unauthorized",
                "12 failed attempts in a row",
                "last registered 1 h 30 min ago"
            ]
        );
    }

    #[test]
    fn silence_names_the_address_to_look_at() {
        assert!(sentence(&failing_with(0)).contains("192.0.2.9:5060"));
    }

    #[test]
    fn too_short_an_expiry_names_the_least() {
        let it = Registration { min_expires: Some(600), ..failing_with(423) };
        assert!(sentence(&it).contains("10 min or more"));
    }

    #[test]
    fn every_failure_has_a_sentence() {
        for code in (0..1).chain(300..700) {
            let text = sentence(&failing_with(code));
            assert!(text.ends_with('.') && !text.contains("  "), "{code}: {text}");
        }
    }

    #[test]
    fn a_healthy_registration_says_so_and_nothing_else() {
        let mut it = Registration {
            state: State::Registered,
            expires_granted: Some(3600),
            round_trip_max: Some(30_000),
            ..Registration::default()
        };
        let found = super::registration(&it);
        assert_eq!((found.len(), found[0].severity), (1, Severity::Ok));
        assert_eq!(found[0].sentence, "Registered for 1 h at a time.");
        it.round_trip_max = Some(SLOW_REGISTRAR_MICROS);
        it.retransmissions = 3;
        it.cause = Cause::Facts;
        it.failures = 2;
        let severities: Vec<_> = super::registration(&it).iter().map(|it| it.severity).collect();
        assert_eq!(
            severities,
            [Severity::Warning, Severity::Warning, Severity::Warning, Severity::Info]
        );
    }
}
