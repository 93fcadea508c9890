// Alerts that are open, grouped by rule so that fifty sensors are one card, and those that were.

import { useState } from "preact/hooks";
import { StepIcon } from "../components/Icon.js";
import { Failed, StaleMark, Waiting } from "../components/Notice.js";
import { Ago, Time } from "../components/Time.js";
import { longDuration, localTimes, plural } from "../format.js";
import { useLoad } from "../load.js";
import { announce, isAdmin, now } from "../store.js";
import { Acknowledge } from "./Acknowledge.js";
import { alertsApi } from "./api.js";
import { countAlerts } from "./count.js";
import { SilenceDialog } from "./SilenceDialog.js";
import { SeverityMark } from "./SeverityMark.js";
import type { Alert, Severity } from "./types.js";

const RANK: Record<Severity, number> = { critical: 0, warning: 1, info: 2 };

/** Alerts of one rule together, the worst rules first; within one, the newest first. */
export function grouped(alerts: Alert[]): Alert[][] {
  const byRule = new Map<number, Alert[]>();
  for (const alert of alerts) byRule.set(alert.rule, [...(byRule.get(alert.rule) ?? []), alert]);
  const rank = ([first]: Alert[]) => (first ? RANK[first.severity] : 3);
  return [...byRule.values()].sort((a, b) => rank(a) - rank(b));
}

export function OpenAlerts() {
  const { data, error, reload } = useLoad("alerts", (signal) => alertsApi.alerts(signal));
  const [seen, setSeen] = useState<Alert[] | null>(null);
  const [quiet, setQuiet] = useState<Alert | null>(null);
  const done = () => {
    setSeen(null);
    setQuiet(null);
    reload();
    void countAlerts();
  };
  if (!data) return error ? <Failed error={error} retry={reload} /> : <Waiting rows={4} />;
  return (
    <>
      <StaleMark error={error} />
      {data.open.length === 0 ? (
        <p class="card pad alerts-well">
          <StepIcon state="ok" /> Nothing is wrong: no alert is open.
        </p>
      ) : (
        <ul class="alert-groups">
          {grouped(data.open).map((alerts) => (
            <Group key={alerts[0]?.rule} alerts={alerts} see={setSeen} silence={setQuiet} />
          ))}
        </ul>
      )}
      <Past alerts={data.past} />
      {seen && <Acknowledge alerts={seen} close={() => setSeen(null)} done={done} />}
      {quiet && (
        <SilenceDialog
          about={{ rule: quiet.rule, name: quiet.name, sensor: quiet.sensor }}
          close={() => setQuiet(null)}
          done={() => {
            announce("Silenced.");
            done();
          }}
        />
      )}
    </>
  );
}

interface GroupProps {
  alerts: Alert[];
  see: (alerts: Alert[]) => void;
  silence: (alert: Alert) => void;
}

function Group({ alerts, see, silence }: GroupProps) {
  const [all, setAll] = useState(false);
  const first = alerts[0];
  if (!first) return null;
  const unseen = alerts.filter(({ state }) => state === "open");
  const shown = all ? alerts : alerts.slice(0, 5);
  return (
    <li class={`card alert-group alert-${first.severity}`}>
      <header>
        <SeverityMark severity={first.severity} />
        <h2 dir="auto">{first.name}</h2>
        {alerts.length > 1 && <span class="muted">{plural(alerts.length, "sensor")}</span>}
        {unseen.length > 0 && (
          <button
            type="button"
            class="alert-act"
            aria-label={`Acknowledge ${first.name}`}
            onClick={() => see(unseen)}
          >
            Acknowledge
          </button>
        )}
      </header>
      <ul>
        {shown.map((alert) => (
          <Line key={alert.id} alert={alert} silence={silence} />
        ))}
      </ul>
      {alerts.length > shown.length && (
        <button type="button" class="quiet" onClick={() => setAll(true)}>
          Show all {alerts.length}
        </button>
      )}
    </li>
  );
}

function Line({ alert, silence }: { alert: Alert; silence: (alert: Alert) => void }) {
  return (
    <li class="alert-line">
      <p class="alert-says">
        {alert.sensor && (
          <strong dir="auto" class="alert-sensor">
            {alert.sensor.name ?? alert.sensor.id}
          </strong>
        )}{" "}
        <span dir="auto">{localTimes(alert.sentence, now.value)}</span>
      </p>
      <p class="muted alert-meta">
        Since <Ago at={alert.opened_at} />
        {alert.state === "acknowledged" && (
          <>
            {" · "}seen by <span dir="auto">{alert.acknowledged_by}</span>
            {alert.note && (
              <>
                : <span dir="auto">{alert.note}</span>
              </>
            )}
          </>
        )}
        {alert.is_silenced && " · silenced"}
      </p>
      <p class="alert-links">
        <a href={alert.link}>{alert.link.startsWith("/calls") ? "These calls" : "The sensor"}</a>
        {isAdmin() && !alert.is_silenced && (
          <button
            type="button"
            class="quiet"
            aria-label={`Silence ${alert.name}${alert.sensor ? ` on ${alert.sensor.name ?? ""}` : ""}`}
            onClick={() => silence(alert)}
          >
            Silence…
          </button>
        )}
      </p>
    </li>
  );
}

function Past({ alerts }: { alerts: Alert[] }) {
  return (
    <section class="card alerts-past" aria-labelledby="past">
      <header class="card-head">
        <h2 id="past">Closed</h2>
        <span class="muted">of the last 25 days</span>
      </header>
      {alerts.length === 0 ? (
        <p class="pad muted">No alert has closed yet.</p>
      ) : (
        <ul class="past-list">
          {alerts.map((alert) => (
            <li key={alert.id}>
              <span class="past-what">
                <SeverityMark severity={alert.severity} />
                <a href={alert.link} dir="auto">
                  {alert.name}
                  {alert.sensor ? `: ${alert.sensor.name ?? alert.sensor.id}` : ""}
                </a>
              </span>
              <span class="past-says muted" dir="auto">
                {localTimes(alert.sentence, now.value)}
              </span>
              <span class="past-when muted">
                <Time at={alert.closed_at} />, after {lasted(alert)}
              </span>
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}

const lasted = ({ opened_at, closed_at }: Alert): string =>
  closed_at ? longDuration((Date.parse(closed_at) - Date.parse(opened_at)) / 1000) : "";
