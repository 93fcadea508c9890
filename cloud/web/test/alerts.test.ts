import assert from "node:assert/strict";
import { test } from "node:test";
import { MEASURES, filterOfTokens, newRule, sentence, tokensOfFilter, withMeasure } from "../src/alerts/measures.js";
import { grouped } from "../src/alerts/OpenAlerts.js";
import type { Alert } from "../src/alerts/types.js";

test("a rule reads as a sentence", () => {
  const rule = newRule();
  assert.equal(
    sentence(rule),
    "More than 5 % of the calls (answered) that one sensor sees in 15 minutes are: degraded. Fewer than 20 calls say nothing.",
  );
  const asr = { ...withMeasure(rule, "asr"), filter: "callee=00*", by_sensor: false, bad_windows: 2, of_windows: 3, least: 0 };
  assert.equal(
    sentence(asr),
    "Answered calls (ASR) is less than 40 %, of the calls (To beginning with 00) in 15 minutes. It must be so in 2 of the last 3 such windows.",
  );
  const many = { ...withMeasure(rule, "calls"), filter: "", threshold: 1, window_minutes: 120 };
  assert.equal(sentence(many), "More than 1 call that one sensor sees in 2 hours.");
  assert.equal(sentence(withMeasure(rule, "offline")), "Sensor not heard of: more than 5 minutes.");
  assert.equal(sentence(withMeasure(rule, "version")), "Version is behind.");
});

test("every measure has a sentence, and one of sensors carries no filter of calls", () => {
  for (const { measure, about } of MEASURES) {
    const rule = withMeasure(newRule(), measure);
    assert.ok(sentence(rule).endsWith("."), measure);
    if (about !== "calls") assert.equal(rule.filter + rule.among, "");
  }
});

test("a filter survives the way through conditions", () => {
  const filter = "caller=%2B4930*&band=%21excellent&q=a+b";
  assert.equal(filterOfTokens(tokensOfFilter(filter)), filter);
  assert.deepEqual(tokensOfFilter("colour=red&flag="), []);
});

test("alerts of one rule stand together, the worst rule first", () => {
  const alert = (id: number, rule: number, severity: Alert["severity"]) => ({ id, rule, severity }) as Alert;
  const found = grouped([alert(1, 7, "info"), alert(2, 8, "critical"), alert(3, 7, "info")]);
  assert.deepEqual(
    found.map((group) => group.map(({ id }) => id)),
    [[2], [1, 3]],
  );
});
