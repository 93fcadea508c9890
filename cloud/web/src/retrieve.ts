// A call's packets (or its sound) from the sensor, through the cloud, which cannot read them.
//
// `retrieve` asks, waits in the queue, checks the sensor's signature, opens the frames, and goes on where a lost
// connection has cut it off. `sealed.ts` has the keys.

import { ApiError, api } from "./api.js";
import {
  Arriving,
  BadTransfer,
  FRAME,
  ForgedTransfer,
  Frames,
  type Half,
  type Keys,
  OPENING,
  type Opening,
  type Said,
  agree,
  fingerprintOf,
  fromBase64,
  fromHex,
  isSigned,
  makeHalf,
  readOpening,
  resumeProof,
  toBase64,
} from "./sealed.js";

export type Action = "packets" | "audio" | "live";

/** How far it is. */
export interface Progress {
  state: "asking" | "queued" | "receiving" | "reconnecting";
  /** Others that come first, while it is queued. */
  ahead: number;
  /** Bytes of the file that are here. */
  bytes: number;
  /** Bytes of the whole file, about. */
  aboutBytes: number | null;
}

/** What the sensor says before the first byte. */
export interface About {
  name: string;
  media_type: string;
  about_bytes: number | null;
  offset: number;
}

/** Who sent it, and what was checked. */
export interface Source {
  fingerprint: string;
  /** The device's signature: good, or null where this browser cannot check it. */
  signed: true | null;
}

/** What it came to. */
export interface Retrieved {
  about: About;
  source: Source;
  bytes: number;
  /** Pieces of the call that the sensor's disk has lost. */
  missing: number;
}

export interface Options {
  reason?: string;
  signal?: AbortSignal;
  onProgress?: (progress: Progress) => void;
  /** Before the first piece. */
  onAbout?: (about: About, source: Source) => void;
  /** A JSON object that belongs to the file (marks and peaks of sound). */
  onBeside?: (value: unknown) => void;
}

/** Connections that are tried again, each time after a longer pause. */
const PAUSES = [500, 1500, 4000, 8000, 15000];

/** Refusals after which it is worth trying again: the sensor, too, may have lost its connection. */
const PASSING = ["sensor_offline", "sensor_silent", "no_answer", "transfer_over", "sensor_busy", "too_many_transfers"];

/** The file, piece by piece; its last value is what it came to. */
export async function* retrieve(
  call: string,
  action: Action,
  options: Options = {},
): AsyncGenerator<Uint8Array<ArrayBuffer>, Retrieved, undefined> {
  const { signal, onProgress, onAbout, onBeside } = options;
  const progress: Progress = { state: "asking", ahead: 0, bytes: 0, aboutBytes: null };
  const tell = (change: Partial<Progress>) => onProgress?.(Object.assign(progress, change));
  let first: { transfer: string; resume: CryptoKey } | null = null;
  let failures = 0;
  tell({});
  for (;;) {
    let begun: Begun | null = null;
    const before = progress.bytes;
    try {
      begun = await begin(call, action, options, progress.bytes, first, tell);
      const { about, source, frames } = begun;
      first ??= { transfer: begun.transfer, resume: begun.keys.resume };
      if (before === 0) onAbout?.(about, source);
      tell({ state: "receiving", ahead: 0, aboutBytes: about.about_bytes });
      for (;;) {
        const { kind, bytes } = await frames.next();
        if (kind === FRAME.data) {
          yield bytes;
          tell({ bytes: progress.bytes + bytes.length });
        } else if (kind === FRAME.beside) {
          if (before === 0) onBeside?.(parse(bytes));
        } else if (kind === FRAME.end) {
          const end = parse(bytes) as { bytes: number; missing: number };
          const isWhole = end.bytes === progress.bytes && (await frames.isOver());
          if (!isWhole) throw new ForgedTransfer("The file is not what the sensor says it is: start again.");
          return { about, source, bytes: end.bytes, missing: end.missing };
        }
      }
    } catch (error) {
      signal?.throwIfAborted();
      if (!mayPass(error) || (first === null && !(error instanceof BadTransfer))) throw error;
      // Some progress makes earlier failures forgotten.
      if (progress.bytes > before) failures = 0;
      const pause = PAUSES[failures++];
      if (pause === undefined) throw error;
      tell({ state: "reconnecting" });
      await wait(pause, signal);
    } finally {
      await begun?.close();
    }
  }
}

