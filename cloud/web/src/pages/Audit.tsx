// Who did what, the newest first: by person, by kind, by time.

import { useEffect, useState } from "preact/hooks";
import { ApiError, api } from "../api.js";
import { Clip } from "../components/Clip.js";
import { Failed, Notice, Waiting } from "../components/Notice.js";
import { Time } from "../components/Time.js";
import { address, navigate, query } from "../router.js";
import { isAdmin } from "../store.js";
import { useTitle } from "../title.js";
import type { AuditEntry } from "../types.js";

/** Kinds of what is done, by the word before the dot of an action. */
const KINDS: Record<string, string> = {
  login: "Logins",
  login_failed: "Failed logins",
  logout: "Logouts",
  capture: "Packets and sound",
  sensor: "Sensors",
  upgrade: "Upgrades",
  package: "Releases",
  rule: "Capture rules",
  user: "People",
  customer: "Terms and customer",
  token: "Enrolment tokens",
  api_token: "API tokens",
};

/** What an action means, as a person would say it. */
const ACTIONS: Record<string, string> = {
  login: "logged in",
  login_failed: "gave a wrong password",
  logout: "logged out",
  "capture.packets": "took packets",
  "capture.audio": "listened",
  "capture.live": "listened live",
  "sensor.claim": "accepted a claim code",
  "sensor.enrol": "joined",
  "sensor.revoke": "revoked a sensor",
  "sensor.remove": "removed a sensor",
  "upgrade.begin": "began an upgrade",
  "upgrade.resume": "let an upgrade go on",
  "upgrade.cancel": "cancelled an upgrade",
  "package.add": "added a release",
  "package.remove": "deleted a release",
  "rule.add": "made a rule",
  "rule.change": "changed a rule",
  "rule.delete": "deleted a rule",
  "user.add": "added somebody",
  "user.rights": "changed rights",
  "user.passwd": "set a password",
  "user.disable": "switched a login off",
  "user.enable": "switched a login on",
  "customer.add": "added the customer",
  "customer.retrieval": "changed the terms",
  "token.new": "made an enrolment token",
  "token.revoke": "took an enrolment token back",
  "api_token.new": "made an API token",
  "api_token.revoke": "revoked an API token",
};

export function Audit() {
  useTitle("Audit");
  const [entries, setEntries] = useState<AuditEntry[] | null>(null);
  const [next, setNext] = useState<string | null>(null);
  const [error, setError] = useState<ApiError | null>(null);
  const [busy, setBusy] = useState(false);
  const [turn, setTurn] = useState(0);
  const asked = new URLSearchParams();
  for (const name of ["who", "action", "from", "to"]) {
    const value = query.value.get(name);
    if (value) asked.set(name, name === "from" || name === "to" ? new Date(value).toISOString() : value);
  }
  const key = asked.toString();

  useEffect(() => {
    const abort = new AbortController();
    setError(null);
    api.audit(asked, abort.signal).then(
      (page) => {
        setEntries(page.entries);
        setNext(page.next);
      },
      (failed: unknown) => {
        if (abort.signal.aborted) return;
        if (!(failed instanceof ApiError)) throw failed;
        setError(failed);
      },
    );
    return () => abort.abort();
  }, [key, turn]);

  const more = async () => {
    if (!next) return;
    setBusy(true);
    try {
      const page = await api.audit(new URLSearchParams([...asked, ["cursor", next]]));
      setEntries([...(entries ?? []), ...page.entries]);
      setNext(page.next);
    } catch (failed) {
      if (!(failed instanceof ApiError)) throw failed;
      setError(failed);
    } finally {
      setBusy(false);
    }
  };
  if (!isAdmin())
    return (
      <Notice title="This page is for administrators" whole>
        <p>Ask one of your organisation.</p>
      </Notice>
    );
  return (
    <>
      <header class="page-head">
        <h1>Audit</h1>
        <span class="muted">who did what; nobody can change it here</span>
      </header>
      <Filter />
      {error ? (
        <Failed error={error} retry={() => setTurn(turn + 1)} />
      ) : entries === null ? (
        <Waiting rows={8} />
      ) : entries.length === 0 ? (
        <Notice title="Nothing that fits">
          <p>Nobody did such a thing in this time.</p>
          {key && (
            <p>
              <a class="button" href="/audit">
                Show everything
              </a>
            </p>
          )}
        </Notice>
      ) : (
        <>
          <section class="card" aria-label="Entries">
            <ol class="audit">
              {entries.map((entry, index) => (
                <li key={`${entry.at} ${index}`}>
                  <span class="audit-at">
                    <Time at={entry.at} withDay />
                  </span>
                  <span class="audit-who">
                    <a href={address("/audit", new URLSearchParams({ who: entry.who }))} title="Only theirs">
                      <Clip text={entry.who} />
                    </a>{" "}
                    <span class={entry.action === "login_failed" ? "audit-bad" : ""}>
                      {ACTIONS[entry.action] ?? entry.action}
                    </span>
                  </span>
                  <span class="audit-detail muted" dir="auto">
                    {entry.detail}
                  </span>
                </li>
              ))}
            </ol>
          </section>
          {next && (
            <p class="audit-more">
              <button type="button" disabled={busy} onClick={() => void more()}>
                Older ones
              </button>
            </p>
          )}
        </>
      )}
    </>
  );
}

function Filter() {
  const set = (name: string, value: string) => {
    const wanted = new URLSearchParams(query.value);
    if (value) wanted.set(name, value);
    else wanted.delete(name);
    navigate(address("/audit", wanted), { replace: true });
  };
  const who = query.value.get("who") ?? "";
  return (
    <div class="audit-filter">
      <label>
        <span>Who</span>
        <input
          type="search"
          value={who}
          placeholder="anybody"
          onChange={(event) => set("who", event.currentTarget.value.trim())}
        />
      </label>
      <label>
        <span>What</span>
        <select
          value={query.value.get("action") ?? ""}
          onChange={(event) => set("action", event.currentTarget.value)}
        >
          <option value="">Everything</option>
          {Object.entries(KINDS).map(([kind, text]) => (
            <option key={kind} value={kind}>
              {text}
            </option>
          ))}
        </select>
      </label>
      <label>
        <span>From</span>
        <input
          type="datetime-local"
          value={query.value.get("from") ?? ""}
          onChange={(event) => set("from", event.currentTarget.value)}
        />
      </label>
      <label>
        <span>To</span>
        <input
          type="datetime-local"
          value={query.value.get("to") ?? ""}
          onChange={(event) => set("to", event.currentTarget.value)}
        />
      </label>
    </div>
  );
}
