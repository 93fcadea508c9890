//! The pcapng format (draft-ietf-opsawg-pcapng): blocks, each with its length before and after.
//!
//! ```text
//! block:  type  total length  body …  total length      numbers in the section's byte order
//! ```
//!
//! Read are section headers, interface descriptions, interface statistics and the three kinds of
//! packets; everything else is passed over, whatever its size.

use embassy_time::Instant;

use super::LinkType;
use super::buffer::Buffer;
use super::fields::{ByteOrder, Fields};
use super::file::{FileError, Record, RecordedDrops};
use super::resolution::Resolution;
use crate::limits::{MAX_FILE_BLOCK, MAX_FILE_INTERFACES};

/// Type and total length.
const BLOCK_HEAD: usize = 8;
/// Total length once more.
const BLOCK_TAIL: usize = 4;

const SECTION_HEADER: u32 = 0x0a0d_0d0a;
const INTERFACE_DESCRIPTION: u32 = 1;
const OLD_PACKET: u32 = 2;
const SIMPLE_PACKET: u32 = 3;
const INTERFACE_STATISTICS: u32 = 5;
const ENHANCED_PACKET: u32 = 6;

/// Follows a section header's length; tells the section's byte order.
const BYTE_ORDER_MAGIC: u32 = 0x1a2b_3c4d;

const OPT_END: u16 = 0;
const EPB_DROPCOUNT: u16 = 4;
const ISB_IFDROP: u16 = 5;
const ISB_OSDROP: u16 = 7;
const IF_TSRESOL: u16 = 9;
const IF_TSOFFSET: u16 = 14;

/// A pcapng file that is being read.
pub(super) struct Pcapng {
    order: ByteOrder,
    /// Of this section, by their number in it.
    interfaces: Vec<Interface>,
    /// How many interfaces earlier sections had.
    earlier_interfaces: usize,
    /// What interfaces of earlier sections told.
    earlier_drops: RecordedDrops,
    /// Time of the last packet that had one: simple packets have none.
    last_at: Instant,
}

struct Interface {
    link_type: LinkType,
    snap_len: u32,
    resolution: Resolution,
    /// Sum of `epb_dropcount` and the old packet block's drops.
    packet_drops: u64,
    /// The last `isb_osdrop` and `isb_ifdrop`.
    statistics: RecordedDrops,
}

impl Interface {
    /// Both ways of telling the kernel's drops count the same frames.
    fn drops(&self) -> RecordedDrops {
        RecordedDrops {
            kernel: self.statistics.kernel.max(self.packet_drops),
            interface: self.statistics.interface,
        }
    }
}

impl Default for Pcapng {
    fn default() -> Self {
        Self {
            order: ByteOrder::Little,
            interfaces: Vec::new(),
            earlier_interfaces: 0,
            earlier_drops: RecordedDrops::default(),
            last_at: Instant::from_micros(0),
        }
    }
}

impl Pcapng {
    /// Whether a file that begins so is one; the section header's type reads the same both ways.
    pub(super) fn begins(bytes: &[u8]) -> bool {
        bytes.starts_with(&SECTION_HEADER.to_be_bytes())
    }

    pub(super) fn drops(&self) -> RecordedDrops {
        self.interfaces.iter().map(Interface::drops).fold(self.earlier_drops, sum)
    }

    /// Goes on to the next packet.
    #[inline]
    pub(super) fn next_record(&mut self, buffer: &mut Buffer) -> Result<Option<Record>, FileError> {
        loop {
            let at = buffer.position();
            let Some((kind, total)) = self.block_head(buffer, at)? else {
                return buffer.end(at).map(|()| None);
            };
            let is_read = matches!(
                kind,
                SECTION_HEADER
                    | INTERFACE_DESCRIPTION
                    | OLD_PACKET
                    | SIMPLE_PACKET
                    | INTERFACE_STATISTICS
                    | ENHANCED_PACKET
            );
            if !is_read {
                if !buffer.skip(total)? {
                    return buffer.end(at).map(|()| None);
                }
                continue;
            }
            if total > MAX_FILE_BLOCK {
                let len = u32::try_from(total).unwrap_or(u32::MAX);
                return Err(FileError::TooLarge { at, len });
            }
            if !buffer.fill_to(total)? {
                return buffer.end(at).map(|()| None);
            }
            let block = &buffer.ready()[..total];
            let record =
                self.read_block(kind, block).map_err(|what| FileError::Bad { at, what })?;
            if record.is_some() {
                return Ok(record);
            }
            buffer.take(total);
        }
    }

