// What administrators look after: people and their rights, the terms of retrieval, tokens.

import { useState } from "preact/hooks";
import { ApiError, api } from "../api.js";
import { Copy } from "../components/Copy.js";
import { Dialog } from "../components/Dialog.js";
import { Icon } from "../components/Icon.js";
import { Clip } from "../components/Clip.js";
import { Failed, Notice, StaleMark, Waiting } from "../components/Notice.js";
import { Terms } from "../components/Terms.js";
import { Ago, Time } from "../components/Time.js";
import { useLoad } from "../load.js";
import { type AdminPart, navigate } from "../router.js";
import { isAdmin } from "../store.js";
import { useTitle } from "../title.js";
import type { ApiToken, EnrolmentToken, Person, Right } from "../types.js";

const PARTS: { part: AdminPart; text: string }[] = [
  { part: "people", text: "People" },
  { part: "retrieval", text: "Packets and sound" },
  { part: "tokens", text: "Tokens" },
];

const RIGHTS: { right: Right; text: string; means: string }[] = [
  { right: "packets", text: "Packets", means: "Download a call's packets from its sensor" },
  { right: "audio", text: "Sound", means: "Listen to a call" },
  { right: "live", text: "Live", means: "Listen while the call lasts" },
  { right: "upgrades", text: "Upgrades", means: "Have sensors install a release (administrators only)" },
  { right: "share", text: "Share", means: "Make links that show one call without a login" },
  { right: "masked", text: "Masked numbers", means: "See numbers without their last three digits, and no packets" },
];

export function Admin({ part }: { part: AdminPart }) {
  useTitle("Admin");
  if (!isAdmin())
    return (
      <Notice title="This page is for administrators" whole>
        <p>Ask one of your organisation.</p>
      </Notice>
    );
  return (
    <>
      <header class="page-head">
        <h1>Admin</h1>
        <div class="segments" role="group" aria-label="Part">
          {PARTS.map((one) => (
            <button
              key={one.part}
              type="button"
              aria-pressed={part === one.part}
              onClick={() => navigate(one.part === "people" ? "/admin" : `/admin/${one.part}`)}
            >
              {one.text}
            </button>
          ))}
        </div>
      </header>
      {part === "people" ? <People /> : part === "retrieval" ? <Terms /> : <Tokens />}
    </>
  );
}

