//! One peer relation: what is known of it, and when there is something to tell.

use core::net::SocketAddr;

use ringside_protocol::cdr::{Method, Status, flags};
use ringside_protocol::limits::MAX_PEER_CHANGES;
use ringside_protocol::peer::{Change, Peer, RoundTrip, State};
use ringside_protocol::record::{Cause, Transport};
use ringside_protocol::time::UnixMicros;

use super::relation::Relation;
use crate::call::text::{Text, Texts};
use crate::decode::Datagram;
use crate::limits::{MAX_PEER_REPLY_TEXT, MAX_PEER_TEXT};
use crate::transaction::credentials::carries_credentials;
use crate::wire::sip::Message;

const SECOND: u64 = 1_000_000;

/// At least so long between two records of one relation that goes silent and comes back,
/// microseconds. Doubles each time, up to [`OTHER_GAP`], while it goes on so.
pub const SILENCE_GAP: u64 = 10 * SECOND;

/// The same for other changes: requests of several users between two addresses are answered in
/// several ways.
pub const OTHER_GAP: u64 = 300 * SECOND;

/// At most so long between two records while somebody asks.
pub const HOUR: u64 = 3600 * SECOND;

/// A relation of so many requests, the first and the last of them [`SETTLED_AFTER`] apart, is no
/// passer-by's.
pub const SETTLED_REQUESTS: u32 = 3;

/// See [`SETTLED_REQUESTS`], microseconds.
pub const SETTLED_AFTER: u64 = 60 * SECOND;

/// What one address asks of another.
#[derive(Debug)]
pub struct Entry {
    /// Hash of the relation.
    pub key: u64,
    asked: Asked,
    replied: Replied,
    /// `None` until a request was decided.
    state: Option<State>,
    state_at: u64,
    /// When the request began that decided the state: an older one's end changes nothing.
    decided_by: u64,
    began_at: u64,
    last_at: u64,
    /// All requests, up to [`SETTLED_REQUESTS`].
    requests: u32,
    answered_at: Option<u64>,
    unanswered_in_a_row: u32,
    since: Since,
    told: Option<Told>,
}

/// What the newest request says.
#[derive(Debug)]
struct Asked {
    texts: Texts<MAX_PEER_TEXT>,
    method: Method,
    event: Option<Text>,
    users: Option<(Text, Text)>,
    agent: Option<Text>,
    transport: Transport,
    src: SocketAddr,
    dst: SocketAddr,
    vlan: Option<u16>,
    has_credentials: bool,
}

/// What the newest final response says.
#[derive(Debug, Default)]
struct Replied {
    texts: Texts<MAX_PEER_REPLY_TEXT>,
    status_code: Option<u16>,
    phrase: Text,
    agent: Option<Text>,
    allow_events: Option<Text>,
}

/// Counts since the record before.
#[derive(Debug, Default)]
struct Since {
    first_at: Option<u64>,
    requests: u32,
    retransmissions: u32,
    unanswered: u32,
    answers: [u32; 5],
    round_trips: RoundTrips,
    changes: heapless::Vec<(u64, State), MAX_PEER_CHANGES>,
    changes_omitted: u32,
    /// Capture losses that had been noted by then.
    losses: u64,
}

/// Request to final response, microseconds.
#[derive(Clone, Copy, Debug, Default)]
struct RoundTrips {
    count: u32,
    min: u32,
    max: u32,
    sum: u64,
}

/// What the last record told.
#[derive(Clone, Copy, Debug)]
struct Told {
    at: u64,
    state: State,
    status_code: Option<u16>,
    /// At least so long until a change of silence is told again.
    gap: u64,
}

impl Entry {
    /// A relation of which nothing was seen before; [`Entry::ask`] follows.
    #[must_use]
    pub fn new(
        key: u64,
        relation: &Relation<'_>,
        message: &Message<'_>,
        at: &Datagram<'_>,
    ) -> Self {
        let now = at.at.as_micros();
        Self {
            key,
            asked: Asked::read(relation, message, at),
            replied: Replied::default(),
            state: None,
            state_at: now,
            decided_by: 0,
            began_at: now,
            last_at: now,
            requests: 0,
            answered_at: None,
            unanswered_in_a_row: 0,
            since: Since::default(),
            told: None,
        }
    }

    /// Whether somebody asks again and again: it is kept where passers-by leave.
    #[must_use]
    pub const fn is_settled(&self) -> bool {
        self.requests >= SETTLED_REQUESTS
            && self.last_at.saturating_sub(self.began_at) >= SETTLED_AFTER
    }

