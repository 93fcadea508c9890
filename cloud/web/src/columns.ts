// The columns of the list of calls. Time, from and to are always there: they are the call.

import { millis } from "./format.js";
import type { CallSummary } from "./types.js";

export interface Column {
  key: string;
  label: string;
  /** Of the window, in pixels; narrower ones leave the column out (styles/calls.css). */
  from?: number;
}

/** Shown unless the address hides them. */
export const COLUMNS: Column[] = [
  { key: "outcome", label: "Outcome" },
  { key: "duration", label: "Duration" },
  { key: "mos", label: "MOS" },
  { key: "sensor", label: "Sensor", from: 1241 },
  { key: "flags", label: "Flags", from: 1021 },
  { key: "verdict", label: "What happened" },
];

export interface Extra extends Column {
  of: (call: CallSummary) => string | null;
  kind: "mono" | "number" | "text";
}

/** Hidden unless the address shows them. */
export const EXTRAS: Extra[] = [
  { key: "src", label: "From address", of: ({ src }) => src, kind: "mono" },
  { key: "dst", label: "To address", of: ({ dst }) => dst, kind: "mono" },
  { key: "pdd", label: "First answer", of: (call) => ms(call.session_request_delay_ms), kind: "number" },
  { key: "setup", label: "Picked up", of: ({ setup_ms }) => ms(setup_ms), kind: "number" },
  { key: "caller_agent", label: "Caller's phone", of: ({ caller_agent }) => caller_agent, kind: "text" },
  { key: "callee_agent", label: "Callee's phone", of: ({ callee_agent }) => callee_agent, kind: "text" },
  { key: "call_id", label: "Call-ID", of: ({ call_id }) => call_id, kind: "mono" },
  {
    key: "repeated",
    label: "Repeated SIP",
    of: ({ retransmissions }) => (retransmissions > 0 ? String(retransmissions) : null),
    kind: "number",
  },
];

const ms = (value: number | null) => (value === null ? null : millis(value));

const listed = (query: URLSearchParams, parameter: string, columns: Column[]): ReadonlySet<string> => {
  const known = new Set(columns.map(({ key }) => key));
  return new Set((query.get(parameter) ?? "").split(",").filter((key) => known.has(key)));
};

export const hiddenColumns = (query: URLSearchParams): ReadonlySet<string> => listed(query, "hide", COLUMNS);

export const extraColumns = (query: URLSearchParams): ReadonlySet<string> => listed(query, "show", EXTRAS);

/** Why a column is left out though nobody has hidden it. */
export function leftOut({ key, from }: Column, sensors: number, width: number): string | null {
  // Where there is one sensor only, its name in every row tells nothing.
  if (key === "sensor" && sensors === 1) return "there is one only";
  return from && width < from ? "the window is too narrow" : null;
}
