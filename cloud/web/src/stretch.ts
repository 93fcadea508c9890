// Speech faster or slower at its own pitch: windows of 40 ms are taken where they fit what was
// before best, and cross-faded (WSOLA).

/** Gives samples of one channel; outside of the sound they are 0. */
export type Sample = (at: number, channel: 0 | 1) => number;

export class Stretch {
  private readonly hop: number;
  private readonly search: number;
  /** Where the window before would go on. */
  private tail = -1;

  constructor(
    rate: number,
    private readonly sample: Sample,
  ) {
    this.hop = Math.round(rate * 0.02);
    this.search = Math.round(rate * 0.008);
  }

  /** Samples that one call of `next` gives. */
  get length(): number {
    return this.hop;
  }

  /** There is a jump: nothing is to be continued. */
  reset(): void {
    this.tail = -1;
  }

  /** Fills `left` and `right` with the sound at `at`. */
  next(at: number, left: Float32Array, right: Float32Array): void {
    const { hop, sample, tail } = this;
    const from = tail < 0 ? at : this.fitting(at);
    for (let i = 0; i < hop; i++) {
      const fade = tail < 0 ? 1 : 0.5 - 0.5 * Math.cos((Math.PI * i) / hop);
      const mix = (channel: 0 | 1) =>
        sample(from + i, channel) * fade + (fade < 1 ? sample(tail + i, channel) * (1 - fade) : 0);
      left[i] = mix(0);
      right[i] = mix(1);
    }
    this.tail = from + hop;
  }

  /** The place near `at` that resembles what would come next. */
  private fitting(at: number): number {
    const step = Math.max(1, Math.round(this.hop / 160));
    const both = (place: number) => this.sample(place, 0) + this.sample(place, 1);
    let [best, place] = [-Infinity, at];
    for (let offset = -this.search; offset <= this.search; offset += step) {
      let [product, power] = [0, 1e-9];
      for (let i = 0; i < this.hop; i += step) {
        const value = both(at + offset + i);
        product += value * both(this.tail + i);
        power += value * value;
      }
      const fit = product / Math.sqrt(power);
      if (fit > best) [best, place] = [fit, at + offset];
    }
    return place;
  }
}
