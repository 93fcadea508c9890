//! Releases of the sensor that sensors can be given, in pieces.

use ringside_protocol::push::PIECE_BYTES;
use ringside_protocol::time::UnixMicros;

use super::customers::audit;
use super::{
    Connection, Customer, Db, DbError, OptionalExtension, Result, Row, bytes, loaded_time, params,
    stored_time,
};
use crate::auth::{Admin, Scope};

/// Packages of one customer, or of the operator, at most.
pub const MAX_PACKAGES: usize = 8;

/// A package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Package {
    /// Its number.
    pub id: i64,
    /// Whose; `None`: the operator's, for everybody.
    pub customer: Option<Customer>,
    /// As its signature says.
    pub version: String,
    /// The target triple that it is built for.
    pub target: String,
    /// Its length.
    pub bytes: u64,
    /// Bytes that are here.
    pub received: u64,
    /// Over all of it.
    pub sha256: [u8; 32],
    /// minisign's file.
    pub signature: String,
    /// Whether this cloud has checked the signature with a key that it has.
    pub is_checked: bool,
    /// Who has brought it.
    pub uploaded_by: String,
    /// When.
    pub uploaded_at: UnixMicros,
}

impl Package {
    /// Whether all of it is here.
    #[must_use]
    pub const fn is_whole(&self) -> bool {
        self.received == self.bytes
    }

    /// The machine that it is built for, as in `aarch64`.
    #[must_use]
    pub fn arch(&self) -> &str {
        self.target.split('-').next().unwrap_or_default()
    }
}

/// What there is to say about a package before its bytes come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announced {
    /// As its signature says.
    pub version: String,
    /// The same.
    pub target: String,
    /// Its length.
    pub bytes: u64,
    /// Over all of it.
    pub sha256: [u8; 32],
    /// minisign's file.
    pub signature: String,
}

/// What became of a piece.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It is here; so many bytes are now.
    Here(u64),
    /// It is not the next one: so many bytes are here.
    NotNext(u64),
    /// It is longer than what is missing, or not as long as a piece is.
    Misfit,
    /// There is no such package.
    Gone,
}

const COLUMNS: &str = "package, customer, version, target, bytes, received, sha256, signature, \
                       is_checked, uploaded_by, uploaded_at";

/// The customer's packages and the operator's, the newest first.
///
/// # Errors
/// The database's.
pub fn list(db: &Db, scope: &Scope) -> Result<Vec<Package>> {
    let reader = db.reader();
    of(&reader, Some(scope.customer()), true)
}

/// A package that the customer may use.
///
/// # Errors
/// The database's.
pub fn usable(db: &Db, scope: &Scope, id: i64) -> Result<Option<Package>> {
    Ok(list(db, scope)?.into_iter().find(|package| package.id == id))
}

/// A package that is the customer's own.
///
/// # Errors
/// The database's.
pub fn own(db: &Db, scope: &Scope, id: i64) -> Result<Option<Package>> {
    let own = usable(db, scope, id)?;
    Ok(own.filter(|package| package.customer == Some(scope.customer())))
}

/// Announces a package of `customer`; the number of the one that was announced with the same bytes
/// before, or a new one; `None` where there are [`MAX_PACKAGES`].
///
/// # Errors
/// The database's.
pub fn announce(
    db: &Db,
    customer: Option<Customer>,
    who: &str,
    announced: &Announced,
    now: UnixMicros,
) -> Result<Option<i64>> {
    db.write(|tx| {
        let known = of(tx, customer, false)?;
        if let Some(same) = known.iter().find(|it| it.sha256 == announced.sha256) {
            tx.execute(
                "UPDATE package SET signature = ?2, version = ?3, target = ?4 WHERE package = ?1",
                params![same.id, announced.signature, announced.version, announced.target],
            )?;
            return Ok(Some(same.id));
        }
        if known.len() >= MAX_PACKAGES {
            return Ok(None);
        }
        let id = tx.query_row(
            "INSERT INTO package (customer, version, target, bytes, received, sha256, signature, \
             is_checked, uploaded_by, uploaded_at) VALUES (?1, ?2, ?3, ?4, 0, ?5, ?6, 0, ?7, ?8) \
             RETURNING package",
            params![
                customer.map(|customer| customer.0),
                announced.version,
                announced.target,
                stored(announced.bytes),
                announced.sha256,
                announced.signature,
                who,
                stored_time(now)
            ],
            |row| row.get(0),
        )?;
        Ok(Some(id))
    })
}

