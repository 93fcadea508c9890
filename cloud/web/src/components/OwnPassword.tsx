// One's own password.

import { useState } from "preact/hooks";
import { ApiError, api } from "../api.js";
import { session, setSession } from "../store.js";
import { Dialog } from "./Dialog.js";

export function OwnPassword({ close }: { close: () => void }) {
  const [old, setOld] = useState("");
  const [fresh, setFresh] = useState("");
  const [error, setError] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const change = async (event: Event) => {
    event.preventDefault();
    setBusy(true);
    setError(null);
    try {
      await api.changePassword(old, fresh);
      // Every session is over, this one too.
      setSession(null);
    } catch (failed) {
      if (!(failed instanceof ApiError)) throw failed;
      setError(failed.message);
    } finally {
      setBusy(false);
    }
  };
  return (
    <Dialog title="Change your password" close={close} class="person-editor">
      <form onSubmit={change}>
        <input class="hidden" autocomplete="username" value={session.value?.user.login ?? ""} readOnly tabIndex={-1} />
        <label>
          <span>Old password</span>
          <input
            type="password"
            required
            autocomplete="current-password"
            value={old}
            onInput={(event) => setOld(event.currentTarget.value)}
          />
        </label>
        <label>
          <span>New password, at least 10 characters</span>
          <input
            type="password"
            required
            minLength={10}
            autocomplete="new-password"
            value={fresh}
            onInput={(event) => setFresh(event.currentTarget.value)}
          />
        </label>
        <p class="muted">You log in again afterwards, here and everywhere else.</p>
        {error && (
          <p class="failure" role="alert">
            {error}
          </p>
        )}
        <div class="form-actions">
          <button type="submit" class="primary" disabled={busy}>
            Change it
          </button>
          <button type="button" onClick={close}>
            Cancel
          </button>
        </div>
      </form>
    </Dialog>
  );
}