/** Runs something and keeps what the server says against it. */
function useAct(): [string | null, boolean, (work: () => Promise<void>) => Promise<void>] {
  const [error, setError] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const act = async (work: () => Promise<void>) => {
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
  return [error, busy, act];
}

const Refusal = ({ error }: { error: string | null }) =>
  error ? (
    <p class="failure" role="alert">
      {error}
    </p>
  ) : null;

function People() {
  const { data, error, reload } = useLoad("users", (signal) => api.users(signal), { live: false });
  const [edited, setEdited] = useState<Person | "new" | null>(null);
  return (
    <section class="card admin-card" aria-label="People">
      <header class="card-head">
        <h2>People</h2>
        <button type="button" class="primary" onClick={() => setEdited("new")}>
          <Icon name="plus" /> Add somebody
        </button>
      </header>
      <StaleMark error={data ? error : null} />
      {data ? (
        <div class="scroll-x">
          <table class="plain people">
            <thead>
              <tr>
                <th scope="col">Login</th>
                <th scope="col">Role</th>
                <th scope="col">Rights</th>
                <th scope="col">Last login</th>
                <th scope="col">
                  <span class="hidden">Change</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {data.map((person) => (
                <tr key={person.login} class={person.is_disabled ? "switched-off" : ""}>
                  <th scope="row">
                    <Clip text={person.login} />
                    {person.is_you && <span class="muted"> you</span>}
                    {person.is_disabled && <span class="off-mark">switched off</span>}
                  </th>
                  <td>{person.role === "admin" ? "Administrator" : "Viewer"}</td>
                  <td>{rightsText(person)}</td>
                  <td>
                    <Ago at={person.logged_in_at} never="never" />
                  </td>
                  <td class="n">
                    <button type="button" aria-label={`Change ${person.login}`} onClick={() => setEdited(person)}>
                      Change…
                    </button>
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      ) : error ? (
        <Failed error={error} retry={reload} />
      ) : (
        <Waiting rows={4} />
      )}
      {edited && (
        <PersonEditor person={edited === "new" ? null : edited} close={() => setEdited(null)} changed={reload} />
      )}
    </section>
  );
}

const rightsText = ({ rights }: Person): string =>
  RIGHTS.filter(({ right }) => rights.includes(right))
    .map(({ text }) => text)
    .join(", ") || "none";

interface EditorProps {
  person: Person | null;
  close: () => void;
  changed: () => void;
}

function PersonEditor({ person, close, changed }: EditorProps) {
  const [login, setLogin] = useState("");
  const [role, setRole] = useState(person?.role ?? "viewer");
  const [rights, setRights] = useState<Right[]>(person?.rights ?? []);
  const [password, setPassword] = useState<string | null>(null);
  const [error, busy, act] = useAct();
  const name = person?.login ?? login;

  const save = (event: Event) => {
    event.preventDefault();
    void act(async () => {
      if (person) {
        await api.changeUser(person.login, { role, rights });
        close();
      } else {
        setPassword((await api.addUser({ login, role, rights })).password);
      }
      changed();
    });
  };
  const flip = (right: Right, is: boolean) =>
    setRights(is ? [...rights, right] : rights.filter((one) => one !== right));
  if (password)
    return (
      <Dialog title={`The password of ${name}`} close={close}>
        <p>Hand it over; it is shown only here. Whoever has logged in can change it in the account's menu.</p>
        <div class="command">
          <code>{password}</code>
          <Copy text={password} label="Copy the password" />
        </div>
        <div class="form-actions">
          <button type="button" class="primary" onClick={close}>
            Done
          </button>
        </div>
      </Dialog>
    );
  return (
    <Dialog title={person ? person.login : "Add somebody"} close={close} class="person-editor">
      <form onSubmit={save}>
        {!person && (
          <label>
            <span>Login</span>
            <input
              value={login}
              required
              autocomplete="off"
              autocapitalize="off"
              spellcheck={false}
              placeholder="eva@example.net"
              onInput={(event) => setLogin(event.currentTarget.value)}
            />
          </label>
        )}
        <fieldset>
          <legend>Role</legend>
          <label class="check">
            <input type="radio" name="role" checked={role === "viewer"} onChange={() => setRole("viewer")} />
            Viewer: sees calls and sensors
          </label>
          <label class="check">
            <input type="radio" name="role" checked={role === "admin"} onChange={() => setRole("admin")} />
            Administrator: adds sensors, rules and people, too
          </label>
        </fieldset>
        <fieldset>
          <legend>Rights</legend>
          {RIGHTS.map(({ right, text, means }) => (
            <label key={right} class="check">
              <input
                type="checkbox"
                checked={rights.includes(right)}
                onChange={(event) => flip(right, event.currentTarget.checked)}
              />
              {text} <span class="muted">{means}</span>
            </label>
          ))}
        </fieldset>
        <Refusal error={error} />
        <div class="form-actions">
          <button type="submit" class="primary" disabled={busy}>
            {person ? "Save" : "Add"}
          </button>
          <button type="button" onClick={close}>
            Cancel
          </button>
        </div>
      </form>
      {person && !person.is_you && (
        <div class="person-more">
          <button
            type="button"
            disabled={busy}
            onClick={() => void act(async () => setPassword((await api.resetPassword(person.login)).password))}
          >
            New password
          </button>
          <button
            type="button"
            class={person.is_disabled ? "" : "danger"}
            disabled={busy}
            onClick={() =>
              void act(async () => {
                await api.changeUser(person.login, { is_disabled: !person.is_disabled });
                changed();
                close();
              })
            }
          >
            {person.is_disabled ? "Switch the login on" : "Switch the login off"}
          </button>
          <p class="muted">Both log {person.login} out everywhere; records of what was done stay.</p>
        </div>
      )}
    </Dialog>
  );
}

function Tokens() {
  return (
    <div class="admin-tokens">
      <ApiTokens />
      <EnrolmentTokens />
    </div>
  );
}

function ApiTokens() {
  const { data, error, reload } = useLoad("api tokens", (signal) => api.apiTokens(signal), { live: false });
  const [adding, setAdding] = useState(false);
  const [refused, busy, act] = useAct();
  const revoke = (token: ApiToken) =>
    act(async () => {
      await api.revokeApiToken(token.id);
      reload();
    });
  return (
    <section class="card admin-card" aria-label="API tokens">
      <header class="card-head">
        <h2>API tokens</h2>
        <button type="button" onClick={() => setAdding(true)}>
          <Icon name="plus" /> New token
        </button>
      </header>
      <p class="muted pad">
        A program reads with one what administrators see, and changes nothing: <code>Authorization: Bearer …</code>.{" "}
        <a href="/api/v1/openapi.json" target="_blank" rel="noreferrer">
          The API's description
        </a>
      </p>
      <Refusal error={refused} />
      {data ? (
        data.length > 0 && (
          <div class="scroll-x">
            <table class="plain">
              <thead>
                <tr>
                  <th scope="col">Name</th>
                  <th scope="col">Made</th>
                  <th scope="col">Ends</th>
                  <th scope="col">
                    <span class="hidden">Revoke</span>
                  </th>
                </tr>
              </thead>
              <tbody>
                {data.map((token) => (
                  <tr key={token.id}>
                    <th scope="row">
                      <Clip text={token.name} />
                    </th>
                    <td>
                      <Ago at={token.created_at} />, by {token.created_by}
                    </td>
                    <td>
                      <Time at={token.expires_at} withDay />
                    </td>
                    <td class="n">
                      <button
                        type="button"
                        disabled={busy}
                        aria-label={`Revoke ${token.name}`}
                        onClick={() => void revoke(token)}
                      >
                        Revoke
                      </button>
                    </td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        )
      ) : error ? (
        <Failed error={error} retry={reload} />
      ) : (
        <Waiting rows={2} />
      )}
      {adding && <NewApiToken close={() => setAdding(false)} made={reload} />}
    </section>
  );
}

function NewApiToken({ close, made }: { close: () => void; made: () => void }) {
  const [name, setName] = useState("");
  const [days, setDays] = useState("365");
  const [token, setToken] = useState<string | null>(null);
  const [error, busy, act] = useAct();
  const make = (event: Event) => {
    event.preventDefault();
    void act(async () => {
      setToken((await api.newApiToken(name, Number(days))).token);
      made();
    });
  };
  return (
    <Dialog title={token ? name : "New API token"} close={close} class="person-editor">
      {token ? (
        <>
          <p>It is shown only here: copy it to where the program reads it.</p>
          <div class="command">
            <code>{token}</code>
            <Copy text={token} label="Copy the token" />
          </div>
          <div class="form-actions">
            <button type="button" class="primary" onClick={close}>
              Done
            </button>
          </div>
        </>
      ) : (
        <form onSubmit={make}>
          <label>
            <span>What it is for</span>
            <input
              value={name}
              required
              maxLength={100}
              placeholder="Grafana"
              onInput={(event) => setName(event.currentTarget.value)}
            />
          </label>
          <label>
            <span>Ends after, days</span>
            <input
              type="number"
              min={1}
              max={3650}
              value={days}
              required
              onInput={(event) => setDays(event.currentTarget.value)}
            />
          </label>
          <Refusal error={error} />
          <div class="form-actions">
            <button type="submit" class="primary" disabled={busy}>
              Make it
            </button>
            <button type="button" onClick={close}>
              Cancel
            </button>
          </div>
        </form>
      )}
    </Dialog>
  );
}

function EnrolmentTokens() {
  const { data, error, reload } = useLoad("enrolment tokens", (signal) => api.enrolmentTokens(signal));
  const [refused, busy, act] = useAct();
  const revoke = (token: EnrolmentToken) =>
    act(async () => {
      await api.revokeEnrolmentToken(token.id);
      reload();
    });
  return (
    <section class="card admin-card" aria-label="Enrolment tokens">
      <header class="card-head">
        <h2>Enrolment tokens</h2>
        <a class="button" href="/sensors?add=1">
          <Icon name="plus" /> Add sensor
        </a>
      </header>
      <p class="muted pad">
        {data?.length === 0
          ? "None waits to be used. Adding a sensor makes one."
          : "Each lets one sensor join, and is not yet used. Take back those that were lost."}
      </p>
      <Refusal error={refused} />
      {data ? (
        data.length > 0 && (
          <div class="scroll-x">
            <table class="plain">
              <thead>
                <tr>
                  <th scope="col">Made</th>
                  <th scope="col">Ends</th>
                  <th scope="col">
                    <span class="hidden">Take back</span>
                  </th>
                </tr>
              </thead>
              <tbody>
                {data.map((token) => (
                  <tr key={token.id}>
                    <th scope="row">
                      <Ago at={token.created_at} />, by {token.created_by}
                    </th>
                    <td>
                      <Time at={token.expires_at} withDay />
                    </td>
                    <td class="n">
                      <button type="button" disabled={busy} onClick={() => void revoke(token)}>
                        Take back
                      </button>
                    </td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        )
      ) : error ? (
        <Failed error={error} retry={reload} />
      ) : (
        <Waiting rows={2} />
      )}
    </section>
  );
}
