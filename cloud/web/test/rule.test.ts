import assert from "node:assert/strict";
import { test } from "node:test";
import { fromText, newSentence, newTest, toText } from "../src/rule.js";

const TEXTS = [
  '"Berlin": keep sip, rtp, rtcp masking dtmf until 2026-12-31 at most 100 a day priority 5 when caller = +4930* and not domain = *.test.example',
  "keep sip, rtp headers when mos < 3.50 or loss > 5.00% or one_way",
  "skip when media address = 2001:db8::/32 and signalling address = 192.0.2.7",
  "keep sip when header x-trunk ~ /^gate\\/[0-9]+\\./ and method = REFER and status = 4xx",
  'keep rtcp when callee = +493010..+493019 and number = "*9 ?" and header subject exists',
  'keep sip when agent contains "a \\"b\\" \\\\ c" and header x = "y"',
  "keep sip",
  "skip priority -3",
];

test("texts of the server are shown as sentences and come back as they were", () => {
  for (const text of TEXTS) {
    const sentence = fromText(text);
    assert.ok(sentence, text);
    assert.equal(toText(sentence), text);
  }
});

test("what the builder cannot show is left to the text form", () => {
  for (const text of [
    "keep sip when caller = 1 and (callee = 2 or callee = 3)",
    "keep sip when caller = 1 and callee = 2 or callee = 3",
    "fly away",
    "keep",
    'keep sip when agent = "a',
  ]) {
    assert.equal(fromText(text), null, text);
  }
});

test("a new sentence keeps everything", () => {
  const rule = { ...newSentence(), tests: [{ ...newTest(), value: "+49 30" }] };
  assert.equal(toText(rule), 'keep sip, rtp, rtcp when caller = "+49 30"');
});
