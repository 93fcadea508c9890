//! Readers of single values: text in, a value or what would have been right out.

use core::ops::RangeInclusive;

/// Yes or no, in the spellings that are about.
pub(super) fn flag(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "yes" | "y" | "true" | "on" | "1" => Ok(true),
        // `sip-options = nodb` of VoIPmonitor: followed, and no record made.
        "no" | "n" | "false" | "off" | "0" | "nodb" => Ok(false),
        _ => Err("write yes or no".to_owned()),
    }
}

/// A whole number within a range.
pub(super) fn number(text: &str, range: &RangeInclusive<u64>, unit: &str) -> Result<u64, String> {
    let says = || {
        let unit = if unit.is_empty() { String::new() } else { format!(" {unit}") };
        format!("write a whole number from {} to {}{unit}", range.start(), range.end())
    };
    let number = text.parse().map_err(|_| says())?;
    if range.contains(&number) { Ok(number) } else { Err(says()) }
}

/// Parts of a list, whatever separates them; empty parts are left out.
pub(super) fn list(text: &str) -> impl Iterator<Item = &str> {
    text.split([',', ';', '|', ' ', '\t']).filter(|part| !part.is_empty())
}

/// An interface's name, as the kernel allows it (`IFNAMSIZ`).
pub(super) fn interface(name: &str) -> Result<String, String> {
    let fits = (1..=15).contains(&name.len())
        && name != "."
        && name != ".."
        && name.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'/' | b':'));
    if fits {
        Ok(name.to_owned())
    } else {
        Err("write names of network interfaces, such as eth0, with commas between".to_owned())
    }
}

/// A server's name or address, without port.
pub(super) fn host(text: &str) -> Result<String, String> {
    let name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    let is_name = (1..=253).contains(&text.len()) && text.bytes().all(name);
    let is_ipv6 = text.parse::<core::net::Ipv6Addr>().is_ok();
    if is_name || is_ipv6 { Ok(text.to_owned()) } else { Err(SERVER.to_owned()) }
}

/// SHA-256, as 64 hexadecimal digits.
pub(super) fn sha256(text: &str) -> Result<String, String> {
    let is_right = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let says = || "write the 64 hexadecimal digits that the cloud shows beside a claim code";
    is_right.then(|| text.to_ascii_lowercase()).ok_or_else(|| says().to_owned())
}

const SERVER: &str = "write a server's name or address, or several with commas between, each \
                      with :PORT if it is not the common one; an IPv6 address with a port stands \
                      in []";

/// `HOST`, `HOST:PORT`, `[IPV6]`, `[IPV6]:PORT` or a bare IPv6 address.
pub(super) fn server(text: &str) -> Result<(String, Option<u16>), String> {
    if let Some(rest) = text.strip_prefix('[') {
        let (address, port) = rest.split_once(']').ok_or(SERVER)?;
        let address = address.parse::<core::net::Ipv6Addr>().map_err(|_| SERVER)?;
        let port = match port {
            "" => None,
            _ => Some(server_port(port.strip_prefix(':').ok_or(SERVER)?)?),
        };
        return Ok((address.to_string(), port));
    }
    match text.split_once(':') {
        Some((name, port)) if !port.contains(':') => Ok((host(name)?, Some(server_port(port)?))),
        _ => Ok((host(text)?, None)),
    }
}

fn server_port(text: &str) -> Result<u16, String> {
    match text.parse() {
        Ok(0) | Err(_) => Err(SERVER.to_owned()),
        Ok(port) => Ok(port),
    }
}

/// A filter that libpcap accepts; it says itself what it does not like.
///
/// A host name in the filter is looked up, as libpcap does when capture begins.
pub(super) fn filter(text: &str) -> Result<String, String> {
    let refused = |error| match error {
        pcap::Error::PcapError(says) => format!("libpcap does not accept it: {says}"),
        other => format!("libpcap does not accept it: {other}"),
    };
    if text.contains('\0') {
        return Err("write a BPF expression, such as udp port 5060".to_owned());
    }
    let capture = pcap::Capture::dead(pcap::Linktype::ETHERNET).map_err(refused)?;
    capture.compile(text, true).map_err(refused)?;
    Ok(text.to_owned())
}

