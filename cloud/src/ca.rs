//! The service's certificates.
//!
//! On first start a CA is made (P-256, 10 years, signs servers only) and a server certificate under
//! it (P-256, since browsers refuse Ed25519; 397 days, since browsers refuse longer). Enrolment
//! tokens carry the SHA-256 of the CA's public key, and the server sends its CA along, so that a
//! sensor can pin it. The server certificate is renewed while the service runs; the CA's key never
//! changes, so sensors stay.
//!
//! Or the operator gives a certificate: then that is used, and read again when its file changes.
//!
//! | file in `DIR/tls` | mode | |
//! | --- | --- | --- |
//! | `ca.pem` | 0644 | to be given to browsers and other clients |
//! | `ca.key` | 0600 | belongs into a backup: without it every sensor must enrol again |
//! | `server.pem` | 0644 | server certificate, then CA |
//! | `server.key` | 0600 | |

mod certificate;
mod files;
mod issue;

use core::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock, Weak};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ringside_protocol::time::UnixMicros;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use self::certificate::Facts;
pub use self::issue::Ca;
use self::issue::{SERVER_DAYS, days, issue_server, normal_name, wanted_names};

/// How often it is looked whether a certificate must be renewed.
const LOOK_INTERVAL: Duration = Duration::from_secs(3600);

/// Where the service's certificate comes from.
#[derive(Clone, Debug)]
pub struct TlsSettings {
    /// Where the service keeps its own: `DIR/tls`.
    pub directory: PathBuf,
    /// Host names and addresses under which it is reached, besides `localhost`, the loopback
    /// addresses and the machine's own name.
    pub names: Vec<String>,
    /// The operator's certificate chain and key, PEM files.
    pub given: Option<(PathBuf, PathBuf)>,
}

/// Why there is no certificate to serve with.
#[derive(Debug)]
pub enum TlsError {
    /// A file cannot be read.
    Read(PathBuf, std::io::Error),
    /// A file cannot be written.
    Write(PathBuf, std::io::Error),
    /// A file holds no certificate, or none that can be read.
    NoCertificate(PathBuf),
    /// A file holds no private key, or none that can be read.
    NoKey(PathBuf),
    /// The key is not that of the certificate.
    KeyDoesNotFit {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
    },
    /// The given certificate has expired.
    Expired(PathBuf, UnixMicros),
    /// The given certificate is not valid yet, or the clock is wrong.
    NotYet(PathBuf, UnixMicros),
    /// The given certificate names nothing.
    NoNames(PathBuf),
    /// The given certificate is not for a name under which the service shall be reached.
    OtherNames {
        /// Its file.
        path: PathBuf,
        /// The names it is for.
        names: Vec<String>,
        /// The one that is missing.
        missing: String,
    },
    /// The CA's key is gone.
    CaKeyMissing(PathBuf),
    /// A name that no certificate can carry.
    BadName(String),
    /// Making a certificate failed.
    Issue(String),
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read(path, error) => write!(
                f,
                "{} cannot be read ({error}): check the path and who may read it",
                path.display()
            ),
            Self::Write(path, error) => write!(
                f,
                "{} cannot be written ({error}): check the folder's owner and free space",
                path.display()
            ),
            Self::NoCertificate(path) => {
                write!(f, "{} holds no PEM certificate: give the whole chain", path.display())
            }
            Self::NoKey(path) => write!(
                f,
                "{} holds no PEM private key: give it unencrypted, in PKCS #8, SEC 1 or PKCS #1",
                path.display()
            ),
            Self::KeyDoesNotFit { certificate, key } => write!(
                f,
                "the key in {} is not that of the first certificate in {}: give the pair that \
                 belongs together",
                key.display(),
                certificate.display()
            ),
            Self::Expired(path, at) => write!(
                f,
                "the certificate in {} expired at {}: renew it, or leave it out to use the \
                 service's own",
                path.display(),
                at.to_rfc3339()
            ),
            Self::NotYet(path, at) => write!(
                f,
                "the certificate in {} is valid from {} on: check this machine's clock",
                path.display(),
                at.to_rfc3339()
            ),
            Self::NoNames(path) => write!(
                f,
                "the certificate in {} has no subject alternative names: clients refuse it, make \
                 one that lists the names under which the service is reached",
                path.display()
            ),
            Self::OtherNames { path, names, missing } => write!(
                f,
                "the certificate in {} is for {} and not for {missing}: use one of these names, or \
                 a certificate that has them all",
                path.display(),
                names.join(", ")
            ),
            Self::CaKeyMissing(path) => write!(
                f,
                "{} is missing: restore it from a backup, or remove ca.pem beside it to begin with \
                 a new CA, which every sensor must then be enrolled with again",
                path.display()
            ),
            Self::BadName(name) => {
                write!(f, "{name:?} is neither a host name nor an address: correct it")
            }
            Self::Issue(error) => write!(f, "no certificate can be made: {error}"),
        }
    }
}

