//! A device that was given no token waits until somebody accepts it by its claim code.

use core::time::Duration;

use ring::digest::{SHA256, digest};
use ring::signature::{ED25519, UnparsedPublicKey};
use ringside_protocol::cdr::Fingerprint;
use ringside_protocol::claim::{Claim, ClaimAnswer, Code, MAX_CLAIM_SECONDS, code_message, hour};
use ringside_protocol::step::Failure;
use ringside_protocol::time::UnixMicros;

use super::{Answer, MAX_HANDSHAKE_BYTES, Refusal, Request, Uplink, limit, open, seal};
use crate::claims::{Full, MAX_WAITING_PER_ADDRESS};
use crate::server::Woken;

/// The key under which a device's claim waits.
#[must_use]
pub fn key(device: Fingerprint) -> String {
    format!("claim:{device}")
}

/// Claims of one device that wait at once.
pub const CLAIMS_PER_DEVICE: usize = 1;

impl Uplink {
    /// Answers at once when the device belongs to somebody, else parks.
    pub(super) fn claim(&self, request: &Request<'_>) -> Result<Answer, Refusal> {
        limit(request.body, MAX_HANDSHAKE_BYTES)?;
        let address = request.peer.ip();
        if request.woken.is_none() {
            self.claims.admit(address, request.now).map_err(too_many)?;
        }
        let claim: Claim = open(request.body)?;
        let hello = &claim.prove.hello;
        // What counts of a claim that was parked is when it came.
        let waited = u64::try_from(request.waited.as_micros()).unwrap_or(u64::MAX);
        let came_at = UnixMicros(request.now.0.saturating_sub(waited));
        let came = Request { now: came_at, ..*request };
        let device = self.check_proof(&claim.prove, &came)?;
        let code = code(&claim, &came)?;
        let key = key(device);
        // Before looking: a wake that comes in between must not be lost.
        let generation = self.waker.generation(&key);
        if let Some(customer) = self.db.customer_of(device)? {
            return seal(&ClaimAnswer { customer: Some(customer) });
        }
        let asked = Duration::from_secs(claim.wait_seconds.min(MAX_CLAIM_SECONDS).into());
        let wait = asked.saturating_sub(request.waited);
        let is_over = matches!(request.woken, Some(Woken::Timeout | Woken::Superseded));
        if wait.is_zero() || is_over {
            return seal(&ClaimAnswer { customer: None });
        }
        if request.woken.is_none() {
            let waits = self.claims.wait(device, hello, code, address, request.now);
            waits.map_err(too_many)?;
        }
        Ok(Answer::Park { key, wait, generation })
    }
}

/// The code that a claim shows, if it is the device's for this hour or the one before.
fn code(claim: &Claim, request: &Request<'_>) -> Result<Code, Refusal> {
    let present = hour(request.now);
    if ![present, present.saturating_sub(1)].contains(&claim.hour) {
        let detail = "the claim code is of another hour".to_owned();
        return Err(Failure::CloudFault { detail }.into());
    }
    let key = UnparsedPublicKey::new(&ED25519, &claim.prove.hello.device_key);
    key.verify(&code_message(claim.hour), &claim.code_signature)
        .map_err(|_| Failure::BadSignature)?;
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, &claim.code_signature).as_ref());
    Ok(Code::of(&hash))
}

fn too_many(full: Full) -> Refusal {
    let (limit, seconds) = match full {
        Full::TooOften(seconds) => ("claims of one address in a minute".to_owned(), seconds),
        Full::Address => (
            format!("{MAX_WAITING_PER_ADDRESS} devices of one address that wait to be claimed"),
            60,
        ),
    };
    let seconds = u16::try_from(seconds).unwrap_or(u16::MAX);
    Refusal::Later { failure: Failure::Busy { limit }, seconds }
}
