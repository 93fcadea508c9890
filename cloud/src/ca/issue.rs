//! Making certificates (RFC 5280, with rcgen).

use core::net::IpAddr;
use std::path::Path;
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PublicKeyData, date_time_ymd,
};
use rustls::pki_types::CertificateDer;

use super::{TlsError, certificate, files, read_chain, seconds, sha256};

/// Days that the CA's certificate is valid.
const CA_DAYS: i64 = 3652;

/// Days that are left to the CA's certificate when it is made anew, with the same key.
const CA_RENEWAL_DAYS: i64 = 800;

/// Days that a server certificate is valid: browsers accept no more.
pub(super) const SERVER_DAYS: i64 = 397;

/// Certificates begin a day early, for clients whose clocks are slow.
const EARLY_DAYS: i64 = 1;

/// The service's own certificate authority.
pub struct Ca {
    certificate: CertificateDer<'static>,
    pem: String,
    key: KeyPair,
    not_after: i64,
}

impl Ca {
    /// Reads the CA in `directory`, or makes one.
    ///
    /// # Errors
    /// [`TlsError`], a sentence for the person who starts the service.
    pub fn open(directory: &Path, now: SystemTime) -> Result<Self, TlsError> {
        files::make_folder(directory)?;
        let (certificate_path, key_path) = (directory.join("ca.pem"), directory.join("ca.key"));
        // The key is written first: without the certificate, making it was interrupted.
        let key = match (key_path.exists(), certificate_path.exists()) {
            (true, _) => read_key(&key_path)?,
            (false, true) => return Err(TlsError::CaKeyMissing(key_path)),
            (false, false) => {
                let key = new_key()?;
                files::write(&key_path, key.serialize_pem().as_bytes(), files::SECRET)?;
                key
            }
        };
        if certificate_path.exists()
            && let Some(ca) = Self::read(&certificate_path, &key)?
            && ca.not_after - seconds(now) >= days(CA_RENEWAL_DAYS)
        {
            return Ok(Self { key, ..ca });
        }
        let made = ca_params(&key, now).self_signed(&key).map_err(issue_error)?;
        files::write(&certificate_path, made.pem().as_bytes(), files::PUBLIC)?;
        let ca = Self::read(&certificate_path, &key)?;
        ca.map(|ca| Self { key, ..ca }).ok_or(TlsError::NoCertificate(certificate_path))
    }

    /// The certificate in `path`, if it is that of `key`.
    fn read(path: &Path, key: &KeyPair) -> Result<Option<Self>, TlsError> {
        let no_certificate = || TlsError::NoCertificate(path.to_path_buf());
        let certificate = read_chain(path)?.into_iter().next().ok_or_else(no_certificate)?;
        let facts = certificate::read(&certificate).ok_or_else(no_certificate)?;
        if facts.public_key != key.subject_public_key_info() {
            return Err(TlsError::KeyDoesNotFit {
                certificate: path.to_path_buf(),
                key: path.with_extension("key"),
            });
        }
        let pem = String::from_utf8_lossy(&files::read(path)?).into_owned();
        let key = KeyPair::try_from(key.serialize_der()).map_err(issue_error)?;
        Ok(Some(Self { certificate, pem, key, not_after: facts.not_after }))
    }

    /// SHA-256 over the DER SubjectPublicKeyInfo: what enrolment tokens carry.
    #[must_use]
    pub fn key_sha256(&self) -> [u8; 32] {
        sha256(&self.key.subject_public_key_info())
    }

    /// The certificate, DER.
    #[must_use]
    pub const fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// The certificate, PEM, for clients to trust.
    #[must_use]
    pub fn pem(&self) -> &str {
        &self.pem
    }
}

/// Makes `server.pem` and `server.key` in `directory`.
pub(super) fn issue_server(
    ca: &Ca,
    names: &[String],
    directory: &Path,
    now: SystemTime,
) -> Result<(), TlsError> {
    let mut params = CertificateParams::new(names).map_err(issue_error)?;
    params.distinguished_name = common_name("Ringside");
    let from = seconds(now) - days(EARLY_DAYS);
    set_validity(&mut params, from, (from + days(SERVER_DAYS)).min(ca.not_after));
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    let key = new_key()?;
    let issuer_params = ca_params(&ca.key, now);
    let issuer = Issuer::from_params(&issuer_params, &ca.key);
    let certificate = params.signed_by(&key, &issuer).map_err(issue_error)?;
    // An interrupted pair does not fit together and is made again at the next start.
    files::write(&directory.join("server.key"), key.serialize_pem().as_bytes(), files::SECRET)?;
    let chain = format!("{}{}", certificate.pem(), ca.pem);
    files::write(&directory.join("server.pem"), chain.as_bytes(), files::PUBLIC)
}

/// The names that our certificate is for: those given, and those of the machine itself.
pub(super) fn wanted_names(given: &[String]) -> Result<Vec<String>, TlsError> {
    let machine = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let own = ["localhost", "127.0.0.1", "::1"].into_iter().map(str::to_owned);
    let mut names = Vec::new();
    for name in given {
        add(&mut names, normal_name(name).ok_or_else(|| TlsError::BadName(name.clone()))?);
    }
    // The machine's own name may be one that no certificate can carry.
    for name in own.chain([machine]).filter_map(|name| normal_name(&name)) {
        add(&mut names, name);
    }
    Ok(names)
}

fn add(names: &mut Vec<String>, name: String) {
    if !names.contains(&name) {
        names.push(name);
    }
}

/// An address as the standard library writes it, or a host name in lower case (RFC 1123 §2.1).
pub(super) fn normal_name(name: &str) -> Option<String> {
    let bare = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    if let Ok(address) = bare.parse::<IpAddr>() {
        return Some(address.to_string());
    }
    let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    (name.len() <= 253 && name.split('.').all(is_label)).then_some(name)
}

/// The same for every certificate of one key, so that a CA made anew takes the old one's place.
fn ca_params(key: &KeyPair, now: SystemTime) -> CertificateParams {
    let hash = sha256(&key.subject_public_key_info());
    let short = data_encoding::HEXLOWER.encode(&hash[..4]);
    let mut params = CertificateParams::default();
    params.distinguished_name = common_name(&format!("Ringside CA {short}"));
    let from = seconds(now) - days(EARLY_DAYS);
    set_validity(&mut params, from, from + days(CA_DAYS));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn common_name(name: &str) -> DistinguishedName {
    let mut names = DistinguishedName::new();
    names.push(DnType::CommonName, name);
    names
}

fn new_key() -> Result<KeyPair, TlsError> {
    KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(issue_error)
}

fn read_key(path: &Path) -> Result<KeyPair, TlsError> {
    let bytes = files::read(path)?;
    let text = core::str::from_utf8(&bytes).map_err(|_| TlsError::NoKey(path.to_path_buf()))?;
    KeyPair::from_pem(text).map_err(|_| TlsError::NoKey(path.to_path_buf()))
}

fn issue_error(error: rcgen::Error) -> TlsError {
    TlsError::Issue(error.to_string())
}

/// Seconds.
pub(super) const fn days(count: i64) -> i64 {
    count * 86_400
}

/// Sets when a certificate is valid, in seconds since the epoch.
fn set_validity(params: &mut CertificateParams, from: i64, until: i64) {
    let since_epoch = |seconds| Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
    params.not_before = date_time_ymd(1970, 1, 1) + since_epoch(from);
    params.not_after = date_time_ymd(1970, 1, 1) + since_epoch(until);
}
