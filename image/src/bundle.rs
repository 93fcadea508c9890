//! An update: a tar file of a manifest, its signature, and the images of one slot.
//!
//! ```text
//!  manifest.json            board, version, and of each image its name, bytes and SHA-256
//!  manifest.json.minisig    over the manifest, and so over the images' sums
//!  root.squashfs            first slot image; a Raspberry Pi's bundle has firmware.vfat, too
//! ```
//!
//! The order lets a box refuse a bundle before it writes a byte, and write an image while it reads it.

use core::fmt;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use minisign::{PublicKey, SecretKey};
use ring::digest::{Context, SHA256};
use serde::{Deserialize, Serialize};

use crate::progress::Progress;
use crate::sign::{self, SignError};

/// What this program writes and reads.
pub const FORMAT: u32 = 1;

/// A manifest that is longer is none, bytes.
const MAX_MANIFEST: u64 = 64 * 1024;

const MANIFEST: &str = "manifest.json";
const SIGNATURE: &str = "manifest.json.minisig";

/// What a bundle holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`FORMAT`].
    pub format: u32,
    /// The only board that it is for.
    pub board: String,
    /// Version of the system in it.
    pub version: String,
    /// In the order of the file.
    pub images: Vec<Image>,
}

/// One image of a slot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    /// `root.squashfs` or `firmware.vfat`.
    pub name: String,
    /// Length.
    pub bytes: u64,
    /// Hexadecimal.
    pub sha256: String,
}

/// Why a bundle is not written or not taken.
#[derive(Debug)]
pub enum BundleError {
    /// It cannot be read or written.
    Io(PathBuf, io::Error),
    /// It is no bundle.
    NotABundle,
    /// It ends before its end.
    CutShort,
    /// Its signature is missing, by another key, or does not fit.
    Signature(SignError),
    /// It is newer than this program.
    Format(u32),
    /// It is for other boxes.
    OtherBoard {
        /// Of the bundle.
        bundle: String,
        /// Of this box.
        here: String,
    },
    /// An image is not what the manifest says.
    Damaged(String),
    /// An image is larger than the slot, bytes.
    TooLarge {
        /// Of the image.
        image: u64,
        /// Of the slot.
        slot: u64,
    },
    /// The slot cannot be written.
    Slot(io::Error),
}

impl fmt::Display for BundleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(path, error) => write!(f, "{}: {error}", path.display()),
            Self::NotABundle => {
                f.write_str("this is no update bundle: get a file that ends in .bundle")
            }
            Self::CutShort => f.write_str("the bundle was cut short: get it again"),
            Self::Signature(error) => write!(f, "the bundle is refused: {error}"),
            Self::Format(format) => write!(
                f,
                "the bundle's format is {format} and this box reads {FORMAT}: install an \
                 intermediate version first"
            ),
            Self::OtherBoard { bundle, here } => write!(
                f,
                "the bundle is for the board {bundle} and this box is a {here}: get the bundle for \
                 {here}"
            ),
            Self::Damaged(name) => {
                write!(f, "{name} in the bundle is damaged: get the bundle again")
            }
            Self::TooLarge { image, slot } => write!(
                f,
                "the bundle's image has {image} bytes and the slot {slot}: this box must be flashed \
                 anew"
            ),
            Self::Slot(error) => write!(f, "the slot cannot be written: {error}"),
        }
    }
}

impl core::error::Error for BundleError {}

/// Writes a bundle of these images, by name.
///
/// # Errors
/// A file cannot be read or written, or signing fails.
pub fn write(
    out: &Path,
    board: &str,
    version: &str,
    images: &[(&str, &Path)],
    key: &SecretKey,
) -> Result<Manifest, BundleError> {
    let mut manifest = Manifest {
        format: FORMAT,
        board: board.to_owned(),
        version: version.to_owned(),
        images: Vec::new(),
    };
    for &(name, path) in images {
        let at = |error| BundleError::Io(path.to_owned(), error);
        let file = File::open(path).map_err(at)?;
        let bytes = file.metadata().map_err(at)?.len();
        let sha256 = crate::bmap::sha256_of(&file, &(0..bytes), |_| ()).map_err(at)?;
        manifest.images.push(Image { name: name.to_owned(), bytes, sha256 });
    }
    let at = |error| BundleError::Io(out.to_owned(), error);
    let text = serde_json::to_string_pretty(&manifest).map_err(|error| at(error.into()))? + "\n";
    let comment = format!("ringside bundle {board} {version}");
    let signature = sign::sign(key, text.as_bytes(), &comment).map_err(BundleError::Signature)?;
    let mut tar = tar::Builder::new(File::create(out).map_err(at)?);
    append(&mut tar, MANIFEST, text.len() as u64, text.as_bytes()).map_err(at)?;
    append(&mut tar, SIGNATURE, signature.len() as u64, signature.as_bytes()).map_err(at)?;
    for (&(name, path), image) in images.iter().zip(&manifest.images) {
        let file = File::open(path).map_err(|error| BundleError::Io(path.to_owned(), error))?;
        append(&mut tar, name, image.bytes, file).map_err(at)?;
    }
    tar.into_inner().and_then(|file| file.sync_all()).map_err(at)?;
    Ok(manifest)
}

