import assert from "node:assert/strict";
import { test } from "node:test";
import * as format from "../src/format.js";

test("what is not known is a dash, and zero is zero", () => {
  for (const shown of [
    format.count(null),
    format.millis(null),
    format.duration(undefined),
    format.bytes(null),
    format.percent(null),
    format.figure(null, 2),
    format.longDuration(null),
  ]) {
    assert.equal(shown, format.NONE);
  }
  assert.equal(format.count(0), "0");
  assert.equal(format.millis(0), "0.0 ms");
  assert.equal(format.percent(0), "0.0 %");
});

test("a share of nothing is not known", () => {
  assert.equal(format.share(0, 0), null);
  assert.equal(format.share(1, 4), 0.25);
});

test("durations", () => {
  assert.equal(format.duration(840), "0.8 s");
  assert.equal(format.duration(9_990), "9.9 s");
  assert.equal(format.duration(59_999), "59 s");
  assert.equal(format.duration(187_000), "3:07");
  assert.equal(format.duration(3_729_000), "1:02:09");
  assert.equal(format.longDuration(0), "0 s");
  assert.equal(format.longDuration(187), "3 min 7 s");
  assert.equal(format.longDuration(3600), "1 h");
  assert.equal(format.longDuration(4 * 86400 + 3600), "4 d 1 h");
});

test("bytes", () => {
  assert.equal(format.bytes(0), "0 B");
  assert.equal(format.bytes(1023), "1023 B");
  assert.equal(format.bytes(1536), "1.5 KiB");
  assert.equal(format.bytes(64 * 2 ** 20), "64 MiB");
});

test("a moment against now", () => {
  const now = new Date("2026-11-24T12:00:00Z");
  const ago = (seconds: number) => format.relative(new Date(now.getTime() - seconds * 1000), now);
  assert.equal(ago(3), "just now");
  assert.equal(ago(-3), "just now");
  assert.equal(ago(59), "59 s ago");
  assert.equal(ago(125), "2 min ago");
  assert.equal(ago(3 * 86400), "3 d ago");
  assert.equal(ago(3599), "1 h ago");
  assert.equal(ago(86_399), "1 d ago");
  assert.equal(ago(-7 * 86400), "in 7 d");
  assert.equal(ago(-7 * 86400 + 4), "in 7 d");
});

test("local time on the page, UTC in the title", () => {
  const at = new Date("2026-11-24T13:02:31.123Z");
  assert.equal(format.clock(at), "14:02:31");
  assert.equal(format.utc(at), "2026-11-24 13:02:31.123 UTC");
  assert.equal(format.day(at, at), "24 Nov");
  assert.equal(format.day(at, new Date("2027-01-01T12:00:00Z")), "24 Nov 2026");
  assert.equal(format.localInput(at), "2026-11-24T14:02");
});

test("addresses of both families", () => {
  assert.deepEqual(format.hostPort("192.0.2.1:5060"), { host: "192.0.2.1", port: "5060" });
  assert.deepEqual(format.hostPort("[2001:db8::1]:5060"), { host: "2001:db8::1", port: "5060" });
  assert.deepEqual(format.hostPort(null), { host: "", port: "" });
});

test("a brief sentence leaves out its brackets", () => {
  assert.equal(
    format.brief("Quality of caller to callee (192.0.2.1:1 to 10.0.0.1:2) was bad."),
    "Quality of caller to callee was bad.",
  );
});

test("an SSRC has eight digits", () => {
  assert.equal(format.ssrc(0xab), "0x000000AB");
  assert.equal(format.ssrc(4294967295), "0xFFFFFFFF");
});

test("moments within a sentence are told in the reader's time", () => {
  const at = new Date(2026, 10, 24, 9, 5, 7);
  const utc = `${at.toISOString().slice(0, 19)}Z`;
  const sentence = `Its session is open since ${utc}.`;
  assert.equal(format.localTimes(sentence, at), "Its session is open since 09:05:07.");
  const later = new Date(2026, 10, 26);
  assert.equal(format.localTimes(sentence, later), "Its session is open since 24 Nov 09:05:07.");
  assert.equal(format.localTimes("No time in it.", at), "No time in it.");
});

test("what is copied runs nothing where it is pasted", () => {
  assert.equal(format.onOneLine("1@x\nrm -rf ~\r\u001b[31m\u202eevil\u2028"), "1@x rm -rf ~  [31m evil ");
  assert.equal(format.onOneLine("ringside-sensor enrol --token rs1-äö"), "ringside-sensor enrol --token rs1-äö");
});