/** All of it in one piece, for saving. */
export async function retrieveFile(
  call: string,
  action: Action,
  options: Options = {},
): Promise<{ file: Blob; came: Retrieved }> {
  const pieces: Uint8Array<ArrayBuffer>[] = [];
  const stream = retrieve(call, action, options);
  for (;;) {
    const next = await stream.next();
    if (next.done) {
      return { file: new Blob(pieces, { type: next.value.about.media_type }), came: next.value };
    }
    // A piece is part of a larger buffer.
    pieces.push(next.value.slice());
  }
}

interface Begun {
  transfer: string;
  about: About;
  source: Source;
  keys: Keys;
  frames: Frames;
  close: () => Promise<void>;
}

async function begin(
  call: string,
  action: Action,
  { reason, signal }: Options,
  offset: number,
  first: { transfer: string; resume: CryptoKey } | null,
  tell: (change: Partial<Progress>) => void,
): Promise<Begun> {
  const half = await makeHalf();
  const resume = first && {
    transfer: first.transfer,
    offset,
    proof: toBase64(await resumeProof(first.resume, half.public, offset)),
  };
  const asked = await api.askCapture(call, {
    action,
    key: toBase64(half.public),
    ...(reason ? { reason } : {}),
    ...(resume ? { resume } : {}),
  });
  const close = async () => {
    // Whatever came of it: the sensor need not go on.
    await api.cancelCapture(call, asked.transfer).catch(() => {});
  };
  try {
    return await open(call, asked, half, offset, signal, tell, close);
  } catch (error) {
    await close();
    throw error;
  }
}

async function open(
  call: string,
  asked: { transfer: string },
  half: Half,
  offset: number,
  signal: AbortSignal | undefined,
  tell: (change: Partial<Progress>) => void,
  close: () => Promise<void>,
): Promise<Begun> {
  let response = await api.fetchCapture(call, asked.transfer, signal);
  while (response.status === 202) {
    const { ahead } = (await response.json()) as { ahead: number };
    tell({ state: ahead > 0 ? "queued" : "asking", ahead });
    response = await api.fetchCapture(call, asked.transfer, signal);
  }
  const ticket = response.headers.get("Ringside-Ticket");
  const body = response.body;
  if (!ticket || !body) throw new BadTransfer("The answer is not a sensor's.");
  const reader = body.getReader();
  const arriving = new Arriving(reader);
  const head = await arriving.take(OPENING);
  if (!head) throw new BadTransfer("The transfer was cut off.");
  const opening = readOpening(head);
  const said: Said = {
    ticket: fromBase64(ticket),
    transfer: fromHex(asked.transfer),
    offset,
    browserKey: half.public,
    sensorKey: opening.sensorKey,
  };
  const source = await check(call, opening, said);
  const keys = await agree(half, said);
  const frames = new Frames(arriving, keys.frames);
  const { kind, bytes } = await frames.next();
  if (kind !== FRAME.about) throw new BadTransfer("The answer is not a sensor's.");
  const stop = async () => {
    await reader.cancel().catch(() => {});
    await close();
  };
  return { transfer: asked.transfer, about: parse(bytes) as About, source, keys, frames, close: stop };
}

/** The call's id begins with the fingerprint of the device that saw it: nobody else may answer. */
async function check(call: string, opening: Opening, said: Said): Promise<Source> {
  const fingerprint = await fingerprintOf(opening.deviceKey);
  if (fingerprint !== call.split("-")[0]) {
    throw new ForgedTransfer("Another device answers than the one that saw this call.");
  }
  const signed = await isSigned(opening, said);
  if (signed === false) throw new ForgedTransfer("The answer is not signed by the device that saw this call.");
  return { fingerprint, signed };
}

/** Whether the network may be to blame. */
function mayPass(error: unknown): boolean {
  if (error instanceof ApiError) return error.offline || PASSING.includes(error.code);
  // A stream that breaks off is a TypeError of fetch.
  return error instanceof BadTransfer || error instanceof TypeError;
}

const decoder = new TextDecoder();
const parse = (bytes: Uint8Array<ArrayBuffer>): unknown => JSON.parse(decoder.decode(bytes));

function wait(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    signal?.addEventListener(
      "abort",
      () => {
        clearTimeout(timer);
        reject(signal.reason);
      },
      { once: true },
    );
  });
}
