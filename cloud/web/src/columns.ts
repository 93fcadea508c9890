// The columns of the list of calls. Time, from and to are always there: they are the call.

export interface Column {
  key: string;
  label: string;
}

export const COLUMNS: Column[] = [
  { key: "outcome", label: "Outcome" },
  { key: "duration", label: "Duration" },
  { key: "mos", label: "MOS" },
  { key: "sensor", label: "Sensor" },
  { key: "flags", label: "Flags" },
  { key: "verdict", label: "What happened" },
];

export function hiddenColumns(query: URLSearchParams): ReadonlySet<string> {
  const known = new Set(COLUMNS.map(({ key }) => key));
  return new Set((query.get("hide") ?? "").split(",").filter((key) => known.has(key)));
}
