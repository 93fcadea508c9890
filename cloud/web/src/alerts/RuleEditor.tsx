// Makes or changes an alert rule as a sentence, and says what it would have done.

import { useEffect, useRef, useState } from "preact/hooks";
import { Dialog } from "../components/Dialog.js";
import { localTimes, plural } from "../format.js";
import { announce, now } from "../store.js";
import { alertsApi } from "./api.js";
import { useAttempt } from "./attempt.js";
import { Conditions } from "./Conditions.js";
import {
  MEASURES,
  SEVERITIES,
  filterOfTokens,
  measureInfo,
  newRule,
  sentence,
  tokensOfFilter,
  windowText,
  withMeasure,
} from "./measures.js";
import type { AlertRule, Channel, Measure, RuleContent, Severity, Trial } from "./types.js";

interface Props {
  /** The one to change; null makes a new one. */
  rule: AlertRule | null;
  channels: Channel[];
  close: () => void;
  done: () => void;
}

const WINDOWS = [5, 10, 15, 30, 60, 120, 360, 720, 1440];

/** What the server takes: a stored rule has more fields. */
function contentOf(rule: AlertRule): RuleContent {
  const { id, ready, changed_by, changed_at, ...content } = rule;
  return content;
}

export function RuleEditor({ rule, channels, close, done }: Props) {
  const [content, setContent] = useState<RuleContent>(rule ? contentOf(rule) : newRule());
  const [threshold, setThreshold] = useState(String(content.threshold));
  const [tried, setTried] = useState<Trial | null>(null);
  const { busy, error, setError, attempt } = useAttempt();
  const info = measureInfo(content.measure);
  const change = (part: Partial<RuleContent>) => setContent({ ...content, ...part });

  /** With the threshold as a number; null where it is none. */
  const written = (): RuleContent | null => {
    const value = Number(threshold.trim().replace(",", "."));
    if (threshold.trim() !== "" && Number.isFinite(value)) return { ...content, threshold: value };
    setError("The threshold must be a number, as in 5 or 0.5.");
    return null;
  };
  const save = () =>
    attempt(async () => {
      const full = written();
      if (!full) return;
      await alertsApi.saveRule(rule?.id ?? null, full);
      announce("The rule is saved.");
      done();
    });
  const tryIt = () =>
    attempt(async () => {
      const full = written();
      if (full) setTried(await alertsApi.tryRule({ ...full, name: full.name || "Trial" }));
    });
  const setMeasure = (measure: Measure) => {
    const next = withMeasure(content, measure);
    setContent(next);
    setThreshold(String(next.threshold));
    setTried(null);
  };

  return (
    <Dialog title={rule ? "Change the alert rule" : "New alert rule"} close={close} class="rule-editor alert-editor">
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void save();
        }}
      >
        <label>
          <span>Name</span>
          <input
            required
            maxLength={100}
            value={content.name}
            placeholder="Bad quality in Berlin"
            onInput={(e) => change({ name: e.currentTarget.value })}
          />
        </label>
        <fieldset>
          <legend>What is measured</legend>
          <select
            aria-label="What is measured"
            value={content.measure}
            onChange={(e) => setMeasure(e.currentTarget.value as Measure)}
          >
            <optgroup label="Of calls">
              {MEASURES.filter(({ about }) => about === "calls").map(({ measure, label }) => (
                <option key={measure} value={measure}>
                  {label}
                </option>
              ))}
            </optgroup>
            <optgroup label="Of sensors">
              {MEASURES.filter(({ about }) => about !== "calls").map(({ measure, label }) => (
                <option key={measure} value={measure}>
                  {label}
                </option>
              ))}
            </optgroup>
          </select>
          {info.about === "calls" && (
            <div class="alert-filters">
              <div>
                <p class="alert-part">{content.measure === "share" ? "Calls that are" : "Of which calls"}</p>
                <Conditions
                  name={content.measure === "share" ? "Calls that are" : "Of which calls"}
                  none="Every call."
                  tokens={tokensOfFilter(content.filter)}
                  change={(tokens) => change({ filter: filterOfTokens(tokens) })}
                />
              </div>
              {content.measure === "share" && (
                <div>
                  <p class="alert-part">Among the calls that are</p>
                  <Conditions
                    name="Among the calls that are"
                    none="Every call."
                    tokens={tokensOfFilter(content.among)}
                    change={(tokens) => change({ among: filterOfTokens(tokens) })}
                  />
                </div>
              )}
            </div>
          )}
          {info.about === "sensor" && (
            <Conditions
              name="Of which sensors"
              none="Every sensor."
              only={["sensor"]}
              tokens={tokensOfFilter(content.filter)}
              change={(tokens) => change({ filter: filterOfTokens(tokens) })}
            />
          )}
        </fieldset>
        {!info.plain && (
          <fieldset>
            <legend>When it fires</legend>
            <div class="alert-when">
              <select
                aria-label="Which side is bad"
                value={content.side}
                onChange={(e) => change({ side: e.currentTarget.value as RuleContent["side"] })}
              >
                <option value="above">more than</option>
                <option value="below">less than</option>
              </select>
              <input
                aria-label="Threshold"
                inputMode="decimal"
                class="alert-number"
                value={threshold}
                onInput={(e) => setThreshold(e.currentTarget.value)}
              />
              {info.unit && <span>{info.unit}</span>}
              {info.windowed && (
                <>
                  <span>in</span>
                  <select
                    aria-label="Window"
                    value={content.window_minutes}
                    onChange={(e) => change({ window_minutes: Number(e.currentTarget.value) })}
                  >
                    {[...new Set([...WINDOWS, content.window_minutes])]
                      .sort((a, b) => a - b)
                      .map((minutes) => (
                        <option key={minutes} value={minutes}>
                          {windowText(minutes)}
                        </option>
                      ))}
                  </select>
                </>
              )}
            </div>
            {info.about === "calls" && <Patience content={content} change={change} />}
          </fieldset>
        )}
        <div class="alert-pair">
          <label>
            <span>Severity</span>
            <select value={content.severity} onChange={(e) => change({ severity: e.currentTarget.value as Severity })}>
              {SEVERITIES.map(({ severity, word, means }) => (
                <option key={severity} value={severity}>
                  {word}: {means}
                </option>
              ))}
            </select>
          </label>
          {info.about === "calls" && (
            <label>
              <span>One alert for</span>
              <select
                value={content.by_sensor ? "sensor" : "all"}
                onChange={(e) => change({ by_sensor: e.currentTarget.value === "sensor" })}
              >
                <option value="sensor">each sensor (site)</option>
                <option value="all">all sensors together</option>
              </select>
            </label>
          )}
        </div>
        <Whom chosen={content.channels} channels={channels} change={(chosen) => change({ channels: chosen })} />
        <label class="check">
          <input
            type="checkbox"
            checked={content.is_enabled}
            onChange={(e) => change({ is_enabled: e.currentTarget.checked })}
          />
          In force
        </label>
        <p class="alert-preview" dir="auto">
          {sentence({ ...content, threshold: Number(threshold.replace(",", ".")) || 0 })}
        </p>
        {error && (
          <p class="rule-error" role="alert">
            {error}
          </p>
        )}
        {tried && <Outcome trial={tried} />}
        <div class="form-actions">
          <button type="submit" class="primary" disabled={busy}>
            Save
          </button>
          {info.about === "calls" && (
            <button type="button" disabled={busy} onClick={() => void tryIt()}>
              Try on the last 24 hours
            </button>
          )}
          {rule && (
            <button
              type="button"
              class="danger rule-delete"
              disabled={busy}
              onClick={() =>
                void attempt(async () => {
                  await alertsApi.deleteRule(rule.id);
                  done();
                })
              }
            >
              Delete
            </button>
          )}
        </div>
      </form>
    </Dialog>
  );
}

