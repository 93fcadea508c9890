//! One TCP segment (RFC 9293 §3.1). Checksums are not verified, as for UDP.

use smoltcp::wire::TcpPacket;

use crate::decode::Reject;

const HEADER: usize = 20;

/// What reassembly wants to know of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::decode) struct Segment<'a> {
    pub(in crate::decode) src_port: u16,
    pub(in crate::decode) dst_port: u16,
    /// Of the segment's first octet; a SYN takes one before the data.
    pub(super) sequence_number: u32,
    /// Of the next octet that the other side is expected to send.
    pub(super) acknowledgment_number: u32,
    pub(super) syn: bool,
    pub(super) fin: bool,
    pub(super) rst: bool,
    /// Bytes of the payload on the wire.
    pub(super) payload_len: usize,
    /// As much of it as was captured.
    pub(in crate::decode) payload: &'a [u8],
}

impl<'a> Segment<'a> {
    /// Reads a segment of `wire_len` bytes, of which `bytes` were captured.
    pub(in crate::decode) fn parse(bytes: &'a [u8], wire_len: usize) -> Result<Self, Reject> {
        if wire_len < HEADER {
            return Err(Reject::BadTransport);
        }
        if bytes.len() < HEADER {
            return Err(Reject::Short);
        }
        let header = TcpPacket::new_unchecked(bytes);
        let header_len = usize::from(header.header_len());
        if header_len < HEADER || header_len > wire_len {
            return Err(Reject::BadTransport);
        }
        let payload = bytes.get(header_len..).ok_or(Reject::Short)?;
        Ok(Self {
            src_port: header.src_port(),
            dst_port: header.dst_port(),
            sequence_number: header.seq_number().0.cast_unsigned(),
            acknowledgment_number: header.ack_number().0.cast_unsigned(),
            syn: header.syn(),
            fin: header.fin(),
            rst: header.rst(),
            payload_len: wire_len - header_len,
            payload,
        })
    }
}
