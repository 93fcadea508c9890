//! A disk with a write cache of its own, which a power cut empties: an NBD server (the NetworkBlockDevice
//! project's `doc/proto.md`) that QEMU has as the box's disk.
//!
//! ```text
//!  box --> QEMU --> NBD --> cache: sectors since the last flush --> file
//!                                  |                      ^
//!                                  | power cut            | flush, or a write with FUA
//!                                  v
//!                     some are lost, some are not
//! ```
//!
//! A real disk writes what it caches in any order: at a cut each sector that was not flushed is lost or
//! on the medium by itself. A sector is never written half.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

const SECTOR: u64 = 512;
const SECTOR_BYTES: usize = 512;

/// How long a cut waits for a moment at which something is cached.
const PATIENCE: Duration = Duration::from_secs(2);

/// Of how many sectors in the cache, at most, it waits.
const MOST_AWAITED: u64 = 8;

/// Longest request that is served, bytes.
const MAX_REQUEST: u32 = 32 << 20;

const OPTION_MAGIC: u64 = 0x4948_4156_454f_5054;
const REPLY_MAGIC: u64 = 0x0003_e889_0455_65a9;
const REQUEST_MAGIC: u32 = 0x2560_9513;
const ANSWER_MAGIC: u32 = 0x6744_6698;

/// Handshake: fixed newstyle, no zeros after an export.
const HANDSHAKE: u16 = 1 | 2;
/// Of the export: flags are there, flush and FUA are understood.
const EXPORT: u16 = 1 | 4 | 8;

const EINVAL: u32 = 22;

/// The disk. Its server ends with the connection.
#[derive(Debug)]
pub struct WriteCache {
    port: u16,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    medium: Mutex<Medium>,
    written: Condvar,
}

impl Shared {
    fn new(medium: Medium) -> Arc<Self> {
        Arc::new(Self { medium: Mutex::new(medium), written: Condvar::new() })
    }

    fn lock(&self) -> MutexGuard<'_, Medium> {
        self.medium.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug)]
struct Medium {
    file: File,
    bytes: u64,
    /// Sectors that were written and not flushed.
    cached: BTreeMap<u64, [u8; SECTOR_BYTES]>,
    /// After a cut nothing is taken any more.
    is_cut: bool,
}

impl WriteCache {
    /// In front of a disk's file.
    ///
    /// # Panics
    /// Where the file cannot be opened, or no port is free.
    #[must_use]
    pub fn start(disk: &Path) -> Self {
        let file = File::options().read(true).write(true).open(disk).expect("it is there");
        let bytes = file.metadata().expect("it is there").len();
        let medium = Medium { file, bytes, cached: BTreeMap::new(), is_cut: false };
        let shared = Shared::new(medium);
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        let port = listener.local_addr().expect("it is bound").port();
        let served = Arc::clone(&shared);
        std::thread::spawn(move || {
            // QEMU opens one connection, and at its end there is nothing left to serve.
            if let Ok((stream, _)) = listener.accept() {
                drop(serve(&stream, &served));
            }
        });
        Self { port, shared }
    }

    /// What QEMU has to open.
    #[must_use]
    pub fn url(&self) -> String {
        format!("nbd://127.0.0.1:{}", self.port)
    }

    /// Power goes, at a moment at which something is cached if there is one: of the sectors that were
    /// not flushed some reach the medium, by `seed`. Gives how many did, and how many were lost.
    ///
    /// # Panics
    /// Where the file cannot be written.
    #[must_use]
    pub fn cut_power(&self, seed: u64) -> (usize, usize) {
        let awaited = 1 + seed % MOST_AWAITED;
        let is_early = |medium: &mut Medium| (medium.cached.len() as u64) < awaited;
        let waited = self.shared.written.wait_timeout_while(self.shared.lock(), PATIENCE, is_early);
        let mut medium = waited.unwrap_or_else(PoisonError::into_inner).0;
        medium.is_cut = true;
        let (mut state, mut kept, mut lost) = (seed.wrapping_mul(2).wrapping_add(1), 0, 0);
        for (sector, content) in core::mem::take(&mut medium.cached) {
            // xorshift64.
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            if state.is_multiple_of(4) {
                kept += 1;
                medium.file.write_all_at(&content, sector * SECTOR).expect("it can be written");
            } else {
                lost += 1;
            }
        }
        (kept, lost)
    }
}

impl Medium {
    fn read(&self, at: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.file.read_exact_at(buffer, at)?;
        for (part, sector) in buffer.chunks_exact_mut(SECTOR_BYTES).zip(at / SECTOR..) {
            if let Some(content) = self.cached.get(&sector) {
                part.copy_from_slice(content);
            }
        }
        Ok(())
    }

