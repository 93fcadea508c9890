//! Archives in the ustar format (POSIX.1-2017, pax, "ustar Interchange Format"), as far as release
//! archives and support bundles need it: regular files, names of up to 100 bytes.

use core::fmt;

const BLOCK: usize = 512;

/// Why bytes are no archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TarError {
    /// A header's checksum does not fit.
    Damaged,
    /// It ends within a file.
    Truncated,
}

impl fmt::Display for TarError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Damaged => "the archive is damaged: fetch it again",
            Self::Truncated => "the archive is not whole: fetch it again",
        })
    }
}

impl core::error::Error for TarError {}

/// The regular file of this base name that stands first in `archive`.
///
/// # Errors
/// The archive is damaged before it is found.
pub fn find<'a>(archive: &'a [u8], base_name: &str) -> Result<Option<&'a [u8]>, TarError> {
    let mut rest = archive;
    while let Some((header, after)) = rest.split_first_chunk::<BLOCK>() {
        if header.iter().all(|&byte| byte == 0) {
            return Ok(None);
        }
        if octal(&header[148..156]) != Some(checksum(header)) {
            return Err(TarError::Damaged);
        }
        let size = octal(&header[124..136]).and_then(|size| usize::try_from(size).ok());
        let size = size.ok_or(TarError::Damaged)?;
        let content = after.get(..size).ok_or(TarError::Truncated)?;
        let is_file = matches!(header[156], b'0' | 0);
        if is_file && text(&header[..100]).rsplit('/').next() == Some(base_name) {
            return Ok(Some(content));
        }
        rest = after.get(size.next_multiple_of(BLOCK)..).ok_or(TarError::Truncated)?;
    }
    Ok(None)
}

/// An archive of `files`: names and contents, all of the same time, seconds since the epoch.
#[must_use]
pub fn make(files: &[(String, Vec<u8>)], at: u64) -> Vec<u8> {
    let mut archive = Vec::new();
    for (name, content) in files {
        let mut header = [0; BLOCK];
        let name = &name.as_bytes()[..name.len().min(100)];
        header[..name.len()].copy_from_slice(name);
        let mut put = |at: usize, text: &str| {
            header[at..at + text.len()].copy_from_slice(text.as_bytes());
        };
        put(100, "0000644\0");
        put(108, "0000000\0");
        put(116, "0000000\0");
        put(124, &format!("{:011o}\0", content.len()));
        put(136, &format!("{:011o}\0", at & 0o777_7777_7777));
        put(156, "0");
        put(257, "ustar\x0000");
        let sum = checksum(&header);
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        archive.extend_from_slice(&header);
        archive.extend_from_slice(content);
        archive.resize(archive.len().next_multiple_of(BLOCK), 0);
    }
    archive.resize(archive.len() + 2 * BLOCK, 0);
    archive
}

/// The sum of all bytes, with the checksum's own field taken as spaces.
fn checksum(header: &[u8; BLOCK]) -> u64 {
    let sum: u64 = header.iter().map(|&byte| u64::from(byte)).sum();
    let own: u64 = header[148..156].iter().map(|&byte| u64::from(byte)).sum();
    sum - own + 8 * u64::from(b' ')
}

fn octal(field: &[u8]) -> Option<u64> {
    let text = text(field);
    u64::from_str_radix(text.trim_matches(' '), 8).ok()
}

fn text(field: &[u8]) -> &str {
    let end = field.iter().position(|&byte| byte == 0).unwrap_or(field.len());
    str::from_utf8(&field[..end]).unwrap_or("")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn archive() -> Vec<u8> {
        let files =
            [("r-1/README".to_owned(), b"words".to_vec()), ("r-1/it".to_owned(), vec![7; 1000])];
        make(&files, 1_700_000_000)
    }

    #[test]
    fn a_file_is_found_by_its_base_name() {
        let archive = archive();
        assert_eq!(find(&archive, "it"), Ok(Some(&[7; 1000][..])));
        assert_eq!(find(&archive, "README"), Ok(Some(&b"words"[..])));
        assert_eq!(find(&archive, "r-1"), Ok(None));
    }

    #[test]
    fn a_damaged_and_a_cut_archive_are_told_apart() {
        let mut damaged = archive();
        damaged[3] ^= 1;
        assert_eq!(find(&damaged, "it"), Err(TarError::Damaged));
        assert_eq!(find(&archive()[..1600], "it"), Err(TarError::Truncated));
    }

    #[test]
    fn tar_itself_reads_it() {
        use std::io::Write;
        use std::process::{Command, Stdio};
        let list =
            Command::new("tar").arg("-tvf-").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let Ok(mut list) = list else {
            println!("skipped: there is no tar");
            return;
        };
        list.stdin.take().expect("piped").write_all(&archive()).expect("it reads");
        let output = list.wait_with_output().expect("it ends");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(
            output.status.success() && text.contains("r-1/it") && text.contains("2023-11-14"),
            "{text}"
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
            let _ = find(&bytes, "it");
        }
    }
}
