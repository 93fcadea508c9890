// One sensor: what works, what does not and what to do, and everything it counts.

import { useState } from "preact/hooks";
import { ApiError, api } from "../api.js";
import { heldAway } from "../components/Away.js";
import { Clip } from "../components/Clip.js";
import { Copy } from "../components/Copy.js";
import { Counters } from "../components/Counters.js";
import { Dialog } from "../components/Dialog.js";
import { DROPS } from "../components/Drops.js";
import { Icon, StateMark, StepIcon } from "../components/Icon.js";
import { later } from "../components/Later.js";
import { Failed, Notice, StaleMark, Waiting } from "../components/Notice.js";
import { StepList, TickList, StepName } from "../components/Steps.js";
import { Ago, Time } from "../components/Time.js";
import { pushMark } from "../components/Upgrades.js";
import { NONE, bytes, count, localTimes, longDuration, plural } from "../format.js";
import { useKeys } from "../keys.js";
import { useLoad } from "../load.js";
import { navigate } from "../router.js";
import { canUpgrade, isAdmin, now } from "../store.js";
import { useTitle } from "../title.js";
import type { Sensor as SensorData } from "../types.js";

export function Sensor({ id }: { id: string }) {
  const { data, error, reload } = useLoad(`sensor ${id}`, (signal) => api.sensor(id, signal), {
    keep: false,
  });
  useTitle(data?.name ?? "Sensor");
  useKeys("Sensor", [{ key: "Escape", does: "Back to the sensors", run: () => navigate("/sensors") }]);
  return (
    <>
      <nav class="walk" aria-label="Way back">
        <a href="/sensors">
          <Icon name="left" /> Sensors
        </a>
      </nav>
      {data ? (
        <>
          <StaleMark error={error} />
          <Shown sensor={data} reload={reload} />
        </>
      ) : error?.status === 404 ? (
        <Notice title="There is no such sensor" whole>
          <p>
            <a class="button" href="/sensors">
              All sensors
            </a>
          </p>
        </Notice>
      ) : error ? (
        <Failed error={error} retry={reload} />
      ) : (
        <Waiting rows={8} />
      )}
    </>
  );
}

function Shown({ sensor, reload }: { sensor: SensorData; reload: () => void }) {
  return (
    <article class="sensor-page">
      <header class="page-head">
        <h1>
          <Clip text={sensor.name} />
        </h1>
        <StateMark state={sensor.state} />
        <Heard sensor={sensor} />
        <a class="button page-action" href={`/calls?sensor=${encodeURIComponent(sensor.id)}`}>
          Its calls
        </a>
        {canUpgrade() && sensor.state !== "revoked" && <Upgrade sensor={sensor} reload={reload} />}
        {isAdmin() && sensor.state !== "revoked" && <Revoke sensor={sensor} reload={reload} />}
      </header>
      <Failure sensor={sensor} />
      <Held sensor={sensor} />
      <Pushed sensor={sensor} />
      <FailedUpgrade sensor={sensor} />
      <Notices sensor={sensor} />
      <div class="two-columns">
        <div>
          <section class="card" aria-label="Ticks">
            <header class="card-head">
              <h2>Does it work?</h2>
            </header>
            <TickList ticks={sensor.ticks} />
          </section>
          <Facts sensor={sensor} />
        </div>
        <div>
          <section class="card" aria-label="Handshake">
            <header class="card-head">
              <h2>Way to the cloud</h2>
            </header>
            <StepList steps={sensor.steps} />
          </section>
          <Capture sensor={sensor} />
        </div>
      </div>
      <Counters counters={sensor.counters} />
    </article>
  );
}

/** How long ago it was heard of: one that was just killed is online until it has missed three heartbeats. */
function Heard({ sensor: { state, last_seen_at } }: { sensor: SensorData }) {
  if (state !== "online" || !last_seen_at) return null;
  return (
    <span class="muted">
      heard <Ago at={last_seen_at} />
    </span>
  );
}

/** The failure that stands, as the cloud saw it or as the sensor told of it; what is over is said small. */
function Failure({ sensor }: { sensor: SensorData }) {
  const { failure: seen, reported, state, accepted_at } = sensor;
  const failure = seen ?? reported;
  if (!failure) return null;
  if (seen && state !== "online") {
    return (
      <p class="failure" role="alert">
        <strong>
          Stopped at <StepName name={failure.step} />
        </strong>{" "}
        {failure.at && (
          <span class="muted">
            <Ago at={failure.at} />
          </span>
        )}
        <span class="failure-sentence" dir="auto">
          {localTimes(failure.sentence, now.value)}
        </span>
      </p>
    );
  }
  return (
    <details class="overcome">
      <summary>
        <StepName name={failure.step} /> failed{" "}
        {failure.at && (
          <>
            at <Time at={failure.at} />
          </>
        )}
        , overcome{" "}
        {accepted_at && (
          <>
            at <Time at={accepted_at} />
          </>
        )}
      </summary>
      <p dir="auto">{localTimes(failure.sentence, now.value)}</p>
    </details>
  );
}

