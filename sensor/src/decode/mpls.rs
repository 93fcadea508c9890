//! MPLS label stacks (RFC 3032 §2.1), with IP or a pseudowire's Ethernet (RFC 4448) inside.
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                Label                  |  TC |S|      TTL      |   S: the last one
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```
//!
//! Labels do not say what they carry; its first four bits do: 4 and 6 are IP, 0 is the control
//! word that stands before a pseudowire's frame (RFC 4385 §3). A pseudowire without a control word
//! cannot be told from IP and is not read.

use super::Reject;
use super::link::{self, Carried, ETHERNET};
use crate::limits::MAX_MPLS_LABELS;

/// Takes off the labels.
pub(super) fn parse(bytes: &[u8]) -> Result<Carried<'_>, Reject> {
    let mut left = bytes;
    for _ in 0..MAX_MPLS_LABELS {
        let (label, rest) = left.split_first_chunk::<4>().ok_or(Reject::Short)?;
        left = rest;
        if label[2] & 1 != 0 {
            return below_the_stack(left);
        }
    }
    Err(Reject::TooDeep)
}

fn below_the_stack(bytes: &[u8]) -> Result<Carried<'_>, Reject> {
    if bytes.first().ok_or(Reject::Short)? >> 4 == 0 {
        let bytes = bytes.get(4..).ok_or(Reject::Short)?;
        return Ok(Carried { ethertype: ETHERNET, vlan: None, bytes });
    }
    Ok(Carried { ethertype: link::ip_by_its_version(bytes)?, vlan: None, bytes })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::link::{IPV4, IPV6};

    const LABEL: [u8; 4] = [0, 0x01, 0x20, 64];
    const LAST: [u8; 4] = [0, 0x01, 0x21, 64];

    #[test]
    fn the_first_bits_behind_the_last_label_tell_what_it_carries() {
        for (first, ethertype, len) in [(0x45, IPV4, 5), (0x60, IPV6, 5), (0x00, ETHERNET, 1)] {
            let bytes = [&LABEL[..], &LAST, &[first, 1, 2, 3, 4]].concat();
            let carried = parse(&bytes).expect("two labels");
            assert_eq!((carried.ethertype, carried.bytes.len()), (ethertype, len));
        }
        assert!(matches!(parse(&[&LAST[..], &[0x10]].concat()), Err(Reject::NotIp)));
        assert!(matches!(parse(&LAST), Err(Reject::Short)));
    }

    #[test]
    fn a_stack_without_a_last_label_ends_at_the_limit() {
        let labels = LABEL.repeat(MAX_MPLS_LABELS);
        assert!(matches!(parse(&labels), Err(Reject::TooDeep)));
        assert!(matches!(parse(&labels[4..]), Err(Reject::Short)));
        let highest = [&labels[4..], &LAST, &[0x45]].concat();
        assert_eq!(parse(&highest).expect("as high as it may be").bytes, [0x45]);
    }
}
