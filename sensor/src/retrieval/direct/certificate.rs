//! The page's certificate: P-256 (browsers refuse Ed25519), signed by itself, for the names under
//! which browsers reach the page. Its SHA-256 is told to the cloud, which shows it beside the button
//! that leads here: who opens the page for the first time can compare it with what the browser says.
//!
//! It is not signed by the cloud's CA: whoever trusts that one would have to believe any sensor that
//! it is the cloud.

use core::fmt;
use core::time::Duration;
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use data_encoding::BASE64;
use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, date_time_ymd,
};
use ring::digest::{SHA256, digest};
use ringside_protocol::message::DirectPage;
use ringside_protocol::time::{MICROS_PER_SECOND, UnixMicros};
use rustls::ServerConfig;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::ServerSessionMemoryCache;
use serde::{Deserialize, Serialize};

use super::super::lock;
use super::DirectSettings;
use crate::clock::{EARLIEST_PLAUSIBLE, WallClock};
use crate::store::atomic;

const KEY_FILE: &str = "direct.key";
const CERTIFICATE_FILE: &str = "direct.json";

/// Days that a certificate is valid: Apple's systems accept no more.
const DAYS: u64 = 820;

/// Days that are left to it when it is made anew, at a start.
const RENEWED_BEFORE: u64 = 60;

/// It begins a day early, for browsers whose clocks are slow.
const EARLY_DAYS: u64 = 1;

const MICROS_PER_DAY: u64 = 86_400 * MICROS_PER_SECOND;

/// Sessions of TLS that can be taken up again.
const TLS_SESSIONS: usize = 32;

/// How browsers reach the page, where that is not the address that it listens on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    /// A name or address; IPv6 without brackets.
    pub host: Option<String>,
    /// A port.
    pub port: Option<u16>,
}

/// Why there is no page.
#[derive(Debug)]
pub enum CertificateError {
    /// The listener fails.
    Listener(io::Error),
    /// A file cannot be read or written.
    File(PathBuf, io::Error),
    /// A file holds no certificate, or no key, or they do not belong together.
    Given(PathBuf, String),
    /// The library's.
    Made(String),
}

impl fmt::Display for CertificateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listener(error) => write!(f, "{error}: set direct_bind to a free port"),
            Self::File(path, error) => write!(
                f,
                "{}: {error}: give this user read and write access to the data directory",
                path.display()
            ),
            Self::Given(path, what) => write!(
                f,
                "{}: {what}: give the chain in direct_certificate and its key in direct_key, both \
                 PEM",
                path.display()
            ),
            Self::Made(error) => write!(f, "no certificate can be made: {error}"),
        }
    }
}

impl core::error::Error for CertificateError {}

/// The certificate that is shown, made anew where the page's address changes.
pub(super) struct Certificates {
    directory: PathBuf,
    sensor: String,
    names: Names,
    listens: SocketAddr,
    clock: WallClock,
    is_given: bool,
    present: Mutex<Present>,
}

#[derive(Clone)]
struct Present {
    host: String,
    config: Arc<ServerConfig>,
    print: [u8; 32],
}

/// The certificate on disk.
#[derive(Serialize, Deserialize)]
struct Saved {
    host: String,
    from: UnixMicros,
    until: UnixMicros,
    der: String,
}

impl Certificates {
    pub(super) fn open(
        settings: &DirectSettings,
        listens: SocketAddr,
        clock: WallClock,
    ) -> Result<Self, CertificateError> {
        let host = host(&settings.names, listens);
        let present = match &settings.given {
            Some((chain, key)) => given(chain, key, host)?,
            None => own(&settings.directory, &settings.sensor, host, &clock)?,
        };
        Ok(Self {
            directory: settings.directory.clone(),
            sensor: settings.sensor.clone(),
            names: settings.names.clone(),
            listens,
            clock,
            is_given: settings.given.is_some(),
            present: Mutex::new(present),
        })
    }

    /// What a connection is begun with.
    pub(super) fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&lock(&self.present).config)
    }

    /// How browsers reach the page, and what its certificate is.
    pub(super) fn announced(&self) -> DirectPage {
        let host = host(&self.names, self.listens);
        let mut present = lock(&self.present);
        if present.host != host {
            log::info!("the page for calls' packets is reached at {host} now");
            if self.is_given {
                present.host = host;
            } else {
                match own(&self.directory, &self.sensor, host, &self.clock) {
                    Ok(made) => *present = made,
                    Err(error) => log::error!("the page for calls' packets: {error}"),
                }
            }
        }
        let port = self.names.port.unwrap_or_else(|| self.listens.port());
        let authority = match present.host.contains(':') {
            true => format!("[{}]:{port}", present.host),
            false => format!("{}:{port}", present.host),
        };
        DirectPage { authority, certificate: present.print }
    }
}

