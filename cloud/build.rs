//! Tells the program which commit and target it was built from, and puts the built GUI (`web/dist`,
//! made by `ci/web`) into it: a table of paths and bytes.
//!
//! Where the GUI was not built the table is empty, and the server says so on every page
//! (`src/web.rs`).

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs, io};

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-env-changed=RINGSIDE_COMMIT");
    println!("cargo::rerun-if-changed=../.git/HEAD");
    println!("cargo::rerun-if-changed=../.git/logs/HEAD");
    let commit = env::var("RINGSIDE_COMMIT").ok().or_else(head_commit);
    println!("cargo::rustc-env=RINGSIDE_COMMIT={}", commit.as_deref().unwrap_or("unknown"));
    let target = env::var("TARGET").unwrap_or_default();
    println!("cargo::rustc-env=RINGSIDE_TARGET={target}");
    embed_pages()
}

fn head_commit() -> Option<String> {
    let output = Command::new("git").args(["rev-parse", "--short=12", "HEAD"]).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn embed_pages() -> io::Result<()> {
    let source = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    let dist = source.join("web/dist");
    // Once it is there, only what is in it matters; before, its making changes the folder above.
    let watched = if dist.is_dir() { dist.clone() } else { source.join("web") };
    println!("cargo::rerun-if-changed={}", watched.display());
    let mut files = Vec::new();
    if dist.is_dir() {
        collect(&dist, &mut files)?;
    }
    files.sort();
    let mut table = String::from("&[\n");
    for file in &files {
        let path = file.strip_prefix(&dist).map_err(io::Error::other)?;
        let path = path.to_str().ok_or_else(|| io::Error::other("a file name is no UTF-8"))?;
        let bytes = file.to_str().ok_or_else(|| io::Error::other("a path is no UTF-8"))?;
        writeln!(table, "    (\"/{}\", include_bytes!({bytes:?}).as_slice()),", escaped(path))
            .map_err(io::Error::other)?;
    }
    table.push_str("]\n");
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    fs::write(out.join("web_files.rs"), table)
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}

fn escaped(path: &str) -> String {
    path.replace('\\', "/").escape_default().to_string()
}
