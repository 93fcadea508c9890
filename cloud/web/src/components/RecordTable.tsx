// Registrations or peer relations, one a row: each row is one link; the keyboard moves between them.

import { signal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { brief, localTimes } from "../format.js";
import { useKeys } from "../keys.js";
import { navigate } from "../router.js";
import { now, sensors } from "../store.js";
import type { SensorRef, Severity } from "../types.js";
import { Clip } from "./Clip.js";
import { SeverityIcon } from "./Icon.js";

/** The row that the keyboard stands on, or that was opened last. */
const selected = signal<string | null>(null);

/** What every row has. */
export interface Listed {
  id: string;
  sensor: SensorRef | null;
  verdict: { severity: Severity; sentence: string };
}

export interface Column<R> {
  /** Its class without `c-`, for width and place. */
  name: string;
  head: string;
  title?: string;
  /** Figures, which stand at the end. */
  isNumber?: boolean;
  cell: (record: R) => preact.ComponentChildren;
}

interface Props<R> {
  /** What the rows are, in plural: the table's name. */
  what: string;
  /** One of them. */
  one: string;
  /** The table's class. */
  kind: string;
  records: R[];
  /** The first one is inside the row's link. */
  columns: Column<R>[];
  /** Where a row leads. */
  to: (id: string) => string;
}

export function RecordTable<R extends Listed>({ what, one, kind, records, columns, to }: Props<R>) {
  const body = useRef<HTMLTableSectionElement>(null);
  const focusRow = (index: number) => {
    const record = records[Math.max(0, Math.min(index, records.length - 1))];
    if (!record) return;
    selected.value = record.id;
    const link = body.current?.querySelector<HTMLElement>(`[data-id="${CSS.escape(record.id)}"] a`);
    link?.focus({ preventScroll: true });
    link?.closest("tr")?.scrollIntoView({ block: "nearest" });
  };
  const current = () => records.findIndex(({ id }) => id === selected.value);
  useKeys(what, [
    { key: "j", does: `Next ${one}`, run: () => focusRow(current() + 1) },
    { key: "k", does: `Previous ${one}`, run: () => focusRow(Math.max(0, current() - 1)) },
    {
      key: "Enter",
      does: `Open the selected ${one}`,
      run: () => selected.value && navigate(to(selected.value)),
    },
  ]);
  useEffect(() => {
    const index = current();
    if (index > 0) focusRow(index);
  }, []);
  const showsSensor = sensors.value.length !== 1;
  return (
    <table class={`calls recs ${kind}`} role="table">
      <caption class="hidden">{what}</caption>
      <thead role="rowgroup">
        <tr role="row">
          {columns.map(({ name, head, title, isNumber }) => (
            <th key={name} scope="col" role="columnheader" class={className(name, isNumber)} title={title}>
              {head}
            </th>
          ))}
          {showsSensor && (
            <th scope="col" role="columnheader" class="c-r-sensor">
              Sensor
            </th>
          )}
          <th scope="col" role="columnheader" class="c-r-verdict">
            What happened
          </th>
        </tr>
      </thead>
      <tbody role="rowgroup" ref={body}>
        {records.map((record) => (
          <Row key={record.id} record={record} columns={columns} to={to(record.id)} showsSensor={showsSensor} />
        ))}
      </tbody>
    </table>
  );
}

const className = (name: string, isNumber?: boolean) => `c-${name}${isNumber ? " n" : ""}`;

interface RowProps<R> {
  record: R;
  columns: Column<R>[];
  to: string;
  showsSensor: boolean;
}

function Row<R extends Listed>({ record, columns, to, showsSensor }: RowProps<R>) {
  const { id, sensor, verdict } = record;
  const open = (event: MouseEvent) => {
    if ((event.target as Element).closest("a") || getSelection()?.toString()) return;
    selected.value = id;
    if (event.metaKey || event.ctrlKey) window.open(to);
    else navigate(to);
  };
  const sentence = localTimes(verdict.sentence, now.value);
  return (
    <tr
      role="row"
      data-id={id}
      class={`row-${verdict.severity} ${id === selected.value ? "current" : ""}`}
      onClick={open}
    >
      {columns.map(({ name, isNumber, cell }, index) => (
        <td key={name} role="cell" class={className(name, isNumber)}>
          {index === 0 ? (
            <a href={to} onFocus={() => (selected.value = id)}>
              {cell(record)}
            </a>
          ) : (
            cell(record)
          )}
        </td>
      ))}
      {showsSensor && (
        <td role="cell" class="c-r-sensor">
          <Clip text={sensor?.name} />
        </td>
      )}
      <td role="cell" class="c-verdict c-r-verdict">
        <SeverityIcon severity={verdict.severity} />
        <span class="clip" title={sentence}>
          {brief(sentence)}
        </span>
      </td>
    </tr>
  );
}