/// What is configured, else the address that is listened on, else that of the default route.
fn host(names: &Names, listens: SocketAddr) -> String {
    if let Some(host) = &names.host {
        return host.clone();
    }
    let address = listens.ip();
    let address = if address.is_unspecified() { own_address().unwrap_or(address) } else { address };
    address.to_canonical().to_string()
}

/// The address that this machine's packets to others come from. Nothing is sent.
fn own_address() -> Option<IpAddr> {
    // Addresses of documentation (RFC 5737, RFC 3849): only the route to them is looked up.
    [("0.0.0.0:0", "192.0.2.1:9"), ("[::]:0", "[2001:db8::1]:9")].into_iter().find_map(
        |(from, to)| {
            let socket = UdpSocket::bind(from).ok()?;
            socket.connect(to).ok()?;
            Some(socket.local_addr().ok()?.ip()).filter(|address| !address.is_unspecified())
        },
    )
}

/// The operator's certificate.
fn given(chain: &Path, key: &Path, host: String) -> Result<Present, CertificateError> {
    let wrong = |path: &Path, what: &dyn fmt::Display| {
        CertificateError::Given(path.to_owned(), what.to_string())
    };
    let read = CertificateDer::pem_file_iter(chain).map_err(|error| wrong(chain, &error))?;
    let read: Result<Vec<_>, _> = read.collect();
    let certificates = read.map_err(|error| wrong(chain, &error))?;
    let Some(first) = certificates.first() else {
        return Err(wrong(chain, &"there is no certificate in it"));
    };
    let print = sha256(first);
    let private = PrivateKeyDer::from_pem_file(key).map_err(|error| wrong(key, &error))?;
    let config = config(certificates, private).map_err(|error| wrong(key, &error))?;
    Ok(Present { host, config, print })
}

/// The sensor's own, as it stands on the disk, or made anew.
fn own(
    directory: &Path,
    sensor: &str,
    host: String,
    clock: &WallClock,
) -> Result<Present, CertificateError> {
    let key = own_key(directory)?;
    // A box that does not know the time yet: the certificate is to hold when it does.
    let now = clock.now().wall.max(EARLIEST_PLAUSIBLE);
    let path = directory.join(CERTIFICATE_FILE);
    let is_good = |saved: &Saved| {
        saved.host == host
            && saved.from <= now
            && saved.until.since(now) > RENEWED_BEFORE * MICROS_PER_DAY
    };
    let saved = std::fs::read(&path).ok().and_then(|json| serde_json::from_slice(&json).ok());
    let saved = saved.filter(is_good).and_then(|saved: Saved| {
        let der = BASE64.decode(saved.der.as_bytes()).ok()?;
        present(host.clone(), der, &key).ok()
    });
    if let Some(present) = saved {
        return Ok(present);
    }
    let from = UnixMicros(now.0.saturating_sub(EARLY_DAYS * MICROS_PER_DAY));
    let until = from.plus(DAYS * MICROS_PER_DAY);
    let der = make(&key, sensor, &host, from, until).map_err(made)?;
    let saved = Saved { host: host.clone(), from, until, der: BASE64.encode(&der) };
    let json =
        serde_json::to_vec(&saved).map_err(|error| CertificateError::Made(error.to_string()))?;
    atomic::replace(&path, &json, 0o600).map_err(|error| CertificateError::File(path, error))?;
    present(host, der, &key)
}

fn own_key(directory: &Path) -> Result<KeyPair, CertificateError> {
    let path = directory.join(KEY_FILE);
    match std::fs::read(&path) {
        Ok(der) => {
            if let Ok(key) = KeyPair::try_from(der) {
                return Ok(key);
            }
            log::warn!("{} holds no key: it is made anew", path.display());
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(CertificateError::File(path, error)),
    }
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(made)?;
    let written = atomic::replace(&path, &key.serialize_der(), 0o600);
    written.map_err(|error| CertificateError::File(path, error))?;
    Ok(key)
}

fn make(
    key: &KeyPair,
    sensor: &str,
    host: &str,
    from: UnixMicros,
    until: UnixMicros,
) -> Result<Vec<u8>, rcgen::Error> {
    let mut params = CertificateParams::new(vec![host.to_owned()])?;
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, format!("Ringside sensor {sensor}"));
    params.distinguished_name = name;
    let since_epoch = |at: UnixMicros| Duration::from_secs(at.0 / MICROS_PER_SECOND);
    params.not_before = date_time_ymd(1970, 1, 1) + since_epoch(from);
    params.not_after = date_time_ymd(1970, 1, 1) + since_epoch(until);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    Ok(params.self_signed(key)?.der().to_vec())
}

