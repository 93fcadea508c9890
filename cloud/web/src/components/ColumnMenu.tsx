// Which columns the list shows; those that differ from the usual ones stand in the address.

import { COLUMNS, type Column, EXTRAS, extraColumns, hiddenColumns, leftOut } from "../columns.js";
import { withParam } from "../filter.js";
import { address, navigate, query } from "../router.js";
import { sensors } from "../store.js";
import { Icon } from "./Icon.js";
import { Menu } from "./Menu.js";

/** Turns one column round in a parameter of the address. */
function toggle(parameter: "hide" | "show", columns: Column[], old: ReadonlySet<string>, key: string): void {
  const next = new Set(old);
  if (!next.delete(key)) next.add(key);
  const value = columns.filter((column) => next.has(column.key)).map((column) => column.key);
  const cursor = query.value.get("cursor");
  const changed = withParam(query.value, parameter, value.join(","));
  if (cursor) changed.set("cursor", cursor);
  navigate(address("/calls", changed), { replace: true });
}

export function ColumnMenu() {
  const hidden = hiddenColumns(query.value);
  const extra = extraColumns(query.value);
  return (
    <Menu name="Columns" bare align="end" class="wide-only" label={<Icon name="columns" />}>
      {() => (
        <ul class="choices checks">
          {COLUMNS.map((column) => {
            const why = leftOut(column, sensors.value.length, innerWidth);
            return (
              <Choice
                key={column.key}
                column={column}
                checked={!why && !hidden.has(column.key)}
                why={why}
                onChange={() => toggle("hide", COLUMNS, hidden, column.key)}
              />
            );
          })}
          {EXTRAS.map((column, index) => (
            <Choice
              key={column.key}
              column={column}
              first={index === 0}
              checked={extra.has(column.key)}
              why={null}
              onChange={() => toggle("show", EXTRAS, extra, column.key)}
            />
          ))}
        </ul>
      )}
    </Menu>
  );
}

interface ChoiceProps {
  column: Column;
  checked: boolean;
  why: string | null;
  first?: boolean;
  onChange: () => void;
}

function Choice({ column, checked, why, first = false, onChange }: ChoiceProps) {
  return (
    <li class={first ? "choices-apart" : ""}>
      <label>
        <input type="checkbox" checked={checked} disabled={why !== null} onChange={onChange} />
        {column.label}
        {why && <span class="muted"> {why}</span>}
      </label>
    </li>
  );
}
