//! Every capacity of the sensor, once.
//!
//! `docs/ARCHITECTURE.md` has the same figures as a table of memory. What a record or a heartbeat
//! can hold is [`ringside_protocol::limits`]' to say: the cloud keeps nothing that is larger.

use ringside_protocol::limits;

/// How many times larger the tables of calls are than 2000 at once need: 7 with the feature
/// `large-tables`, which is for 20,000 calls at once with two streams each.
const SCALE: usize = if cfg!(feature = "large-tables") { 7 } else { 1 };

/// Slots are numbered with 16 bits, and one number means none.
const MOST_SLOTS: usize = 65_535;

const fn at_most(slots: usize, most: usize) -> usize {
    if slots < most { slots } else { most }
}

/// Calls held at once: 2000 in progress, those that linger half a second after their end, and
/// those that were challenged and may be tried again. When full, the ended leave first, then the
/// unanswered, then those idle longest.
pub const MAX_CALLS: usize = 3072 * SCALE;

/// Call-IDs remembered after their record was made, so that a late repetition of a message begins
/// no second call: 30-second calls at 2000 concurrent end 67 times a second, for 32 s. The oldest
/// leave first.
pub const MAX_TOMBSTONES: usize = 4096 * SCALE;

/// Streams of one call in its record; further ones are counted.
pub const MAX_STREAMS_PER_CALL: usize = limits::MAX_STREAMS;

/// Streams of one call whose CNAME and VoIP metrics are kept.
pub const MAX_REPORTED_STREAMS: usize = limits::MAX_REPORTED_STREAMS;

/// Streams that no session description has named yet; of those silent for two seconds the one silent
/// longest leaves, and while none is, further ones are not followed.
pub const MAX_STRAYS: usize = 128;

/// First packets of flows that nobody claimed (64 bytes each); a newer one takes its place.
pub const MAX_STRAY_PACKETS: usize = 1024;

/// Streams of all calls together; when full, one of a single packet leaves that is silent.
pub const MAX_STREAMS: usize = at_most(16_384 * SCALE, MOST_SLOTS);

/// Media addresses (from SDP) of all calls together; when full, the oldest unanswered call gives up
/// its own.
pub const MAX_MEDIA: usize = at_most(16_384 * SCALE, MOST_SLOTS);

/// Media addresses of one call (offers, answers, and their changes at every hop); further ones
/// are counted.
pub const MAX_MEDIA_PER_CALL: usize = 24;

/// Calls that claim one media address (the legs of a call through a B2BUA that leaves media
/// alone); the oldest claim of an unanswered call leaves first, then the oldest.
pub const MAX_CLAIMS: usize = 8;

/// Payload types described for one side of a call; further ones keep their static meaning.
pub const MAX_PAYLOAD_TYPES: usize = 24;

/// INVITE transactions (hops and branches) of one attempt; further ones do not delay its end.
pub const MAX_TRANSACTIONS: usize = 8;

/// Dialogs that one INVITE opened (RFC 3261 §12: one for each To tag).
pub const MAX_DIALOGS: usize = 8;

/// DTMF digits of one call; further ones are not recorded.
pub const MAX_DTMF: usize = limits::MAX_DTMF;

/// Ladder events of one call; further ones are counted.
pub const MAX_SIP_EVENTS: usize = limits::MAX_SIP_EVENTS;

/// Addresses named in one call's record.
pub const MAX_ADDRESSES: usize = limits::MAX_ADDRESSES;

/// Ten-second intervals held for one stream (2 h); a longer stream's are merged pairwise.
pub const MAX_INTERVALS: usize = limits::MAX_CLOSED_INTERVALS;

/// Blocks of 32 intervals for all streams together, 258 bytes each (4.2 MB, touched as used): 20
/// minutes for each of 4000 streams. When they are used up, long streams merge theirs pairwise.
pub const INTERVAL_BLOCKS: usize = at_most(16_384 * SCALE, MOST_SLOTS - 1);

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

/// Buffers for TCP streams that hold part of a message: 16 MiB, touched only where used. When all
/// are in use, the connection that was idle longest gives up its own.
pub const MAX_TCP_BUFFERS: usize = 256;

/// Pieces of one direction of a TCP connection that wait behind a gap.
pub const MAX_TCP_PIECES: usize = 16;

/// VLAN tags of one frame.
pub const MAX_VLAN_TAGS: usize = 4;

/// Link headers of one frame or inner frame that follow each other: tag stacks, label stacks,
/// PPPoE, Ethernet over MPLS. Deeper ones are counted and not read.
pub const MAX_LINK_HEADERS: usize = 8;

/// Labels of one MPLS stack; a higher stack is counted and not read.
pub const MAX_MPLS_LABELS: usize = 8;

/// Packets inside packets (GRE, ERSPAN, VXLAN, Geneve, GTP-U, IP in IP) of one frame; deeper ones
/// are counted and not read.
pub const MAX_TUNNELS: usize = 4;

/// Extension headers of one GTP-U packet.
pub const MAX_GTP_EXTENSIONS: usize = 8;

/// Chunks of one HEP3 message that are looked at.
pub const MAX_HEP_CHUNKS: usize = 64;

/// SIP messages remembered so that one that comes on the wire and in HEP too is taken once.
pub const MAX_HEP_COPIES: usize = 256;