/// A tar entry that depends on name and content alone.
fn append(
    tar: &mut tar::Builder<File>,
    name: &str,
    bytes: u64,
    content: impl Read,
) -> io::Result<()> {
    let mut header = tar::Header::new_ustar();
    header.set_size(bytes);
    header.set_mode(0o644);
    tar.append_data(&mut header, name, content)
}

/// Reads a bundle: checks signature and board, then hands each image to `place`, which says where it
/// goes and how much room is there. An image is complete and checked when this returns.
///
/// # Errors
/// Every [`BundleError`]. What was written until then is no slot to start.
pub fn read<W: Write>(
    path: &Path,
    key: &PublicKey,
    board: Option<&str>,
    mut place: impl FnMut(&Image) -> io::Result<Option<(W, u64)>>,
) -> Result<Manifest, BundleError> {
    let at = |error| BundleError::Io(path.to_owned(), error);
    let mut archive = tar::Archive::new(File::open(path).map_err(at)?);
    let mut entries = archive.entries().map_err(at)?;
    let mut next = || entries.next().transpose().map_err(|_| BundleError::CutShort);

    let mut text = String::new();
    let first = next().map_err(|_| BundleError::NotABundle)?.ok_or(BundleError::NotABundle)?;
    if name(&first) != MANIFEST {
        return Err(BundleError::NotABundle);
    }
    let read = |entry: &mut dyn Read, text: &mut String| {
        entry.take(MAX_MANIFEST).read_to_string(text).map_err(|_| BundleError::CutShort)
    };
    let mut first = first;
    read(&mut first, &mut text)?;
    let mut second = next()?.ok_or(BundleError::CutShort)?;
    if name(&second) != SIGNATURE {
        return Err(BundleError::Signature(SignError::NoSignature));
    }
    let mut signature = String::new();
    read(&mut second, &mut signature)?;
    sign::verify(key, text.as_bytes(), &signature).map_err(BundleError::Signature)?;

    let manifest: Manifest = serde_json::from_str(&text).map_err(|_| BundleError::NotABundle)?;
    if manifest.format != FORMAT {
        return Err(BundleError::Format(manifest.format));
    }
    if let Some(here) = board.filter(|&here| here != manifest.board) {
        let (bundle, here) = (manifest.board, here.to_owned());
        return Err(BundleError::OtherBoard { bundle, here });
    }
    for image in &manifest.images {
        let mut entry = next()?.ok_or(BundleError::CutShort)?;
        if name(&entry) != image.name {
            return Err(BundleError::Damaged(image.name.clone()));
        }
        let place = place(image).map_err(BundleError::Slot)?;
        if let Some((_, slot)) = place.as_ref().filter(|(_, room)| image.bytes > *room) {
            return Err(BundleError::TooLarge { image: image.bytes, slot: *slot });
        }
        copy(&mut entry, image, place.map(|(to, _)| to))?;
    }
    Ok(manifest)
}

fn name(entry: &tar::Entry<'_, File>) -> String {
    String::from_utf8_lossy(&entry.path_bytes()).into_owned()
}

