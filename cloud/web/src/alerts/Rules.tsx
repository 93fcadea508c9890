// What opens alerts: ready-made rules, and one's own.

import { useState } from "preact/hooks";
import { Icon } from "../components/Icon.js";
import { Failed, StaleMark, Waiting } from "../components/Notice.js";
import { Ago } from "../components/Time.js";
import { useLoad } from "../load.js";
import { isAdmin } from "../store.js";
import { alertsApi } from "./api.js";
import { measureInfo, sentence } from "./measures.js";
import { RuleEditor } from "./RuleEditor.js";
import { SeverityMark } from "./SeverityMark.js";
import type { AlertRule, Channel } from "./types.js";

const PARTS = [
  { about: "calls", title: "About calls" },
  { about: "sensor", title: "About sensors" },
  { about: "customer", title: "About all of it" },
] as const;

export function Rules() {
  const { data, error, reload } = useLoad("alert-rules", (signal) => alertsApi.rules(signal));
  const channels = useLoad(isAdmin() ? "alert-channels" : null, (signal) => alertsApi.channels(signal));
  const [edited, setEdited] = useState<AlertRule | "new" | null>(null);
  if (!data) return error ? <Failed error={error} retry={reload} /> : <Waiting rows={6} />;
  const known = channels.data?.channels ?? [];
  return (
    <>
      <StaleMark error={error} />
      {isAdmin() && (
        <p class="alerts-add">
          <button type="button" class="primary" onClick={() => setEdited("new")}>
            <Icon name="plus" /> New rule
          </button>
          {channels.data && known.length === 0 && (
            <span class="muted">
              Nobody hears of alerts yet: <a href="/alerts/channels">add a channel</a>.
            </span>
          )}
        </p>
      )}
      {PARTS.map(({ about, title }) => {
        const rules = data.filter((rule) => measureInfo(rule.measure).about === about);
        return (
          rules.length > 0 && (
            <section key={about} class="rule-part">
              <h2>{title}</h2>
              <ul class="rules">
                {rules.map((rule) => (
                  <Card key={rule.id} rule={rule} channels={known} edit={() => setEdited(rule)} />
                ))}
              </ul>
            </section>
          )
        );
      })}
      {edited && (
        <RuleEditor
          rule={edited === "new" ? null : edited}
          channels={known}
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

function Card({ rule, channels, edit }: { rule: AlertRule; channels: Channel[]; edit: () => void }) {
  const told = rule.channels?.map((id) => channels.find((channel) => channel.id === id)?.name ?? `channel ${id}`);
  return (
    <li class={`card rule alert-rule ${rule.is_enabled ? "" : "rule-off"}`}>
      <header>
        <SeverityMark severity={rule.severity} />
        <h3 dir="auto">{rule.name}</h3>
        {!rule.is_enabled && <span class="muted">switched off</span>}
        {isAdmin() && (
          <button type="button" class="rule-change" aria-label={`Change ${rule.name}`} onClick={edit}>
            Change
          </button>
        )}
      </header>
      <p class="alert-sentence" dir="auto">
        {sentence(rule)}
      </p>
      <p class="muted rule-meta">
        {told ? (told.length > 0 ? `Tells ${told.join(", ")}` : "Tells nobody") : "Tells all channels"}
        {rule.changed_by ? (
          <>
            {" · "}changed by <span dir="auto">{rule.changed_by}</span>, <Ago at={rule.changed_at} />
          </>
        ) : (
          " · ready-made"
        )}
      </p>
    </li>
  );
}
