// What stands above and below a list of registrations or of peer relations.

import { useEffect, useState } from "preact/hooks";
import { api } from "../api.js";
import { withNamedRange, withParam } from "../filter.js";
import { useKeys } from "../keys.js";
import {
  type RecordList,
  isFiltered,
  recordsCsv,
  typedOf,
  withTyped,
  withoutFilters,
} from "../records.js";
import { address, navigate, query } from "../router.js";
import { sensors } from "../store.js";
import { Icon } from "./Icon.js";
import { Notice } from "./Notice.js";
import { RangePicker } from "./RangePicker.js";
import { Time } from "./Time.js";

const go = (list: RecordList, next: URLSearchParams) =>
  navigate(address(list.path, next), { keepScroll: true });

export interface ToolsProps {
  list: RecordList;
  /** What is listed, in plural and small letters. */
  what: string;
  states: { state: string; word: string; means: string }[];
  /** What the search's field says before something is typed. */
  placeholder: string;
  /** The word and the explanation of the order by state. */
  worst: { word: string; means: string };
  /** Further filters. */
  children?: preact.ComponentChildren;
}

export const RecordTools = ({ list, what, states, placeholder, worst, children }: ToolsProps) => (
  <div class="toolbar rec-toolbar">
    <StateFilter list={list} states={states} />
    <TextFilter list={list} what={what} placeholder={placeholder} />
    <div class="tools">
      {children}
      {sensors.value.length > 1 && (
        <SelectFilter
          list={list}
          name="sensor"
          label="Sensor"
          all="All sensors"
          options={sensors.value.map(({ id, name }) => ({ value: id, text: name }))}
        />
      )}
      <WorstFirst list={list} {...worst} />
      <RangePicker path={list.path} />
      <a
        class="button wide-only"
        href={api.recordsCsvAddress(list.path, recordsCsv(list, query.value, new Date()))}
        download={`${list.path.slice(1)}.csv`}
        title={`These ${what} as CSV`}
        aria-label={`Download these ${what} as CSV`}
      >
        <Icon name="download" />
      </a>
    </div>
  </div>
);

function StateFilter({ list, states }: Pick<ToolsProps, "list" | "states">) {
  const chosen = query.value.get("state") ?? "";
  const choices = [{ state: "", word: "All", means: "In whatever state" }, ...states];
  return (
    <div class="segments rec-states" role="group" aria-label="State">
      {choices.map(({ state, word, means }) => (
        <button
          key={state}
          type="button"
          title={means}
          aria-pressed={chosen === state}
          onClick={() => go(list, withParam(query.value, "state", state || null))}
        >
          {word}
        </button>
      ))}
    </div>
  );
}

/** Words, an address, or `key:value` with one of the API's names. */
function TextFilter({ list, what, placeholder }: Pick<ToolsProps, "list" | "what" | "placeholder">) {
  const shown = typedOf(list, query.value);
  const [text, setText] = useState(shown);
  useEffect(() => setText(shown), [shown]);
  useKeys("Search", [{ key: "/", does: "Search", run: () => document.getElementById("rec-search")?.focus() }]);
  const submit = (event: Event) => {
    event.preventDefault();
    go(list, withTyped(list, query.value, text));
  };
  return (
    <search class="search">
      <form class="search-box" onSubmit={submit}>
        <Icon name="search" />
        <input
          id="rec-search"
          type="text"
          aria-label={`Search ${what}`}
          placeholder={placeholder}
          autocomplete="off"
          spellcheck={false}
          value={text}
          onInput={(event) => setText(event.currentTarget.value)}
          onBlur={submit}
        />
        {isFiltered(list, query.value) ? (
          <button
            type="button"
            class="quiet"
            onClick={() => {
              setText("");
              go(list, withoutFilters(list, query.value));
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

interface SelectProps {
  list: RecordList;
  name: string;
  label: string;
  all: string;
  options: { value: string; text: string }[];
}

export function SelectFilter({ list, name, label, all, options }: SelectProps) {
  return (
    <select
      aria-label={label}
      class="rec-select"
      value={query.value.get(name) ?? ""}
      onChange={(event) => go(list, withParam(query.value, name, event.currentTarget.value || null))}
    >
      <option value="">{all}</option>
      {options.map(({ value, text }) => (
        <option key={value} value={value}>
          {text}
        </option>
      ))}
    </select>
  );
}

/** The parameter `order` in the address: anything in it is "worst first". */
export const isWorstFirst = (asked: URLSearchParams) => asked.has("order");

function WorstFirst({ list, word, means }: { list: RecordList; word: string; means: string }) {
  const on = isWorstFirst(query.value);
  const toggle = () => {
    const next = new URLSearchParams(query.value);
    if (on) next.delete("order");
    else next.set("order", "worst");
    go(list, next);
  };
  return (
    <button type="button" class="rec-order" aria-pressed={on} title={means} onClick={toggle}>
      {word}
    </button>
  );
}

interface FrameProps {
  list: RecordList;
  /** The part of the address that names what is shown. */
  shown: URLSearchParams;
  page: { next: string | null; partial?: boolean; newest: string | null };
  isEmpty: boolean;
  loading: boolean;
  error: preact.ComponentChildren;
  /** In plural and small letters, and one of them. */
  what: string;
  one: string;
  /** What is said where there has never been one. */
  never: preact.ComponentChildren;
  children: preact.ComponentChildren;
}

/** The rows, what is said where there are none, and the way to older ones. */
export function RecordFrame({ list, shown, page, isEmpty, loading, error, children, ...words }: FrameProps) {
  const { next, partial, newest } = page;
  const cursor = shown.get("cursor");
  return (
    <div class={loading ? "list loading" : "list"}>
      {error}
      {isEmpty ? <None list={list} newest={newest} {...words} /> : children}
      {partial && (
        <p class="partial">
          The search stopped before it had looked at all of the range. {next && "“Older” goes on from there."}
        </p>
      )}
      {(next || cursor) && (
        <nav class="pages" aria-label="Pages of the list">
          {cursor && (
            <a class="button" href={address(list.path, withParam(shown, "cursor", null))}>
              Newest
            </a>
          )}
          {next && (
            <a class="button" href={address(list.path, withParam(shown, "cursor", next))}>
              Older <Icon name="right" />
            </a>
          )}
        </nav>
      )}
    </div>
  );
}

type NoneProps = Pick<FrameProps, "list" | "what" | "one" | "never"> & { newest: string | null };

function None({ list, newest, what, one, never }: NoneProps) {
  const filtered = isFiltered(list, query.value);
  if (!newest) return <Notice title={`No ${what} yet`}>{never}</Notice>;
  return (
    <Notice title={filtered ? `No ${one} fits` : `No ${what} in this range`}>
      <p>
        {filtered ? "None in this range fits all of the filters. " : ""}
        Last record: <Time at={newest} withDay />.
      </p>
      <p class="actions">
        {filtered && (
          <a class="button" href={address(list.path, withoutFilters(list, query.value))}>
            Remove the filters
          </a>
        )}
        <a class="button" href={address(list.path, withNamedRange(query.value, "25d"))}>
          Look at 25 days
        </a>
      </p>
    </Notice>
  );
}
