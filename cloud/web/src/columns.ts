// The columns of the list of calls. Time, from and to are always there: they are the call.

export interface Column {
  key: string;
  label: string;
  /** Of the window, in pixels; narrower ones leave the column out (styles/calls.css). */
  from?: number;
}

export const COLUMNS: Column[] = [
  { key: "outcome", label: "Outcome" },
  { key: "duration", label: "Duration" },
  { key: "mos", label: "MOS" },
  { key: "sensor", label: "Sensor", from: 1241 },
  { key: "flags", label: "Flags", from: 1021 },
  { key: "verdict", label: "What happened" },
];

export function hiddenColumns(query: URLSearchParams): ReadonlySet<string> {
  const known = new Set(COLUMNS.map(({ key }) => key));
  return new Set((query.get("hide") ?? "").split(",").filter((key) => known.has(key)));
}

/** Why a column is left out though nobody has hidden it. */
export function leftOut({ key, from }: Column, sensors: number, width: number): string | null {
  // Where there is one sensor only, its name in every row tells nothing.
  if (key === "sensor" && sensors === 1) return "there is one only";
  return from && width < from ? "the window is too narrow" : null;
}
