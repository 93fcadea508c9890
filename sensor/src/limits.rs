//! Every capacity of the sensor, once.
//!
//! `docs/ARCHITECTURE.md` has the same figures as a table of memory.

/// Calls held at once: 2000 in progress, and those that linger after their end. When full, the
/// ended leave first, then the unanswered, then those idle longest.
pub const MAX_CALLS: usize = 4096;

/// Streams of one call in its record; further ones are counted.
pub const MAX_STREAMS_PER_CALL: usize = 16;

/// Streams of all calls together.
pub const MAX_STREAMS: usize = 16_384;

/// Media addresses (from SDP) of all calls together.
pub const MAX_MEDIA: usize = 16_384;

/// Ladder events of one call; further ones are counted.
pub const MAX_SIP_EVENTS: usize = 64;

/// Addresses named in one call's record.
pub const MAX_ADDRESSES: usize = 32;

/// Ten-second intervals held for one stream (2 h); a longer stream's are merged pairwise.
pub const MAX_INTERVALS: usize = 720;

/// Blocks of 32 intervals for all streams together, 258 bytes each (4.2 MB, touched as used): 20
/// minutes for each of 4000 streams. When they are used up, long streams merge theirs pairwise.
pub const INTERVAL_BLOCKS: usize = 16_384;

/// Bytes of a SIP message that is read; a larger one is counted and passed over.
pub const MAX_SIP_BYTES: usize = 65_535;

/// Headers of a SIP message that are read.
pub const MAX_HEADERS: usize = 128;

/// IP packets whose fragments are being joined.
pub const MAX_FRAGMENTED: usize = 64;

/// TCP connections that are followed.
pub const MAX_TCP_CONNECTIONS: usize = 1024;

/// Bytes held for one direction of a TCP connection.
pub const MAX_TCP_BUFFER: usize = 65_536;

/// Bytes of a text field (user, host, agent, Call-ID) in a record; the rest is cut.
pub const MAX_TEXT: usize = 255;
