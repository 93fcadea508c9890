// Where it is worst: sensors, numbers and addresses, each a link to exactly these calls.

import { useState } from "preact/hooks";
import { count, figure, percent, plural, share } from "../format.js";
import { type Figures, type Overview, type Trouble, callsOf } from "../overview.js";
import { sensorPath } from "../router.js";
import { Clip } from "./Clip.js";
import { StateMark } from "./Icon.js";
import { Ago } from "./Time.js";

export function SensorsCard({ overview }: { overview: Overview }) {
  const { worst, away, online, total } = overview.sensors;
  return (
    <section class="card worst-sensors" aria-label="Sensors">
      <header class="card-head">
        <h2>Sensors</h2>
        <a href="/sensors" class="muted">
          {count(online)} of {count(total)} online
        </a>
      </header>
      {worst.length === 0 ? (
        <p class="muted pad">No sensor with 20 calls or more has bad ones.</p>
      ) : (
        <div class="scroll-x" tabIndex={0} role="group" aria-label="The worst sensors">
          <table class="plain">
            <thead>
              <tr>
                <th scope="col">Sensor</th>
                <th scope="col" class="n">
                  Calls
                </th>
                <th scope="col" class="n" title="Not answered, for no reason of the caller's or the callee's">
                  Failed
                </th>
                <th scope="col" class="n" title="No sound in a direction, or a MOS of 3.0 or less">
                  Bad audio
                </th>
                <th scope="col" class="n">
                  MOS
                </th>
              </tr>
            </thead>
            <tbody>
              {worst.map(({ sensor, figures, before }) => (
                <tr key={sensor.id}>
                  <th scope="row">
                    <a href={sensorPath(sensor.id)}>
                      <Clip text={sensor.name} />
                    </a>
                  </th>
                  <td class="n">
                    <a href={callsOf(overview.hours, { sensor: sensor.id })}>{count(figures.calls)}</a>
                  </td>
                  <Share of={(it) => it.failed} overview={overview} trouble="failed" {...{ sensor, figures, before }} />
                  <Share
                    of={(it) => it.no_audio + it.degraded}
                    overview={overview}
                    trouble="bad_audio"
                    {...{ sensor, figures, before }}
                  />
                  <td class="n">{figure(figures.mos_mean, 2)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {away.length > 0 && (
        <ul class="worst-away" aria-label="Sensors that are not connected">
          {away.slice(0, MOST_AWAY).map(({ sensor, state, heard_at }) => (
            <li key={sensor.id}>
              <StateMark state={state} />
              <a href={sensorPath(sensor.id)}>
                <Clip text={sensor.name} />
              </a>
              {heard_at && (
                <span class="muted">
                  <Ago at={heard_at} />
                </span>
              )}
            </li>
          ))}
          {away.length > MOST_AWAY && (
            <li>
              <a href="/sensors">and {away.length - MOST_AWAY} more</a>
            </li>
          )}
        </ul>
      )}
    </section>
  );
}

const MOST_AWAY = 6;

interface ShareProps {
  sensor: Overview["sensors"]["worst"][number]["sensor"];
  figures: Figures;
  before: Figures | null;
  of: (figures: Figures) => number;
  overview: Overview;
  trouble: Trouble;
}

function Share({ sensor, figures, before, of, overview, trouble }: ShareProps) {
  const part = share(of(figures), figures.calls);
  const old = before && before.calls >= 20 ? share(of(before), before.calls) : null;
  const title = `${count(of(figures))} of ${plural(figures.calls, "call")}${old === null ? "" : `; ${percent(old)} in the time before`}`;
  const weight = part !== null && part >= 0.1 ? "share-problem" : part !== null && part >= 0.05 ? "share-warning" : "";
  return (
    <td class={`n ${weight}`} title={title}>
      {of(figures) === 0 ? (
        percent(part)
      ) : (
        <a href={callsOf(overview.hours, { ...overview.filters[trouble], sensor: sensor.id })}>{percent(part)}</a>
      )}
    </td>
  );
}

const TROUBLES: { trouble: Trouble; word: string }[] = [
  { trouble: "failed", word: "Failed" },
  { trouble: "bad_audio", word: "Bad audio" },
];

interface NamesProps {
  overview: Overview;
  title: string;
  lists: Record<Trouble, { name: string; calls: number }[]>;
  /** The filter that finds a name. */
  filter: "number" | "address";
}

type Names = Omit<NamesProps, "lists" | "filter" | "title">;

export function NumbersCard({ overview }: Names) {
  const named = (trouble: Trouble) =>
    overview.numbers[trouble].map(({ number, calls }) => ({ name: number, calls }));
  const lists = { failed: named("failed"), bad_audio: named("bad_audio") };
  return <NamesCard overview={overview} title="Numbers" lists={lists} filter="number" />;
}

export function AddressesCard({ overview }: Names) {
  const named = (trouble: Trouble) =>
    overview.addresses[trouble].map(({ address, calls }) => ({ name: address, calls }));
  const lists = { failed: named("failed"), bad_audio: named("bad_audio") };
  return <NamesCard overview={overview} title="Addresses" lists={lists} filter="address" />;
}

function NamesCard({ overview, title, lists, filter }: NamesProps) {
  const [chosen, choose] = useState<Trouble | null>(null);
  // What there is most of, until somebody chooses.
  const sum = (trouble: Trouble) => lists[trouble].reduce((all, { calls }) => all + calls, 0);
  const trouble = chosen ?? (sum("bad_audio") > sum("failed") ? "bad_audio" : "failed");
  const names = lists[trouble];
  const most = names[0]?.calls ?? 1;
  return (
    <section class="card" aria-label={title}>
      <header class="card-head">
        <h2>{title}</h2>
        <div class="segments" role="group" aria-label={`${title}: which calls`}>
          {TROUBLES.map((one) => (
            <button
              key={one.trouble}
              type="button"
              aria-pressed={one.trouble === trouble}
              onClick={() => choose(one.trouble)}
            >
              {one.word}
            </button>
          ))}
        </div>
      </header>
      {names.length === 0 ? (
        <p class="muted pad">
          {trouble === "failed" ? "None with three failed calls." : "None with three calls that sounded bad."}
        </p>
      ) : (
        <ol class="worst-names">
          {names.map(({ name, calls }) => (
            <li key={name}>
              <a href={callsOf(overview.hours, { ...overview.filters[trouble], [filter]: name })}>
                <bdi class="clip mono" title={name}>
                  {name}
                </bdi>{" "}
                <span class="worst-count">{plural(calls, "call")}</span>
              </a>
              <svg viewBox="0 0 100 3" preserveAspectRatio="none" aria-hidden="true">
                <rect width={(calls / most) * 100} height="3" />
              </svg>
            </li>
          ))}
        </ol>
      )}
    </section>
  );
}
