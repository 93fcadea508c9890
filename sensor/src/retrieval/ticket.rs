//! Whether a ticket holds: offline, by the cloud's key and clock as this sensor knows them.

use ring::signature::{ED25519, UnparsedPublicKey};
use ringside_protocol::cdr::Fingerprint;
use ringside_protocol::retrieval::{REDEEM_WITHIN_SECONDS, Refusal, SignedTicket, Ticket, Way};
use ringside_protocol::time::{MICROS_PER_SECOND, UnixMicros};

/// The ticket, if it is for this device, customer and way, and signed with one of `keys`. `now`: by
/// the cloud's clock; `None` where the time to redeem it does not matter any more.
pub(super) fn check(
    signed: &SignedTicket,
    keys: &[[u8; 32]],
    (device, customer, way): (Fingerprint, &str, Way),
    now: Option<UnixMicros>,
) -> Result<Ticket, Refusal> {
    let message = SignedTicket::message(&signed.ticket);
    let is_signed = |key: &[u8; 32]| {
        UnparsedPublicKey::new(&ED25519, key).verify(&message, &signed.signature).is_ok()
    };
    if !keys.iter().any(is_signed) {
        return Err(Refusal::Forged);
    }
    let ticket = signed.read().ok_or(Refusal::Forged)?;
    if ticket.call.device != device || ticket.customer != customer || ticket.way != way {
        return Err(Refusal::NotOurs);
    }
    let longest = REDEEM_WITHIN_SECONDS * MICROS_PER_SECOND;
    let is_late = |now: UnixMicros| {
        now >= ticket.expires_at || ticket.expires_at.since(ticket.issued_at) > longest
    };
    if now.is_some_and(is_late) {
        return Err(Refusal::Expired);
    }
    Ok(ticket)
}
