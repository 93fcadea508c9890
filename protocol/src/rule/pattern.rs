//! What rules compare with: networks, numbers, regular expressions.

use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::str::FromStr;

/// Bytes that a compiled expression takes, at most, and so many for its search tables.
pub(super) const MAX_COMPILED: usize = 64 << 10;

/// Parentheses in an expression inside each other, at most.
pub(super) const MAX_NESTED: u32 = 32;

/// A network: an address of which the first bits count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Prefix {
    address: IpAddr,
    len: u8,
}

impl Prefix {
    /// The network of `len` bits that `address` lies in; `None` when it has fewer bits.
    #[must_use]
    pub fn new(address: IpAddr, len: u8) -> Option<Self> {
        if len > bits(address) {
            return None;
        }
        Some(Self { address: mask(address, len), len })
    }

    /// Its first address.
    #[must_use]
    pub const fn address(&self) -> IpAddr {
        self.address
    }

    /// How many bits count.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a length in bits, not of a collection")]
    pub const fn len(&self) -> u8 {
        self.len
    }

    /// Whether an address lies in it. An IPv4 address inside an IPv6 one counts as IPv4.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        bits(address) == bits(self.address) && mask(address, self.len) == self.address
    }
}

/// Bits of an address.
const fn bits(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

/// `address` with all but its first `len` bits cleared.
fn mask(address: IpAddr, len: u8) -> IpAddr {
    match address {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(len)).unwrap_or(0);
            Ipv4Addr::from_bits(address.to_bits() & mask).into()
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(len)).unwrap_or(0);
            Ipv6Addr::from_bits(address.to_bits() & mask).into()
        }
    }
}

impl FromStr for Prefix {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (address, len) = match text.split_once('/') {
            Some((address, len)) => (address, Some(len.parse().map_err(drop)?)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(drop)?;
        let address = address.to_canonical();
        Self::new(address, len.unwrap_or(bits(address))).ok_or(())
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.address)?;
        if self.len < bits(self.address) { write!(f, "/{}", self.len) } else { Ok(()) }
    }
}

/// What a number or name is to look like.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum NumberPattern {
    /// This one, `+49301234`.
    Exact(String),
    /// One that begins so, `+4930*`.
    Prefix(String),
    /// One in which `*` stands for any characters and `?` for one, `*99?`.
    Wildcard(String),
    /// Numbers of the same length from the first to the last, `+493010..+493019`.
    Range(String, String),
}

impl NumberPattern {
    /// Reads its text; `None` for an empty one, and for ends of a range that are no numbers of the
    /// same length or stand in the wrong order.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.is_empty() || text.chars().any(char::is_control) {
            return None;
        }
        if let Some((first, last)) = text.split_once("..") {
            let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
            let (a, b) = match (first.strip_prefix('+'), last.strip_prefix('+')) {
                (Some(a), Some(b)) => (a, b),
                (None, None) => (first, last),
                _ => return None,
            };
            let is_range = !a.is_empty() && a.len() == b.len() && digits(a) && digits(b) && a <= b;
            return is_range.then(|| Self::Range(first.to_owned(), last.to_owned()));
        }
        let wild = |text: &str| text.contains(['*', '?']);
        match text.strip_suffix('*') {
            Some(prefix) if !wild(prefix) => Some(Self::Prefix(prefix.to_owned())),
            _ if wild(text) => Some(Self::Wildcard(text.to_owned())),
            _ => Some(Self::Exact(text.to_owned())),
        }
    }

    /// What every number that it matches begins with.
    #[must_use]
    pub fn beginning(&self) -> &str {
        match self {
            Self::Exact(text) | Self::Prefix(text) => text,
            Self::Wildcard(text) => text.split(['*', '?']).next().unwrap_or_default(),
            Self::Range(first, last) => {
                let common = first.bytes().zip(last.bytes()).take_while(|(a, b)| a == b).count();
                first.get(..common).unwrap_or_default()
            }
        }
    }

    /// Whether a number looks so.
    #[must_use]
    pub fn matches(&self, number: &[u8]) -> bool {
        match self {
            Self::Exact(text) => text.as_bytes() == number,
            Self::Prefix(text) => number.starts_with(text.as_bytes()),
            Self::Wildcard(text) => matches_wildcard(text.as_bytes(), number),
            Self::Range(first, last) => {
                let (first, last) = (first.as_bytes(), last.as_bytes());
                number.len() == first.len()
                    && number.strip_prefix(b"+").unwrap_or(number).iter().all(u8::is_ascii_digit)
                    && first <= number
                    && number <= last
            }
        }
    }
}

/// `*` stands for any bytes, `?` for one. Takes at most `pattern.len() * text.len()` steps.
fn matches_wildcard(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    // Where to go on after the last star, should what follows it not fit.
    let mut retry: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                retry = Some((p + 1, t));
                p += 1;
            }
            Some(&byte) if byte == b'?' || byte == text[t] => {
                p += 1;
                t += 1;
            }
            _ => match retry {
                Some((after_star, from)) => {
                    retry = Some((after_star, from + 1));
                    (p, t) = (after_star, from + 1);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|&byte| byte == b'*')
}

