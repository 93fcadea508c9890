// What the API answers. A thing that did not happen, or is not known, is null.

import type { Band } from "./quality.js";

export type Severity = "ok" | "info" | "warning" | "problem";

export interface Finding {
  severity: Severity;
  sentence: string;
  evidence: string[];
}

/** What a person may have of calls, and do to sensors. */
/** "masked" is a restriction: numbers lose their last digits. */
export type Right = "packets" | "audio" | "live" | "upgrades" | "share" | "masked";

export interface Me {
  user: { login: string; role: string; rights: Right[] };
  customer: { name: string };
  csrf: string;
  limits?: { channels: number; retention_days: number };
}

export interface Party {
  user: string;
  host: string;
  display: string | null;
}

export type EndedBy = "caller" | "callee" | "cancelled" | "rejected" | "timeout" | "capture_end";
export type MosScale = "nb" | "wb" | "fb";

export interface SensorRef {
  id: string;
  name: string | null;
  id_sensor: number | null;
}

/** A call as a list shows it. */
export interface CallSummary {
  id: string;
  call_id: string;
  caller: Party;
  callee: Party;
  request_uri: string | null;
  src: string | null;
  dst: string | null;
  first_at: string;
  start_at: string | null;
  ringing_at: string | null;
  answered_at: string | null;
  ended_at: string;
  session_request_delay_ms: number | null;
  setup_ms: number | null;
  duration_ms: number | null;
  status_code: number | null;
  reason_phrase: string | null;
  q850_cause: number | null;
  ended_by: EndedBy;
  caller_agent: string | null;
  callee_agent: string | null;
  dtmf: string | null;
  flags: string[];
  vlan: number | null;
  retransmissions: number;
  /** What it shares with its other legs, and what told so. */
  legs?: { key: string; source: string } | null;
  /** How good it was; null where nothing can be said. */
  band: Exclude<Band, "none"> | null;
  mos: number | null;
  r: number | null;
  mos_fixed_50: number | null;
  mos_fixed_200: number | null;
  mos_scale: MosScale | null;
  /** ITU-T published no Ie and Bpl for the codec, or a part only. */
  mos_estimated: boolean;
  mos_reason: string | null;
  /** The sensor itself missed packets: the scores are no judgement. */
  mos_unreliable: boolean;
  sip_dscp: (number | null)[];
  sensor: SensorRef | null;
  verdict: { severity: Severity; sentence: string };
  /** In lists with one row a call: its other records. */
  views?: { id: string; sensor: SensorRef; is_other_leg: boolean }[];
}

export interface SipEvent {
  at: string;
  src: string | null;
  dst: string | null;
  cseq: string;
  method?: string;
  status_code?: number;
}

export interface Rtcp {
  reports: number;
  fraction_lost: number;
  cumulative_lost: number;
  interarrival_jitter: number;
  interarrival_jitter_ms: number | null;
  round_trip_ms: number | null;
}

/** How loud a stream of G.711 is. */
export interface Level {
  active_percent: number;
  speech_dbm0: number | null;
  clipped_packets: number;
}

/** What the receiver measured (RFC 3611 §4.7), as far as it is shown. */
export interface VoipMetrics {
  reports: number;
  loss_rate: number;
  discard_rate: number;
  round_trip_delay_ms: number | null;
  r_factor: number | null;
  mos_lq: number | null;
  mos_cq: number | null;
  jb_nominal_ms: number;
}

/** Ten seconds of a stream. */
export interface Interval {
  at_s: number;
  packets: number;
  lost: number;
  jitter_ms: number | null;
  mos: number | null;
}

export interface Stream {
  src: string | null;
  dst: string | null;
  ssrc: number;
  payload_type: number;
  encoding_name: string | null;
  clock_rate: number | null;
  ptime_ms: number | null;
  dscp: number;
  dscp_change: { from: number; to: number; after_ms: number } | null;
  direction: "caller_to_callee" | "callee_to_caller" | "unknown";
  first_at: string;
  last_at: string;
  packets: number;
  bytes: number;
  expected: number;
  lost: number;
  duplicates: number;
  reordered: number;
  capture_lost: number | null;
  jitter_mean_ms: number | null;
  jitter_max_ms: number | null;
  delta_max_ms: number | null;
  burst_r: number | null;
  mos: number | null;
  r: number | null;
  mos_fixed_50: number | null;
  mos_fixed_200: number | null;
  mos_scale: MosScale | null;
  /** ITU-T published no Ie and Bpl for the codec, or a part only. */
  mos_estimated: boolean;
  mos_reason: string | null;
  discarded: number | null;
  discarded_fixed_50: number | null;
  discarded_fixed_200: number | null;
  rtcp: Rtcp | null;
  network_lost: number;
  delta_mean_ms: number | null;
  observed: string[];
  level: Level | null;
  drift_ppm: number | null;
  described: string | null;
  preferred: string | null;
  cname: string | null;
  voip_metrics: VoipMetrics | null;
  intervals: Interval[];
}

