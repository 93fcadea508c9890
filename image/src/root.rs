//! A slot's root: a folder, tar or squashfs as it comes, with kernel, sensor and the box's own facts
//! put in, as one squashfs of always the same bytes.
//!
//! `mksquashfs` and `unsquashfs` (squashfs-tools) do the work: what GRUB and the kernel read was
//! written by the program that they are tested with. Everything belongs to root, whoever builds.

use core::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Put into every slot: who made it, for what.
pub const RELEASE: &str = "etc/ringside/release";

/// The key that upgrades are signed with.
pub const PUBLIC_KEY: &str = "etc/ringside/upgrade.pub";

/// A file to be put into the root.
#[derive(Clone, Debug)]
pub struct Addition {
    /// Where, without a leading slash.
    pub path: String,
    /// What.
    pub content: Content,
    /// Permission bits.
    pub mode: u32,
}

/// Where an [`Addition`] comes from.
#[derive(Clone, Debug)]
pub enum Content {
    /// A file.
    File(PathBuf),
    /// Text.
    Text(String),
}

/// Why there is no root.
#[derive(Debug)]
pub enum RootError {
    /// A file or folder, and the system's words.
    Io(PathBuf, io::Error),
    /// A program is missing.
    NoProgram(&'static str),
    /// A program has failed: its own words.
    Failed(&'static str, String),
}

impl fmt::Display for RootError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(path, error) => write!(f, "{}: {error}", path.display()),
            Self::NoProgram(name @ ("tar" | "cp")) => write!(f, "{name} is not there: install it"),
            Self::NoProgram(name) => {
                write!(f, "{name} is not there: install the package squashfs-tools")
            }
            Self::Failed(name, words) => write!(f, "{name} has failed: {}", words.trim()),
        }
    }
}

impl core::error::Error for RootError {}

/// Makes the squashfs `out` from `source`, using the empty folder `work`. All its times are `epoch`,
/// seconds since 1970.
///
/// # Errors
/// Every [`RootError`].
pub fn make(
    source: &Path,
    additions: &[Addition],
    epoch: u64,
    work: &Path,
    out: &Path,
) -> Result<(), RootError> {
    let tree = work.join("root");
    unpack(source, &tree)?;
    for addition in additions {
        add(&tree, addition)?;
    }
    let epoch = epoch.to_string();
    let options = [
        "-noappend",
        "-quiet",
        "-no-progress",
        "-all-root",
        "-no-xattrs",
        "-no-exports",
        "-comp",
        "gzip",
        "-b",
        "131072",
        "-mkfs-time",
        &epoch,
        "-all-time",
        &epoch,
    ];
    let mut command = Command::new("mksquashfs");
    run("mksquashfs", command.arg(&tree).arg(out).args(options).env_remove("SOURCE_DATE_EPOCH"))
}

fn unpack(source: &Path, tree: &Path) -> Result<(), RootError> {
    let at = |error| RootError::Io(source.to_owned(), error);
    if fs::metadata(source).map_err(at)?.is_dir() {
        let from = source.join(".");
        fs::create_dir_all(tree).map_err(|error| RootError::Io(tree.to_owned(), error))?;
        return run("cp", Command::new("cp").args(["-R", "-P", "-p"]).arg(from).arg(tree));
    }
    let mut magic = [0; 4];
    io::Read::read_exact(&mut fs::File::open(source).map_err(at)?, &mut magic).map_err(at)?;
    if &magic == b"hsqs" {
        let mut command = Command::new("unsquashfs");
        return run("unsquashfs", command.args(["-no-xattrs", "-q", "-d"]).arg(tree).arg(source));
    }
    fs::create_dir_all(tree).map_err(|error| RootError::Io(tree.to_owned(), error))?;
    let options = ["--no-same-owner", "-xf"];
    run("tar", Command::new("tar").args(options).arg(source).arg("-C").arg(tree))
}

fn add(tree: &Path, addition: &Addition) -> Result<(), RootError> {
    let path = tree.join(&addition.path);
    let at = |error| RootError::Io(path.clone(), error);
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(at)?;
    }
    // What stands there may be a link to somewhere else.
    drop(fs::remove_file(&path));
    match &addition.content {
        Content::Text(text) => fs::write(&path, text).map_err(at)?,
        Content::File(from) => {
            fs::copy(from, &path).map_err(|error| RootError::Io(from.clone(), error))?;
        }
    }
    fs::set_permissions(&path, fs::Permissions::from_mode(addition.mode)).map_err(at)
}

fn run(name: &'static str, command: &mut Command) -> Result<(), RootError> {
    let output = command.output().map_err(|_| RootError::NoProgram(name))?;
    if output.status.success() {
        return Ok(());
    }
    Err(RootError::Failed(name, String::from_utf8_lossy(&output.stderr).into_owned()))
}
