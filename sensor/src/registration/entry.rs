//! One registration: what is known of it, and when there is something to tell.

use core::net::SocketAddr;

use ringside_protocol::cdr::{self, Status, flags};
use ringside_protocol::registration::{Cause, Registration, State, Transport};
use ringside_protocol::time::UnixMicros;

use crate::call::text::{Text, Texts, printable};
use crate::decode::Datagram;
use crate::limits::{MAX_REGISTRATION_REPLY_TEXT, MAX_REGISTRATION_TEXT};
use crate::transaction::credentials::{carries_credentials, says_stale};
use crate::transaction::{Attempt, Outcome, Transaction};
use crate::wire::sip::{HeaderName, Message, NameAddr, Uri, number, parameter, quoted_text};

const SECOND: u64 = 1_000_000;

/// At least so long between two records of one registration whose state changes, microseconds: one
/// that comes and goes fills nothing.
pub const STATE_GAP: u64 = 10 * SECOND;

/// The same for facts that change while the state does not.
pub const FACTS_GAP: u64 = 300 * SECOND;

/// At most so long between two records of a registration that lives.
pub const HOUR: u64 = 3600 * SECOND;

/// How long after its time a registration counts as expired: a refresh may be under way
/// ([`crate::transaction::attempt::TIMER_F`]).
pub const EXPIRY_GRACE: u64 = 32 * SECOND;

/// An expiry where nobody names one, seconds (RFC 3261 §10.2.1.1).
pub const DEFAULT_EXPIRES: u32 = 3600;

/// A registration of one contact address for one address-of-record at one registrar.
#[derive(Debug)]
pub struct Entry {
    /// Hash of registrar, address-of-record and contact address.
    pub key: u64,
    /// Hash of registrar and address-of-record.
    pub aor_key: u64,
    /// The attempt that is not decided.
    pub attempt: Option<Attempt>,
    asked: Asked,
    replied: Replied,
    /// `None` until an attempt was decided.
    state: Option<State>,
    state_at: u64,
    /// The newest attempt's first REGISTER.
    attempt_at: u64,
    /// The transaction that was asked last: what repeats it begins nothing.
    last: Transaction,
    granted_at: Option<u64>,
    round_trip: Option<u32>,
    since: Since,
    failures_in_a_row: u32,
    told: Option<Told>,
}

/// What the newest REGISTER says.
#[derive(Debug)]
struct Asked {
    texts: Texts<MAX_REGISTRATION_TEXT>,
    user: Text,
    host: Text,
    display: Option<Text>,
    registrar: Text,
    contact: Text,
    agent: Option<Text>,
    call_id: Text,
    transport: Transport,
    src: SocketAddr,
    dst: SocketAddr,
    vlan: Option<u16>,
    expires: Option<u32>,
}

/// What the newest final response says.
#[derive(Debug, Default)]
struct Replied {
    texts: Texts<MAX_REGISTRATION_REPLY_TEXT>,
    status_code: Option<u16>,
    phrase: Text,
    agent: Option<Text>,
    expires_granted: Option<u32>,
    min_expires: Option<u32>,
    is_challenged: bool,
    has_credentials: bool,
}

/// Counts since the record before.
#[derive(Clone, Copy, Debug, Default)]
struct Since {
    granted: u32,
    failures: u32,
    retransmissions: u32,
    round_trip_max: Option<u32>,
    /// Capture losses that had been noted by then.
    losses: u64,
}

/// What the last record told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Told {
    at: u64,
    state: State,
    status_code: Option<u16>,
    facts: Facts,
}

/// What a refresh may change without a change of state. The source's port is none of it: a NAT, or
/// a TCP connection, has another one each time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Facts {
    src: core::net::IpAddr,
    dst: SocketAddr,
    transport: Transport,
    agent: u64,
    /// The power of two below the expiry: registrars that vary it a little change nothing.
    expires: u32,
}

/// How a REGISTER was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// Its response is awaited under the new transaction.
    Asking,
    /// It repeats another, or is older than the newest.
    Repeated,
}

impl Entry {
    /// A registration that is asked for the first time; [`Entry::ask`] follows.
    #[must_use]
    pub fn new(key: u64, aor_key: u64, message: &Message<'_>, datagram: &Datagram<'_>) -> Self {
        let now = datagram.at.as_micros();
        Self {
            key,
            aor_key,
            attempt: None,
            asked: Asked::read(message, datagram),
            replied: Replied::default(),
            state: None,
            state_at: now,
            attempt_at: now,
            last: Transaction { call_id: 0, cseq: 0, hash: 0 },
            granted_at: None,
            round_trip: None,
            since: Since::default(),
            failures_in_a_row: 0,
            told: None,
        }
    }

