//! What an action hands out of a stored call: the seam between the store and whoever gets it.
//!
//! A new action implements [`Content`] and is named in [`open`]; how its bytes are sealed and sent
//! is none of its business.

use std::io;

use ringside_protocol::retrieval::{Action, MAX_DATA_BYTES, Refusal};

use super::sound::Wave;
use crate::store::export::Pcapng;
use crate::store::ring::reader::{Packets, StoredCall};

/// Bytes that hang together, handed out piece by piece.
///
/// The same stored call must give the same bytes each time: a transfer that was cut off is resumed
/// by making them again and passing over those that are there.
pub trait Content: Send {
    /// A name for the file.
    fn name(&self) -> String;

    /// Its media type.
    fn media_type(&self) -> &'static str;

    /// Bytes of all of it, about; `None` where nothing is known.
    fn about_bytes(&self) -> Option<u64>;

    /// Bytes of all of it, where they are known before they are made.
    fn exact_bytes(&self) -> Option<u64> {
        None
    }

    /// Passes over bytes, before the first piece, without making them; answers how many. The others
    /// up to `offset` are to be made and thrown away.
    ///
    /// # Errors
    /// The disk's.
    fn pass_over(&mut self, _offset: u64) -> io::Result<u64> {
        Ok(0)
    }

    /// What comes before the bytes and is no part of them, in the words of the action: the overview
    /// of sound. Works at it for a moment; true when all of it was appended to `out`. Asked before
    /// the first piece, unless the transfer is a resumed one.
    ///
    /// # Errors
    /// The disk's.
    fn beside(&mut self, _out: &mut Vec<u8>) -> io::Result<bool> {
        Ok(true)
    }

    /// Appends the next piece to `out`, about [`MAX_DATA_BYTES`] of it; false when there is no more.
    ///
    /// # Errors
    /// The disk's.
    fn next_piece(&mut self, out: &mut Vec<u8>) -> io::Result<bool>;

    /// Pieces of the call that the disk has lost, so far.
    fn missing(&self) -> u32;
}

/// What `action` hands out of a call, whose id is `call`.
///
/// # Errors
/// [`Refusal::NotSupported`]; [`Refusal::Disk`].
pub fn open(action: Action, call: &str, stored: StoredCall) -> Result<Box<dyn Content>, Refusal> {
    match action {
        Action::Packets => Ok(Box::new(CaptureFile::new(call, stored))),
        Action::Audio => Ok(Box::new(Wave::open(stored)?)),
        Action::Live => Err(Refusal::NotSupported),
    }
}

/// A file's name that says which call it is of.
pub(super) fn file_name(call_id: &str, extension: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let plain = call_id.chars().take(80).map(|c| if is_plain(c) { c } else { '_' });
    let plain: String = plain.collect();
    format!("{}.{extension}", plain.trim_start_matches('.'))
}

/// Bytes of a pcapng file around each packet, about.
const BYTES_AROUND_A_PACKET: u64 = 24;

/// A call's packets as a pcapng file.
struct CaptureFile {
    call: String,
    about_bytes: u64,
    packets: Packets,
    file: Option<Pcapng>,
}

impl CaptureFile {
    fn new(call: &str, stored: StoredCall) -> Self {
        // Chunks hold packets with a few bytes each of their own.
        let packets = u64::from(stored.facts.packets);
        let about_bytes = stored.chunk_bytes() + packets * BYTES_AROUND_A_PACKET;
        Self { call: call.to_owned(), about_bytes, packets: stored.packets(), file: None }
    }
}

impl Content for CaptureFile {
    fn name(&self) -> String {
        file_name(&self.packets.facts().call_id, "pcapng")
    }

    fn media_type(&self) -> &'static str {
        "application/x-pcapng"
    }

    fn about_bytes(&self) -> Option<u64> {
        Some(self.about_bytes)
    }

    fn next_piece(&mut self, out: &mut Vec<u8>) -> io::Result<bool> {
        let mut file = match self.file.take() {
            Some(file) => file,
            None => Pcapng::begin(&self.call, self.packets.facts(), out)?,
        };
        let mut has_more = true;
        while has_more && out.len() < MAX_DATA_BYTES {
            match self.packets.next_packet()? {
                Some(packet) => file.packet(&packet.packet(), out)?,
                None => has_more = false,
            }
        }
        self.file = Some(file);
        Ok(has_more)
    }

    fn missing(&self) -> u32 {
        self.packets.missing()
    }
}
