// A call that no rule has kept: what to do about this one, while its sensor still holds it, and about the next.

import { useEffect, useState } from "preact/hooks";
import { ApiError, api } from "../api.js";
import { bytes, count } from "../format.js";
import { announce } from "../store.js";
import type { Captures } from "../types.js";

type State = { kind: "idle" } | { kind: "asking" } | { kind: "failed"; message: string };

export function Keep({ call, captures, reload }: { call: string; captures: Captures; reload: () => void }) {
  const { keep, sensor, rights } = captures;
  const [state, setState] = useState<State>({ kind: "idle" });
  const left = useMinutesUntil(keep.until);
  const mayKeep = rights.includes("packets") || rights.includes("audio");

  const ask = async () => {
    setState({ kind: "asking" });
    try {
      let answer = await api.keepCall(call);
      while (answer.state === "asked") answer = await api.keepCall(call);
      announce(`Kept: ${count(answer.packets ?? 0)} packets, ${bytes(answer.bytes ?? 0)}`);
      setState({ kind: "idle" });
    } catch (error) {
      const message = error instanceof ApiError ? error.message : "The connection was lost: try again.";
      setState({ kind: "failed", message });
    }
    reload();
  };

  if (keep.until === null || keep.state === "gone" || left <= 0) {
    return (
      <p class="muted">
        No rule kept this call's packets
        {keep.state === "gone" && ", and the sensor has let it go since"}. <a href="/rules">Make a rule</a> for the next
        ones.
      </p>
    );
  }
  return (
    <>
      <p>
        No rule kept this call. {sensor?.name ?? "Its sensor"} still holds all of it, sealed, for{" "}
        <b>{left === 1 ? "a minute" : `${left} minutes`}</b>; then it is gone.
      </p>
      {mayKeep ? (
        <p class="packets-act">
          <button
            type="button"
            class="primary"
            disabled={state.kind === "asking" || sensor?.state !== "online"}
            onClick={() => void ask()}
          >
            {state.kind === "asking" ? "Keeping…" : "Keep this call"}
          </button>
          {sensor?.state !== "online" && <span class="muted">The sensor is not connected.</span>}
        </p>
      ) : (
        <p class="muted">Somebody with the right to a call's packets or sound can keep it.</p>
      )}
      {state.kind === "failed" && (
        <p role="alert" class="packets-failed">
          {state.message}
        </p>
      )}
    </>
  );
}

/** Whole minutes that are left until then, counted down. */
function useMinutesUntil(until: string | null): number {
  const left = () => (until === null ? 0 : Math.ceil((Date.parse(until) - Date.now()) / 60_000));
  const [, tick] = useState(0);
  useEffect(() => {
    const timer = setInterval(() => tick((n) => n + 1), 5000);
    return () => clearInterval(timer);
  }, []);
  return left();
}
