// The browser's half of a retrieval: keys, the sensor's signature, sealed frames.
// protocol/src/retrieval.rs has the formulas; nothing here speaks to a server.

const PUBLIC_KEY = 65;
const DEVICE_KEY = 32;
const SIGNATURE = 64;
/** Bytes before the first frame. */
export const OPENING = 5 + PUBLIC_KEY + DEVICE_KEY + SIGNATURE;
/** No frame is longer: 16 KiB of data, its kind, its tag. */
const MAX_FRAME = 1 + 16 * 1024 + 16;

type Bytes = Uint8Array<ArrayBuffer>;

/** What a frame holds. */
export const FRAME = { about: 0, data: 1, end: 2, beside: 3 } as const;

/** The bytes are not what the sensor sealed, or there are too few of them. */
export class BadTransfer extends Error {}

const encoder = new TextEncoder();
const text = (value: string): Bytes => encoder.encode(value) as Bytes;

/** One after the other. */
export function concat(...parts: Bytes[]): Bytes {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

export const toBase64 = (bytes: Bytes): string => btoa(String.fromCharCode(...bytes));

export const fromBase64 = (value: string): Bytes => Uint8Array.from(atob(value), (c) => c.charCodeAt(0));

export const fromHex = (value: string): Bytes =>
  Uint8Array.from(value.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));

export const toHex = (bytes: Bytes): string =>
  Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

function number(value: number, length: number): Bytes {
  const bytes = new Uint8Array(length);
  let left = value;
  for (let at = length - 1; at >= 0; at--) {
    bytes[at] = left % 256;
    left = Math.floor(left / 256);
  }
  return bytes;
}

const sha256 = async (bytes: Bytes): Promise<Bytes> => new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));

/** A key that is made for one transfer. */
export interface Half {
  secret: CryptoKey;
  public: Bytes;
}

export async function makeHalf(): Promise<Half> {
  const pair = await crypto.subtle.generateKey({ name: "ECDH", namedCurve: "P-256" }, false, ["deriveBits"]);
  return { secret: pair.privateKey, public: new Uint8Array(await crypto.subtle.exportKey("raw", pair.publicKey)) };
}

/** What both sides have said. */
export interface Said {
  ticket: Bytes;
  transfer: Bytes;
  offset: number;
  browserKey: Bytes;
  sensorKey: Bytes;
}

/** What is signed, and hashed into the keys. */
export const transcript = ({ ticket, transfer, offset, browserKey, sensorKey }: Said): Bytes =>
  concat(text("ringside retrieval v1\0"), number(ticket.length, 4), ticket, transfer, number(offset, 8), browserKey, sensorKey);

/** The sensor's opening. */
export interface Opening {
  sensorKey: Bytes;
  deviceKey: Bytes;
  signature: Bytes;
}

export function readOpening(bytes: Bytes): Opening {
  if (toHex(bytes.slice(0, 5)) !== "5253727401") throw new BadTransfer("The answer is not a sensor's.");
  let at = 5;
  const next = (length: number): Bytes => bytes.slice(at, (at += length));
  return { sensorKey: next(PUBLIC_KEY), deviceKey: next(DEVICE_KEY), signature: next(SIGNATURE) };
}

/** A device's fingerprint, as call ids begin with it. */
export const fingerprintOf = async (deviceKey: Bytes): Promise<string> => toHex((await sha256(deviceKey)).slice(0, 16));

/**
 * Whether the device has signed; null where this browser cannot tell (Ed25519 came to Chromium with 137, to
 * Firefox with 129, to Safari with 17).
 */
export async function isSigned({ deviceKey, signature }: Opening, said: Said): Promise<boolean | null> {
  let key: CryptoKey;
  try {
    key = await crypto.subtle.importKey("raw", deviceKey, "Ed25519", false, ["verify"]);
  } catch {
    return null;
  }
  return crypto.subtle.verify("Ed25519", key, signature, transcript(said));
}

