//! The classic capture format (draft-ietf-opsawg-pcap).
//!
//! ```text
//! file:   magic  version  reserved  reserved  snap length  link type    24 bytes
//! record: seconds  fraction  captured length  original length           16 bytes, then the frame
//! ```

use embassy_time::Instant;

use super::LinkType;
use super::buffer::Buffer;
use super::fields::{ByteOrder, Fields};
use super::file::{FileError, Record};
use crate::limits::MAX_FRAME_BYTES;

const FILE_HEAD: usize = 24;
const RECORD_HEAD: usize = 16;

/// Time stamps in microseconds.
const MAGIC_MICRO: u32 = 0xa1b2_c3d4;
/// Time stamps in nanoseconds.
const MAGIC_NANO: u32 = 0xa1b2_3c4d;

/// What the head of a file says.
pub(super) struct Pcap {
    order: ByteOrder,
    /// Units of the fraction in one microsecond: 1 or 1000.
    units_per_micro: u32,
    link_type: LinkType,
}

impl Pcap {
    pub(super) fn read_head(buffer: &mut Buffer) -> Result<Self, FileError> {
        let (order, units_per_micro) = magic(buffer.ready()).ok_or(FileError::NotACapture)?;
        if !buffer.fill_to(FILE_HEAD)? {
            return Err(FileError::Truncated { at: 0 });
        }
        let head = buffer.take(FILE_HEAD);
        let link_type = Fields::new(&head[20..], order).u32().unwrap_or_default();
        // The upper half tells the length of a frame check sequence; IP's own length cuts it off.
        let link_type = LinkType::from_number((link_type & 0xffff) as u16);
        Ok(Self { order, units_per_micro, link_type })
    }

    #[inline]
    pub(super) fn next_record(&self, buffer: &mut Buffer) -> Result<Option<Record>, FileError> {
        let at = buffer.position();
        if !buffer.fill_to(RECORD_HEAD)? {
            return buffer.end(at).map(|()| None);
        }
        let Some((seconds, fraction, captured, original)) = record_head(buffer.ready(), self.order)
        else {
            return Err(FileError::Bad { at, what: "has no head" });
        };
        let frame_len = captured as usize;
        if frame_len > MAX_FRAME_BYTES {
            return Err(FileError::TooLarge { at, len: captured });
        }
        let len = RECORD_HEAD + frame_len;
        if !buffer.fill_to(len)? {
            return buffer.end(at).map(|()| None);
        }
        let micros = u64::from(seconds) * 1_000_000 + u64::from(fraction / self.units_per_micro);
        Ok(Some(Record {
            len,
            data: RECORD_HEAD..len,
            at: Instant::from_micros(micros),
            interface: 0,
            link_type: self.link_type,
            // Writers before libpcap 0.4 exchanged the two lengths.
            original_len: original.max(captured),
        }))
    }
}

impl Pcap {
    /// See [`super::file::FileSource::look_ahead`].
    #[inline]
    pub(super) fn look_ahead(
        &self,
        buffer: &Buffer,
        most: usize,
        look: &mut impl FnMut(LinkType, &[u8]),
    ) -> usize {
        let mut left = buffer.ready();
        for seen in 0..most {
            let Some((_, _, captured, _)) = record_head(left, self.order) else { return seen };
            let end = RECORD_HEAD.saturating_add(captured as usize);
            let Some(frame) = left.get(RECORD_HEAD..end) else { return seen };
            look(self.link_type, frame);
            left = &left[end..];
        }
        most
    }
}

/// Byte order and time unit of a file that begins so.
fn magic(bytes: &[u8]) -> Option<(ByteOrder, u32)> {
    [ByteOrder::Big, ByteOrder::Little].into_iter().find_map(|order| {
        match Fields::new(bytes, order).u32()? {
            MAGIC_MICRO => Some((order, 1)),
            MAGIC_NANO => Some((order, 1000)),
            _ => None,
        }
    })
}

#[inline]
fn record_head(bytes: &[u8], order: ByteOrder) -> Option<(u32, u32, u32, u32)> {
    let mut fields = Fields::new(bytes, order);
    Some((fields.u32()?, fields.u32()?, fields.u32()?, fields.u32()?))
}
