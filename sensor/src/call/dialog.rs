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

/// Which party of a call: the one that sent the first INVITE, or the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The From of the first INVITE.
    Caller,
    /// Its To.
    Callee,
}

impl Side {
    /// The other one.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Caller => Self::Callee,
            Self::Callee => Self::Caller,
        }
    }
}

/// What a message means to the call that it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// An INVITE without a To tag.
    Invite {
        /// Hash of the topmost Via's branch.
        branch: u64,
        /// Its number.
        cseq: u32,
        /// It carries Authorization or Proxy-Authorization.
        has_credentials: bool,
    },
    /// A response to INVITE.
    Response {
        /// Hash of the topmost Via's branch.
        branch: u64,
        /// The request's number.
        cseq: u32,
        /// Who sent the INVITE.
        to_request_of: Side,
        /// 100 to 699.
        status_code: u16,
        /// Hash of the To tag.
        to_tag: Option<u64>,
        /// It describes media.
        has_sdp: bool,
    },
    /// ACK.
    Ack {
        /// Hash of the topmost Via's branch.
        branch: u64,
        /// The number of the INVITE that it acknowledges.
        cseq: u32,
        /// Who sent it.
        side: Side,
    },
    /// CANCEL.
    Cancel {
        /// Hash of the topmost Via's branch: the INVITE's.
        branch: u64,
    },
    /// BYE.
    Bye {
        /// Who hangs up.
        side: Side,
        /// Hash of the callee's tag in its dialog.
        callee_tag: Option<u64>,
    },
    /// Anything else within the call.
    Other(Method),
}

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
mod tests {
    use super::*;

    const S: u64 = SECOND;

    fn invite(branch: u64, cseq: u32) -> Signal {
        Signal::Invite { branch, cseq, has_credentials: false }
    }

    fn response(branch: u64, status_code: u16) -> Signal {
        Signal::Response {
            branch,
            cseq: 1,
            to_request_of: Side::Caller,
            status_code,
            to_tag: Some(u64::from(status_code > 100) * 7),
            has_sdp: false,
        }
    }

    fn bye(side: Side) -> Signal {
        Signal::Bye { side, callee_tag: Some(7) }
    }

    /// A call whose INVITE (branch 1, CSeq 1) was sent at 1 s.
    fn calling() -> Dialog {
        let mut dialog = Dialog::new(S, 15 * S);
        dialog.handle(invite(1, 1), S);
        dialog
    }

    fn after(signals: &[(Signal, u64)]) -> Dialog {
        let mut dialog = calling();
        for &(signal, at) in signals {
            dialog.handle(signal, at);
        }
        dialog
    }

    #[test]
    fn an_answered_call_ends_with_its_bye() {
        let dialog = after(&[
            (response(1, 100), 2 * S),
            (response(1, 180), 3 * S),
            (response(1, 200), 5 * S),
            (bye(Side::Callee), 9 * S),
            (bye(Side::Callee), 10 * S),
        ]);
        assert_eq!(dialog.first_response, Some(3 * S));
        assert_eq!(dialog.ringing, Some(3 * S));
        assert_eq!(dialog.answered, Some(5 * S));
        assert_eq!(dialog.status_code, Some(200));
        assert_eq!(dialog.ended, Some((9 * S, EndedBy::Callee)));
        assert_eq!((dialog.state(), dialog.deadline()), (State::Ended, 9 * S + LINGER));
    }

    #[test]
    fn a_challenge_waits_for_credentials_and_one_call_goes_on() {
        let mut dialog = after(&[(response(1, 401), 2 * S)]);
        assert_eq!((dialog.state(), dialog.deadline()), (State::Refused, 2 * S + RETRY_WAIT));
        dialog.handle(Signal::Invite { branch: 2, cseq: 2, has_credentials: true }, 3 * S);
        assert_eq!(dialog.state(), State::Calling);
        assert_eq!((dialog.start, dialog.ended, dialog.status_code), (Some(S), None, None));
        assert!(dialog.is_authenticated);
    }

    #[test]
    fn a_rejection_ends_the_call_after_its_ack() {
        let dialog = after(&[(response(1, 486), 2 * S)]);
        assert_eq!(dialog.ended, Some((2 * S, EndedBy::Rejected)));
        assert_eq!(dialog.deadline(), 2 * S + LINGER);
    }

    #[test]
    fn a_cancelled_call_is_cancelled_and_not_rejected() {
        let dialog = after(&[
            (response(1, 180), 2 * S),
            (Signal::Cancel { branch: 1 }, 3 * S),
            (response(1, 487), 4 * S),
        ]);
        assert_eq!(dialog.ended, Some((4 * S, EndedBy::Cancelled)));
        assert_eq!(dialog.status_code, Some(487));
    }