/// Keeps the next piece of a package; `bytes` is [`PIECE_BYTES`] long unless it is the last.
///
/// # Errors
/// The database's.
pub fn take_piece(db: &Db, id: i64, offset: u64, piece: &[u8]) -> Result<Taken> {
    db.write(|tx| {
        let Some(package) = one(tx, id)? else { return Ok(Taken::Gone) };
        if offset != package.received {
            return Ok(Taken::NotNext(package.received));
        }
        let left = package.bytes - package.received;
        if piece.len() as u64 != left.min(PIECE_BYTES as u64) {
            return Ok(Taken::Misfit);
        }
        tx.execute(
            "INSERT INTO package_piece (package, piece, bytes) VALUES (?1, ?2, ?3)",
            params![id, stored(offset / PIECE_BYTES as u64), piece],
        )?;
        let received = offset + piece.len() as u64;
        tx.execute(
            "UPDATE package SET received = ?2 WHERE package = ?1",
            params![id, stored(received)],
        )?;
        Ok(Taken::Here(received))
    })
}

/// A piece of a package; empty behind its end.
///
/// # Errors
/// The database's.
pub fn piece(db: &Db, id: i64, offset: u64) -> Result<Vec<u8>> {
    let reader = db.reader();
    let mut statement = reader
        .prepare_cached("SELECT bytes FROM package_piece WHERE package = ?1 AND piece = ?2")?;
    let number = stored(offset / PIECE_BYTES as u64);
    let found = statement.query_row(params![id, number], |row| row.get(0)).optional()?;
    Ok(found.unwrap_or_default())
}

/// All of a package.
///
/// # Errors
/// The database's; [`DbError::Damaged`] where a piece is missing.
pub fn content(db: &Db, package: &Package) -> Result<Vec<u8>> {
    let mut content = Vec::new();
    while (content.len() as u64) < package.bytes {
        let next = piece(db, package.id, content.len() as u64)?;
        if next.is_empty() {
            return Err(DbError::Damaged("a package"));
        }
        content.extend(next);
    }
    Ok(content)
}

/// Notes that a package is whole and as it should be.
///
/// # Errors
/// The database's.
pub fn accept(
    db: &Db,
    who: &str,
    package: &Package,
    is_checked: bool,
    now: UnixMicros,
) -> Result<()> {
    db.write(|tx| {
        tx.execute(
            "UPDATE package SET is_checked = ?2 WHERE package = ?1",
            params![package.id, is_checked],
        )?;
        let detail = format!("{} {}", package.version, package.target);
        audit(tx, package.customer, now, who, "package.add", &detail)
    })
}

/// Forgets a package; orders that still want it find it gone.
///
/// # Errors
/// The database's.
pub fn remove(db: &Db, who: &str, package: &Package, now: UnixMicros) -> Result<()> {
    db.write(|tx| {
        tx.execute("DELETE FROM package WHERE package = ?1", [package.id])?;
        if !package.is_whole() {
            return Ok(());
        }
        let detail = format!("{} {}", package.version, package.target);
        audit(tx, package.customer, now, who, "package.remove", &detail)
    })
}

/// A package that an administrator removes.
///
/// # Errors
/// The database's.
pub fn remove_own(db: &Db, admin: &Admin<'_>, id: i64, now: UnixMicros) -> Result<bool> {
    let Some(package) = own(db, admin, id)? else { return Ok(false) };
    remove(db, admin.who(), &package, now)?;
    Ok(true)
}

impl Db {
    /// The operator's packages.
    ///
    /// # Errors
    /// The database's.
    pub fn packages_of_operator(&self) -> Result<Vec<Package>> {
        of(&self.reader(), None, false)
    }
}

pub(super) fn one(connection: &Connection, id: i64) -> Result<Option<Package>> {
    let mut statement =
        connection.prepare_cached(&format!("SELECT {COLUMNS} FROM package WHERE package = ?1"))?;
    let mut rows = statement.query([id])?;
    rows.next()?.map(|row| load(&row)).transpose()
}

