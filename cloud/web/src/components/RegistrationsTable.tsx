// Registrations, one a row: each row is one link; the keyboard moves between them.

import { signal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { NONE, brief, count, hostPort, longDuration, millis } from "../format.js";
import { useKeys } from "../keys.js";
import { navigate, registrationPath } from "../router.js";
import { sensors } from "../store.js";
import type { Registration } from "../types.js";
import { Who } from "./CallsTable.js";
import { Clip } from "./Clip.js";
import { SeverityIcon } from "./Icon.js";
import { RegistrationMark } from "./RegistrationMark.js";
import { Time } from "./Time.js";

/** The row that the keyboard stands on, or that was opened last. */
const selected = signal<string | null>(null);

interface Props {
  registrations: Registration[];
  list: URLSearchParams;
}

export function RegistrationsTable({ registrations, list }: Props) {
  const body = useRef<HTMLTableSectionElement>(null);
  const focusRow = (index: number) => {
    const one = registrations[Math.max(0, Math.min(index, registrations.length - 1))];
    if (!one) return;
    selected.value = one.id;
    const link = body.current?.querySelector<HTMLElement>(`[data-id="${CSS.escape(one.id)}"] a`);
    link?.focus({ preventScroll: true });
    link?.closest("tr")?.scrollIntoView({ block: "nearest" });
  };
  const current = () => registrations.findIndex(({ id }) => id === selected.value);
  useKeys("Registrations", [
    { key: "j", does: "Next registration", run: () => focusRow(current() + 1) },
    { key: "k", does: "Previous registration", run: () => focusRow(Math.max(0, current() - 1)) },
    {
      key: "Enter",
      does: "Open the selected registration",
      run: () => selected.value && navigate(registrationPath(selected.value, list)),
    },
  ]);
  useEffect(() => {
    const index = current();
    if (index > 0) focusRow(index);
  }, []);
  const showsSensor = sensors.value.length !== 1;
  return (
    <table class="calls regs" role="table">
      <caption class="hidden">Registrations</caption>
      <thead role="rowgroup">
        <tr role="row">
          <Head name="r-state">State</Head>
          <Head name="r-who">Who</Head>
          <Head name="r-where">From</Head>
          <Head name="r-registrar">Registrar</Head>
          <Head name="r-expiry" title="The time that the registrar grants at once">
            Expiry
          </Head>
          <Head name="r-last" title="The newest attempt and its final response">
            Last attempt
          </Head>
          <Head name="r-failures" title="Attempts that failed since the last that succeeded">
            Failed
          </Head>
          <Head name="r-trip" title="From REGISTER to the final response">
            Round trip
          </Head>
          {showsSensor && <Head name="r-sensor">Sensor</Head>}
          <Head name="r-verdict">What happened</Head>
        </tr>
      </thead>
      <tbody role="rowgroup" ref={body}>
        {registrations.map((one) => (
          <Row key={one.id} registration={one} list={list} showsSensor={showsSensor} />
        ))}
      </tbody>
    </table>
  );
}

const Head = ({ name, title, children }: { name: string; title?: string; children: string }) => (
  <th scope="col" role="columnheader" class={`c-${name}`} title={title}>
    {children}
  </th>
);

interface RowProps {
  registration: Registration;
  list: URLSearchParams;
  showsSensor: boolean;
}

function Row({ registration: it, list, showsSensor }: RowProps) {
  const to = registrationPath(it.id, list);
  const open = (event: MouseEvent) => {
    if ((event.target as Element).closest("a") || getSelection()?.toString()) return;
    selected.value = it.id;
    if (event.metaKey || event.ctrlKey) window.open(to);
    else navigate(to);
  };
  const src = hostPort(it.src);
  return (
    <tr
      role="row"
      data-id={it.id}
      class={`row-${it.verdict.severity} ${it.id === selected.value ? "current" : ""}`}
      onClick={open}
    >
      <td role="cell" class="c-r-state">
        <a href={to} onFocus={() => (selected.value = it.id)}>
          <RegistrationMark state={it.state} />
        </a>
      </td>
      <td role="cell" class="c-r-who">
        <Who party={it.aor} />
      </td>
      <td role="cell" class="c-r-where">
        <span class="clip" title={`${it.src} over ${it.transport}, contact ${it.contact}`}>
          <span class="mono">{src.host}</span> <span class="muted">{it.transport}</span>
        </span>
      </td>
      <td role="cell" class="c-r-registrar">
        <Clip text={it.registrar} />
      </td>
      <td role="cell" class="c-r-expiry">
        {it.expires_granted_s === null ? (
          <span class="none" title="The registrar has granted nothing">
            {NONE}
          </span>
        ) : (
          longDuration(it.expires_granted_s)
        )}
      </td>
      <td role="cell" class="c-r-last">
        <Time at={it.last_attempt_at} />{" "}
        <span class="code" title={it.reason_phrase ?? "no answer"}>
          {it.status_code ?? "no answer"}
        </span>
      </td>
      <td role="cell" class="c-r-failures n">
        {it.failures_in_a_row > 0 ? (
          <strong>{count(it.failures_in_a_row)}</strong>
        ) : it.failures > 0 ? (
          <span title="Failed since the record before, and then succeeded">{count(it.failures)}</span>
        ) : (
          <span class="none">0</span>
        )}
      </td>
      <td role="cell" class="c-r-trip n">
        {millis(it.round_trip_ms)}
      </td>
      {showsSensor && (
        <td role="cell" class="c-r-sensor">
          <Clip text={it.sensor?.name} />
        </td>
      )}
      <td role="cell" class="c-verdict c-r-verdict">
        <SeverityIcon severity={it.verdict.severity} />
        <span class="clip" title={it.verdict.sentence}>
          {brief(it.verdict.sentence)}
        </span>
      </td>
    </tr>
  );
}