/** A search of the list of calls, kept under a name. */
export interface SavedSearch {
  id: string;
  /** Kept for everybody. */
  is_common: boolean;
  name: string;
  /** The part of the address after the ?. */
  query: string;
  created_by: string;
  created_at: string;
}

/** A link that shows one call to whoever has it. */
export interface Share {
  id: string;
  created_by: string;
  created_at: string;
  expires_at: string;
  is_masked: boolean;
  opened: number;
  opened_at: string | null;
}

export interface NewShare extends Share {
  secret: string;
  page: string;
}

export interface SharedCall {
  call: Call;
  shared_by: string;
  expires_at: string;
  is_masked: boolean;
}

/** A call with everything that is known about it. */
export interface Call extends Omit<CallSummary, "verdict"> {
  verdict?: { severity: Severity; sentence: string };
  sip: SipEvent[];
  sip_omitted: number;
  streams: Stream[];
  streams_omitted: number;
  /** The other legs of the same call. */
  other_legs?: CallSummary[];
  /** What its phones reported (RFC 6035). */
  quality_reports?: QualityReport[];
  findings: Finding[];
  /** What a capture rule has kept of it. */
  stored?: Stored | null;
}

/** What a capture rule has kept of a call, on its sensor. */
export interface Stored {
  rule_id: number;
  rule: string;
  packets: number;
  bytes: number;
  first_at: string;
  last_at: string;
  dropped: number;
}

/** What whoever asks may have of a call. */
export interface DirectPage {
  /** host:port */
  address: string;
  /** SHA-256, as browsers show it. */
  certificate: string;
}

/** How packets and sound may be had. */
export interface Terms {
  asks_reason: boolean;
  relay: boolean;
  direct: boolean;
  live: boolean;
  recent_minutes: number;
  /** What whoever is logged in may have. */
  rights: ("packets" | "audio" | "live")[];
}

export interface Captures {
  rights: ("packets" | "audio" | "live")[];
  asks_reason: boolean;
  ways: ("relay" | "direct")[];
  /** The sensor's own page, where it has one and the customer allows it. */
  direct: DirectPage | null;
  /** A call that no rule has kept. */
  keep: {
    state: "none" | "asked" | "kept" | "gone";
    who: string | null;
    packets: number | null;
    bytes: number | null;
    /** Until when its sensor holds it; null: it does not. */
    until: string | null;
  };
  sensor: { device: string; name: string; state: SensorState; last_seen_at: string | null } | null;
  transfers: {
    transfer: string;
    who: string;
    action: string;
    made_at: string;
    state: "queued" | "told" | "begun" | "refused" | "done" | "broken";
    ahead: number;
    bytes: number;
  }[];
}

/** A phone's own report about the stream that it received. */
export interface QualityReport {
  at: string;
  direction: Stream["direction"];
  kind: "session" | "interval" | "alert";
  mos_lq: number | null;
  mos_cq: number | null;
  loss_percent: number | null;
  discard_percent: number | null;
  jitter_ms: number | null;
  round_trip_ms: number | null;
}

export interface CallPage {
  calls: CallSummary[];
  next: string | null;
  /** Records on this page, which may be more than its rows. */
  records?: number;
  /** The search ended at a limit before it had looked at everything; `next` goes on from there. */
  partial?: boolean;
}

export type RegistrationState = "registered" | "failing" | "expired" | "unregistered";

