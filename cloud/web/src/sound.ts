// A call's sound as a sensor sends it: the overview that is shown first, and the WAV that is played.
// docs/audio.md describes both.

export type Side = "caller" | "callee";

export type MarkKind =
  | "loss"
  | "reordered"
  | "silence"
  | "codec"
  | "dtmf"
  | "hold"
  | "encrypted"
  | "no_decoder"
  | "headers_only";

export interface Mark {
  kind: MarkKind;
  side: Side;
  start_ms: number;
  end_ms: number;
  /** Packets. */
  count?: number;
  /** A digit, an encoding. */
  text?: string;
}

export interface SoundSide {
  is_heard: boolean;
  problem: string | null;
  encodings: string[];
  packets: number;
  lost: number;
  clock_ppm: number;
}

export interface Overview {
  version: number;
  rate: number;
  samples: number;
  wav_bytes: number;
  duration_ms: number;
  /** Microseconds since the epoch. */
  started_at: number;
  /** Caller, callee. */
  sides: [SoundSide, SoundSide];
  marks: Mark[];
  buckets: number;
  columns: number;
  bands: number;
  top_hz: number;
  floor_db: number;
  /** Of each side: lowest, highest (signed) and RMS for each bucket. */
  peaks: [Uint8Array, Uint8Array];
  /** Of each side: `bands` levels for each column, the lowest tone first. */
  spectrum: [Uint8Array, Uint8Array];
}

/** What the player needs: whoever fetches a call's sound gives this. */
export interface SoundSource {
  /** Rejects with a `SoundError` where there is nothing to hear. */
  overview(): Promise<Overview>;
  /** The WAV file; it is read as far as it is needed. */
  audio: ReadableStream<Uint8Array>;
}

/** Why a call cannot be heard: a word that `problemSentence` knows. */
export class SoundError extends Error {
  constructor(
    readonly word: string,
    readonly encoding = "",
  ) {
    super(problemSentence(word, encoding));
  }
}

const PROBLEMS: Record<string, string> = {
  encrypted: "It is encrypted, and its SIP has no key that opens it.",
  headers_only: "The rule that kept it keeps RTP headers only, no speech.",
  no_media: "No RTP of it was kept.",
  let_go: "The sensor has let it go: newer calls needed the room.",
};

export function problemSentence(word: string, encoding = ""): string {
  if (word === "no_decoder") {
    return `There is no decoder for ${encoding || "its encoding"} here; the packets can be downloaded.`;
  }
  return PROBLEMS[word] ?? "It cannot be heard.";
}

/** Reads what a sensor sends as overview. */
export function parseOverview(bytes: Uint8Array): Overview {
  const length = new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(4, 4 + length)));
  let at = 4 + length;
  const take = (size: number) => bytes.subarray(at, (at += size));
  const both = (size: number): [Uint8Array, Uint8Array] => [take(size), take(size)];
  const peaks = both(3 * header.buckets);
  const spectrum = both(header.bands * header.columns);
  if (at > bytes.length) throw new Error("The overview of the sound ends too early");
  return { ...header, peaks, spectrum };
}

const HEAD = 44;

/** Takes a WAV file in pieces of any size and gives samples: caller, callee, caller, ... */
export class WavReader {
  private head = HEAD;
  private rest = new Uint8Array(0);

  push(piece: Uint8Array): Int16Array {
    const skipped = Math.min(this.head, piece.length);
    this.head -= skipped;
    const bytes = new Uint8Array(this.rest.length + piece.length - skipped);
    bytes.set(this.rest);
    bytes.set(piece.subarray(skipped), this.rest.length);
    const whole = bytes.length - (bytes.length % 4);
    this.rest = bytes.slice(whole);
    // Every browser's machine is little-endian, as the file is.
    return new Int16Array(bytes.buffer, 0, whole / 2);
  }
}

const KINDS: Record<MarkKind, string> = {
  loss: "Lost",
  reordered: "Reordered",
  silence: "Silence",
  codec: "Encoding",
  dtmf: "Digit",
  hold: "Hold",
  encrypted: "Encrypted",
  no_decoder: "No decoder",
  headers_only: "Headers only",
};

/** What a mark says, without its time. */
export function markText({ kind, count, text }: Mark): string {
  const packets = count === undefined ? "" : `: ${count} ${count === 1 ? "packet" : "packets"}`;
  switch (kind) {
    case "loss":
    case "reordered":
      return KINDS[kind] + packets;
    case "dtmf":
      return text ? `Digit ${text}` : "Digit, masked";
    case "codec":
    case "no_decoder":
      return text ? `${KINDS[kind]} ${text}` : KINDS[kind];
    default:
      return KINDS[kind];
  }
}

/** The mark before a moment, or behind it; one within half a second of it is passed over. */
export function markBeside(marks: Mark[], ms: number, ahead: boolean): Mark | undefined {
  return ahead
    ? marks.find((mark) => mark.start_ms > ms + 50)
    : marks.filter((mark) => mark.start_ms < ms - 500).at(-1);
}

/** 0:07.3, 12:07.3, 1:02:07.3 */
export function position(ms: number): string {
  const tenths = Math.max(0, Math.floor(ms / 100));
  const two = (n: number) => String(n).padStart(2, "0");
  const [h, m, s] = [Math.floor(tenths / 36000), Math.floor(tenths / 600) % 60, Math.floor(tenths / 10) % 60];
  return `${h > 0 ? `${h}:${two(m)}` : m}:${two(s)}.${tenths % 10}`;
}
