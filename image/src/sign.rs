//! Signatures in minisign's format: Ed25519 over BLAKE2b-512 of the file.
//!
//! The keys are minisign's own (`minisign -G`), so that the release person needs no tool of ours. The
//! random part that the format asks for makes two signatures of one file differ.

use core::fmt;
use std::io::Cursor;
use std::path::{Path, PathBuf};

use minisign::{PublicKey, PublicKeyBox, SecretKey, SecretKeyBox, SignatureBox};

/// Why something is not signed, or not taken.
#[derive(Debug)]
pub enum SignError {
    /// A key file cannot be read.
    Unreadable(PathBuf, String),
    /// There is no signature, or what stands there is none.
    NoSignature,
    /// It was signed with another key.
    OtherKey,
    /// What was signed is not this.
    Wrong,
    /// Signing itself failed.
    Failed(String),
}

impl fmt::Display for SignError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(path, why) => {
                write!(f, "the key {} cannot be used: {why}", path.display())
            }
            Self::NoSignature => f.write_str("it is not signed, or its signature is damaged"),
            Self::OtherKey => f.write_str(
                "it is signed with a key that this box does not know: get it from whoever made the \
                 box's image",
            ),
            Self::Wrong => f.write_str("the signature does not fit: it was changed after signing"),
            Self::Failed(why) => write!(f, "it cannot be signed: {why}"),
        }
    }
}

impl core::error::Error for SignError {}

/// Reads a secret key; a key with a password needs `password`.
///
/// # Errors
/// The file is no secret key, or the password is wrong.
pub fn secret_key(path: &Path, password: Option<String>) -> Result<SecretKey, SignError> {
    let unreadable = |why: String| SignError::Unreadable(path.to_owned(), why);
    let text = std::fs::read_to_string(path).map_err(|error| unreadable(error.to_string()))?;
    let read = || SecretKeyBox::from_string(&text);
    let key = match password {
        Some(password) => read().and_then(|key| key.into_secret_key(Some(password))),
        None => read().and_then(SecretKeyBox::into_unencrypted_secret_key),
    };
    key.map_err(|error| {
        unreadable(format!("{error} (RINGSIDE_KEY_PASSWORD holds the password of a key with one)"))
    })
}

/// Reads a public key.
///
/// # Errors
/// The file is no public key.
pub fn public_key(path: &Path) -> Result<PublicKey, SignError> {
    let unreadable = |why: String| SignError::Unreadable(path.to_owned(), why);
    let text = std::fs::read_to_string(path).map_err(|error| unreadable(error.to_string()))?;
    PublicKeyBox::from_string(&text)
        .and_then(PublicKeyBox::into_public_key)
        .map_err(|error| unreadable(error.to_string()))
}

/// Signs `content`; `comment` is covered by the signature.
///
/// # Errors
/// The system gives no random bytes.
pub fn sign(key: &SecretKey, content: &[u8], comment: &str) -> Result<String, SignError> {
    minisign::sign(None, key, Cursor::new(content), Some(comment), Some("signed by Ringside"))
        .map(SignatureBox::into_string)
        .map_err(|error| SignError::Failed(error.to_string()))
}

/// Checks a signature.
///
/// # Errors
/// It does not fit.
pub fn verify(key: &PublicKey, content: &[u8], signature: &str) -> Result<(), SignError> {
    let signature = SignatureBox::from_string(signature).map_err(|_| SignError::NoSignature)?;
    if signature.keynum() != key.to_bytes().get(2..10).unwrap_or_default() {
        return Err(SignError::OtherKey);
    }
    minisign::verify(key, &signature, Cursor::new(content), true, false, false)
        .map_err(|_| SignError::Wrong)
}

#[cfg(test)]
mod tests {
    use minisign::KeyPair;

    use super::*;
    use crate::scratch::Scratch;

    #[test]
    fn a_signature_fits_its_content_and_its_key_only() {
        let keys = KeyPair::generate_unencrypted_keypair().expect("keys");
        let signature = sign(&keys.sk, b"manifest", "qemu 0.1.0").expect("signed");
        verify(&keys.pk, b"manifest", &signature).expect("it fits");
        let wrong = |content, signature| verify(&keys.pk, content, signature).expect_err("refused");
        assert!(matches!(wrong(b"manifes!", &signature), SignError::Wrong));
        let comment = signature.replace("qemu", "xemu");
        assert!(matches!(wrong(b"manifest", &comment), SignError::Wrong));
        assert!(matches!(wrong(b"manifest", ""), SignError::NoSignature));
        let other = KeyPair::generate_unencrypted_keypair().expect("keys");
        let error = verify(&other.pk, b"manifest", &signature).expect_err("refused");
        assert!(matches!(error, SignError::OtherKey), "{error}");
    }

    #[test]
    fn keys_are_read_from_minisign_s_files() {
        let scratch = Scratch::new();
        let keys = KeyPair::generate_unencrypted_keypair().expect("keys");
        let secret = keys.sk.to_box(None).expect("a box").into_string();
        let public = keys.pk.to_box().expect("a box").into_string();
        let secret = scratch.file("key", secret.as_bytes());
        let public = scratch.file("key.pub", public.as_bytes());
        let signature = sign(&secret_key(&secret, None).expect("read"), b"x", "").expect("signed");
        verify(&public_key(&public).expect("read"), b"x", &signature).expect("it fits");
        assert!(matches!(secret_key(&public, None), Err(SignError::Unreadable(..))));
        assert!(matches!(public_key(&scratch.path().join("no")), Err(SignError::Unreadable(..))));
    }
}