    /// Type and length of the block that stands next; `None` where the file ends.
    #[inline]
    fn block_head(
        &mut self,
        buffer: &mut Buffer,
        at: u64,
    ) -> Result<Option<(u32, usize)>, FileError> {
        if !buffer.fill_to(BLOCK_HEAD)? {
            return Ok(None);
        }
        if Self::begins(buffer.ready()) {
            if !buffer.fill_to(BLOCK_HEAD + 4)? {
                return Ok(None);
            }
            let magic = &buffer.ready()[BLOCK_HEAD..];
            self.order = [ByteOrder::Big, ByteOrder::Little]
                .into_iter()
                .find(|&order| Fields::new(magic, order).u32() == Some(BYTE_ORDER_MAGIC))
                .ok_or(FileError::Bad { at, what: "is a section header without byte order" })?;
        }
        let mut fields = Fields::new(buffer.ready(), self.order);
        let (Some(kind), Some(total)) = (fields.u32(), fields.u32()) else { return Ok(None) };
        let total = total as usize;
        if total < BLOCK_HEAD + BLOCK_TAIL {
            return Err(FileError::Bad { at, what: "is a block shorter than its own head" });
        }
        Ok(Some((kind, total)))
    }

    /// Reads one whole block; a packet gives a record.
    #[inline]
    fn read_block(&mut self, kind: u32, block: &[u8]) -> Result<Option<Record>, &'static str> {
        let (body, tail) = block[BLOCK_HEAD..]
            .split_last_chunk::<BLOCK_TAIL>()
            .ok_or("is a block shorter than its own head")?;
        if tail[..] != block[4..BLOCK_HEAD] {
            return Err("is a block whose two lengths differ");
        }
        let mut fields = Fields::new(body, self.order);
        let packet = match kind {
            ENHANCED_PACKET => self.enhanced_packet(&mut fields),
            OLD_PACKET => self.old_packet(&mut fields),
            SIMPLE_PACKET => self.simple_packet(&mut fields, body.len()),
            INTERFACE_STATISTICS => return self.interface_statistics(&mut fields).map(|()| None),
            INTERFACE_DESCRIPTION => return self.interface_description(&mut fields).map(|()| None),
            _ => {
                self.begin_section();
                return Ok(None);
            }
        }?;
        if packet.data_at + packet.captured_len as usize > body.len() {
            return Err("is a packet longer than its block");
        }
        let interface =
            self.interfaces.get_mut(packet.interface).ok_or("names an interface not described")?;
        interface.packet_drops += packet.drops;
        if let Some(ticks) = packet.ticks {
            self.last_at = interface.resolution.instant(ticks);
        }
        let number = self.earlier_interfaces + packet.interface;
        let data = BLOCK_HEAD + packet.data_at;
        Ok(Some(Record {
            len: block.len(),
            data: data..data + packet.captured_len as usize,
            at: self.last_at,
            interface: u8::try_from(number).unwrap_or(u8::MAX),
            link_type: interface.link_type,
            original_len: packet.original_len.max(packet.captured_len),
        }))
    }

    fn begin_section(&mut self) {
        self.earlier_drops = self.drops();
        self.earlier_interfaces += self.interfaces.len();
        self.interfaces.clear();
    }

    fn interface_description(&mut self, fields: &mut Fields<'_>) -> Result<(), &'static str> {
        const SHORT: &str = "is an interface description cut short";
        if self.interfaces.len() == MAX_FILE_INTERFACES {
            return Err("is one interface description too many");
        }
        let link_type = fields.u16().ok_or(SHORT)?;
        fields.u16().ok_or(SHORT)?;
        let snap_len = fields.u32().ok_or(SHORT)?;
        let mut resolution = Resolution::default();
        for (code, value) in options(fields) {
            match (code, value) {
                (IF_TSRESOL, &[exponent]) => resolution.set_exponent(exponent),
                (IF_TSOFFSET, value) => {
                    let seconds = Fields::new(value, self.order).u64().ok_or(SHORT)?;
                    resolution.set_offset(seconds.cast_signed());
                }
                _ => {}
            }
        }
        self.interfaces.push(Interface {
            link_type: LinkType::from_number(link_type),
            snap_len,
            resolution,
            packet_drops: 0,
            statistics: RecordedDrops::default(),
        });
        Ok(())
    }

    fn interface_statistics(&mut self, fields: &mut Fields<'_>) -> Result<(), &'static str> {
        const SHORT: &str = "is an interface statistics block cut short";
        let interface = fields.u32().ok_or(SHORT)? as usize;
        fields.u64().ok_or(SHORT)?;
        let interface =
            self.interfaces.get_mut(interface).ok_or("names an interface not described")?;
        for (code, value) in options(fields) {
            let Some(count) = Fields::new(value, self.order).u64() else { continue };
            match code {
                ISB_IFDROP => interface.statistics.interface = count,
                ISB_OSDROP => interface.statistics.kernel = count,
                _ => {}
            }
        }
        Ok(())
    }

    #[inline]
    fn enhanced_packet(&self, fields: &mut Fields<'_>) -> Result<Packet, &'static str> {
        const SHORT: &str = "is an enhanced packet cut short";
        let interface = fields.u32().ok_or(SHORT)? as usize;
        let ticks = ticks(fields).ok_or(SHORT)?;
        let captured_len = fields.u32().ok_or(SHORT)?;
        let original_len = fields.u32().ok_or(SHORT)?;
        fields.take(captured_len as usize).ok_or("is a packet longer than its block")?;
        fields.take((captured_len as usize).wrapping_neg() % 4);
        let drops = options(fields)
            .find(|&(code, _)| code == EPB_DROPCOUNT)
            .and_then(|(_, value)| Fields::new(value, self.order).u64())
            .unwrap_or(0);
        Ok(Packet { interface, ticks: Some(ticks), captured_len, original_len, drops, data_at: 20 })
    }

    fn old_packet(&self, fields: &mut Fields<'_>) -> Result<Packet, &'static str> {
        const SHORT: &str = "is a packet block cut short";
        /// "Not known".
        const UNKNOWN: u16 = u16::MAX;
        let interface = fields.u16().ok_or(SHORT)?.into();
        let drops = fields.u16().ok_or(SHORT)?;
        let ticks = ticks(fields).ok_or(SHORT)?;
        let captured_len = fields.u32().ok_or(SHORT)?;
        let original_len = fields.u32().ok_or(SHORT)?;
        let drops = if drops == UNKNOWN { 0 } else { drops.into() };
        Ok(Packet { interface, ticks: Some(ticks), captured_len, original_len, drops, data_at: 20 })
    }

    /// Belongs to the first interface, whose snap length tells how much of it is there.
    fn simple_packet(
        &self,
        fields: &mut Fields<'_>,
        body_len: usize,
    ) -> Result<Packet, &'static str> {
        let original_len = fields.u32().ok_or("is a simple packet cut short")?;
        let room = u32::try_from(body_len - 4).unwrap_or(u32::MAX);
        let snap_len = match self.interfaces.first().map(|interface| interface.snap_len) {
            None | Some(0) => u32::MAX,
            Some(snap_len) => snap_len,
        };
        let captured_len = original_len.min(snap_len).min(room);
        Ok(Packet { interface: 0, ticks: None, captured_len, original_len, drops: 0, data_at: 4 })
    }
}

/// What the three kinds of packet blocks have in common.
struct Packet {
    interface: usize,
    ticks: Option<u64>,
    captured_len: u32,
    original_len: u32,
    drops: u64,
    /// Where in the block's body the frame begins.
    data_at: usize,
}

/// A time stamp: two halves, the upper first in either byte order.
#[inline]
fn ticks(fields: &mut Fields<'_>) -> Option<u64> {
    let upper = fields.u32()?;
    let lower = fields.u32()?;
    Some(u64::from(upper) << 32 | u64::from(lower))
}

/// The options that follow: code, length, value, padding to four bytes.
fn options<'a>(fields: &mut Fields<'a>) -> impl Iterator<Item = (u16, &'a [u8])> {
    let mut fields = *fields;
    core::iter::from_fn(move || {
        let code = fields.u16().filter(|&code| code != OPT_END)?;
        let len = usize::from(fields.u16()?);
        let value = fields.take(len)?;
        fields.take(len.wrapping_neg() % 4);
        Some((code, value))
    })
}

fn sum(one: RecordedDrops, other: RecordedDrops) -> RecordedDrops {
    RecordedDrops { kernel: one.kernel + other.kernel, interface: one.interface + other.interface }
}
