//! Batches of records: looked through, committed, then acknowledged.
//!
//! An honest sensor repeats a batch until it is acknowledged, so nothing that a batch holds may
//! keep it from being: a record that no sensor can have made is dropped, counted and acknowledged
//! with the others; a batch that cannot be read is answered so that the sensor halves it.

use core::fmt;
use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use ringside_protocol::cdr::Fingerprint;
use ringside_protocol::envelope::{self, EnvelopeError, Message};
use ringside_protocol::message::{Batch, BatchAck, MAX_BATCH_RECORDS};
use ringside_protocol::plausible::{self, Implausible};
use ringside_protocol::step::Failure;
use ringside_protocol::words::plural;

use super::session::Session;
use super::{Refusal, Request, Uplink, foreign_version};
use crate::db::DbError;
use crate::db::intake::Kind as NoticeKind;
use crate::events::Kind;

/// A sensor whose batch is still being stored sends the next one after this many seconds.
const TURN_RETRY_SECONDS: u16 = 1;

/// A sensor whose customer is at its quota sends its batch again after this many seconds.
const QUOTA_RETRY_SECONDS: u16 = 600;

impl Uplink {
    /// Keeps a batch. When this returns its records are on the disk, or were before.
    pub(super) fn ingest(&self, request: &Request<'_>) -> Result<BatchAck, Refusal> {
        let (_, session) = self.enter(request)?;
        let _turn = self.turns.take(session.device).ok_or_else(|| Refusal::Later {
            failure: Failure::Busy { limit: "one batch of a sensor at a time".to_owned() },
            seconds: TURN_RETRY_SECONDS,
        })?;
        let mut batch = self.read_batch(request, &session)?;
        let refused = drop_implausible(&mut batch);
        let ack = self.db.store_batch(session.customer, session.device, &batch, request.now);
        let ack = ack.map_err(|error| self.not_stored(error, request, &session))?;
        if let Some((many, why)) = refused {
            self.notice(&session, (NoticeKind::Records, many), &why, request);
        }
        if ack.stored > 0 {
            self.events.bump(session.customer, Kind::Calls);
        }
        if ack.expired > 0 {
            log::warn!(
                "sensor {}: older than the retention and not kept: {}",
                session.device,
                plural(ack.expired, "record")
            );
        }
        Ok(BatchAck { refused: refused.map_or(0, |(many, _)| many), ..ack })
    }

    fn read_batch(&self, request: &Request<'_>, session: &Session) -> Result<Batch, Refusal> {
        let batch = self.read::<Batch>(NoticeKind::Batches, request, session)?;
        let many = batch.records.len();
        if many > MAX_BATCH_RECORDS {
            let detail = format!("{many} records, at most {MAX_BATCH_RECORDS}");
            return Err(self.unread(NoticeKind::Batches, detail, request, session));
        }
        Ok(batch)
    }

    /// Reads a message of an open session, which stands if that cannot be done: a sensor whose
    /// heartbeats are unreadable still has records to deliver.
    pub(super) fn read<M: Message>(
        &self,
        kind: NoticeKind,
        request: &Request<'_>,
        session: &Session,
    ) -> Result<M, Refusal> {
        envelope::open(request.body).map_err(|error| match error {
            EnvelopeError::Version(version) => foreign_version(version).into(),
            other => self.unread(kind, other.to_string(), request, session),
        })
    }

    fn unread(
        &self,
        kind: NoticeKind,
        detail: String,
        request: &Request<'_>,
        session: &Session,
    ) -> Refusal {
        self.notice(session, (kind, 1), &detail, request);
        Failure::MessageRefused { detail }.into()
    }

    fn not_stored(&self, error: DbError, request: &Request<'_>, session: &Session) -> Refusal {
        let DbError::OverQuota(quota) = error else { return error.into() };
        self.notice(session, (NoticeKind::OverQuota, 1), &quota, request);
        Refusal::Later {
            failure: Failure::Busy { limit: quota.to_string() },
            seconds: QUOTA_RETRY_SECONDS,
        }
    }

    /// Notes what was not kept as it came: for the sensor's page, `/metrics` and the log.
    pub(super) fn notice(
        &self,
        session: &Session,
        what: (NoticeKind, u32),
        detail: &dyn fmt::Display,
        request: &Request<'_>,
    ) {
        let Session { customer, device, .. } = *session;
        match self.db.note_intake(customer, device, what, &detail.to_string(), request.now) {
            Ok(Some(notice)) => {
                log::warn!("sensor {device}: {}", notice.sentence());
                self.events.bump(customer, Kind::Sensors);
            }
            Ok(None) => {}
            Err(error) => log::error!("{error}"),
        }
    }
}

/// Takes out what no sensor can have made; answers how many that were, and what is wrong with one.
fn drop_implausible(batch: &mut Batch) -> Option<(u32, Implausible)> {
    let mut refused: Option<(u32, Implausible)> = None;
    batch.records.retain(|record| {
        let Err(why) = plausible::check(record) else { return true };
        let many = refused.map_or(0, |(many, _)| many);
        refused = Some((many + 1, why));
        false
    });
    refused
}

/// The devices of which a batch is being stored: one at a time each, or a sensor that sends many at
/// once would have all workers, and their memory, for itself.
#[derive(Default)]
pub(super) struct Turns(Mutex<HashSet<Fingerprint>>);

impl Turns {
    /// The device's turn; `None` while it has one.
    pub(super) fn take(&self, device: Fingerprint) -> Option<Turn<'_>> {
        let is_free = self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(device);
        is_free.then_some(Turn { of: self, device })
    }
}

/// Ends when it is dropped.
pub(super) struct Turn<'a> {
    of: &'a Turns,
    device: Fingerprint,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.of.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.device);
    }
}
