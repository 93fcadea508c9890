// Calls in progress: how many are how good, and the worst of each sensor, as of its last heartbeat.

import { api } from "../api.js";
import { Clip } from "../components/Clip.js";
import { BandShape } from "../components/Icon.js";
import { Mos } from "../components/Mos.js";
import { Failed, Notice, StaleMark, Waiting } from "../components/Notice.js";
import { Ago } from "../components/Time.js";
import { count, millis, percent } from "../format.js";
import { useLoad } from "../load.js";
import { BANDS } from "../quality.js";
import { sensorPath } from "../router.js";
import { useTitle } from "../title.js";
import type { LiveCalls, LiveSensor } from "../types.js";

/** The worst calls of all sensors together, the lowest MOS first. */
export function worstFirst(live: LiveCalls) {
  return live.sensors
    .flatMap((of) => of.calls.map((call) => ({ ...call, of })))
    .sort((a, b) => a.mos - b.mos || a.first_at.localeCompare(b.first_at));
}

export function Live() {
  useTitle("Live");
  const { data, error, reload } = useLoad("live", (signal) => api.live(signal));
  return (
    <>
      <header class="page-head">
        <h1>Calls in progress</h1>
        {data && <Bands live={data} />}
      </header>
      <StaleMark error={data ? error : null} />
      {data ? (
        <Worst live={data} />
      ) : error ? (
        <Failed error={error} retry={reload} />
      ) : (
        <Waiting rows={6} />
      )}
    </>
  );
}

function Bands({ live }: { live: LiveCalls }) {
  const counts = { good: live.good, fair: live.fair, bad: live.bad, none: live.unrated };
  return (
    <ul class="bands" aria-label="By MOS">
      {BANDS.map(({ band, word, range }) => (
        <li key={band} class={`band-${band}`} title={range}>
          <BandShape band={band} /> {word} <strong>{count(counts[band])}</strong>
        </li>
      ))}
    </ul>
  );
}

function Worst({ live }: { live: LiveCalls }) {
  const calls = worstFirst(live);
  if (calls.length === 0) return <Nothing live={live} />;
  return (
    <>
      <div class="scroll-x" tabIndex={0} role="group" aria-label="The worst calls in progress">
        <table class="streams">
          <thead>
            <tr>
              <th scope="col">MOS</th>
              <th scope="col">Caller</th>
              <th scope="col">Callee</th>
              <th scope="col">Began</th>
              <th scope="col">Lost</th>
              <th scope="col">Jitter, greatest</th>
              <th scope="col">Sensor</th>
            </tr>
          </thead>
          <tbody>
            {calls.map((call) => (
              <tr key={`${call.of.sensor.id} ${call.id ?? call.first_at}`}>
                <td>
                  <Mos mos={call.mos} scale={null} unreliable={call.mos_unreliable} />
                </td>
                <td>
                  <Clip text={call.caller} />
                </td>
                <td>
                  <Clip text={call.callee} />
                </td>
                <td>
                  <Ago at={call.first_at} />
                </td>
                <td>{percent(call.lost / Math.max(call.expected, 1))}</td>
                <td>{millis(call.jitter_max_ms)}</td>
                <td>
                  <SensorLink of={call.of} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <p class="muted">Each sensor tells its 20 worst calls with every heartbeat, twice a minute.</p>
    </>
  );
}

function SensorLink({ of }: { of: LiveSensor }) {
  return (
    <a href={sensorPath(of.sensor.id)}>
      <Clip text={of.sensor.name ?? of.sensor.id} />
    </a>
  );
}

function Nothing({ live }: { live: LiveCalls }) {
  if (live.sensors.length === 0) {
    return (
      <Notice title="No sensor is online" whole>
        <p>
          <a href="/sensors">Sensors</a> says what keeps them away.
        </p>
      </Notice>
    );
  }
  return (
    <Notice title="No call with a MOS is in progress" whole>
      <p>Calls appear here with the heartbeat after their first seconds of media.</p>
    </Notice>
  );
}
