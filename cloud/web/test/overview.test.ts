import assert from "node:assert/strict";
import { test } from "node:test";
import { CALLS, type Figures, MEASURES, callsOf, changeOf, overviewQuery } from "../src/overview.js";

const figures = (more: Partial<Figures>): Figures => ({
  calls: 100,
  answered: 60,
  asr: 0.6,
  ner: 0.9,
  acd_seconds: 100,
  session_request_delay_ms: 1000,
  mos_mean: 4.2,
  failed: 2,
  no_audio: 0,
  degraded: 0,
  ...more,
});
const measure = (key: string) => MEASURES.find((one) => one.key === key) ?? CALLS;

test("a change is told with its size, and as better or worse only where it is", () => {
  const change = (key: string, now: Partial<Figures>, before: Partial<Figures>) =>
    changeOf(measure(key), figures(now), figures(before));
  assert.deepEqual(change("ner", { ner: 0.95 }, {}), { arrow: "up", text: "5.0 points", weight: "better" });
  assert.deepEqual(change("ner", { ner: 0.8 }, {}), { arrow: "down", text: "10.0 points", weight: "worse" });
  assert.deepEqual(change("ner", { ner: 0.905 }, {}), { arrow: "same", text: "as before", weight: "neutral" });
  assert.deepEqual(change("pdd", { session_request_delay_ms: 500 }, {}), {
    arrow: "down",
    text: "50 %",
    weight: "better",
  });
  assert.equal(change("calls", { calls: 500 }, {})?.text, "× 5.0");
  assert.equal(change("calls", { calls: 500 }, {})?.weight, "neutral");
});

test("with nothing, or too little, to compare with there is no change", () => {
  assert.equal(changeOf(CALLS, figures({}), null), null);
  assert.equal(changeOf(CALLS, figures({}), figures({ calls: 3 })), null);
  assert.equal(changeOf(measure("mos"), figures({ mos_mean: null }), figures({})), null);
});

test("a search behind a figure holds its time and its filters", () => {
  const span = { from: "2026-11-24T11:00:00.000000Z", to: "2026-11-24T12:00:00.000000Z" };
  assert.equal(
    callsOf(span, { number: "+4930", status: "!3xx,401" }),
    "/calls?from=2026-11-24T11%3A00%3A00Z&to=2026-11-24T12%3A00%3A00Z&number=%2B4930&status=%213xx%2C401",
  );
});

test("the overview is asked for the range of its address", () => {
  const now = new Date("2026-11-24T12:00:00Z");
  const asked = (text: string) => overviewQuery(new URLSearchParams(text), now).toString();
  assert.equal(asked(""), "from=2026-11-23T12%3A00%3A00.000Z");
  assert.match(asked("from=2026-11-20T00:00:00Z&to=2026-11-21T00:00:00Z"), /^from=2026-11-20.*&to=2026-11-21/);
});
