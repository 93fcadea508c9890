// A release archive on its way to the server, in pieces; one that broke off goes on where it was.

import { ApiError, api } from "./api.js";
import type { Package } from "./types.js";

/** How often a piece is sent again whose answer did not come. */
const ATTEMPTS = 4;

/** Sends an archive with the text of its signature; `progress` gets the share that is there. */
export async function upload(
  archive: Blob,
  signature: string,
  progress: (share: number) => void,
): Promise<Package> {
  const bytes = await archive.arrayBuffer();
  const sha256 = hex(new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)));
  let known = await api.announcePackage({ bytes: bytes.byteLength, sha256, signature });
  let failures = 0;
  while (known.received < known.bytes) {
    progress(known.received / known.bytes);
    const piece = bytes.slice(known.received, known.received + known.piece_bytes);
    try {
      known = await api.sendPiece(known.id, known.received, piece);
      failures = 0;
    } catch (error) {
      const mayPass = error instanceof ApiError && (error.offline || error.status === 503 || error.code === "not_next");
      if (!mayPass || ++failures >= ATTEMPTS) throw error;
      await new Promise((resolve) => setTimeout(resolve, 1000 * failures));
      // What the server has, it knows best.
      known = await api.announcePackage({ bytes: bytes.byteLength, sha256, signature });
    }
  }
  progress(1);
  return known;
}

/** The archive and the signature among chosen files; null where one of them is missing. */
export function pair(files: File[]): { archive: File; signature: File } | null {
  const signature = files.find(({ name }) => name.endsWith(".minisig"));
  const archive = files.find((file) => file !== signature);
  return signature && archive ? { archive, signature } : null;
}

const hex = (bytes: Uint8Array): string => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
