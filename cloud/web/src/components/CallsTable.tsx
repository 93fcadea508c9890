// The calls of a list, newest first. Each row is one link; the keyboard moves between them.

import { useEffect, useRef } from "preact/hooks";
import { COLUMNS, EXTRAS, type Extra, extraColumns, hiddenColumns, leftOut } from "../columns.js";
import { listQuery } from "../filter.js";
import { brief, duration } from "../format.js";
import { useKeys } from "../keys.js";
import { selected } from "../list.js";
import { outcome } from "../outcome.js";
import { callPath, navigate, query } from "../router.js";
import { announce, sensors } from "../store.js";
import type { CallSummary, Party } from "../types.js";
import { flagInfo, listedFlags } from "../words/flags.js";
import { Clip } from "./Clip.js";
import { SeverityIcon } from "./Icon.js";
import { CallMos } from "./Mos.js";
import { Time } from "./Time.js";

interface Props {
  calls: CallSummary[];
  fresh: ReadonlySet<string>;
}

export function CallsTable({ calls, fresh }: Props) {
  const body = useRef<HTMLTableSectionElement>(null);
  const hidden = hiddenColumns(query.value);
  const shown = extraColumns(query.value);
  const extras = EXTRAS.filter(({ key }) => shown.has(key));
  const list = listQuery(query.value);

  const focusRow = (index: number) => {
    const call = calls[Math.max(0, Math.min(index, calls.length - 1))];
    if (!call) return;
    selected.value = call.id;
    const link = body.current?.querySelector<HTMLElement>(`[data-call="${CSS.escape(call.id)}"] a`);
    link?.focus({ preventScroll: true });
    link?.closest("tr")?.scrollIntoView({ block: "nearest" });
  };
  const current = () => calls.findIndex(({ id }) => id === selected.value);
  const nextProblem = () => {
    const from = current() + 1;
    const found = calls.findIndex(({ verdict }, index) => index >= from && severe(verdict.severity));
    if (found >= 0) focusRow(found);
    else announce("No further problem in this list");
  };

  useKeys("Calls", [
    { key: "j", does: "Next call", run: () => focusRow(current() + 1) },
    { key: "k", does: "Previous call", run: () => focusRow(Math.max(0, current() - 1)) },
    {
      key: "Enter",
      does: "Open the selected call",
      run: () => selected.value && navigate(callPath(selected.value, list)),
    },
    { key: "n", does: "Next call with a problem or warning", run: nextProblem },
    {
      key: "Escape",
      does: "Leave the selection",
      run: () => {
        selected.value = null;
        (document.activeElement as HTMLElement | null)?.blur();
      },
    },
  ]);

  // Coming back from a call, the reader finds the row where it was.
  useEffect(() => {
    const index = current();
    if (index > 0) focusRow(index);
  }, []);

  const left = new Set(
    COLUMNS.filter((one) => leftOut(one, sensors.value.length, Infinity)).map(({ key }) => key),
  );
  const shows = (key: string) => !hidden.has(key) && !left.has(key);
  const table = (
    <table class={`calls extras-${extras.length}`} role="table">
      <caption class="hidden">Calls, newest first</caption>
      <thead role="rowgroup">
        <tr role="row">
          <Head name="time" title={`In your time zone, ${ZONE}; UTC in each title`}>
            Ended
          </Head>
          <Head name="from">From</Head>
          <Head name="to">To</Head>
          {shows("outcome") && <Head name="outcome">Outcome</Head>}
          {shows("duration") && <Head name="duration">Duration</Head>}
          {shows("mos") && <Head name="mos">MOS</Head>}
          {shows("sensor") && <Head name="sensor">Sensor</Head>}
          {shows("flags") && <Head name="flags">Flags</Head>}
          {extras.map(({ key, label, kind }) => (
            <Head key={key} name={`extra c-extra-${kind}`}>
              {label}
            </Head>
          ))}
          {shows("verdict") && <Head name="verdict">What happened</Head>}
        </tr>
      </thead>
      <tbody role="rowgroup" ref={body}>
        {calls.map((call) => (
          <Row
            key={call.id}
            call={call}
            shows={shows}
            extras={extras}
            list={list}
            fresh={fresh.has(call.id)}
            current={call.id === selected.value}
          />
        ))}
      </tbody>
    </table>
  );
  if (extras.length === 0) return table;
  // More columns than a window holds scroll sideways, and the page does not.
  return (
    <div class="scroll-x wide-list" tabIndex={0} role="group" aria-label="Calls, scroll sideways">
      {table}
    </div>
  );
}

const severe = (severity: string) => severity === "problem" || severity === "warning";

