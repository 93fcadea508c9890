//! A person who signs releases, in minisign's format.

use std::fs;
use std::path::Path;

use data_encoding::BASE64;
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair};

/// With a key of their own.
#[derive(Debug)]
pub struct Signer(Ed25519KeyPair);

impl Default for Signer {
    fn default() -> Self {
        Self::new()
    }
}

impl Signer {
    /// With a new key.
    ///
    /// # Panics
    /// Where the system gives no random bytes.
    #[must_use]
    pub fn new() -> Self {
        let key = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).expect("random bytes");
        Self(Ed25519KeyPair::from_pkcs8(key.as_ref()).expect("a key"))
    }

    /// The second line of `minisign.pub`.
    #[must_use]
    pub fn public(&self) -> String {
        BASE64.encode(&[b"Ed", &b"ringside"[..], self.0.public_key().as_ref()].concat())
    }

    /// Signs `file` as `version` of the sensor for this machine, in `file.minisig`.
    ///
    /// # Panics
    /// Where the files cannot be read and written.
    pub fn sign(&self, file: &Path, version: &str) {
        let comment = format!("ringside-sensor {version} {}", std::env::consts::ARCH);
        let signature = self.0.sign(&fs::read(file).expect("the file"));
        let all = [signature.as_ref(), comment.as_bytes()].concat();
        let head = [b"Ed", &b"ringside"[..], signature.as_ref()].concat();
        let text = format!(
            "untrusted comment: a test's\n{}\ntrusted comment: {comment}\n{}\n",
            BASE64.encode(&head),
            BASE64.encode(self.0.sign(&all).as_ref())
        );
        let mut beside = file.as_os_str().to_owned();
        beside.push(".minisig");
        fs::write(beside, text).expect("the signature");
    }
}
