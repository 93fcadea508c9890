// Registrations as their list needs them: its filters in the address, its order, its words.

import { rangeOf } from "./filter.js";
import type { Registration, RegistrationState } from "./types.js";

export const STATES: { state: RegistrationState; word: string; means: string }[] = [
  { state: "failing", word: "Failing", means: "The newest attempt to register failed" },
  { state: "expired", word: "Expired", means: "Its time is over, and the phone has not asked again" },
  { state: "registered", word: "Registered", means: "The registrar has granted it, and its time is not over" },
  { state: "unregistered", word: "Logged out", means: "The phone asked the registrar to forget it" },
];

export const stateWord = (state: RegistrationState): string =>
  STATES.find((one) => one.state === state)?.word ?? state;

/** The filters of the list that stand in the address under the API's own names. */
const KEYS = ["state", "user", "registrar", "contact", "address", "agent", "status", "failures", "sensor", "q"];

export const PAGE_SIZE = 100;

/** What the API is asked for an address. */
export function registrationsQuery(query: URLSearchParams, now: Date): URLSearchParams {
  const { from, to } = rangeOf(query, now);
  const short = (time: Date) => `${time.toISOString().slice(0, 19)}Z`;
  const asked = new URLSearchParams({ from: short(from) });
  if (to) asked.set("to", short(to));
  for (const key of KEYS) {
    const value = query.get(key);
    if (value) asked.set(key, value);
  }
  asked.set("limit", String(PAGE_SIZE));
  const cursor = query.get("cursor");
  if (cursor) asked.set("cursor", cursor);
  return asked;
}

/** The part of an address that names a list: its filters, range, order and page. */
export function registrationList(query: URLSearchParams): URLSearchParams {
  const kept = new URLSearchParams();
  for (const key of [...KEYS, "range", "from", "to", "order", "cursor"]) {
    const value = query.get(key);
    if (value) kept.set(key, value);
  }
  return kept;
}

export const isFiltered = (query: URLSearchParams): boolean => KEYS.some((key) => query.get(key));

export function withoutRegistrationFilters(query: URLSearchParams): URLSearchParams {
  const next = new URLSearchParams(query);
  for (const key of [...KEYS, "cursor"]) next.delete(key);
  return next;
}

const RANK: RegistrationState[] = ["failing", "expired", "unregistered", "registered"];

/** Those that need somebody first; otherwise the order stays. */
export function failingFirst(registrations: Registration[]): Registration[] {
  return [...registrations].sort((a, b) => RANK.indexOf(a.state) - RANK.indexOf(b.state));
}

/** What is asked for the earlier records of the same registration, over all that is kept. */
export function historyQuery(registration: Registration): URLSearchParams {
  const { aor, registrar, contact } = registration;
  const asked = new URLSearchParams({ history: "true", limit: "50" });
  const set = (key: string, value: string) => {
    // A comma or a star in a value would mean something else.
    if (value && !/[,*!]/.test(value)) asked.set(key, value);
  };
  set("user", aor.host ? `${aor.user}@${aor.host}` : aor.user);
  set("registrar", registrar);
  const address = contactAddress(contact);
  if (address && !/[,*!]/.test(address)) asked.set("contact", `*${address}*`);
  if (registration.sensor) asked.set("sensor", registration.sensor.id);
  return asked;
}

/** Host and port of a contact's URI. */
export function contactAddress(contact: string): string {
  const found = /^[a-z]+:(?:.*@)?([^;?>]+)/i.exec(contact);
  return found?.[1] ?? contact;
}
