// The list of calls that is being read, kept beyond its page so that a call knows its neighbours.

import { computed, signal } from "@preact/signals";
import { ApiError, api } from "./api.js";
import { callsQuery, listQuery } from "./filter.js";
import type { CallPage, CallSummary } from "./types.js";

export const PAGE_SIZE = 100;

interface Shown {
  /** The part of the address that names this list. */
  key: string;
  page: CallPage;
  /** Calls that came since the list was opened: they slide in. */
  fresh: ReadonlySet<string>;
}

export const shown = signal<Shown | null>(null);
/** A newer first page that waits until the reader wants it. */
export const held = signal<CallPage | null>(null);
export const listError = signal<ApiError | null>(null);
export const listLoading = signal(false);
/** The call that the keyboard stands on, or that was opened last. */
export const selected = signal<string | null>(null);

/** How many calls wait. */
export const heldCount = computed(() =>
  held.value && shown.value ? newIn(shown.value.page.calls, held.value.calls).length : 0,
);

/** The calls of a newer page that an older one does not have. */
export function newIn(old: CallSummary[], newer: CallSummary[]): CallSummary[] {
  const known = new Set(old.map(({ id }) => id));
  return newer.filter(({ id }) => !known.has(id));
}

let running: AbortController | null = null;
let lastQuery = new URLSearchParams();

/** Shows the list of an address; nothing happens when it is shown already. */
export function showList(query: URLSearchParams): void {
  const wanted = listQuery(query);
  const key = keyOf(wanted);
  if (shown.value?.key === key || (running && keyOf(lastQuery) === key)) return;
  lastQuery = wanted;
  held.value = null;
  void fetchPage(key, (page) => {
    shown.value = { key, page, fresh: new Set() };
  });
}

/** Looks for newer calls; `hold` keeps them back so that nothing moves under the reader. */
export function refreshList(hold: () => boolean): void {
  const key = keyOf(lastQuery);
  if (lastQuery.has("cursor") || running) return;
  void fetchPage(key, (page) => {
    const old = shown.value;
    if (!old || old.key !== key) {
      shown.value = { key, page, fresh: new Set() };
      return;
    }
    const fresh = newIn(old.page.calls, page.calls);
    if (fresh.length > 0 && old.page.calls.length > 0 && hold()) held.value = page;
    else take(page, fresh);
  });
}

/** Shows the calls that were held back. */
export function revealHeld(): void {
  const page = held.value;
  if (page && shown.value) take(page, newIn(shown.value.page.calls, page.calls));
}

function take(page: CallPage, fresh: CallSummary[]): void {
  held.value = null;
  if (shown.value) shown.value = { ...shown.value, page, fresh: new Set(fresh.map(({ id }) => id)) };
}

/** Asks again after an error. */
export function retryList(): void {
  shown.value = null;
  const query = lastQuery;
  lastQuery = new URLSearchParams("cursor=none");
  showList(query);
}

/** Forgets everything, as when somebody else logs in. */
export function forgetList(): void {
  running?.abort();
  running = null;
  shown.value = held.value = listError.value = selected.value = null;
  lastQuery = new URLSearchParams("cursor=none");
}

const keyOf = (query: URLSearchParams) => {
  const key = new URLSearchParams(query);
  key.delete("hide");
  key.delete("show");
  return key.toString();
};

async function fetchPage(key: string, done: (page: CallPage) => void): Promise<void> {
  running?.abort();
  const mine = new AbortController();
  running = mine;
  listLoading.value = true;
  try {
    const page = await api.calls(callsQuery(new URLSearchParams(key), new Date(), PAGE_SIZE), mine.signal);
    if (running !== mine) return;
    listError.value = null;
    done(page);
  } catch (error) {
    if (mine.signal.aborted) return;
    if (!(error instanceof ApiError)) throw error;
    listError.value = error;
  } finally {
    if (running === mine) {
      running = null;
      listLoading.value = false;
    }
  }
}

/** The calls beside one of the list: newer and older, and where it stands. */
export function neighbours(
  calls: CallSummary[],
  id: string,
): { newer: string | null; older: string | null; position: number | null } {
  const index = calls.findIndex((call) => call.id === id);
  if (index < 0) return { newer: null, older: null, position: null };
  return {
    newer: calls[index - 1]?.id ?? null,
    older: calls[index + 1]?.id ?? null,
    position: index + 1,
  };
}
