//! A release of the sensor: what its signature says, and whether it is by the release person.
//!
//! The signature is minisign's. Its trusted comment, which is signed too, says what the file is:
//!
//! ```text
//! trusted comment: ringside-sensor 0.2.0 aarch64-unknown-linux-musl
//! ```
//!
//! What counts is the sensor's own check, by the key that it has. Here it is made so that a wrong file
//! is told to whoever brings it, rather than to a hundred sensors.

use core::fmt;

use minisign_verify::{PublicKey, Signature};

/// The program's name in a trusted comment.
const NAME: &str = "ringside-sensor";

/// The key that releases of this build are signed with, where it was built with one.
const BUILT_IN_KEY: Option<&str> = option_env!("RINGSIDE_UPGRADE_KEY");

/// What a signature says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// As in `0.2.0`.
    pub version: String,
    /// Target triple.
    pub target: String,
}

/// Why a package is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReleaseError {
    /// The signature cannot be read.
    BadSignature,
    /// It does not say what the file is.
    Unnamed,
    /// It is not by the key that this cloud has, or the file was changed.
    Untrusted,
}

impl fmt::Display for ReleaseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BadSignature => {
                "The signature cannot be read: choose the .minisig file that belongs to the archive."
            }
            Self::Unnamed => {
                "The signature does not say which release this is: sign it as `ringside-sensor \
                 VERSION TARGET`, as ci/release does."
            }
            Self::Untrusted => {
                "The signature is not by the release key of this cloud, or the file was changed: \
                 fetch both again from where releases are published."
            }
        })
    }
}

impl core::error::Error for ReleaseError {}

/// Whether a text is a minisign public key.
#[must_use]
pub fn is_key(text: &str) -> bool {
    PublicKey::from_base64(text.trim()).is_ok()
}

/// What a signature says, not yet checked.
///
/// # Errors
/// [`ReleaseError::BadSignature`], [`ReleaseError::Unnamed`].
pub fn named(signature: &str) -> Result<Named, ReleaseError> {
    let signature = decode(signature)?;
    let words: Vec<_> = signature.trusted_comment().split_whitespace().collect();
    let [NAME, version, target, ..] = words[..] else { return Err(ReleaseError::Unnamed) };
    let is_word = |word: &str| {
        word.len() <= 64 && word.chars().all(|it| it.is_ascii_alphanumeric() || ".-_".contains(it))
    };
    if !is_word(version) || !is_word(target) {
        return Err(ReleaseError::Unnamed);
    }
    Ok(Named { version: version.to_owned(), target: target.to_owned() })
}

/// Checks `bytes` with `key` or the one of this build; false where there is neither.
///
/// # Errors
/// [`ReleaseError::BadSignature`], [`ReleaseError::Untrusted`].
pub fn check(bytes: &[u8], signature: &str, key: Option<&str>) -> Result<bool, ReleaseError> {
    let signature = decode(signature)?;
    let mut keys = [BUILT_IN_KEY, key].into_iter().flatten().peekable();
    if keys.peek().is_none() {
        return Ok(false);
    }
    let keys = keys.filter_map(|key| PublicKey::from_base64(key.trim()).ok());
    // minisign's older form, which does not hash first, is as good for bytes in memory.
    let is_signed = keys.into_iter().any(|key| key.verify(bytes, &signature, true).is_ok());
    if is_signed { Ok(true) } else { Err(ReleaseError::Untrusted) }
}

fn decode(signature: &str) -> Result<Signature, ReleaseError> {
    Signature::decode(signature.trim()).map_err(|_| ReleaseError::BadSignature)
}

#[cfg(test)]
pub(crate) mod tests {
    use data_encoding::BASE64;
    use ring::rand::SystemRandom;
    use ring::signature::{Ed25519KeyPair, KeyPair};

    use super::*;

    /// A person who signs releases.
    pub(crate) struct Signer(Ed25519KeyPair);

    impl Signer {
        pub(crate) fn new() -> Self {
            let key = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).expect("random bytes");
            Self(Ed25519KeyPair::from_pkcs8(key.as_ref()).expect("a key"))
        }

        pub(crate) fn public(&self) -> String {
            BASE64.encode(&[b"Ed", &b"keynumbr"[..], self.0.public_key().as_ref()].concat())
        }

        pub(crate) fn sign(&self, bytes: &[u8], comment: &str) -> String {
            let signature = self.0.sign(bytes);
            let all = [signature.as_ref(), comment.as_bytes()].concat();
            format!(
                "untrusted comment: signature\n{}\ntrusted comment: {comment}\n{}\n",
                BASE64.encode(&[b"Ed", &b"keynumbr"[..], signature.as_ref()].concat()),
                BASE64.encode(self.0.sign(&all).as_ref())
            )
        }
    }

    #[test]
    fn a_signature_says_what_a_file_is_and_whether_it_is_that() {
        let (signer, stranger) = (Signer::new(), Signer::new());
        let text = signer.sign(b"program", "ringside-sensor 0.2.0 aarch64-unknown-linux-musl");
        let found = named(&text).expect("named");
        assert_eq!(
            (found.version.as_str(), found.target.as_str()),
            ("0.2.0", "aarch64-unknown-linux-musl")
        );
        let key = signer.public();
        assert_eq!(check(b"program", &text, Some(&key)), Ok(true));
        assert_eq!(check(b"programs", &text, Some(&key)), Err(ReleaseError::Untrusted));
        assert_eq!(
            check(b"program", &text, Some(&stranger.public())),
            Err(ReleaseError::Untrusted)
        );
        assert_eq!(check(b"program", &text, None), Ok(BUILT_IN_KEY.is_some()));
        assert_eq!(named("hello"), Err(ReleaseError::BadSignature));
        for comment in ["timestamp:1", "ringside-sensor 0.2.0", "ringside-sensor <b> x86_64"] {
            assert_eq!(named(&signer.sign(b"", comment)), Err(ReleaseError::Unnamed), "{comment}");
        }
    }
}
