// One thing from the server as a component sees it: kept while it is fetched again.

import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { ApiError } from "./api.js";
import { changes, slowChanges } from "./live.js";

export interface Loaded<T> {
  data: T | undefined;
  error: ApiError | null;
  loading: boolean;
  reload: () => void;
}

interface Options {
  /** Load again when the server says that something changed; "slow": not each time. */
  live?: boolean | "slow";
  /** Show the old key's data until the new key's is there. */
  keep?: boolean;
}

/** Loads `key`, and again when it changes; null loads nothing. */
export function useLoad<T>(
  key: string | null,
  load: (signal: AbortSignal) => Promise<T>,
  { live = true, keep = true }: Options = {},
): Loaded<T> {
  const [state, setState] = useState<{ key: string | null; data?: T; error: ApiError | null }>({
    key: null,
    error: null,
  });
  const running = useRef<{ key: string; again: boolean; abort: AbortController } | null>(null);
  const latest = useRef(load);
  latest.current = load;

  const run = useCallback((of: string) => {
    if (running.current?.key === of) {
      running.current.again = true;
      return;
    }
    running.current?.abort.abort();
    const mine = { key: of, again: false, abort: new AbortController() };
    running.current = mine;
    const settle = (next: (old: { data?: T }) => { data?: T; error: ApiError | null }) => {
      if (running.current !== mine) return;
      running.current = null;
      setState((old) => ({ key: of, ...next(old) }));
      if (mine.again) run(of);
    };
    latest.current(mine.abort.signal).then(
      (data) => settle(() => ({ data, error: null })),
      (error: unknown) => {
        if (mine.abort.signal.aborted) return;
        const told =
          error instanceof ApiError ? error : new ApiError(0, "fault", "This page made a mistake.");
        if (!(error instanceof ApiError)) console.error(error);
        settle((old) => (old.data === undefined ? { error: told } : { data: old.data, error: told }));
      },
    );
  }, []);

  const tick = live === "slow" ? slowChanges.value : live ? changes.value : 0;
  useEffect(() => {
    if (key !== null) run(key);
  }, [key, tick]);
  useEffect(
    () => () => {
      running.current?.abort.abort();
      running.current = null;
    },
    [],
  );

  const current = state.key === key;
  return {
    data: current || keep ? state.data : undefined,
    error: current ? state.error : null,
    loading: key !== null && !current,
    reload: () => key !== null && run(key),
  };
}
