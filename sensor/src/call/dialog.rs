//! One call's signalling: its states and its deadlines (RFC 3261 §12, §13, §15, §17.1.1).
//!
//! ```text
//!            1xx               2xx
//!  Calling ------> Proceeding ------> Confirmed
//!     |  \             |                  | BYE of the last dialog
//!     |   `------------|-- CANCEL         |
//!     |  final >= 300  v        \         v
//!     `----------> Refused       `----> Ended   (also: a deadline passed)
//!                   |  ^ 401, 407, 3xx …: a new INVITE may follow and opens the call again
//!                   `--'
//! ```
//!
//! A proxy's tap sees each message twice and a fork's several answers; only the final response to
//! the INVITE that was seen first ends a call, or the one that leaves no INVITE unanswered.

use ringside_protocol::cdr::{EndedBy, Method};

use crate::limits::{MAX_DIALOGS, MAX_TRANSACTIONS};

mod signal;

pub use signal::{Side, Signal};

const SECOND: u64 = 1_000_000;

/// How long an ended call is held for what still belongs to it (ACK, the answer to BYE, the last
/// RTP packets), microseconds.
pub const LINGER: u64 = SECOND / 2;

/// How long a challenged or redirected call waits for the INVITE that tries again.
pub const RETRY_WAIT: u64 = 5 * SECOND;

/// Timer B (RFC 3261 §17.1.1.2): a cancelled INVITE that gets no final response.
pub const TIMER_B: u64 = 32 * SECOND;

/// Timer C (RFC 3261 §16.6) and a minute: an INVITE that is only answered provisionally.
pub const PROCEEDING_WAIT: u64 = 240 * SECOND;

/// Where the call stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// INVITE sent, nothing has come back.
    Calling,
    /// A provisional response has come.
    Proceeding,
    /// A 2xx has come.
    Confirmed,
    /// A final response of 300 or more has come; the call lingers, or may be tried again.
    Refused,
    /// It has ended and lingers.
    Ended,
}

#[derive(Clone, Copy, Debug)]
struct Transaction {
    branch: u64,
    is_final: bool,
}

/// One dialog of the call, by the callee's tag.
#[derive(Clone, Copy, Debug)]
struct Branch {
    callee_tag: u64,
    is_confirmed: bool,
    is_closed: bool,
}

/// The signalling of one call. Times are microseconds.
#[derive(Debug)]
pub struct Dialog {
    state: State,
    invite_cseq: Option<u32>,
    transactions: heapless::Vec<Transaction, MAX_TRANSACTIONS, u8>,
    branches: heapless::Vec<Branch, MAX_DIALOGS, u8>,
    is_cancelled: bool,
    was_challenged: bool,
    /// When the present state must end.
    deadline: u64,
    /// How long an INVITE may stay without any response.
    no_response_timeout: u64,
    /// The first INVITE.
    pub start: Option<u64>,
    /// The first response other than 100.
    pub first_response: Option<u64>,
    /// 180, or 183 that describes media.
    pub ringing: Option<u64>,
    /// The first 2xx.
    pub answered: Option<u64>,
    /// See [`ringside_protocol::cdr::Cdr::ended`].
    pub ended: Option<(u64, EndedBy)>,
    /// The newest message.
    pub last_at: u64,
    /// The code of the call's final response.
    pub status_code: Option<u16>,
    /// Several branches answered with tags of their own.
    pub is_forked: bool,
    /// A challenge was answered with credentials.
    pub is_authenticated: bool,
    /// Only an ACK says that it was answered.
    is_assumed: bool,
}

/// Whether the response's phrase is the one to keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Nothing to keep.
    None,
    /// This response is the call's final one so far.
    IsFinal,
}

impl Dialog {
    /// A call seen first at `now`, with or without its INVITE; one that gets no response at all is
    /// over after `no_response_timeout`.
    #[must_use]
    pub fn new(now: u64, no_response_timeout: u64) -> Self {
        Self {
            state: State::Calling,
            invite_cseq: None,
            transactions: heapless::Vec::new(),
            branches: heapless::Vec::new(),
            is_cancelled: false,
            was_challenged: false,
            deadline: now + no_response_timeout,
            no_response_timeout,
            start: None,
            first_response: None,
            ringing: None,
            answered: None,
            ended: None,
            last_at: now,
            status_code: None,
            is_forked: false,
            is_authenticated: false,
            is_assumed: false,
        }
    }

    /// Where the call stands.
    #[must_use]
    pub const fn state(&self) -> State {
        self.state
    }

    /// The number of the newest initial INVITE, once one or its answer was seen.
    #[must_use]
    pub const fn invite_cseq(&self) -> Option<u32> {
        self.invite_cseq
    }

