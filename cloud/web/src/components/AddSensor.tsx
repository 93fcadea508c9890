// Adds a sensor in three steps, and waits with a tick that turns green when it appears.

import { useEffect, useState } from "preact/hooks";
import { ApiError, api } from "../api.js";
import { changes } from "../live.js";
import { sensorPath } from "../router.js";
import { announce, loadSensors, now, sensors } from "../store.js";
import { relative } from "../format.js";
import type { NewToken, Sensor } from "../types.js";
import { Clip } from "./Clip.js";
import { Copy } from "./Copy.js";
import { Dialog } from "./Dialog.js";
import { StepIcon } from "./Icon.js";

export function AddSensor({ close }: { close: () => void }) {
  const [token, setToken] = useState<NewToken | null>(null);
  const [error, setError] = useState<ApiError | null>(null);
  const [before, setBefore] = useState<Sensor[] | null>(null);
  const newcomer = useNewcomer(before);

  const make = async () => {
    setError(null);
    try {
      setBefore(await api.sensors());
      setToken(await api.newToken());
    } catch (failed) {
      if (!(failed instanceof ApiError)) throw failed;
      setError(failed);
    }
  };
  useEffect(() => void make(), []);

  return (
    <Dialog title="Add a sensor" close={close} class="add-sensor">
      <ol class="add-steps">
        <li>
          <h3>Install the sensor where the calls are</h3>
          <p>
            On the PBX itself, or on a machine at a mirror port: unpack the release archive for its
            architecture (<code>uname -m</code> says <code>x86_64</code> or <code>aarch64</code>) and run{" "}
            <code>./install</code> in it. The archive comes with this cloud's release; <code>ci/release</code>{" "}
            makes it from the sources.
          </p>
          <p>
            Name the interface in <code>/etc/ringside/sensor.conf</code>, as in <code>interface = eth0</code>.
          </p>
        </li>
        <li>
          <h3>Run this command there, as root</h3>
          {token ? (
            <>
              <div class="command">
                <code>{token.command}</code>
                <Copy text={token.command} label="Copy the command" />
              </div>
              <p class="muted">
                The token in it joins one sensor and expires {relative(new Date(token.expires_at), now.value)}
                . It is shown only here.
              </p>
            </>
          ) : error ? (
            <p role="alert">
              No token could be made: {error.message}{" "}
              <button type="button" onClick={make}>
                Try again
              </button>
            </p>
          ) : (
            <p class="muted">Making a token…</p>
          )}
        </li>
        <li>
          <h3>Start it there, and wait for it here</h3>
          <p>
            <code>ringside-sensor install</code> starts it as a service, <code>ringside-sensor run</code> in
            the terminal.
          </p>
          <Arrival newcomer={newcomer} />
        </li>
      </ol>
      <div class="form-actions">
        {newcomer ? (
          <a class="button primary" href={sensorPath(newcomer.id)} onClick={close}>
            Open the sensor
          </a>
        ) : (
          <button type="button" onClick={close}>
            Close
          </button>
        )}
      </div>
    </Dialog>
  );
}

function Arrival({ newcomer }: { newcomer: Sensor | null }) {
  const state = newcomer?.state === "online" ? "ok" : newcomer?.failure ? "failed" : "waiting";
  return (
    <p class={`arrival arrival-${state}`} role="status">
      <StepIcon state={state} />
      {newcomer === null ? (
        <span>Waiting for the sensor. Its first connection takes a few seconds.</span>
      ) : newcomer.state === "online" ? (
        <span>
          <Clip text={newcomer.name} /> is online.
        </span>
      ) : newcomer.failure ? (
        <span>
          <Clip text={newcomer.name} />: {newcomer.failure.sentence}
        </span>
      ) : (
        <span>
          <Clip text={newcomer.name} /> has joined. Start it, and it comes online.
        </span>
      )}
    </p>
  );
}

/** A sensor that was not there, or not online, before; null while there is none. */
function useNewcomer(before: Sensor[] | null): Sensor | null {
  useEffect(() => {
    if (before) void loadSensors();
  }, [before, changes.value]);
  const old = new Map(before?.map((sensor) => [sensor.id, sensor.state]));
  const joined = sensors.value.find(({ id, state }) => state === "online" && old.get(id) !== "online");
  const found = before ? (joined ?? sensors.value.find(({ id }) => !old.has(id))) : undefined;
  useEffect(() => {
    if (found?.state === "online") announce(`${found.name} is online`);
  }, [found?.id, found?.state]);
  return found ?? null;
}
