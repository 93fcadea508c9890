import assert from "node:assert/strict";
import { test } from "node:test";
import { orderedCounters } from "../src/components/Counters.js";
import { filled } from "../src/components/HourChart.js";
import { matches } from "../src/components/Palette.js";
import { hiddenColumns } from "../src/columns.js";
import { keyName } from "../src/keys.js";
import { neighbours, newIn } from "../src/list.js";
import { backoff } from "../src/live.js";
import { outcome } from "../src/outcome.js";
import { byDirection } from "../src/pages/Call.js";
import { inOrder } from "../src/pages/Sensors.js";
import type { CallSummary, Sensor, Stream } from "../src/types.js";

const calls = (...ids: string[]) => ids.map((id) => ({ id }) as CallSummary);

test("only calls that were not there are new", () => {
  assert.deepEqual(
    newIn(calls("b", "c"), calls("a", "b")).map(({ id }) => id),
    ["a"],
  );
  assert.deepEqual(newIn([], calls("a")).length, 1);
});

test("a call knows its neighbours, and the ends have none", () => {
  const list = calls("a", "b", "c");
  assert.deepEqual(neighbours(list, "b"), { newer: "a", older: "c", position: 2 });
  assert.deepEqual(neighbours(list, "a").newer, null);
  assert.deepEqual(neighbours(list, "c").older, null);
  assert.deepEqual(neighbours(list, "x"), { newer: null, older: null, position: null });
});

test("waiting grows with failures and has an end", () => {
  assert.equal(backoff(1, 0.5), 1000);
  assert.equal(backoff(3, 0.5), 4000);
  assert.equal(backoff(100, 0.5), 30_000);
  assert.ok(backoff(1, 0) < backoff(1, 1));
});

test("an hour without a call is an hour with none", () => {
  const hour = (at: string, n: number) => ({ at, calls: n, answered: 0, mos_mean: null });
  const all = filled([hour("2026-11-24T10:00:00Z", 2), hour("2026-11-24T13:00:00Z", 1)]);
  assert.deepEqual(
    all.map((one) => one.calls),
    [2, 0, 0, 1],
  );
  assert.deepEqual(filled([]), []);
});

test("columns that are no columns hide nothing", () => {
  assert.deepEqual([...hiddenColumns(new URLSearchParams("hide=mos,evil"))], ["mos"]);
});

test("every word of the palette has to occur", () => {
  assert.ok(matches("Frankfurt core", "core fra"));
  assert.ok(matches("Anything", ""));
  assert.ok(!matches("Frankfurt core", "lyon"));
});

test("keys with a modifier are other keys", () => {
  const press = (key: string, more = {}) =>
    ({ key, ctrlKey: false, metaKey: false, altKey: false, ...more }) as KeyboardEvent;
  assert.equal(keyName(press("j")), "j");
  assert.equal(keyName(press("K", { metaKey: true })), "Mod+k");
  assert.equal(keyName(press("j", { altKey: true })), null);
  assert.equal(keyName(press("[", { altKey: true, ctrlKey: true })), "[");
});

test("an outcome says who ended the call, or the phrase of the refusal", () => {
  const call = (more: Partial<CallSummary>) =>
    ({ answered_at: null, status_code: null, reason_phrase: null, ...more }) as CallSummary;
  assert.equal(outcome(call({ ended_by: "caller", answered_at: "x" })).text, "caller hung up");
  assert.equal(outcome(call({ ended_by: "rejected", reason_phrase: "Busy Here" })).text, "Busy Here");
  assert.equal(outcome(call({ ended_by: "timeout" })).text, "no answer to INVITE");
  assert.equal(outcome(call({ ended_by: "timeout", answered_at: "x" })).text, "no BYE seen");
});

test("sensors that need somebody come first", () => {
  const sensor = (name: string, state: string) => ({ name, state }) as Sensor;
  const order = inOrder([
    sensor("a", "online"),
    sensor("c", "refused"),
    sensor("b", "offline"),
    sensor("d", "revoked"),
  ]);
  assert.deepEqual(
    order.map(({ name }) => name),
    ["c", "b", "a", "d"],
  );
});

test("counters stand in a packet's order, unknown ones last", () => {
  assert.deepEqual(orderedCounters({ newer_thing: 1, calls_started: 1, frames_seen: 2 }), [
    "frames_seen",
    "calls_started",
    "newer_thing",
  ]);
});

test("the caller's direction comes first", () => {
  const streams = ["unknown", "callee_to_caller", "caller_to_callee"].map(
    (direction) => ({ direction }) as Stream,
  );
  assert.deepEqual(
    byDirection(streams).map(({ direction }) => direction),
    ["caller_to_callee", "callee_to_caller", "unknown"],
  );
});
