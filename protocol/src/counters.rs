//! Everything a sensor counts, each with the name it has on every page.

use serde::{Deserialize, Serialize};

macro_rules! counters {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:literal),+ $(,)?) => {
        /// One counter. New ones are appended: the number travels.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Counter { $($(#[doc = $doc])+ $variant),+ }

        impl Counter {
            /// Every counter, in the order of their numbers.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// Its name in JSON, API, metrics and GUI.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }

            /// What it counts, one line.
            #[must_use]
            pub const fn help(self) -> &'static str {
                match self { $(Self::$variant => concat!($($doc),+)),+ }
            }
        }
    };
}

counters! {
    /// Frames that came from the capture.
    FramesSeen = "frames_seen",
    /// Bytes of those frames, as on the wire.
    BytesSeen = "bytes_seen",
    /// Frames that the kernel dropped because the capture ring was full.
    KernelDropped = "kernel_dropped",
    /// Frames that the network interface dropped before the kernel saw them.
    InterfaceDropped = "interface_dropped",
    /// Frames other than SIP, media as a rule, shed between capture and analysis.
    RtpShed = "rtp_shed",
    /// SIP frames shed between capture and analysis.
    SipShed = "sip_shed",
    /// Frames of a link type that is not read.
    UnknownLinkType = "unknown_link_type",
    /// Frames that are neither IPv4 nor IPv6.
    NotIp = "not_ip",
    /// IP packets that contradict themselves.
    BadIp = "bad_ip",
    /// IP packets that are neither UDP nor TCP.
    OtherProtocol = "other_protocol",
    /// UDP or TCP headers that contradict themselves.
    BadTransport = "bad_transport",
    /// Frames cut by the capture's snap length.
    Truncated = "truncated",
    /// IP fragments seen.
    Fragments = "fragments",
    /// IP packets whose other fragments never came.
    FragmentsTimedOut = "fragments_timed_out",
    /// Incomplete IP packets let go because the table was full.
    FragmentTableFull = "fragment_table_full",
    /// Fragments that overlap or contradict others.
    FragmentsBad = "fragments_bad",
    /// TCP connections let go because the table was full.
    TcpTableFull = "tcp_table_full",
    /// Gaps in TCP streams that were skipped.
    TcpGaps = "tcp_gaps",
    /// TCP bytes that were no SIP and skipped.
    TcpSkippedBytes = "tcp_skipped_bytes",
    /// SIP messages larger than the reader's limit.
    SipTooLarge = "sip_too_large",
    /// SIP messages read.
    SipMessages = "sip_messages",
    /// Datagrams on a SIP port that are no SIP.
    SipBad = "sip_bad",
    /// Keep-alives on a SIP port.
    SipKeepAlive = "sip_keep_alive",
    /// SDP bodies that could not be read.
    SdpBad = "sdp_bad",
    /// RTP packets that belong to a call.
    RtpPackets = "rtp_packets",
    /// RTP packets that belong to no call.
    RtpUnclaimed = "rtp_unclaimed",
    /// Packets on a media port that are no RTP.
    RtpBad = "rtp_bad",
    /// RTCP packets that belong to a call.
    RtcpPackets = "rtcp_packets",
    /// RTCP packets that contradict themselves.
    RtcpBad = "rtcp_bad",
    /// Calls seen to begin.
    CallsStarted = "calls_started",
    /// Calls that ended and became records.
    CallsEnded = "calls_ended",
    /// Calls over the channel allowance: counted, not tracked.
    CallsOverAllowance = "calls_over_allowance",
    /// Calls turned away because every slot held a call that talks.
    CallsRefused = "calls_refused",
    /// Ended calls that left early to make room.
    EvictedEnded = "evicted_ended",
    /// Unanswered calls that left to make room.
    EvictedUnanswered = "evicted_unanswered",
    /// Answered, idle calls that left to make room.
    EvictedIdle = "evicted_idle",
    /// Streams beyond a call's limit.
    StreamsRefused = "streams_refused",
    /// Ladder events beyond a call's limit.
    SipEventsOmitted = "sip_events_omitted",
    /// Media addresses beyond the table's limit.
    MediaTableFull = "media_table_full",
    /// SIP messages that belong to no call, no registration and no peer relation.
    SipOutsideCalls = "sip_outside_calls",
    /// Records written to the outbox and flushed.
    CdrsStored = "cdrs_stored",
    /// Records that the cloud acknowledged.
    CdrsAcknowledged = "cdrs_acknowledged",
    /// Oldest records let go because the outbox was at its limit.
    CdrsDropped = "cdrs_dropped",
    /// Records rebased after the clock was set.
    CdrsRebased = "cdrs_rebased",
    /// Outbox writes that failed.
    OutboxErrors = "outbox_errors",
    /// SIP messages of calls that had become records already, or were turned away.
    SipLate = "sip_late",
    /// Packets found inside others: GRE, ERSPAN, VXLAN, Geneve, GTP-U, IP in IP.
    Tunnelled = "tunnelled",
    /// Encapsulations (MPLS, PPPoE, GRE, VXLAN and such) that contradict themselves.
    BadEncapsulation = "bad_encapsulation",
    /// Frames nested deeper than is read.
    NestedTooDeep = "nested_too_deep",
    /// HEP messages that carried SIP or RTP.
    HepMessages = "hep_messages",
    /// HEP messages that carried something else: reports, logs, compressed ones.
    HepOther = "hep_other",
    /// HEP messages that contradict themselves or name no addresses.
    HepBad = "hep_bad",
    /// SIP messages of HEP that had come on the wire as well.
    HepCopies = "hep_copies",
    /// WebSocket connections that carry SIP.
    WebSocketConnections = "websocket_connections",
    /// WebSocket messages that are compressed and so not read.
    WebSocketCompressed = "websocket_compressed",
    /// WebSocket frames that contradict themselves, or whose beginning was lost.
    WebSocketBad = "websocket_bad",
    /// Packets that the mirror port sent twice.
    MirroredTwice = "mirrored_twice",
    /// REGISTER requests and their responses.
    RegisterMessages = "register_messages",
    /// Records of registrations made.
    RegistrationRecords = "registration_records",
    /// Registrations not followed because the table was full.
    RegistrationsRefused = "registrations_refused",
    /// Registrations that were never granted and left without a record.
    RegistrationsUntold = "registrations_untold",
    /// Voice quality reports of phones (RFC 6035) that belong to a call.
    QualityReports = "quality_reports",
    /// Voice quality reports that are unreadable, or of a call that is not followed.
    QualityReportsUnclaimed = "quality_reports_unclaimed",
    /// TLS connections begun on a port of SIP (5061, or one of `sipport`): what they carry is not read.
    SipTlsConnections = "sip_tls_connections",
    /// HEP messages received and dropped because analysis lagged behind.
    HepDropped = "hep_dropped",
    /// HEP agents refused because too many were connected.
    HepRefused = "hep_refused",
    /// Calls that a capture rule keeps.
    CallsKept = "calls_kept",
    /// SIP messages that could not be held for rules that match later.
    HeldSipFull = "held_sip_full",
    /// Packets of calls to be kept that the store had no room for.
    KeptPacketsDropped = "kept_packets_dropped",
    /// Bytes of kept packets written.
    StoreBytes = "store_bytes",
    /// Pieces of calls that the store's disk did not take.
    StoreChunksDropped = "store_chunks_dropped",
    /// Operations of the store's disk that failed.
    StoreErrors = "store_errors",
    /// Calls that share a media address with so many others that its packets cannot be told theirs.
    MediaClaimsEvicted = "media_claims_evicted",
    /// Records that the cloud refused or could not read, and that were let go.
    CdrsRefused = "cdrs_refused",
    /// OPTIONS, SUBSCRIBE, NOTIFY, MESSAGE and PUBLISH outside calls, and their responses.
    PeerMessages = "peer_messages",
    /// Records of peer relations made.
    PeerRecords = "peer_records",
    /// Peer relations not followed because the table was full.
    PeersRefused = "peers_refused",
    /// Peer relations of a few requests that left, without a record, to make room.
    PeersUntold = "peers_untold",
    /// Requests outside calls whose answer was not waited for because too many were open.
    PeerRequestsUnfollowed = "peer_requests_unfollowed",
    /// Voice quality reports of a call whose record had just been made.
    QualityReportsLate = "quality_reports_late",
}
