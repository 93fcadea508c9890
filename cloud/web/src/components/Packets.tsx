// A call's packets and their sound: that they are there, how they come here, and what was checked.

import { useEffect, useRef, useState } from "preact/hooks";
import { ApiError, api } from "../api.js";
import { bytes, count } from "../format.js";
import { type CallSound, soundOf } from "../listen.js";
import { useLoad } from "../load.js";
import { type Progress, type Retrieved, retrieveFile } from "../retrieve.js";
import { sensorPath } from "../router.js";
import { announce } from "../store.js";
import type { Call, Captures, Stored } from "../types.js";
import { Direct } from "./Direct.js";
import { Keep } from "./Keep.js";
import { Player } from "./Player.js";
import { Time } from "./Time.js";

type State =
  | { kind: "idle" }
  | { kind: "running"; progress: Progress }
  | { kind: "done"; came: Retrieved; name: string }
  | { kind: "failed"; code: string; message: string };

export function Packets({ call }: { call: Call }) {
  const { data, error, reload } = useLoad(`captures ${call.id}`, (signal) => api.captures(call.id, signal), {
    live: "slow",
  });
  const keep = data?.keep;
  const kept = call.stored ?? (keep?.state === "kept" ? keep : null);
  return (
    <section class="card" aria-label="Packets">
      <header class="card-head">
        <h2>Packets</h2>
        {kept && (
          <span class="muted">
            {count(kept.packets ?? 0)} packets, {bytes(kept.bytes ?? 0)}
          </span>
        )}
      </header>
      <div class="packets">
        {call.stored ? (
          <Ruled call={call} stored={call.stored} />
        ) : (
          keep?.state === "kept" && (
            <p>
              Kept by <b>{keep.who}</b> after its end, on the sensor <OnSensor call={call} /> only.
            </p>
          )
        )}
        {error ? (
          <p class="stale">{error.message}</p>
        ) : data ? (
          kept ? (
            <Offer call={call} captures={data} />
          ) : (
            <Keep call={call.id} captures={data} reload={reload} />
          )
        ) : null}
      </div>
    </section>
  );
}

function OnSensor({ call: { sensor } }: { call: Call }) {
  return sensor ? <a href={sensorPath(sensor.id)}>{sensor.name}</a> : null;
}

function Ruled({ call, stored }: { call: Call; stored: Stored }) {
  return (
    <p>
      Kept by the rule <b>{stored.rule || `number ${stored.rule_id}`}</b>, on the sensor <OnSensor call={call} /> only.
      {stored.dropped > 0 && ` ${count(stored.dropped)} more did not fit its disk.`}
    </p>
  );
}

function Offer({ call, captures }: { call: Call; captures: Captures }) {
  const { rights, ways, sensor } = captures;
  const { state, start, cancel } = useDownload(call);
  const { sound, listen } = useSound(call);
  const [reason, setReason] = useState("");
  if (state.kind === "running") return <Running progress={state.progress} cancel={cancel} />;
  const mayDownload = rights.includes("packets");
  const mayListen = rights.includes("audio");
  const offline = sensor?.state !== "online";
  if (!mayDownload && !mayListen) {
    return (
      <p class="muted">
        You do not have the right to a call's packets or its sound: an administrator of your organisation can give it.
      </p>
    );
  }
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
      {ways.includes("relay") && (
        <fieldset class="packets-way">
          <legend>Through the cloud, encrypted</legend>
          <p class="packets-act">
            {mayDownload && (
              <button type="submit" class="primary" disabled={offline || needsReason}>
                {state.kind === "done" ? "Download PCAP again" : "Download PCAP"}
              </button>
            )}
            {mayListen && (
              <button
                type="button"
                disabled={offline || needsReason}
                onClick={() => listen(reason.trim())}
              >
                {sound ? "Listen again" : "Listen"}
              </button>
            )}
          </p>
          {state.kind === "failed" && (
            <p role="alert" class="packets-failed">
              {state.message}
            </p>
          )}
          {state.kind === "done" && <Done came={state.came} name={state.name} />}
          {offline ? (
            <p class="muted">
              {sensor?.name ?? "The sensor"} is not connected
              {sensor?.last_seen_at ? (
                <>
                  {" "}
                  since <Time at={sensor.last_seen_at} withDay />
                </>
              ) : null}
              : its packets can be had when it is back.
            </p>
          ) : (
            <p class="muted">From anywhere. Only the sensor and this browser can read what passes.</p>
          )}
        </fieldset>
      )}
      {sound && <Player key={sound.id} source={sound} />}
      {captures.direct && (
        <Direct
          call={call.id}
          page={captures.direct}
          mayDownload={mayDownload}
          mayListen={mayListen}
          needsReason={needsReason}
          reason={reason.trim()}
        />
      )}
      {ways.length === 0 && <NoWay call={call.id} />}
    </form>
  );
}

function NoWay({ call }: { call: string }) {
  return (
    <p class="muted">
      Your organisation does not let packets through the cloud, and this sensor has no page of its own. On the sensor{" "}
      <code class="mono">ringside-sensor store export {call}</code> writes them to a file.
    </p>
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

/** A call's sound, from the moment that somebody wants to hear it until they leave the page. */
function useSound(call: Call) {
  const times = useRef(0);
  const [sound, setSound] = useState<(CallSound & { id: number }) | null>(null);
  useEffect(() => () => sound?.close(), [sound]);
  const listen = (reason: string) =>
    setSound({ ...soundOf(call.id, reason ? { reason } : {}), id: ++times.current });
  return { sound, listen };
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