    #[test]
    fn a_cancel_that_crosses_the_answer_changes_nothing() {
        let dialog = after(&[(Signal::Cancel { branch: 1 }, 2 * S), (response(1, 200), 3 * S)]);
        assert_eq!((dialog.state(), dialog.ended), (State::Confirmed, None));
    }

    #[test]
    fn a_busy_branch_of_a_fork_ends_nothing_while_another_rings() {
        let dialog = after(&[
            (invite(2, 1), S),
            (invite(3, 1), S),
            (response(2, 486), 2 * S),
            (response(3, 180), 2 * S),
        ]);
        assert_eq!((dialog.state(), dialog.ended), (State::Proceeding, None));
        let dialog = after(&[
            (invite(2, 1), S),
            (response(2, 486), 2 * S),
            (response(1, 200), 3 * S),
            (Signal::Cancel { branch: 3 }, 3 * S),
            (response(3, 487), 4 * S),
        ]);
        assert_eq!((dialog.state(), dialog.status_code), (State::Confirmed, Some(200)));
    }

    #[test]
    fn a_tap_that_sees_only_the_branches_of_a_fork_waits_for_all_of_them() {
        let mut dialog = after(&[(invite(2, 1), S), (response(2, 486), 2 * S)]);
        assert!(dialog.is_in_progress());
        dialog.handle(response(1, 480), 3 * S);
        assert_eq!(dialog.ended, Some((3 * S, EndedBy::Rejected)));
        assert_eq!(dialog.status_code, Some(480));
    }

    #[test]
    fn hanging_up_one_of_two_answers_leaves_the_other() {
        let answer = |tag| Signal::Response {
            branch: 1,
            cseq: 1,
            to_request_of: Side::Caller,
            status_code: 200,
            to_tag: Some(tag),
            has_sdp: true,
        };
        let hang_up = |tag| Signal::Bye { side: Side::Caller, callee_tag: Some(tag) };
        let mut dialog = after(&[(answer(1), 2 * S), (answer(2), 2 * S), (hang_up(2), 3 * S)]);
        assert!(dialog.is_forked);
        assert_eq!(dialog.state(), State::Confirmed);
        dialog.handle(hang_up(1), 4 * S);
        assert_eq!(dialog.ended, Some((4 * S, EndedBy::Caller)));
    }

    #[test]
    fn a_refused_re_invite_does_not_end_the_call() {
        let refused = Signal::Response {
            branch: 9,
            cseq: 2,
            to_request_of: Side::Caller,
            status_code: 491,
            to_tag: Some(7),
            has_sdp: false,
        };
        let glare = Signal::Response {
            branch: 8,
            cseq: 1,
            to_request_of: Side::Callee,
            status_code: 491,
            to_tag: Some(5),
            has_sdp: false,
        };
        let dialog = after(&[(response(1, 200), 2 * S), (refused, 3 * S), (glare, 3 * S)]);
        assert_eq!((dialog.state(), dialog.status_code), (State::Confirmed, Some(200)));
    }

    #[test]
    fn nobody_answers_in_time_and_ringing_lasts_as_long_as_timer_c() {
        assert_eq!(calling().deadline(), 16 * S);
        let mut dialog = after(&[(response(1, 100), 2 * S)]);
        assert_eq!(dialog.deadline(), 2 * S + PROCEEDING_WAIT);
        dialog.handle_deadline(2 * S);
        assert_eq!(dialog.ended, Some((2 * S, EndedBy::Timeout)));
    }

    #[test]
    fn an_ack_tells_of_an_answer_that_was_not_seen() {
        let ack = |branch, side| Signal::Ack { branch, cseq: 1, side };
        let dialog = after(&[(ack(9, Side::Caller), 3 * S)]);
        assert_eq!((dialog.state(), dialog.answered), (State::Confirmed, Some(3 * S)));
        assert_eq!(dialog.status_code, None);
        let of_a_refusal = after(&[(ack(1, Side::Caller), 3 * S)]);
        assert_eq!((of_a_refusal.state(), of_a_refusal.answered), (State::Calling, None));
        let refused = after(&[(response(1, 486), 2 * S), (ack(9, Side::Caller), 3 * S)]);
        assert_eq!((refused.state(), refused.answered), (State::Refused, None));
    }

    #[test]
    fn a_call_that_began_before_the_capture_has_no_start() {
        let mut dialog = Dialog::new(S, 15 * S);
        dialog.handle(Signal::Ack { branch: 1, cseq: 1, side: Side::Caller }, S);
        assert_eq!((dialog.state(), dialog.start), (State::Confirmed, None));
        let mut dialog = Dialog::new(S, 15 * S);
        dialog.handle(response(1, 200), S);
        assert_eq!((dialog.start, dialog.answered), (None, Some(S)));
        let mut dialog = Dialog::new(S, 15 * S);
        dialog.handle(bye(Side::Caller), S);
        assert_eq!(dialog.ended, Some((S, EndedBy::Caller)));
    }
}
