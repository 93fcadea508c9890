//! Letting a device in: hello, enrol, prove.
//!
//! ```text
//! sensor                                    cloud
//!   Hello     ------------------------------>  version, clock; known?
//!             <------------------------------  Challenge (nonce; nothing is kept)
//!   [Enrol    ------------------------------>  nonce, signature, token
//!             <------------------------------  Enrolled]
//!   Prove     ------------------------------>  nonce, signature, clock, known, revoked,
//!             <------------------------------  cloned, number; Accepted (session, lease)
//! ```
//!
//! Each `->` can be answered by `Refused`. Every refusal is noted with the device, so that its page
//! shows which step failed and what to do; success clears the note.

use std::sync::PoisonError;

use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};
use ring::signature::{ED25519, UnparsedPublicKey};
use ringside_protocol::cdr::Fingerprint;
use ringside_protocol::message::{
    Accepted, Challenge, Enrol, Enrolled, Hello, Prove, proof_message,
};
use ringside_protocol::step::{Failure, MAX_CLOCK_SKEW_SECONDS};
use ringside_protocol::time::{MICROS_PER_SECOND, UnixMicros};
use ringside_protocol::{OLDEST_PROTOCOL_VERSION, PROTOCOL_VERSION};

use super::{MAX_HANDSHAKE_BYTES, Refusal, Request, Uplink, claim, limit, open};
use crate::db::sensors::{HEARTBEAT_SECONDS, clip, fingerprint, is_keepable};
use crate::events::Kind;

/// A challenge may be answered for this long, seconds.
pub const NONCE_SECONDS: u64 = 60;

/// Notes about devices that have proved nothing, at most so many a second: each is a write.
pub const UNPROVEN_NOTES_A_SECOND: u32 = 10;

impl Uplink {
    /// "Here I am."
    pub(super) fn hello(&self, request: &Request<'_>) -> Result<Challenge, Refusal> {
        limit(request.body, MAX_HANDSHAKE_BYTES)?;
        let hello: Hello = open(request.body)?;
        let device = fingerprint(&hello.device_key);
        let version = match agree(&hello) {
            Ok(version) => version,
            Err(failure) => return Err(self.refuse_unproven(&hello, request, failure)),
        };
        let enrolled = self.db.standing(device)?.is_some();
        if let Some(failure) = clock_skew(&hello, request.now) {
            // The sensor stops by itself, with the challenge's time in its sentence.
            self.note_unproven(&hello, request, &failure);
        } else if !enrolled && self.strangers_may_be_noted(request.now) {
            // It may be about to enrol: no refusal yet.
            log::info!("{device} ({}) is not known here yet", clip(&hello.name));
            self.note_stranger(&hello, request, None);
        }
        let nonce = self.nonces.issue(&self.random, &hello.device_key, request.now)?;
        Ok(Challenge { nonce, cloud_time: request.now, version, enrolled })
    }

    /// "I was given a token."
    pub(super) fn enrol(&self, request: &Request<'_>) -> Result<Enrolled, Refusal> {
        limit(request.body, MAX_HANDSHAKE_BYTES)?;
        let enrol: Enrol = open(request.body)?;
        let hello = &enrol.prove.hello;
        let device = self.check_proof(&enrol.prove, request)?;
        match self.db.enrol(&enrol.secret, device, hello, request.now)? {
            Ok(joined) => {
                log::info!("{device} ({}) joined {}", clip(&hello.name), joined.name);
                self.sessions().end(device);
                self.claims.forget(device);
                self.waker.wake(&claim::key(device));
                self.events.bump(joined.customer, Kind::Sensors);
                Ok(Enrolled { customer: joined.name })
            }
            Err(failure) => Err(self.refuse_proven(hello, request, failure)),
        }
    }

    /// "I hold the key."
    pub(super) fn prove(&self, request: &Request<'_>) -> Result<Accepted, Refusal> {
        limit(request.body, MAX_HANDSHAKE_BYTES)?;
        let prove: Prove = open(request.body)?;
        let hello = &prove.hello;
        let device = self.check_proof(&prove, request)?;
        let accepted = self.admit(device, hello, request);
        accepted.map_err(|refusal| match refusal {
            Refusal::Failure(failure) => self.refuse_proven(hello, request, failure),
            other => other,
        })
    }

