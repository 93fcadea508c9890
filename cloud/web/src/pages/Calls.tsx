// The list of calls: figures over the range, the search, and the calls, newest first.

import { useEffect } from "preact/hooks";
import { api } from "../api.js";
import { Away } from "../components/Away.js";
import { CallsTable } from "../components/CallsTable.js";
import { ColumnMenu } from "../components/ColumnMenu.js";
import { ExportMenu } from "../components/ExportMenu.js";
import { FilterForm } from "../components/FilterForm.js";
import { Icon } from "../components/Icon.js";
import { Failed, Notice, StaleMark, Waiting } from "../components/Notice.js";
import { RangePicker } from "../components/RangePicker.js";
import { SavedSearches } from "../components/SavedSearches.js";
import { SearchBar } from "../components/SearchBar.js";
import { StatsStrip } from "../components/StatsStrip.js";
import { Time } from "../components/Time.js";
import {
  callsQuery,
  rangeOf,
  showsEach,
  statsQuery,
  tokensOf,
  withNamedRange,
  withParam,
  withoutFilters,
} from "../filter.js";
import { plural } from "../format.js";
import {
  PAGE_SIZE,
  held,
  heldCount,
  listError,
  listLoading,
  refreshList,
  retryList,
  revealHeld,
  selected,
  showList,
  shown,
} from "../list.js";
import { changes } from "../live.js";
import { useLoad } from "../load.js";
import { address, query } from "../router.js";
import { useTitle } from "../title.js";
import { isAdmin, now, sensors } from "../store.js";

/** The reader is somewhere: moving the rows would lose the place, or the row under the pointer. */
const reading = () =>
  scrollY > 160 ||
  selected.value !== null ||
  document.querySelector(".calls:hover") !== null ||
  (getSelection()?.toString() ?? "") !== "";

export function Calls() {
  useTitle("Calls");
  const asked = query.value;
  const text = asked.toString();
  useEffect(() => showList(asked), [text]);
  useEffect(() => {
    // A range with an end in the past gains no new calls.
    if (changes.value > 0 && !rangeOf(asked, new Date()).to) refreshList(reading);
  }, [changes.value]);

  // Columns and pages change no figure.
  const figures = ["hide", "show", "views", "cursor"].reduce((query, key) => withParam(query, key, null), asked);
  const stats = useLoad(`stats ${figures}`, (signal) => api.stats(statsQuery(asked, new Date()), signal), {
    live: "slow",
  });

  return (
    <>
      <h1 class="hidden">Calls</h1>
      <StatsStrip stats={stats.data} error={stats.error} filtered={tokensOf(asked).length > 0} />
      <div class="toolbar">
        <SearchBar />
        <div class="tools">
          <RangePicker />
          <FilterForm />
          <SavedSearches />
          <ColumnMenu />
          <ExportMenu query={exportQuery(asked)} />
        </div>
      </div>
      <NewCalls />
      <List />
    </>
  );
}

function exportQuery(asked: URLSearchParams): URLSearchParams {
  const query = callsQuery(asked, now.value, PAGE_SIZE);
  query.delete("limit");
  query.delete("views");
  query.delete("cursor");
  return query;
}

function NewCalls() {
  const waiting = heldCount.value;
  if (waiting === 0) return null;
  const all = waiting >= PAGE_SIZE ? `${PAGE_SIZE} or more new calls` : plural(waiting, "new call");
  return (
    <div class="new-calls">
      <button
        type="button"
        class="primary"
        onClick={() => {
          selected.value = null;
          revealHeld();
          scrollTo({ top: 0 });
        }}
      >
        <Icon name="up" /> {all}
      </button>
    </div>
  );
}

function List() {
  const list = shown.value;
  const error = listError.value;
  if (!list) return error ? <Failed error={error} retry={retryList} /> : <Waiting rows={14} />;
  const { calls, next, partial } = list.page;
  const cursor = query.value.get("cursor");
  return (
    <div class={listLoading.value && !held.value ? "list loading" : "list"}>
      <StaleMark error={error} />
      {calls.length > 0 && <RowsOf rows={calls.length} records={list.page.records ?? calls.length} />}
      {calls.length === 0 && !next ? <NoCalls /> : <CallsTable calls={calls} fresh={list.fresh} />}
      {partial && (
        <p class="partial">
          The search stopped before it had looked at all of the range. {next && "“Older” goes on from there."}
        </p>
      )}
      {(next || cursor) && (
        <nav class="pages" aria-label="Pages of the list">
          {cursor && (
            <>
              <a class="button" href={address("/calls", withParam(query.value, "cursor", null))}>
                Newest
              </a>
              <button type="button" onClick={() => history.back()}>
                <Icon name="left" /> Newer
              </button>
            </>
          )}
          {next && (
            <a class="button" href={address("/calls", withParam(query.value, "cursor", next))}>
              Older <Icon name="right" />
            </a>
          )}
        </nav>
      )}
    </div>
  );
}

/** What a row is: a call with all its records, or each record. */
function RowsOf({ rows, records }: { rows: number; records: number }) {
  const each = showsEach(query.value);
  const other = address("/calls", withParam(query.value, "views", each ? null : "each"));
  return (
    <p class="rows-of muted">
      {each
        ? "Every record is a row: each sensor's view, and each leg."
        : rows === records
          ? "A row is a call."
          : `${plural(rows, "call")} of ${plural(records, "record")} on this page: a row is a call.`}{" "}
      <a href={other}>{each ? "One row a call" : "Show every record"}</a>
    </p>
  );
}

function NoCalls() {
  const filtered = tokensOf(query.value).length > 0;
  const last = sensors.value
    .map(({ last_cdr_at }) => last_cdr_at ?? "")
    .sort()
    .at(-1);
  if (sensors.value.length === 0) {
    return (
      <Notice title="No calls yet">
        <p>Calls appear here as soon as a sensor sees them.</p>
        {isAdmin() && (
          <p>
            <a class="button primary" href="/sensors?add=1">
              Add a sensor
            </a>
          </p>
        )}
      </Notice>
    );
  }
  return (
    <Notice title={filtered ? "No call fits" : "No calls in this range"}>
      <p>
        {filtered ? "No call in this range fits all of the filters. " : ""}
        {last && (
          <>
            Last call: <Time at={last} withDay />.
          </>
        )}
      </p>
      {!filtered && <Away />}
      <p class="actions">
        {filtered && (
          <a class="button" href={address("/calls", withoutFilters(query.value))}>
            Remove the filters
          </a>
        )}
        {query.value.get("range") !== "25d" && (
          <a class="button" href={address("/calls", withNamedRange(query.value, "25d"))}>
            Look at 25 days
          </a>
        )}
      </p>
    </Notice>
  );
}
