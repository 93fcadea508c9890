// Silences that are not over.

import { useState } from "preact/hooks";
import { Icon } from "../components/Icon.js";
import { Failed, Notice, Waiting } from "../components/Notice.js";
import { Ago, Time } from "../components/Time.js";
import { useLoad } from "../load.js";
import { isAdmin } from "../store.js";
import { alertsApi } from "./api.js";
import { SilenceDialog } from "./SilenceDialog.js";

export function Silences() {
  const { data, error, reload } = useLoad("silences", (signal) =>
    Promise.all([alertsApi.silences(signal), alertsApi.rules(signal)]).then(([silences, rules]) => ({ silences, rules })),
  );
  const [adding, setAdding] = useState(false);
  if (!data) return error ? <Failed error={error} retry={reload} /> : <Waiting rows={3} />;
  const nameOf = (rule: number | null) =>
    rule === null ? "All rules" : (data.rules.find(({ id }) => id === rule)?.name ?? `Rule ${rule}`);
  return (
    <>
      {data.silences.length === 0 ? (
        <Notice title="Nothing is silenced">
          <p>
            A silence keeps channels quiet until a time: while a line is worked on, or a sensor is moved. Alerts still
            open here, and what is open at its end is told.
          </p>
          {isAdmin() && (
            <p>
              <button type="button" class="primary" onClick={() => setAdding(true)}>
                New silence
              </button>
            </p>
          )}
        </Notice>
      ) : (
        <>
          {isAdmin() && (
            <p class="alerts-add">
              <button type="button" class="primary" onClick={() => setAdding(true)}>
                <Icon name="plus" /> New silence
              </button>
            </p>
          )}
          <ul class="rules">
            {data.silences.map((silence) => (
              <li key={silence.id} class="card rule">
                <header>
                  <h2 dir="auto">
                    {nameOf(silence.rule)}
                    {silence.sensor ? `: ${silence.sensor.name ?? silence.sensor.id}` : ""}
                  </h2>
                  {isAdmin() && (
                    <button
                      type="button"
                      class="rule-change"
                      aria-label={`End now: ${nameOf(silence.rule)}`}
                      onClick={() => void alertsApi.endSilence(silence.id).then(reload, reload)}
                    >
                      End now
                    </button>
                  )}
                </header>
                {silence.reason && <p dir="auto">{silence.reason}</p>}
                <p class="muted rule-meta">
                  Until <Time at={silence.until} withDay /> · made by <span dir="auto">{silence.created_by}</span>,{" "}
                  <Ago at={silence.created_at} />
                </p>
              </li>
            ))}
          </ul>
        </>
      )}
      {adding && (
        <SilenceDialog
          about={null}
          rules={data.rules}
          close={() => setAdding(false)}
          done={() => {
            setAdding(false);
            reload();
          }}
        />
      )}
    </>
  );
}
