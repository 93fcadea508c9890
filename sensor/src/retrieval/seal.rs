//! Keys that two sides agree on, and frames sealed under them
//! ([`ringside_protocol::retrieval`] has the formulas).

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use ring::agreement::{self, ECDH_P256, EphemeralPrivateKey, UnparsedPublicKey};
use ring::digest::{SHA256, digest};
use ring::hkdf::{HKDF_SHA256, KeyType, Salt};
use ring::rand::SystemRandom;
use ringside_protocol::retrieval::{
    FRAME_KEY_INFO, FrameKind, PUBLIC_KEY_BYTES, RESUME_KEY_INFO, nonce,
};

/// This side's half: a key that is used once.
pub(super) struct Agreement {
    key: EphemeralPrivateKey,
    public: [u8; PUBLIC_KEY_BYTES],
}

/// What was agreed on.
pub(super) struct Keys {
    /// Seals the frames.
    pub(super) sealer: Sealer,
    /// Proves who resumes.
    pub(super) resume: [u8; 32],
}

impl Agreement {
    /// A new key; `None` when the system gives no random bytes.
    pub(super) fn new() -> Option<Self> {
        let key = EphemeralPrivateKey::generate(&ECDH_P256, &SystemRandom::new()).ok()?;
        let public = key.compute_public_key().ok()?;
        let public = public.as_ref().try_into().ok()?;
        Some(Self { key, public })
    }

    /// Its public half.
    pub(super) const fn public(&self) -> [u8; PUBLIC_KEY_BYTES] {
        self.public
    }

    /// Agrees with the other side; `None` when its key is none.
    pub(super) fn agree(self, other: &[u8; PUBLIC_KEY_BYTES], transcript: &[u8]) -> Option<Keys> {
        let other = UnparsedPublicKey::new(&ECDH_P256, other);
        agreement::agree_ephemeral(self.key, &other, |shared| derive(shared, transcript)).ok()?
    }
}

/// HKDF's output length.
#[derive(Clone, Copy, Debug)]
struct Len;

impl KeyType for Len {
    fn len(&self) -> usize {
        32
    }
}

fn derive(shared: &[u8], transcript: &[u8]) -> Option<Keys> {
    let salt = Salt::new(HKDF_SHA256, digest(&SHA256, transcript).as_ref());
    let prk = salt.extract(shared);
    let expand = |info: &[u8]| {
        let mut key = zeroize::Zeroizing::new([0; 32]);
        prk.expand(&[info], Len).ok()?.fill(&mut *key).ok()?;
        Some(key)
    };
    let frames = expand(FRAME_KEY_INFO)?;
    let key = UnboundKey::new(&AES_256_GCM, &*frames).ok()?;
    let sealer = Sealer { key: LessSafeKey::new(key), frames: 0 };
    Some(Keys { sealer, resume: *expand(RESUME_KEY_INFO)? })
}

/// Seals one frame after the other.
pub(super) struct Sealer {
    key: LessSafeKey,
    frames: u64,
}

/// No more can be sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Exhausted;

impl Sealer {
    /// Appends a frame with its length.
    pub(super) fn seal(
        &mut self,
        kind: FrameKind,
        bytes: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), Exhausted> {
        let mut frame = Vec::with_capacity(1 + bytes.len() + AES_256_GCM.tag_len());
        frame.push(kind as u8);
        frame.extend_from_slice(bytes);
        let nonce = Nonce::assume_unique_for_key(nonce(self.frames));
        self.frames = self.frames.checked_add(1).ok_or(Exhausted)?;
        self.key
            .seal_in_place_append_tag(nonce, Aad::empty(), &mut frame)
            .map_err(|_| Exhausted)?;
        let length = u32::try_from(frame.len()).map_err(|_| Exhausted)?;
        out.extend_from_slice(&length.to_be_bytes());
        out.extend_from_slice(&frame);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use data_encoding::HEXLOWER;

    use super::*;

    /// The same vector stands in `cloud/web/test/retrieve.test.ts`.
    #[test]
    fn keys_and_the_first_frame_are_those_of_the_browser() {
        let keys = derive(&[7; 32], b"said").expect("keys");
        assert_eq!(
            HEXLOWER.encode(&keys.resume),
            "790c5c48067dd1b41094dead83e8c5045b55c849041cbdfedb46caa0265129da"
        );
        let mut sealer = keys.sealer;
        let mut out = Vec::new();
        sealer.seal(FrameKind::Data, b"packet", &mut out).expect("sealed");
        sealer.seal(FrameKind::Data, b"packet", &mut out).expect("sealed");
        let frames = "00000017d9ce98c3343fdd43201aabe2f9cb9695cf6c1df937918e\
            00000017177f71bc295044d3d5855db9a05def0381afadcd21fc7a";
        assert_eq!(HEXLOWER.encode(&out), frames);
    }

    #[test]
    fn both_sides_agree_and_a_key_that_is_none_is_refused() {
        let (one, other) = (Agreement::new().expect("a key"), Agreement::new().expect("a key"));
        let (one_public, other_public) = (one.public(), other.public());
        let one = one.agree(&other_public, b"said").expect("keys");
        let other = other.agree(&one_public, b"said").expect("keys");
        assert_eq!(one.resume, other.resume);
        let mut none = one_public;
        none[40] ^= 1;
        assert!(Agreement::new().expect("a key").agree(&none, b"said").is_none());
    }
}
