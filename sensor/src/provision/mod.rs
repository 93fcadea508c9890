//! `ringside.conf`: what a technician writes onto a box's boot partition, taken over at its start.
//!
//! ```text
//! # Lines NAME = VALUE; whatever begins with # is passed over.
//! token = rs1-…                     joins the cloud; wiped from the file once it is taken over
//! name = shop-12                    the sensor's name on the cloud's pages
//! capture = eth1                    interfaces to capture on, with commas between
//! management = eth0                 the interface towards the cloud
//! vlan = 20                         its VLAN
//! address = 192.0.2.10/24           without one: DHCP
//! gateway = 192.0.2.1
//! dns = 192.0.2.1, 192.0.2.2
//! ntp = ntp.example.net
//! ssh_key = ssh-ed25519 AAAA… me    opens SSH for this key only; without one there is none
//! wifi = yes                        off without this line
//! wifi_name = Office
//! wifi_password = …                 wiped as the token is
//! ```
//!
//! What is taken over goes into a folder of the data partition: `sensor.conf` for the sensor,
//! `network` for the start scripts (`NAME='VALUE'`, for a shell's `.`), `authorized_keys`, and
//! `wifi`. A file with anything wrong in it is refused whole: half a configuration cuts a box off.

mod parse;
mod write;

use std::fs;
use std::io;
use std::path::Path;

pub use parse::{Problem, Provision, read};

use crate::store::atomic;

/// A larger file is none of ours, bytes.
pub const MAX_FILE_BYTES: u64 = 64 << 10;

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Taken {
    /// There is no file, or nothing is set in it.
    Nothing,
    /// Everything.
    All,
    /// Nothing, for what is wrong with it.
    Refused(Vec<Problem>),
}

/// Takes `file` over into the folder `into`, and wipes its secrets.
///
/// The folder is complete before the file is touched: power that is cut in between leaves both, and
/// the next start takes it over again.
///
/// # Errors
/// The system's.
pub fn take_over(file: &Path, into: &Path) -> io::Result<Taken> {
    let Some(text) = read_text(file)? else { return Ok(Taken::Nothing) };
    let mut provision = match read(&text) {
        Ok(provision) => provision,
        Err(problems) => {
            let words: Vec<_> = problems.iter().map(ToString::to_string).collect();
            atomic::make_directory(into)?;
            atomic::replace(&into.join("refused"), (words.join("\n") + "\n").as_bytes(), 0o644)?;
            return Ok(Taken::Refused(problems));
        }
    };
    if provision == Provision::default() {
        return Ok(Taken::Nothing);
    }
    atomic::make_directory(into)?;
    keep_secrets(&mut provision, &text, into);
    write::files(&provision, into)?;
    match fs::remove_file(into.join("refused")) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let wiped = parse::without_secrets(&text);
    if wiped != text {
        wipe(file, &text, &wiped)?;
    }
    Ok(Taken::All)
}

/// A file that is taken over again has no secrets any more: those of the first time stay. (The box may
/// not have used its token yet.)
fn keep_secrets(provision: &mut Provision, text: &str, into: &Path) {
    let was_taken = |name: &str| text.lines().any(|line| line == parse::taken_over(name));
    if provision.token.is_none() && was_taken("token") {
        provision.token = write::token(into);
    }
    if provision.wifi_password.is_none() && was_taken("wifi_password") {
        provision.wifi_password = write::wifi_password(into);
    }
}

/// Overwrites the secrets where they stand, so that they do not stay behind on the medium, and then
/// shortens the file.
fn wipe(file: &Path, text: &str, wiped: &str) -> io::Result<()> {
    use std::io::Write;
    let mut padded = wiped.as_bytes().to_vec();
    padded.resize(text.len().max(wiped.len()), b'\n');
    let mut open = fs::OpenOptions::new().write(true).open(file)?;
    open.write_all(&padded)?;
    open.sync_all()?;
    open.set_len(wiped.len() as u64)?;
    open.sync_all()
}

fn read_text(file: &Path) -> io::Result<Option<String>> {
    use std::io::Read;
    let mut bytes = Vec::new();
    match fs::File::open(file) {
        Ok(open) => open.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(io::Error::other("it is larger than 64 KiB: that is no ringside.conf"));
    }
    // Editors of some systems write a byte order mark, and another end of line.
    let text = String::from_utf8_lossy(&bytes);
    Ok(Some(text.trim_start_matches('\u{feff}').to_owned()))
}

#[cfg(test)]
mod tests;
