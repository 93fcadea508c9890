// Every moment of a call at which something went wrong, in order: where the key `n` stops.

import { words } from "./format.js";
import { INTERVAL_SECONDS } from "./intervals.js";
import { MOS_DEGRADED } from "./quality.js";
import type { Call, Interval, SipEvent, Stream } from "./types.js";
import { usualReason } from "./words/reasons.js";

/** Loss of one interval at which it is worth a stop (VoIP's usual 3 %). */
export const INTERVAL_LOSS = 0.03;

export interface Moment {
  /** Milliseconds since the epoch. */
  at: number;
  where: { kind: "sip"; index: number } | { kind: "interval"; stream: number; index: number };
  sentence: string;
}

export function problems(call: Call): Moment[] {
  const found = [...sipProblems(call.sip), ...call.streams.flatMap(streamProblems)];
  return found.sort((a, b) => a.at - b.at);
}

function sipProblems(events: SipEvent[]): Moment[] {
  const seen = new Set<string>();
  return events.flatMap((event, index): Moment[] => {
    const label = event.method ?? String(event.status_code);
    const identity = `${label} ${event.cseq} ${event.src} ${event.dst}`;
    const repeated = seen.has(identity);
    seen.add(identity);
    const code = event.status_code ?? 0;
    // 401 and 407 ask for credentials, 487 answers a CANCEL: neither is a fault.
    const failed = code >= 400 && ![401, 407, 487].includes(code);
    if (!repeated && !failed) return [];
    const text = repeated ? `${label} repeated` : `${code} ${usualReason(code)}`.trim();
    return [{ at: Date.parse(event.at), where: { kind: "sip", index }, sentence: text }];
  });
}

/** Bad intervals that follow each other are one moment, at the first of them. */
function streamProblems(stream: Stream, number: number): Moment[] {
  const first = Date.parse(stream.first_at);
  const moments: Moment[] = [];
  let spell: Interval[] = [];
  stream.intervals.forEach((interval, index) => {
    if (!isBad(interval)) return;
    spell = index > 0 && isBad(stream.intervals[index - 1]) ? [...spell, interval] : [interval];
    const sentence = describe(stream, spell);
    if (spell.length > 1) moments.pop();
    const begun = index - spell.length + 1;
    const at = first + begun * INTERVAL_SECONDS * 1000;
    moments.push({ at, where: { kind: "interval", stream: number, index: begun }, sentence });
  });
  return moments;
}

const lossOf = ({ packets, lost }: Interval) => (packets + lost > 0 ? lost / (packets + lost) : 0);

function isBad(interval: Interval | undefined): boolean {
  if (!interval) return false;
  return (interval.mos !== null && interval.mos <= MOS_DEGRADED) || lossOf(interval) >= INTERVAL_LOSS;
}

function describe({ direction }: Stream, spell: Interval[]): string {
  const scores = spell.flatMap(({ mos }) => (mos === null ? [] : [mos]));
  const mos = scores.length > 0 ? `, MOS down to ${Math.min(...scores).toFixed(2)}` : "";
  const loss = Math.max(...spell.map(lossOf)) * 100;
  const lost = loss > 0 ? `, up to ${loss.toFixed(1)} % lost` : "";
  return `${words(direction)}, ${spell.length * INTERVAL_SECONDS} s${mos}${lost}`;
}