/// A text that fits where it goes.
pub(super) fn at_most(text: &str, bytes: usize) -> Result<String, String> {
    if text.len() <= bytes && !text.chars().any(char::is_control) {
        Ok(text.to_owned())
    } else {
        Err(format!("write a text of at most {bytes} bytes, without control characters"))
    }
}

/// An address to listen on, or `no`.
pub(super) fn listen_address(text: &str) -> Result<String, String> {
    match text.parse::<core::net::SocketAddr>() {
        Ok(address) => Ok(address.to_string()),
        Err(_) if flag(text) == Ok(false) => Ok("no".to_owned()),
        Err(_) => Err("write an address with its port, such as 127.0.0.1:8060, or no".to_owned()),
    }
}

/// An absolute path.
pub(super) fn path(text: &str) -> Result<String, String> {
    if text.starts_with('/') && !text.contains('\0') {
        Ok(text.to_owned())
    } else {
        Err("write an absolute path".to_owned())
    }
}

/// A minisign public key.
pub(super) fn minisign_key(text: &str) -> Result<String, String> {
    minisign_verify::PublicKey::from_base64(text)
        .map(|_| text.to_owned())
        .map_err(|_| "write the second line of minisign.pub".to_owned())
}

/// A user's name as useradd(8) takes it.
pub(super) fn user(text: &str) -> Result<String, String> {
    let fits = (1..=32).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.$".contains(&byte))
        && !text.starts_with('-');
    if fits { Ok(text.to_owned()) } else { Err("write the name of a user".to_owned()) }
}

/// An IP address.
pub(super) fn ip(text: &str) -> Result<String, String> {
    let parsed: Result<core::net::IpAddr, _> = text.trim_matches(['[', ']']).parse();
    parsed.map(|ip| ip.to_string()).map_err(|_| "write an IP address, as in 192.0.2.1".to_owned())
}

/// The name of a SIP header (RFC 3261 §25.1 token).
pub(super) fn header_name(text: &str) -> Result<String, String> {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(&byte);
    let fits = (1..=64).contains(&text.len()) && text.bytes().all(is_token);
    if fits {
        Ok(text.to_owned())
    } else {
        Err("write the name of a header, as in X-CID".to_owned())
    }
}

/// Ports, as ranges in ascending order that do not touch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ports(Vec<RangeInclusive<u16>>);

impl Ports {
    /// One port.
    #[must_use]
    pub fn one(port: u16) -> Self {
        Self(vec![port..=port])
    }

    /// Several ports.
    pub(super) fn several<const N: usize>(ports: [u16; N]) -> Self {
        let mut ports = Self(ports.map(|port| port..=port).into());
        ports.join();
        ports
    }

    /// Whether `port` is among them.
    #[must_use]
    pub fn contains(&self, port: u16) -> bool {
        self.0.iter().any(|range| range.contains(&port))
    }

    /// The ranges.
    pub fn ranges(&self) -> impl Iterator<Item = &RangeInclusive<u16>> {
        self.0.iter()
    }

