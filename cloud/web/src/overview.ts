// The overview as the API gives it, its measures, and the addresses of the searches behind it.

import { rangeOf } from "./filter.js";
import { count, duration, figure, percent, share } from "./format.js";
import { address } from "./router.js";
import type { SensorRef, SensorState, Severity } from "./types.js";

export interface Figures {
  calls: number;
  answered: number;
  asr: number | null;
  ner: number | null;
  acd_seconds: number | null;
  session_request_delay_ms: number | null;
  mos_mean: number | null;
  failed: number;
  no_audio: number;
  degraded: number;
}

export interface Point extends Figures {
  at: string;
  /** Of the busiest five minutes; null where nothing tells. */
  channels: number | null;
}

export interface OverviewFinding {
  severity: Severity;
  sentence: string;
  reasons: string[];
  next: { text: string; page: string } | null;
}

export type Trouble = "failed" | "bad_audio";
/** How many bad calls each has. */
export type Named<Field extends string> = Record<Trouble, (Record<Field, string> & { calls: number })[]>;

export interface Overview {
  from: string;
  to: string;
  verdict: OverviewFinding;
  findings: OverviewFinding[];
  figures: Figures;
  channels: { now: number | null; limit: number; busiest: { at: string; channels: number } | null };
  point_seconds: number;
  points: Point[];
  before: { from: string; figures: Figures; points: Point[] } | null;
  hours: { from: string; to: string };
  filters: Record<Trouble, Record<string, string>>;
  sensors: {
    total: number;
    online: number;
    away: { sensor: SensorRef; state: SensorState; heard_at: string | null }[];
    worst: { sensor: SensorRef; figures: Figures; before: Figures | null }[];
  };
  numbers: Named<"number">;
  addresses: Named<"address">;
}

/** What the API is asked for an address of the overview. */
export function overviewQuery(query: URLSearchParams, now: Date): URLSearchParams {
  const { from, to } = rangeOf(query, now);
  const asked = new URLSearchParams({ from: from.toISOString() });
  if (to) asked.set("to", to.toISOString());
  return asked;
}

/** One curve: what it is, how it reads, and whether more of it is better. */
export interface Measure {
  key: string;
  title: string;
  means: string;
  of: (figures: Figures) => number | null;
  text: (value: number | null) => string;
  /** 1: more is better; -1: less is; 0: neither. */
  better: 1 | -1 | 0;
  /** A change below this is none: absolute, or as a share of what was before. */
  least: number;
  change: "absolute" | "relative";
  /** How an absolute change reads. */
  step?: (change: number) => string;
  /** Least and greatest value of the axis. */
  bounds: (low: number, high: number) => [number, number];
  /** Distances of the axis' lines, where round numbers are not what people read. */
  incrs?: number[];
}

/** Calls that the time before must have had for a comparison. */
export const LEAST_BEFORE = 20;

const badAudio = ({ no_audio, degraded }: Figures) => no_audio + degraded;
const points = (change: number) => `${(change * 100).toFixed(1)} points`;
const fromZero = (least: number) => (_: number, high: number): [number, number] => [
  0,
  Math.max(least, high * 1.1),
];
const ratio = (low: number, high: number): [number, number] => {
  const floor = Math.max(0, Math.floor(low * 10 - 0.5) / 10);
  return [floor, Math.min(1, Math.max(floor + 0.1, Math.ceil(high * 10 + 0.2) / 10))];
};

export const CALLS: Measure = {
  key: "calls",
  title: "Calls",
  means: "Records of calls that ended",
  of: ({ calls }) => calls,
  text: count,
  better: 0,
  least: 0.02,
  change: "relative",
  bounds: fromZero(4),
};

export const MEASURES: Measure[] = [
  {
    key: "ner",
    title: "NER",
    means: "Network effectiveness ratio: answered, refused by the callee or given up by the caller, of all",
    of: ({ ner }) => ner,
    text: (value) => percent(value),
    better: 1,
    least: 0.01,
    change: "absolute",
    step: points,
    bounds: ratio,
  },
  {
    key: "asr",
    title: "ASR",
    means: "Answer-seizure ratio: answered calls as a share of all",
    of: ({ asr }) => asr,
    text: (value) => percent(value),
    better: 0,
    least: 0.01,
    change: "absolute",
    step: points,
    bounds: ratio,
  },
  {
    key: "mos",
    title: "MOS",
    means: "Mean of each call's worse direction, adaptive jitter buffer (G.107)",
    of: ({ mos_mean }) => mos_mean,
    text: (value) => figure(value, 2),
    better: 1,
    least: 0.05,
    change: "absolute",
    step: (change) => change.toFixed(2),
    bounds: () => [1, 4.6],
  },
  {
    key: "bad",
    title: "Bad audio",
    means: "Calls without sound in a direction, or with a MOS of 3.0 or less, as a share of those answered",
    of: (figures) => share(badAudio(figures), figures.answered),
    text: (value) => percent(value),
    better: -1,
    least: 0.005,
    change: "absolute",
    step: points,
    bounds: fromZero(0.1),
  },
  {
    key: "pdd",
    title: "PDD",
    means: "Post-dial delay: mean from INVITE to the first ringing or final response (RFC 6076)",
    of: ({ session_request_delay_ms }) => session_request_delay_ms,
    text: (value) => (value === null ? figure(null, 1) : figure(value / 1000, 2, "s")),
    better: -1,
    least: 0.1,
    change: "relative",
    bounds: fromZero(1000),
  },
  {
    key: "acd",
    title: "ACD",
    means: "Average call duration: mean from answer to end",
    of: ({ acd_seconds }) => acd_seconds,
    text: (value) => duration(value === null ? null : value * 1000),
    better: 0,
    least: 0.05,
    change: "relative",
    bounds: fromZero(10),
    incrs: [1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200],
  },
];

export interface Change {
  arrow: "up" | "down" | "same";
  text: string;
  weight: "better" | "worse" | "neutral";
}

/** How a figure stands against the time before; null where there is nothing to compare with. */
export function changeOf(measure: Measure, now: Figures, before: Figures | null): Change | null {
  const [value, old] = [measure.of(now), before && measure.of(before)];
  if (value === null || old === null || old === undefined || !before || before.calls < LEAST_BEFORE) return null;
  const change = measure.change === "absolute" ? value - old : old === 0 ? null : value / old - 1;
  if (change === null) return null;
  if (Math.abs(change) < measure.least) return { arrow: "same", text: "as before", weight: "neutral" };
  const size = Math.abs(change);
  const text = measure.step ? measure.step(size) : relative(change);
  const good = Math.sign(change) * measure.better;
  return {
    arrow: change > 0 ? "up" : "down",
    text,
    weight: good > 0 ? "better" : good < 0 ? "worse" : "neutral",
  };
}

/** Shares up to double, and times beyond. */
const relative = (change: number) =>
  change >= 1 ? `× ${(change + 1).toFixed(change < 9 ? 1 : 0)}` : percent(Math.abs(change), Math.abs(change) < 0.1 ? 1 : 0);

const short = (time: string) => `${time.slice(0, 19)}Z`;

/** The calls of a span of time with more conditions. */
export const callsOf = (span: { from: string; to: string }, more: Record<string, string> = {}): string =>
  address("/calls", new URLSearchParams({ from: short(span.from), to: short(span.to), ...more }));
