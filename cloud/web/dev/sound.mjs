// A made-up call's sound, in the two forms that a sensor sends (docs/audio.md).

const RATE = 8000;

/** `seconds` of a caller who speaks in bursts and a callee who answers, 440 Hz and 1000 Hz. */
export function makeSound({ seconds = 20, marks = defaultMarks(seconds) } = {}) {
  const samples = seconds * RATE;
  const speaks = (side, at) => Math.floor(at / RATE / 2) % 2 === side;
  const sample = (side, at) => {
    const swell = 0.6 + 0.4 * Math.sin(at / 1900);
    const hz = side === 0 ? 440 : 1000;
    return speaks(side, at) ? 12000 * swell * Math.sin((2 * Math.PI * hz * at) / RATE) : 0;
  };
  const lost = (side, at) =>
    marks.some(
      ({ kind, side: of, start_ms, end_ms }) =>
        kind === "loss" &&
        of === ["caller", "callee"][side] &&
        at >= (start_ms * RATE) / 1000 &&
        at < (end_ms * RATE) / 1000,
    );
  const wav = Buffer.alloc(44 + samples * 4);
  wav.write("RIFF", 0);
  wav.writeUInt32LE(wav.length - 8, 4);
  wav.write("WAVEfmt ", 8);
  [16, 1 | (2 << 16), RATE, RATE * 4, 4 | (16 << 16)].forEach((word, i) => wav.writeUInt32LE(word, 16 + 4 * i));
  wav.write("data", 36);
  wav.writeUInt32LE(samples * 4, 40);
  for (let at = 0; at < samples; at++) {
    for (const side of [0, 1]) {
      if (!lost(side, at)) wav.writeInt16LE(Math.round(sample(side, at)), 44 + at * 4 + side * 2);
    }
  }
  return { overview: overviewOf(wav, samples, marks), wav };
}

function defaultMarks(seconds) {
  const mark = (kind, side, start_ms, end_ms, more = {}) => ({ kind, side, start_ms, end_ms, ...more });
  return [
    mark("codec", "caller", 0, 0, { count: 1, text: "PCMU" }),
    mark("codec", "callee", 0, 0, { count: 1, text: "G722" }),
    mark("loss", "caller", 4400, 4900, { count: 25 }),
    mark("dtmf", "caller", 8500, 8600, { count: 1, text: "5" }),
    mark("reordered", "callee", 10_300, 10_300, { count: 1 }),
    mark("hold", "caller", 0.7 * seconds * 1000, 0.8 * seconds * 1000),
  ];
}

function overviewOf(wav, samples, marks) {
  const buckets = Math.min(1500, samples);
  const columns = Math.min(600, Math.ceil(samples / 256));
  const side = (name, encodings) => ({
    is_heard: true,
    problem: null,
    encodings,
    packets: samples / 160,
    lost: marks.filter(({ kind, side: of }) => kind === "loss" && of === name).reduce((n, m) => n + m.count, 0),
    clock_ppm: 0,
  });
  const header = {
    version: 1,
    rate: RATE,
    samples,
    wav_bytes: wav.length,
    duration_ms: (samples / RATE) * 1000,
    started_at: Date.UTC(2026, 10, 24, 13, 2, 31) * 1000,
    sides: [side("caller", ["PCMU"]), side("callee", ["G722"])],
    marks,
    buckets,
    columns,
    bands: 64,
    top_hz: 4000,
    floor_db: 96,
  };
  const json = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(4);
  length.writeUInt32LE(json.length);
  const peaks = Buffer.alloc(2 * 3 * buckets);
  const spectrum = Buffer.alloc(2 * 64 * columns);
  for (const of of [0, 1]) {
    for (let bucket = 0; bucket < buckets; bucket++) {
      const [from, to] = [bucket, bucket + 1].map((n) => Math.floor((n * samples) / buckets));
      let [low, high, squares] = [0, 0, 0];
      for (let at = from; at < to; at++) {
        const value = wav.readInt16LE(44 + at * 4 + of * 2);
        [low, high, squares] = [Math.min(low, value), Math.max(high, value), squares + value * value];
      }
      const place = 3 * (of * buckets + bucket);
      peaks.writeInt8(low >> 8, place);
      peaks.writeInt8(high >> 8, place + 1);
      peaks.writeUInt8(Math.min(255, Math.round(Math.sqrt(squares / (to - from)) / 128)), place + 2);
    }
    for (let column = 0; column < columns; column++) {
      const at = Math.floor((column * samples) / columns);
      const loud = wav.readInt16LE(44 + Math.min(at + 3, samples - 1) * 4 + of * 2) !== 0;
      if (loud) spectrum[64 * (of * columns + column) + (of === 0 ? 7 : 16)] = 220;
    }
  }
  return Buffer.concat([length, json, peaks, spectrum]);
}
