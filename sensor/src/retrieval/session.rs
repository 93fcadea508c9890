//! Sessions that tickets have opened: who may go on with what, for a while.
//!
//! A session lasts [`SESSION_SECONDS`] after the last byte that went out under it, so that a slow
//! reader can go on however long it takes, and [`LONGEST_SESSION_SECONDS`] in all. They stand in a
//! small file, so that a restart of the sensor ends none.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use ring::digest::{Context, SHA256, digest};
use ring::hmac;
use ringside_protocol::retrieval::{
    LONGEST_SESSION_SECONDS, PUBLIC_KEY_BYTES, Refusal, Resume, SESSION_SECONDS, Ticket,
    resume_proof_message,
};
use ringside_protocol::time::{MICROS_PER_SECOND, UnixMicros};

use crate::store::atomic;
use crate::store::ring::reader::StoredCall;

/// Its name in the data directory.
const FILE: &str = "sessions";

/// Sessions that are remembered; the one that was used least recently leaves.
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

#[derive(Clone, Debug, PartialEq, Eq)]
struct Session {
    ticket: Ticket,
    opened_at: UnixMicros,
    active_at: UnixMicros,
    /// Over the relay the resume key, on the direct way SHA-256 of what the browser's cookie holds.
    key: [u8; 32],
    print: Print,
}

impl Session {
    fn is_live(&self, now: UnixMicros) -> bool {
        now.since(self.active_at) <= SESSION_SECONDS * MICROS_PER_SECOND
            && now.since(self.opened_at) <= LONGEST_SESSION_SECONDS * MICROS_PER_SECOND
    }
}

/// The sessions, by their tickets' numbers.
#[derive(Debug)]
pub(super) struct Sessions {
    path: PathBuf,
    sessions: HashMap<[u8; 16], Session>,
}

impl Sessions {
    /// What an earlier start has left.
    pub(super) fn load(directory: &Path) -> Self {
        let path = directory.join(FILE);
        let sessions = match std::fs::read_to_string(&path) {
            Ok(text) => text.lines().filter_map(read_line).collect(),
            Err(error) => {
                if error.kind() != io::ErrorKind::NotFound {
                    log::warn!("{}: {error}: transfers begin anew", path.display());
                }
                HashMap::new()
            }
        };
        Self { path, sessions }
    }

    /// A ticket was redeemed.
    pub(super) fn open(&mut self, ticket: &Ticket, key: [u8; 32], print: Print, now: UnixMicros) {
        self.sessions.retain(|_, other| other.is_live(now));
        if self.sessions.len() >= MAX_SESSIONS {
            let oldest = self.sessions.iter().min_by_key(|(_, other)| other.active_at);
            if let Some(oldest) = oldest.map(|(number, _)| *number) {
                self.sessions.remove(&oldest);
            }
        }
        let ticket = ticket.clone();
        let number = ticket.number;
        self.sessions
            .insert(number, Session { ticket, opened_at: now, active_at: now, key, print });
        self.save();
    }

    /// Something has gone out under it until now.
    pub(super) fn touch(&mut self, number: &[u8; 16], now: UnixMicros) {
        if let Some(session) = self.sessions.get_mut(number) {
            session.active_at = session.active_at.max(now);
            self.save();
        }
    }

    /// Whether whoever resumes over the relay is who began, and not too late.
    pub(super) fn check(
        &self,
        ticket: &Ticket,
        resume: &Resume,
        browser_key: &[u8; PUBLIC_KEY_BYTES],
        now: UnixMicros,
    ) -> Result<(), Refusal> {
        let session = self.sessions.get(&ticket.number).ok_or(Refusal::Used)?;
        if !session.is_live(now) {
            return Err(Refusal::Expired);
        }
        let message = resume_proof_message(browser_key, resume.offset);
        let key = hmac::Key::new(hmac::HMAC_SHA256, &session.key);
        hmac::verify(&key, &message, &resume.proof).map_err(|_| Refusal::Used)
    }

    /// Whether what is stored is what the session began with.
    pub(super) fn is_unchanged(&self, ticket: &Ticket, print: Print) -> Result<(), Refusal> {
        let session = self.sessions.get(&ticket.number).ok_or(Refusal::Used)?;
        if session.print == print { Ok(()) } else { Err(Refusal::Changed) }
    }

    /// The ticket of a direct session, for whoever has the secret that it gave out.
    pub(super) fn ticket_of(
        &self,
        number: &[u8; 16],
        secret: &[u8],
        now: UnixMicros,
    ) -> Option<Ticket> {
        let session = self.sessions.get(number).filter(|session| session.is_live(now))?;
        (digest(&SHA256, secret).as_ref() == session.key).then(|| session.ticket.clone())
    }

    /// Without the file a restart ends the sessions; nothing worse.
    fn save(&self) {
        let text: String = self.sessions.values().filter_map(line).collect();
        if let Err(error) = atomic::replace(&self.path, text.as_bytes(), 0o600) {
            log::warn!("{}: {error}: a restart ends the transfers", self.path.display());
        }
    }
}

fn line(session: &Session) -> Option<String> {
    let Session { ticket, opened_at, active_at, key, print } = session;
    let ticket = HEXLOWER.encode(&postcard::to_stdvec(ticket).ok()?);
    let (key, print) = (HEXLOWER.encode(key), HEXLOWER.encode(print));
    Some(format!("{ticket} {} {} {key} {print}\n", opened_at.0, active_at.0))
}

fn read_line(line: &str) -> Option<([u8; 16], Session)> {
    let mut words = line.split(' ');
    let ticket = HEXLOWER.decode(words.next()?.as_bytes()).ok()?;
    let ticket: Ticket = postcard::from_bytes(&ticket).ok()?;
    let opened_at = UnixMicros(words.next()?.parse().ok()?);
    let active_at = UnixMicros(words.next()?.parse().ok()?);
    let key = HEXLOWER.decode(words.next()?.as_bytes()).ok()?.try_into().ok()?;
    let print = HEXLOWER.decode(words.next()?.as_bytes()).ok()?.try_into().ok()?;
    Some((ticket.number, Session { ticket, opened_at, active_at, key, print }))
}