const ZONE = Intl.DateTimeFormat().resolvedOptions().timeZone;

const Head = ({ name, title, children }: { name: string; title?: string; children: string }) => (
  <th scope="col" role="columnheader" class={`c-${name}`} title={title}>
    {children}
  </th>
);

interface RowProps {
  call: CallSummary;
  shows: (column: string) => boolean;
  extras: Extra[];
  list: URLSearchParams;
  fresh: boolean;
  current: boolean;
}

function Row({ call, shows, extras, list, fresh, current }: RowProps) {
  const to = callPath(call.id, list);
  const open = (event: MouseEvent) => {
    if ((event.target as Element).closest("a") || getSelection()?.toString()) return;
    selected.value = call.id;
    if (event.metaKey || event.ctrlKey) window.open(to);
    else navigate(to);
  };
  const ended = outcome(call);
  return (
    <tr
      role="row"
      data-call={call.id}
      class={`row-${call.verdict.severity} ${fresh ? "fresh" : ""} ${current ? "current" : ""}`}
      onClick={open}
    >
      <td role="cell" class="c-time">
        <a href={to} onFocus={() => (selected.value = call.id)}>
          <Time at={call.ended_at} />
        </a>
      </td>
      <td role="cell" class="c-from">
        <Who party={call.caller} />
      </td>
      <td role="cell" class="c-to">
        <Who party={call.callee} />
      </td>
      {shows("outcome") && (
        <td role="cell" class="c-outcome">
          <span class="clip" title={`${ended.code ?? ""} ${ended.text}`.trim()}>
            {ended.code !== null && <span class="code">{ended.code}</span>} {ended.text}
          </span>
        </td>
      )}
      {shows("duration") && (
        <td role="cell" class="c-duration">
          {call.duration_ms === null ? (
            <>
              <span class="none" title="Not answered">
                –
              </span>
              {ended.code !== null && (
                <span class="code in-its-place" title={ended.text}>
                  {ended.code}
                </span>
              )}
            </>
          ) : (
            duration(call.duration_ms)
          )}
        </td>
      )}
      {shows("mos") && (
        <td role="cell" class="c-mos">
          <CallMos call={call} />
        </td>
      )}
      {shows("sensor") && (
        <td role="cell" class="c-sensor">
          <Clip text={call.sensor?.name} />
          <Views views={call.views ?? []} />
        </td>
      )}
      {shows("flags") && (
        <td role="cell" class="c-flags">
          <Flags flags={call.flags} />
        </td>
      )}
      {extras.map(({ key, of, kind }) => (
        <td key={key} role="cell" class={`c-extra c-extra-${kind}`}>
          <Clip text={of(call)} mono={kind === "mono"} />
        </td>
      ))}
      {shows("verdict") && (
        <td role="cell" class="c-verdict">
          <SeverityIcon severity={call.verdict.severity} />
          <span class="clip" title={call.verdict.sentence}>
            {brief(call.verdict.sentence)}
          </span>
        </td>
      )}
    </tr>
  );
}

/** How many further records there are of a call: of other sensors, and of other legs. */
function Views({ views }: { views: NonNullable<CallSummary["views"]> }) {
  if (views.length === 0) return null;
  const names = views.map(({ sensor, is_other_leg }) => `${sensor.name ?? "a removed sensor"}${is_other_leg ? ", another leg" : ""}`);
  return (
    <span class="flag views" title={`Seen by ${names.join("; by ")}, too`}>
      +{views.length}
      <span class="hidden"> further records</span>
    </span>
  );
}

/** A party by its user part, with the display name beside it. */
export function Who({ party }: { party: Party }) {
  const user = party.user || party.host || "unknown";
  return (
    <span class="who">
      <bdi class="clip" title={party.host ? `${party.user}@${party.host}` : party.user}>
        {user}
      </bdi>
      {party.display && (
        <bdi class="clip display" title={party.display}>
          {party.display}
        </bdi>
      )}
    </span>
  );
}

const MOST_FLAGS = 1;

function Flags({ flags }: { flags: string[] }) {
  const listed = listedFlags(flags);
  const more = listed.slice(MOST_FLAGS);
  return (
    <span class="flags">
      {listed.slice(0, MOST_FLAGS).map((flag) => (
        <Flag key={flag} name={flag} />
      ))}
      {more.length > 0 && (
        <span class="flag" title={more.map((flag) => flagInfo(flag).label).join(", ")}>
          +{more.length}
        </span>
      )}
    </span>
  );
}

export function Flag({ name }: { name: string }) {
  const { label, means, weight } = flagInfo(name);
  return (
    <span class={`flag flag-${weight}`} title={means}>
      {label}
    </span>
  );
}
