//! Who this device is, and whom it trusts.
//!
//! Two files in the data directory:
//!
//! * `device.key`: the device's Ed25519 key (PKCS#8 DER, mode 0600), made at the first start and
//!   never replaced: a damaged one is an error for a person to decide about;
//! * `trust.json`: the server and the CA certificate that enrolment has pinned.

use core::fmt;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use ring::digest;
use ring::rand::{SecureRandom, SystemRandom};
use ring::signature::{Ed25519KeyPair, KeyPair};
use ringside_protocol::cdr::{Boot, Fingerprint};
use ringside_protocol::claim::{Code, code_message};
use ringside_protocol::message::proof_message;

use crate::store::atomic;

mod trust;

pub use trust::{Server, Trust};

const KEY_FILE: &str = "device.key";

/// The device's key, and this start of the sensor.
pub struct Identity {
    key: Ed25519KeyPair,
    device_key: [u8; 32],
    boot: Boot,
}

/// Why there is no identity.
#[derive(Debug)]
pub enum IdentityError {
    /// The data directory or a file in it cannot be read or written.
    Io {
        /// Which.
        path: PathBuf,
        /// The system's words.
        error: io::Error,
    },
    /// The key file holds no Ed25519 key.
    KeyDamaged(PathBuf),
    /// The trust file cannot be understood.
    TrustDamaged(PathBuf),
    /// The system gives no random bytes.
    Random,
}

impl fmt::Display for IdentityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io { path, error } => write!(
                f,
                "{}: {error}: give this user read and write access to the data directory",
                path.display()
            ),
            Self::KeyDamaged(path) => write!(
                f,
                "{} holds no device key: restore it from a backup, or delete it and enrol this \
                 device with a new token",
                path.display()
            ),
            Self::TrustDamaged(path) => write!(
                f,
                "{} is damaged: restore it from a backup, or enrol this device with a new token",
                path.display()
            ),
            Self::Random => f.write_str("the system gives no random bytes: check /dev/urandom"),
        }
    }
}

impl core::error::Error for IdentityError {}

impl Identity {
    /// Reads the device's key from `directory`, making both at the first start, and draws this
    /// start's [`Boot`].
    ///
    /// # Errors
    /// Every [`IdentityError`] but `TrustDamaged`.
    pub fn load_or_create(directory: &Path) -> Result<Self, IdentityError> {
        let path = directory.join(KEY_FILE);
        let io = |error| IdentityError::Io { path: path.clone(), error };
        atomic::make_directory(directory).map_err(io)?;
        // Two programs that start at once must not make two keys.
        let lock = File::open(directory).map_err(io)?;
        lock.lock().map_err(io)?;
        if let Some(identity) = Self::load(directory)? {
            return Ok(identity);
        }
        let pkcs8 = generate()?;
        atomic::replace(&path, &pkcs8, 0o600).map_err(io)?;
        drop(lock);
        Self::of_pkcs8(&pkcs8, &path)
    }

    /// Reads the device's key, drawing a [`Boot`]; `None` before the first start.
    ///
    /// # Errors
    /// As [`Identity::load_or_create`].
    pub fn load(directory: &Path) -> Result<Option<Self>, IdentityError> {
        let path = directory.join(KEY_FILE);
        match fs::read(&path) {
            Ok(pkcs8) => Self::of_pkcs8(&pkcs8, &path).map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(IdentityError::Io { path, error }),
        }
    }

    /// A key that is kept nowhere: a device that no cloud knows.
    ///
    /// # Errors
    /// `Random`.
    pub fn throwaway() -> Result<Self, IdentityError> {
        Self::of_pkcs8(&generate()?, Path::new(KEY_FILE))
    }

    fn of_pkcs8(pkcs8: &[u8], path: &Path) -> Result<Self, IdentityError> {
        let key = Ed25519KeyPair::from_pkcs8(pkcs8)
            .map_err(|_| IdentityError::KeyDamaged(path.to_owned()))?;
        let mut device_key = [0; 32];
        device_key.copy_from_slice(key.public_key().as_ref());
        let mut boot = Boot([0; 16]);
        SystemRandom::new().fill(&mut boot.0).map_err(|_| IdentityError::Random)?;
        Ok(Self { key, device_key, boot })
    }

    /// The same device as seen in another start: `doctor` speaks for a sensor that is running.
    #[must_use]
    pub fn with_boot(mut self, boot: Boot) -> Self {
        self.boot = boot;
        self
    }

    /// The Ed25519 public key.
    #[must_use]
    pub const fn device_key(&self) -> [u8; 32] {
        self.device_key
    }

    /// This start.
    #[must_use]
    pub const fn boot(&self) -> Boot {
        self.boot
    }

