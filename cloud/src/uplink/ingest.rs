//! Batches of records: committed, then acknowledged.

use ringside_protocol::message::{Batch, BatchAck, MAX_BATCH_RECORDS};
use ringside_protocol::words::plural;

use super::{Refusal, Request, Uplink, open};
use crate::events::Kind;

impl Uplink {
    /// Keeps a batch. When this returns its records are on the disk, or were before.
    pub(super) fn ingest(&self, request: &Request<'_>) -> Result<BatchAck, Refusal> {
        let (_, session) = self.enter(request)?;
        let batch: Batch = open(request.body)?;
        if batch.records.len() > MAX_BATCH_RECORDS {
            let sentence = format!(
                "a batch has at most {MAX_BATCH_RECORDS} records, and this one has {}",
                batch.records.len()
            );
            return Err(Refusal::Status(413, sentence));
        }
        let ack = self.db.store_batch(session.customer, session.device, &batch, request.now)?;
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
        Ok(ack)
    }
}
