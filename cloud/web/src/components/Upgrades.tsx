// Upgrades that were begun here: how far each is, and what to do about one that is paused.

import { useState } from "preact/hooks";
import { ApiError, api } from "../api.js";
import { plural } from "../format.js";
import { useLoad } from "../load.js";
import { sensorPath } from "../router.js";
import { canUpgrade } from "../store.js";
import type { PushState, Upgrade } from "../types.js";
import { Clip } from "./Clip.js";
import { StepIcon } from "./Icon.js";
import { Ago } from "./Time.js";

/** The states as a person would say them, in the order in which they come. */
export const PUSH_WORDS: Record<PushState, string> = {
  waiting: "waiting for its ring",
  offered: "told",
  downloading: "downloading",
  checking: "checking",
  on_trial: "on trial",
  done: "done",
  rolled_back: "rolled back",
  refused: "refused",
  cancelled: "cancelled",
};

export const pushMark = (state: PushState): "ok" | "failed" | "waiting" =>
  state === "done" ? "ok" : state === "rolled_back" || state === "refused" ? "failed" : "waiting";

/** How long one that is over stays in sight, milliseconds. */
const IN_SIGHT = 86_400_000;

export function Upgrades() {
  const { data, reload } = useLoad("upgrades", (signal) => api.upgrades(signal));
  const shown = data?.filter(
    ({ state, created_at }) =>
      state === "running" || state === "paused" || Date.now() - Date.parse(created_at) < IN_SIGHT,
  );
  if (!shown || shown.length === 0) return null;
  return (
    <section class="upgrades" aria-label="Upgrades">
      <h2>Upgrades</h2>
      <ul>
        {shown.map((one) => (
          <UpgradeCard key={one.id} one={one} reload={reload} />
        ))}
      </ul>
    </section>
  );
}

function UpgradeCard({ one, reload }: { one: Upgrade; reload: () => void }) {
  const [error, setError] = useState<string | null>(null);
  const act = (work: Promise<unknown>) =>
    work.then(reload, (failed: unknown) => {
      if (failed instanceof ApiError) setError(failed.message);
      else throw failed;
    });
  const isOpen = one.state === "running" || one.state === "paused";
  const failed = one.sensors.filter(({ why }) => why);
  return (
    <li class={`card upgrade-card upgrade-${one.state}`}>
      <header>
        <h3>
          {one.version} on {plural(one.sensors.length, "sensor")}
        </h3>
        <span class={`upgrade-state upgrade-is-${one.state}`}>{one.state}</span>
        <span class="muted">
          <Ago at={one.created_at} />, by {one.created_by}
        </span>
        {isOpen && canUpgrade() && (
          <span class="upgrade-actions">
            {one.state === "paused" && (
              <button type="button" onClick={() => void act(api.resumeUpgrade(one.id))}>
                Go on
              </button>
            )}
            <button type="button" onClick={() => void act(api.cancelUpgrade(one.id))}>
              Cancel
            </button>
          </span>
        )}
      </header>
      <p class="upgrade-counts">{counts(one)}</p>
      {one.why && <p>{one.why}</p>}
      {failed.length > 0 && (
        <ul class="upgrade-failed">
          {failed.map(({ device, name, state, why }) => (
            <li key={device}>
              <StepIcon state="failed" />
              <span>
                <a href={sensorPath(device)}>
                  <Clip text={name ?? device} />
                </a>{" "}
                {PUSH_WORDS[state]}: <span dir="auto">{why}</span>
              </span>
            </li>
          ))}
        </ul>
      )}
      {error && (
        <p class="failure" role="alert">
          {error}
        </p>
      )}
    </li>
  );
}

/** "3 done, 1 on trial, 8 waiting for its ring". */
function counts({ sensors }: Upgrade): string {
  const states = Object.keys(PUSH_WORDS) as PushState[];
  const parts = [...states].reverse().map((state) => {
    const many = sensors.filter((one) => one.state === state).length;
    return many > 0 ? `${many} ${PUSH_WORDS[state]}` : null;
  });
  return parts.filter((part) => part !== null).join(", ");
}
