// The direct way: the sensor's own page, for people in its network.

import { useState } from "preact/hooks";
import { ApiError, api } from "../api.js";
import type { DirectPage } from "../types.js";

type State =
  | { kind: "idle" }
  | { kind: "asking" }
  | { kind: "opened"; what: string }
  | { kind: "failed"; message: string };

export function Direct(props: {
  call: string;
  page: DirectPage;
  mayDownload: boolean;
  mayListen: boolean;
  needsReason: boolean;
  reason: string;
}) {
  const { call, page, mayDownload, mayListen, needsReason, reason } = props;
  const [state, setState] = useState<State>({ kind: "idle" });

  const open = async (action: "packets" | "audio", what: string) => {
    // Now, while the browser knows that somebody has clicked.
    const tab = window.open("", "_blank");
    setState({ kind: "asking" });
    try {
      const { url } = await api.askDirect(call, { action, way: "direct", ...(reason ? { reason } : {}) });
      if (tab) {
        // The sensor's page is to have no hand on this one.
        tab.opener = null;
        tab.location.replace(url);
      } else {
        location.assign(url);
      }
      setState({ kind: "opened", what });
    } catch (error) {
      tab?.close();
      const message = error instanceof ApiError ? error.message : "The cloud could not be asked: try again.";
      setState({ kind: "failed", message });
    }
  };

  const isBlocked = needsReason || state.kind === "asking";
  return (
    <fieldset class="packets-way">
      <legend>Directly from the sensor</legend>
      <p class="packets-act">
        {mayDownload && (
          <button type="button" disabled={isBlocked} onClick={() => open("packets", "packets")}>
            Download directly
          </button>
        )}
        {mayListen && (
          <button type="button" disabled={isBlocked} onClick={() => open("audio", "sound")}>
            Listen directly
          </button>
        )}
      </p>
      {state.kind === "opened" && (
        <p class="packets-done" role="status">
          The call's {state.what} opened on the sensor's own page, directly: nothing of it passes the cloud. If that page
          is not loaded within a minute, choose it again here.
        </p>
      )}
      {state.kind === "failed" && (
        <p role="alert" class="packets-failed">
          {state.message}
        </p>
      )}
      <p class="muted">
        For people in the sensor's network: opens <span class="mono">{page.address}</span> in a new tab.
      </p>
      <details class="packets-print">
        <summary>The browser warns about the certificate?</summary>
        <p>
          The sensor has made it itself, so a browser asks once. Let it show the certificate's SHA-256 fingerprint and go
          on if that is
        </p>
        <code class="fingerprint">{page.certificate}</code>
      </details>
    </fieldset>
  );
}
