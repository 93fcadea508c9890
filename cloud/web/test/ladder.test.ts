import assert from "node:assert/strict";
import { test } from "node:test";
import { GEOMETRY, layout, sentence, timeText } from "../src/ladder.js";
import type { SipEvent } from "../src/types.js";

const A = "192.0.2.1:5060";
const B = "[2001:db8::1]:5060";
const C = "203.0.113.9:5060";

const EVENTS: SipEvent[] = [
  { at: "2026-11-24T12:00:00.000100Z", src: A, dst: B, cseq: "1 INVITE", method: "INVITE" },
  { at: "2026-11-24T12:00:00.500100Z", src: A, dst: B, cseq: "1 INVITE", method: "INVITE" },
  { at: "2026-11-24T12:00:00.501350Z", src: B, dst: C, cseq: "7 INVITE", method: "INVITE" },
  { at: "2026-11-24T12:00:02.000100Z", src: C, dst: B, cseq: "7 INVITE", status_code: 486 },
  { at: "2026-11-24T12:00:02.000100Z", src: B, dst: A, cseq: "1 INVITE", status_code: 407 },
];

test("lifelines stand in order of first appearance, within the width", () => {
  const { lifelines, width } = layout(EVENTS, 900);
  assert.deepEqual(
    lifelines.map(({ address }) => address),
    [A, B, C],
  );
  assert.equal(lifelines[1]?.host, "2001:db8::1");
  assert.ok(width <= 900);
  const xs = lifelines.map(({ x }) => x);
  assert.ok(xs.every((x, index) => index === 0 || x > (xs[index - 1] ?? 0)));
});

test("a narrow box scrolls rather than squeezing lifelines together", () => {
  const { lifelines, width } = layout(EVENTS, 300);
  assert.ok(width > 300);
  assert.ok((lifelines[1]?.x ?? 0) - (lifelines[0]?.x ?? 0) >= GEOMETRY.narrowest);
});

test("arrows go down by one row each and know their kind", () => {
  const { arrows, height } = layout(EVENTS, 900);
  assert.deepEqual(
    arrows.map(({ kind }) => kind),
    ["request", "request", "request", "failure", "challenge"],
  );
  assert.equal((arrows[1]?.y ?? 0) - (arrows[0]?.y ?? 0), GEOMETRY.row);
  assert.ok(height > (arrows.at(-1)?.y ?? 0));
});

test("the same message again is marked as repeated", () => {
  assert.deepEqual(
    layout(EVENTS, 900).arrows.map(({ repeated }) => repeated),
    [false, true, false, false, false],
  );
});

test("three time modes, with the microseconds that Date drops", () => {
  const { arrows } = layout(EVENTS, 900);
  const texts = (mode: Parameters<typeof timeText>[1]) => arrows.map((arrow) => timeText(arrow, mode));
  assert.deepEqual(texts("since_first"), ["0", "+500.0 ms", "+501.3 ms", "+2.000 s", "+2.000 s"]);
  assert.deepEqual(texts("since_previous"), ["0", "+500.0 ms", "+1.3 ms", "+1.499 s", "+0.0 ms"]);
  assert.equal(texts("clock")[3], "13:00:02.000");
});

test("each arrow has a sentence", () => {
  const { arrows, lifelines } = layout(EVENTS, 900);
  const [, second, , fourth] = arrows;
  assert.ok(second && fourth);
  assert.equal(sentence(second, lifelines, ""), `INVITE from ${A} to ${B}, CSeq 1 INVITE, repeated`);
  assert.equal(sentence(fourth, lifelines, "Busy Here"), `486 Busy Here from ${C} to ${B}, CSeq 7 INVITE`);
});

test("no event, an unknown address, a message to oneself", () => {
  assert.equal(layout([], 500).arrows.length, 0);
  const odd = layout([{ at: "2026-11-24T12:00:00Z", src: null, dst: null, cseq: "1 ?", method: "?" }], 500);
  assert.equal(odd.lifelines.length, 1);
  assert.equal(odd.arrows[0]?.from, odd.arrows[0]?.to);
});
