// Who is registered where, and why a phone is not: the newest of each registration.

import { useEffect, useState } from "preact/hooks";
import { api } from "../api.js";
import { Icon } from "../components/Icon.js";
import { Failed, Notice, StaleMark, Waiting } from "../components/Notice.js";
import { RangePicker } from "../components/RangePicker.js";
import { RegistrationsTable } from "../components/RegistrationsTable.js";
import { Time } from "../components/Time.js";
import { withNamedRange, withParam } from "../filter.js";
import { useKeys } from "../keys.js";
import { useLoad } from "../load.js";
import {
  STATES,
  failingFirst,
  isFiltered,
  registrationList,
  registrationsQuery,
  withoutRegistrationFilters,
} from "../registrations.js";
import { address, navigate, query } from "../router.js";
import { sensors } from "../store.js";
import { useTitle } from "../title.js";
import type { RegistrationPage } from "../types.js";

const go = (next: URLSearchParams) => navigate(address("/registrations", next), { keepScroll: true });

export function Registrations() {
  useTitle("Registrations");
  const list = registrationList(query.value);
  const { data, error, loading, reload } = useLoad(`registrations ${list}`, (signal) =>
    api.registrations(registrationsQuery(list, new Date()), signal),
  );
  return (
    <>
      <h1 class="hidden">Registrations</h1>
      <div class="toolbar reg-toolbar">
        <StateFilter />
        <TextFilter />
        <div class="tools">
          {sensors.value.length > 1 && <SensorFilter />}
          <FailingFirst />
          <RangePicker path="/registrations" />
        </div>
      </div>
      {data ? (
        <Shown page={data} list={list} loading={loading} error={<StaleMark error={error} />} />
      ) : error ? (
        <Failed error={error} retry={reload} />
      ) : (
        <Waiting rows={14} />
      )}
    </>
  );
}

interface ShownProps {
  page: RegistrationPage;
  list: URLSearchParams;
  loading: boolean;
  error: preact.ComponentChildren;
}

function Shown({ page, list, loading, error }: ShownProps) {
  const { registrations, next, partial, newest } = page;
  const ordered = list.get("order") === "failing" ? failingFirst(registrations) : registrations;
  const cursor = list.get("cursor");
  return (
    <div class={loading ? "list loading" : "list"}>
      {error}
      {ordered.length === 0 ? (
        <None newest={newest} />
      ) : (
        <RegistrationsTable registrations={ordered} list={list} />
      )}
      {partial && (
        <p class="partial">
          The search stopped before it had looked at all of the range. {next && "“Older” goes on from there."}
        </p>
      )}
      {(next || cursor) && (
        <nav class="pages" aria-label="Pages of the list">
          {cursor && (
            <a class="button" href={address("/registrations", withParam(list, "cursor", null))}>
              Newest
            </a>
          )}
          {next && (
            <a class="button" href={address("/registrations", withParam(list, "cursor", next))}>
              Older <Icon name="right" />
            </a>
          )}
        </nav>
      )}
    </div>
  );
}

function StateFilter() {
  const chosen = query.value.get("state") ?? "";
  const choices = [{ state: "", word: "All", means: "In whatever state" }, ...STATES];
  return (
    <div class="segments reg-states" role="group" aria-label="State">
      {choices.map(({ state, word, means }) => (
        <button
          key={state}
          type="button"
          title={means}
          aria-pressed={chosen === state}
          onClick={() => go(withParam(query.value, "state", state || null))}
        >
          {word}
        </button>
      ))}
    </div>
  );
}

