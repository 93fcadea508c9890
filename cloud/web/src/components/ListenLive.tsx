// Listens to a call in progress: it comes from the sensor by the encrypted relay, a second behind the wire.

import { useEffect, useMemo, useState } from "preact/hooks";
import { ApiError } from "../api.js";
import { LivePlayback } from "../liveplayback.js";
import { retrieve } from "../retrieve.js";
import { position } from "../sound.js";

type State = "asking" | "listening" | "over";

export function ListenLive(props: { call: string; title: string; reason?: string; close: () => void }) {
  const { call, title, reason, close } = props;
  const [state, setState] = useState<State>("asking");
  const [error, setError] = useState<string | null>(null);
  const playback = useMemo(() => new LivePlayback(), [call]);

  useEffect(() => {
    const abort = new AbortController();
    const listen = async () => {
      const pieces = retrieve(call, "live", {
        signal: abort.signal,
        ...(reason ? { reason } : {}),
        onAbout: () => setState("listening"),
      });
      for (;;) {
        const next = await pieces.next();
        if (next.done) break;
        playback.push(next.value);
      }
    };
    listen().then(
      () => setState("over"),
      (failure: unknown) => {
        if (abort.signal.aborted) return;
        setState("over");
        const isAnswer = failure instanceof ApiError || failure instanceof Error;
        setError(isAnswer ? failure.message : "The connection was lost.");
      },
    );
    return () => {
      abort.abort();
      playback.close();
    };
  }, [call, playback]);

  const { caller, callee } = playback.loudness.value;
  return (
    <section class="card live-listen" aria-label="Listening">
      <header class="card-head">
        <h2>{title}</h2>
        <button type="button" onClick={close}>
          {state === "over" ? "Close" : "Stop"}
        </button>
      </header>
      <div class="live-listen-body">
        <p role="status">
          {error ??
            (state === "asking"
              ? "Asking the sensor…"
              : state === "over"
                ? "The call is over."
                : `Listening for ${position(playback.heard.value)}`)}
        </p>
        {state === "listening" && (
          <>
            <Level name="Caller" side="left" level={caller} />
            <Level name="Callee" side="right" level={callee} />
          </>
        )}
        <p class="muted">
          Through the cloud, encrypted between the sensor and this browser. It stands in the audit log.
        </p>
      </div>
    </section>
  );
}

function Level({ name, side, level }: { name: string; side: string; level: number }) {
  return (
    <label class="live-level">
      <span>
        {name} <small class="muted">{side}</small>
      </span>
      <meter min={0} max={1} value={level} />
    </label>
  );
}
