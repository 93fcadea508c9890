//! Sessions that tickets have opened: who may resume what, for a while.
//!
//! They live in memory: after a restart of the sensor a new ticket is needed.

use std::collections::HashMap;

use ring::digest::{Context, SHA256};
use ring::hmac;
use ringside_protocol::retrieval::{
    PUBLIC_KEY_BYTES, Refusal, Resume, SESSION_SECONDS, Ticket, resume_proof_message,
};
use ringside_protocol::time::{MICROS_PER_SECOND, UnixMicros};

use crate::store::ring::reader::StoredCall;

/// Sessions that are remembered; the oldest leaves.
pub(super) const MAX_SESSIONS: usize = 256;

/// What a call's content is told by: where its packets stand.
pub(super) type Print = [u8; 32];

/// The print of a call as it is stored now.
pub(super) fn print(stored: &StoredCall) -> Print {
    let mut context = Context::new(&SHA256);
    for place in stored.places() {
        context.update(&place.serial.to_be_bytes());
        context.update(&place.at.to_be_bytes());
        context.update(&place.len.to_be_bytes());
    }
    let mut print = [0; 32];
    print.copy_from_slice(context.finish().as_ref());
    print
}

#[derive(Debug)]
struct Session {
    opened_at: UnixMicros,
    resume_key: hmac::Key,
    print: Print,
}

/// The sessions, by their tickets' numbers.
#[derive(Debug, Default)]
pub(super) struct Sessions(HashMap<[u8; 16], Session>);

impl Sessions {
    /// A ticket was redeemed.
    pub(super) fn open(
        &mut self,
        ticket: &Ticket,
        resume_key: [u8; 32],
        print: Print,
        now: UnixMicros,
    ) {
        let session = SESSION_SECONDS * MICROS_PER_SECOND;
        self.0.retain(|_, other| now.since(other.opened_at) <= session);
        if self.0.len() >= MAX_SESSIONS {
            let oldest = self.0.iter().min_by_key(|(_, other)| other.opened_at);
            if let Some(oldest) = oldest.map(|(number, _)| *number) {
                self.0.remove(&oldest);
            }
        }
        let resume_key = hmac::Key::new(hmac::HMAC_SHA256, &resume_key);
        self.0.insert(ticket.number, Session { opened_at: now, resume_key, print });
    }

    /// Whether whoever resumes is who began, and not too late.
    pub(super) fn check(
        &self,
        ticket: &Ticket,
        resume: &Resume,
        browser_key: &[u8; PUBLIC_KEY_BYTES],
        now: UnixMicros,
    ) -> Result<(), Refusal> {
        let session = self.0.get(&ticket.number).ok_or(Refusal::Used)?;
        if now.since(session.opened_at) > SESSION_SECONDS * MICROS_PER_SECOND {
            return Err(Refusal::Expired);
        }
        let message = resume_proof_message(browser_key, resume.offset);
        hmac::verify(&session.resume_key, &message, &resume.proof).map_err(|_| Refusal::Used)
    }

    /// Whether what is stored is what the session began with.
    pub(super) fn is_unchanged(&self, ticket: &Ticket, print: Print) -> Result<(), Refusal> {
        let session = self.0.get(&ticket.number).ok_or(Refusal::Used)?;
        if session.print == print { Ok(()) } else { Err(Refusal::Changed) }
    }
}