impl fmt::Display for NumberPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(text) | Self::Wildcard(text) => f.write_str(text),
            Self::Prefix(text) => write!(f, "{text}*"),
            Self::Range(first, last) => write!(f, "{first}..{last}"),
        }
    }
}

/// A regular expression as people write it, without the slashes around it. `\/` is kept as `/`.
///
/// Whether it can be compiled, [`Expression::compile`] finds out.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Expression(String);

impl Expression {
    /// Takes a pattern; `None` for an empty one, and for one that ends in half an escape.
    #[must_use]
    pub fn new(pattern: &str) -> Option<Self> {
        let mut kept = String::with_capacity(pattern.len());
        let mut rest = pattern.chars();
        while let Some(letter) = rest.next() {
            match letter {
                '\\' => match rest.next()? {
                    '/' => kept.push('/'),
                    other => kept.extend(['\\', other]),
                },
                letter if letter.is_control() => return None,
                letter => kept.push(letter),
            }
        }
        (!kept.is_empty()).then_some(Self(kept))
    }

    /// The pattern.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Compiles it, over bytes, within [`MAX_COMPILED`] and [`MAX_NESTED`]; searching then takes
    /// time that is linear in the text.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn compile(&self) -> Result<regex::bytes::Regex, String> {
        regex::bytes::RegexBuilder::new(&self.0)
            .unicode(false)
            .size_limit(MAX_COMPILED)
            .dfa_size_limit(MAX_COMPILED)
            .nest_limit(MAX_NESTED)
            .build()
            .map_err(|error| match error {
                regex::Error::CompiledTooBig(limit) => {
                    format!("it compiles to more than {limit} bytes: write it simpler")
                }
                // The library's text draws the pattern over several lines; its last says why.
                error => error.to_string().lines().last().unwrap_or_default().trim().to_owned(),
            })
    }
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("/")?;
        let mut is_escaped = false;
        for letter in self.0.chars() {
            if letter == '/' && !is_escaped {
                f.write_str("\\")?;
            }
            is_escaped = letter == '\\' && !is_escaped;
            write!(f, "{letter}")?;
        }
        f.write_str("/")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_holds_what_lies_in_it() {
        let lies_in = |address: &str, prefix: &str| {
            prefix.parse::<Prefix>().unwrap().contains(address.parse().unwrap())
        };
        assert!(lies_in("192.0.2.7", "192.0.2.0/24"));
        assert!(lies_in("192.0.2.7", "192.0.2.99/24"), "the bits behind it do not count");
        assert!(!lies_in("192.0.3.7", "192.0.2.0/24"));
        assert!(lies_in("203.0.113.1", "0.0.0.0/0"));
        assert!(!lies_in("2001:db8::1", "0.0.0.0/0"));
        assert!(lies_in("2001:db8::1", "2001:db8::/32"));
        assert!(lies_in("2001:db8::1", "::/0"));
        assert!(lies_in("::ffff:192.0.2.7", "192.0.2.7"));
        assert_eq!("192.0.2.1/33".parse::<Prefix>(), Err(()));
        assert_eq!("192.0.2.0/24".parse::<Prefix>().unwrap().to_string(), "192.0.2.0/24");
        assert_eq!("2001:db8::1/128".parse::<Prefix>().unwrap().to_string(), "2001:db8::1");
    }

    #[test]
    fn numbers_match_as_they_are_written() {
        let matches = |pattern: &str, number: &str| {
            NumberPattern::parse(pattern).unwrap().matches(number.as_bytes())
        };
        assert!(matches("+4930", "+4930"));
        assert!(!matches("+4930", "+49301"));
        assert!(matches("+4930*", "+4930"));
        assert!(matches("*", ""));
        assert!(matches("*12?4", "+49301294"));
        assert!(!matches("*12?4", "+4930124"));
        assert!(matches("a*b*c", "axxbxbxc"));
        assert!(!matches("a*b*c", "axxbxbx"));
        assert!(matches("+100..+199", "+150"));
        assert!(!matches("+100..+199", "150"));
        assert!(!matches("+100..+199", "+1500"));
        assert!(!matches("100..199", "1x0"));
        for wrong in ["", "10..9", "20..10", "+10..20", "a..b", "..", "1\n"] {
            assert_eq!(NumberPattern::parse(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn what_a_pattern_matches_begins_as_it_says() {
        let beginning =
            |pattern: &str| NumberPattern::parse(pattern).unwrap().beginning().to_owned();
        assert_eq!(beginning("+49*"), "+49");
        assert_eq!(beginning("+49?0*"), "+49");
        assert_eq!(beginning("*1"), "");
        assert_eq!(beginning("+493010..+493019"), "+49301");
    }

    #[test]
    fn slashes_in_an_expression_are_escaped_where_it_is_printed() {
        let expression = Expression::new(r"^a/b\/c\\/d\.$").unwrap();
        assert_eq!(expression.as_str(), r"^a/b/c\\/d\.$");
        assert_eq!(expression.to_string(), r"/^a\/b\/c\\\/d\.$/");
        assert_eq!(Expression::new(r"a\"), None);
        assert_eq!(Expression::new(""), None);
    }
}
