// Which calls' packets sensors keep, and which sensors know.

import { useState } from "preact/hooks";
import { api } from "../api.js";
import { Icon, StepIcon } from "../components/Icon.js";
import { Failed, StaleMark, Waiting } from "../components/Notice.js";
import { RuleEditor } from "../components/RuleEditor.js";
import { Terms } from "../components/Terms.js";
import { Ago } from "../components/Time.js";
import { plural } from "../format.js";
import { useLoad } from "../load.js";
import { isAdmin, sensorName } from "../store.js";
import { useTitle } from "../title.js";
import type { Rule, RuleList } from "../types.js";

export function Rules() {
  useTitle("Rules");
  const { data, error, reload } = useLoad("rules", (signal) => api.rules(signal));
  const [edited, setEdited] = useState<Rule | "new" | null>(null);
  const add = () => setEdited("new");
  return (
    <>
      <header class="page-head">
        <h1>Rules</h1>
        {isAdmin() && data && data.rules.length > 0 && (
          <button type="button" class="primary page-action" onClick={add}>
            <Icon name="plus" /> New rule
          </button>
        )}
      </header>
      <StaleMark error={data ? error : null} />
      {data ? (
        data.rules.length > 0 ? (
          <>
            <Applied list={data} />
            <ul class="rules">
              {data.rules.map((rule) => (
                <RuleCard key={rule.id} rule={rule} list={data} edit={() => setEdited(rule)} />
              ))}
            </ul>
          </>
        ) : (
          <Empty add={add} />
        )
      ) : error ? (
        <Failed error={error} retry={reload} />
      ) : (
        <Waiting rows={4} />
      )}
      {data && <Terms />}
      {edited && (
        <RuleEditor
          rule={edited === "new" ? null : edited}
          close={() => setEdited(null)}
          done={() => {
            setEdited(null);
            reload();
          }}
        />
      )}
    </>
  );
}

/** "Applied on 12 of 13 sensors", and which one lags. */
function Applied({ list: { sensors } }: { list: RuleList }) {
  const lagging = sensors.filter(({ is_applied }) => !is_applied);
  if (sensors.length === 0) return <p class="rules-applied muted">There is no sensor to apply them yet.</p>;
  return (
    <div class="rules-applied">
      <p>
        <StepIcon state={lagging.length === 0 ? "ok" : "waiting"} /> Applied on {sensors.length - lagging.length} of{" "}
        {plural(sensors.length, "sensor")}.
      </p>
      {lagging.length > 0 && (
        <p class="muted">
          Not yet: {lagging.map(({ name }) => name).join(", ")}. A sensor that is offline applies them when it is back.
        </p>
      )}
    </div>
  );
}

function RuleCard({ rule, list, edit }: { rule: Rule; list: RuleList; edit: () => void }) {
  const refused = list.sensors.flatMap(({ name, refused }) =>
    refused.filter((one) => one.rule === rule.id || one.rule === 0).map(({ why }) => ({ name, why })),
  );
  const sentence = rule.name ? rule.text.slice(rule.text.indexOf(": ") + 2) : rule.text;
  return (
    <li class={`card rule ${rule.is_enabled ? "" : "rule-off"}`}>
      <header>
        <h2 dir="auto">{rule.name || `Rule ${rule.id}`}</h2>
        {!rule.is_enabled && <span class="muted">switched off</span>}
        {isAdmin() && (
          <button type="button" class="rule-change" aria-label={`Change ${rule.name || `rule ${rule.id}`}`} onClick={edit}>
            Change
          </button>
        )}
      </header>
      <p class="mono rule-sentence" dir="auto">
        {sentence}
      </p>
      {refused.map(({ name, why }) => (
        <p key={name} class="failure">
          <strong dir="auto">{name}</strong> does not apply it: <span dir="auto">{why}</span>
        </p>
      ))}
      <p class="muted rule-meta">
        {rule.sensors ? `On ${rule.sensors.map(sensorName).join(", ") || "no sensor"}` : "On all sensors"} · changed by{" "}
        {rule.changed_by}, <Ago at={rule.changed_at} />
      </p>
    </li>
  );
}

function Empty({ add }: { add: () => void }) {
  return (
    <section class="notice">
      <h2>No packets are kept</h2>
      <p>
        A capture rule says which calls’ packets a sensor keeps: those of a number, of an address, with a header, or of
        bad quality. They stay on the sensor, and the oldest leave when its room is used up.
      </p>
      {isAdmin() ? (
        <p>
          <button type="button" class="primary" onClick={add}>
            New rule
          </button>
        </p>
      ) : (
        <p>Ask an administrator to make one.</p>
      )}
    </section>
  );
}