    /// Opens a session for a device that has proved its key.
    fn admit(
        &self,
        device: Fingerprint,
        hello: &Hello,
        request: &Request<'_>,
    ) -> Result<Accepted, Refusal> {
        if let Some(failure) = clock_skew(hello, request.now) {
            return Err(failure.into());
        }
        match self.db.standing(device)? {
            None => return Err(Failure::NotEnrolled.into()),
            Some(sensor) if sensor.is_revoked => return Err(Failure::Revoked.into()),
            Some(_) => {}
        }
        self.sessions().appear(device, hello.boot, request.peer, request.now)?;
        let address = request.peer.ip().to_string();
        let admitted = self.db.admit(device, hello, &address, request.now)??;
        self.note_report(device, hello);
        let mut session = [0; 32];
        self.random.fill(&mut session).map_err(|_| no_random())?;
        self.sessions().open(session, device, admitted.customer, hello.boot, request.now);
        self.push(&admitted.changed);
        self.events.bump(admitted.customer, Kind::Sensors);
        log::info!(
            "{device} ({}) of {} is connected from {address} as sensor {}",
            clip(&hello.name),
            admitted.customer_name,
            admitted.id_sensor
        );
        Ok(Accepted {
            session,
            customer: admitted.customer_name,
            id_sensor: admitted.id_sensor,
            lease: admitted.lease,
            heartbeat_seconds: HEARTBEAT_SECONDS,
            cloud_time: request.now,
            ticket_keys: self.relay.as_ref().map_or_else(Vec::new, |relay| relay.ticket_keys()),
        })
    }

    /// Checks version, nonce and signature.
    pub(super) fn check_proof(
        &self,
        prove: &Prove,
        request: &Request<'_>,
    ) -> Result<Fingerprint, Refusal> {
        let hello = &prove.hello;
        let refused = agree(hello).err().or_else(|| {
            if !self.nonces.is_ours(&prove.nonce, &hello.device_key, request.now) {
                let detail = "the challenge of this handshake is no longer valid".to_owned();
                return Some(Failure::CloudFault { detail });
            }
            let key = UnparsedPublicKey::new(&ED25519, &hello.device_key);
            let message = proof_message(&prove.nonce, hello.boot);
            key.verify(&message, &prove.signature).err().map(|_| Failure::BadSignature)
        });
        match refused {
            None => Ok(fingerprint(&hello.device_key)),
            Some(failure) => Err(self.refuse_unproven(hello, request, failure)),
        }
    }

    fn refuse_unproven(&self, hello: &Hello, request: &Request<'_>, failure: Failure) -> Refusal {
        self.note_unproven(hello, request, &failure);
        failure.into()
    }

    fn refuse_proven(&self, hello: &Hello, request: &Request<'_>, failure: Failure) -> Refusal {
        let device = fingerprint(&hello.device_key);
        if self.note(device, &failure, request.now) {
            self.note_attempt(hello, request);
        } else {
            self.note_stranger(hello, request, Some(&failure));
        }
        failure.into()
    }

    fn note_attempt(&self, hello: &Hello, request: &Request<'_>) {
        let address = request.peer.ip().to_string();
        if let Err(error) = self.db.note_attempt(hello, &address) {
            log::error!("{error}");
        }
    }

    /// Notes a refusal of somebody who may be anybody: bounded in rate, since it costs a write.
    fn note_unproven(&self, hello: &Hello, request: &Request<'_>, failure: &Failure) {
        let device = fingerprint(&hello.device_key);
        let is_known = matches!(self.db.standing(device), Ok(Some(_)));
        // Apart, so that a flood of made-up devices hides no sensor's failure.
        let throttle = if is_known { &self.known } else { &self.strangers };
        if !throttle.lock().unwrap_or_else(PoisonError::into_inner).admits(request.now) {
            return;
        }
        if !self.note(device, failure, request.now) {
            self.note_stranger(hello, request, Some(failure));
        }
    }

    /// Notes how an attempt of a device was refused; answers whether it belongs to a customer.
    pub(super) fn note(&self, device: Fingerprint, failure: &Failure, now: UnixMicros) -> bool {
        log::warn!("{device} was refused at {failure}");
        let noted = self.db.note_failure(device, failure, now).and_then(|is_known| {
            if let Some(sensor) = self.db.standing(device)? {
                self.events.bump(sensor.customer, Kind::Sensors);
            }
            Ok(is_known)
        });
        noted.unwrap_or_else(|error| {
            log::error!("{error}");
            true
        })
    }

    fn strangers_may_be_noted(&self, now: UnixMicros) -> bool {
        self.strangers.lock().unwrap_or_else(PoisonError::into_inner).admits(now)
    }

    fn note_stranger(&self, hello: &Hello, request: &Request<'_>, failure: Option<&Failure>) {
        let address = request.peer.ip().to_string();
        if let Err(error) = self.db.note_stranger(hello, &address, failure, request.now) {
            log::error!("{error}");
        }
    }

    /// Keeps what a sensor tells about an earlier attempt, which the cloud may not have seen.
    fn note_report(&self, device: Fingerprint, hello: &Hello) {
        let Some((at, failure)) = &hello.last_failure else { return };
        if !is_keepable(failure) {
            return;
        }
        if let Err(error) = self.db.note_report(device, failure, *at) {
            log::error!("{error}");
        }
    }
}

