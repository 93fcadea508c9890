//! GTP-U (3GPP TS 29.281 §5.1): a mobile's IP packets between radio and core network.
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |Ver=1|1|0|E|S|P| Message type  |            Length             |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |               Tunnel endpoint identifier (TEID)               |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |      Sequence number (S)      |  N-PDU no. (P)| Next ext. (E) |   if any of E, S, P
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```
//!
//! An extension header is: its length in units of 4 bytes, its content, the type of the next
//! (0: none). The length in the header counts what follows the TEID.

use super::Reject;
use super::link;
use super::span::Span;
use super::tunnel::Inner;
use crate::limits::MAX_GTP_EXTENSIONS;

const EXTENSION: u8 = 0x04;
const ANY_OPTION: u8 = 0x07;

/// Message type of a tunnelled packet.
const G_PDU: u8 = 255;

/// Whether a datagram begins like one that carries a packet.
pub(super) fn begins(bytes: &[u8]) -> bool {
    matches!(*bytes, [flags, G_PDU, ..] if flags & !ANY_OPTION == 0x30)
}

/// Takes off the header and its extensions.
pub(super) fn parse(span: Span<'_>) -> Result<Inner<'_>, Reject> {
    let (head, rest) = span.split::<8>()?;
    let mut span = rest.first(u16::from_be_bytes([head[2], head[3]]).into())?;
    if head[0] & ANY_OPTION != 0 {
        let (options, rest) = span.split::<4>()?;
        span = rest;
        if head[0] & EXTENSION != 0 {
            span = past_extensions(options[3], span)?;
        }
    }
    Ok(Inner { ethertype: link::ip_by_its_version(span.bytes)?, vlan: None, span })
}

fn past_extensions(mut next: u8, mut span: Span<'_>) -> Result<Span<'_>, Reject> {
    for _ in 0..MAX_GTP_EXTENSIONS {
        if next == 0 {
            return Ok(span);
        }
        let (&[units], _) = span.split::<1>()?;
        let len = 4 * usize::from(units);
        let rest = span.skip(len)?;
        // A header without length would be read for ever.
        let last = len.checked_sub(1).ok_or(Reject::BadEncapsulation)?;
        next = span.bytes[last];
        span = rest;
    }
    if next == 0 { Ok(span) } else { Err(Reject::TooDeep) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gtp(flags: u8, behind_teid: &[u8]) -> Vec<u8> {
        let len = u8::try_from(behind_teid.len()).expect("short");
        [&[flags, 255, 0, len, 0, 0, 0, 9][..], behind_teid].concat()
    }

    fn read(bytes: &[u8]) -> Result<&[u8], Reject> {
        assert!(begins(bytes));
        parse(Span { bytes, wire_len: bytes.len() }).map(|inner| inner.span.bytes)
    }

    #[test]
    fn optional_fields_and_extension_headers_are_passed_over() {
        assert_eq!(read(&gtp(0x30, &[0x45, 1])), Ok(&[0x45, 1][..]));
        assert_eq!(read(&gtp(0x32, &[0, 1, 0, 0x85, 0x45])), Ok(&[0x45][..]), "E is not set");
        assert_eq!(read(&gtp(0x34, &[0, 0, 0, 0, 0x45])), Ok(&[0x45][..]));
        let two = [0, 0, 0, 0x85, 1, 0, 9, 0xc0, 2, 0, 0, 0, 0, 0, 0, 0, 0x60];
        assert_eq!(read(&gtp(0x34, &two)), Ok(&[0x60][..]));
    }

    #[test]
    fn a_chain_of_extensions_ends_at_the_limit() {
        let chain = |count: usize, last: u8| {
            let mut bytes = [&[0, 0, 0, 1][..], &[1, 0, 0, 1].repeat(count)].concat();
            *bytes.last_mut().expect("not empty") = last;
            bytes.push(0x45);
            bytes
        };
        assert_eq!(read(&gtp(0x34, &chain(MAX_GTP_EXTENSIONS, 0))), Ok(&[0x45][..]));
        assert_eq!(read(&gtp(0x34, &chain(MAX_GTP_EXTENSIONS, 1))), Err(Reject::TooDeep));
    }

    #[test]
    fn lengths_that_contradict_are_refused() {
        assert_eq!(read(&gtp(0x34, &[0, 0, 0, 1, 0, 0])), Err(Reject::BadEncapsulation));
        assert_eq!(read(&gtp(0x34, &[0, 0, 0, 1, 9, 0])), Err(Reject::BadEncapsulation));
        assert_eq!(read(&gtp(0x31, &[0, 0])), Err(Reject::BadEncapsulation));
        let mut long = gtp(0x30, &[0x45]);
        long[3] = 2;
        assert_eq!(read(&long), Err(Reject::BadEncapsulation));
        let padded = [&gtp(0x30, &[0x45])[..], &[0; 9]].concat();
        assert_eq!(read(&padded), Ok(&[0x45][..]));
    }

    #[test]
    fn other_messages_and_versions_are_left_alone() {
        assert!(!begins(&[0x32, 1]) && !begins(&[0x48, 255]) && !begins(&[0x80, 255]));
    }
}