impl core::error::Error for TlsError {}

/// The certificate that the listeners serve with, kept valid.
pub struct ServerTls {
    settings: TlsSettings,
    ca: Option<Ca>,
    resolver: Arc<Resolver>,
}

/// The present certificate.
struct Present {
    key: Arc<CertifiedKey>,
    facts: Facts,
    /// SHA-256 over the public key of the CA at the chain's end.
    pin: Option<[u8; 32]>,
}

/// Gives rustls whatever is the present certificate.
struct Resolver {
    present: RwLock<Present>,
}

impl ServerTls {
    /// Reads the certificates, or makes them.
    ///
    /// # Errors
    /// [`TlsError`], a sentence for the person who starts the service.
    pub fn open(settings: TlsSettings, now: SystemTime) -> Result<Self, TlsError> {
        let ca = match settings.given {
            Some(_) => None,
            None => Some(Ca::open(&settings.directory, now)?),
        };
        let present = load(&settings, ca.as_ref(), now)?;
        let resolver = Arc::new(Resolver { present: RwLock::new(present) });
        Ok(Self { settings, ca, resolver })
    }

    /// What a listener is started with. Renewals reach listeners that run.
    ///
    /// # Errors
    /// Never with the ring provider; rustls asks for it.
    pub fn config(&self) -> Result<Arc<rustls::ServerConfig>, TlsError> {
        let builder = rustls::ServerConfig::builder_with_provider(Arc::new(default_provider()));
        let mut config = builder
            .with_safe_default_protocol_versions()
            .map_err(|error| TlsError::Issue(error.to_string()))?
            .with_no_client_auth()
            .with_cert_resolver(Arc::<Resolver>::clone(&self.resolver));
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }

    /// SHA-256 over the SubjectPublicKeyInfo of the CA that enrolment tokens pin: our own, or the
    /// last of the given chain. `None`: the given chain sends no CA, so public roots must do.
    #[must_use]
    pub fn ca_key_sha256(&self) -> Option<[u8; 32]> {
        self.resolver.present().pin
    }

    /// Our own CA, where no certificate is given.
    #[must_use]
    pub const fn ca(&self) -> Option<&Ca> {
        self.ca.as_ref()
    }

    /// The names that the present certificate is for.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.resolver.present().facts.names.clone()
    }

    /// When the present certificate expires.
    #[must_use]
    pub fn expires_at(&self) -> UnixMicros {
        micros(self.resolver.present().facts.not_after)
    }

    /// Renews our own certificate if less than a third of its time is left, or reads the given
    /// files again if they have changed: whether there is a new one.
    ///
    /// # Errors
    /// The old certificate stays in use.
    pub fn renew(&self, now: SystemTime) -> Result<bool, TlsError> {
        let fresh = load(&self.settings, self.ca.as_ref(), now)?;
        let mut present = self.resolver.present.write().unwrap_or_else(PoisonError::into_inner);
        if fresh.key.cert == present.key.cert {
            return Ok(false);
        }
        *present = fresh;
        Ok(true)
    }

    /// Looks every hour, on a thread of its own, whether to [`renew`](Self::renew).
    ///
    /// # Errors
    /// The thread does not start.
    pub fn keep_valid(self: &Arc<Self>) -> std::io::Result<()> {
        let tls = Arc::downgrade(self);
        std::thread::Builder::new().name("certificates".to_owned()).spawn(move || look(&tls))?;
        Ok(())
    }
}

fn look(tls: &Weak<ServerTls>) {
    loop {
        std::thread::sleep(LOOK_INTERVAL);
        let Some(tls) = tls.upgrade() else { return };
        match tls.renew(SystemTime::now()) {
            Ok(true) => log::info!("certificate renewed until {}", tls.expires_at().to_rfc3339()),
            Ok(false) => {}
            Err(error) => log::error!("the certificate is not renewed: {error}"),
        }
    }
}

impl Resolver {
    fn present(&self) -> std::sync::RwLockReadGuard<'_, Present> {
        self.present.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Resolver")
    }
}

impl ResolvesServerCert for Resolver {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.present().key))
    }
}

fn load(settings: &TlsSettings, ca: Option<&Ca>, now: SystemTime) -> Result<Present, TlsError> {
    match (&settings.given, ca) {
        (Some((certificate, key)), _) => {
            let present = load_given(certificate, key, now)?;
            check_names(certificate, &present.facts.names, &settings.names)?;
            Ok(present)
        }
        (None, Some(ca)) => load_own(settings, ca, now),
        (None, None) => load_own(settings, &Ca::open(&settings.directory, now)?, now),
    }
}