    /// The first 16 bytes of SHA-256 over the public key.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        let hash = digest::digest(&digest::SHA256, &self.device_key);
        let mut fingerprint = [0; 16];
        fingerprint.copy_from_slice(&hash.as_ref()[..16]);
        Fingerprint(fingerprint)
    }

    /// Ed25519 over [`proof_message`].
    #[must_use]
    pub fn prove(&self, nonce: &[u8; 32]) -> [u8; 64] {
        let mut signature = [0; 64];
        let message = proof_message(nonce, self.boot);
        signature.copy_from_slice(self.key.sign(&message).as_ref());
        signature
    }
}

impl Identity {
    /// Ed25519 over a transfer's transcript
    /// ([`transcript`](ringside_protocol::retrieval::transcript)).
    #[must_use]
    pub fn sign_transcript(&self, transcript: &[u8]) -> [u8; 64] {
        let mut signature = [0; 64];
        signature.copy_from_slice(self.key.sign(transcript).as_ref());
        signature
    }

    /// The claim code of an hour, and the signature that it comes from.
    #[must_use]
    pub fn claim_code(&self, hour: u64) -> (Code, [u8; 64]) {
        let mut signature = [0; 64];
        signature.copy_from_slice(self.key.sign(&code_message(hour)).as_ref());
        let mut hash = [0; 32];
        hash.copy_from_slice(digest::digest(&digest::SHA256, &signature).as_ref());
        (Code::of(&hash), signature)
    }

    /// A secret for what is kept on this device alone: only the holder of its key can make it
    /// (Ed25519 signatures of the same text are equal, RFC 8032 §5.1.6).
    #[must_use]
    pub fn storage_secret(&self) -> [u8; 32] {
        let signature = self.key.sign(b"ringside storage secret v1\0");
        let mut secret = [0; 32];
        secret.copy_from_slice(digest::digest(&digest::SHA256, signature.as_ref()).as_ref());
        secret
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({}, boot {})", self.fingerprint(), self.boot)
    }
}

/// A new key, PKCS#8.
fn generate() -> Result<Vec<u8>, IdentityError> {
    let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new());
    Ok(pkcs8.map_err(|_| IdentityError::Random)?.as_ref().to_vec())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use ring::signature::{ED25519, UnparsedPublicKey};

    use super::*;
    use crate::store::test_dir::TestDir;

    #[test]
    fn the_key_is_made_once_and_the_boot_is_drawn_at_every_start() {
        let dir = TestDir::new();
        let data = dir.path().join("data");
        let first = Identity::load_or_create(&data).expect("first start");
        let second = Identity::load_or_create(&data).expect("second start");
        assert_eq!(first.device_key(), second.device_key());
        assert_eq!(first.fingerprint(), second.fingerprint());
        assert_ne!(first.boot(), second.boot());
        let mode = |path: &Path| fs::metadata(path).expect("metadata").permissions().mode() & 0o777;
        assert_eq!(mode(&data.join(KEY_FILE)), 0o600);
        assert_eq!(mode(&data), 0o700);
    }

    #[test]
    fn a_damaged_key_is_an_error_and_stays_as_it_is() {
        let dir = TestDir::new();
        Identity::load_or_create(dir.path()).expect("first start");
        let path = dir.path().join(KEY_FILE);
        let mut bytes = fs::read(&path).expect("read");
        bytes[20] ^= 1;
        for damaged in [&bytes[..], &bytes[..40], b""] {
            fs::write(&path, damaged).expect("write");
            let error = Identity::load_or_create(dir.path()).expect_err("damaged");
            assert!(error.to_string().contains("restore it from a backup"), "{error}");
            assert_eq!(fs::read(&path).expect("read"), damaged);
        }
    }

    #[test]
    fn programs_that_start_at_once_agree_on_one_key() {
        let dir = TestDir::new();
        let keys: Vec<_> = std::thread::scope(|scope| {
            let starts: Vec<_> = (0..8)
                .map(|_| scope.spawn(|| Identity::load_or_create(dir.path()).map(|i| i.device_key)))
                .collect();
            starts.into_iter().map(|start| start.join().expect("join").expect("start")).collect()
        });
        assert!(keys.windows(2).all(|pair| pair[0] == pair[1]));
    }

    #[test]
    fn the_proof_verifies_with_the_public_key() {
        let dir = TestDir::new();
        let identity = Identity::load_or_create(dir.path()).expect("start");
        let nonce = [7; 32];
        let message = proof_message(&nonce, identity.boot());
        UnparsedPublicKey::new(&ED25519, identity.device_key())
            .verify(&message, &identity.prove(&nonce))
            .expect("signature");
    }

    #[test]
    fn a_directory_that_cannot_be_written_is_named() {
        let dir = TestDir::new();
        let file = dir.path().join("file");
        fs::write(&file, b"").expect("write");
        let error = Identity::load_or_create(&file.join("data")).expect_err("not a directory");
        assert!(error.to_string().contains("read and write access"), "{error}");
    }
}
