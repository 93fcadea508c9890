// Moments: local where they are read, UTC in the title.

import { NONE, clock, day, relative, sameDay, utc } from "../format.js";
import { now } from "../store.js";

/** 14:02:31, with the day where it is another one. */
export function Time({ at, withDay = false }: { at: string | null; withDay?: boolean }) {
  if (!at) return <span class="none">{NONE}</span>;
  const time = new Date(at);
  const other = withDay || !sameDay(time, now.value);
  return (
    <time dateTime={at} title={utc(time)}>
      {other && <span class="day">{day(time, now.value)} </span>}
      {clock(time)}
    </time>
  );
}

/** 2 min ago, with the whole moment in the title. */
export function Ago({ at, never = NONE }: { at: string | null; never?: string }) {
  if (!at) return <span class="none">{never}</span>;
  const time = new Date(at);
  const title = `${day(time, now.value)} ${clock(time)} (${utc(time)})`;
  return (
    <time dateTime={at} title={title}>
      {relative(time, now.value)}
    </time>
  );
}
