// Keeps alerts quiet until a time.

import { useState } from "preact/hooks";
import { Dialog } from "../components/Dialog.js";
import { localInput } from "../format.js";
import { sensors } from "../store.js";
import type { SensorRef } from "../types.js";
import { alertsApi } from "./api.js";
import { useAttempt } from "./attempt.js";
import type { AlertRule } from "./types.js";

interface Props {
  /** What is to be quiet; null: it is chosen here. */
  about: { rule: number; name: string; sensor: SensorRef | null } | null;
  rules?: AlertRule[];
  close: () => void;
  done: () => void;
}

const SPANS = [
  { label: "1 hour", hours: 1 },
  { label: "4 hours", hours: 4 },
  { label: "1 day", hours: 24 },
  { label: "1 week", hours: 168 },
];

const after = (hours: number) => localInput(new Date(Date.now() + hours * 3_600_000));

export function SilenceDialog({ about, rules = [], close, done }: Props) {
  const [until, setUntil] = useState(after(4));
  const [reason, setReason] = useState("");
  const [rule, setRule] = useState<number | null>(about?.rule ?? null);
  const [sensor, setSensor] = useState<string | null>(about?.sensor?.id ?? null);
  const { busy, error, attempt } = useAttempt();
  const save = () =>
    attempt(async () => {
      const end = new Date(until);
      const at = Number.isNaN(end.getTime()) ? until : end.toISOString();
      await alertsApi.silence({ rule, sensor, until: at, reason });
      done();
    });
  return (
    <Dialog title="Silence" close={close} class="alert-editor">
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void save();
        }}
      >
        {about ? (
          <p>
            <span dir="auto">{about.name}</span>
            {about.sensor && (
              <>
                {" "}
                on <span dir="auto">{about.sensor.name ?? about.sensor.id}</span>
              </>
            )}
            . It still opens here; nobody is told until the silence ends. What is open then is told.
          </p>
        ) : (
          <div class="alert-pair">
            <label>
              <span>Rule</span>
              <select value={rule ?? ""} onChange={(e) => setRule(Number(e.currentTarget.value) || null)}>
                <option value="">all rules</option>
                {rules.map(({ id, name }) => (
                  <option key={id} value={id}>
                    {name}
                  </option>
                ))}
              </select>
            </label>
            <label>
              <span>Sensor</span>
              <select value={sensor ?? ""} onChange={(e) => setSensor(e.currentTarget.value || null)}>
                <option value="">all sensors</option>
                {sensors.value.map(({ id, name }) => (
                  <option key={id} value={id}>
                    {name}
                  </option>
                ))}
              </select>
            </label>
          </div>
        )}
        <div class="segments" role="group" aria-label="For how long">
          {SPANS.map(({ label, hours }) => (
            <button key={hours} type="button" aria-pressed={until === after(hours)} onClick={() => setUntil(after(hours))}>
              {label}
            </button>
          ))}
        </div>
        <label>
          <span>Until</span>
          <input type="datetime-local" required value={until} onInput={(e) => setUntil(e.currentTarget.value)} />
        </label>
        <label>
          <span>Why</span>
          <input
            maxLength={500}
            value={reason}
            placeholder="works on the line"
            onInput={(e) => setReason(e.currentTarget.value)}
          />
        </label>
        {error && (
          <p class="rule-error" role="alert">
            {error}
          </p>
        )}
        <div class="form-actions">
          <button type="submit" class="primary" disabled={busy}>
            Silence
          </button>
          <button type="button" onClick={close}>
            Cancel
          </button>
        </div>
      </form>
    </Dialog>
  );
}
