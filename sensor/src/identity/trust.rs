//! The server that enrolment named and the CA that it pinned.

use core::fmt;
use core::str::FromStr;
use std::fs;
use std::io;
use std::path::Path;

use data_encoding::BASE64;
use ringside_protocol::DEFAULT_PORT;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde::{Deserialize, Serialize};

use super::IdentityError;
use crate::store::atomic;

const TRUST_FILE: &str = "trust.json";

/// Base64 characters in a line (RFC 7468 §2).
const PEM_LINE: usize = 64;

/// Where a cloud listens for sensors.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Server {
    /// Name or address, without brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
}

impl Server {
    /// Its place in a URL: IPv6 addresses get their brackets.
    #[must_use]
    pub fn authority(&self) -> String {
        self.to_string()
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

impl FromStr for Server {
    type Err = String;

    /// `HOST`, `HOST:PORT`, `[IPV6]`, `[IPV6]:PORT`, or a bare IPv6 address.
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text} is no server: write HOST or HOST:PORT");
        let (host, port) = if let Some(rest) = text.strip_prefix('[') {
            let (host, rest) = rest.split_once(']').ok_or_else(wrong)?;
            match rest.strip_prefix(':') {
                Some(port) => (host, Some(port)),
                None if rest.is_empty() => (host, None),
                None => return Err(wrong()),
            }
        } else if text.matches(':').count() > 1 {
            (text, None)
        } else {
            match text.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (text, None),
            }
        };
        if host.is_empty() || host.chars().any(|c| c.is_whitespace() || "/@?#[]".contains(c)) {
            return Err(wrong());
        }
        let port = match port {
            Some(port) => port.parse().ok().filter(|&port| port != 0).ok_or_else(wrong)?,
            None => DEFAULT_PORT,
        };
        Ok(Self { host: host.to_owned(), port })
    }
}

/// What enrolment has left behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trust {
    /// The server that was enrolled with.
    pub server: Server,
    /// The CA certificate that is the only root for this device's connections; `None`: the public
    /// authorities.
    pub ca: Option<CertificateDer<'static>>,
}

#[derive(Serialize, Deserialize)]
struct File {
    server: Server,
    ca_pem: Option<String>,
}

impl Trust {
    /// Reads the trust file; `None` before enrolment.
    ///
    /// # Errors
    /// [`IdentityError::Io`], [`IdentityError::TrustDamaged`].
    pub fn load(directory: &Path) -> Result<Option<Self>, IdentityError> {
        let path = directory.join(TRUST_FILE);
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(IdentityError::Io { path, error }),
        };
        let damaged = || IdentityError::TrustDamaged(path.clone());
        let file: File = serde_json::from_slice(&text).map_err(|_| damaged())?;
        let ca = file.ca_pem.map(|pem| CertificateDer::from_pem_slice(pem.as_bytes())).transpose();
        Ok(Some(Self { server: file.server, ca: ca.map_err(|_| damaged())? }))
    }

    /// Keeps it; a power cut leaves the old trust or this one.
    ///
    /// # Errors
    /// [`IdentityError::Io`].
    pub fn store(&self, directory: &Path) -> Result<(), IdentityError> {
        let path = directory.join(TRUST_FILE);
        let file = File { server: self.server.clone(), ca_pem: self.ca.as_ref().map(pem) };
        let stored = serde_json::to_vec_pretty(&file)
            .map_err(io::Error::other)
            .and_then(|text| atomic::replace(&path, &text, 0o644));
        stored.map_err(|error| IdentityError::Io { path, error })
    }
}

/// A certificate as text (RFC 7468 §5).
fn pem(der: &CertificateDer<'_>) -> String {
    let mut text = "-----BEGIN CERTIFICATE-----\n".to_owned();
    let encoded = BASE64.encode(der);
    for line in encoded.as_bytes().chunks(PEM_LINE) {
        text.extend(line.iter().map(|&byte| char::from(byte)));
        text.push('\n');
    }
    text.push_str("-----END CERTIFICATE-----\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::test_dir::TestDir;

    fn trust() -> Trust {
        let key = rcgen::KeyPair::generate().expect("key");
        let params = rcgen::CertificateParams::new(Vec::new()).expect("params");
        let ca = Some(params.self_signed(&key).expect("certificate").der().clone());
        Trust { server: Server { host: "cloud.example.net".to_owned(), port: 60023 }, ca }
    }

    #[test]
    fn trust_survives_its_file() {
        let dir = TestDir::new();
        assert_eq!(Trust::load(dir.path()).expect("load"), None);
        for trust in [trust(), Trust { ca: None, ..trust() }] {
            trust.store(dir.path()).expect("store");
            assert_eq!(Trust::load(dir.path()).expect("load"), Some(trust));
        }
    }

    #[test]
    fn a_damaged_trust_file_is_an_error() {
        let dir = TestDir::new();
        trust().store(dir.path()).expect("store");
        let path = dir.path().join(TRUST_FILE);
        let text = fs::read_to_string(&path).expect("read");
        for damaged in [&text[..text.len() / 2], "{}", &text.replace("BEGIN", "BEGUN")] {
            fs::write(&path, damaged).expect("write");
            let error = Trust::load(dir.path()).expect_err("damaged");
            assert!(matches!(error, IdentityError::TrustDamaged(_)), "{error}");
        }
    }

    #[test]
    fn servers_are_written_with_or_without_a_port() {
        for (text, host, port) in [
            ("cloud.example.net", "cloud.example.net", 60023),
            ("cloud.example.net:443", "cloud.example.net", 443),
            ("192.0.2.1:1", "192.0.2.1", 1),
            ("2001:db8::1", "2001:db8::1", 60023),
            ("[2001:db8::1]", "2001:db8::1", 60023),
            ("[2001:db8::1]:443", "2001:db8::1", 443),
        ] {
            assert_eq!(text.parse(), Ok(Server { host: host.to_owned(), port }), "{text}");
        }
        for text in ["", ":1", "a b", "host:0", "host:65536", "host:x", "[::1", "https://a/"] {
            let error = text.parse::<Server>().expect_err(text);
            assert!(error.contains("HOST:PORT"), "{error}");
        }
        assert_eq!("[::1]:5".parse::<Server>().expect("server").authority(), "[::1]:5");
    }
}
