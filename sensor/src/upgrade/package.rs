//! What `upgrade` is given: a release archive or a program, with a signature beside it.
//!
//! The signature is minisign's (<https://jedisct1.github.io/minisign/>), in `FILE.minisig`. What it
//! signs besides the file is its trusted comment, which says what the file is:
//!
//! ```text
//! trusted comment: ringside-sensor 0.2.0 aarch64-unknown-linux-musl
//! ```

use core::fmt;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;
use minisign_verify::{PublicKey, Signature};

use super::elf::{self, ElfError, Machine};
use super::tarball::{self, TarError};

/// The program's name in an archive and in a trusted comment.
pub const NAME: &str = "ringside-sensor";

/// A file that is larger is no release, and neither is what an archive inflates to, bytes.
pub const MAX_PACKAGE_BYTES: u64 = 64 << 20;

/// The key that releases of this build are signed with, where it was built with one.
pub const BUILT_IN_KEY: Option<&str> = option_env!("RINGSIDE_UPGRADE_KEY");

/// A program that may be installed.
#[derive(Clone, PartialEq, Eq)]
pub struct Package {
    /// Its version, as in `0.2.0`.
    pub version: String,
    /// Target triple that it was built for.
    pub target: String,
    /// Its bytes.
    pub program: Vec<u8>,
}

impl fmt::Debug for Package {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Package({} {}, {} bytes)", self.version, self.target, self.program.len())
    }
}

/// Why a file is not installed.
#[derive(Debug)]
pub enum PackageError {
    /// It cannot be read.
    Io {
        /// Which file.
        path: PathBuf,
        /// The system's words.
        error: io::Error,
    },
    /// It is over [`MAX_PACKAGE_BYTES`].
    TooLarge,
    /// Nobody said whose signature to trust.
    NoKey,
    /// A key cannot be read.
    BadKey,
    /// The signature cannot be read.
    BadSignature,
    /// The signature is not by a trusted key, or the file was changed.
    Untrusted,
    /// The trusted comment does not say what the file is.
    Unnamed(String),
    /// It is an archive that cannot be read.
    Archive(TarError),
    /// There is no program in the archive.
    NoProgram,
    /// It is no program.
    Elf(ElfError),
    /// It is a program for another machine.
    WrongMachine {
        /// The program's.
        program: Machine,
    },
    /// It is older than what runs.
    Downgrade {
        /// The file's version.
        version: String,
        /// This program's.
        running: String,
    },
}

impl fmt::Display for PackageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io { path, error } if error.kind() == io::ErrorKind::NotFound => write!(
                f,
                "there is no {}: an upgrade is a file and its signature, FILE.minisig, beside it",
                path.display()
            ),
            Self::Io { path, error } => write!(f, "{} cannot be read: {error}", path.display()),
            Self::TooLarge => {
                write!(f, "it is larger than {} MiB: that is no release", MAX_PACKAGE_BYTES >> 20)
            }
            Self::NoKey => f.write_str(
                "nobody has said whose signature to trust: write `upgrade_key = …` (the second \
                 line of the release's minisign.pub) into the configuration",
            ),
            Self::BadKey => f.write_str(
                "upgrade_key is no minisign public key: copy the second line of minisign.pub",
            ),
            Self::BadSignature => {
                f.write_str("the signature cannot be read: fetch FILE.minisig again")
            }
            Self::Untrusted => f.write_str(
                "the signature is not by a trusted key, or the file was changed: fetch both again \
                 from where releases are published",
            ),
            Self::Unnamed(comment) => write!(
                f,
                "the signature does not say which release this is (its trusted comment is \
                 \"{comment}\"): sign it as `{NAME} VERSION TARGET`"
            ),
            Self::Archive(error) => fmt::Display::fmt(error, f),
            Self::NoProgram => write!(f, "there is no {NAME} in the archive"),
            Self::Elf(error) => fmt::Display::fmt(error, f),
            Self::WrongMachine { program } => write!(
                f,
                "it is built for {program} and this machine is {}: fetch the release for it",
                Machine::own()
            ),
            Self::Downgrade { version, running } => write!(
                f,
                "{version} is older than {running}, which runs: add --allow-downgrade if that is \
                 what you want"
            ),
        }
    }
}

impl core::error::Error for PackageError {}

/// Whom to trust, and what may be installed.
#[derive(Clone, Debug)]
pub struct Policy {
    /// `upgrade_key`, besides [`BUILT_IN_KEY`].
    pub key: Option<String>,
    /// The version that runs.
    pub running: String,
    /// `--allow-downgrade`.
    pub allows_downgrade: bool,
}

