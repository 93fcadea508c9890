// Registrations as their list needs them: its filters, its order, its words.

import { type RecordList, setExact } from "./records.js";
import type { Registration, RegistrationState } from "./types.js";

export const STATES: { state: RegistrationState; word: string; means: string }[] = [
  { state: "failing", word: "Failing", means: "The newest attempt to register failed" },
  { state: "expired", word: "Expired", means: "Its time is over, and the phone has not asked again" },
  { state: "registered", word: "Registered", means: "The registrar has granted it, and its time is not over" },
  { state: "unregistered", word: "Logged out", means: "The phone asked the registrar to forget it" },
];

export const stateWord = (state: RegistrationState): string =>
  STATES.find((one) => one.state === state)?.word ?? state;

const TYPED = ["user", "registrar", "contact", "address", "agent", "status", "failures"];

export const REGISTRATIONS: RecordList = {
  path: "/registrations",
  keys: ["state", ...TYPED, "sensor", "q"],
  typed: TYPED,
};

/** Those that need somebody first. */
export const RANK: readonly RegistrationState[] = ["failing", "expired", "unregistered", "registered"];

/** What is asked for the earlier records of the same registration, over all that is kept. */
export function historyQuery(registration: Registration): URLSearchParams {
  const { aor, registrar, contact } = registration;
  const asked = new URLSearchParams({ history: "true", limit: "50" });
  setExact(asked, "user", aor.host ? `${aor.user}@${aor.host}` : aor.user);
  setExact(asked, "registrar", registrar);
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
