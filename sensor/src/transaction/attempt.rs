//! One attempt: from the first request to the response that decides.
//!
//! ```text
//!            401, 407, 423, 3xx             request
//!  Asking ----------------------> Waiting ----------> Asking
//!    |                               |
//!    | 2xx: granted                  | RETRY_WAIT: refused
//!    | other final: refused
//!    | TIMER_F: refused, no answer
//! ```
//!
//! A challenge and the request that answers it are one attempt. A second challenge refuses the
//! credentials, unless it says that only their nonce was stale (RFC 3261 §22.3, RFC 7616 §3.3).

use super::Transaction;

const SECOND: u64 = 1_000_000;

/// Timer F (RFC 3261 §17.1.2.2): a request without any final response.
pub const TIMER_F: u64 = 32 * SECOND;

/// How long a challenged or redirected attempt waits for the request that goes on.
pub const RETRY_WAIT: u64 = 5 * SECOND;

/// Challenges of one attempt that may claim a stale nonce: a server that always does refuses.
pub const MAX_STALE: u8 = 3;

/// An attempt that is not decided.
#[derive(Clone, Copy, Debug)]
pub struct Attempt {
    /// Its first request, microseconds.
    pub started_at: u64,
    /// The newest request.
    pub sent_at: u64,
    /// The transaction of the newest request.
    pub transaction: Transaction,
    /// A challenge has come.
    pub is_challenged: bool,
    /// The newest request carries credentials.
    pub has_credentials: bool,
    /// The response that it waits after; `None` while one is awaited.
    waiting_after: Option<u16>,
    stale: u8,
    /// When it is decided without anything more.
    pub deadline: u64,
}

/// How an attempt goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is not decided.
    Open,
    /// The server has agreed.
    Granted,
    /// It has not, or nobody answered (`None`).
    Refused(Option<u16>),
}

impl Attempt {
    /// Begins with a request.
    #[must_use]
    pub const fn new(transaction: Transaction, has_credentials: bool, now: u64) -> Self {
        Self {
            started_at: now,
            sent_at: now,
            transaction,
            is_challenged: false,
            has_credentials,
            waiting_after: None,
            stale: 0,
            deadline: now + TIMER_F,
        }
    }

    /// Whether a request goes on with it rather than beginning another.
    #[must_use]
    pub const fn goes_on_with(&self, transaction: Transaction) -> bool {
        self.waiting_after.is_some() && self.transaction.call_id == transaction.call_id
    }

    /// Whether a response to the newest request is awaited.
    #[must_use]
    pub const fn is_asking(&self) -> bool {
        self.waiting_after.is_none()
    }

    /// Goes on with another request.
    pub const fn ask_again(&mut self, transaction: Transaction, has_credentials: bool, now: u64) {
        self.transaction = transaction;
        self.has_credentials = has_credentials;
        self.sent_at = now;
        self.waiting_after = None;
        self.deadline = now + TIMER_F;
    }

    /// Takes a final response to the newest request. `is_stale`: it says that the nonce was.
    pub const fn answer(&mut self, status_code: u16, is_stale: bool, now: u64) -> Outcome {
        match status_code {
            200..300 => return Outcome::Granted,
            401 | 407 => {
                let is_refusal = self.is_challenged && !(is_stale && self.stale < MAX_STALE);
                if is_refusal {
                    return Outcome::Refused(Some(status_code));
                }
                self.stale += is_stale as u8;
                self.is_challenged = true;
            }
            300..=399 | 423 => {}
            _ => return Outcome::Refused(Some(status_code)),
        }
        self.waiting_after = Some(status_code);
        self.deadline = now + RETRY_WAIT;
        Outcome::Open
    }

    /// How it ends when its deadline has passed, or another attempt takes its place.
    #[must_use]
    pub const fn give_up(&self) -> Outcome {
        Outcome::Refused(self.waiting_after)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn transaction(cseq: u32) -> Transaction {
        Transaction { call_id: 7, cseq, hash: u64::from(cseq) }
    }

    fn attempt() -> Attempt {
        Attempt::new(transaction(1), false, 0)
    }

    /// Status codes one after the other, each answering a request of its own; the last decides.
    fn ends(answers: &[(u16, bool)]) -> Outcome {
        let mut attempt = attempt();
        let mut outcome = Outcome::Open;
        for (cseq, &(code, is_stale)) in (1..).zip(answers) {
            assert_eq!(outcome, Outcome::Open);
            if cseq > 1 {
                assert!(attempt.goes_on_with(transaction(cseq)));
                attempt.ask_again(transaction(cseq), true, SECOND);
            }
            outcome = attempt.answer(code, is_stale, SECOND);
        }
        outcome
    }

    #[test]
    fn a_challenge_and_its_answer_are_one_attempt() {
        assert_eq!(ends(&[(200, false)]), Outcome::Granted);
        assert_eq!(ends(&[(401, false), (200, false)]), Outcome::Granted);
        assert_eq!(ends(&[(407, false), (401, false)]), Outcome::Refused(Some(401)));
        assert_eq!(ends(&[(401, false), (403, false)]), Outcome::Refused(Some(403)));
        assert_eq!(ends(&[(423, false), (401, false), (200, false)]), Outcome::Granted);
        assert_eq!(ends(&[(404, false)]), Outcome::Refused(Some(404)));
    }

    #[test]
    fn a_stale_nonce_is_no_wrong_password_but_not_for_ever() {
        let stale = (401, true);
        assert_eq!(ends(&[stale, stale, (200, false)]), Outcome::Granted);
        assert_eq!(ends(&[stale, stale, stale, stale]), Outcome::Refused(Some(401)));
    }

    #[test]
    fn silence_and_a_challenge_that_nobody_answers_end_at_their_deadlines() {
        let mut attempt = attempt();
        assert_eq!((attempt.deadline, attempt.give_up()), (TIMER_F, Outcome::Refused(None)));
        assert!(!attempt.goes_on_with(transaction(2)), "it is still being asked");
        assert_eq!(attempt.answer(401, false, SECOND), Outcome::Open);
        assert_eq!(attempt.deadline, SECOND + RETRY_WAIT);
        assert_eq!(attempt.give_up(), Outcome::Refused(Some(401)));
        let other = Transaction { call_id: 8, ..transaction(2) };
        assert!(!attempt.goes_on_with(other));
    }
}