/// Reads and checks `path` and its signature.
///
/// # Errors
/// Every [`PackageError`].
pub fn open(path: &Path, policy: &Policy) -> Result<Package, PackageError> {
    let bytes = read(path)?;
    let mut beside = path.as_os_str().to_owned();
    beside.push(".minisig");
    let signature = read(Path::new(&beside))?;
    let signature = String::from_utf8(signature).map_err(|_| PackageError::BadSignature)?;
    check(&bytes, &signature, policy)
}

/// Checks a file's bytes with the text of its signature.
///
/// # Errors
/// Every [`PackageError`] but `Io`.
pub fn check(bytes: &[u8], signature: &str, policy: &Policy) -> Result<Package, PackageError> {
    let comment = trusted_comment(bytes, signature, policy)?;
    let words: Vec<_> = comment.split_whitespace().collect();
    let [NAME, version, target, ..] = words[..] else {
        return Err(PackageError::Unnamed(comment));
    };
    if parts(version).is_none() {
        return Err(PackageError::Unnamed(comment));
    }
    let program = program_in(bytes)?;
    let machine = elf::machine(&program).map_err(PackageError::Elf)?;
    if machine != Machine::own() {
        return Err(PackageError::WrongMachine { program: machine });
    }
    if parts(version) < parts(&policy.running) && !policy.allows_downgrade {
        let (version, running) = (version.to_owned(), policy.running.clone());
        return Err(PackageError::Downgrade { version, running });
    }
    Ok(Package { version: version.to_owned(), target: target.to_owned(), program })
}

/// The comment of a signature by a trusted key.
fn trusted_comment(bytes: &[u8], text: &str, policy: &Policy) -> Result<String, PackageError> {
    let keys = [BUILT_IN_KEY, policy.key.as_deref()];
    let mut keys = keys.into_iter().flatten().peekable();
    if keys.peek().is_none() {
        return Err(PackageError::NoKey);
    }
    let signature = Signature::decode(text.trim()).map_err(|_| PackageError::BadSignature)?;
    for key in keys {
        let key = PublicKey::from_base64(key.trim()).map_err(|_| PackageError::BadKey)?;
        // minisign's older form, which does not hash first, is as good for a file in memory.
        if key.verify(bytes, &signature, true).is_ok() {
            return Ok(signature.trusted_comment().to_owned());
        }
    }
    Err(PackageError::Untrusted)
}

/// The file itself, or the program in it where it is an archive.
fn program_in(bytes: &[u8]) -> Result<Vec<u8>, PackageError> {
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        return Ok(bytes.to_vec());
    }
    let mut archive = Vec::new();
    GzDecoder::new(bytes)
        .take(MAX_PACKAGE_BYTES + 1)
        .read_to_end(&mut archive)
        .map_err(|_| PackageError::Archive(TarError::Damaged))?;
    if archive.len() as u64 > MAX_PACKAGE_BYTES {
        return Err(PackageError::TooLarge);
    }
    let program = tarball::find(&archive, NAME).map_err(PackageError::Archive)?;
    program.map(<[u8]>::to_vec).ok_or(PackageError::NoProgram)
}