    /// Whether no record tells of it.
    #[must_use]
    pub const fn is_untold(&self) -> bool {
        self.told.is_none()
    }

    /// Takes a request that begins an attempt.
    pub fn ask(
        &mut self,
        relation: &Relation<'_>,
        message: &Message<'_>,
        datagram: &Datagram<'_>,
        losses: u64,
    ) {
        let now = datagram.at.as_micros();
        self.go_back_to(now);
        if self.requests == 0 {
            self.since.losses = losses;
        }
        self.requests = (self.requests + 1).min(SETTLED_REQUESTS);
        self.since.requests += 1;
        self.since.first_at.get_or_insert(now);
        self.last_at = now;
        self.asked = Asked::read(relation, message, datagram);
    }

    /// A clock that went back leaves nothing in the future to wait for.
    fn go_back_to(&mut self, now: u64) {
        for at in [&mut self.state_at, &mut self.decided_by, &mut self.began_at] {
            *at = now.min(*at);
        }
        self.answered_at = self.answered_at.map(|at| at.min(now));
        self.since.first_at = self.since.first_at.map(|at| at.min(now));
        if let Some(told) = &mut self.told {
            told.at = told.at.min(now);
        }
    }

    /// Takes the request that answers a challenge.
    pub fn ask_again(
        &mut self,
        relation: &Relation<'_>,
        message: &Message<'_>,
        datagram: &Datagram<'_>,
    ) {
        self.asked = Asked::read(relation, message, datagram);
    }

    /// Takes a request that repeats another.
    pub const fn repeat(&mut self) {
        self.since.retransmissions += 1;
    }

    /// Notes how long a final response took, microseconds.
    pub fn note_round_trip(&mut self, micros: u64) {
        let micros = u32::try_from(micros).unwrap_or(u32::MAX);
        let trips = &mut self.since.round_trips;
        trips.min = if trips.count == 0 { micros } else { trips.min.min(micros) };
        trips.max = trips.max.max(micros);
        trips.sum += u64::from(micros);
        trips.count += 1;
    }

    /// Takes the final response that decides the attempt which began at `started_at`.
    pub fn answer(
        &mut self,
        message: &Message<'_>,
        status_code: u16,
        phrase: &[u8],
        started_at: u64,
        now: u64,
    ) {
        self.count_answer(status_code);
        self.answered_at = Some(now);
        if started_at < self.decided_by {
            return;
        }
        self.replied.read(message, status_code, phrase);
        self.unanswered_in_a_row = 0;
        self.enter(State::of(self.asked.method, Some(status_code)), started_at, now);
    }

    /// Decides the attempt which began at `started_at` without a final response, or with none but
    /// the challenge `status_code`.
    pub fn give_up(&mut self, status_code: Option<u16>, started_at: u64, now: u64) {
        let Some(status_code) = status_code else {
            self.since.unanswered += 1;
            if started_at >= self.decided_by {
                self.unanswered_in_a_row = self.unanswered_in_a_row.saturating_add(1);
                self.replied.forget();
                self.enter(State::Silent, started_at, started_at);
            }
            return;
        };
        self.count_answer(status_code);
        self.answered_at = Some(now);
        if started_at >= self.decided_by {
            self.replied.forget();
            self.replied.status_code = Some(status_code);
            self.unanswered_in_a_row = 0;
            self.enter(State::of(self.asked.method, Some(status_code)), started_at, now);
        }
    }

    fn count_answer(&mut self, status_code: u16) {
        let class = usize::from((status_code / 100).saturating_sub(2)).min(4);
        self.since.answers[class] += 1;
    }

    fn enter(&mut self, state: State, started_at: u64, at: u64) {
        self.decided_by = started_at;
        if self.state == Some(state) {
            return;
        }
        let is_change = self.state.is_some();
        (self.state, self.state_at) = (Some(state), at);
        if is_change && self.since.changes.push((at, state)).is_err() {
            self.since.changes_omitted += 1;
        }
    }

    /// When there is something to tell or to forget.
    #[must_use]
    pub fn deadline(&self) -> u64 {
        self.next_record().map_or(self.last_at + HOUR, |(at, _)| at)
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
        if told.state != state {
            let is_silence = told.state == State::Silent || state == State::Silent;
            let gap = if is_silence { told.gap } else { OTHER_GAP };
            return Some((told.at + gap, Cause::State));
        }
        if state == State::Refusing && told.status_code != self.replied.status_code {
            return Some((told.at + OTHER_GAP, Cause::State));
        }
        Some((told.at + HOUR, Cause::Hour))
    }