    /// Whether the registrar has ever granted it.
    #[must_use]
    pub const fn was_granted(&self) -> bool {
        self.granted_at.is_some()
    }

    /// Whether its contact is `*`: all contacts of the address-of-record.
    #[must_use]
    pub fn is_for_all(&self) -> bool {
        self.asked.texts.bytes(self.asked.contact) == b"*"
    }

    /// Whether the newest REGISTER asks the registrar to forget the contact: an expiry of 0.
    fn asks_to_leave(&self) -> bool {
        self.asked.expires == Some(0)
    }

    /// Whether something was decided of which no record tells.
    #[must_use]
    pub const fn is_untold(&self) -> bool {
        self.state.is_some() && self.told.is_none()
    }

    /// Takes a REGISTER.
    pub fn ask(
        &mut self,
        message: &Message<'_>,
        datagram: &Datagram<'_>,
        transaction: Transaction,
        losses: u64,
    ) -> Taken {
        let now = datagram.at.as_micros();
        if self.last.call_id == transaction.call_id && transaction.cseq <= self.last.cseq {
            // The same transaction at another hop is no retransmission.
            if self.last.hash == transaction.hash && self.asked.src == datagram.src {
                self.since.retransmissions += 1;
            }
            return Taken::Repeated;
        }
        let has_credentials = carries_credentials(message);
        let goes_on = self.attempt.is_some_and(|attempt| attempt.goes_on_with(transaction));
        if let Some(attempt) = self.attempt
            && !goes_on
        {
            self.decide(attempt.give_up(), &attempt, now);
        }
        self.asked = Asked::read(message, datagram);
        self.last = transaction;
        match &mut self.attempt {
            Some(attempt) if goes_on => {
                attempt.ask_again(transaction, has_credentials, now);
            }
            _ => {
                self.attempt = Some(Attempt::new(transaction, has_credentials, now));
                self.attempt_at = now;
                if self.told.is_none() {
                    self.since.losses = losses;
                }
            }
        }
        Taken::Asking
    }

    /// Takes a final response to the newest REGISTER.
    pub fn answer(
        &mut self,
        message: &Message<'_>,
        status_code: u16,
        phrase: &[u8],
        now: u64,
    ) -> Outcome {
        let Some(mut attempt) = self.attempt else { return Outcome::Open };
        let round_trip = u32::try_from(now.saturating_sub(attempt.sent_at)).unwrap_or(u32::MAX);
        self.round_trip = Some(round_trip);
        self.since.round_trip_max = self.since.round_trip_max.max(Some(round_trip));
        let outcome = attempt.answer(status_code, says_stale(message), now);
        self.attempt = Some(attempt);
        if outcome == Outcome::Open {
            self.replied.min_expires = message.number(HeaderName::MinExpires);
            return outcome;
        }
        self.replied.read(message, phrase, status_code);
        if outcome == Outcome::Granted && !self.asks_to_leave() {
            let contact = Uri::parse(self.asked.texts.bytes(self.asked.contact)).host;
            let granted = granted(message, contact).or(self.asked.expires);
            self.replied.expires_granted = Some(granted.unwrap_or(DEFAULT_EXPIRES));
        }
        self.decide(outcome, &attempt, now);
        outcome
    }

    /// Another REGISTER of the same address-of-record has removed all of its contacts.
    pub fn remove(&mut self, now: u64) {
        self.attempt = None;
        self.enter(State::Unregistered, now);
    }

    /// Decides what time alone decides.
    pub fn handle_deadline(&mut self, now: u64) {
        if let Some(attempt) = self.attempt
            && attempt.deadline <= now
        {
            self.decide(attempt.give_up(), &attempt, attempt.deadline);
        }
        if self.attempt.is_none() && self.expires_at().is_some_and(|at| at <= now) {
            self.enter(State::Expired, now);
        }
    }

    fn decide(&mut self, outcome: Outcome, attempt: &Attempt, now: u64) {
        let status_code = match outcome {
            Outcome::Open => return,
            Outcome::Granted if self.asks_to_leave() => {
                self.attempt = None;
                self.since.granted += 1;
                self.failures_in_a_row = 0;
                return self.enter(State::Unregistered, now);
            }
            Outcome::Granted => {
                self.attempt = None;
                self.replied.is_challenged = attempt.is_challenged;
                self.replied.has_credentials = attempt.has_credentials;
                self.granted_at = Some(now);
                self.since.granted += 1;
                self.failures_in_a_row = 0;
                return self.enter(State::Registered, now);
            }
            Outcome::Refused(status_code) => status_code,
        };
        if self.replied.status_code != status_code {
            // Decided by time: what an earlier attempt was told is not this one's answer.
            self.replied.forget(status_code);
        }
        self.attempt = None;
        self.replied.is_challenged = attempt.is_challenged;
        self.replied.has_credentials = attempt.has_credentials;
        self.since.failures += 1;
        self.failures_in_a_row += 1;
        self.enter(State::Failing, now);
    }

