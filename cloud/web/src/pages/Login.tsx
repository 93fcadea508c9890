// The way in. Says what is wrong and, after too many attempts, how long to wait.

import { useEffect, useRef, useState } from "preact/hooks";
import { ApiError, api } from "../api.js";
import { Wordmark } from "../components/Logo.js";
import { setSession } from "../store.js";
import { useTitle } from "../title.js";

export function Login() {
  useTitle("Log in");
  const [error, setError] = useState<string | null>(null);
  const [waitUntil, setWaitUntil] = useState(0);
  const [busy, setBusy] = useState(false);
  const login = useRef<HTMLInputElement>(null);
  const password = useRef<HTMLInputElement>(null);
  const left = useSecondsUntil(waitUntil);
  useEffect(() => login.current?.focus(), []);

  const submit = async (event: SubmitEvent) => {
    event.preventDefault();
    setBusy(true);
    setError(null);
    try {
      await api.login(login.current?.value ?? "", password.current?.value ?? "");
      // The whole answer, limits included, comes from where every later page asks for it.
      setSession(await api.me());
    } catch (failed) {
      if (!(failed instanceof ApiError)) throw failed;
      setError(failed.message);
      if (failed.status === 429) setWaitUntil(Date.now() + (failed.retryAfter ?? 30) * 1000);
      if (failed.status === 401) password.current?.select();
    } finally {
      setBusy(false);
    }
  };

  return (
    <main class="login" id="main">
      <form class="card" onSubmit={submit}>
        <h1>
          <Wordmark />
        </h1>
        <label>
          <span>Login</span>
          <input
            ref={login}
            name="login"
            autocomplete="username"
            autocapitalize="off"
            spellcheck={false}
            required
          />
        </label>
        <label>
          <span>Password</span>
          <input ref={password} name="password" type="password" autocomplete="current-password" required />
        </label>
        {error && (
          <p class="failure" role="alert">
            {error}
          </p>
        )}
        <button type="submit" class="primary" disabled={busy || left > 0}>
          {left > 0 ? `Wait ${left} s` : busy ? "Logging in…" : "Log in"}
        </button>
      </form>
    </main>
  );
}

function useSecondsUntil(moment: number): number {
  const [left, setLeft] = useState(0);
  useEffect(() => {
    const tick = () => setLeft(Math.max(0, Math.ceil((moment - Date.now()) / 1000)));
    tick();
    if (moment === 0) return;
    const timer = setInterval(tick, 500);
    return () => clearInterval(timer);
  }, [moment]);
  return left;
}
