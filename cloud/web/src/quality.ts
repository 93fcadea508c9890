// The bands of MOS, stated once (the same thresholds as protocol/src/diagnosis.rs).

export type Band = "good" | "fair" | "bad" | "none";

export const MOS_BAD = 3.0;
export const MOS_FAIR = 3.6;

export function band(mos: number | null | undefined): Band {
  if (mos == null) return "none";
  if (mos <= MOS_BAD) return "bad";
  return mos <= MOS_FAIR ? "fair" : "good";
}

export const BANDS: { band: Band; word: string; range: string }[] = [
  { band: "good", word: "Good", range: `above ${MOS_FAIR.toFixed(1)}` },
  { band: "fair", word: "Fair", range: `${MOS_BAD.toFixed(1)} to ${MOS_FAIR.toFixed(1)}` },
  { band: "bad", word: "Bad", range: `${MOS_BAD.toFixed(1)} and below` },
  { band: "none", word: "No MOS", range: "no media, or a codec without published values" },
];

export const bandWord = (of: Band): string => BANDS.find(({ band }) => band === of)?.word ?? "";

/** From which jitter buffer and on which scale a MOS is. */
export function mosBasis(scale: "nb" | "wb" | null, buffer = "adaptive jitter buffer"): string {
  const of = scale === "wb" ? "wideband, G.107.1" : scale === "nb" ? "narrowband, G.107" : null;
  return of ? `${buffer}, ${of}` : buffer;
}
