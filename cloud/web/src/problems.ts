// Every moment of a call at which something went wrong, in order: where the key `n` stops.

import type { Call, SipEvent, Stream } from "./types.js";
import { MOS_BAD } from "./quality.js";
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

function streamProblems(stream: Stream, number: number): Moment[] {
  const first = Date.parse(stream.first_at);
  return stream.intervals.flatMap((interval, index): Moment[] => {
    const expected = interval.packets + interval.lost;
    const loss = expected > 0 ? interval.lost / expected : 0;
    const bad = interval.mos !== null && interval.mos <= MOS_BAD;
    if (!bad && loss < INTERVAL_LOSS) return [];
    const mos = interval.mos === null ? "" : `MOS ${interval.mos.toFixed(2)}, `;
    const text = `stream ${number + 1}: ${mos}${(loss * 100).toFixed(1)} % lost`;
    return [{ at: first + interval.at_s * 1000, where: { kind: "interval", stream: number, index }, sentence: text }];
  });
}