/** What it keeps from the others while it is away. */
function Held({ sensor }: { sensor: SensorData }) {
  const held = heldAway([sensor]);
  if (held === 0) return null;
  return (
    <p class="failure past held-away">
      {plural(held, "channel")} of yours {held === 1 ? "is" : "are"} held for it while it is away: revoke it
      if it does not come back.
    </p>
  );
}

const UpgradeDialog = later(() =>
  import("../components/UpgradeDialog.js").then((module) => module.UpgradeDialog),
);

function Upgrade({ sensor, reload }: { sensor: SensorData; reload: () => void }) {
  const [open, setOpen] = useState(false);
  const close = () => setOpen(false);
  const done = () => {
    close();
    reload();
  };
  return (
    <>
      <button type="button" onClick={() => setOpen(true)}>
        Upgrade…
      </button>
      {open && <UpgradeDialog only={sensor.id} close={close} done={done} />}
    </>
  );
}

/** A pushed upgrade that is done is told for so long, milliseconds. */
const TOLD_FOR = 3_600_000;

/** How far an upgrade that was pushed from here is. */
function Pushed({ sensor: { push } }: { sensor: SensorData }) {
  if (!push) return null;
  const isOver = ["done", "cancelled"].includes(push.state);
  if (isOver && now.value.getTime() - Date.parse(push.changed_at) > TOLD_FOR) return null;
  const mark = pushMark(push.state);
  return (
    <div class={`arrival arrival-${mark} pushed`} role="status">
      <StepIcon state={mark} />
      <div>
        <strong>Upgrade to {push.version}</strong>{" "}
        <span class="muted">
          <Ago at={push.changed_at} />
        </span>
        <span class="failure-sentence" dir="auto">
          {push.sentence}
        </span>
        {push.percent !== null && <progress max={100} value={push.percent} aria-label="Fetched" />}
      </div>
    </div>
  );
}

function FailedUpgrade({ sensor: { upgrade, push } }: { sensor: SensorData }) {
  if (!upgrade || upgrade.ok) return null;
  // Told above already.
  if (push?.state === "rolled_back" && push.changed_at >= upgrade.at) return null;
  return (
    <p class="failure past">
      <strong>Upgrade</strong>{" "}
      <span class="muted">
        <Ago at={upgrade.at} />
      </span>
      <span class="failure-sentence" dir="auto">
        {upgrade.sentence}
      </span>
    </p>
  );
}

/** What it sent and was not kept as it came. */
function Notices({ sensor: { notices } }: { sensor: SensorData }) {
  return notices.map((notice) => (
    <p class="failure past" key={notice.code}>
      <strong>{notice.code === "batches_over_quota" ? "Waiting" : "Refused"}</strong>{" "}
      <span class="muted">
        <Ago at={notice.at} />
      </span>
      <span class="failure-sentence" dir="auto">
        {notice.sentence}
      </span>
    </p>
  ));
}

