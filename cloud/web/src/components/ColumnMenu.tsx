// Which columns the list shows; the hidden ones stand in the address.

import { COLUMNS, hiddenColumns, leftOut } from "../columns.js";
import { withParam } from "../filter.js";
import { address, navigate, query } from "../router.js";
import { sensors } from "../store.js";
import { Icon } from "./Icon.js";
import { Menu } from "./Menu.js";

export function ColumnMenu() {
  const hidden = hiddenColumns(query.value);
  const toggle = (key: string) => {
    const next = new Set(hidden);
    if (!next.delete(key)) next.add(key);
    const value = COLUMNS.filter((column) => next.has(column.key)).map((column) => column.key);
    const cursor = query.value.get("cursor");
    const changed = withParam(query.value, "hide", value.join(","));
    if (cursor) changed.set("cursor", cursor);
    navigate(address("/calls", changed), { replace: true });
  };
  return (
    <Menu name="Columns" bare align="end" class="wide-only" label={<Icon name="columns" />}>
      {() => (
        <ul class="choices checks">
          {COLUMNS.map((column) => {
            const why = leftOut(column, sensors.value.length, innerWidth);
            const { key, label } = column;
            return (
              <li key={key}>
                <label>
                  <input
                    type="checkbox"
                    checked={!why && !hidden.has(key)}
                    disabled={why !== null}
                    onChange={() => toggle(key)}
                  />
                  {label}
                  {why && <span class="muted"> {why}</span>}
                </label>
              </li>
            );
          })}
        </ul>
      )}
    </Menu>
  );
}