    fn enter(&mut self, state: State, now: u64) {
        if self.state != Some(state) {
            self.state = Some(state);
            self.state_at = now;
        }
    }

    /// When a registration that holds is over.
    fn expires_at(&self) -> Option<u64> {
        if self.state != Some(State::Registered) {
            return None;
        }
        let granted = u64::from(self.replied.expires_granted.unwrap_or(DEFAULT_EXPIRES));
        Some(self.granted_at? + granted * SECOND + EXPIRY_GRACE)
    }

    /// When there is something to decide or to tell; `None`: only a message brings something.
    #[must_use]
    pub fn deadline(&self) -> Option<u64> {
        // An attempt under way decides before the expiry does.
        let decision = self.attempt.map(|attempt| attempt.deadline).or_else(|| self.expires_at());
        let record = self.next_record().map(|(at, _)| at);
        [decision, record].into_iter().flatten().min()
    }

    /// Why a record is due, if one is.
    #[must_use]
    pub fn due(&self, now: u64) -> Option<Cause> {
        self.next_record().filter(|&(at, _)| at <= now).map(|(_, cause)| cause)
    }

    /// When the next record is due, and why.
    fn next_record(&self) -> Option<(u64, Cause)> {
        let state = self.state?;
        let Some(told) = self.told else { return Some((self.state_at, Cause::State)) };
        let is_news = told.state != state
            || (state == State::Failing && told.status_code != self.replied.status_code);
        if is_news {
            return Some((told.at + STATE_GAP, Cause::State));
        }
        if state == State::Registered && told.facts != self.facts() {
            return Some((told.at + FACTS_GAP, Cause::Facts));
        }
        Some((told.at + HOUR, Cause::Hour))
    }

    /// Whether it may be forgotten once its record is made, or instead of one: nothing holds, and
    /// nobody tries.
    #[must_use]
    pub fn is_over(&self, cause: Cause) -> bool {
        let is_quiet = cause == Cause::Hour && self.since.granted == 0 && self.since.failures == 0;
        self.attempt.is_none()
            && match self.state {
                Some(State::Expired | State::Unregistered) => true,
                Some(State::Failing) => is_quiet,
                Some(State::Registered) | None => false,
            }
    }

    /// Whether there is anything to tell at the end of the capture.
    #[must_use]
    pub fn has_news(&self) -> bool {
        let Some(told) = self.told else { return true };
        let counts = self.since.granted + self.since.failures;
        counts > 0 || self.state != Some(told.state)
    }

    /// The record, and counts anew. `number` is the caller's to give.
    pub fn record(&mut self, cause: Cause, now: u64, losses: u64) -> Registration {
        let state = self.state.unwrap_or_default();
        let ago = |at: u64| u32::try_from(now.saturating_sub(at) / SECOND).unwrap_or(u32::MAX);
        let (asked, replied, since) = (&self.asked, &self.replied, self.since);
        let text = |text: Text| asked.texts.string(text);
        let display = asked.display.map(|it| printable(&quoted_text(asked.texts.bytes(it))));
        let record = Registration {
            number: 0,
            flags: if losses > since.losses { flags::CAPTURE_LOSS } else { 0 },
            first_at: UnixMicros(self.attempt_at),
            made: now.saturating_sub(self.attempt_at),
            state,
            cause,
            state_seconds: ago(self.state_at),
            granted_seconds_ago: self.granted_at.map(ago),
            aor: cdr::Party { user: text(asked.user), host: text(asked.host), display },
            registrar: text(asked.registrar),
            contact: text(asked.contact),
            user_agent: asked.agent.map(text),
            registrar_agent: replied.agent.map(|agent| replied.texts.string(agent)),
            call_id: text(asked.call_id),
            transport: asked.transport,
            src: asked.src,
            dst: asked.dst,
            vlan: asked.vlan,
            expires_asked: asked.expires,
            expires_granted: replied.expires_granted,
            min_expires: replied.min_expires,
            status: replied.status_code.map(|code| replied.status(code)),
            is_challenged: replied.is_challenged,
            has_credentials: replied.has_credentials,
            round_trip: self.round_trip,
            round_trip_max: since.round_trip_max,
            granted: since.granted,
            failures: since.failures,
            failures_in_a_row: self.failures_in_a_row,
            retransmissions: since.retransmissions,
        };
        let status_code = self.replied.status_code;
        self.told = Some(Told { at: now, state, status_code, facts: self.facts() });
        self.since = Since { losses, ..Since::default() };
        record
    }

