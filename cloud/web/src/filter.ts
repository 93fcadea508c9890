// The search as it stands in the address, in the search bar, and in what the API is asked.
//
// The address uses the API's own parameter names, so a search, its CSV and its API call read the
// same. What a person types is a token, `key:value`, or a plain word that is looked at.

import { nearest } from "./nearest.js";

/** Every parameter that filters calls, in the order in which chips are shown. */
export const FIELDS = [
  { key: "number", label: "Number", hint: "either side: 4930123, or 0049*, *99, *305*" },
  { key: "caller", label: "From", hint: "the calling number or user" },
  { key: "callee", label: "To", hint: "the called number or user" },
  { key: "address", label: "Address", hint: "192.0.2.1, or a network: 10.0.0.0/8, 2001:db8::/32" },
  { key: "call_id", label: "Call-ID", hint: "SIP Call-ID" },
  { key: "status", label: "Status", hint: "486, 4xx, 480,486, none, !200" },
  { key: "ended_by", label: "Ended by", hint: "caller, callee, cancelled, …" },
  { key: "answered", label: "Answered", hint: "true or false" },
  { key: "band", label: "Quality", hint: "excellent, good, fair, degraded, no_audio, none" },
  { key: "mos_below", label: "MOS below", hint: "3.0" },
  { key: "mos_above", label: "MOS above", hint: "4.2" },
  { key: "flag", label: "Flag", hint: "one_way, no_media, …" },
  { key: "min_duration", label: "Longer than", hint: "seconds" },
  { key: "sensor", label: "Sensor", hint: "a sensor's id" },
  { key: "q", label: "Text", hint: "words in number, user or Call-ID" },
] as const;

export type FieldKey = (typeof FIELDS)[number]["key"];

const KEYS: ReadonlySet<string> = new Set(FIELDS.map((field) => field.key));
export const isField = (key: string): key is FieldKey => KEYS.has(key);
export const fieldLabel = (key: FieldKey): string => FIELDS.find((field) => field.key === key)?.label ?? key;

/** Other words that people write for a field. */
const SYNONYMS: Record<string, FieldKey> = {
  from: "caller",
  to: "callee",
  ip: "address",
  host: "address",
  callid: "call_id",
  "call-id": "call_id",
  code: "status",
  ended: "ended_by",
  flags: "flag",
  quality: "band",
  longer: "min_duration",
  text: "q",
};

export interface Token {
  key: FieldKey;
  value: string;
}

/** What one typed piece means: `key:value`, `mos<3`, `-flag:nat`, or null for a plain word. */
export function parseToken(text: string): Token | null {
  const mos = /^mos\s*([<>])=?\s*(\d(?:[.,]\d+)?)$/i.exec(text);
  if (mos) {
    const key = mos[1] === "<" ? "mos_below" : "mos_above";
    return { key, value: (mos[2] ?? "").replace(",", ".") };
  }
  const pair = /^([!-]?)([a-z_-]+):(.+)$/i.exec(text);
  if (!pair) return null;
  const name = (pair[2] ?? "").toLowerCase();
  const key = SYNONYMS[name] ?? (isField(name) ? name : null);
  if (!key) return null;
  const value = unquote((pair[3] ?? "").trim());
  return value ? { key, value: pair[1] ? negated(value) : value } : null;
}

/** Schemes of addresses that people paste, and so no names of filters. */
const SCHEMES = ["sip", "sips", "tel", "urn", "uuid"];

/** A piece that is written like a filter and is none, with what was meant. */
export interface UnknownField {
  name: string;
  meant: Token | null;
}

/** `null` for a filter, a plain word, an address, and for what stands in quotes. */
export function unknownField(piece: string): UnknownField | null {
  const pair = /^([!-]?)([a-z_-]+):([^:]+)$/i.exec(piece.trim());
  if (!pair || parseToken(piece.trim())) return null;
  const name = (pair[2] ?? "").toLowerCase();
  if (SCHEMES.includes(name)) return null;
  const near = nearest(name, [...KEYS, ...Object.keys(SYNONYMS)]);
  const meant = near && parseToken(`${pair[1]}${near}:${pair[3]}`);
  return { name, meant: meant || null };
}

const negated = (value: string) => (value.startsWith("!") ? value : `!${value}`);
/** 192.0.2.1:5060 and [2001:db8::1]:5060, as they stand in logs, are searched without their port. */
const withoutPort = (value: string) =>
  value
    .replace(/^(!?)(\d{1,3}(?:\.\d{1,3}){3}):\d+$/, "$1$2")
    .replace(/^(!?)\[([0-9a-f:.]+)\](:\d+)?$/i, "$1$2");
