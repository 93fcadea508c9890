// What this page asks of the server.

import { request } from "../api.js";
import type {
  Alert,
  AlertRule,
  Channel,
  ChannelContent,
  Channels,
  RuleContent,
  Silence,
  TestResult,
  Trial,
} from "./types.js";

const post = <T>(path: string, body: unknown = {}) => request<T>(path, { method: "POST", body });
const at = (list: string, id: number | null) => (id === null ? `/${list}` : `/${list}/${id}`);

export const alertsApi = {
  alerts: (signal?: AbortSignal) => request<{ open: Alert[]; past: Alert[] }>("/alerts", { signal }),
  acknowledge: (id: number, note: string) => post<Alert>(`/alerts/${id}/acknowledge`, note ? { note } : {}),

  rules: (signal?: AbortSignal) =>
    request<{ rules: AlertRule[] }>("/alert_rules", { signal }).then((body) => body.rules),
  saveRule: (id: number | null, rule: RuleContent) => post<AlertRule>(at("alert_rules", id), rule),
  deleteRule: (id: number) => post<unknown>(`/alert_rules/${id}/delete`),
  tryRule: (rule: RuleContent) => post<Trial>("/alert_rules/dry_run", rule),

  channels: (signal?: AbortSignal) => request<Channels>("/alert_channels", { signal }),
  saveChannel: (id: number | null, channel: ChannelContent) => post<Channel>(at("alert_channels", id), channel),
  deleteChannel: (id: number) => post<unknown>(`/alert_channels/${id}/delete`),
  testChannel: (id: number) => post<TestResult>(`/alert_channels/${id}/test`),

  silences: (signal?: AbortSignal) =>
    request<{ silences: Silence[] }>("/alert_silences", { signal }).then((body) => body.silences),
  silence: (body: { rule: number | null; sensor: string | null; until: string; reason: string }) =>
    post<Silence>("/alert_silences", body),
  endSilence: (id: number) => post<unknown>(`/alert_silences/${id}/delete`),
};