    fn facts(&self) -> Facts {
        let agent = self.asked.agent.map_or(&[][..], |agent| self.asked.texts.bytes(agent));
        Facts {
            src: self.asked.src.ip(),
            dst: self.asked.dst,
            transport: self.asked.transport,
            agent: fingerprint(agent),
            expires: self.replied.expires_granted.map_or(0, |expires| expires.max(1).ilog2()),
        }
    }
}

impl Asked {
    fn read(message: &Message<'_>, datagram: &Datagram<'_>) -> Self {
        let mut texts = Texts::default();
        let to = message.to();
        let uri = Uri::parse(to.uri);
        let contact = message.header(HeaderName::Contact).unwrap_or_default();
        let contact = NameAddr::parse(contact);
        let registrar = registrar(message);
        let via = message.top_via().unwrap_or_default();
        let expires = parameter(contact.parameters, b"expires").and_then(number);
        Self {
            user: texts.keep(uri.user),
            host: texts.keep(uri.host),
            registrar: texts.keep(registrar),
            contact: texts.keep(contact.uri),
            call_id: texts.keep(message.call_id()),
            agent: message.user_agent().map(|agent| texts.keep(agent)),
            display: to.display.map(|display| texts.keep(display)),
            texts,
            transport: Transport::from_token(via.transport),
            src: datagram.src,
            dst: datagram.dst,
            vlan: datagram.vlan,
            expires: expires.or_else(|| message.number(HeaderName::Expires)),
        }
    }
}

impl Replied {
    fn read(&mut self, message: &Message<'_>, phrase: &[u8], status_code: u16) {
        self.texts.clear();
        self.status_code = Some(status_code);
        self.phrase = self.texts.keep(phrase);
        self.agent = message.user_agent().map(|agent| self.texts.keep(agent));
        self.min_expires = message.number(HeaderName::MinExpires).or(self.min_expires);
    }

    fn forget(&mut self, status_code: Option<u16>) {
        self.texts.clear();
        (self.phrase, self.agent) = (Text::default(), None);
        self.status_code = status_code;
    }

    fn status(&self, code: u16) -> Status {
        Status::new(code, self.texts.string(self.phrase))
    }
}

/// The host of the Request-URI.
pub(super) fn registrar<'a>(message: &Message<'a>) -> &'a [u8] {
    match message.start_line {
        crate::wire::sip::StartLine::Request { request_uri, .. } => Uri::parse(request_uri).host,
        crate::wire::sip::StartLine::Response { .. } => &[],
    }
}

/// What the registrar grants the contact at this address: the `expires` of its entry in Contact
/// (RFC 3261 §10.3 step 8), else of the first one, else Expires.
fn granted(message: &Message<'_>, address: &[u8]) -> Option<u32> {
    let mut first = None;
    let entries = message.headers(HeaderName::Contact).flat_map(entries);
    for entry in entries {
        let contact = NameAddr::parse(entry);
        let Some(expires) = parameter(contact.parameters, b"expires").and_then(number) else {
            continue;
        };
        if Uri::parse(contact.uri).host.eq_ignore_ascii_case(address) {
            return Some(expires);
        }
        first = first.or(Some(expires));
    }
    first.or_else(|| message.number(HeaderName::Expires))
}

/// The entries of a comma-separated header, commas in quotes and brackets left alone.
fn entries(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    let (mut is_quoted, mut is_bracketed) = (false, false);
    value.split(move |&byte| {
        match byte {
            b'"' => is_quoted = !is_quoted,
            b'<' if !is_quoted => is_bracketed = true,
            b'>' if !is_quoted => is_bracketed = false,
            _ => {}
        }
        byte == b',' && !is_quoted && !is_bracketed
    })
}

/// FNV-1a: tells agents apart; nobody gains by a collision.
fn fingerprint(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_split_outside_quotes_and_brackets() {
        let value = br#""A, B" <sip:a@b;x=1,2>;expires=3, <sip:c@d>"#;
        let split: Vec<_> = entries(value).collect();
        assert_eq!(split.len(), 2);
        assert!(split[1].trim_ascii().starts_with(b"<sip:c@d"));
    }
}