    /// Whether it may be forgotten when an hour is over: nobody has asked in it.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        let since = &self.since;
        let counts = since.requests + since.unanswered + since.retransmissions;
        counts == 0 && since.changes.is_empty()
    }

    /// Whether none of its requests was ever decided, and nobody asks any more.
    #[must_use]
    pub const fn is_abandoned(&self, now: u64) -> bool {
        self.state.is_none() && self.last_at + HOUR <= now
    }

    /// Whether there is anything to tell at the end of the capture.
    #[must_use]
    pub fn has_news(&self) -> bool {
        self.told.is_none() || !self.is_quiet()
    }

    /// The record, and counts anew. `number` is the caller's to give.
    pub fn record(&mut self, cause: Cause, now: u64, losses: u64) -> Peer {
        // Without any decision the capture ended before the answer.
        let state = self.state.unwrap_or(State::Silent);
        let since = core::mem::replace(&mut self.since, Since { losses, ..Since::default() });
        let gap = self.told.map_or(SILENCE_GAP, |told| {
            let is_restless = cause == Cause::State && now.saturating_sub(told.at) < 2 * told.gap;
            if is_restless { (2 * told.gap).min(OTHER_GAP) } else { SILENCE_GAP }
        });
        let status_code = self.replied.status_code;
        self.told = Some(Told { at: now, state, status_code, gap });
        let (asked, replied) = (&self.asked, &self.replied);
        let text = |text: Text| asked.texts.string(text);
        let reply = |text: Text| replied.texts.string(text);
        let first_at = since.first_at.unwrap_or(self.last_at).min(now);
        let change = |&(at, state): &(u64, State)| Change { before: now.saturating_sub(at), state };
        Peer {
            number: 0,
            flags: if losses > since.losses { flags::CAPTURE_LOSS } else { 0 },
            first_at: UnixMicros(first_at),
            last: self.last_at.saturating_sub(first_at),
            made: now - first_at,
            state,
            cause,
            state_since: now.saturating_sub(self.state_at),
            answered_before: self.answered_at.map(|at| now.saturating_sub(at)),
            method: asked.method,
            event: asked.event.map(text),
            from: asked.users.map(|(from, _)| text(from)),
            to: asked.users.map(|(_, to)| text(to)),
            user_agent: asked.agent.map(text),
            peer_agent: replied.agent.map(reply),
            transport: asked.transport,
            src: asked.src,
            dst: asked.dst,
            vlan: asked.vlan,
            requests: since.requests,
            retransmissions: since.retransmissions,
            unanswered: since.unanswered,
            answers: since.answers,
            unanswered_in_a_row: self.unanswered_in_a_row,
            status: status_code.map(|code| Status::new(code, reply(replied.phrase))),
            has_credentials: asked.has_credentials,
            allow_events: replied.allow_events.map(reply),
            round_trip: since.round_trips.figures(),
            changes: since.changes.iter().map(change).collect(),
            changes_omitted: since.changes_omitted,
        }
    }
}

impl Asked {
    fn read(relation: &Relation<'_>, message: &Message<'_>, datagram: &Datagram<'_>) -> Self {
        let mut texts = Texts::default();
        let via = message.top_via().unwrap_or_default();
        Self {
            method: relation.method,
            event: relation.event.map(|event| texts.keep(event)),
            users: relation.users.map(|(from, to)| (texts.keep(from), texts.keep(to))),
            agent: message.user_agent().map(|agent| texts.keep(agent)),
            texts,
            transport: Transport::from_token(via.transport),
            src: datagram.src,
            dst: datagram.dst,
            vlan: datagram.vlan,
            has_credentials: carries_credentials(message),
        }
    }
}

impl Replied {
    fn read(&mut self, message: &Message<'_>, status_code: u16, phrase: &[u8]) {
        self.texts.clear();
        self.status_code = Some(status_code);
        self.phrase = self.texts.keep(phrase);
        self.agent = message.user_agent().map(|agent| self.texts.keep(agent));
        let allow_events =
            || message.custom_header(b"allow-events").or_else(|| message.custom_header(b"u"));
        let allowed = if status_code == 489 { allow_events() } else { None };
        self.allow_events = allowed.map(|events| self.texts.keep(events));
    }

    /// There was no answer; who it would have come from stays known.
    fn forget(&mut self) {
        (self.status_code, self.phrase, self.allow_events) = (None, Text::default(), None);
    }
}

impl RoundTrips {
    fn figures(self) -> Option<RoundTrip> {
        let mean = self.sum.checked_div(u64::from(self.count))?;
        let mean = u32::try_from(mean).unwrap_or(u32::MAX);
        Some(RoundTrip { min: self.min, mean, max: self.max })
    }
}
