import assert from "node:assert/strict";
import { test } from "node:test";
import { makeSound } from "../dev/sound.mjs";
import { SoundError, WavReader, markBeside, markText, parseOverview, position } from "../src/sound.js";
import { Stretch } from "../src/stretch.js";

const { overview: bytes, wav } = makeSound({ seconds: 12 });

test("an overview is read: header, peaks, tones", () => {
  const overview = parseOverview(new Uint8Array(bytes));
  assert.equal(overview.samples, 96_000);
  assert.deepEqual(
    overview.peaks.map((peaks) => peaks.length),
    [4500, 4500],
  );
  assert.equal(overview.spectrum[1].length, overview.columns * 64);
  assert.throws(() => parseOverview(new Uint8Array(bytes.subarray(0, bytes.length - 1))), /too early/);
});

test("a WAV in pieces of any size gives every sample once", () => {
  for (const size of [1, 3, 7, 43, 44, 45, 4096]) {
    const reader = new WavReader();
    const samples: number[] = [];
    for (let at = 0; at < 4000; at += size) {
      samples.push(...reader.push(new Uint8Array(wav.subarray(at, Math.min(at + size, 4000)))));
    }
    const expected = new Int16Array(new Uint8Array(wav.subarray(44, 4000)).buffer);
    assert.deepEqual(samples, [...expected], `pieces of ${size}`);
  }
});

test("marks say what they are, and are found from a moment on", () => {
  const { marks } = parseOverview(new Uint8Array(bytes));
  assert.deepEqual(marks.map(markText), [
    "Encoding PCMU",
    "Encoding G722",
    "Lost: 25 packets",
    "Digit 5",
    "Reordered: 1 packet",
    "Hold",
  ]);
  assert.equal(markBeside(marks, 0, true)?.kind, "loss");
  assert.equal(markBeside(marks, 4400, true)?.kind, "dtmf");
  assert.equal(markBeside(marks, 8500, false)?.kind, "loss");
  assert.equal(markBeside(marks, 100, false), undefined);
});

test("positions and problems read as people say them", () => {
  assert.equal(position(7390), "0:07.3");
  assert.equal(position(3_727_300), "1:02:07.3");
  assert.match(new SoundError("no_decoder", "G729").message, /G729/);
  assert.match(new SoundError("let_go").message, /let it go/);
  assert.match(new SoundError("something new").message, /cannot be heard/);
});

/** Times that a signal rises through 0. */
const rises = (samples: Float32Array) =>
  samples.filter((value, at) => at > 0 && value >= 0 && (samples[at - 1] ?? 0) < 0).length;

test("twice as fast and half as fast keep the pitch", () => {
  const tone = (at: number) => Math.sin((2 * Math.PI * 440 * at) / 8000);
  for (const speed of [0.5, 1.5, 2]) {
    const stretch = new Stretch(8000, tone);
    const output = new Float32Array(100 * stretch.length);
    for (let hop = 0; hop < 100; hop++) {
      const part = output.subarray(hop * stretch.length, (hop + 1) * stretch.length);
      stretch.next(Math.round(hop * stretch.length * speed), part, new Float32Array(stretch.length));
    }
    // 100 hops of 20 ms: two seconds of 440 Hz.
    assert.ok(Math.abs(rises(output) - 880) <= 12, `${speed}: ${rises(output)} rises`);
    const loudest = output.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    assert.ok(loudest < 1.1 && loudest > 0.9, `${speed}: ${loudest}`);
  }
});