/// The protocol version that both speak.
fn agree(hello: &Hello) -> Result<u8, Failure> {
    if hello.newest_version < OLDEST_PROTOCOL_VERSION {
        return Err(Failure::SensorTooOld {
            sensor: hello.newest_version,
            cloud_oldest: OLDEST_PROTOCOL_VERSION,
        });
    }
    if hello.oldest_version > PROTOCOL_VERSION {
        return Err(Failure::CloudTooOld {
            sensor_oldest: hello.oldest_version,
            cloud: PROTOCOL_VERSION,
        });
    }
    Ok(hello.newest_version.min(PROTOCOL_VERSION))
}

fn clock_skew(hello: &Hello, now: UnixMicros) -> Option<Failure> {
    let apart = hello.sensor_time.since(now).max(now.since(hello.sensor_time));
    (apart > MAX_CLOCK_SKEW_SECONDS * MICROS_PER_SECOND)
        .then_some(Failure::ClockSkew { sensor_time: hello.sensor_time, cloud_time: now })
}

fn no_random() -> Failure {
    Failure::CloudFault { detail: "the system gives no random bytes".to_owned() }
}

/// Challenges that the cloud recognises without remembering them.
///
/// ```text
///  0               8               16                              32
/// +---------------+---------------+-------------------------------+
/// | cloud's time  | random        | HMAC-SHA256 over both and the |
/// | (us, BE)      |               | device's key, first half      |
/// +---------------+---------------+-------------------------------+
/// ```
pub struct Nonces {
    key: hmac::Key,
}

impl Nonces {
    /// With the service's own key.
    #[must_use]
    pub fn new(key: &[u8]) -> Self {
        Self { key: hmac::Key::new(hmac::HMAC_SHA256, key) }
    }

    /// A challenge for the device with that key.
    fn issue(
        &self,
        random: &SystemRandom,
        device_key: &[u8; 32],
        now: UnixMicros,
    ) -> Result<[u8; 32], Failure> {
        let mut nonce = [0; 32];
        random.fill(&mut nonce).map_err(|_| no_random())?;
        nonce[..8].copy_from_slice(&now.0.to_be_bytes());
        let tag = hmac::sign(&self.key, &Self::signed(&nonce, device_key));
        nonce[16..].copy_from_slice(&tag.as_ref()[..16]);
        Ok(nonce)
    }

    /// Whether a challenge was issued to that device within [`NONCE_SECONDS`].
    fn is_ours(&self, nonce: &[u8; 32], device_key: &[u8; 32], now: UnixMicros) -> bool {
        let tag = hmac::sign(&self.key, &Self::signed(nonce, device_key));
        let differing =
            tag.as_ref()[..16].iter().zip(&nonce[16..]).fold(0, |all, (a, b)| all | (a ^ b));
        let mut at = [0; 8];
        at.copy_from_slice(&nonce[..8]);
        let age = now.since(UnixMicros(u64::from_be_bytes(at)));
        differing == 0 && age <= NONCE_SECONDS * MICROS_PER_SECOND
    }

    fn signed(nonce: &[u8; 32], device_key: &[u8; 32]) -> Vec<u8> {
        let mut signed = nonce[..16].to_vec();
        signed.extend_from_slice(device_key);
        signed
    }
}

/// Lets [`UNPROVEN_NOTES_A_SECOND`] through.
#[derive(Default)]
pub struct Throttle {
    second: u64,
    count: u32,
}

impl Throttle {
    fn admits(&mut self, now: UnixMicros) -> bool {
        let second = now.0 / MICROS_PER_SECOND;
        if second != self.second {
            (self.second, self.count) = (second, 0);
        }
        self.count += 1;
        self.count <= UNPROVEN_NOTES_A_SECOND
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMicros = UnixMicros(1_795_000_000_000_000);

    #[test]
    fn a_nonce_is_for_one_device_and_a_minute() {
        let nonces = Nonces::new(b"key");
        let nonce = nonces.issue(&SystemRandom::new(), &[1; 32], NOW).expect("issued");
        let minute = NOW.plus(NONCE_SECONDS * MICROS_PER_SECOND);
        assert!(nonces.is_ours(&nonce, &[1; 32], minute));
        assert!(!nonces.is_ours(&nonce, &[1; 32], minute.plus(1)));
        assert!(!nonces.is_ours(&nonce, &[2; 32], NOW));
        assert!(!Nonces::new(b"other").is_ours(&nonce, &[1; 32], NOW));
        for byte in 0..32 {
            let mut altered = nonce;
            altered[byte] ^= 1;
            assert!(!nonces.is_ours(&altered, &[1; 32], NOW), "byte {byte}");
        }
    }

    #[test]
    fn notes_about_strangers_are_bounded_in_rate() {
        let mut throttle = Throttle::default();
        let admitted = (0..1000).filter(|_| throttle.admits(NOW)).count();
        assert_eq!(admitted, UNPROVEN_NOTES_A_SECOND as usize);
        assert!(throttle.admits(NOW.plus(MICROS_PER_SECOND)));
    }
}
