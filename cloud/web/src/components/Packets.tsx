// A call's packets: that they are there, how they come here, and what was checked.

import { useEffect, useRef, useState } from "preact/hooks";
import { ApiError, api } from "../api.js";
import { bytes, count } from "../format.js";
import { useLoad } from "../load.js";
import { type Progress, type Retrieved, retrieveFile } from "../retrieve.js";
import { sensorPath } from "../router.js";
import { announce } from "../store.js";
import type { Call, Captures, Stored } from "../types.js";
import { Time } from "./Time.js";

type State =
  | { kind: "idle" }
  | { kind: "running"; progress: Progress }
  | { kind: "done"; came: Retrieved; name: string }
  | { kind: "failed"; code: string; message: string };

export function Packets({ call, stored }: { call: Call; stored: Stored }) {
  const { data, error } = useLoad(`captures ${call.id}`, (signal) => api.captures(call.id, signal), {
    live: "slow",
  });
  return (
    <section class="card" aria-label="Packets">
      <header class="card-head">
        <h2>Packets</h2>
        <span class="muted">
          {count(stored.packets)} packets, {bytes(stored.bytes)}
        </span>
      </header>
      <div class="packets">
        <p>
          Kept by the rule <b>{stored.rule || `number ${stored.rule_id}`}</b>, on the sensor
          {call.sensor ? (
            <>
              {" "}
              <a href={sensorPath(call.sensor.id)}>{call.sensor.name}</a>
            </>
          ) : null}{" "}
          only.
          {stored.dropped > 0 && ` ${count(stored.dropped)} more did not fit its disk.`}
        </p>
        {error ? (
          <p class="stale">{error.message}</p>
        ) : data ? (
          <Offer call={call} captures={data} />
        ) : null}
      </div>
    </section>
  );
}

function Offer({ call, captures }: { call: Call; captures: Captures }) {
  const { rights, ways, sensor } = captures;
  const { state, start, cancel } = useDownload(call);
  const [reason, setReason] = useState("");
  if (state.kind === "running") return <Running progress={state.progress} cancel={cancel} />;
  if (!rights.includes("packets")) {
    return (
      <p class="muted">
        You do not have the right to download packets: an administrator of your organisation can give it.
      </p>
    );
  }
  if (!ways.includes("relay")) {
    return (
      <p class="muted">
        Your organisation does not let packets through the cloud. On the sensor{" "}
        <code class="mono">ringside-sensor store export {call.id}</code> writes them to a file.
      </p>
    );
  }
  const offline = sensor?.state !== "online";
  const needsReason = captures.asks_reason && reason.trim() === "";
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        start(reason.trim());
      }}
    >
      {captures.asks_reason && (
        <label>
          <span>Why you need this call (for the audit log)</span>
          <input
            value={reason}
            maxLength={500}
            required
            onInput={(event) => setReason(event.currentTarget.value)}
          />
        </label>
      )}
      <p class="packets-act">
        <button type="submit" class="primary" disabled={offline || needsReason}>
          {state.kind === "done" ? "Download PCAP again" : "Download PCAP"}
        </button>
        {offline && (
          <span class="muted">
            {sensor?.name ?? "The sensor"} is not connected
            {sensor?.last_seen_at ? (
              <>
                {" "}
                since <Time at={sensor.last_seen_at} withDay />
              </>
            ) : null}
            : its packets can be had when it is back.
          </span>
        )}
      </p>
      {state.kind === "failed" && (
        <p role="alert" class="packets-failed">
          {state.message}
        </p>
      )}
      {state.kind === "done" && <Done came={state.came} name={state.name} />}
      <p class="muted packets-way">
        They come from the sensor through the cloud, encrypted between the sensor and this browser.
      </p>
    </form>
  );
}

function Running({ progress, cancel }: { progress: Progress; cancel: () => void }) {
  const { state, ahead, bytes: here, aboutBytes } = progress;
  const says =
    state === "queued"
      ? `Waiting: ${ahead === 1 ? "one download comes" : `${count(ahead)} downloads come`} first`
      : state === "asking"
        ? "Asking the sensor"
        : state === "reconnecting"
          ? `The connection was lost after ${bytes(here)}: trying again`
          : `${bytes(here)} of about ${bytes(aboutBytes)}`;
  return (
    <div class="packets-running">
      <progress
        aria-label="Download"
        {...(state === "receiving" && aboutBytes ? { value: Math.min(here / aboutBytes, 1) } : {})}
      />
      <span role="status">{says}</span>
      <button type="button" onClick={cancel}>
        Cancel
      </button>
    </div>
  );
}

function Done({ came, name }: { came: Retrieved; name: string }) {
  const { source, missing } = came;
  return (
    <div class="packets-done" role="status">
      <p>
        <b>{name}</b>, {bytes(came.bytes)}, by the encrypted relay: the cloud could not read it.
        {missing > 0 && ` ${count(missing)} pieces of the call are gone from the sensor's disk.`}
      </p>
      <p class="muted">
        {source.signed
          ? "Signed by the device "
          : "This browser cannot check Ed25519 signatures: that it came from this device is the cloud's word. "}
        <code class="fingerprint">{source.fingerprint}</code>
        {source.signed && ", whose fingerprint its status page and the list of sensors show."}
      </p>
    </div>
  );
}

function useDownload(call: Call) {
  const [state, setState] = useState<State>({ kind: "idle" });
  const abort = useRef<AbortController | null>(null);
  useEffect(() => () => abort.current?.abort(), []);

  const start = async (reason: string) => {
    const mine = new AbortController();
    abort.current = mine;
    try {
      const { file, came } = await retrieveFile(call.id, "packets", {
        ...(reason ? { reason } : {}),
        signal: mine.signal,
        onProgress: (progress) => setState({ kind: "running", progress: { ...progress } }),
      });
      save(file, came.about.name);
      announce("Downloaded");
      setState({ kind: "done", came, name: came.about.name });
    } catch (error) {
      if (mine.signal.aborted) {
        setState({ kind: "idle" });
        return;
      }
      setState(failed(error));
    }
  };
  return { state, start, cancel: () => abort.current?.abort() };
}

function failed(error: unknown): State {
  if (error instanceof ApiError) return { kind: "failed", code: error.code, message: error.message };
  if (error instanceof TypeError) {
    return { kind: "failed", code: "cut_off", message: "The connection was lost: try again." };
  }
  const message = error instanceof Error ? error.message : "The download failed: try again.";
  return { kind: "failed", code: "transfer", message };
}

/** Hands a file to the browser's downloads. */
export function save(file: Blob, name: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(file);
  link.download = name;
  document.body.append(link);
  link.click();
  link.remove();
  // The download holds on to it by then.
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
