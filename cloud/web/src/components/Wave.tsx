// The sound of a call as a picture: a row for each side, marks over it, the playhead, and under it
// which tones there are. Clicking goes there.

import type { ReadonlySignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { type Mark, type Overview, type Side, markText, position } from "../sound.js";
import { theme } from "../store.js";

const SIDES: Side[] = ["caller", "callee"];
const ROW = 72;
const TONES = 64;

interface Props {
  overview: Overview;
  at: ReadonlySignal<number>;
  received: ReadonlySignal<number>;
  seek: (ms: number) => void;
  showsTones: boolean;
}

export function Wave({ overview, at, received, seek, showsTones }: Props) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const head = useRef<HTMLDivElement>(null);
  const tip = useRef<HTMLOutputElement>(null);
  const scheme = theme.value;
  const height = 2 * (ROW + (showsTones ? TONES : 0));

  useEffect(() => {
    const element = canvas.current;
    if (!element) return;
    const redraw = () => draw(element, overview, height, showsTones);
    redraw();
    const resized = new ResizeObserver(redraw);
    resized.observe(element);
    const system = matchMedia("(prefers-color-scheme: dark)");
    system.addEventListener("change", redraw);
    return () => {
      resized.disconnect();
      system.removeEventListener("change", redraw);
    };
  }, [overview, showsTones, scheme]);

  useEffect(() => {
    const place = () => {
      const element = head.current;
      if (!element) return;
      element.style.left = `${(100 * at.value) / Math.max(1, overview.duration_ms)}%`;
    };
    return at.subscribe(place);
  }, [overview]);

  const moment = (event: MouseEvent) => {
    const box = (event.currentTarget as Element).getBoundingClientRect();
    return ((event.clientX - box.left) / box.width) * overview.duration_ms;
  };
  const point = (event: MouseEvent) => {
    const ms = moment(event);
    const slack = overview.duration_ms / 150;
    const near = overview.marks.filter((mark) => mark.start_ms - slack <= ms && ms <= mark.end_ms + slack);
    const texts = near.slice(0, 3).map((mark) => `${mark.side}: ${markText(mark)}`);
    if (tip.current) tip.current.textContent = [position(ms), ...texts].join(" · ");
  };
  const seconds = Math.round(at.value / 1000);
  return (
    <>
      <div
        class="wave"
        role="slider"
        tabIndex={0}
        aria-label="Position in the call"
        aria-valuemin={0}
        aria-valuemax={Math.round(overview.duration_ms / 1000)}
        aria-valuenow={seconds}
        aria-valuetext={position(seconds * 1000)}
        onClick={(event) => seek(moment(event))}
        onMouseMove={point}
        onMouseLeave={() => tip.current && (tip.current.textContent = "")}
      >
        <canvas ref={canvas} height={height} class={showsTones ? "wave-tall" : ""} />
        <div class="playhead" ref={head} />
        <progress
          class="received"
          max={overview.duration_ms}
          value={received.value}
          aria-hidden="true"
        />
      </div>
      <output class="readout wave-tip" ref={tip} />
    </>
  );
}

type Colour = (name: string) => string;

function draw(canvas: HTMLCanvasElement, overview: Overview, height: number, showsTones: boolean): void {
  const scale = devicePixelRatio || 1;
  const width = canvas.clientWidth;
  const context = canvas.getContext("2d");
  if (!context || width === 0) return;
  const colour: Colour = (name) => {
    canvas.style.color = `var(--${name})`;
    return getComputedStyle(canvas).color;
  };
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(height * scale);
  context.setTransform(scale, 0, 0, scale, 0, 0);
  const x = (ms: number) => (ms / Math.max(1, overview.duration_ms)) * width;
  SIDES.forEach((side, row) => {
    const top = row * (height / 2);
    const marks = overview.marks.filter((mark) => mark.side === side);
    drawAreas(context, marks, x, top, colour);
    drawPeaks(context, overview, row, top, width, colour(`series-${row}`));
    drawFlags(context, marks, x, top, colour);
    if (showsTones) drawTones(context, overview, row, top + ROW, width, colour(`series-${row}`));
    context.fillStyle = colour("line");
    if (row > 0) context.fillRect(0, top, width, 1);
  });
  canvas.style.color = "";
}