/// Frames of one WebSocket message; a message of more is counted and passed over.
pub const MAX_WEBSOCKET_FRAMES: usize = 64;

/// Packets remembered to tell those that a mirror port sends twice (64 KiB, only when that is
/// looked for): 10 ms at 400,000 packets a second.
pub const MAX_MIRRORED: usize = 4096;

/// IPv6 extension headers of one packet.
pub const MAX_IPV6_EXTENSIONS: usize = 8;

/// Bytes of one captured frame, libpcap's own limit.
pub const MAX_FRAME_BYTES: usize = 262_144;

/// Bytes of one block of a pcapng file that is read; blocks that are passed over may be larger.
pub const MAX_FILE_BLOCK: usize = 524_288;

/// Bytes read from a capture file at once.
pub const FILE_BUFFER_BYTES: usize = 1_048_576;

/// Interfaces of one section of a pcapng file.
pub const MAX_FILE_INTERFACES: usize = 1024;

/// Interfaces that are captured from at once; each has a ring and blocks of its own.
pub const MAX_INTERFACES: usize = limits::MAX_INTERFACES;

/// Bytes of one block of frames on its way from capture to analysis: the largest frame and a bit.
pub const CAPTURE_BLOCK_BYTES: usize = 278_528;

/// Blocks of one interface (8.5 MiB, touched as used): at 46 MB/s a fifth of a second. When all
/// are on their way, frames are dropped and counted, RTP before SIP.
pub const CAPTURE_BLOCKS: usize = 32;

/// Of those, blocks that only SIP may use.
pub const CAPTURE_BLOCKS_FOR_SIP: usize = 4;

/// Calls whose packets are followed for capture rules: as many as there can be, and those whose
/// records are being made.
pub const MAX_TRACKS: usize = 4096 * SCALE;

/// Bytes of SIP that is held for rules which match late (a header of the 200, a REFER): 8 MiB. The
/// last quarter is for the first messages of calls. What finds no room is counted.
pub const HELD_SIP_BYTES: usize = (8 << 20) * at_most(SCALE, 3);
/// Registrations followed at once, by registrar, address-of-record and contact address (3.8 MiB,
/// touched as used). When full, one that never was granted leaves; those that were stay, and a new
/// one is counted and not followed.
pub const MAX_REGISTRATIONS: usize = 4096;

/// Bytes of all texts that one registration's REGISTER gives (address-of-record, registrar,
/// contact, agent, Call-ID); what comes after that is left empty.
pub const MAX_REGISTRATION_TEXT: usize = 448;

/// Bytes of the texts of its responses (reason phrase, registrar's agent).
pub const MAX_REGISTRATION_REPLY_TEXT: usize = 128;

/// Records of registrations that were never granted, at once; after that one a second. Somebody
/// who tries accounts by the thousand fills neither outbox nor uplink.
pub const MAX_UNGRANTED_RECORDS: u32 = 256;

/// Peer relations followed at once: who asks whom for what, outside calls (2.5 MiB, touched as used).
/// When full, one of a few requests leaves; those that go on stay, and a new one is counted and not
/// followed.
pub const MAX_PEERS: usize = 4096;

/// Requests outside calls whose answers are awaited, or came within the last 32 s: 128 a second.
/// When full, one that is answered leaves, or one of a relation that may leave; else a new one is
/// counted and not followed.
pub const MAX_PEER_REQUESTS: usize = 4096;

/// Bytes of the texts that one relation's requests give (event package or users, agent); what comes
/// after that is left empty.
pub const MAX_PEER_TEXT: usize = 128;

/// Bytes of the texts of its responses (reason phrase, agent, event packages that are offered).
pub const MAX_PEER_REPLY_TEXT: usize = 128;

/// First records of relations that have not gone on for a while, at once; after that one a second.
/// Somebody who asks from, or at, addresses by the thousand fills neither outbox nor uplink.
pub const MAX_UNSETTLED_RECORDS: u32 = 256;

/// Lines of a phone's voice quality report that are read (RFC 6035 has about 40).
pub const MAX_VQ_LINES: usize = 128;

/// Voice quality reports of one call in its record; when full, the newest takes the last one's place.
pub const MAX_QUALITY_REPORTS: usize = limits::MAX_QUALITY_REPORTS;

/// INVITEs remembered to find the legs of one call by number and time (16 KiB): 4 s at 64 new calls
/// a second. The oldest leaves.
pub const MAX_RECENT_INVITES: usize = 256;

/// HEP messages that wait for analysis, and their bytes together; what comes beyond that is dropped
/// and counted.
pub const MAX_HEP_QUEUE: usize = 4096;
/// See [`MAX_HEP_QUEUE`].
pub const MAX_HEP_QUEUE_BYTES: usize = 4 << 20;

/// Agents connected to the HEP listener over TCP; each has a thread and 64 KiB. Further ones are
/// refused and counted.
pub const MAX_HEP_CONNECTIONS: usize = 32;

/// Bytes of a text field (user, host, agent, Call-ID) in a record; the rest is cut.
pub const MAX_TEXT: usize = limits::MAX_CAPTURED_TEXT;

/// Bytes of all text fields of one call; what comes after that is left empty.
pub const MAX_CALL_TEXT: usize = 1024;
