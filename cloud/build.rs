//! Puts the built GUI (`web/dist`, made by `ci/web`) into the program: a table of paths and bytes.
//!
//! Where it was not built the table is empty, and the server says so on every page (`src/web.rs`).

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let source = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    let dist = source.join("web/dist");
    // A path that does not exist would make every build run this anew.
    let watched = if dist.is_dir() { dist.clone() } else { source.join("web") };
    let watched = if watched.is_dir() { watched } else { source.join("build.rs") };
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
