// Figures as people read them. What is not known is never shown as 0.

export const NONE = "–";

const integer = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });

/** 12,345. */
export const count = (value: number | null | undefined): string =>
  value == null ? NONE : integer.format(value);

/** A figure with fixed decimals and its unit. */
export function figure(value: number | null | undefined, decimals: number, unit = ""): string {
  if (value == null) return NONE;
  return value.toFixed(decimals) + (unit ? ` ${unit}` : "");
}

/** 0.1234 as 12.3 %. */
export const percent = (share: number | null | undefined, decimals = 1): string =>
  share == null ? NONE : figure(share * 100, decimals, "%");

/** A part of a whole as a share; null where there is no whole. */
export const share = (part: number | null, whole: number | null): number | null =>
  part === null || whole === null || whole <= 0 ? null : part / whole;

/** Milliseconds with as many decimals as help: 0.4 ms, 38 ms, 1,204 ms. */
export function millis(value: number | null | undefined): string {
  if (value == null) return NONE;
  return `${value < 10 ? value.toFixed(1) : integer.format(value)} ms`;
}

/** How long: 0.8 s, 42 s, 3:07, 1:02:09. */
export function duration(ms: number | null | undefined): string {
  if (ms == null) return NONE;
  if (ms < 10_000) return `${(Math.floor(ms / 100) / 10).toFixed(1)} s`;
  const seconds = Math.floor(ms / 1000);
  if (seconds < 60) return `${seconds} s`;
  const two = (n: number) => String(n).padStart(2, "0");
  const [h, m, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  return h > 0 ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}

/** How long in words: 42 s, 3 min 7 s, 5 h 2 min, 12 d 4 h. */
export function longDuration(seconds: number | null | undefined): string {
  if (seconds == null) return NONE;
  const whole = Math.floor(seconds);
  const [d, h] = [Math.floor(whole / 86400), Math.floor(whole / 3600) % 24];
  const [m, s] = [Math.floor(whole / 60) % 60, whole % 60];
  if (d > 0) return h > 0 ? `${d} d ${h} h` : `${d} d`;
  if (h > 0) return m > 0 ? `${h} h ${m} min` : `${h} h`;
  if (m > 0) return s > 0 ? `${m} min ${s} s` : `${m} min`;
  return `${s} s`;
}

/** Bytes in binary units: 512 B, 3.2 KiB, 41 MiB. */
export function bytes(value: number | null | undefined): string {
  if (value == null) return NONE;
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let size = value;
  let unit = 0;
  while (size >= 1024 && unit < units.length - 1) {
    size /= 1024;
    unit += 1;
  }
  return `${unit === 0 || size >= 10 ? Math.round(size) : size.toFixed(1)} ${units[unit]}`;
}

/** A moment against now: just now, 2 min ago, 5 h ago, 3 d ago, in 7 d. */
export function relative(at: Date, now: Date): string {
  const seconds = Math.round((now.getTime() - at.getTime()) / 1000);
  const size = Math.abs(seconds);
  if (size < 10) return "just now";
  // To the nearest, and never 60 min or 24 h.
  const [minutes, hours] = [Math.round(size / 60), Math.round(size / 3600)];
  const text =
    size < 60
      ? `${size} s`
      : minutes < 60
        ? `${minutes} min`
        : hours < 24
          ? `${hours} h`
          : `${Math.round(size / 86400)} d`;
  return seconds < 0 ? `in ${text}` : `${text} ago`;
}

const two = (n: number) => String(n).padStart(2, "0");

/** 14:02:31, in the browser's zone. */
export const clock = (at: Date): string =>
  `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;

/** 24 Nov, and the year where it is another one. */
export function day(at: Date, now: Date): string {
  const months = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(" ");
  const text = `${at.getDate()} ${months[at.getMonth()]}`;
  return at.getFullYear() === now.getFullYear() ? text : `${text} ${at.getFullYear()}`;
}

export const sameDay = (a: Date, b: Date): boolean =>
  a.getFullYear() === b.getFullYear() && a.getMonth() === b.getMonth() && a.getDate() === b.getDate();

/** The UTC reading, for titles: 2026-11-24 13:02:31.123 UTC. */
export const utc = (at: Date): string => `${at.toISOString().replace("T", " ").replace("Z", "")} UTC`;

/** The value that an `<input type="datetime-local">` takes. */
export const localInput = (at: Date): string =>
  `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}` +
  `T${two(at.getHours())}:${two(at.getMinutes())}`;

/** Splits "192.0.2.1:5060" or "[2001:db8::1]:5060". */
export function hostPort(address: string | null): { host: string; port: string } {
  const found = /^\[?(.*?)\]?:(\d+)$/.exec(address ?? "");
  return found ? { host: found[1] ?? "", port: found[2] ?? "" } : { host: address ?? "", port: "" };
}

/** An SSRC as it is written in RTCP tools: 0x1A2B3C4D. */
export const ssrc = (value: number): string => `0x${value.toString(16).toUpperCase().padStart(8, "0")}`;

/** A machine's word for people: caller_to_callee as "caller to callee". */
export const words = (name: string): string => name.replace(/_/g, " ");

/** A sentence of the cloud's with the moments in it as the reader's clock has them. */
export const localTimes = (sentence: string, now: Date): string =>
  sentence.replace(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ/g, (utc) => {
    const at = new Date(utc);
    return sameDay(at, now) ? clock(at) : `${day(at, now)} ${clock(at)}`;
  });

/** A sentence without what stands in brackets, for places with little room. */
export const brief = (sentence: string): string => sentence.replace(/ \([^()]*\)/g, "");

/** "1 call", "3 calls". */
export const plural = (n: number, one: string, many = `${one}s`): string =>
  `${count(n)} ${n === 1 ? one : many}`;

/**
 * A text from the wire to paste somewhere: no line end that would run it in a terminal, no escape, and
 * nothing that turns the direction of what follows.
 */
export const onOneLine = (text: string): string =>
  text.replace(/[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]/gu, " ");