fn copy(
    from: &mut impl Read,
    image: &Image,
    mut to: Option<impl Write>,
) -> Result<(), BundleError> {
    let mut context = Context::new(&SHA256);
    let mut progress = Progress::new(format!("reading {}", image.name), image.bytes);
    let (mut buffer, mut left) = (vec![0; 1 << 20], image.bytes);
    while left > 0 {
        let most = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
        let count = from.read(&mut buffer[..most]).map_err(|_| BundleError::CutShort)?;
        if count == 0 {
            return Err(BundleError::CutShort);
        }
        context.update(&buffer[..count]);
        if let Some(to) = &mut to {
            to.write_all(&buffer[..count]).map_err(BundleError::Slot)?;
        }
        left -= count as u64;
        progress.advance(count as u64);
    }
    if HEXLOWER.encode(context.finish().as_ref()) != image.sha256 {
        return Err(BundleError::Damaged(image.name.clone()));
    }
    to.as_mut().map_or(Ok(()), Write::flush).map_err(BundleError::Slot)
}

#[cfg(test)]
mod tests {
    use minisign::KeyPair;

    use super::*;
    use crate::scratch::Scratch;

    struct Case {
        scratch: Scratch,
        keys: KeyPair,
        bundle: PathBuf,
        content: Vec<u8>,
    }

    fn case() -> Case {
        let scratch = Scratch::new();
        let keys = KeyPair::generate_unencrypted_keypair().expect("keys");
        let content: Vec<u8> = (0..70_000_u32).map(|at| (at / 7).to_le_bytes()[0]).collect();
        let root = scratch.file("root.squashfs", &content);
        let bundle = scratch.path().join("a.bundle");
        write(&bundle, "bench", "0.2.0", &[("root.squashfs", &root)], &keys.sk).expect("written");
        Case { scratch, keys, bundle, content }
    }

    fn read_into(case: &Case, path: &Path, board: &str, room: u64) -> Result<Vec<u8>, BundleError> {
        let out = case.scratch.path().join("slot");
        read(path, &case.keys.pk, Some(board), |_| Ok(Some((File::create(&out)?, room))))?;
        Ok(std::fs::read(&out).expect("written"))
    }

    #[test]
    fn an_image_comes_out_as_it_went_in() {
        let case = case();
        let slot = read_into(&case, &case.bundle, "bench", 1 << 20).expect("taken");
        assert_eq!(slot, case.content);
    }

    #[test]
    fn a_bundle_for_another_board_and_one_that_does_not_fit_are_refused() {
        let case = case();
        let refused = |board, room| {
            read_into(&case, &case.bundle, board, room).expect_err("refused").to_string()
        };
        let error = refused("other", 1 << 20);
        assert!(error.contains("for the board bench and this box is a other"), "{error}");
        assert!(refused("bench", 69_999).contains("flashed anew"));
        assert!(!case.scratch.path().join("nothing").exists());
    }

    #[test]
    fn a_bundle_that_was_cut_anywhere_is_refused() {
        let case = case();
        let whole = std::fs::read(&case.bundle).expect("read");
        // The two blocks of zeros at the end say nothing.
        let ends = (0..whole.len() - 1024 - 512).step_by(511);
        for end in ends {
            let cut = case.scratch.file("cut", &whole[..end]);
            let error = read_into(&case, &cut, "bench", 1 << 20).expect_err("refused");
            let is_named = matches!(error, BundleError::CutShort | BundleError::NotABundle)
                || matches!(error, BundleError::Signature(SignError::NoSignature));
            assert!(is_named, "cut at {end}: {error}");
        }
    }

    #[test]
    fn a_changed_manifest_image_or_key_is_refused() {
        let case = case();
        let whole = std::fs::read(&case.bundle).expect("read");
        let place = |needle: &[u8]| {
            whole.windows(needle.len()).position(|it| it == needle).expect("it is there")
        };
        let changed = |at: usize| {
            let mut bytes = whole.clone();
            bytes[at] ^= 1;
            let path = case.scratch.file("changed", &bytes);
            read_into(&case, &path, "bench", 1 << 20).expect_err("refused")
        };
        let error = changed(place(b"0.2.0"));
        assert!(matches!(error, BundleError::Signature(SignError::Wrong)), "{error}");
        let error = changed(whole.len() - 5000);
        assert!(matches!(error, BundleError::Damaged(_)), "{error}");

        let other = KeyPair::generate_unencrypted_keypair().expect("keys");
        let nowhere = |_: &Image| Ok(None::<(File, u64)>);
        let error = read(&case.bundle, &other.pk, None, nowhere).expect_err("refused");
        assert!(matches!(error, BundleError::Signature(SignError::OtherKey)), "{error}");
        let text = case.scratch.file("text", b"hello");
        let error = read(&text, &case.keys.pk, None, nowhere).expect_err("refused");
        assert!(matches!(error, BundleError::NotABundle), "{error}");
    }
}
