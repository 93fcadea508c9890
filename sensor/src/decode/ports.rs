//! A set of ports.

use core::fmt;
use core::ops::RangeInclusive;
use core::str::FromStr;

const WORDS: usize = 65_536 / 64;

/// Ports, for example those that SIP uses: one bit each, 8 KiB.
#[derive(Clone, PartialEq, Eq)]
pub struct PortSet(Box<[u64; WORDS]>);

/// A list of ports that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortError(String);

impl fmt::Display for PortError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is no port or range; write for example 5060,5070-5080", self.0)
    }
}

impl std::error::Error for PortError {}

impl PortSet {
    /// None.
    #[must_use]
    pub fn new() -> Self {
        Self(Box::new([0; WORDS]))
    }

    /// Adds one.
    pub fn insert(&mut self, port: u16) {
        self.0[usize::from(port / 64)] |= 1 << (port % 64);
    }

    /// Adds several.
    pub fn insert_range(&mut self, ports: RangeInclusive<u16>) {
        for port in ports {
            self.insert(port);
        }
    }

    /// Whether `port` is in it.
    #[inline]
    #[must_use]
    pub fn contains(&self, port: u16) -> bool {
        self.0[usize::from(port / 64)] & 1 << (port % 64) != 0
    }

    /// Whether either end of a packet uses one of them.
    #[inline]
    #[must_use]
    pub fn contains_either(&self, src: u16, dst: u16) -> bool {
        self.contains(src) || self.contains(dst)
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|&word| word == 0)
    }

    /// All of them, ascending.
    pub fn iter(&self) -> impl Iterator<Item = u16> {
        (0..=u16::MAX).filter(|&port| self.contains(port))
    }
}

impl Default for PortSet {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for PortSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

impl Extend<u16> for PortSet {
    fn extend<T: IntoIterator<Item = u16>>(&mut self, ports: T) {
        for port in ports {
            self.insert(port);
        }
    }
}

impl FromIterator<u16> for PortSet {
    fn from_iter<T: IntoIterator<Item = u16>>(ports: T) -> Self {
        let mut set = Self::new();
        set.extend(ports);
        set
    }
}

impl FromStr for PortSet {
    type Err = PortError;

    /// Ports and ranges, separated by commas or white space: `5060,5070-5080`.
    fn from_str(text: &str) -> Result<Self, PortError> {
        let mut set = Self::new();
        let separator = |letter: char| letter == ',' || letter.is_whitespace();
        for part in text.split(separator).filter(|part| !part.is_empty()) {
            let refused = || PortError(part.to_owned());
            let (from, to) = part.split_once('-').unwrap_or((part, part));
            let from: u16 = from.parse().map_err(|_| refused())?;
            let to: u16 = to.parse().map_err(|_| refused())?;
            if from == 0 || from > to {
                return Err(refused());
            }
            set.insert_range(from..=to);
        }
        Ok(set)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_and_ranges_are_read() {
        let set: PortSet = "5060, 5070-5072 65535".parse().expect("valid");
        assert_eq!(set.iter().collect::<Vec<_>>(), [5060, 5070, 5071, 5072, 65_535]);
        assert!(set.contains_either(1, 5071) && set.contains_either(5060, 1));
        assert!(!set.contains_either(1, 2));
        assert!("".parse::<PortSet>().expect("valid").is_empty());
    }

    #[test]
    fn what_is_no_port_is_named() {
        for wrong in ["sip", "0", "65536", "5070-5060", "5060-", "-1"] {
            let error = wrong.parse::<PortSet>().expect_err(wrong).to_string();
            assert!(error.contains(wrong), "{error}");
        }
    }
}
