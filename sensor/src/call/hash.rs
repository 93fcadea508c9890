//! Hashes keyed with a random seed: their inputs come from the wire.
//!
//! Text of any length goes through SipHash-1-3, as std's maps use it: whoever does not know the key
//! finds no inputs that collide. The faster hashes that multiply and fold (foldhash, ahash) promise
//! less: inputs that turn a product to zero collide under every seed.
//!
//! Addresses and flows have a fixed length and are hashed for each packet, so that a hash which is
//! proven for those alone serves: the multilinear one (Carter and Wegman 1979; Lemire and Kaser,
//! "Strongly universal string hashing is fast", 2014). Any two of them collide for one key in 2³²,
//! whatever they are; nothing that the sensor sends says which ones did.

use core::hash::{BuildHasher, Hasher};
use core::net::{IpAddr, Ipv4Addr, SocketAddr};

use siphasher::sip::SipHasher13;

/// Words of 32 bits in the longest fixed input: two IPv6 addresses, two ports, an SSRC.
const WORDS: usize = 10;

/// A keyed hash function.
#[derive(Clone, Debug)]
pub struct Keyed {
    sip: SipHasher13,
    words: [u64; WORDS + 1],
}

impl Keyed {
    /// With a seed that nobody outside knows, or a fixed one for tests.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let sip = SipHasher13::new_with_keys(seed, !seed);
        let words = core::array::from_fn(|word| sip.hash(&word.to_le_bytes()));
        Self { sip, words }
    }

    /// Of several byte strings, told apart from their concatenation.
    #[must_use]
    pub fn parts(&self, parts: &[&[u8]]) -> u64 {
        let mut hasher = self.build_hasher();
        for part in parts {
            hasher.write_usize(part.len());
            hasher.write(part);
        }
        hasher.finish()
    }

    /// Of an address and port.
    #[must_use]
    #[inline]
    pub fn address(&self, address: SocketAddr) -> u64 {
        let port = u32::from(address.port());
        match address.ip() {
            IpAddr::V4(ip) => self.multilinear([ip.to_bits(), port]),
            IpAddr::V6(ip) => {
                let [a, b, c, d] = quarters(ip.to_bits());
                self.multilinear([a, b, c, d, port])
            }
        }
    }

    /// Of one RTP flow.
    #[must_use]
    #[inline]
    pub fn flow(&self, src: SocketAddr, dst: SocketAddr, ssrc: u32) -> u64 {
        let ports = u32::from(src.port()) << 16 | u32::from(dst.port());
        match (src.ip(), dst.ip()) {
            (IpAddr::V4(src), IpAddr::V4(dst)) => self.flow_v4(src, dst, ports, ssrc),
            (src, dst) => {
                let [a, b, c, d] = quarters(as_v6(src));
                let [e, f, g, h] = quarters(as_v6(dst));
                self.multilinear([a, b, c, d, e, f, g, h, ports, ssrc])
            }
        }
    }

    /// The same over IPv4; `ports` is the source port above the destination port.
    #[must_use]
    #[inline]
    pub fn flow_v4(&self, src: Ipv4Addr, dst: Ipv4Addr, ports: u32, ssrc: u32) -> u64 {
        self.multilinear([src.to_bits(), dst.to_bits(), ports, ssrc])
    }

    /// The upper half of `N·k₀ + Σ kᵢ₊₁·wᵢ` modulo 2⁶⁴, spread over 64 bits. The length `N` keeps
    /// inputs of two lengths apart.
    #[inline]
    fn multilinear<const N: usize>(&self, words: [u32; N]) -> u64 {
        const { assert!(N <= WORDS, "a key for each word") };
        let mut sum = self.words[0].wrapping_mul(N as u64);
        for (key, word) in self.words[1..].iter().zip(words) {
            sum = sum.wrapping_add(key.wrapping_mul(u64::from(word)));
        }
        // One to one: no new collisions, but neighbours no longer stand side by side in a table.
        (sum >> 32).wrapping_mul(0x9e37_79b9_7f4a_7c15).swap_bytes()
    }
}

/// An IPv6 address, or the IPv4-mapped one.
fn as_v6(ip: IpAddr) -> u128 {
    match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped().to_bits(),
        IpAddr::V6(ip) => ip.to_bits(),
    }
}

#[expect(clippy::cast_possible_truncation, reason = "its four quarters")]
const fn quarters(ip: u128) -> [u32; 4] {
    [(ip >> 96) as u32, (ip >> 64) as u32, (ip >> 32) as u32, ip as u32]
}

impl BuildHasher for Keyed {
    type Hasher = SipHasher13;

    #[inline]
    fn build_hasher(&self) -> SipHasher13 {
        self.sip
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn call_ids_that_turn_a_folded_product_to_zero_do_not_collide() {
        // One of foldhash's constants: what is multiplied by it xor itself is lost.
        let constant = 0xbe54_66cf_34e9_0c6c_u64.to_ne_bytes();
        for seed in [1, 0xdead_beef] {
            let keyed = Keyed::new(seed);
            let hash = |number: u32| {
                let call_id = [format!("{number:08x}").as_bytes(), &constant].concat();
                keyed.parts(&[&call_id])
            };
            assert_eq!((0..4000).map(hash).collect::<HashSet<_>>().len(), 4000);
        }
    }

    /// Whoever picks addresses finds neighbours first: they collide no more than any others, and
    /// fill a table evenly.
    #[test]
    fn neighbouring_flows_spread() {
        const FLOWS: usize = 1 << 14;
        for (seed, v6) in [(1, false), (0xdead_beef, false), (2, true)] {
            let keyed = Keyed::new(seed);
            let ip = |last: u8| match v6 {
                false => IpAddr::from([192, 0, 2, last]),
                true => IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, u16::from(last)]),
            };
            let flow = |number: usize| {
                let port = u16::try_from(2 * number % (1 << 14)).unwrap();
                let last = u8::try_from(number / (1 << 13)).unwrap();
                keyed.flow((ip(last), port).into(), (ip(9), 4000).into(), 7)
            };
            let hashes: HashSet<u64> = (0..FLOWS).map(flow).collect();
            assert_eq!(hashes.len(), FLOWS);
            let mut load = vec![0_u32; FLOWS];
            for hash in hashes {
                load[usize::try_from(hash).unwrap() % FLOWS] += 1;
            }
            assert!(load.iter().max() < Some(&16), "{:?} in one place", load.iter().max());
        }
    }

    #[test]
    fn the_same_words_of_another_length_are_another_input() {
        let keyed = Keyed::new(3);
        let v4: SocketAddr = "0.0.0.1:2".parse().unwrap();
        let v6: SocketAddr = "[0:1:0:2::]:0".parse().unwrap();
        assert_ne!(keyed.address(v4), keyed.address(v6));
    }
}
