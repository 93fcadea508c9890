// The sensors that send nothing, by name and with why: the next thing to look at where calls are missing.

import { sensorPath } from "../router.js";
import { sensors } from "../store.js";
import type { Sensor, SensorState } from "../types.js";
import { Clip } from "./Clip.js";
import { StateMark } from "./Icon.js";
import { Ago } from "./Time.js";

const AWAY: readonly SensorState[] = ["refused", "offline", "stopped", "never"];

/** More are behind a link. */
const MOST = 5;

export const away = (all: Sensor[]): Sensor[] => all.filter(({ state }) => AWAY.includes(state));

/** Channels that are reserved for them, and so for nobody else. */
export const heldAway = (all: Sensor[]): number =>
  away(all).reduce((sum, { lease }) => sum + (lease?.reserved ?? 0), 0);

export function Away() {
  const missing = away(sensors.value);
  if (missing.length === 0) return null;
  return (
    <>
      <p>
        {missing.length === sensors.value.length
          ? "No sensor is online. Open one to see what keeps it away:"
          : "Some sensors send nothing. Open one to see what keeps it away:"}
      </p>
      <ul class="away">
        {missing.slice(0, MOST).map(({ id, name, state, last_seen_at }) => (
          <li key={id}>
            <a href={sensorPath(id)}>
              <Clip text={name} />
            </a>{" "}
            <StateMark state={state} />
            {last_seen_at && (
              <span class="muted">
                last seen <Ago at={last_seen_at} />
              </span>
            )}
          </li>
        ))}
        {missing.length > MOST && (
          <li>
            <a href="/sensors">and {missing.length - MOST} more</a>
          </li>
        )}
      </ul>
    </>
  );
}
