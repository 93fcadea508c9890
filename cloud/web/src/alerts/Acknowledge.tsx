// Says that somebody has seen an alert, with a word for the others.

import { useState } from "preact/hooks";
import { Dialog } from "../components/Dialog.js";
import { plural } from "../format.js";
import { announce } from "../store.js";
import { alertsApi } from "./api.js";
import { useAttempt } from "./attempt.js";
import type { Alert } from "./types.js";

export function Acknowledge({ alerts, close, done }: { alerts: Alert[]; close: () => void; done: () => void }) {
  const [note, setNote] = useState("");
  const { busy, error, attempt } = useAttempt();
  const save = () =>
    attempt(async () => {
      for (const { id } of alerts) await alertsApi.acknowledge(id, note.trim());
      announce("Acknowledged.");
      done();
    });
  return (
    <Dialog title="Acknowledge" close={close} class="alert-editor">
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void save();
        }}
      >
        <p>
          <span dir="auto">{alerts[0]?.name}</span>
          {alerts.length > 1 && `, ${plural(alerts.length, "sensor")}`}. The others see that you look after it; it
          closes by itself when it is well again.
        </p>
        <label>
          <span>A word for the others (may stay empty)</span>
          <input maxLength={500} value={note} onInput={(event) => setNote(event.currentTarget.value)} />
        </label>
        {error && (
          <p class="rule-error" role="alert">
            {error}
          </p>
        )}
        <div class="form-actions">
          <button type="submit" class="primary" disabled={busy}>
            Acknowledge
          </button>
          <button type="button" onClick={close}>
            Cancel
          </button>
        </div>
      </form>
    </Dialog>
  );
}
