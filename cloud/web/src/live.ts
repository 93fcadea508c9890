// Keeps pages fresh: one long poll that answers when something changed.

import { effect, signal } from "@preact/signals";
import { ApiError, api } from "./api.js";
import { now, session } from "./store.js";

export type Live = "live" | "reconnecting" | "paused";

export const live = signal<Live>("live");

/** Counts changes; pages that read it load again when it moves. */
export const changes = signal(0);

const WAIT_SECONDS = 25;
/** At most one reload in this time, however busy the sensors are. */
const QUIET_MS = 1500;
const BACKOFF_MS = [1000, 2000, 4000, 8000, 15_000, 30_000];

/** How long to wait after so many failures in a row; `jitter` from 0 to 1 spreads clients. */
export function backoff(failures: number, jitter: number): number {
  const base = BACKOFF_MS[Math.min(failures, BACKOFF_MS.length) - 1] ?? 0;
  return base * (0.75 + jitter / 2);
}

let serial = 0;
let stop: AbortController | null = null;

async function poll(until: AbortSignal): Promise<void> {
  let failures = 0;
  while (!until.aborted) {
    try {
      // After a failure the first answer is wanted at once: it ends "reconnecting".
      const answer = await api.changes(serial, failures > 0 ? 0 : WAIT_SECONDS, until);
      const first = serial === 0;
      const moved = answer.serial !== serial;
      serial = answer.serial;
      now.value = new Date();
      if ((moved && !first) || failures > 0) changes.value += 1;
      failures = 0;
      live.value = "live";
      if (moved) await pause(QUIET_MS, until);
    } catch (error) {
      if (until.aborted || (error instanceof ApiError && error.status === 401)) return;
      failures += 1;
      live.value = "reconnecting";
      await pause(backoff(failures, Math.random()), until);
    }
  }
}

/** Resolves after a time, or as soon as the network is back or the poll is stopped. */
function pause(ms: number, until: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      removeEventListener("online", done);
      until.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    addEventListener("online", done);
    until.addEventListener("abort", done);
  });
}

/** Polls while somebody is logged in and looks at the page. */
export function startLive(): void {
  const visible = signal(!document.hidden);
  document.addEventListener("visibilitychange", () => (visible.value = !document.hidden));
  effect(() => {
    stop?.abort();
    stop = null;
    if (!session.value) {
      serial = 0;
      return;
    }
    if (!visible.value) {
      live.value = "paused";
      return;
    }
    live.value = "live";
    stop = new AbortController();
    void poll(stop.signal);
  });
}
