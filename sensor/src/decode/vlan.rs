//! VLAN tags (IEEE 802.1Q §9.6), single or stacked.
//!
//! ```text
//! … 0x8100 | PCP DEI VID(12) | EtherType of what follows …
//! ```

use super::Reject;
use super::link::Carried;
use crate::limits::MAX_VLAN_TAGS;

/// 802.1Q, 802.1ad (QinQ), and the number that QinQ had before its standard.
pub(super) const fn is_tag(ethertype: u16) -> bool {
    matches!(ethertype, 0x8100 | 0x88a8 | 0x9100)
}

/// Takes off the tags whose first EtherType has been taken. Gives the innermost id, unless tags
/// carry a priority only.
pub(super) fn parse(bytes: &[u8]) -> Result<Carried<'_>, Reject> {
    let mut vlan = None;
    let mut left = bytes;
    for _ in 0..MAX_VLAN_TAGS {
        let (tag, rest) = left.split_first_chunk::<4>().ok_or(Reject::Short)?;
        let id = u16::from_be_bytes([tag[0], tag[1]]) & 0x0fff;
        let ethertype = u16::from_be_bytes([tag[2], tag[3]]);
        vlan = (id != 0).then_some(id).or(vlan);
        left = rest;
        if !is_tag(ethertype) {
            return Ok(Carried { ethertype, vlan, bytes: left });
        }
    }
    Err(Reject::TooDeep)
}

#[cfg(test)]
mod tests {
    use super::*;

    const IPV4: [u8; 2] = [0x08, 0x00];

    #[test]
    fn the_innermost_id_is_reported() {
        let stacked = [&[0x20, 100, 0x81, 0x00, 0x6f, 0xff][..], &IPV4, &[0x45]].concat();
        let tagged = parse(&stacked).expect("two tags");
        assert_eq!((tagged.ethertype, tagged.vlan), (0x0800, Some(0xfff)));
        assert_eq!(tagged.bytes, &[0x45]);
    }

    #[test]
    fn a_priority_tag_has_no_id() {
        let tagged = parse(&[0xa0, 0, 0x08, 0x00]).expect("one tag");
        assert_eq!(tagged.vlan, None);
        let outer = parse(&[0, 5, 0x81, 0, 0xa0, 0, 0x08, 0x00]).expect("two tags");
        assert_eq!(outer.vlan, Some(5));
    }

    #[test]
    fn too_many_tags_and_half_tags_are_turned_away() {
        let more = [0, 1, 0x88, 0xa8];
        let deepest = [&more.repeat(MAX_VLAN_TAGS - 1)[..], &[0, 9], &IPV4].concat();
        assert_eq!(parse(&deepest).expect("as deep as it may be").vlan, Some(9));
        let deeper = [&more.repeat(MAX_VLAN_TAGS)[..], &[0, 9], &IPV4].concat();
        assert!(matches!(parse(&deeper), Err(Reject::TooDeep)));
        assert!(matches!(parse(&more[..3]), Err(Reject::Short)));
    }
}
