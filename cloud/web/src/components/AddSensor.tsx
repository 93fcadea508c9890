// Adds a sensor in three steps, and waits with a tick that turns green when it appears. Three ways lead
// there: a command with a token, a file with a token for an appliance, a claim code.

import { useEffect, useState } from "preact/hooks";
import { ApiError, api } from "../api.js";
import { changes } from "../live.js";
import { sensorPath } from "../router.js";
import { announce, loadSensors, now, sensors } from "../store.js";
import { relative } from "../format.js";
import type { NewToken, Sensor } from "../types.js";
import { ByCode } from "./ByCode.js";
import { Clip } from "./Clip.js";
import { Copy } from "./Copy.js";
import { Dialog } from "./Dialog.js";
import { StepIcon } from "./Icon.js";

const WAYS = [
  { way: "command", text: "PBX or server" },
  { way: "file", text: "Appliance" },
  { way: "code", text: "Claim code" },
] as const;

type Way = (typeof WAYS)[number]["way"];

export function AddSensor({ close }: { close: () => void }) {
  const [way, setWay] = useState<Way>("command");
  const [before, setBefore] = useState<Sensor[] | null>(null);
  const newcomer = useNewcomer(before);
  useEffect(() => void api.sensors().then(setBefore, () => setBefore([])), []);
  return (
    <Dialog title="Add a sensor" close={close} class="add-sensor">
      <div class="segments" role="group" aria-label="How it joins">
        {WAYS.map((one) => (
          <button key={one.way} type="button" aria-pressed={way === one.way} onClick={() => setWay(one.way)}>
            {one.text}
          </button>
        ))}
      </div>
      {way === "code" ? (
        <ByCode arrival={<Arrival newcomer={newcomer} />} />
      ) : (
        <ByToken way={way} arrival={<Arrival newcomer={newcomer} />} />
      )}
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

/** One token serves both ways: it is made when the first of them is opened. */
let made: { token: NewToken; at: number } | null = null;

/** A token that nobody has used is shown again for so long, milliseconds. */
const SHOWN_AGAIN = 60_000;

function ByToken({ way, arrival }: { way: "command" | "file"; arrival: preact.ComponentChildren }) {
  const [token, setToken] = useState<NewToken | null>(
    made && Date.now() - made.at < SHOWN_AGAIN ? made.token : null,
  );
  const [error, setError] = useState<ApiError | null>(null);
  const make = async () => {
    setError(null);
    try {
      const token = await api.newToken();
      made = { token, at: Date.now() };
      setToken(token);
    } catch (failed) {
      if (!(failed instanceof ApiError)) throw failed;
      setError(failed);
    }
  };
  useEffect(() => {
    if (!token) void make();
  }, []);
  const waiting = token ? null : error ? (
    <p role="alert">
      No token could be made: {error.message}{" "}
      <button type="button" onClick={make}>
        Try again
      </button>
    </p>
  ) : (
    <p class="muted">Making a token…</p>
  );
  const expires = token && (
    <p class="muted">
      The token in it joins one sensor and expires {relative(new Date(token.expires_at), now.value)}. It is shown
      only here.
    </p>
  );
  if (way === "file") {
    const text = token ? `token = ${token.token}\n# capture = eth1\n# name = shop-12\n` : "";
    return (
      <ol class="add-steps">
        <li>
          <h3>Flash a card or disk</h3>
          <p>
            <code>ringside-image flash IMAGE DEVICE</code> writes the image of the appliance's board and prints
            the PIN for its label.
          </p>
        </li>
        <li>
          <h3>
            Save this as <code>ringside.conf</code> on its boot partition
          </h3>
          {token ? (
            <>
              <div class="command">
                <code class="lines">{text}</code>
                <Copy text={text} label="Copy the file" lines />
              </div>
              <p>
                <a class="button" download="ringside.conf" href={fileAddress(text)}>
                  Save ringside.conf
                </a>
              </p>
              {expires}
            </>
          ) : (
            waiting
          )}
        </li>
        <li>
          <h3>Plug it into the mirror port, switch it on, and wait for it here</h3>
          {arrival}
        </li>
      </ol>
    );
  }
  return (
    <ol class="add-steps">
      <li>
        <h3>Install the sensor where the calls are</h3>
        <p>
          On the PBX itself, or on a machine at a mirror port: unpack the release archive for its architecture
          (<code>uname -m</code> says <code>x86_64</code> or <code>aarch64</code>) and run <code>./install</code>{" "}
          in it. The archive comes with this cloud's release; <code>ci/release</code> makes it from the sources.
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
            {expires}
          </>
        ) : (
          waiting
        )}
      </li>
      <li>
        <h3>Start it there, and wait for it here</h3>
        <p>
          <code>ringside-sensor install</code> starts it as a service, <code>ringside-sensor run</code> in the
          terminal.
        </p>
        {arrival}
      </li>
    </ol>
  );
}

/** A text as a file to be saved: nothing of it leaves the page. */
function fileAddress(text: string): string {
  return `data:text/plain;charset=utf-8,${encodeURIComponent(text)}`;
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
    if (found) made = null;
  }, [found?.id, found?.state]);
  return found ?? null;
}
