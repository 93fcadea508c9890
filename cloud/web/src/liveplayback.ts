// Plays a WAV that never ends, as it comes: each piece is put behind the one before, a little ahead of time.

import { signal } from "@preact/signals";
import { type Side, WavReader } from "./sound.js";

const RATE = 16_000;
/** Sound waits so long before it is played, seconds: the network is not even. */
const AHEAD = 0.3;
/** More than this is too far behind the call: it is left out. */
const BEHIND = 2;

export class LivePlayback {
  /** How loud each side is now: 0 to 1. */
  readonly loudness = signal<Record<Side, number>>({ caller: 0, callee: 0 });
  /** What has come, ms. */
  readonly heard = signal(0);

  private readonly wav = new WavReader();
  private context: AudioContext | null = null;
  private next = 0;

  push(piece: Uint8Array): void {
    const samples = this.wav.push(piece);
    const frames = samples.length / 2;
    if (frames === 0) return;
    this.heard.value += (frames / RATE) * 1000;
    const context = (this.context ??= new AudioContext());
    void context.resume();
    const buffer = context.createBuffer(2, frames, RATE);
    const [left, right] = [buffer.getChannelData(0), buffer.getChannelData(1)];
    for (let i = 0; i < frames; i++) {
      left[i] = (samples[2 * i] ?? 0) / 32768;
      right[i] = (samples[2 * i + 1] ?? 0) / 32768;
    }
    this.loudness.value = { caller: loudnessOf(left), callee: loudnessOf(right) };
    const now = context.currentTime;
    if (this.next < now) this.next = now + AHEAD;
    if (this.next > now + BEHIND) return;
    const node = new AudioBufferSourceNode(context, { buffer });
    node.connect(context.destination);
    node.start(this.next);
    this.next += frames / RATE;
  }

  close(): void {
    void this.context?.close();
    this.context = null;
  }
}

/** On a scale of loudness: 0 below -60 dB, 1 at full scale. */
export function loudnessOf(samples: Float32Array): number {
  let squares = 0;
  for (const sample of samples) squares += sample * sample;
  const rms = Math.sqrt(squares / Math.max(1, samples.length));
  return Math.min(1, Math.max(0, 1 + Math.log10(Math.max(rms, 1e-6)) / 3));
}
