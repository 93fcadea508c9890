// Calls in progress: how many are how good, and the worst of each sensor, as of its last heartbeat.

import { useState } from "preact/hooks";
import { api } from "../api.js";
import { Away } from "../components/Away.js";
import { Who } from "../components/CallsTable.js";
import { Clip } from "../components/Clip.js";
import { BandShape } from "../components/Icon.js";
import { Mos } from "../components/Mos.js";
import { later } from "../components/Later.js";
import { Failed, Notice, StaleMark, Waiting } from "../components/Notice.js";
import { Ago } from "../components/Time.js";
import { NONE, count, millis, percent, plural, share } from "../format.js";
import { useLoad } from "../load.js";
import { BANDS } from "../quality.js";
import { sensorPath } from "../router.js";
import { useTitle } from "../title.js";
import type { LiveCall, LiveCalls, LiveSensor } from "../types.js";

const ListenLive = later(() => import("../components/ListenLive.js").then((module) => module.ListenLive));

/** The calls of all sensors together: the lowest MOS first, those without one last. */
export function worstFirst(live: LiveCalls) {
  return live.sensors
    .flatMap((of) => of.calls.map((call) => ({ ...call, of })))
    .sort((a, b) => (a.mos ?? 9) - (b.mos ?? 9) || a.first_at.localeCompare(b.first_at));
}

const total = (live: LiveCalls) => BANDS.reduce((sum, { band }) => sum + inBand(live, band), 0);

/** Who hears nothing is known at a call's end: there is no such band here. */
function inBand(live: LiveCalls, band: (typeof BANDS)[number]["band"]): number {
  if (band === "none") return live.unrated;
  return band === "no_audio" ? 0 : live[band];
}

export function Live() {
  useTitle("Calls in progress");
  const { data, error, reload } = useLoad("live", (signal) => api.live(signal));
  return (
    <>
      <header class="page-head">
        <h1>Calls in progress</h1>
        {data && <Bands live={data} />}
      </header>
      <StaleMark error={data ? error : null} />
      {data ? <Worst live={data} /> : error ? <Failed error={error} retry={reload} /> : <Waiting rows={6} />}
    </>
  );
}

function Bands({ live }: { live: LiveCalls }) {
  return (
    <ul class="bands" aria-label="By MOS">
      {BANDS.filter(({ band }) => band !== "no_audio").map(({ band, word, range }) => (
        <li key={band} class={`band-${band}`} title={range}>
          <BandShape band={band} /> {word} <strong>{count(inBand(live, band))}</strong>
        </li>
      ))}
    </ul>
  );
}

/** Whether calls in progress may be listened to, and which one is. */
function useListening() {
  const { data } = useLoad("retrieval", (signal) => api.terms(signal));
  const [heard, setHeard] = useState<{ id: string; title: string; reason?: string } | null>(null);
  const may = Boolean(data?.live && data.relay && data.rights.includes("live"));
  const listen = (call: LiveCall) => {
    if (call.id === null) return;
    const title = `${call.caller || "unknown"} \u2192 ${call.callee || "unknown"}`;
    const reason = data?.asks_reason ? prompt("Why do you listen to this call? (for the audit log)")?.trim() : "";
    if (data?.asks_reason && !reason) return;
    setHeard({ id: call.id, title, ...(reason ? { reason } : {}) });
  };
  return { may, heard, listen, stop: () => setHeard(null) };
}

function Worst({ live }: { live: LiveCalls }) {
  const calls = worstFirst(live);
  const { may, heard, listen, stop } = useListening();
  if (calls.length === 0) return <Nothing live={live} />;
  const several = live.sensors.length > 1;
  const hidden = total(live) - calls.length;
  return (
    <>
      <Age live={live} />
      {heard && <ListenLive key={heard.id} call={heard.id} title={heard.title} reason={heard.reason ?? ""} close={stop} />}
      <table class="calls live-calls" role="table">
        <caption class="hidden">Calls in progress, the worst first</caption>
        <thead role="rowgroup">
          <tr role="row">
            <Head name="time">Began</Head>
            <Head name="from">From</Head>
            <Head name="to">To</Head>
            <Head name="mos">MOS</Head>
            <Head name="lost">Lost</Head>
            <Head name="jitter">Jitter, greatest</Head>
            {several && <Head name="live-sensor">Sensor</Head>}
            {may && <Head name="listen">Sound</Head>}
          </tr>
        </thead>
        <tbody role="rowgroup">
          {calls.map((call) => (
            <Row key={`${call.of.sensor.id} ${call.id ?? call.first_at}`} call={call} several={several} listen={may ? listen : null} />
          ))}
        </tbody>
      </table>
      {hidden > 0 && (
        <p class="muted">{plural(hidden, "more call")} in progress: each sensor names its 20 worst.</p>
      )}
    </>
  );
}

const Head = ({ name, children }: { name: string; children: string }) => (
  <th scope="col" role="columnheader" class={`c-${name}`}>
    {children}
  </th>
);

function Row(props: {
  call: LiveCall & { of: LiveSensor };
  several: boolean;
  listen: ((call: LiveCall) => void) | null;
}) {
  const { call, several, listen } = props;
  return (
    <tr role="row">
      <td role="cell" class="c-time">
        <Ago at={call.first_at} />
      </td>
      <td role="cell" class="c-from">
        <Who party={{ user: call.caller, host: "", display: call.caller_display }} />
      </td>
      <td role="cell" class="c-to">
        <Who party={{ user: call.callee, host: "", display: call.callee_display }} />
      </td>
      <td role="cell" class="c-mos">
        {call.mos === null ? (
          <span class="band-none" title={call.answered_at ? "No MOS yet" : "Not answered yet"}>
            {call.answered_at ? "no MOS yet" : "ringing"}
          </span>
        ) : (
          <Mos mos={call.mos} scale={null} unreliable={call.mos_unreliable} />
        )}
      </td>
      <td role="cell" class="c-lost n">
        {call.expected > 0 ? percent(share(call.lost, call.expected)) : NONE}
      </td>
      <td role="cell" class="c-jitter n">
        {millis(call.jitter_max_ms)}
      </td>
      {several && (
        <td role="cell" class="c-live-sensor">
          <a href={sensorPath(call.of.sensor.id)}>
            <Clip text={call.of.sensor.name ?? call.of.sensor.id} />
          </a>
        </td>
      )}
      {listen && (
        <td role="cell" class="c-listen">
          {call.id !== null && (
            <button type="button" onClick={() => listen(call)}>
              Listen
            </button>
          )}
        </td>
      )}
    </tr>
  );
}

/** How old the oldest of the figures are: they come with heartbeats. */
function Age({ live }: { live: LiveCalls }) {
  const at = live.sensors.flatMap((of) => (of.at ? [of.at] : [])).sort()[0];
  if (!at) return null;
  return (
    <p class="muted live-age">
      Figures as of <Ago at={at} />: each sensor tells them twice a minute. A call that has ended leaves at
      once.
    </p>
  );
}

function Nothing({ live }: { live: LiveCalls }) {
  if (live.sensors.length === 0) {
    return (
      <Notice title="No sensor is online" whole>
        <Away />
        <p class="actions">
          <a class="button" href="/sensors">
            All sensors
          </a>
        </p>
      </Notice>
    );
  }
  return (
    <Notice title="No call is in progress" whole>
      <p>Calls appear here with the next heartbeat of their sensor, twice a minute.</p>
      <p class="actions">
        <a class="button" href="/calls">
          Calls that have ended
        </a>
      </p>
    </Notice>
  );
}
