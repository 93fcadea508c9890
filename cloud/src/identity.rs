//! How sensors find and recognise this service: what enrolment tokens carry.
//!
//! `serve` remembers it in the database, so that `admin token new` hands out the same.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::time::SystemTime;

use ringside_protocol::DEFAULT_PORT;

use crate::ca::Ca;
use crate::config::{dial, dialled};
use crate::db::{DATABASE_FILE, Db, DbError, Place};

/// Where the address that sensors dial is remembered.
const ADDRESS: &str = "sensor_address";

/// Where the hash of the CA's key is remembered.
const PIN: &str = "ca_key_sha256";

/// How sensors find and recognise this service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// What they dial.
    pub host: String,
    /// The TCP port.
    pub port: u16,
    /// SHA-256 of the CA's SubjectPublicKeyInfo; all zero: none, the public roots apply.
    pub ca_key_sha256: [u8; 32],
}

/// Whether there is a database at `place`; a server's is made by whoever comes first.
#[must_use]
pub fn has_database(place: &Place, data: &Path) -> bool {
    matches!(place, Place::Server(_)) || data.join(DATABASE_FILE).exists()
}

/// Opens the database at `place`, and makes the folder `data` if it is not there.
///
/// # Errors
/// One sentence that says what to do.
pub fn open_database(place: &Place, data: &Path) -> Result<Db, String> {
    DirBuilder::new().recursive(true).mode(0o700).create(data).map_err(|error| {
        format!(
            "the folder {} cannot be made ({error}): name another with --data, or run as a user \
             who may",
            data.display()
        )
    })?;
    Db::open_at(place, data).map_err(|error| match place {
        Place::Folder => format!(
            "{error}; the folder is {}: check who owns it and its free space",
            data.display()
        ),
        Place::Server(_) => format!(
            "{error}; the database is the server's that --database names: check that it runs, and \
             that this user may make tables there"
        ),
    })
}

/// Remembers the identity for `admin`.
///
/// # Errors
/// The database's.
pub fn remember(db: &Db, identity: &Identity) -> Result<(), DbError> {
    db.remember(ADDRESS, dial(&identity.host, identity.port).as_bytes())?;
    db.remember(PIN, &identity.ca_key_sha256)
}

/// The identity that `serve` had last; before its first start, the one that it would have.
///
/// # Errors
/// One sentence that says what to do.
pub fn known(db: &Db, data: &Path) -> Result<Identity, String> {
    let remembered = |name| db.remembered(name).map_err(|error| error.to_string());
    let address = remembered(ADDRESS)?.and_then(|bytes| String::from_utf8(bytes).ok());
    let (host, port) = match address.map(|text| dialled(&text)) {
        Some(Ok(known)) => known,
        _ => (host_name(), DEFAULT_PORT),
    };
    let ca_key_sha256 = match remembered(PIN)?.and_then(|bytes| bytes.try_into().ok()) {
        Some(pin) => pin,
        None => Ca::open(&data.join("tls"), SystemTime::now())
            .map_err(|error| error.to_string())?
            .key_sha256(),
    };
    Ok(Identity { host, port, ca_key_sha256 })
}

/// This machine's name.
#[must_use]
pub fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}
