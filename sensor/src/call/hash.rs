//! Hashes keyed with a random seed: their inputs come from the wire.
//!
//! SipHash-1-3, as std's maps use it: whoever does not know the key finds no inputs that collide.
//! The faster hashes that multiply and fold (foldhash, ahash) promise less: inputs that turn a
//! product to zero collide under every seed.

use core::hash::{BuildHasher, Hasher};
use core::net::{IpAddr, SocketAddr};

use siphasher::sip::SipHasher13;

/// A keyed hash function.
#[derive(Clone, Debug)]
pub struct Keyed(SipHasher13);

impl Keyed {
    /// With a seed that nobody outside knows, or a fixed one for tests.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(SipHasher13::new_with_keys(seed, !seed))
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
        let mut hasher = self.build_hasher();
        write_address(&mut hasher, address);
        hasher.finish()
    }

    /// Of one RTP flow.
    #[must_use]
    #[inline]
    pub fn flow(&self, src: SocketAddr, dst: SocketAddr, ssrc: u32) -> u64 {
        match (src.ip(), dst.ip()) {
            (IpAddr::V4(src_ip), IpAddr::V4(dst_ip)) => {
                let ips = u64::from(src_ip.to_bits()) << 32 | u64::from(dst_ip.to_bits());
                let ports = u64::from(src.port()) << 16 | u64::from(dst.port());
                let rest = ports << 32 | u64::from(ssrc);
                // One write: this is done for each packet.
                let mut bytes = [0; 16];
                bytes[..8].copy_from_slice(&ips.to_le_bytes());
                bytes[8..].copy_from_slice(&rest.to_le_bytes());
                self.0.hash(&bytes)
            }
            _ => {
                let mut hasher = self.build_hasher();
                write_address(&mut hasher, src);
                write_address(&mut hasher, dst);
                hasher.write_u32(ssrc);
                hasher.finish()
            }
        }
    }
}

impl BuildHasher for Keyed {
    type Hasher = SipHasher13;

    #[inline]
    fn build_hasher(&self) -> SipHasher13 {
        self.0
    }
}

#[inline]
fn write_address(hasher: &mut impl Hasher, address: SocketAddr) {
    match address.ip() {
        IpAddr::V4(ip) => {
            hasher.write_u64(u64::from(ip.to_bits()) << 16 | u64::from(address.port()))
        }
        IpAddr::V6(ip) => {
            hasher.write_u128(ip.to_bits());
            hasher.write_u16(address.port());
        }
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
}