/** What has become of a registration when the record was made. */
export interface Registration {
  id: string;
  state: RegistrationState;
  state_seconds: number;
  cause: string;
  at: string;
  last_attempt_at: string;
  aor: Party;
  registrar: string;
  contact: string;
  user_agent: string | null;
  registrar_agent: string | null;
  call_id: string;
  transport: string;
  src: string;
  dst: string;
  vlan: number | null;
  expires_asked_s: number | null;
  expires_granted_s: number | null;
  expires_at: string | null;
  min_expires_s: number | null;
  granted_seconds_ago: number | null;
  status_code: number | null;
  reason_phrase: string | null;
  is_challenged: boolean;
  has_credentials: boolean;
  is_wrong_password: boolean;
  round_trip_ms: number | null;
  round_trip_max_ms: number | null;
  granted: number;
  failures: number;
  failures_in_a_row: number;
  retransmissions: number;
  flags: string[];
  sensor: SensorRef | null;
  verdict: { severity: Severity; sentence: string };
  /** Of one record only, not in lists. */
  findings?: Finding[];
}

export interface RegistrationPage {
  registrations: Registration[];
  next: string | null;
  partial?: boolean;
  /** When the newest record of all was made, whatever the filter. */
  newest: string | null;
}

export type PeerState = "answering" | "refusing" | "silent";

/** What one address asks of another outside calls, and what becomes of it. */
export interface Peer {
  id: string;
  method: string;
  event: string | null;
  from: string | null;
  to: string | null;
  state: PeerState;
  state_at: string;
  cause: string;
  at: string;
  first_at: string;
  last_at: string;
  answered_at: string | null;
  src: string;
  dst: string;
  transport: string;
  vlan: number | null;
  user_agent: string | null;
  peer_agent: string | null;
  requests: number;
  answered: number;
  unanswered: number;
  unanswered_in_a_row: number;
  retransmissions: number;
  answers: Record<string, number>;
  status_code: number | null;
  reason_phrase: string | null;
  has_credentials: boolean;
  allow_events: string | null;
  round_trip_min_ms: number | null;
  round_trip_mean_ms: number | null;
  round_trip_max_ms: number | null;
  changes: { at: string; state: PeerState }[];
  changes_omitted: number;
  flags: string[];
  sensor: SensorRef | null;
  verdict: { severity: Severity; sentence: string };
  /** Of one record only, not in lists. */
  findings?: Finding[];
}

export interface PeerPage {
  peers: Peer[];
  next: string | null;
  partial?: boolean;
  /** When the newest record of all was made, whatever the filter. */
  newest: string | null;
}

export interface Hour {
  at: string;
  calls: number;
  answered: number;
  mos_mean: number | null;
}

export interface Stats {
  channels: { now: number | null; limit: number };
  calls: number;
  answered: number;
  /** Answer-seizure ratio; null where there was no call. */
  asr: number | null;
  acd_seconds: number | null;
  /** Calls; "none" are answered ones. */
  mos: Record<Band, number>;
  by_hour: Hour[];
  sensors: { online: number; total: number };
  /** Hours before the oldest of by_hour were not counted. */
  partial?: boolean;
}

export type SensorState = "online" | "offline" | "stopped" | "refused" | "revoked" | "never";
export type StepState = "ok" | "failed" | "waiting";

export interface Step {
  name: string;
  state: StepState;
  sentence: string | null;
}

export interface Failure {
  at?: string;
  step: string;
  code: string;
  sentence: string;
}

export interface Sensor {
  /** The last failure that it told of when it had come back. */
  reported: Failure | null;
  id: string;
  id_sensor: number | null;
  name: string;
  state: SensorState;
  software: string | null;
  target: string | null;
  arch: string | null;
  commit: string | null;
  address: string | null;
  enrolled_at: string | null;
  accepted_at: string | null;
  last_seen_at: string | null;
  last_cdr_at: string | null;
  uptime_seconds: number | null;
  channels: number | null;
  lease: { channels: number | null; reserved: number | null } | null;
  outbox: { cdrs: number | null; bytes: number | null; limit_bytes: number | null } | null;
  memory_bytes: number | null;
  clock_offset_ms: number | null;
  interfaces: { name: string; frames: number; kernel_dropped: number; fault: string | null }[];
  counters: Record<string, number>;
  drops: {
    kernel: number;
    interface: number;
    rtp_shed: number;
    sip_shed: number;
    total: number;
  } | null;
  upgrade: { at: string; to: string; running: string; ok: boolean; sentence: string } | null;
  /** The newest upgrade that was pushed from the cloud. */
  push: Push | null;
  /** What it sent in the last days and was not kept as it came, the newest first. */
  notices: { at: string; code: string; count: number; sentence: string }[];
  failure: Failure | null;
  steps: Step[];
  ticks: Step[];
}