/** No alarm on three calls, nor on one spike. */
function Patience({ content, change }: { content: RuleContent; change: (part: Partial<RuleContent>) => void }) {
  return (
    <div class="alert-when">
      <span>of at least</span>
      <input
        aria-label="Least number of calls"
        type="number"
        min={0}
        class="alert-number"
        value={content.least}
        onInput={(e) => change({ least: Math.max(0, Math.trunc(Number(e.currentTarget.value) || 0)) })}
      />
      <span>calls,</span>
      <select
        aria-label="How many windows"
        value={`${content.bad_windows}/${content.of_windows}`}
        onChange={(e) => {
          const [bad = 1, of = 1] = e.currentTarget.value.split("/").map(Number);
          change({ bad_windows: bad, of_windows: of });
        }}
      >
        {[...new Set(["1/1", "2/3", "3/5", `${content.bad_windows}/${content.of_windows}`])].map((choice) => (
          <option key={choice} value={choice}>
            {choice === "1/1" ? "in one window" : `in ${choice.replace("/", " of ")} windows`}
          </option>
        ))}
      </select>
    </div>
  );
}

interface WhomProps {
  chosen: number[] | null;
  channels: Channel[];
  change: (chosen: number[] | null) => void;
}

function Whom({ chosen, channels, change }: WhomProps) {
  const flip = (id: number, is: boolean) =>
    change(is ? [...(chosen ?? []), id] : (chosen ?? []).filter((one) => one !== id));
  return (
    <fieldset>
      <legend>Who hears of it</legend>
      <select
        aria-label="Who hears of it"
        value={chosen ? "some" : "all"}
        onChange={(e) => change(e.currentTarget.value === "all" ? null : [])}
      >
        <option value="all">All channels</option>
        <option value="some">Some channels, or none</option>
      </select>
      {chosen && (
        <div class="rule-parts">
          {channels.length === 0 && <span class="muted">There is no channel yet.</span>}
          {channels.map(({ id, name }) => (
            <label key={id} class="check">
              <input
                type="checkbox"
                checked={chosen.includes(id)}
                onChange={(e) => flip(id, e.currentTarget.checked)}
              />
              {name}
            </label>
          ))}
        </div>
      )}
    </fieldset>
  );
}

function Outcome({ trial }: { trial: Trial }) {
  const shown = useRef<HTMLDivElement>(null);
  // On a small screen it would stand below what is seen.
  useEffect(() => shown.current?.scrollIntoView({ block: "nearest" }), [trial]);
  const fired = trial.fired === 0 ? "It would not have fired" : `It would have fired ${times(trial.fired)}`;
  return (
    <div class="rule-outcome" role="status" ref={shown}>
      <p>
        <strong>{fired}</strong> in the last 24 hours.
        {trial.partial && " Only the newest calls were looked at."}
      </p>
      {trial.present && <p class="muted">Now: {localTimes(trial.present, now.value)}</p>}
      {trial.alerts.length > 0 && (
        <ul class="trial-list">
          {trial.alerts.map((alert, at) => (
            <li key={at}>
              <a href={alert.link} target="_blank" rel="noreferrer">
                {localTimes(`${alert.opened_at.slice(0, 19)}Z`, now.value)}
                {alert.sensor ? `, ${alert.sensor.name ?? alert.sensor.id}` : ""}
              </a>
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}

const times = (n: number): string => (n === 1 ? "once" : n === 2 ? "twice" : plural(n, "time"));
