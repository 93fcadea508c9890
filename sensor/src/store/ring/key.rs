//! Keys of calls: what is sealed under one is gone when the key is.
//!
//! ChaCha20-Poly1305 (RFC 8439) takes the same time on every board, with AES instructions or
//! without. A key is overwritten when it is dropped; nobody but this module sees its bytes.

use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};
use ringside_protocol::cdr::Boot;
use zeroize::Zeroizing;

use super::chunk::{Head, Kind};

/// Bytes that sealing adds.
pub const TAG: usize = 16;

/// The same, as chunks count their bytes.
pub(super) const TAG_LEN: u32 = 16;

/// A key is that long.
pub const KEY_LEN: usize = 32;

/// A key.
pub struct Key(Zeroizing<[u8; KEY_LEN]>);

impl Key {
    /// A new one; `None` when the system gives no random bytes.
    #[must_use]
    pub fn random() -> Option<Self> {
        let mut bytes = Zeroizing::new([0; KEY_LEN]);
        SystemRandom::new().fill(&mut *bytes).ok()?;
        Some(Self(bytes))
    }

    /// From its bytes.
    #[must_use]
    pub fn from_bytes(bytes: [u8; KEY_LEN]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// Its bytes, to be written where they are to outlive the process.
    #[must_use]
    pub fn bytes(&self) -> &[u8; KEY_LEN] {
        &self.0
    }

    /// Seals `bytes` in place; the tag goes behind them.
    pub(super) fn seal(&self, head: &Head, bytes: &mut [u8]) -> Option<[u8; TAG]> {
        let tag = self.cipher()?.seal_in_place_separate_tag(nonce(head), aad(head), bytes).ok()?;
        tag.as_ref().try_into().ok()
    }

    /// Opens bytes with their tag; `None` when they are not what was sealed.
    pub(super) fn open(&self, head: &Head, sealed: &[u8]) -> Option<Vec<u8>> {
        let mut bytes = sealed.to_vec();
        let len = self.cipher()?.open_in_place(nonce(head), aad(head), &mut bytes).ok()?.len();
        bytes.truncate(len);
        Some(bytes)
    }

    fn cipher(&self) -> Option<LessSafeKey> {
        Some(LessSafeKey::new(UnboundKey::new(&CHACHA20_POLY1305, &*self.0).ok()?))
    }
}

impl core::fmt::Debug for Key {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Key")
    }
}

/// The device's own secret, from which it makes a key for each start of the sensor: call numbers,
/// and with them nonces, begin anew with each.
#[derive(Debug)]
pub struct DeviceKey(Key);

impl DeviceKey {
    /// From [`crate::identity::Identity::storage_secret`].
    #[must_use]
    pub fn new(secret: [u8; KEY_LEN]) -> Self {
        Self(Key::from_bytes(secret))
    }

    /// The key of one start.
    pub(super) fn of(&self, boot: Boot) -> Key {
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, self.0.bytes()), &boot.0);
        let mut bytes = [0; KEY_LEN];
        bytes.copy_from_slice(tag.as_ref());
        Key::from_bytes(bytes)
    }
}

/// The call's number is part of it for the sake of the device's key, which seals for all calls;
/// kinds tell apart what it seals for one.
fn nonce(head: &Head) -> Nonce {
    let mut nonce = [0; NONCE_LEN];
    nonce[..7].copy_from_slice(&head.call.1.to_le_bytes()[..7]);
    nonce[7] = match head.kind {
        Kind::Packets => 0,
        _ => 1 + head.kind as u8,
    };
    nonce[8..].copy_from_slice(&head.nonce.to_le_bytes());
    Nonce::assume_unique_for_key(nonce)
}

fn aad(head: &Head) -> Aad<[u8; super::chunk::CHUNK_HEAD - 16]> {
    Aad::from(head.described())
}
