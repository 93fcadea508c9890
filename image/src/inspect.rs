//! What an image or a bundle holds, and whether it is whole.

use core::fmt::Write as _;
use std::fs::File;
use std::path::Path;

use crate::bmap::{self, Map};
use crate::bundle;
use crate::flash::FlashError;
use crate::progress::Progress;
use crate::sign;
use crate::table;

/// Describes an image; where a block map lies beside it, every byte that it names is checked.
///
/// # Errors
/// It is damaged.
pub fn image(path: &Path) -> Result<String, FlashError> {
    let at = |error| FlashError::Io(path.to_owned(), error);
    let file = File::open(path).map_err(at)?;
    let bytes = file.metadata().map_err(at)?.len();
    let entries = table::read(&file, bytes).map_err(FlashError::Table)?;
    let mut text = format!("image of {bytes} bytes\n");
    for entry in &entries {
        let (number, name, size) = (entry.number, &entry.name, entry.bytes >> 20);
        let place = entry.at >> 20;
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  {number}  {name:<20} {size:>6} MiB at {place} MiB  {}", entry.id);
    }
    match bmap::beside(path).map_err(at)? {
        None => text += "no block map beside it: contents not checked\n",
        Some(map) => {
            let map = Map::parse(&map).map_err(FlashError::Map)?;
            let mut progress = Progress::new("checking", map.mapped_bytes());
            for extent in &map.extents {
                let sum = bmap::sha256_of(&file, &extent.bytes, |bytes| progress.advance(bytes))
                    .map_err(at)?;
                if map.image_bytes != bytes || sum != extent.sha256 {
                    return Err(FlashError::ImageDamaged(path.to_owned()));
                }
            }
            let _ = writeln!(text, "whole: {} bytes checked", map.mapped_bytes());
        }
    }
    Ok(text)
}

/// Describes a bundle whose signature fits `key`; every image is checked.
///
/// # Errors
/// It is refused.
pub fn bundle(path: &Path, key: &Path) -> Result<String, bundle::BundleError> {
    let key = sign::public_key(key).map_err(bundle::BundleError::Signature)?;
    let manifest = bundle::read(path, &key, None, |_| Ok(None::<(File, u64)>))?;
    let mut text = format!("bundle for {}, version {}\n", manifest.board, manifest.version);
    for image in &manifest.images {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  {}  {} bytes  sha256 {}", image.name, image.bytes, image.sha256);
    }
    Ok(text + "whole, and the signature fits\n")
}