    /// Adds the ports of a list such as `5060,5070-5080`.
    pub(super) fn extend(&mut self, text: &str) -> Result<(), String> {
        const SAYS: &str = "write ports from 1 to 65535, single or as FROM-TO, with commas between";
        // White space may stand around the hyphen of a range.
        let text = text.split('-').map(str::trim).collect::<Vec<_>>().join("-");
        let mut added = false;
        for part in list(&text) {
            let (from, to) = part.split_once('-').unwrap_or((part, part));
            let port = |text: &str| text.parse::<u16>().ok().filter(|&port| port > 0);
            match (port(from), port(to)) {
                (Some(from), Some(to)) if from <= to => self.0.push(from..=to),
                _ => return Err(SAYS.to_owned()),
            }
            added = true;
        }
        if !added {
            return Err(SAYS.to_owned());
        }
        self.join();
        Ok(())
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    fn join(&mut self) {
        self.0.sort_by_key(|range| *range.start());
        let mut joined: Vec<RangeInclusive<u16>> = Vec::new();
        for range in self.0.drain(..) {
            match joined.last_mut() {
                Some(last) if *range.start() <= last.end().saturating_add(1) => {
                    *last = *last.start()..=(*last.end()).max(*range.end());
                }
                _ => joined.push(range),
            }
        }
        self.0 = joined;
    }
}

impl core::fmt::Display for Ports {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        for (index, range) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str(", ")?;
            }
            if range.start() == range.end() {
                write!(f, "{}", range.start())?;
            } else {
                write!(f, "{}-{}", range.start(), range.end())?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ports(text: &str) -> Result<String, String> {
        let mut ports = Ports(Vec::new());
        ports.extend(text).map(|()| ports.to_string())
    }

    #[test]
    fn flags_are_read_in_every_spelling() {
        for text in ["yes", "Y", "1", "true", "ON"] {
            assert_eq!(flag(text), Ok(true), "{text}");
        }
        for text in ["no", "N", "0", "false", "Off"] {
            assert_eq!(flag(text), Ok(false), "{text}");
        }
        assert!(flag("header").is_err());
    }

    #[test]
    fn numbers_keep_to_their_range() {
        let range = 2..=4;
        assert!(number("1", &range, "").is_err());
        assert_eq!(number("2", &range, ""), Ok(2));
        assert_eq!(number("4", &range, ""), Ok(4));
        assert_eq!(
            number("5", &range, "seconds"),
            Err("write a whole number from 2 to 4 seconds".to_owned())
        );
        for text in ["", "-3", "3.0", "3 s", "99999999999999999999999"] {
            assert!(number(text, &range, "").is_err(), "{text}");
        }
    }

    #[test]
    fn ports_are_lists_and_ranges_with_any_separator() {
        assert_eq!(ports("5060"), Ok("5060".to_owned()));
        assert_eq!(ports("5060,5070"), Ok("5060, 5070".to_owned()));
        assert_eq!(ports("5070; 5060 - 5065 |5066"), Ok("5060-5066, 5070".to_owned()));
        assert_eq!(ports("1-65535,5060"), Ok("1-65535".to_owned()));
        assert_eq!(ports("65535,65534"), Ok("65534-65535".to_owned()));
    }

    #[test]
    fn ports_out_of_range_are_refused() {
        for text in ["0", "65536", "5070-5060", "sip", "5060-", "-5060", "1-2-3", ",", "0-5"] {
            assert!(ports(text).is_err(), "{text}");
        }
    }

    #[test]
    fn ports_know_what_they_contain() {
        let mut ports = Ports(Vec::new());
        ports.extend("5060-5062,5080").unwrap();
        for (port, is_in) in [(5059, false), (5060, true), (5062, true), (5063, false)] {
            assert_eq!(ports.contains(port), is_in, "{port}");
        }
    }

    #[test]
    fn servers_are_names_and_addresses_with_or_without_port() {
        for (text, name, port) in [
            ("cloud.example.net", "cloud.example.net", None),
            ("cloud.example.net:443", "cloud.example.net", Some(443)),
            ("192.0.2.7:60023", "192.0.2.7", Some(60023)),
            ("2001:db8::1", "2001:db8::1", None),
            ("[2001:db8::1]", "2001:db8::1", None),
            ("[2001:db8::1]:60023", "2001:db8::1", Some(60023)),
        ] {
            assert_eq!(server(text), Ok((name.to_owned(), port)), "{text}");
        }
    }

    #[test]
    fn what_is_no_server_is_refused() {
        let long = "a".repeat(254);
        for text in [
            "",
            ":1",
            "a:0",
            "a:65536",
            "a:b",
            "a b",
            "https://a/",
            "[a]:1",
            "[::1",
            "[::1]x",
            &long,
        ] {
            assert!(server(text).is_err(), "{text}");
        }
        assert!(host(&"a".repeat(253)).is_ok());
    }

    #[test]
    fn interface_names_are_those_that_the_kernel_allows() {
        for text in ["eth0", "any", "enp3s0f1np1.100", "br-lan"] {
            assert!(interface(text).is_ok(), "{text}");
        }
        for text in ["", "sixteen_letters_", "a/b", "a:b", "..", "é"] {
            assert!(interface(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_filter_is_what_libpcap_compiles() {
        assert!(filter("udp port 5060 or (vlan and udp)").is_ok());
        let error = filter("udp portt 5060").unwrap_err();
        assert!(error.contains("libpcap does not accept it"), "{error}");
        assert!(filter("udp\0").is_err());
    }
}