function Facts({ sensor }: { sensor: SensorData }) {
  const { lease, outbox } = sensor;
  const offset = sensor.clock_offset_ms;
  const outboxText = outbox
    ? `${count(outbox.cdrs)} ${outbox.cdrs === 1 ? "record" : "records"}, ${bytes(outbox.bytes)} of ${bytes(outbox.limit_bytes)}`
    : NONE;
  return (
    <section class="card" aria-label="Facts">
      <header class="card-head">
        <h2>Facts</h2>
      </header>
      <dl class="facts">
        <Fact name="Number">{sensor.id_sensor ?? NONE}</Fact>
        <Fact name="Device">
          <Clip text={sensor.id} mono /> <Copy text={sensor.id} label="Copy the device's fingerprint" />
        </Fact>
        <Fact name="Address">
          <Clip text={sensor.address} mono />
        </Fact>
        <Fact name="Version">
          {sensor.software ?? NONE}{" "}
          {sensor.commit && <span class="mono muted">{sensor.commit.slice(0, 12)}</span>}
        </Fact>
        <Fact name="Architecture">
          {sensor.arch ?? NONE}
          {sensor.target && (
            <span class="muted">
              <Clip text={sensor.target} />
            </span>
          )}
        </Fact>
        <Fact name="Enrolled">
          <Time at={sensor.enrolled_at} withDay />
        </Fact>
        <Fact name="Session since">
          <Time at={sensor.accepted_at} withDay />
        </Fact>
        <Fact name="Last seen">
          <Ago at={sensor.last_seen_at} never="never" />
        </Fact>
        <Fact name="Last call">
          <Ago at={sensor.last_cdr_at} never="none yet" />
        </Fact>
        <Fact name="Running for">{longDuration(sensor.uptime_seconds)}</Fact>
        <Fact name="Channels now">{count(sensor.channels)}</Fact>
        <Fact
          name="Allowance"
          title="Channels that the cloud lets this sensor track; reserved: what counts against the customer's limit"
        >
          {lease ? (
            <>
              {count(lease.channels)} <span class="muted">reserved {count(lease.reserved)}</span>
            </>
          ) : (
            NONE
          )}
        </Fact>
        <Fact name="Waiting to be sent" title="Records in the outbox that the cloud has not acknowledged">
          {outboxText}
        </Fact>
        <Fact name="Memory">{bytes(sensor.memory_bytes)}</Fact>
        <Fact name="Clock" title="The sensor's clock against the cloud's">
          {offset === null
            ? NONE
            : offset === 0
              ? "exact"
              : `${count(Math.abs(offset))} ms ${offset > 0 ? "ahead" : "behind"}`}
        </Fact>
      </dl>
    </section>
  );
}

const Fact = ({
  name,
  title,
  children,
}: {
  name: string;
  title?: string;
  children: preact.ComponentChildren;
}) => (
  <div>
    <dt title={title}>{name}</dt>
    <dd>{children}</dd>
  </div>
);

function Capture({ sensor }: { sensor: SensorData }) {
  return (
    <section class="card" aria-label="Capture">
      <header class="card-head">
        <h2>Capture</h2>
      </header>
      {sensor.interfaces.length === 0 ? (
        <p class="muted pad">No interface has been reported.</p>
      ) : (
        <div class="scroll-x">
          <table class="plain">
            <thead>
              <tr>
                <th scope="col">Interface</th>
                <th scope="col" class="n">
                  Frames
                </th>
                <th scope="col" class="n">
                  Dropped by the kernel
                </th>
                <th scope="col">Fault</th>
              </tr>
            </thead>
            <tbody>
              {sensor.interfaces.map((one) => (
                <tr key={one.name}>
                  <th scope="row" class="mono">
                    {one.name}
                  </th>
                  <td class="n">{count(one.frames)}</td>
                  <td class="n">{count(one.kernel_dropped)}</td>
                  <td>{one.fault ?? "none"}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      <h3 class="pad">Frames lost before analysis</h3>
      <dl class="drop-lines">
        {DROPS.map(({ name, means, of }) => {
          const lost = sensor.drops ? of(sensor.drops) : null;
          return (
            <div key={name} class={lost ? "lossy" : ""}>
              <dt>{name}</dt>
              <dd class="n">{lost === null ? NONE : count(lost)}</dd>
              <dd class="muted">{means}</dd>
            </div>
          );
        })}
      </dl>
    </section>
  );
}

function Revoke({ sensor, reload }: { sensor: SensorData; reload: () => void }) {
  const [asking, setAsking] = useState(false);
  const [error, setError] = useState<ApiError | null>(null);
  const revoke = () =>
    api.revoke(sensor.id).then(
      () => {
        setAsking(false);
        reload();
      },
      (failed: unknown) => {
        if (failed instanceof ApiError) setError(failed);
        else throw failed;
      },
    );
  return (
    <>
      <button type="button" onClick={() => setAsking(true)}>
        Revoke…
      </button>
      {asking && (
        <Dialog title="Revoke this sensor?" close={() => setAsking(false)}>
          <p>
            <strong>
              <Clip text={sensor.name} />
            </strong>{" "}
            will be refused from now on and sends no more calls. Its calls so far stay. To join again it needs
            a new token.
          </p>
          {error && (
            <p role="alert" class="failure">
              {error.message}
            </p>
          )}
          <div class="form-actions">
            <button type="button" class="danger" onClick={revoke}>
              Revoke
            </button>
            <button type="button" onClick={() => setAsking(false)}>
              Keep it
            </button>
          </div>
        </Dialog>
      )}
    </>
  );
}