    /// Whether the call is in progress: a channel.
    #[must_use]
    pub const fn is_in_progress(&self) -> bool {
        !matches!(self.state, State::Refused | State::Ended)
    }

    /// Whether nobody was seen to answer: anybody can send an INVITE, and an ACK to it.
    #[must_use]
    pub const fn is_unanswered(&self) -> bool {
        self.is_assumed || matches!(self.state, State::Calling | State::Proceeding)
    }

    /// Whether somebody was seen to answer it.
    #[must_use]
    pub const fn has_answer(&self) -> bool {
        self.answered.is_some() && !self.is_assumed
    }

    /// When [`Dialog::handle_deadline`] wants to be asked; of a confirmed call its table decides.
    #[must_use]
    pub const fn deadline(&self) -> u64 {
        self.deadline
    }

    /// Takes one message.
    pub fn handle(&mut self, signal: Signal, now: u64) -> Effect {
        self.last_at = self.last_at.max(now);
        match signal {
            Signal::Invite { branch, cseq, has_credentials } => {
                self.handle_invite(branch, cseq, has_credentials, now);
                Effect::None
            }
            Signal::Response { branch, cseq, to_request_of, status_code, to_tag, has_sdp } => {
                let is_initial =
                    to_request_of == Side::Caller && *self.invite_cseq.get_or_insert(cseq) == cseq;
                if !is_initial {
                    return self.handle_reinvite_response(status_code, now);
                }
                // 100 and refusals may carry a tag and open no dialog.
                if let Some(tag) = to_tag
                    && (101..300).contains(&status_code)
                {
                    self.note_branch(tag, status_code >= 200);
                }
                match status_code {
                    0..200 => self.handle_provisional(status_code, has_sdp, now),
                    200..300 => self.handle_success(branch, status_code, now),
                    _ => self.handle_failure(branch, status_code, now),
                }
            }
            Signal::Ack { branch, cseq, side } => {
                self.handle_ack(branch, cseq, side, now);
                Effect::None
            }
            Signal::Cancel { branch } => {
                self.handle_cancel(branch, now);
                Effect::None
            }
            Signal::Bye { side, callee_tag } => {
                self.handle_bye(side, callee_tag, now);
                Effect::None
            }
            Signal::Other(method) => {
                self.handle_other(method, now);
                Effect::None
            }
        }
    }

    fn handle_invite(&mut self, branch: u64, cseq: u32, has_credentials: bool, now: u64) {
        self.start.get_or_insert(now);
        self.is_authenticated |= self.was_challenged && has_credentials;
        if self.invite_cseq.is_none_or(|known| known < cseq) {
            self.invite_cseq = Some(cseq);
            self.transactions.clear();
            self.branches.clear();
            if self.state == State::Refused {
                self.state = State::Calling;
                self.ended = None;
                self.status_code = None;
                self.first_response = None;
                self.is_cancelled = false;
            }
        }
        if !self.transactions.iter().any(|known| known.branch == branch) {
            // One that does not fit does not delay the end: see MAX_TRANSACTIONS.
            let _ = self.transactions.push(Transaction { branch, is_final: false });
        }
        if self.state == State::Calling {
            self.deadline = now + self.no_response_timeout;
        }
    }

    fn handle_provisional(&mut self, status_code: u16, has_sdp: bool, now: u64) -> Effect {
        if status_code > 100 {
            self.first_response.get_or_insert(now);
        }
        if status_code == 180 || (status_code == 183 && has_sdp) {
            self.ringing.get_or_insert(now);
        }
        if matches!(self.state, State::Calling | State::Proceeding) {
            self.state = State::Proceeding;
            if !self.is_cancelled {
                self.deadline = now + PROCEEDING_WAIT;
            }
        }
        Effect::None
    }

    fn handle_success(&mut self, branch: u64, status_code: u16, now: u64) -> Effect {
        self.first_response.get_or_insert(now);
        self.is_assumed = false;
        self.mark_final(branch);
        if self.state == State::Ended {
            return Effect::None;
        }
        let is_first = self.answered.is_none();
        self.answered.get_or_insert(now);
        self.state = State::Confirmed;
        self.ended = None;
        if is_first {
            self.status_code = Some(status_code);
            return Effect::IsFinal;
        }
        Effect::None
    }

    fn handle_failure(&mut self, branch: u64, status_code: u16, now: u64) -> Effect {
        let is_first_transaction =
            self.transactions.first().is_none_or(|first| first.branch == branch);
        self.mark_final(branch);
        self.was_challenged |= matches!(status_code, 401 | 407);
        if self.answered.is_some() || self.state == State::Ended {
            return Effect::None;
        }
        if self.ended.is_some() && !is_first_transaction {
            return Effect::None;
        }
        self.status_code = Some(status_code);
        let is_open = self.transactions.iter().any(|known| !known.is_final);
        if is_open && !is_first_transaction {
            return Effect::IsFinal;
        }
        if self.state != State::Refused {
            self.first_response.get_or_insert(now);
            let by = if self.is_cancelled { EndedBy::Cancelled } else { EndedBy::Rejected };
            self.ended = Some((now, by));
            self.state = State::Refused;
            let wait = if may_be_tried_again(status_code) { RETRY_WAIT } else { LINGER };
            self.deadline = now + wait;
        }
        Effect::IsFinal
    }

