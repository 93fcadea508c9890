//! `admin package …`: releases of the sensor that every customer may use.

use std::io::Read;
use std::path::Path;

use ring::digest::{SHA256, digest};
use ringside_protocol::push::{MAX_PACKAGE_BYTES, MAX_SIGNATURE_BYTES, PIECE_BYTES};
use ringside_protocol::time::UnixMicros;

use super::{WHO, table, words};
use crate::db::Db;
use crate::db::packages::{self, Announced, MAX_PACKAGES, Package, Taken};
use crate::release;

pub(super) fn add(
    db: &Db,
    file: &Path,
    key: Option<&str>,
    now: UnixMicros,
) -> Result<String, String> {
    let bytes = read(file, MAX_PACKAGE_BYTES)?;
    let mut beside = file.as_os_str().to_owned();
    beside.push(".minisig");
    let signature = read(Path::new(&beside), MAX_SIGNATURE_BYTES as u64)?;
    let signature = String::from_utf8_lossy(&signature).into_owned();
    let named = release::named(&signature).map_err(|error| error.to_string())?;
    let is_checked = release::check(&bytes, &signature, key).map_err(|error| error.to_string())?;
    let mut sha256 = [0; 32];
    sha256.copy_from_slice(digest(&SHA256, &bytes).as_ref());
    let release::Named { version, target } = named;
    let announced = Announced { version, target, bytes: bytes.len() as u64, sha256, signature };
    let id = packages::announce(db, None, WHO, &announced, now).map_err(words)?;
    let id = id.ok_or_else(|| {
        format!("there are {MAX_PACKAGES} packages: remove one with `admin package remove NUMBER`")
    })?;
    for (number, piece) in bytes.chunks(PIECE_BYTES).enumerate() {
        let offset = (number * PIECE_BYTES) as u64;
        // What an earlier attempt has left is here already.
        if packages::take_piece(db, id, offset, piece).map_err(words)? == Taken::Misfit {
            return Err("the package could not be kept: remove it and add it again".to_owned());
        }
    }
    let package = find(db, id)?;
    packages::accept(db, WHO, &package, is_checked, now).map_err(words)?;
    let checked = match is_checked {
        true => "its signature is right",
        false => "its signature was not checked here, for want of --upgrade-key; sensors check it",
    };
    Ok(format!("package {id}: {} for {}; {checked}\n", package.version, package.target))
}

pub(super) fn list(db: &Db) -> Result<String, String> {
    let packages = db.packages_of_operator().map_err(words)?;
    let row = |it: Package| {
        [it.id.to_string(), it.version, it.target, it.bytes.to_string(), it.uploaded_at.to_date()]
    };
    let rows = packages.into_iter().map(row);
    Ok(table(["NUMBER", "VERSION", "TARGET", "BYTES", "SINCE"], rows))
}

pub(super) fn remove(db: &Db, id: i64, now: UnixMicros) -> Result<String, String> {
    let package = find(db, id)?;
    packages::remove(db, WHO, &package, now).map_err(words)?;
    Ok(format!("package {id} is removed\n"))
}

fn find(db: &Db, id: i64) -> Result<Package, String> {
    let packages = db.packages_of_operator().map_err(words)?;
    let found = packages.into_iter().find(|it| it.id == id);
    found.ok_or_else(|| format!("there is no package {id}: `admin package list` shows them"))
}

fn read(path: &Path, most: u64) -> Result<Vec<u8>, String> {
    let failed = |error: std::io::Error| {
        format!(
            "{} cannot be read ({error}): a package is an archive and its signature, \
             ARCHIVE.minisig, beside it",
            path.display()
        )
    };
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(failed)?;
    file.take(most + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > most {
        return Err(format!("{} is larger than {most} bytes: that is no release", path.display()));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::tests::Folder;
    use crate::release::tests::Signer;

    const NOW: UnixMicros = UnixMicros(1_795_420_859_000_000);

    #[test]
    fn a_release_is_added_checked_listed_and_removed() {
        let folder = Folder::new();
        let db = folder.open();
        let signer = Signer::new();
        let bytes = vec![7; PIECE_BYTES * 2 + 5];
        let file = folder.0.join("release.tar.gz");
        std::fs::write(&file, &bytes).expect("written");
        let says = add(&db, &file, None, NOW).expect_err("it has no signature");
        assert!(says.contains("ARCHIVE.minisig"), "{says}");
        let text = signer.sign(&bytes, "ringside-sensor 0.2.0 aarch64-unknown-linux-musl");
        std::fs::write(folder.0.join("release.tar.gz.minisig"), text).expect("written");
        let stranger = Signer::new().public();
        assert!(add(&db, &file, Some(&stranger), NOW).is_err());
        let said = add(&db, &file, Some(&signer.public()), NOW).expect("added");
        assert!(said.contains("0.2.0 for aarch64") && said.contains("is right"), "{said}");
        let again = add(&db, &file, Some(&signer.public()), NOW).expect("the same");
        assert_eq!(said, again);
        assert!(list(&db).expect("listed").contains("0.2.0"));
        let id = db.packages_of_operator().expect("asked")[0].id;
        remove(&db, id, NOW).expect("removed");
        assert!(remove(&db, id, NOW).is_err());
    }
}
