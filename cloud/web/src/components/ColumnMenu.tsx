// Which columns the list shows; the hidden ones stand in the address.

import { COLUMNS, hiddenColumns } from "../columns.js";
import { withParam } from "../filter.js";
import { address, navigate, query } from "../router.js";
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
          {COLUMNS.map(({ key, label }) => (
            <li key={key}>
              <label>
                <input type="checkbox" checked={!hidden.has(key)} onChange={() => toggle(key)} />
                {label}
              </label>
            </li>
          ))}
        </ul>
      )}
    </Menu>
  );
}
