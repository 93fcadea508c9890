// Keeps pages fresh: one long poll that answers when something changed.

import { effect, signal } from "@preact/signals";
import { ApiError, api } from "./api.js";
import { now, session } from "./store.js";

export type Live = "live" | "reconnecting" | "paused";

export const live = signal<Live>("live");

/** Counts changes; lists that read it load again when it moves. */
export const changes = signal(0);
/** The same for figures over many calls, which cost the server more: moves less often. */
export const slowChanges = signal(0);

const WAIT_SECONDS = 25;
/** At most one reload in this time, however busy the sensors are. */
const QUIET_MS = 2000;
const SLOW_MS = 10_000;
const BACKOFF_MS = [1000, 2000, 4000, 8000, 15_000, 30_000];

/** How long to wait after so many failures in a row; `jitter` from 0 to 1 spreads clients. */
export function backoff(failures: number, jitter: number): number {
  const base = BACKOFF_MS[Math.min(failures, BACKOFF_MS.length) - 1] ?? 0;
  return base * (0.75 + jitter / 2);
}

/** The server's count of changes as last heard; null before the first answer. */
let serial: number | null = null;
let stop: AbortController | null = null;
let slowTimer = 0;
let slowAt = -Infinity;

function changed(): void {
  changes.value += 1;
  // At once after a quiet time, so that the first rows and their figures come together.
  const wait = Math.max(0, slowAt + SLOW_MS - performance.now());
  slowTimer ||= window.setTimeout(() => {
    slowTimer = 0;
    slowAt = performance.now();
    slowChanges.value += 1;
  }, wait);
}

async function poll(until: AbortSignal): Promise<void> {
  let failures = 0;
  while (!until.aborted) {
    try {
      // The first answer is wanted at once, and so is the one that ends "reconnecting".
      const wait = serial === null || failures > 0 ? 0 : WAIT_SECONDS;
      const answer = await api.changes(serial ?? 0, wait, until);
      const moved = serial !== null && answer.serial !== serial;
      serial = answer.serial;
      now.value = new Date();
      if (moved || failures > 0) changed();
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
      serial = null;
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
