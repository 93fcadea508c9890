import assert from "node:assert/strict";
import { test } from "node:test";
import { lossPercent, timeline } from "../src/intervals.js";
import { problems } from "../src/problems.js";
import { band } from "../src/quality.js";
import type { Call, Interval, SipEvent, Stream } from "../src/types.js";

const interval = (at_s: number, lost: number, mos: number | null): Interval => ({
  at_s,
  packets: 500 - lost,
  lost,
  jitter_ms: 1,
  mos,
});
const stream = (first_at: string, intervals: Interval[], jitter_mean_ms: number | null = 1) =>
  ({ first_at, intervals, jitter_mean_ms, direction: "caller_to_callee" }) as Stream;
const call = (sip: SipEvent[], streams: Stream[]) => ({ sip, streams }) as Call;

test("bands close at their upper edge", () => {
  assert.deepEqual([4.41, 4.21, 4.2, 3.61, 3.6, 3.01, 3.0, 1, null].map(band), [
    "excellent",
    "excellent",
    "good",
    "good",
    "fair",
    "fair",
    "degraded",
    "degraded",
    "none",
  ]);
});

test("streams share one axis, and a slot without figures is null", () => {
  const line = timeline([
    stream("2026-11-24T12:00:00Z", [interval(0, 0, 4.4), interval(10, 50, 3)]),
    stream("2026-11-24T12:00:10Z", [interval(0, 0, 4.4), interval(10, 0, null)], null),
  ]);
  assert.equal(line.at.length, 3);
  assert.deepEqual(line.mos, [
    [4.4, 3, null],
    [null, 4.4, null],
  ]);
  assert.deepEqual(line.lossPercent[0], [0, 10, null]);
  assert.deepEqual(line.jitter[1], [null, null, null]);
});

test("no stream gives an empty axis", () => {
  assert.deepEqual(timeline([]).at, []);
});

test("loss of an interval without packets is not known", () => {
  assert.equal(lossPercent({ at_s: 0, packets: 0, lost: 0, jitter_ms: 0, mos: null }), null);
});

test("bad intervals that follow each other are one moment", () => {
  const found = problems(
    call(
      [],
      [
        stream("2026-11-24T12:00:00Z", [
          interval(0, 0, 4.4),
          interval(10, 100, 2.9),
          interval(20, 200, 1.5),
          interval(30, 0, 4.4),
          interval(40, 15, 4),
        ]),
      ],
    ),
  );
  assert.deepEqual(
    found.map(({ where }) => where.index),
    [1, 4],
  );
  assert.equal(found[0]?.sentence, "caller to callee, 20 s, MOS down to 1.50, up to 40.0 % lost");
  assert.equal(found[0]?.at, Date.parse("2026-11-24T12:00:10Z"));
});

test("failures and repeats are moments; challenges and cancelled branches are not", () => {
  const sip = (status_code: number, second: number): SipEvent => ({
    at: `2026-11-24T12:00:0${second}Z`,
    src: "a",
    dst: "b",
    cseq: "1 INVITE",
    status_code,
  });
  const found = problems(call([sip(407, 1), sip(487, 2), sip(503, 3), sip(503, 4)], []));
  assert.deepEqual(
    found.map(({ sentence }) => sentence),
    ["503 Service Unavailable", "503 repeated"],
  );
});
