// The 10-second figures of all streams on one time axis, as charts and tables need them.

import type { Interval, Stream } from "./types.js";

export const INTERVAL_SECONDS = 10;

export interface Timeline {
  /** Seconds since the epoch, one for each interval that any stream has. */
  at: number[];
  /** For each stream, a value or null at each of `at`. */
  mos: (number | null)[][];
  lossPercent: (number | null)[][];
  jitter: (number | null)[][];
}

/** Puts the streams' intervals on one grid that begins with the first stream. */
export function timeline(streams: Stream[]): Timeline {
  const starts = streams.map((stream) => Date.parse(stream.first_at) / 1000);
  const origin = Math.min(...starts);
  const slotOf = (stream: number, index: number) =>
    Math.round(((starts[stream] ?? origin) - origin) / INTERVAL_SECONDS) + index;
  const length = Math.max(
    0,
    ...streams.map((s, i) => (s.intervals.length > 0 ? slotOf(i, s.intervals.length - 1) + 1 : 0)),
  );
  const column = (pick: (interval: Interval, stream: Stream) => number | null) =>
    streams.map((stream, number) => {
      const values: (number | null)[] = new Array(length).fill(null);
      stream.intervals.forEach((interval, index) => {
        values[slotOf(number, index)] = pick(interval, stream);
      });
      return values;
    });
  return {
    at: Array.from({ length }, (_, slot) => origin + slot * INTERVAL_SECONDS),
    mos: column(({ mos }) => mos),
    lossPercent: column(lossPercent),
    jitter: column((interval, stream) =>
      stream.jitter_mean_ms === null || interval.packets === 0 ? null : interval.jitter_ms,
    ),
  };
}

/** Loss of one interval; null where no packet was expected. */
export function lossPercent({ packets, lost }: Interval): number | null {
  const expected = packets + lost;
  return expected > 0 ? (lost / expected) * 100 : null;
}
