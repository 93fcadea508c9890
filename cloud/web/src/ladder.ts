// Where each lifeline and arrow of a SIP ladder stands; draws nothing.

import { hostPort } from "./format.js";
import type { SipEvent } from "./types.js";

export type TimeMode = "clock" | "since_first" | "since_previous";
export const TIME_MODES: readonly TimeMode[] = ["since_first", "since_previous", "clock"];

export type Kind = "request" | "provisional" | "success" | "redirect" | "challenge" | "failure";

export interface Lifeline {
  /** The address as the wire had it. */
  address: string;
  host: string;
  port: string;
  x: number;
}

export interface Arrow {
  index: number;
  /** Lifelines it goes from and to. */
  from: number;
  to: number;
  y: number;
  kind: Kind;
  label: string;
  cseq: string;
  /** Repeats the message before it with the same start line, CSeq and direction. */
  repeated: boolean;
  atMs: number;
  sinceFirstMs: number;
  sincePreviousMs: number;
}

export interface Layout {
  lifelines: Lifeline[];
  arrows: Arrow[];
  width: number;
  height: number;
}

export const GEOMETRY = { left: 88, top: 46, row: 30, bottom: 16, narrowest: 108, widest: 400 };

/** Lays out events in packet order; lifelines stand in order of their first appearance. */
export function layout(events: SipEvent[], available: number): Layout {
  const names: string[] = [];
  const lifeline = (address: string | null) => {
    const name = address ?? "unknown";
    const known = names.indexOf(name);
    return known >= 0 ? known : names.push(name) - 1;
  };
  const ends = events.map((event) => [lifeline(event.src), lifeline(event.dst)] as const);

  const gaps = Math.max(1, names.length - 1);
  const side = available < 520 ? 54 : 80;
  const room = (available - GEOMETRY.left - 2 * side) / gaps;
  const column = Math.max(GEOMETRY.narrowest, Math.min(room, GEOMETRY.widest));
  const margin = Math.min(side, column / 2);
  const x = (index: number) => GEOMETRY.left + margin + index * column;

  const first = events[0] ? Date.parse(events[0].at) : 0;
  const firstMicros = events[0] ? micros(events[0].at) : 0;
  const seen = new Set<string>();
  let previous = 0;
  const arrows = events.map((event, index): Arrow => {
    const [from, to] = ends[index] ?? [0, 0];
    const since = Date.parse(event.at) - first + (micros(event.at) - firstMicros) / 1000;
    const label = event.method ?? String(event.status_code ?? "?");
    const identity = `${label} ${event.cseq} ${from} ${to}`;
    const arrow = {
      index,
      from,
      to,
      y: GEOMETRY.top + GEOMETRY.row * (index + 1),
      kind: kindOf(event),
      label,
      cseq: event.cseq,
      repeated: seen.has(identity),
      atMs: Date.parse(event.at),
      sinceFirstMs: since,
      sincePreviousMs: index === 0 ? 0 : since - previous,
    };
    previous = since;
    seen.add(identity);
    return arrow;
  });

  return {
    lifelines: names.map((address, index) => ({ address, ...hostPort(address), x: x(index) })),
    arrows,
    width: Math.ceil(x(Math.max(0, names.length - 1)) + margin),
    height: GEOMETRY.top + GEOMETRY.row * events.length + GEOMETRY.bottom,
  };
}

/** The microseconds below the millisecond of an RFC 3339 time, which Date does not keep. */
function micros(at: string): number {
  const fraction = /\.(\d+)/.exec(at)?.[1] ?? "";
  return Number(fraction.padEnd(6, "0").slice(3, 6));
}

function kindOf({ status_code: code }: SipEvent): Kind {
  if (code === undefined) return "request";
  if (code < 200) return "provisional";
  if (code < 300) return "success";
  if (code < 400) return "redirect";
  return code === 401 || code === 407 ? "challenge" : "failure";
}

/** An event's time in a mode: +1.204 s, +38.1 ms, or the clock with milliseconds. */
export function timeText(arrow: Arrow, mode: TimeMode): string {
  if (mode === "clock") {
    const at = new Date(arrow.atMs);
    const two = (n: number) => String(n).padStart(2, "0");
    const ms = String(at.getMilliseconds()).padStart(3, "0");
    return `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}.${ms}`;
  }
  const ms = mode === "since_first" ? arrow.sinceFirstMs : arrow.sincePreviousMs;
  if (arrow.index === 0) return "0";
  return ms < 1000 ? `+${ms.toFixed(1)} ms` : `+${(ms / 1000).toFixed(3)} s`;
}

/** What an arrow says in words, for the list that screen readers get. */
export function sentence(arrow: Arrow, lifelines: Lifeline[], phrase: string): string {
  const from = lifelines[arrow.from]?.address ?? "unknown";
  const to = lifelines[arrow.to]?.address ?? "unknown";
  const what = phrase ? `${arrow.label} ${phrase}` : arrow.label;
  const repeated = arrow.repeated ? ", repeated" : "";
  return `${what} from ${from} to ${to}, CSeq ${arrow.cseq}${repeated}`;
}
