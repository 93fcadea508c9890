// On what terms people may have calls' packets and sound, and what is held without a rule.

import { useState } from "preact/hooks";
import { api } from "../api.js";
import { useLoad } from "../load.js";
import { announce, isAdmin } from "../store.js";
import type { Terms as AllTerms } from "../types.js";

type Flag = "relay" | "direct" | "live" | "asks_reason";

const FLAGS: { name: Flag; says: string; note: string }[] = [
  { name: "relay", says: "Through the cloud", note: "Encrypted between sensor and browser; from anywhere." },
  { name: "direct", says: "Directly from the sensor", note: "On a page of its own, for people in its network." },
  { name: "live", says: "Calls in progress", note: "Listening to them needs a right of its own besides." },
  { name: "asks_reason", says: "Ask for a reason", note: "Each use stands in the audit log, with why." },
];

const MINUTES = [0, 2, 5, 10, 15, 30, 60];

export function Terms() {
  const { data, error, reload } = useLoad("retrieval", (signal) => api.terms(signal));
  const [failed, setFailed] = useState<string | null>(null);
  if (error || !data) return null;
  const change = async (what: Partial<AllTerms>) => {
    try {
      await api.setTerms(what);
      setFailed(null);
      announce("Saved");
    } catch (reason) {
      setFailed(reason instanceof Error ? reason.message : "It was not saved: try again.");
    }
    reload();
  };
  const isFixed = !isAdmin();
  const minutes = MINUTES.includes(data.recent_minutes) ? MINUTES : [...MINUTES, data.recent_minutes];
  return (
    <section class="card terms" aria-label="Packets and sound">
      <header class="card-head">
        <h2>Packets and sound</h2>
        {isFixed && <span class="muted">Administrators change this</span>}
      </header>
      <div class="terms-list">
        {FLAGS.map(({ name, says, note }) => (
          <label key={name}>
            <input
              type="checkbox"
              checked={data[name]}
              disabled={isFixed}
              onChange={(event) => void change({ [name]: event.currentTarget.checked })}
            />
            <span>
              {says}
              <small>{note}</small>
            </span>
          </label>
        ))}
        <label class="terms-recent">
          <span>
            Hold calls that no rule keeps
            <small>
              Sealed under keys in the sensor's memory; a call can be kept from its page in that time, the others can never
              be read. All calls are written to the sensor's disk: 2.3 MB a second for 100 at once.
            </small>
          </span>
          <select
            value={data.recent_minutes}
            disabled={isFixed}
            onChange={(event) => void change({ recent_minutes: Number(event.currentTarget.value) })}
          >
            {minutes.map((minute) => (
              <option key={minute} value={minute}>
                {minute === 0 ? "No" : minute === 1 ? "1 minute" : `${minute} minutes`}
              </option>
            ))}
          </select>
        </label>
        {failed && (
          <p role="alert" class="packets-failed">
            {failed}
          </p>
        )}
      </div>
    </section>
  );
}
