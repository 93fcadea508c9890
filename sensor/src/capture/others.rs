//! Whether an interface shows what other hosts say to each other. A port that is no mirror port
//! shows broadcasts and the box's own traffic only, and no call will ever come of that.

use std::fs;
use std::path::Path;
use std::time::Duration;

use super::LinkType;

/// How long an interface may show nothing of others before that is said.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// The interface's own address (EUI-48); `None` where it has none, as `lo` and `any`.
pub(super) fn own_address(interface: &str) -> Option<[u8; 6]> {
    let path = Path::new("/sys/class/net").join(interface).join("address");
    parse(fs::read_to_string(path).ok()?.trim()).filter(|address| *address != [0; 6])
}

fn parse(text: &str) -> Option<[u8; 6]> {
    let mut address = [0; 6];
    let mut parts = text.split(':');
    for byte in &mut address {
        *byte = u8::from_str_radix(parts.next()?, 16).ok()?;
    }
    parts.next().is_none().then_some(address)
}

/// Whether a frame is from one other host to one other host. Of link types without addresses every
/// frame is taken for such.
pub(super) fn is_of_others(link_type: LinkType, frame: &[u8], own: [u8; 6]) -> bool {
    if link_type != LinkType::Ethernet {
        return true;
    }
    let Some((dst, rest)) = frame.split_first_chunk::<6>() else { return false };
    let Some((src, _)) = rest.split_first_chunk::<6>() else { return false };
    let is_for_many = dst[0] & 1 != 0;
    !is_for_many && *dst != own && *src != own
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: [u8; 6] = [2, 0, 0, 0, 0, 1];
    const ONE: [u8; 6] = [2, 0, 0, 0, 0, 2];
    const OTHER: [u8; 6] = [2, 0, 0, 0, 0, 3];

    fn is_of_others_from_to(src: [u8; 6], dst: [u8; 6]) -> bool {
        is_of_others(LinkType::Ethernet, &[dst, src].concat(), OWN)
    }

    #[test]
    fn only_what_two_others_say_to_each_other_counts() {
        assert!(is_of_others_from_to(ONE, OTHER));
        assert!(!is_of_others_from_to(ONE, OWN), "to us");
        assert!(!is_of_others_from_to(OWN, ONE), "from us");
        assert!(!is_of_others_from_to(ONE, [0xff; 6]), "broadcast");
        assert!(!is_of_others_from_to(ONE, [1, 0, 0x5e, 0, 0, 1]), "multicast");
        assert!(!is_of_others(LinkType::Ethernet, &[2; 11], OWN), "cut");
        assert!(is_of_others(LinkType::RawIp, &[0x45], OWN));
    }

    #[test]
    fn addresses_are_read_as_the_kernel_writes_them() {
        assert_eq!(parse("02:00:00:00:00:01"), Some(OWN));
        for wrong in ["", "02:00:00:00:00", "02:00:00:00:00:01:07", "02:00:00:00:00:xx"] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
        assert_eq!(own_address("lo"), None);
        assert_eq!(own_address("any"), None);
    }
}