/** What lasts lies behind the sound. */
function drawAreas(
  context: CanvasRenderingContext2D,
  marks: Mark[],
  x: (ms: number) => number,
  top: number,
  colour: Colour,
): void {
  const fills: Partial<Record<Mark["kind"], string>> = {
    hold: colour("fair-wash"),
    silence: colour("sunk"),
    encrypted: colour("sunk"),
    no_decoder: colour("sunk"),
    headers_only: colour("sunk"),
  };
  for (const mark of marks) {
    const fill = fills[mark.kind];
    if (!fill) continue;
    const [from, to] = [x(mark.start_ms), x(mark.end_ms)];
    context.fillStyle = fill;
    context.fillRect(from, top, Math.max(1, to - from), ROW);
    if (to - from > 60 && mark.kind !== "silence") {
      context.fillStyle = colour("muted");
      context.font = "11px system-ui, sans-serif";
      context.fillText(markText(mark), from + 6, top + ROW - 6, to - from - 8);
    }
  }
}

const signed = (value = 0) => (value << 24) >> 24;

/** The highest peak of both sides: they are drawn to one scale, which a quiet call fills, too. */
function loudest({ peaks }: Overview): number {
  let most = 16;
  for (const side of peaks) {
    for (let at = 0; at < side.length; at += 3) {
      most = Math.max(most, -signed(side[at]), signed(side[at + 1]));
    }
  }
  return most;
}

function drawPeaks(
  context: CanvasRenderingContext2D,
  overview: Overview,
  row: number,
  top: number,
  width: number,
  colour: string,
): void {
  const peaks = overview.peaks[row as 0 | 1];
  const middle = top + ROW / 2;
  const half = ROW / 2 - 6;
  const scale = half / loudest(overview);
  context.fillStyle = colour;
  for (let column = 0; column < width; column++) {
    const from = Math.floor((column / width) * overview.buckets);
    const to = Math.max(from + 1, Math.floor(((column + 1) / width) * overview.buckets));
    let [low, high, rms] = [0, 0, 0];
    for (let bucket = from; bucket < to; bucket++) {
      low = Math.min(low, signed(peaks[bucket * 3]));
      high = Math.max(high, signed(peaks[bucket * 3 + 1]));
      rms = Math.max(rms, peaks[bucket * 3 + 2] ?? 0);
    }
    context.globalAlpha = 0.45;
    const y = middle - high * scale;
    context.fillRect(column, y, 1, Math.max(1, (high - low) * scale));
    context.globalAlpha = 1;
    context.fillRect(column, middle - (rms / 2) * scale, 1, rms * scale);
  }
}

/** What happens at a moment stands before it. */
function drawFlags(
  context: CanvasRenderingContext2D,
  marks: Mark[],
  x: (ms: number) => number,
  top: number,
  colour: Colour,
): void {
  context.font = "600 11px system-ui, sans-serif";
  let free = -Infinity;
  for (const mark of marks) {
    const [from, to] = [x(mark.start_ms), x(mark.end_ms)];
    if (mark.kind === "loss") {
      context.fillStyle = colour("bad-fill");
      context.globalAlpha = 0.35;
      context.fillRect(from, top, Math.max(1.5, to - from), ROW);
      context.globalAlpha = 1;
      context.fillRect(from, top, Math.max(1.5, to - from), 4);
    } else if (mark.kind === "reordered") {
      context.fillStyle = colour("fair-fill");
      context.fillRect(from - 1, top, 3, 7);
    } else if (mark.kind === "dtmf" || mark.kind === "codec") {
      const text = mark.text || "·";
      context.fillStyle = colour(mark.kind === "dtmf" ? "text" : "muted");
      context.fillRect(from, top, 1, 14);
      if (from > free) {
        context.fillText(text, from + 3, top + 12);
        free = from + 6 + context.measureText(text).width;
      }
    }
  }
}

/** Each level is the row's colour, the louder the denser. */
function drawTones(
  context: CanvasRenderingContext2D,
  { spectrum, columns, bands, top_hz }: Overview,
  row: number,
  top: number,
  width: number,
  colour: string,
): void {
  if (columns === 0) return;
  const [red = 0, green = 0, blue = 0] = (colour.match(/[\d.]+/g) ?? []).map(Number);
  const picture = new ImageData(columns, bands);
  const levels = spectrum[row as 0 | 1];
  for (let column = 0; column < columns; column++) {
    for (let band = 0; band < bands; band++) {
      const level = levels[column * bands + band] ?? 0;
      const alpha = Math.max(0, (level - 60) / 150);
      picture.data.set([red, green, blue, 255 * Math.min(1, alpha)], ((bands - 1 - band) * columns + column) * 4);
    }
  }
  const drawn = new OffscreenCanvas(columns, bands);
  drawn.getContext("2d")?.putImageData(picture, 0, 0);
  context.drawImage(drawn, 0, top, width, TONES);
  context.fillStyle = colour;
  context.font = "10px system-ui, sans-serif";
  context.fillText(`${top_hz / 1000} kHz`, 4, top + 11);
}
