// The bands of calls, as protocol/src/band.rs has them.

import type { MosScale } from "./types.js";

export type Band = "excellent" | "good" | "fair" | "degraded" | "no_audio" | "none";

export const MOS_DEGRADED = 3.0;
export const MOS_FAIR = 3.6;
export const MOS_GOOD = 4.2;

/** Of a MOS. A call's own band is in the API's answer: its flags count too. */
export function band(mos: number | null | undefined): Band {
  if (mos == null) return "none";
  if (mos <= MOS_DEGRADED) return "degraded";
  if (mos <= MOS_FAIR) return "fair";
  return mos <= MOS_GOOD ? "good" : "excellent";
}

const between = (low: number, high: number) => `MOS above ${low.toFixed(1)}, up to ${high.toFixed(1)}`;

/** The best first. */
export const BANDS: { band: Band; word: string; range: string }[] = [
  { band: "excellent", word: "Excellent", range: `MOS above ${MOS_GOOD.toFixed(1)}` },
  { band: "good", word: "Good", range: between(MOS_FAIR, MOS_GOOD) },
  { band: "fair", word: "Fair", range: between(MOS_DEGRADED, MOS_FAIR) },
  { band: "degraded", word: "Degraded", range: `MOS ${MOS_DEGRADED.toFixed(1)} and below` },
  { band: "no_audio", word: "No audio", range: "one way, no media or silent, whatever the MOS" },
  { band: "none", word: "No MOS", range: "a codec without published values, or too few packets" },
];

export const bandWord = (of: Band): string => BANDS.find(({ band }) => band === of)?.word ?? "";

/** Why a call is in the band "no audio". */
export function noAudio(flags: string[]): string {
  if (flags.includes("no_media")) return "no media";
  return flags.includes("one_way") ? "one direction only" : "silent";
}

/** From which jitter buffer and on which scale a MOS is. */
export function mosBasis(scale: MosScale | null, estimated = false, buffer = "adaptive jitter buffer"): string {
  if (!scale) return buffer;
  return `${buffer}, ${SCALES[scale]}${estimated ? ", estimated: ITU-T has no full values for the codec" : ""}`;
}

export const SCALES: Record<MosScale, string> = {
  nb: "narrowband, G.107",
  wb: "wideband, G.107.1",
  fb: "fullband, G.107.2",
};
