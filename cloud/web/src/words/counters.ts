// What each of a sensor's counters counts (protocol/src/counters.rs); a test compares the two.

export type Group = "Capture" | "Decoding" | "SIP" | "Media" | "Calls" | "Records" | "Store";

interface Counter {
  group: Group;
  means: string;
  /** Above 0 something was lost: shown with a mark. */
  loss?: true;
}

export const GROUPS: readonly Group[] = [
  "Capture",
  "Decoding",
  "SIP",
  "Media",
  "Calls",
  "Records",
  "Store",
];

export const COUNTERS: Record<string, Counter> = {
  frames_seen: { group: "Capture", means: "Frames that came from the capture." },
  bytes_seen: { group: "Capture", means: "Bytes of those frames, as on the wire." },
  kernel_dropped: {
    group: "Capture",
    means: "Frames that the kernel dropped because the capture ring was full.",
    loss: true,
  },
  interface_dropped: {
    group: "Capture",
    means: "Frames that the network interface dropped before the kernel saw them.",
    loss: true,
  },
  rtp_shed: { group: "Capture", means: "Frames other than SIP, media as a rule, shed between capture and analysis.", loss: true },
  sip_shed: { group: "Capture", means: "SIP frames shed between capture and analysis.", loss: true },
  unknown_link_type: { group: "Decoding", means: "Frames of a link type that is not read." },
  not_ip: { group: "Decoding", means: "Frames that are neither IPv4 nor IPv6." },
  bad_ip: { group: "Decoding", means: "IP packets that contradict themselves." },
  other_protocol: { group: "Decoding", means: "IP packets that are neither UDP nor TCP." },
  bad_transport: { group: "Decoding", means: "UDP or TCP headers that contradict themselves." },
  truncated: { group: "Decoding", means: "Frames cut by the capture's snap length." },
  fragments: { group: "Decoding", means: "IP fragments seen." },
  fragments_timed_out: { group: "Decoding", means: "IP packets whose other fragments never came." },
  fragment_table_full: {
    group: "Decoding",
    means: "Incomplete IP packets let go because the table was full.",
    loss: true,
  },
  fragments_bad: { group: "Decoding", means: "Fragments that overlap or contradict others." },
  tcp_table_full: {
    group: "Decoding",
    means: "TCP connections let go because the table was full.",
    loss: true,
  },
  tcp_gaps: { group: "Decoding", means: "Gaps in TCP streams that were skipped." },
  tcp_skipped_bytes: { group: "Decoding", means: "TCP bytes that were no SIP and skipped." },
  sip_too_large: { group: "SIP", means: "SIP messages larger than the reader's limit." },
  sip_messages: { group: "SIP", means: "SIP messages read." },
  sip_bad: { group: "SIP", means: "Datagrams on a SIP port that are no SIP." },
  sip_keep_alive: { group: "SIP", means: "Keep-alives on a SIP port." },
  sdp_bad: { group: "SIP", means: "SDP bodies that could not be read." },
  rtp_packets: { group: "Media", means: "RTP packets that belong to a call." },
  rtp_unclaimed: { group: "Media", means: "RTP packets that belong to no call." },
  rtp_bad: { group: "Media", means: "Packets on a media port that are no RTP." },
  rtcp_packets: { group: "Media", means: "RTCP packets that belong to a call." },
  rtcp_bad: { group: "Media", means: "RTCP packets that contradict themselves." },
  calls_started: { group: "Calls", means: "Calls seen to begin." },
  calls_ended: { group: "Calls", means: "Calls that ended and became records." },
  calls_over_allowance: {
    group: "Calls",
    means: "Calls over the channel allowance: counted, not tracked.",
    loss: true,
  },
  calls_refused: {
    group: "Calls",
    means: "Calls turned away because every slot held a call that talks.",
    loss: true,
  },
  evicted_ended: { group: "Calls", means: "Ended calls that left early to make room." },
  evicted_unanswered: { group: "Calls", means: "Unanswered calls that left to make room.", loss: true },
  evicted_idle: { group: "Calls", means: "Answered, idle calls that left to make room.", loss: true },
  streams_refused: { group: "Calls", means: "Streams beyond a call's limit.", loss: true },
  sip_events_omitted: { group: "Calls", means: "Ladder events beyond a call's limit." },
  media_table_full: { group: "Media", means: "Media addresses beyond the table's limit.", loss: true },
  sip_outside_calls: {
    group: "SIP",
    means: "SIP messages that belong to no call, no registration and no peer relation.",
  },
  cdrs_stored: { group: "Records", means: "Records written to the outbox and flushed." },
  cdrs_acknowledged: { group: "Records", means: "Records that the cloud acknowledged." },
  cdrs_dropped: {
    group: "Records",
    means: "Oldest records let go because the outbox was at its limit.",
    loss: true,
  },
  cdrs_rebased: { group: "Records", means: "Records rebased after the clock was set." },
  outbox_errors: { group: "Records", means: "Outbox writes that failed.", loss: true },
  sip_late: {
    group: "SIP",
    means: "SIP messages of calls that had become records already, or were turned away.",
  },
  tunnelled: {
    group: "Decoding",
    means: "Packets found inside others: GRE, ERSPAN, VXLAN, Geneve, GTP-U, IP in IP.",
  },
  bad_encapsulation: {
    group: "Decoding",
    means: "Encapsulations (MPLS, PPPoE, GRE, VXLAN and such) that contradict themselves.",
  },
  nested_too_deep: { group: "Decoding", means: "Frames nested deeper than is read." },
  hep_messages: { group: "Decoding", means: "HEP messages that carried SIP or RTP." },
  hep_other: {
    group: "Decoding",
    means: "HEP messages that carried something else: reports, logs, compressed ones.",
  },
  hep_bad: {
    group: "Decoding",
    means: "HEP messages that contradict themselves or name no addresses.",
  },
  hep_copies: {
    group: "Decoding",
    means: "SIP messages of HEP that had come on the wire as well.",
  },
  websocket_connections: { group: "SIP", means: "WebSocket connections that carry SIP." },
  websocket_compressed: {
    group: "SIP",
    means: "WebSocket messages that are compressed and so not read.",
    loss: true,
  },
  websocket_bad: {
    group: "SIP",
    means: "WebSocket frames that contradict themselves, or whose beginning was lost.",
  },
  mirrored_twice: { group: "Capture", means: "Packets that the mirror port sent twice." },
  calls_kept: { group: "Store", means: "Calls that a capture rule keeps." },
  held_sip_full: {
    group: "Store",
    means: "SIP messages that could not be held for rules that match later.",
    loss: true,
  },
  kept_packets_dropped: {
    group: "Store",
    means: "Packets of calls to be kept that the store had no room for.",
    loss: true,
  },
  store_bytes: { group: "Store", means: "Bytes of kept packets written." },
  store_chunks_dropped: {
    group: "Store",
    means: "Pieces of calls that the store's disk did not take.",
    loss: true,
  },
  store_errors: {
    group: "Store",
    means: "Operations of the store's disk that failed.",
    loss: true,
  },
  media_claims_evicted: {
    group: "Media",
    means:
      "Calls that share a media address with so many others that its packets cannot be told theirs.",
    loss: true,
  },
  register_messages: { group: "SIP", means: "REGISTER requests and their responses." },
  registration_records: { group: "Records", means: "Records of registrations made." },
  registrations_refused: {
    group: "SIP",
    means: "Registrations not followed because the table was full.",
    loss: true,
  },
  registrations_untold: {
    group: "SIP",
    means: "Registrations that were never granted and left without a record.",
  },
  quality_reports: {
    group: "SIP",
    means: "Voice quality reports of phones (RFC 6035) that belong to a call.",
  },
  sip_tls_connections: {
    group: "SIP",
    means:
      "TLS connections begun on a port of SIP (5061, or one of `sipport`): what they carry is not read.",
    loss: true,
  },
  hep_dropped: {
    group: "Capture",
    means: "HEP messages received and dropped because analysis lagged behind.",
    loss: true,
  },
  hep_refused: {
    group: "Capture",
    means: "HEP agents refused because too many were connected.",
    loss: true,
  },
  cdrs_refused: {
    group: "Records",
    means: "Records that the cloud refused or could not read, and that were let go.",
    loss: true,
  },
  quality_reports_unclaimed: {
    group: "SIP",
    means: "Voice quality reports that are unreadable, or of a call that is not followed.",
  },
  peer_messages: {
    group: "SIP",
    means: "OPTIONS, SUBSCRIBE, NOTIFY, MESSAGE and PUBLISH outside calls, and their responses.",
  },
  peer_records: { group: "Records", means: "Records of peer relations made." },
  peers_refused: {
    group: "SIP",
    means: "Peer relations not followed because the table was full.",
    loss: true,
  },
  peers_untold: {
    group: "SIP",
    means: "Peer relations of a few requests that left, without a record, to make room.",
  },
  peer_requests_unfollowed: {
    group: "SIP",
    means: "Requests outside calls whose answer was not waited for because too many were open.",
    loss: true,
  },
  quality_reports_late: {
    group: "SIP",
    means: "Voice quality reports of a call whose record had just been made: the phone sends them more than half a second after BYE.",
  },
};

const UPPER = new Set(["sip", "sdp", "rtp", "rtcp", "tcp", "ip", "hep"]);

/** A counter's name for people: sip_keep_alive as "SIP keep alive". */
export function counterLabel(name: string): string {
  const text = name
    .split("_")
    .map((word) => (UPPER.has(word) ? word.toUpperCase() : word === "cdrs" ? "CDRs" : word))
    .join(" ");
  return text.charAt(0).toUpperCase() + text.slice(1);
}
