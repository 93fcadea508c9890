//! Where alerts may be sent to.
//!
//! A customer's administrator writes down any host for a webhook, a mail server or a syslog
//! receiver, and it is this machine that connects to it. So only addresses of the public Internet
//! are connected to, besides networks that the operator names (`--alert-network`). The name is
//! looked up here and the address that was judged is the one that is connected to: a name that
//! answers differently the second time gains nothing. No redirect is followed.

use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::net::{SocketAddr, ToSocketAddrs};

use crate::network::Network;

/// Which addresses may be connected to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// Allowed although they are not public.
    pub allowed: Vec<Network>,
}

/// Why a host is not connected to.
#[derive(Debug)]
pub enum ReachError {
    /// It has no address.
    Unknown(String, std::io::Error),
    /// All of its addresses are private.
    Private(String, IpAddr),
}

impl fmt::Display for ReachError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(host, error) => write!(
                f,
                "No address was found for {host} ({error}): check how the name is written."
            ),
            Self::Private(host, address) => write!(
                f,
                "{host} is {address}, which is not a public address: the operator of this service \
                 can allow it (--alert-network)."
            ),
        }
    }
}

impl Reach {
    /// Whether `address` may be connected to.
    #[must_use]
    pub fn allows(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.allowed.iter().any(|network| network.contains(address)) || is_public(address)
    }

    /// The addresses of a host that may be connected to; at least one.
    ///
    /// # Errors
    /// [`ReachError`].
    pub fn resolve(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, ReachError> {
        let unknown = |error| ReachError::Unknown(host.to_owned(), error);
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let found: Vec<_> = (bare, port).to_socket_addrs().map_err(unknown)?.collect();
        let reachable: Vec<_> =
            found.iter().copied().filter(|address| self.allows(address.ip())).collect();
        match (reachable.is_empty(), found.first()) {
            (false, _) => Ok(reachable),
            (true, Some(refused)) => Err(ReachError::Private(host.to_owned(), refused.ip())),
            (true, None) => Err(unknown(std::io::Error::other("no address"))),
        }
    }
}

/// Whether an address is one of the public Internet, by the registries of special addresses (RFC
/// 6890).
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => is_public_v6(v6),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    !(address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_broadcast()
        || address.is_documentation()
        || address.is_multicast()
        || a == 0
        || a >= 240
        // Shared by carriers (RFC 6598), protocol assignments, benchmarks (RFC 2544).
        || (a == 100 && (64..128).contains(&b))
        || (a, b, c) == (192, 0, 0)
        || (a == 198 && (b == 18 || b == 19)))
}

/// Only 2000::/3 is global; within it what carries an IPv4 address is judged by that.
fn is_public_v6(address: Ipv6Addr) -> bool {
    let [a, b, c, d, _, _, g, h] = address.segments();
    let embedded =
        |high: u16, low: u16| is_public_v4(Ipv4Addr::from(u32::from(high) << 16 | u32::from(low)));
    match a {
        // NAT64 (RFC 6052).
        0x64 if (b, c, d) == (0xff9b, 0, 0) => embedded(g, h),
        // 6to4 (RFC 3056).
        0x2002 => embedded(b, c),
        // Protocol assignments, Teredo among them, and documentation.
        0x2001 if b < 0x200 || b == 0xdb8 => false,
        0x2000..=0x3ffe => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_public_addresses_are_reached_unless_the_operator_allows_more() {
        let reach = Reach::default();
        let public =
            ["192.88.99.1", "8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "2002:808:808::1"];
        let private = [
            "127.0.0.1",
            "0.0.0.0",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "192.0.0.8",
            "198.18.0.1",
            "198.51.100.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "fe80::1",
            "fc00::1",
            "fd12::1",
            "ff02::1",
            "2001:db8::1",
            "2001::1",
            "2002:7f00:1::1",
            "64:ff9b::7f00:1",
            "64:ff9b:1::1",
        ];
        let address = |text: &str| text.parse::<IpAddr>().expect("an address");
        for text in public {
            assert!(reach.allows(address(text)), "{text}");
        }
        for text in private {
            assert!(!reach.allows(address(text)), "{text}");
        }
        let allowed = vec![Network::parse("10.1.0.0/16").expect("a network")];
        let reach = Reach { allowed };
        assert!(reach.allows(address("10.1.2.3")) && reach.allows(address("::ffff:10.1.2.3")));
        assert!(!reach.allows(address("10.2.2.3")));
    }

    #[test]
    fn a_name_that_stands_for_this_machine_is_refused_with_what_to_do() {
        for host in ["127.0.0.1", "[::1]", "2130706433", "0x7f.1"] {
            let refused = Reach::default().resolve(host, 25).expect_err("refused");
            let says = refused.to_string();
            assert!(says.contains("--alert-network") || says.contains("No address"), "{says}");
        }
    }
}
