//! Texts with `*` in them, and networks.

use core::net::IpAddr;

/// A text to match whole, in any case of ASCII letters; `*` stands for any characters, or none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    /// What stands between the stars.
    parts: Vec<String>,
}

impl Pattern {
    /// Reads a pattern; every text is one.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self { parts: text.split('*').map(str::to_owned).collect() }
    }

    /// Whether `text` is one of those meant.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        let mut rest = text.as_bytes();
        let Some((first, others)) = self.parts.split_first() else {
            return rest.is_empty();
        };
        if !starts_with(rest, first) {
            return false;
        }
        rest = &rest[first.len()..];
        let Some((last, middle)) = others.split_last() else {
            return rest.is_empty();
        };
        for part in middle {
            let Some(at) = find(rest, part) else {
                return false;
            };
            rest = &rest[at + part.len()..];
        }
        rest.len() >= last.len()
            && rest[rest.len() - last.len()..].eq_ignore_ascii_case(last.as_bytes())
    }
}

fn starts_with(text: &[u8], part: &str) -> bool {
    text.get(..part.len()).is_some_and(|head| head.eq_ignore_ascii_case(part.as_bytes()))
}

fn find(text: &[u8], part: &str) -> Option<usize> {
    if part.is_empty() {
        return Some(0);
    }
    text.windows(part.len()).position(|window| window.eq_ignore_ascii_case(part.as_bytes()))
}

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

    /// Whether the address written in `text` is within.
    #[must_use]
    pub fn holds(&self, text: &str) -> bool {
        let Ok(other) = text.parse::<IpAddr>() else {
            return false;
        };
        match (self.address, other) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_whole_texts() {
        for (pattern, text, matches) in [
            ("4930123", "4930123", true),
            ("4930123", "49301234", false),
            ("4930*", "4930123", true),
            ("4930*", "4930", true),
            ("4930*", "+4930", false),
            ("*123", "4930123", true),
            ("*123", "1234", false),
            ("49*1*3", "4930123", true),
            ("49*1*1*3", "4930123", false),
            ("*", "", true),
            ("**", "x", true),
            ("", "", true),
            ("", "x", false),
            ("Anna", "anna", true),
            ("ab*ba", "aba", false),
            ("*é*", "café", true),
        ] {
            assert_eq!(Pattern::new(pattern).matches(text), matches, "{pattern} {text}");
        }
    }

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
}