/// The customer's, or the operator's where there is none; and the operator's besides, if asked.
fn of(connection: &Connection, customer: Option<Customer>, shared: bool) -> Result<Vec<Package>> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM package ORDER BY uploaded_at DESC, package DESC"
    ))?;
    let mut rows = statement.query([])?;
    let mut packages = Vec::new();
    while let Some(row) = rows.next()? {
        let package = load(&row)?;
        if package.customer == customer || (shared && package.customer.is_none()) {
            packages.push(package);
        }
    }
    Ok(packages)
}

fn load(row: &Row<'_>) -> Result<Package> {
    let sha256: Vec<u8> = row.get("sha256")?;
    let length = |name: &str| -> Result<u64> {
        Ok(u64::try_from(row.get::<_, i64>(name)?).unwrap_or_default())
    };
    Ok(Package {
        id: row.get("package")?,
        customer: row.get::<_, Option<i64>>("customer")?.map(Customer),
        version: row.get("version")?,
        target: row.get("target")?,
        bytes: length("bytes")?,
        received: length("received")?,
        sha256: bytes(&sha256, "a package's hash")?,
        signature: row.get("signature")?,
        is_checked: row.get("is_checked")?,
        uploaded_by: row.get("uploaded_by")?,
        uploaded_at: loaded_time(row.get("uploaded_at")?),
    })
}

/// Lengths are bounded far below what the database holds.
pub(super) fn stored(length: u64) -> i64 {
    i64::try_from(length).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::tests::Folder;

    const NOW: UnixMicros = UnixMicros(1_795_420_859_000_000);

    fn announced(first: u8, bytes: u64) -> Announced {
        Announced {
            version: "0.2.0".to_owned(),
            target: "aarch64-unknown-linux-musl".to_owned(),
            bytes,
            sha256: [first; 32],
            signature: "signed".to_owned(),
        }
    }

    #[test]
    fn pieces_come_in_order_and_together_are_the_package() {
        let folder = Folder::new();
        let db = folder.open();
        let length = PIECE_BYTES + 10;
        let whole: Vec<u8> =
            (0..length).map(|place| u8::try_from(place % 251).expect("a byte")).collect();
        let id = announce(&db, None, "op", &announced(1, length as u64), NOW).expect("made");
        let id = id.expect("there is room");
        let (first, last) = whole.split_at(PIECE_BYTES);
        let take =
            |offset: usize, piece: &[u8]| take_piece(&db, id, offset as u64, piece).expect("asked");
        assert_eq!(take(PIECE_BYTES, last), Taken::NotNext(0));
        assert_eq!(take(0, &first[1..]), Taken::Misfit);
        assert_eq!(take(0, first), Taken::Here(PIECE_BYTES as u64));
        assert_eq!(take(0, first), Taken::NotNext(PIECE_BYTES as u64), "it may be sent again");
        let again = announce(&db, None, "op", &announced(1, length as u64), NOW).expect("asked");
        assert_eq!(again, Some(id), "it goes on where it broke off");
        assert_eq!(take(PIECE_BYTES, last), Taken::Here(length as u64));
        let package = db.packages_of_operator().expect("asked").remove(0);
        assert!(package.is_whole());
        assert_eq!(content(&db, &package).expect("whole"), whole);
        assert!(piece(&db, id, length as u64 + PIECE_BYTES as u64).expect("asked").is_empty());
        remove(&db, "op", &package, NOW).expect("removed");
        assert_eq!(take(0, first), Taken::Gone);
        assert!(piece(&db, id, 0).expect("asked").is_empty());
    }

    #[test]
    fn a_customer_has_so_many_and_the_operator_s_besides() {
        let folder = Folder::new();
        let db = folder.open();
        let ours = db.create_customer("Ours", NOW).expect("made");
        let theirs = db.create_customer("Theirs", NOW).expect("made");
        for number in 0..MAX_PACKAGES {
            let number = u8::try_from(number).expect("few");
            let made = announce(&db, ours, "eva", &announced(number, 1), NOW).expect("asked");
            assert!(made.is_some());
        }
        assert_eq!(announce(&db, ours, "eva", &announced(99, 1), NOW).expect("asked"), None);
        announce(&db, None, "op", &announced(99, 1), NOW).expect("asked").expect("room");
        let seen = |customer: Option<Customer>| {
            let scope = crate::auth::scope_of_test(customer.expect("a customer"));
            list(&db, &scope).expect("asked").len()
        };
        assert_eq!((seen(ours), seen(theirs)), (MAX_PACKAGES + 1, 1));
    }
}
