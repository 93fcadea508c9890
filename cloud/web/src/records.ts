// Lists of registrations and of peer relations: their filters, range, order and page in the address.

import { rangeOf } from "./filter.js";

export const PAGE_SIZE = 100;

/** What is listed, and by which of the API's own names it is chosen. */
export interface RecordList {
  /** Of its page, and of its address in the API. */
  path: string;
  /** All filters that stand in the address. */
  keys: readonly string[];
  /** Those of them that are typed as `key:value`; `q` has the other words. */
  typed: readonly string[];
}

const short = (time: Date) => `${time.toISOString().slice(0, 19)}Z`;

function chosen(list: RecordList, query: URLSearchParams, now: Date): URLSearchParams {
  const { from, to } = rangeOf(query, now);
  const asked = new URLSearchParams({ from: short(from) });
  if (to) asked.set("to", short(to));
  for (const key of list.keys) {
    const value = query.get(key);
    if (value) asked.set(key, value);
  }
  return asked;
}

/** What the API is asked for an address. */
export function recordsQuery(list: RecordList, query: URLSearchParams, now: Date): URLSearchParams {
  const asked = chosen(list, query, now);
  asked.set("limit", String(PAGE_SIZE));
  const cursor = query.get("cursor");
  if (cursor) asked.set("cursor", cursor);
  return asked;
}

/** What the API is asked for all of it as CSV. */
export const recordsCsv = chosen;

/** The part of an address that names a list: its filters, range, order and page. */
export function listOf(list: RecordList, query: URLSearchParams): URLSearchParams {
  const kept = new URLSearchParams();
  for (const key of [...list.keys, "range", "from", "to", "order", "cursor"]) {
    const value = query.get(key);
    if (value) kept.set(key, value);
  }
  return kept;
}

export const isFiltered = (list: RecordList, query: URLSearchParams): boolean =>
  list.keys.some((key) => query.get(key));

export function withoutFilters(list: RecordList, query: URLSearchParams): URLSearchParams {
  const next = new URLSearchParams(query);
  for (const key of [...list.keys, "cursor"]) next.delete(key);
  return next;
}

/** The filters of an address as they are typed. */
export function typedOf(list: RecordList, asked: URLSearchParams): string {
  const quoted = (value: string) => (/\s/.test(value) ? `"${value}"` : value);
  const tokens = list.typed.flatMap((key) => {
    const value = asked.get(key);
    return value ? [`${key}:${quoted(value)}`] : [];
  });
  return [...tokens, asked.get("q") ?? ""].join(" ").trim();
}

/** The address with what was typed in place of its filters. */
export function withTyped(list: RecordList, asked: URLSearchParams, text: string): URLSearchParams {
  const next = new URLSearchParams(asked);
  for (const key of [...list.typed, "q", "cursor"]) next.delete(key);
  const words: string[] = [];
  for (const piece of text.match(/(?:[^\s"]+|"[^"]*"?)+/g) ?? []) {
    const pair = /^([a-z]+):(.+)$/i.exec(piece);
    const key = (pair?.[1] ?? "").toLowerCase();
    const plain = piece.replace(/"/g, "");
    if (pair && list.typed.includes(key)) next.set(key, (pair[2] ?? "").replace(/"/g, ""));
    else if (/^\d{1,3}(\.\d{1,3}){3}(\/\d{1,2})?$/.test(plain)) next.set("address", plain);
    else words.push(plain);
  }
  if (words.length > 0) next.set("q", words.join(" "));
  return next;
}

/** Those that need somebody first, by where their state stands in `rank`; otherwise the order stays. */
export function worstFirst<R extends { state: S }, S extends string>(records: R[], rank: readonly S[]): R[] {
  return [...records].sort((a, b) => rank.indexOf(a.state) - rank.indexOf(b.state));
}

/** Sets a filter to exactly this value, unless the API would read a pattern or a list in it. */
export function setExact(asked: URLSearchParams, key: string, value: string | null): void {
  if (value && !/[,*!]/.test(value)) asked.set(key, value);
}
