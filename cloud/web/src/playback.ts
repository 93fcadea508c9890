// Plays a WAV as it comes: pieces are put into the browser's audio clock a little ahead of time.

import { signal } from "@preact/signals";
import { type Overview, type Side, WavReader } from "./sound.js";
import { Stretch } from "./stretch.js";

/** Sound is put into the clock so far ahead, seconds: a tab in the background wakes once a second. */
const AHEAD = 1.6;
/** Between two looks at the clock, ms. */
const EVERY = 100;
/** Sound is read so far beyond the playhead, seconds; then the sender waits. */
const READ_AHEAD = 900;
/** Samples of one block of memory. */
const BLOCK = 1 << 18;

export type State = "paused" | "playing" | "waiting";

interface Scheduled {
  node: AudioBufferSourceNode;
  at: number;
  until: number;
  from: number;
  speed: number;
}

export class Playback {
  readonly state = signal<State>("paused");
  /** The playhead, ms. */
  readonly position = signal(0);
  /** How far the sound has come, ms. */
  readonly received = signal(0);
  /** The sound ended before its end; what has come can be played. */
  readonly isBroken = signal(false);
  readonly speed = signal(1);
  readonly levels = signal<Record<Side, number>>({ caller: 1, callee: 1 });

  private blocks: Int16Array[] = [];
  private samples = 0;
  private isWhole = false;
  private reader: ReadableStreamDefaultReader<Uint8Array> | null = null;
  private wake: (() => void) | null = null;
  private context: AudioContext | null = null;
  private gains: [GainNode, GainNode] | null = null;
  private scheduled: Scheduled[] = [];
  private next = 0;
  private timer = 0;
  private readonly stretch: Stretch;

  constructor(
    private readonly overview: Overview,
    audio: ReadableStream<Uint8Array>,
  ) {
    this.stretch = new Stretch(overview.rate, (at, channel) => this.sample(at, channel));
    void this.read(audio);
  }

  /** Nothing is played or fetched any more. */
  close(): void {
    clearInterval(this.timer);
    this.silence();
    void this.reader?.cancel().catch(() => undefined);
    this.wake?.();
    void this.context?.close();
    this.context = null;
  }

  toggle(): void {
    if (this.state.value === "paused") this.play();
    else this.pause();
  }

  pause(): void {
    this.follow();
    this.silence();
    clearInterval(this.timer);
    this.state.value = "paused";
  }

  play(): void {
    if (this.state.value !== "paused") return;
    if (this.position.value >= this.end - 1) this.position.value = 0;
    const context = (this.context ??= this.connect());
    void context.resume();
    this.state.value = "playing";
    this.begin();
    clearInterval(this.timer);
    this.timer = setInterval(() => this.tick(), EVERY) as unknown as number;
    this.tick();
  }

  seek(ms: number): void {
    this.position.value = Math.min(Math.max(0, ms), this.overview.duration_ms);
    if (this.state.value === "playing" || this.state.value === "waiting") {
      this.silence();
      this.begin();
      this.tick();
    }
    this.wake?.();
  }

  setSpeed(speed: number): void {
    this.follow();
    this.speed.value = speed;
    this.seek(this.position.value);
  }

  setLevel(side: Side, level: number): void {
    this.levels.value = { ...this.levels.value, [side]: level };
    this.applyLevels();
  }

  /** Where playing ends, ms. */
  private get end(): number {
    return this.isWhole ? this.received.value : this.overview.duration_ms;
  }

  private connect(): AudioContext {
    const context = new AudioContext();
    const splitter = context.createChannelSplitter(2);
    const merger = context.createChannelMerger(2);
    this.gains = [context.createGain(), context.createGain()];
    this.gains.forEach((gain, channel) => {
      splitter.connect(gain, channel);
      gain.connect(merger, 0, channel);
    });
    merger.connect(context.destination);
    this.input = splitter;
    this.applyLevels();
    return context;
  }
  private input: AudioNode | null = null;

  private applyLevels(): void {
    const { caller, callee } = this.levels.value;
    if (this.gains) [this.gains[0].gain.value, this.gains[1].gain.value] = [caller, callee];
  }

