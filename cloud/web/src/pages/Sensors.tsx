// All sensors with their ticks, and the devices that tried to join and were refused.

import { useState } from "preact/hooks";
import { api } from "../api.js";
import { heldAway } from "../components/Away.js";
import { Clip } from "../components/Clip.js";
import { Drops } from "../components/Drops.js";
import { Icon, StateMark } from "../components/Icon.js";
import { later } from "../components/Later.js";
import { Failed, StaleMark, Waiting } from "../components/Notice.js";
import { Upgrades } from "../components/Upgrades.js";
import { TickRow, StepName } from "../components/Steps.js";
import { Ago } from "../components/Time.js";
import { NONE, count, localTimes } from "../format.js";
import { useLoad } from "../load.js";
import { navigate, query, sensorPath } from "../router.js";
import { canUpgrade, isAdmin, sensors as known, now, session } from "../store.js";
import { useTitle } from "../title.js";
import type { Sensor, SensorState, Stranger } from "../types.js";

const UpgradeDialog = later(() =>
  import("../components/UpgradeDialog.js").then((module) => module.UpgradeDialog),
);
const AddSensor = later(() => import("../components/AddSensor.js").then((module) => module.AddSensor));

const ORDER: SensorState[] = ["refused", "offline", "stopped", "never", "online", "revoked"];

/** Those that need somebody first, then by name. */
export function inOrder(sensors: Sensor[]): Sensor[] {
  return [...sensors].sort(
    (a, b) => ORDER.indexOf(a.state) - ORDER.indexOf(b.state) || a.name.localeCompare(b.name),
  );
}

export function Sensors() {
  useTitle("Sensors");
  const { data, error, reload } = useLoad("sensors", async (signal) => {
    const all = await api.sensors(signal);
    known.value = all;
    return all;
  });
  const [adding, setAdding] = useState(isAdmin() && query.value.get("add") === "1");
  const [upgrading, setUpgrading] = useState(false);
  const close = () => {
    setAdding(false);
    if (query.value.has("add")) navigate("/sensors", { replace: true });
  };
  return (
    <>
      <header class="page-head">
        <h1>Sensors</h1>
        {data && data.length > 0 && <span class="muted">{summary(data)}</span>}
        {isAdmin() && data?.length !== 0 && (
          <span class="page-action page-actions">
            {canUpgrade() && (
              <button type="button" onClick={() => setUpgrading(true)}>
                Upgrade…
              </button>
            )}
            <button type="button" class="primary" onClick={() => setAdding(true)}>
              <Icon name="plus" /> Add sensor
            </button>
          </span>
        )}
      </header>
      <StaleMark error={data ? error : null} />
      {data && <Held sensors={data} />}
      {isAdmin() && data && data.length > 0 && <Upgrades />}
      {data ? (
        data.length > 0 ? (
          <ul class="sensor-cards">
            {inOrder(data).map((sensor) => (
              <SensorCard key={sensor.id} sensor={sensor} />
            ))}
          </ul>
        ) : (
          <Empty add={() => setAdding(true)} />
        )
      ) : error ? (
        <Failed error={error} retry={reload} />
      ) : (
        <Waiting rows={4} />
      )}
      {isAdmin() && <Strangers />}
      {adding && <AddSensor close={close} />}
      {upgrading && <UpgradeDialog close={() => setUpgrading(false)} done={() => setUpgrading(false)} />}
    </>
  );
}

function Held({ sensors }: { sensors: Sensor[] }) {
  const held = heldAway(sensors);
  const limit = session.value?.limits?.channels;
  if (held === 0) return null;
  return (
    <p class="failure past held-away">
      {count(held)} {limit ? `of ${count(limit)} channels` : "channels"} are held by sensors that are offline:
      start them, or revoke those that do not come back, so that the others may use them.
    </p>
  );
}

function summary(sensors: Sensor[]): string {
  const online = sensors.filter(({ state }) => state === "online").length;
  return `${online} of ${sensors.length} online`;
}

function SensorCard({ sensor }: { sensor: Sensor }) {
  return (
    <li class={`card sensor-card sensor-${sensor.state}`}>
      <header>
        <h2>
          <a href={sensorPath(sensor.id)}>
            <Clip text={sensor.name} />
          </a>
        </h2>
        {sensor.id_sensor !== null && <span class="muted id-sensor">no. {sensor.id_sensor}</span>}
        <StateMark state={sensor.state} />
      </header>
      <TickRow ticks={sensor.ticks} />
      {sensor.failure && sensor.state !== "online" && (
        <p class="failure">
          <strong>
            <StepName name={sensor.failure.step} />
          </strong>{" "}
          <span dir="auto">{localTimes(sensor.failure.sentence, now.value)}</span>
        </p>
      )}
      <dl class="card-facts">
        <div>
          <dt>Channels</dt>
          <dd>
            {count(sensor.channels)}
            {sensor.lease?.channels != null && <span class="muted"> of {count(sensor.lease.channels)}</span>}
          </dd>
        </div>
        <div>
          <dt>Last seen</dt>
          <dd>
            <Ago at={sensor.last_seen_at} never="never" />
          </dd>
        </div>
        <div>
          <dt>Last call</dt>
          <dd>
            <Ago at={sensor.last_cdr_at} never="none yet" />
          </dd>
        </div>
        <div>
          <dt>Version</dt>
          <dd>
            {sensor.software ?? NONE} <span class="muted">{sensor.arch ?? ""}</span>
          </dd>
        </div>
      </dl>
      <div class="card-drops">
        <h3>Dropped</h3>
        <Drops drops={sensor.drops} />
      </div>
    </li>
  );
}

function Empty({ add }: { add: () => void }) {
  return (
    <section class="notice empty-sensors">
      <h2>Add one in three steps</h2>
      <ol class="three">
        <li>
          <strong>Install</strong> the sensor on the PBX, or on a machine at a mirror port, and name the
          interface.
        </li>
        <li>
          <strong>Run one command</strong> there; it carries a token that joins the sensor to you. An appliance
          takes a file instead, or shows a claim code.
        </li>
        <li>
          <strong>Watch it appear</strong> here, with a tick for each thing that works.
        </li>
      </ol>
      {isAdmin() ? (
        <p>
          <button type="button" class="primary" onClick={add}>
            Add sensor
          </button>
        </p>
      ) : (
        <p class="muted">Ask an administrator to add one.</p>
      )}
    </section>
  );
}

function Strangers() {
  const { data } = useLoad("strangers", (signal) => api.strangers(signal));
  if (!data || data.length === 0) return null;
  return (
    <section class="strangers">
      <h2>Refused devices</h2>
      <p class="muted">These tried to join and are none of your sensors.</p>
      <ul>
        {data.map((stranger) => (
          <StrangerRow key={stranger.device} stranger={stranger} />
        ))}
      </ul>
    </section>
  );
}

function StrangerRow({ stranger }: { stranger: Stranger }) {
  const { name, device, address, software, target, failure, at } = stranger;
  return (
    <li class="card stranger">
      <p>
        <strong>
          <Clip text={name || device} />
        </strong>
        <span class="muted">
          {" "}
          at <span class="mono">{address ?? "an unknown address"}</span>, <Ago at={at} />
        </span>
      </p>
      <p>
        Refused at{" "}
        <strong>
          <StepName name={failure.step} />
        </strong>
        : <span dir="auto">{localTimes(failure.sentence, now.value)}</span>
      </p>
      <p class="muted">
        {software ?? "unknown version"} {target ?? ""} · device <span class="mono">{device}</span>
      </p>
    </li>
  );
}