    /// A re-INVITE's outcome never ends a call; of one that began before the capture it shows
    /// that the call talks.
    fn handle_reinvite_response(&mut self, status_code: u16, now: u64) -> Effect {
        if (200..300).contains(&status_code) && self.start.is_none() {
            self.confirm(now);
        }
        Effect::None
    }

    /// An ACK with a branch of its own acknowledges a 2xx (RFC 3261 §17.1.1.3). If that was not seen,
    /// because a mirror port shows one direction or lost it, the call was answered all the same.
    fn handle_ack(&mut self, branch: u64, cseq: u32, side: Side, now: u64) {
        let is_of_invite = self.transactions.iter().any(|known| known.branch == branch);
        let is_waiting = matches!(self.state, State::Calling | State::Proceeding);
        if is_waiting && side == Side::Caller && self.invite_cseq == Some(cseq) && !is_of_invite {
            self.answered.get_or_insert(now);
            self.state = State::Confirmed;
            self.is_assumed = true;
        }
        self.handle_other(Method::Ack, now);
    }

    fn handle_cancel(&mut self, branch: u64, now: u64) {
        let is_first_transaction =
            self.transactions.first().is_none_or(|first| first.branch == branch);
        let is_early = matches!(self.state, State::Calling | State::Proceeding);
        if is_first_transaction && is_early && !self.is_cancelled {
            self.is_cancelled = true;
            self.deadline = now + TIMER_B;
        }
    }

    fn handle_bye(&mut self, side: Side, callee_tag: Option<u64>, now: u64) {
        if let Some(tag) = callee_tag {
            self.note_branch(tag, false);
            if let Some(branch) = self.branches.iter_mut().find(|known| known.callee_tag == tag) {
                branch.is_closed = true;
            }
        }
        let talks = self.branches.iter().any(|branch| branch.is_confirmed && !branch.is_closed);
        if talks || matches!(self.state, State::Ended | State::Refused) {
            return;
        }
        let by = match side {
            Side::Caller => EndedBy::Caller,
            Side::Callee => EndedBy::Callee,
        };
        self.ended = Some((now, by));
        self.state = State::Ended;
        self.deadline = now + LINGER;
    }

    /// ACK, re-INVITE, UPDATE, INFO … of a call that began before the capture show that it talks.
    fn handle_other(&mut self, method: Method, now: u64) {
        let talks = matches!(method, Method::Ack | Method::Invite | Method::Info | Method::Refer);
        if talks && self.start.is_none() {
            self.confirm(now);
        }
    }

    fn confirm(&mut self, now: u64) {
        if matches!(self.state, State::Calling | State::Proceeding) {
            self.state = State::Confirmed;
            self.deadline = now;
        }
    }

    fn mark_final(&mut self, branch: u64) {
        if let Some(known) = self.transactions.iter_mut().find(|known| known.branch == branch) {
            known.is_final = true;
        }
    }

    fn note_branch(&mut self, callee_tag: u64, is_confirmed: bool) {
        match self.branches.iter_mut().find(|known| known.callee_tag == callee_tag) {
            Some(known) => known.is_confirmed |= is_confirmed,
            None => {
                let branch = Branch { callee_tag, is_confirmed, is_closed: false };
                // One that does not fit is a ninth answer to one INVITE: its BYE ends nothing.
                let _ = self.branches.push(branch);
                self.is_forked |= self.branches.len() > 1;
            }
        }
    }

    /// Ends an unconfirmed call whose deadline has passed; `last_at` is its last packet's time.
    pub fn handle_deadline(&mut self, last_at: u64) {
        if self.ended.is_none() {
            let by = if self.is_cancelled { EndedBy::Cancelled } else { EndedBy::Timeout };
            self.ended = Some((last_at, by));
        }
        self.state = State::Ended;
    }
}

/// Final responses that a caller answers with another INVITE of the same Call-ID: a redirection
/// (RFC 3261 §8.1.3.4), a challenge (§22), a session interval that is too small (RFC 4028 §7.3), a
/// security agreement (RFC 3329 §2.3.1).
const fn may_be_tried_again(status_code: u16) -> bool {
    matches!(status_code, 300..=399 | 401 | 407 | 422 | 494)
}

#[cfg(test)]
mod tests;