/** The keys that both sides have agreed on. */
export interface Keys {
  frames: CryptoKey;
  /** Proves who resumes. */
  resume: CryptoKey;
}

export async function agree(half: Half, said: Said): Promise<Keys> {
  const other = await crypto.subtle.importKey("raw", said.sensorKey, { name: "ECDH", namedCurve: "P-256" }, false, []);
  const shared = await crypto.subtle.deriveBits({ name: "ECDH", public: other }, half.secret, 256);
  return derive(new Uint8Array(shared), transcript(said));
}

export async function derive(shared: Bytes, said: Bytes): Promise<Keys> {
  const salt = await sha256(said);
  const key = await crypto.subtle.importKey("raw", shared, "HKDF", false, ["deriveBits"]);
  const expand = (info: string) =>
    crypto.subtle.deriveBits({ name: "HKDF", hash: "SHA-256", salt, info: text(info) }, key, 256);
  const hmac = { name: "HMAC", hash: "SHA-256" };
  return {
    frames: await crypto.subtle.importKey("raw", await expand("ringside retrieval v1 frames"), "AES-GCM", false, ["decrypt"]),
    resume: await crypto.subtle.importKey("raw", await expand("ringside retrieval v1 resume"), hmac, false, ["sign"]),
  };
}

/** What shows the sensor that the one who resumes is the one who began. */
export async function resumeProof(key: CryptoKey, browserKey: Bytes, offset: number): Promise<Bytes> {
  const message = concat(text("ringside resume v1\0"), number(offset, 8), browserKey);
  return new Uint8Array(await crypto.subtle.sign("HMAC", key, message));
}

/** Bytes as they arrive, handed out by length. */
export class Arriving {
  private parts: Bytes[] = [];
  private held = 0;

  constructor(private readonly source: ReadableStreamDefaultReader<Uint8Array>) {}

  /** So many bytes; null when the stream ends before the first of them. */
  async take(length: number): Promise<Bytes | null> {
    while (this.held < length) {
      const { done, value } = await this.source.read();
      if (done) {
        if (this.held === 0) return null;
        throw new BadTransfer("The transfer was cut off.");
      }
      this.parts.push(value as Bytes);
      this.held += value.length;
    }
    const whole = this.parts.length === 1 ? (this.parts[0] as Bytes) : concat(...this.parts);
    this.parts = whole.length > length ? [whole.subarray(length)] : [];
    this.held = whole.length - length;
    return whole.subarray(0, length);
  }
}

/** Frames, opened in their order. */
export class Frames {
  private opened = 0;

  constructor(
    private readonly arriving: Arriving,
    private readonly key: CryptoKey,
  ) {}

  /** Whether the stream ends here. */
  async isOver(): Promise<boolean> {
    return (await this.arriving.take(1)) === null;
  }

  /** The next frame's kind and bytes; throws where there is none: the end is a frame, too. */
  async next(): Promise<{ kind: number; bytes: Bytes }> {
    const head = await this.arriving.take(4);
    if (!head) throw new BadTransfer("The transfer was cut off.");
    const length = new DataView(head.buffer, head.byteOffset, 4).getUint32(0);
    if (length > MAX_FRAME) throw new BadTransfer("The answer is not a sensor's.");
    const sealed = await this.arriving.take(length);
    if (!sealed) throw new BadTransfer("The transfer was cut off.");
    const iv = concat(new Uint8Array(4), number(this.opened++, 8));
    let plain: ArrayBuffer;
    try {
      plain = await crypto.subtle.decrypt({ name: "AES-GCM", iv }, this.key, sealed);
    } catch {
      throw new ForgedTransfer("What arrived is not what the sensor has sent: it was changed on the way.");
    }
    const bytes = new Uint8Array(plain);
    return { kind: bytes[0] ?? -1, bytes: bytes.subarray(1) };
  }
}

/** Somebody between the sensor and this browser has changed something. Nothing is tried again. */
export class ForgedTransfer extends Error {}
