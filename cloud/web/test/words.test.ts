// The words here and in the protocol's sources are the same.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { FLAG_NAMES } from "../src/filter.js";
import { BANDS, MOS_DEGRADED, MOS_FAIR, MOS_GOOD } from "../src/quality.js";
import { COUNTERS, counterLabel } from "../src/words/counters.js";
import { flagNames } from "../src/words/flags.js";
import { usualReason } from "../src/words/reasons.js";

const rust = (name: string) => readFileSync(`../../protocol/src/${name}.rs`, "utf8");

test("every counter is explained, in the protocol's words", () => {
  const source = rust("counters");
  const list = source.slice(source.indexOf("counters! {"));
  const found = [...list.matchAll(/((?:\s*\/\/\/[^\n]*\n)+)\s*\w+ = "(\w+)"/g)];
  assert.ok(found.length > 40);
  for (const [, doc = "", name = ""] of found) {
    const means = doc
      .split("\n")
      .map((line) => line.trim().replace(/^\/\/\/ ?/, ""))
      .join(" ")
      .trim();
    assert.equal(COUNTERS[name]?.means, means, name);
  }
  assert.equal(Object.keys(COUNTERS).length, found.length);
});

test("a counter's name is readable", () => {
  assert.equal(counterLabel("sip_keep_alive"), "SIP keep alive");
  assert.equal(counterLabel("not_ip"), "Not IP");
  assert.equal(counterLabel("cdrs_stored"), "CDRs stored");
});

test("every flag is explained and can be searched for", () => {
  const names = [...rust("cdr").matchAll(/\([A-Z_0-9]+, "(\w+)"\)/g)].map(([, name]) => name);
  assert.ok(names.length > 10);
  assert.deepEqual(flagNames(), names);
  assert.deepEqual(FLAG_NAMES, names);
});

test("the bands are the protocol's", () => {
  const source = rust("band");
  const value = (name: string) => Number(new RegExp(`${name}: u16 = (\\d+)`).exec(source)?.[1]) / 100;
  const names = [...source.matchAll(/Self::\w+ => "(\w+)",/g)].map(([, name]) => name);
  assert.deepEqual(BANDS.map(({ band }) => band).reverse(), ["none", ...names]);
  assert.equal(MOS_GOOD, value("MOS_GOOD"));
  assert.equal(MOS_DEGRADED, value("MOS_DEGRADED"));
  assert.equal(MOS_FAIR, value("MOS_FAIR"));
});

test("reason phrases are RFC 3261's, as the protocol has them", () => {
  for (const [, code, phrase] of rust("cdr").matchAll(/^\s+(\d{3}) => "([^"]+)",$/gm)) {
    const ours = usualReason(Number(code));
    if (ours) assert.equal(ours, phrase);
  }
  assert.equal(usualReason(486), "Busy Here");
  assert.equal(usualReason(undefined), "");
});
