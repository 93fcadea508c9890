//! What support needs: status, configuration without secrets, the newest log lines; telephone numbers
//! are masked.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::snapshot::Sources;
use crate::upgrade::tarball;
use crate::{config, logging, version};

/// As many digits in a row may be a telephone number.
const NUMBER_FROM: usize = 6;

/// A gzipped archive.
pub(super) fn make(sources: &Sources) -> Vec<u8> {
    let snapshot = sources.look();
    let folder = "ringside-support";
    let configured = config::check_json("configuration", &sources.loaded, &[]);
    let files = [
        ("status.json", snapshot.json().to_string()),
        ("configuration.json", configured),
        ("log.txt", masked(&logging::recent())),
        ("version.txt", version::line() + "\n"),
    ];
    let files = files.map(|(name, text)| (format!("{folder}/{name}"), text.into_bytes()));
    let archive = tarball::make(&files, snapshot.at.0 / 1_000_000);
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    // Memory takes everything.
    let written = gzip.write_all(&archive).and_then(|()| gzip.finish());
    written.unwrap_or_default()
}

/// Of longer numbers the last three digits stay.
fn masked(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut digits = String::new();
    for letter in text.chars().chain(['\n']) {
        if letter.is_ascii_digit() {
            digits.push(letter);
            continue;
        }
        if digits.len() >= NUMBER_FROM {
            let keep = digits.len() - 3;
            out.extend(core::iter::repeat_n('x', keep));
            out += &digits[keep..];
        } else {
            out += &digits;
        }
        digits.clear();
        out.push(letter);
    }
    out.pop();
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_numbers_are_masked_and_times_addresses_and_ports_are_not() {
        let line = "2026-11-24T07:54:46.593Z INFO from +4930123456789 via 192.0.2.1:60023, 12345";
        assert_eq!(
            masked(line),
            "2026-11-24T07:54:46.593Z INFO from +xxxxxxxxxx789 via 192.0.2.1:60023, 12345"
        );
        assert_eq!(masked("123456"), "xxx456");
        assert_eq!(masked(""), "");
    }
}