export type PushState =
  | "waiting"
  | "offered"
  | "downloading"
  | "checking"
  | "on_trial"
  | "done"
  | "rolled_back"
  | "refused"
  | "cancelled";

export interface Push {
  rollout: number;
  version: string;
  state: PushState;
  percent: number | null;
  sentence: string;
  changed_at: string;
}

/** A signed release of the sensor. */
export interface Package {
  id: number;
  version: string;
  target: string;
  arch: string;
  bytes: number;
  /** Bytes that are here. */
  received: number;
  piece_bytes: number;
  /** The cloud has the release key, and the signature is by it. */
  is_checked: boolean;
  /** It is the operator's. */
  is_shared: boolean;
  uploaded_by: string;
  uploaded_at: string;
}

/** Several sensors are to install one package, ring after ring. */
export interface Upgrade {
  id: number;
  version: string;
  state: "running" | "paused" | "done" | "cancelled";
  ring: number;
  why: string | null;
  created_by: string;
  created_at: string;
  sensors: {
    device: string;
    name: string | null;
    ring: number;
    state: PushState;
    why: string | null;
    changed_at: string;
  }[];
}

/** A device that tried to join and was refused. */
export interface Stranger {
  device: string;
  name: string | null;
  address: string | null;
  software: string | null;
  target: string | null;
  at: string;
  failure: Failure;
}

export interface Person {
  login: string;
  role: "admin" | "viewer";
  rights: Right[];
  is_disabled: boolean;
  is_you: boolean;
  created_at: string;
  logged_in_at: string | null;
}

export interface ApiToken {
  id: string;
  name: string;
  created_by: string;
  created_at: string;
  expires_at: string | null;
}

/** One that nobody has used yet. */
export interface EnrolmentToken {
  id: string;
  created_by: string;
  created_at: string;
  expires_at: string;
}

export interface AuditEntry {
  at: string;
  who: string;
  action: string;
  detail: string;
}

/** A device that waits to be accepted by its claim code. */
export interface Claim {
  device: string;
  name: string;
  address: string;
  software: string;
  target: string;
  arch: string;
  waiting_since: string;
  code_ends_at: string;
}

/** What a device needs to know to wait here. */
export interface ClaimWay {
  server: string;
  /** Null where the certificate is by a public authority. */
  cloud_ca: string | null;
}

export interface NewToken {
  token: string;
  expires_at: string;
  command: string;
}

/** A capture rule. */
export interface Rule {
  id: number;
  /** May be empty. */
  name: string;
  text: string;
  /** Devices that apply it; null: all. */
  sensors: string[] | null;
  is_enabled: boolean;
  created_by: string;
  created_at: string;
  changed_by: string;
  changed_at: string;
}

export interface RuleList {
  rules: Rule[];
  sensors: {
    device: string;
    name: string;
    /** It has acknowledged the newest version. */
    is_applied: boolean;
    refused: { rule: number; why: string }[];
  }[];
}

/** What a rule would have kept of yesterday's calls. */
export interface DryRun {
  text: string;
  tried: number;
  matched: number;
  /** Only headers could tell, which records do not have. */
  untold: number;
  bytes: number;
  partial: boolean;
  calls: { id: string; caller: string; callee: string; ended_at: string }[];
}

/** A call in progress, with the figures that its record would have if it ended now. */
export interface LiveCall {
  id: string | null;
  caller: string;
  caller_display: string | null;
  callee: string;
  callee_display: string | null;
  first_at: string;
  answered_at: string | null;
  mos: number | null;
  expected: number;
  lost: number;
  jitter_max_ms: number | null;
  mos_unreliable: boolean;
}

interface LiveCounts {
  excellent: number;
  good: number;
  fair: number;
  degraded: number;
  unrated: number;
}

export interface LiveSensor extends LiveCounts {
  sensor: SensorRef;
  at: string | null;
  channels: number;
  calls: LiveCall[];
}

export interface LiveCalls extends LiveCounts {
  sensors: LiveSensor[];
}