    fn write(&mut self, at: u64, bytes: &[u8], is_through: bool) -> io::Result<()> {
        for (part, sector) in bytes.chunks_exact(SECTOR_BYTES).zip(at / SECTOR..) {
            let mut content = [0; SECTOR_BYTES];
            content.copy_from_slice(part);
            if is_through {
                self.cached.remove(&sector);
                self.file.write_all_at(&content, sector * SECTOR)?;
            } else {
                self.cached.insert(sector, content);
            }
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        for (sector, content) in core::mem::take(&mut self.cached) {
            self.file.write_all_at(&content, sector * SECTOR)?;
        }
        Ok(())
    }
}

fn serve(stream: &TcpStream, shared: &Shared) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let bytes = shared.lock().bytes;
    if !negotiate(stream, bytes)? {
        return Ok(());
    }
    loop {
        let Request { flags, kind, handle, at, bytes } = Request::read(stream)?;
        let mut data = Vec::new();
        if kind == 1 || kind == 0 {
            data.resize(bytes as usize, 0);
        }
        if kind == 1 {
            let mut from = stream;
            from.read_exact(&mut data)?;
        }
        let mut medium = shared.lock();
        let is_aligned = at % SECTOR == 0 && u64::from(bytes) % SECTOR == 0;
        let done = match kind {
            _ if medium.is_cut => return Ok(()),
            2 => return Ok(()),
            3 => medium.flush(),
            _ if !is_aligned => Err(io::ErrorKind::InvalidInput.into()),
            0 => medium.read(at, &mut data),
            1 => medium.write(at, &data, flags & 1 != 0),
            _ => Err(io::ErrorKind::Unsupported.into()),
        };
        drop(medium);
        shared.written.notify_all();
        let mut answer = ANSWER_MAGIC.to_be_bytes().to_vec();
        answer.extend(if done.is_ok() { 0 } else { EINVAL }.to_be_bytes());
        answer.extend(handle.to_be_bytes());
        if kind == 0 && done.is_ok() {
            answer.extend(&data);
        }
        let mut to = stream;
        to.write_all(&answer)?;
    }
}

struct Request {
    flags: u16,
    kind: u16,
    handle: u64,
    at: u64,
    bytes: u32,
}

impl Request {
    fn read(mut from: &TcpStream) -> io::Result<Self> {
        let magic = u32::from_be_bytes(take(&mut from)?);
        let request = Self {
            flags: u16::from_be_bytes(take(&mut from)?),
            kind: u16::from_be_bytes(take(&mut from)?),
            handle: u64::from_be_bytes(take(&mut from)?),
            at: u64::from_be_bytes(take(&mut from)?),
            bytes: u32::from_be_bytes(take(&mut from)?),
        };
        let is_right = magic == REQUEST_MAGIC && request.bytes <= MAX_REQUEST;
        is_right.then_some(request).ok_or_else(|| io::ErrorKind::InvalidData.into())
    }
}

/// The options before the first request; whether requests follow.
fn negotiate(stream: &TcpStream, bytes: u64) -> io::Result<bool> {
    let (mut from, mut to) = (stream, stream);
    to.write_all(b"NBDMAGIC")?;
    to.write_all(&OPTION_MAGIC.to_be_bytes())?;
    to.write_all(&HANDSHAKE.to_be_bytes())?;
    let _client_flags: [u8; 4] = take(&mut from)?;
    loop {
        if u64::from_be_bytes(take(&mut from)?) != OPTION_MAGIC {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let option = u32::from_be_bytes(take(&mut from)?);
        let length = u32::from_be_bytes(take(&mut from)?).min(MAX_REQUEST);
        io::copy(&mut Read::take(from, length.into()), &mut io::sink())?;
        let mut reply = |kind: u32, data: &[u8]| {
            let length = u32::try_from(data.len()).map_err(io::Error::other)?;
            let mut reply = REPLY_MAGIC.to_be_bytes().to_vec();
            reply.extend(option.to_be_bytes());
            reply.extend(kind.to_be_bytes());
            reply.extend(length.to_be_bytes());
            reply.extend(data);
            to.write_all(&reply)
        };
        match option {
            // Abort.
            2 => return reply(1, &[]).map(|()| false),
            // Info and go: the export's size and flags.
            6 | 7 => {
                let mut export = 0_u16.to_be_bytes().to_vec();
                export.extend(bytes.to_be_bytes());
                export.extend(EXPORT.to_be_bytes());
                reply(3, &export)?;
                reply(1, &[])?;
                if option == 7 {
                    return Ok(true);
                }
            }
            // Anything else is not supported.
            _ => reply(0x8000_0001, &[])?,
        }
    }
}

fn take<const N: usize>(from: &mut impl Read) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    from.read_exact(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::folder::Folder;

    fn medium(folder: &Folder) -> Medium {
        let path = folder.join("disk");
        std::fs::write(&path, [0; 4096]).expect("a file can be written");
        let file = File::options().read(true).write(true).open(path).expect("it is there");
        Medium { file, bytes: 4096, cached: BTreeMap::new(), is_cut: false }
    }

    #[test]
    fn what_was_flushed_or_written_through_is_kept_and_the_rest_is_lost_by_sectors() {
        let folder = Folder::new();
        let mut medium = medium(&folder);
        medium.write(0, &[1; 1024], false).expect("written");
        medium.flush().expect("flushed");
        medium.write(512, &[2; 512], true).expect("written");
        medium.write(1024, &[3; 3072], false).expect("written");
        let mut read = [0; 4096];
        medium.read(0, &mut read).expect("read");
        assert_eq!((read[0], read[512], read[4095]), (1, 2, 3), "the cache is read");
        let cache = WriteCache { port: 0, shared: Shared::new(medium) };
        let (counted, lost) = cache.cut_power(5);
        let disk = std::fs::read(folder.join("disk")).expect("it is there");
        assert_eq!((disk[0], disk[512]), (1, 2));
        let kept = disk[1024..].chunks(512).filter(|sector| **sector == [3; 512]).count();
        assert!(lost > 0);
        assert_eq!((kept, kept + lost), (counted, 6));
    }
}