/** Words, an address, or `key:value` with one of the API's names. */
function TextFilter() {
  const shown = typedOf(query.value);
  const [text, setText] = useState(shown);
  useEffect(() => setText(shown), [shown]);
  useKeys("Search", [{ key: "/", does: "Search", run: () => document.getElementById("reg-search")?.focus() }]);
  const submit = (event: Event) => {
    event.preventDefault();
    go(withTyped(query.value, text));
  };
  return (
    <search class="search">
      <form class="search-box" onSubmit={submit}>
        <Icon name="search" />
        <input
          id="reg-search"
          type="text"
          aria-label="Search registrations"
          placeholder="User, phone, address, registrar:pbx.example, status:403"
          autocomplete="off"
          spellcheck={false}
          value={text}
          onInput={(event) => setText(event.currentTarget.value)}
          onBlur={submit}
        />
        {isFiltered(query.value) ? (
          <button
            type="button"
            class="quiet"
            onClick={() => {
              setText("");
              go(withoutRegistrationFilters(query.value));
            }}
          >
            Clear
          </button>
        ) : (
          <kbd class="wide-only">/</kbd>
        )}
      </form>
    </search>
  );
}

const TYPED = ["user", "registrar", "contact", "address", "agent", "status", "failures"];

/** The filters of an address as they are typed. */
export function typedOf(asked: URLSearchParams): string {
  const quoted = (value: string) => (/\s/.test(value) ? `"${value}"` : value);
  const tokens = TYPED.flatMap((key) => {
    const value = asked.get(key);
    return value ? [`${key}:${quoted(value)}`] : [];
  });
  return [...tokens, asked.get("q") ?? ""].join(" ").trim();
}

/** The address with what was typed in place of its filters. */
export function withTyped(asked: URLSearchParams, text: string): URLSearchParams {
  const next = new URLSearchParams(asked);
  for (const key of [...TYPED, "q", "cursor"]) next.delete(key);
  const words: string[] = [];
  for (const piece of text.match(/(?:[^\s"]+|"[^"]*"?)+/g) ?? []) {
    const pair = /^([a-z]+):(.+)$/i.exec(piece);
    const key = (pair?.[1] ?? "").toLowerCase();
    const plain = piece.replace(/"/g, "");
    if (pair && TYPED.includes(key)) next.set(key, (pair[2] ?? "").replace(/"/g, ""));
    else if (/^\d{1,3}(\.\d{1,3}){3}(\/\d{1,2})?$/.test(plain)) next.set("address", plain);
    else words.push(plain);
  }
  if (words.length > 0) next.set("q", words.join(" "));
  return next;
}

function SensorFilter() {
  return (
    <select
      aria-label="Sensor"
      class="reg-sensor"
      value={query.value.get("sensor") ?? ""}
      onChange={(event) => go(withParam(query.value, "sensor", event.currentTarget.value || null))}
    >
      <option value="">All sensors</option>
      {sensors.value.map(({ id, name }) => (
        <option key={id} value={id}>
          {name}
        </option>
      ))}
    </select>
  );
}

function FailingFirst() {
  const on = query.value.get("order") === "failing";
  const toggle = () => {
    const next = new URLSearchParams(query.value);
    if (on) next.delete("order");
    else next.set("order", "failing");
    go(next);
  };
  return (
    <button
      type="button"
      class="reg-order"
      aria-pressed={on}
      title="Those that fail at the top of each page"
      onClick={toggle}
    >
      Failing first
    </button>
  );
}

function None({ newest }: { newest: string | null }) {
  const filtered = isFiltered(query.value);
  if (!newest) {
    return (
      <Notice title="No registrations yet">
        <p>
          They appear here as soon as a sensor sees a phone register (REGISTER). A sensor whose
          configuration says <code>sip-register = no</code> does not look for them.
        </p>
      </Notice>
    );
  }
  return (
    <Notice title={filtered ? "No registration fits" : "No registrations in this range"}>
      <p>
        {filtered ? "None in this range fits all of the filters. " : ""}
        Last record: <Time at={newest} withDay />.
      </p>
      <p class="actions">
        {filtered && (
          <a class="button" href={address("/registrations", withoutRegistrationFilters(query.value))}>
            Remove the filters
          </a>
        )}
        <a class="button" href={address("/registrations", withNamedRange(query.value, "25d"))}>
          Look at 25 days
        </a>
      </p>
    </Notice>
  );
}
