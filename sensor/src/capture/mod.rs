//! Where frames come from: an interface or a capture file.

mod block;
mod buffer;
pub mod clock;
mod fields;
pub mod file;
mod handover;
pub mod hep;
pub mod interface;
pub mod live;
mod merge;
mod others;
mod pcap;
mod pcapng;
pub mod privileges;
pub mod probe;
mod resolution;

use embassy_time::Instant;

pub use handover::Signalling;

// Time stamps are handed on as they are: one tick is one microsecond.
const _: () = assert!(embassy_time::TICK_HZ == 1_000_000);

/// The end of the year 9999. Later time stamps are errors of the file and taken as this, so that
/// a few seconds more never overflow.
pub const LATEST: Instant = Instant::from_micros(253_402_300_799_999_999);

/// One frame as it was captured.
///
/// `at` counts microseconds since the Unix epoch by the clock as it stood when the process
/// started: a clock that is set later does not move it, and a file's time stamps are taken as
/// they are.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// When it was captured.
    pub at: Instant,
    /// Which of the source's interfaces, from 0.
    pub interface: u8,
    /// How `bytes` begin.
    pub link_type: LinkType,
    /// Length on the wire; `bytes` may hold less (snap length).
    pub original_len: u32,
    /// What was captured.
    pub bytes: &'a [u8],
}

/// What a frame begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkType {
    /// IEEE 802.3 (DLT_EN10MB).
    Ethernet,
    /// Linux cooked capture v1 (DLT_LINUX_SLL).
    LinuxSll,
    /// Linux cooked capture v2 (DLT_LINUX_SLL2).
    LinuxSll2,
    /// An IPv4 or IPv6 header (DLT_RAW, DLT_IPV4, DLT_IPV6).
    RawIp,
    /// BSD loopback, address family in the capturing host's byte order (DLT_NULL, DLT_LOOP).
    Null,
    /// One that is not read.
    Other(u16),
}

impl LinkType {
    /// From the number in a capture file, or libpcap's (the two differ for raw IP).
    #[must_use]
    pub const fn from_number(number: u16) -> Self {
        match number {
            1 => Self::Ethernet,
            0 | 108 => Self::Null,
            12 | 14 | 101 | 228 | 229 => Self::RawIp,
            113 => Self::LinuxSll,
            276 => Self::LinuxSll2,
            other => Self::Other(other),
        }
    }
}
