// Which time is looked at: a span up to now, or two fixed moments.

import { RANGES, rangeOf, withNamedRange, withRange } from "../filter.js";
import { clock, day, localInput } from "../format.js";
import { address, navigate, query } from "../router.js";
import { now, session } from "../store.js";
import { Icon } from "./Icon.js";
import { Menu } from "./Menu.js";

/** `path`: the page whose range it is. */
export function RangePicker({ path = "/calls" }: { path?: string }) {
  const range = rangeOf(query.value, now.value);
  const known = RANGES.find(({ key }) => key === range.key);
  return (
    <Menu
      name="Time range"
      class="range"
      align="end"
      label={
        <>
          {known && !range.to ? known.label : <Fixed from={range.from} to={range.to} />}
          <Icon name="down" />
        </>
      }
    >
      {(close) => <Panel path={path} close={close} from={range.from} to={range.to} chosen={range.key} />}
    </Menu>
  );
}

function Fixed({ from, to }: { from: Date; to: Date | null }) {
  const text = (at: Date) => `${day(at, now.value)} ${clock(at).slice(0, 5)}`;
  return (
    <span>
      {text(from)} – {to ? text(to) : "now"}
    </span>
  );
}

interface PanelProps {
  path: string;
  close: () => void;
  from: Date;
  to: Date | null;
  chosen: string | null;
}

function Panel({ path, close, from, to, chosen }: PanelProps) {
  const go = (next: URLSearchParams) => navigate(address(path, next));
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    const data = new FormData(event.currentTarget as HTMLFormElement);
    const start = new Date(String(data.get("from")));
    const end = String(data.get("to") ?? "");
    if (Number.isNaN(start.getTime())) return;
    close();
    go(withRange(query.value, start, end ? new Date(end) : null));
  };
  const days = session.value?.limits?.retention_days ?? 25;
  return (
    <div class="range-panel">
      <ul class="choices">
        {RANGES.map(({ key, label }) => (
          <li key={key}>
            <button
              type="button"
              aria-pressed={key === chosen && !to}
              onClick={() => {
                close();
                go(withNamedRange(query.value, key));
              }}
            >
              {label}
            </button>
          </li>
        ))}
      </ul>
      <form onSubmit={submit}>
        <label>
          <span>From</span>
          <input type="datetime-local" name="from" required defaultValue={localInput(from)} />
        </label>
        <label>
          <span>To (empty: now)</span>
          <input type="datetime-local" name="to" defaultValue={to ? localInput(to) : ""} />
        </label>
        <button type="submit" class="primary">
          Show
        </button>
      </form>
      <p class="muted">
        {path === "/calls" || path === "/"
          ? `Calls are kept ${days} days. Drag over the chart to choose hours.`
          : `Records are kept ${days} days.`}
      </p>
    </div>
  );
}
