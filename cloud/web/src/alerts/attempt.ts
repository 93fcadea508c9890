// Something that is asked of the server from a form: its error is a sentence beside the buttons.

import { useState } from "preact/hooks";
import { ApiError } from "../api.js";

export function useAttempt() {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<string | null>(null);
  const attempt = async (work: () => Promise<void>) => {
    setBusy(true);
    setError(null);
    try {
      await work();
    } catch (failed) {
      if (!(failed instanceof ApiError)) throw failed;
      setError(failed.message);
    } finally {
      setBusy(false);
    }
  };
  return { busy, error, setError, attempt };
}