fn read(path: &Path) -> Result<Vec<u8>, PackageError> {
    let failed = |error| PackageError::Io { path: path.to_owned(), error };
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(failed)?;
    file.take(MAX_PACKAGE_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > MAX_PACKAGE_BYTES {
        return Err(PackageError::TooLarge);
    }
    Ok(bytes)
}

/// `0.2.0`, or `0.2.0-rc1`, which comes before it.
fn parts(version: &str) -> Option<([u32; 3], bool, String)> {
    let (numbers, pre) = version.split_once('-').unwrap_or((version, ""));
    let numbers: Vec<u32> = numbers.split('.').map(str::parse).collect::<Result<_, _>>().ok()?;
    let numbers = <[u32; 3]>::try_from(numbers).ok()?;
    Some((numbers, pre.is_empty(), pre.to_owned()))
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

        /// minisign's file for `bytes`, in its older form.
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

    pub(crate) fn comment(version: &str) -> String {
        format!("{NAME} {version} {}", crate::version::TARGET)
    }

    pub(crate) fn policy(signer: &Signer) -> Policy {
        let (key, running) = (Some(signer.public()), "0.2.0".to_owned());
        Policy { key, running, allows_downgrade: false }
    }

    /// Enough of an ELF file for this machine.
    pub(crate) fn program(machine: Machine) -> Vec<u8> {
        let mut program = b"\x7fELF\x02\x01\x01".to_vec();
        program.resize(64, 0);
        program[18] = if machine == Machine::X86_64 { 62 } else { 183 };
        program
    }

    fn archive(program: &[u8]) -> Vec<u8> {
        use std::io::Write;
        let files = [("r/README".to_owned(), vec![1]), (format!("r/{NAME}"), program.to_vec())];
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&tarball::make(&files, 0)).expect("memory");
        gzip.finish().expect("memory")
    }

    #[test]
    fn a_signed_program_and_a_signed_archive_give_the_same() {
        let signer = Signer::new();
        let program = program(Machine::own());
        for bytes in [program.clone(), archive(&program)] {
            let signature = signer.sign(&bytes, &comment("0.3.0"));
            let package = check(&bytes, &signature, &policy(&signer)).expect("in order");
            assert_eq!((package.version.as_str(), &package.program), ("0.3.0", &program));
        }
    }

    /// Made with minisign 0.11, in its present form, which hashes first.
    #[test]
    fn a_signature_of_minisign_itself_is_taken() {
        let key = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3";
        let signature = "untrusted comment: signature from minisign secret key\n\
            RUQf6LRCGA9i559r3g7V1qNyJDApGip8MfqcadIgT9CuhV3EMhHoN1mGTkUidF/z7SrlQgXdy8ofjb7bNJJylDOocrCo8KLzZwo=\n\
            trusted comment: timestamp:1633700835\tfile:test\tprehashed\n\
            wLMDjy9FLAuxZ3q4NlEvkgtyhrr0gtTu6KC4KBJdITbbOeAi1zBIYo0v4iTgt8jJpIidRJnp94ABQkJAgAooBQ==\n";
        let policy = Policy {
            key: Some(key.to_owned()),
            running: "0.1.0".to_owned(),
            allows_downgrade: false,
        };
        let error = check(b"test", signature, &policy).expect_err("it names no release");
        assert!(matches!(error, PackageError::Unnamed(_)), "{error}");
        let error = check(b"tesu", signature, &policy).expect_err("changed");
        assert!(matches!(error, PackageError::Untrusted), "{error}");
    }

    #[test]
    fn what_is_not_in_order_is_refused_with_what_to_do() {
        let (signer, stranger) = (Signer::new(), Signer::new());
        let good = program(Machine::own());
        let other = program(if Machine::own() == Machine::X86_64 {
            Machine::Aarch64
        } else {
            Machine::X86_64
        });
        let says = |bytes: &[u8], signature: &str| {
            check(bytes, signature, &policy(&signer)).expect_err("refused").to_string()
        };
        let signed = |bytes: &[u8], comment: &str| signer.sign(bytes, comment);
        let newer = comment("0.3.0");
        assert!(says(&good, &stranger.sign(&good, &newer)).contains("not by a trusted key"));
        assert!(says(&other, &signed(&good, &newer)).contains("the file was changed"));
        let lied = signed(&good, &newer).replace("0.3.0", "9.3.0");
        assert!(says(&good, &lied).contains("not by a trusted key"), "the comment is signed, too");
        assert!(says(&other, &signed(&other, &newer)).contains("fetch the release for it"));
        assert!(says(&good, &signed(&good, &comment("0.1.9"))).contains("--allow-downgrade"));
        assert!(says(&good, &signed(&good, "something")).contains("sign it as"));
        assert!(says(&good, "nonsense").contains("fetch FILE.minisig again"));
        assert!(says(b"text", &signed(b"text", &newer)).contains("no program"));
        let empty = archive(&[]);
        assert!(says(&empty, &signed(&empty, &newer)).contains("no program"));
        let cut = &archive(&good)[..60];
        assert!(says(cut, &signed(cut, &newer)).contains("fetch it again"));
        let no_key = Policy { key: None, ..policy(&signer) };
        let error = check(&good, &signed(&good, &newer), &no_key).expect_err("no key");
        assert!(BUILT_IN_KEY.is_some() || error.to_string().contains("upgrade_key"), "{error}");
    }

    #[test]
    fn a_downgrade_may_be_asked_for() {
        let signer = Signer::new();
        let program = program(Machine::own());
        let policy = Policy { allows_downgrade: true, ..policy(&signer) };
        let signature = signer.sign(&program, &comment("0.1.0"));
        assert_eq!(check(&program, &signature, &policy).expect("allowed").version, "0.1.0");
    }

    #[test]
    fn versions_are_in_order() {
        let order = ["0.1.0", "0.2.0-rc1", "0.2.0", "0.10.0", "1.0.0"].map(parts);
        assert!(order.windows(2).all(|pair| pair[0] < pair[1]), "{order:?}");
        for bad in ["", "1", "1.0", "1.0.0.0", "a.b.c", "1.0.x"] {
            assert_eq!(parts(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_signature_that_is_missing_is_named() {
        let dir = crate::store::test_dir::TestDir::new();
        let path = dir.path().join("release");
        std::fs::write(&path, b"x").expect("write");
        let error = open(&path, &policy(&Signer::new())).expect_err("no signature").to_string();
        assert!(error.contains("release.minisig") && error.contains("beside it"), "{error}");
    }
}