  private async read(audio: ReadableStream<Uint8Array>): Promise<void> {
    const wav = new WavReader();
    const reader = (this.reader = audio.getReader());
    try {
      for (;;) {
        const { value, done } = await reader.read();
        if (done) break;
        this.keep(wav.push(value));
        while (this.received.value > this.position.value + READ_AHEAD * 1000) {
          await new Promise<void>((resolve) => (this.wake = resolve));
        }
      }
    } catch {
      // What is missing says it.
    }
    this.isWhole = true;
    this.isBroken.value = this.samples < this.overview.samples;
  }

  private keep(samples: Int16Array): void {
    for (let at = 0; at < samples.length; ) {
      const place = (this.samples * 2) % BLOCK;
      if (place === 0) this.blocks.push(new Int16Array(BLOCK));
      const part = samples.subarray(at, at + BLOCK - place);
      this.blocks.at(-1)?.set(part, place);
      this.samples += part.length / 2;
      at += part.length;
    }
    this.received.value = (this.samples / this.overview.rate) * 1000;
  }

  private sample(at: number, channel: number): number {
    if (at < 0 || at >= this.samples) return 0;
    return (this.blocks[Math.floor((at * 2) / BLOCK)]?.[((at * 2) % BLOCK) + channel] ?? 0) / 32768;
  }

  /** Playing goes on at the playhead. */
  private begin(): void {
    this.next = Math.round((this.position.value / 1000) * this.overview.rate);
    this.stretch.reset();
  }

  private silence(): void {
    for (const { node } of this.scheduled) node.stop();
    this.scheduled = [];
  }

  private tick(): void {
    const context = this.context;
    if (!context || this.state.value === "paused") return;
    this.follow();
    const end = this.isWhole ? this.samples : this.overview.samples;
    let until = this.scheduled.at(-1)?.until ?? 0;
    while (until < context.currentTime + AHEAD && this.next < end) {
      const length = Math.min(Math.round(this.overview.rate / 5), end - this.next);
      // A stretched block looks 10 ms around itself.
      const needed = Math.min(end, this.next + length * 1.1);
      if (this.samples < needed && !this.isWhole) break;
      if (this.samples <= this.next) break;
      until = this.schedule(context, Math.max(until, context.currentTime + 0.03), length);
    }
    if (this.next >= end && context.currentTime >= until) {
      this.pause();
      this.position.value = (end / this.overview.rate) * 1000;
    } else {
      this.state.value = context.currentTime >= until ? "waiting" : "playing";
    }
    this.wake?.();
  }

  /** Puts a block into the clock, which ends there. */
  private schedule(context: AudioContext, at: number, length: number): number {
    const { rate } = this.overview;
    const speed = this.speed.value;
    const hops = Math.max(1, Math.round(length / speed / this.stretch.length));
    const frames = speed === 1 ? length : hops * this.stretch.length;
    const buffer = context.createBuffer(2, frames, rate);
    const [left, right] = [buffer.getChannelData(0), buffer.getChannelData(1)];
    if (speed === 1) {
      for (let i = 0; i < length; i++) {
        left[i] = this.sample(this.next + i, 0);
        right[i] = this.sample(this.next + i, 1);
      }
    } else {
      for (let hop = 0; hop < hops; hop++) {
        const [from, to] = [hop * this.stretch.length, (hop + 1) * this.stretch.length];
        const place = Math.round(this.next + from * speed);
        this.stretch.next(place, left.subarray(from, to), right.subarray(from, to));
      }
    }
    const node = new AudioBufferSourceNode(context, { buffer });
    if (this.input) node.connect(this.input);
    node.start(at);
    const until = at + frames / rate;
    this.scheduled.push({ node, at, until, from: this.next / rate, speed });
    this.next += speed === 1 ? length : Math.round(frames * speed);
    return until;
  }

  /** The playhead is where the clock is. */
  private follow(): void {
    const now = this.context?.currentTime ?? 0;
    while (this.scheduled[1] && this.scheduled[1].at <= now) this.scheduled.shift();
    const block = this.scheduled[0];
    if (block && now >= block.at) {
      const seconds = block.from + (Math.min(now, block.until) - block.at) * block.speed;
      this.position.value = Math.min(seconds * 1000, this.overview.duration_ms);
    }
  }
}