fn load_given(certificate: &Path, key: &Path, now: SystemTime) -> Result<Present, TlsError> {
    let present = read_pair(certificate, key)?;
    let (facts, now) = (&present.facts, seconds(now));
    let path = || certificate.to_path_buf();
    if facts.not_after <= now {
        return Err(TlsError::Expired(path(), micros(facts.not_after)));
    }
    if facts.not_before > now {
        return Err(TlsError::NotYet(path(), micros(facts.not_before)));
    }
    if facts.names.is_empty() {
        return Err(TlsError::NoNames(path()));
    }
    Ok(present)
}

/// Whether a given certificate covers every name that is asked for.
fn check_names(path: &Path, names: &[String], asked: &[String]) -> Result<(), TlsError> {
    for name in asked {
        let wanted = normal_name(name).ok_or_else(|| TlsError::BadName(name.clone()))?;
        if !names.iter().any(|known| covers(known, &wanted)) {
            let (path, names) = (path.to_path_buf(), names.to_vec());
            return Err(TlsError::OtherNames { path, names, missing: wanted });
        }
    }
    Ok(())
}

/// Whether a name of a certificate, which may begin with `*.`, is for `name` (RFC 9525 §6.3).
fn covers(known: &str, name: &str) -> bool {
    let under_wildcard = || {
        let (first, rest) = name.split_once('.')?;
        Some(!first.is_empty() && known.strip_prefix("*.")? == rest)
    };
    known == name || under_wildcard().unwrap_or(false)
}

/// The certificate on disk if it will do, a new one otherwise.
fn load_own(settings: &TlsSettings, ca: &Ca, now: SystemTime) -> Result<Present, TlsError> {
    let names = wanted_names(&settings.names)?;
    let certificate = settings.directory.join("server.pem");
    let key = settings.directory.join("server.key");
    if certificate.exists()
        && let Ok(present) = read_pair(&certificate, &key)
        && will_do(&present, ca, &names, seconds(now))
    {
        return Ok(present);
    }
    issue_server(ca, &names, &settings.directory, now)?;
    read_pair(&certificate, &key)
}

/// Whether our certificate is by our CA, for the right names, and has a third of its time left.
fn will_do(present: &Present, ca: &Ca, names: &[String], now: i64) -> bool {
    let facts = &present.facts;
    let sorted = |names: &[String]| {
        let mut names = names.to_vec();
        names.sort();
        names
    };
    present.key.cert.get(1) == Some(ca.certificate())
        && sorted(&facts.names) == sorted(names)
        && facts.not_before <= now
        && facts.not_after - now >= days(SERVER_DAYS) / 3
}

fn read_pair(certificate: &Path, key: &Path) -> Result<Present, TlsError> {
    let no_certificate = || TlsError::NoCertificate(certificate.to_path_buf());
    let chain = read_chain(certificate)?;
    let facts =
        chain.first().and_then(|leaf| certificate::read(leaf)).ok_or_else(no_certificate)?;
    let last = chain.last().and_then(|last| certificate::read(last)).ok_or_else(no_certificate)?;
    let pin = (chain.len() > 1 && last.is_ca).then(|| sha256(&last.public_key));
    let bytes = files::read(key)?;
    let no_key = || TlsError::NoKey(key.to_path_buf());
    let private = PrivateKeyDer::from_pem_slice(&bytes).map_err(|_| no_key())?;
    let certified = CertifiedKey::from_der(chain, private, &default_provider());
    let certified = certified.map_err(|error| match error {
        rustls::Error::InconsistentKeys(_) => TlsError::KeyDoesNotFit {
            certificate: certificate.to_path_buf(),
            key: key.to_path_buf(),
        },
        rustls::Error::InvalidCertificate(_) => no_certificate(),
        _ => no_key(),
    })?;
    Ok(Present { key: Arc::new(certified), facts, pin })
}

fn read_chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let bytes = files::read(path)?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    match chain {
        Ok(chain) if !chain.is_empty() => Ok(chain),
        _ => Err(TlsError::NoCertificate(path.to_path_buf())),
    }
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    let digest = ring::digest::digest(&ring::digest::SHA256, bytes);
    let mut hash = [0; 32];
    hash.copy_from_slice(digest.as_ref());
    hash
}

fn seconds(at: SystemTime) -> i64 {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

fn micros(seconds: i64) -> UnixMicros {
    UnixMicros(u64::try_from(seconds).unwrap_or(0).saturating_mul(1_000_000))
}

#[cfg(test)]
mod tests;
