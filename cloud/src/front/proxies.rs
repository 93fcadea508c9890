//! Who asks through a reverse proxy.
//!
//! Anybody can write `X-Forwarded-For`; it counts only on connections of proxies that the operator
//! has named (`--web-proxy`). That a request claims to have been forwarded is noted whoever sent it:
//! it was not made on this machine then, even where the connection was.

use std::net::{IpAddr, SocketAddr};

use crate::network::Network;

/// What a head says about the way of its request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Forwarding {
    /// It has a header that only proxies write.
    pub(super) is_claimed: bool,
    /// `X-Forwarded-For`, each next proxy's addition at the end.
    pub(super) chain: String,
}

/// Headers by which somebody else's address is claimed.
const CLAIMS: [&str; 6] = [
    "forwarded",
    "x-real-ip",
    "x-client-ip",
    "true-client-ip",
    "cf-connecting-ip",
    "x-cluster-client-ip",
];

/// The beginning of more of them.
const CLAIM_PREFIX: &str = "x-forwarded";

impl Forwarding {
    /// Notes a header, its name in lower case.
    pub(super) fn note(&mut self, name: &str, value: &str) {
        // Via claims no address, but only proxies write it (RFC 9110 §7.6.3).
        self.is_claimed |= claims_an_address(name) || name == "via";
        if name == "x-forwarded-for" {
            if !self.chain.is_empty() {
                self.chain.push(',');
            }
            self.chain.push_str(value);
        }
    }
}

/// Whether a header is for proxies to write and for no handler to read.
pub(super) fn claims_an_address(name: &str) -> bool {
    CLAIMS.contains(&name) || name.starts_with(CLAIM_PREFIX)
}

/// Who sent a request, and whether somebody handed it on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sender {
    /// Its port is 0 where a proxy has told the address.
    pub(super) address: SocketAddr,
    pub(super) is_forwarded: bool,
}

/// The sender of a request that came from `peer`.
///
/// Of a named proxy's chain the last address counts that is no named proxy: whatever stands before
/// it was written by that one.
pub(super) fn sender(proxies: &[Network], peer: SocketAddr, forwarding: &Forwarding) -> Sender {
    if !is_proxy(proxies, peer.ip()) {
        return Sender { address: peer, is_forwarded: forwarding.is_claimed };
    }
    let mut address = peer;
    for entry in forwarding.chain.rsplit(',') {
        let Some(ip) = ip(entry.trim()) else { break };
        address = SocketAddr::new(ip, 0);
        if !is_proxy(proxies, ip) {
            break;
        }
    }
    Sender { address, is_forwarded: true }
}

/// Whether a connection from there is a proxy's.
pub(super) fn is_proxy(proxies: &[Network], address: IpAddr) -> bool {
    proxies.iter().any(|network| network.contains(address))
}

/// Some proxies add the port.
fn ip(entry: &str) -> Option<IpAddr> {
    let with_port = || entry.parse::<SocketAddr>().ok().map(|address| address.ip());
    let bare = entry.trim_matches(['[', ']']).parse().ok();
    bare.or_else(with_port).map(|ip: IpAddr| ip.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(peer: &str, headers: &[(&str, &str)]) -> (String, bool) {
        let proxies = ["127.0.0.1", "192.0.2.0/28"].map(|text| Network::parse(text).unwrap());
        let mut forwarding = Forwarding::default();
        for (name, value) in headers {
            forwarding.note(name, value);
        }
        let sender = sender(&proxies, peer.parse().unwrap(), &forwarding);
        (sender.address.to_string(), sender.is_forwarded)
    }

    #[test]
    fn only_named_proxies_tell_who_asks() {
        let chain = "x-forwarded-for";
        for (peer, headers, address, is_forwarded) in [
            ("203.0.113.1:9", &[][..], "203.0.113.1:9", false),
            ("203.0.113.1:9", &[(chain, "198.51.100.1")], "203.0.113.1:9", true),
            ("127.0.0.1:9", &[], "127.0.0.1:9", true),
            ("127.0.0.1:9", &[("x-real-ip", "198.51.100.1")], "127.0.0.1:9", true),
            ("127.0.0.1:9", &[(chain, "198.51.100.1")], "198.51.100.1:0", true),
            ("127.0.0.1:9", &[(chain, "127.0.0.1, 198.51.100.1")], "198.51.100.1:0", true),
            (
                "127.0.0.1:9",
                &[(chain, "10.0.0.1"), (chain, "198.51.100.1")],
                "198.51.100.1:0",
                true,
            ),
            ("127.0.0.1:9", &[(chain, "198.51.100.1, 192.0.2.3")], "198.51.100.1:0", true),
            ("127.0.0.1:9", &[(chain, "192.0.2.2, 192.0.2.3")], "192.0.2.2:0", true),
            ("127.0.0.1:9", &[(chain, "198.51.100.1, unknown")], "127.0.0.1:9", true),
            ("127.0.0.1:9", &[(chain, "unknown, 192.0.2.3")], "192.0.2.3:0", true),
            ("127.0.0.1:9", &[(chain, "[2001:db8::1]:80")], "[2001:db8::1]:0", true),
            ("127.0.0.1:9", &[(chain, "2001:db8::1")], "[2001:db8::1]:0", true),
            ("127.0.0.1:9", &[(chain, "::ffff:198.51.100.1")], "198.51.100.1:0", true),
            ("127.0.0.1:9", &[(chain, "")], "127.0.0.1:9", true),
        ] {
            assert_eq!(sent(peer, headers), (address.to_owned(), is_forwarded), "{headers:?}");
        }
    }

    #[test]
    fn whatever_only_proxies_write_is_noted() {
        for name in ["forwarded", "via", "x-real-ip", "x-forwarded-proto", "x-forwarded-host"] {
            assert!(sent("[::1]:9", &[(name, "")]).1, "{name}");
        }
        assert!(!sent("[::1]:9", &[("host", "x"), ("x-requested-with", "y")]).1);
    }
}
