// What the API says of alerts.

import type { SensorRef } from "../types.js";

export type Severity = "info" | "warning" | "critical";

export interface Alert {
  id: number;
  rule: number;
  name: string;
  state: "open" | "acknowledged" | "closed";
  severity: Severity;
  sensor: SensorRef | null;
  sentence: string;
  value: number;
  /** Path and query of the page behind it. */
  link: string;
  opened_at: string;
  closed_at: string | null;
  why_closed: string | null;
  acknowledged_at: string | null;
  acknowledged_by: string | null;
  note: string | null;
  is_silenced: boolean;
}

export type Measure =
  | "share"
  | "calls"
  | "mos"
  | "asr"
  | "ner"
  | "acd"
  | "offline"
  | "capture_drops"
  | "mirror_silent"
  | "capture_fault"
  | "clock"
  | "outbox"
  | "version"
  | "channels"
  | "certificate";

/** What a person decides of a rule. */
export interface RuleContent {
  name: string;
  measure: Measure;
  /** As in an address. */
  filter: string;
  among: string;
  side: "above" | "below";
  threshold: number;
  least: number;
  window_minutes: number;
  bad_windows: number;
  of_windows: number;
  by_sensor: boolean;
  severity: Severity;
  /** null: all that are not for finished calls. */
  channels: number[] | null;
  is_enabled: boolean;
}

export interface AlertRule extends RuleContent {
  id: number;
  ready: string | null;
  changed_by: string;
  changed_at: string;
}

export interface MailServer {
  host: string;
  port: number;
  security: "tls" | "starttls" | "none";
  user: string;
  from: string;
  has_password?: boolean;
  password?: string;
}

export type Target =
  | { kind: "email"; to: string[]; server: MailServer | null }
  | { kind: "webhook"; url: string; secret?: string }
  | { kind: "syslog"; host: string; port: number; transport: "udp" | "tcp"; facility: number };

export interface ChannelContent {
  name: string;
  target: Target;
  calls: string | null;
  is_enabled: boolean;
}

export interface Channel extends ChannelContent {
  id: number;
  kind: Target["kind"];
  where: string;
  changed_by: string;
  changed_at: string;
  tried_at: string | null;
  sent_at: string | null;
  error: string | null;
  waiting: number;
  /** Of a new webhook, this once. */
  secret?: string;
}

export interface Channels {
  channels: Channel[];
  has_mail_server: boolean;
  dropped: number;
  failed: number;
}

export interface Silence {
  id: number;
  rule: number | null;
  sensor: SensorRef | null;
  until: string;
  reason: string;
  created_by: string;
  created_at: string;
}

/** What a rule would have done in the last 24 hours. */
export interface Trial {
  is_told: boolean;
  fired: number;
  from: string | null;
  to: string;
  partial: boolean;
  present: string | null;
  alerts: { sensor: SensorRef | null; opened_at: string; closed_at: string | null; sentence: string; link: string }[];
}

export interface TestResult {
  is_taken: boolean;
  steps: { name: string; state: "ok" | "failed"; sentence: string }[];
}
