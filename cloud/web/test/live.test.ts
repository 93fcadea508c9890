import assert from "node:assert/strict";
import { test } from "node:test";
import { worstFirst } from "../src/pages/Live.js";
import type { LiveCall, LiveCalls } from "../src/types.js";

const call = (mos: number, first_at: string) => ({ mos, first_at }) as LiveCall;
const live = {
  sensors: [
    { sensor: { id: "a" }, calls: [call(3.1, "2"), call(4.2, "1")] },
    { sensor: { id: "b" }, calls: [call(3.1, "1"), call(1.9, "3")] },
  ],
} as unknown as LiveCalls;

test("the worst calls of all sensors come first, older ones before newer", () => {
  assert.deepEqual(
    worstFirst(live).map(({ mos, of }) => `${of.sensor.id} ${mos}`),
    ["b 1.9", "b 3.1", "a 3.1", "a 4.2"],
  );
});
