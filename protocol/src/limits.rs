//! How much a sensor says, at most: every bound of a record and of a heartbeat, once.
//!
//! The sensor's own tables are made to these sizes (its `limits.rs` refers here), and the cloud
//! keeps nothing that is larger ([`crate::plausible`]). A limit may only grow together with
//! [`crate::PROTOCOL_VERSION`]: a cloud drops the records of a sensor whose limits are higher.

use crate::rule::MAX_WORD;

/// Bytes of a text as it is captured (user, host, agent, Call-ID and such); the rest is cut.
pub const MAX_CAPTURED_TEXT: usize = 255;

/// Bytes of such a text in a record: each byte that is no UTF-8 has become U+FFFD, which has three.
pub const MAX_TEXT: usize = 3 * MAX_CAPTURED_TEXT;

/// Streams of one call; further ones are counted.
pub const MAX_STREAMS: usize = 16;

/// Streams of one call with a CNAME, and those with VoIP metrics.
pub const MAX_REPORTED_STREAMS: usize = 4;

/// Intervals of one stream that are over; when there are so many they are merged pairwise.
pub const MAX_CLOSED_INTERVALS: usize = 720;

/// Intervals of one stream in its record: those, and the one that its end has cut short.
pub const MAX_INTERVALS: usize = MAX_CLOSED_INTERVALS + 1;

/// Bytes of an encoding's name; the rest is cut.
pub const MAX_ENCODING_NAME: usize = 23;

/// Arrows of one call's ladder; further ones are counted.
pub const MAX_SIP_EVENTS: usize = 64;

/// Addresses that one call names.
pub const MAX_ADDRESSES: usize = 32;

/// DTMF digits of one call, a byte each; further ones are not recorded.
pub const MAX_DTMF: usize = 64;

/// Voice quality reports of one call; the newest takes the last one's place.
pub const MAX_QUALITY_REPORTS: usize = 4;

/// Changes of state of one peer relation in its record; further ones are counted.
pub const MAX_PEER_CHANGES: usize = 4;

/// Bytes of the name of the capture rule that keeps a call.
pub const MAX_RULE_NAME: usize = MAX_WORD;

/// Bytes of one record in postcard: with everything above at its limit it has some 170,000.
pub const MAX_RECORD_BYTES: usize = 192 << 10;

/// Interfaces that a sensor captures from.
pub const MAX_INTERFACES: usize = 16;

/// Bytes of an interface's name in a heartbeat.
pub const MAX_INTERFACE_NAME: usize = 64;

/// Bytes of a display name in a heartbeat; the rest is cut.
pub const MAX_LIVE_DISPLAY: usize = 96;

/// Bytes of a version in a heartbeat.
pub const MAX_VERSION_TEXT: usize = 64;

/// Bytes of a sentence in a heartbeat: why an interface does not capture, why an upgrade failed.
pub const MAX_SENTENCE: usize = 1024;

/// Bytes of the authority of a sensor's own page: a host's name, a colon, a port.
pub const MAX_AUTHORITY: usize = 253 + 1 + 5;
