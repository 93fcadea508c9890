//! Addresses: networks that somebody wrote down, and whom an address counts for.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An address, or a network in CIDR notation (RFC 4632, RFC 4291 §2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    /// Bits that count.
    prefix: u8,
}

impl Network {
    /// Reads `192.0.2.1`, `192.0.2.0/24`, `2001:db8::/32`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.trim_matches(['[', ']']).parse().ok()?;
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            Some(digits) if digits.bytes().all(|digit| digit.is_ascii_digit()) => {
                digits.parse().ok().filter(|prefix| *prefix <= longest)?
            }
            Some(_) => return None,
            None => longest,
        };
        Some(Self { address, prefix })
    }

    /// Its first and its last address.
    #[must_use]
    pub fn bounds(&self) -> (IpAddr, IpAddr) {
        match self.address {
            IpAddr::V4(v4) => {
                let hosts = u32::MAX.checked_shr(self.prefix.into()).unwrap_or(0);
                let first = v4.to_bits() & !hosts;
                (Ipv4Addr::from_bits(first).into(), Ipv4Addr::from_bits(first | hosts).into())
            }
            IpAddr::V6(v6) => {
                let hosts = u128::MAX.checked_shr(self.prefix.into()).unwrap_or(0);
                let first = v6.to_bits() & !hosts;
                (Ipv6Addr::from_bits(first).into(), Ipv6Addr::from_bits(first | hosts).into())
            }
        }
    }

    /// Whether the address written in `text` is within.
    #[must_use]
    pub fn holds(&self, text: &str) -> bool {
        text.parse().is_ok_and(|address| self.contains(address))
    }

    /// Whether `address` is within.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(network), IpAddr::V4(other)) => {
                let differing = network.to_bits() ^ other.to_bits();
                differing.checked_shr(32 - u32::from(self.prefix)).unwrap_or(0) == 0
            }
            (IpAddr::V6(network), IpAddr::V6(other)) => {
                let differing = network.to_bits() ^ other.to_bits();
                differing.checked_shr(128 - u32::from(self.prefix)).unwrap_or(0) == 0
            }
            _ => false,
        }
    }
}

/// Whom an address counts for in everything that each may have a share of: the IPv4 address, or the
/// /48 of IPv6.
///
/// A /48 is the most that one site is given (RFC 6177 §2) and what tunnel brokers give to anybody for
/// nothing: with limits for a /56 or a /64 such a person would count as 256 or 65,536. Where a
/// provider cuts a /48 up among homes, these share one part.
#[must_use]
pub fn party(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => {
            let [a, b, c, ..] = v6.segments();
            IpAddr::from([a, b, c, 0, 0, 0, 0, 0])
        }
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_hold_their_addresses() {
        for (network, address, holds) in [
            ("192.0.2.1", "192.0.2.1", true),
            ("192.0.2.1", "192.0.2.2", false),
            ("192.0.2.9/24", "192.0.2.200", true),
            ("192.0.2.0/24", "192.0.3.1", false),
            ("0.0.0.0/0", "203.0.113.7", true),
            ("0.0.0.0/0", "2001:db8::1", false),
            ("2001:db8::/32", "2001:db8:ffff::1", true),
            ("2001:db8::/32", "2001:db9::1", false),
            ("::/0", "::1", true),
            ("[2001:db8::1]", "2001:db8::1", true),
            ("192.0.2.1", "nonsense", false),
        ] {
            assert_eq!(Network::parse(network).unwrap().holds(address), holds, "{network}");
        }
        for nonsense in ["", "192.0.2", "192.0.2.0/33", "::/129", "192.0.2.0/+8", "a/8", "::/"] {
            assert_eq!(Network::parse(nonsense), None, "{nonsense}");
        }
    }

    #[test]
    fn a_network_begins_and_ends_with_addresses() {
        for (network, first, last) in [
            ("192.0.2.9/24", "192.0.2.0", "192.0.2.255"),
            ("192.0.2.9", "192.0.2.9", "192.0.2.9"),
            ("0.0.0.0/0", "0.0.0.0", "255.255.255.255"),
            ("2001:db8::5/127", "2001:db8::4", "2001:db8::5"),
        ] {
            let bounds = Network::parse(network).unwrap().bounds();
            assert_eq!(bounds, (first.parse().unwrap(), last.parse().unwrap()), "{network}");
        }
    }

    #[test]
    fn a_site_of_ipv6_is_one_party_and_a_mapped_address_is_its_ipv4_one() {
        let party_of = |text: &str| party(text.parse().unwrap());
        assert_eq!(party_of("2001:db8::1"), party_of("2001:db8:0:ffff::2"));
        assert_ne!(party_of("2001:db8::1"), party_of("2001:db8:1::1"));
        assert_eq!(party_of("::ffff:192.0.2.1"), party_of("192.0.2.1"));
        assert_ne!(party_of("192.0.2.2"), party_of("192.0.2.1"));
        assert_ne!(party_of("::"), party_of("0.0.0.0"));
    }
}