const unquote = (value: string) => value.replace(/^"(.*)"$/, "$1");

/** Splits at spaces outside of double quotes. */
export function splitPieces(text: string): string[] {
  return text.match(/(?:[^\s"]+|"[^"]*"?)+/g) ?? [];
}

const IPV4 = /^!?\d{1,3}(\.\d{1,3}){3}(\/\d{1,2})?$/;
const IPV6 = /^!?[0-9a-f]*:[0-9a-f:.]+(\/\d{1,3})?$/i;
const NUMBER = /^!?\+?[\d*]*\d[\d*]*$/;
const STATUS = /^!?[1-6](\d\d|xx)$/i;

/** What a typed piece may mean, the likeliest first; never empty for a piece that is not. */
export function suggest(piece: string): Token[] {
  const text = piece.trim();
  if (!text) return [];
  const exact = parseToken(text);
  if (exact) return [exact];
  const word = withoutPort(unquote(text));
  const found: Token[] = [];
  const add = (key: FieldKey) => found.push({ key, value: word });
  if (/^!?[1-6]xx$/i.test(word)) return [{ key: "status", value: word.toLowerCase() }];
  if (IPV4.test(word) || (IPV6.test(word) && (word.match(/:/g)?.length ?? 0) > 1)) add("address");
  if (word.includes("@")) add("call_id");
  if (NUMBER.test(word)) {
    add("number");
    add("caller");
    add("callee");
    if (STATUS.test(word)) add("status");
  } else if (/^[\w.-]+$/.test(word) && found.length === 0) {
    const flag = word.toLowerCase().replace(/-/g, "_");
    if (FLAG_NAMES.includes(flag)) found.push({ key: "flag", value: flag });
  }
  add("q");
  if (found[0]?.key === "q") {
    add("number");
    add("call_id");
  }
  return found;
}

/** The names that a record's flags have (protocol/src/cdr.rs). */
export const FLAG_NAMES = [
  "one_way",
  "no_media",
  "silent",
  "encrypted",
  "transferred",
  "on_hold",
  "fax",
  "nat",
  "joined_late",
  "capture_loss",
  "clock_unset",
  "evicted",
  "early_media",
  "forked",
  "authenticated",
  "truncated",
  "recording",
  "unseen_media",
];

/** All of a line as tokens; plain words take their likeliest meaning. */
export function parseLine(line: string): Token[] {
  return splitPieces(line).flatMap((piece) => suggest(piece).slice(0, 1));
}

/** The tokens that an address holds. */
export function tokensOf(query: URLSearchParams): Token[] {
  return FIELDS.flatMap(({ key }) => {
    const value = query.get(key);
    return value ? [{ key, value }] : [];
  });
}

/** The address with these tokens added; a list field collects values, others are replaced. */
export function withTokens(query: URLSearchParams, tokens: Token[]): URLSearchParams {
  const next = firstPage(query);
  for (const { key, value } of tokens) {
    const old = next.get(key);
    next.set(key, old && collects(key, old, value) ? joined(old, value) : value);
  }
  return next;
}

/** Fields of which several values mean any of these. */
const LISTS: ReadonlySet<FieldKey> = new Set([
  "number",
  "caller",
  "callee",
  "address",
  "call_id",
  "status",
  "ended_by",
  "band",
  "sensor",
]);

/** Both are asked for, or both are ruled out: then they make a list. */
const collects = (key: FieldKey, old: string, value: string) =>
  LISTS.has(key) && old.startsWith("!") === value.startsWith("!");

const joined = (old: string, value: string) =>
  [...new Set([...old.split(","), ...value.replace(/^!/, "").split(",")])].join(",");

export function withoutField(query: URLSearchParams, key: FieldKey): URLSearchParams {
  const next = firstPage(query);
  next.delete(key);
  return next;
}

/** Sets or, with null, removes one parameter, and goes back to the first page. */
export function withParam(query: URLSearchParams, key: string, value: string | null): URLSearchParams {
  const next = firstPage(query);
  if (value === null || value === "") next.delete(key);
  else next.set(key, value);
  return next;
}

export function withoutFilters(query: URLSearchParams): URLSearchParams {
  const next = firstPage(query);
  for (const { key } of FIELDS) next.delete(key);
  return next;
}

function firstPage(query: URLSearchParams): URLSearchParams {
  const next = new URLSearchParams(query);
  next.delete("cursor");
  return next;
}

/** How a chip reads. */
export function tokenText({ key, value }: Token, sensorName?: (id: string) => string): string {
  if (key === "answered") return value === "true" ? "answered" : "not answered";
  if (key === "mos_below") return `MOS ≤ ${value}`;
  if (key === "mos_above") return `MOS ≥ ${value}`;
  if (key === "min_duration") return `longer than ${value} s`;
  const not = value.startsWith("!");
  const plain = not ? value.slice(1) : value;
  if (key === "q") return `${fieldLabel(key)} ${not ? "not " : ""}${plain}`;
  const parts = plain.split(",").map((part) => partText(key, part.trim(), sensorName));
  return `${fieldLabel(key)} ${not ? "not " : ""}${parts.join(" or ")}`;
}

/** How one of a list reads: what a star or a network means is said. */
function partText(key: FieldKey, part: string, sensorName?: (id: string) => string): string {
  if (key === "sensor") return sensorName ? sensorName(part) : part;
  if (key === "flag" || key === "ended_by" || key === "band") return part.replace(/_/g, " ");
  if (key === "address") return part.includes("/") ? `in ${part}` : part;
  const star = /^(\*?)([^*]+)(\*?)$/.exec(part);
  if (!star || key === "status") return part;
  const [, before, text, after] = star;
  if (before && after) return `with ${text} in it`;
  return before ? `ending in ${text}` : after ? `beginning with ${text}` : part;
}

export const RANGES = [
  { key: "1h", label: "Last hour", seconds: 3600 },
  { key: "6h", label: "Last 6 hours", seconds: 6 * 3600 },
  { key: "24h", label: "Last 24 hours", seconds: 24 * 3600 },
  { key: "7d", label: "Last 7 days", seconds: 7 * 86400 },
  { key: "25d", label: "Last 25 days", seconds: 25 * 86400 },
] as const;

export const DEFAULT_RANGE = "24h";

export interface Range {
  /** Which of RANGES, or null for a fixed one. */
  key: string | null;
  from: Date;
  /** Null: until now, so that new calls arrive. */
  to: Date | null;
}

/** The time range that an address names, seen from `now`. */
export function rangeOf(query: URLSearchParams, now: Date): Range {
  const from = parseTime(query.get("from"));
  const to = parseTime(query.get("to"));
  if (from) return { key: null, from, to };
  const known = RANGES.find(({ key }) => key === (query.get("range") ?? DEFAULT_RANGE)) ?? RANGES[2];
  return { key: known.key, from: new Date(now.getTime() - known.seconds * 1000), to };
}

function parseTime(text: string | null): Date | null {
  if (!text) return null;
  const time = new Date(text);
  return Number.isNaN(time.getTime()) ? null : time;
}

/** The address with a fixed range. */
export function withRange(query: URLSearchParams, from: Date, to: Date | null): URLSearchParams {
  const next = firstPage(query);
  next.delete("range");
  next.set("from", short(from));
  if (to) next.set("to", short(to));
  else next.delete("to");
  return next;
}

/** The address with one of RANGES. */
export function withNamedRange(query: URLSearchParams, key: string): URLSearchParams {
  const next = firstPage(query);
  next.delete("from");
  next.delete("to");
  if (key === DEFAULT_RANGE) next.delete("range");
  else next.set("range", key);
  return next;
}

const short = (time: Date) => `${time.toISOString().slice(0, 19)}Z`;

/** What the API is asked for the calls of an address. */
export function callsQuery(query: URLSearchParams, now: Date, limit: number): URLSearchParams {
  const asked = statsQuery(query, now);
  asked.set("limit", String(limit));
  asked.set("views", showsEach(query) ? "each" : "one");
  const cursor = query.get("cursor");
  if (cursor) asked.set("cursor", cursor);
  return asked;
}

/** Whether every record is a row, and not every call. */
export const showsEach = (query: URLSearchParams): boolean => query.get("views") === "each";

/** What the API is asked for the figures of the same calls. */
export function statsQuery(query: URLSearchParams, now: Date): URLSearchParams {
  const { from, to } = rangeOf(query, now);
  const asked = new URLSearchParams({ from: short(from) });
  if (to) asked.set("to", short(to));
  for (const { key, value } of tokensOf(query)) asked.set(key, value);
  return asked;
}

/** The part of an address that names a list of calls: its filters, range and page. */
export function listQuery(query: URLSearchParams): URLSearchParams {
  const kept = new URLSearchParams();
  for (const key of [...KEYS, "range", "from", "to", "cursor", "hide", "show", "views"]) {
    const value = query.get(key);
    if (value) kept.set(key, value);
  }
  return kept;
}
