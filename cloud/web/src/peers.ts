// Peer relations as their list needs them: who asks whom outside calls, and what becomes of it.

import { hostPort } from "./format.js";
import { type RecordList, setExact } from "./records.js";
import type { Peer, PeerState } from "./types.js";

export const STATES: { state: PeerState; word: string; means: string }[] = [
  { state: "silent", word: "Silent", means: "The newest request was not answered" },
  { state: "refusing", word: "Refusing", means: "The newest request was refused" },
  { state: "answering", word: "Answering", means: "The newest request was answered" },
];

export const stateWord = (state: PeerState): string => STATES.find((one) => one.state === state)?.word ?? state;

export const METHODS: { method: string; word: string }[] = [
  { method: "OPTIONS", word: "OPTIONS: who is there" },
  { method: "MESSAGE", word: "MESSAGE: texts" },
  { method: "SUBSCRIBE", word: "SUBSCRIBE" },
  { method: "NOTIFY", word: "NOTIFY" },
  { method: "PUBLISH", word: "PUBLISH" },
];

const TYPED = ["event", "user", "address", "src", "dst", "agent", "status", "unanswered"];

export const PEERS: RecordList = {
  path: "/peers",
  keys: ["state", "method", ...TYPED, "sensor", "q"],
  typed: TYPED,
};

/** Those that need somebody first. */
export const RANK: readonly PeerState[] = ["silent", "refusing", "answering"];

/** What is asked, in short: OPTIONS, SUBSCRIBE message-summary, MESSAGE 201 to 305. */
export function asked({ method, event, from, to }: Pick<Peer, "method" | "event" | "from" | "to">): string {
  if (method === "MESSAGE") return `${method} ${from || "?"} to ${to || "?"}`;
  return event ? `${method} ${event}` : method;
}

/** An address without the port that is everybody's. */
export function party(address: string): string {
  return hostPort(address).port === "5060" ? hostPort(address).host : address;
}

/** What is asked for the earlier records of the same relation, over all that is kept. */
export function historyQuery(peer: Peer): URLSearchParams {
  const query = new URLSearchParams({ history: "true", limit: "50", method: peer.method });
  setExact(query, "src", hostPort(peer.src).host);
  setExact(query, "dst", hostPort(peer.dst).host);
  setExact(query, "event", peer.event);
  setExact(query, "user", peer.to);
  if (peer.sensor) query.set("sensor", peer.sensor.id);
  return query;
}

/** Of what was asked for, the records of this very relation. */
export const isSame = (peer: Peer, other: Peer): boolean =>
  peer.dst === other.dst && peer.event === other.event && peer.from === other.from && peer.to === other.to;
