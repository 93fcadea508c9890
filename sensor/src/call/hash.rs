//! Hashes keyed with a random seed: their inputs come from the wire.

use core::hash::{BuildHasher, Hasher};
use core::net::{IpAddr, SocketAddr};

use foldhash::fast::FixedState;

/// A keyed hash function.
#[derive(Clone, Debug)]
pub struct Keyed(FixedState);

impl Keyed {
    /// With a seed that nobody outside knows, or a fixed one for tests.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(FixedState::with_seed(seed))
    }

    /// Of several byte strings, told apart from their concatenation.
    #[must_use]
    pub fn parts(&self, parts: &[&[u8]]) -> u64 {
        let mut hasher = self.0.build_hasher();
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
        let mut hasher = self.0.build_hasher();
        write_address(&mut hasher, address);
        hasher.finish()
    }

    /// Of one RTP flow.
    #[must_use]
    #[inline]
    pub fn flow(&self, src: SocketAddr, dst: SocketAddr, ssrc: u32) -> u64 {
        let mut hasher = self.0.build_hasher();
        match (src.ip(), dst.ip()) {
            (IpAddr::V4(src_ip), IpAddr::V4(dst_ip)) => {
                let ips = u64::from(src_ip.to_bits()) << 32 | u64::from(dst_ip.to_bits());
                let ports = u64::from(src.port()) << 16 | u64::from(dst.port());
                hasher.write_u64(ips);
                hasher.write_u64(ports << 32 | u64::from(ssrc));
            }
            _ => {
                write_address(&mut hasher, src);
                write_address(&mut hasher, dst);
                hasher.write_u32(ssrc);
            }
        }
        hasher.finish()
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