fn present(host: String, der: Vec<u8>, key: &KeyPair) -> Result<Present, CertificateError> {
    let certificate = CertificateDer::from(der);
    let print = sha256(&certificate);
    let private = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = config(vec![certificate], private);
    let config = config.map_err(|error| CertificateError::Made(error.to_string()))?;
    Ok(Present { host, config, print })
}

fn config(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<Arc<ServerConfig>, rustls::Error> {
    let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config.session_storage = ServerSessionMemoryCache::new(TLS_SESSIONS);
    Ok(Arc::new(config))
}

fn sha256(certificate: &CertificateDer<'_>) -> [u8; 32] {
    let mut print = [0; 32];
    print.copy_from_slice(digest(&SHA256, certificate).as_ref());
    print
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn made(error: rcgen::Error) -> CertificateError {
    CertificateError::Made(error.to_string())
}

#[cfg(test)]
mod tests {
    use embassy_time::Instant;

    use super::*;
    use crate::clock::Now;
    use crate::store::test_dir::TestDir;

    const LOOPBACK: &str = "127.0.0.1:8443";

    fn settings(dir: &TestDir, host: Option<&str>) -> DirectSettings {
        DirectSettings {
            directory: dir.path().to_owned(),
            sensor: "gate".to_owned(),
            names: Names { host: host.map(str::to_owned), port: None },
            given: None,
        }
    }

    fn clock(days: u64) -> WallClock {
        let wall = EARLIEST_PLAUSIBLE.plus(days * MICROS_PER_DAY);
        WallClock::reading(move || Now { instant: Instant::from_micros(0), wall })
    }

    fn announced(dir: &TestDir, host: Option<&str>, days: u64) -> DirectPage {
        let listens = LOOPBACK.parse().expect("an address");
        let made = Certificates::open(&settings(dir, host), listens, clock(days));
        made.expect("a certificate").announced()
    }

    #[test]
    fn the_certificate_stays_until_its_end_is_near_or_the_name_is_another() {
        let dir = TestDir::new();
        let first = announced(&dir, None, 10);
        assert_eq!(first.authority, LOOPBACK);
        assert_eq!(announced(&dir, None, 11), first, "after a start");
        let named = announced(&dir, Some("gate.example.net"), 11);
        assert_eq!(named.authority, "gate.example.net:8443");
        assert_ne!(named.certificate, first.certificate);
        let six = announced(&dir, Some("2001:db8::7"), 11);
        assert_eq!(six.authority, "[2001:db8::7]:8443");
        assert!(six.is_sound());
        let late = announced(&dir, Some("2001:db8::7"), 10 + DAYS - RENEWED_BEFORE);
        assert_ne!(late.certificate, six.certificate);
        let back = announced(&dir, Some("2001:db8::7"), 11);
        assert_ne!(back.certificate, late.certificate, "it would not be valid yet");
    }

    #[test]
    fn a_damaged_key_is_made_anew_and_a_pair_of_the_operator_s_is_taken() {
        let dir = TestDir::new();
        let first = announced(&dir, None, 10);
        std::fs::write(dir.path().join(KEY_FILE), b"no key").expect("written");
        assert_ne!(announced(&dir, None, 10).certificate, first.certificate);

        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).expect("a key");
        let params = CertificateParams::new(vec!["gate.example.net".to_owned()]).expect("a name");
        let made = params.self_signed(&key).expect("a certificate");
        let (chain, private) = (dir.path().join("chain.pem"), dir.path().join("key.pem"));
        std::fs::write(&chain, made.pem()).expect("written");
        std::fs::write(&private, key.serialize_pem()).expect("written");
        let given = |chain: &Path, key: &Path| {
            let mut settings = settings(&dir, Some("gate.example.net"));
            settings.given = Some((chain.to_owned(), key.to_owned()));
            Certificates::open(&settings, LOOPBACK.parse().expect("an address"), clock(10))
        };
        let page = given(&chain, &private).expect("a pair").announced();
        assert_eq!(page.certificate, sha256(made.der()));
        for (chain, key) in [(&private, &private), (&chain, &chain), (&chain, &chain.join("x"))] {
            let error = given(chain, key).err().expect("no pair").to_string();
            assert!(error.contains("direct_certificate"), "{error}");
        }
    }

    #[test]
    fn without_a_name_the_address_of_the_default_route_is_told() {
        let everywhere = "0.0.0.0:60443".parse().expect("an address");
        let names = Names::default();
        match own_address() {
            Some(address) => assert_eq!(host(&names, everywhere), address.to_string()),
            None => assert_eq!(host(&names, everywhere), "0.0.0.0"),
        }
        assert_eq!(host(&names, "[::ffff:192.0.2.7]:1".parse().expect("one")), "192.0.2.7");
    }
}
