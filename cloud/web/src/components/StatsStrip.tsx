// The figures over the chosen range, and its hours as a chart that can be dragged over.

import { useMemo } from "preact/hooks";
import type { ApiError } from "../api.js";
import { withParam, withRange } from "../filter.js";
import { count, duration, percent, plural } from "../format.js";
import { BANDS, type Band } from "../quality.js";
import { address, navigate, query } from "../router.js";
import { sensors } from "../store.js";
import type { Stats } from "../types.js";
import { heldAway } from "./Away.js";
import { HourChart } from "./HourChart.js";
import { BandShape } from "./Icon.js";

interface Props {
  stats: Stats | undefined;
  error: ApiError | null;
  /** They are of some of the calls only. */
  filtered: boolean;
}

export function StatsStrip({ stats, error, filtered }: Props) {
  if (!stats) {
    return (
      <section class="strip empty" aria-busy={!error} aria-label="Figures over the range">
        {error && <p class="pad muted">The figures could not be loaded: {error.message}</p>}
      </section>
    );
  }
  return (
    <section class="strip" aria-label="Figures over the range">
      <div class="tiles">
        <Channels {...stats.channels} />
        <Tile
          name={`Calls${filtered ? " that fit" : ""}${stats.partial ? ", newest hours" : ""}`}
          title="Records of calls: each sensor's view and each leg counts"
          value={count(stats.calls)}
          note={`${count(stats.answered)} answered`}
        />
        <Tile
          name="ASR"
          title="Answer-seizure ratio: answered calls as a share of all"
          value={percent(stats.asr)}
          note="answered"
        />
        <Tile
          name="ACD"
          title="Average call duration: mean from answer to end"
          value={duration(stats.acd_seconds === null ? null : stats.acd_seconds * 1000)}
          note="mean duration"
        />
        <Tile
          name="Sensors"
          value={`${stats.sensors.online} / ${stats.sensors.total}`}
          note="online"
          href="/sensors"
        />
        <Quality mos={stats.mos} />
      </div>
      <Hours stats={stats} />
    </section>
  );
}

interface TileProps {
  name: string;
  value: string;
  note?: string;
  title?: string;
  href?: string;
  children?: preact.ComponentChildren;
}

function Tile({ name, value, note, title, href, children }: TileProps) {
  const inside = (
    <>
      <span class="tile-name">{name}</span>
      <span class="tile-value">{value}</span>
      {note && <span class="tile-note">{note}</span>}
      {children}
    </>
  );
  return href ? (
    <a class="tile" href={href} title={title}>
      {inside}
    </a>
  ) : (
    <div class="tile" title={title}>
      {inside}
    </div>
  );
}

function Channels({ now, limit }: Stats["channels"]) {
  const used = now === null ? 0 : Math.min(1, now / limit);
  return (
    <Tile
      name="Channels now"
      value={count(now)}
      note={`of ${count(limit)}`}
      title="Calls in progress over all sensors, against the limit"
    >
      <Held limit={limit} />
      <svg class="meter" viewBox="0 0 100 4" preserveAspectRatio="none" aria-hidden="true">
        <rect class="meter-all" width="100" height="4" rx="2" />
        <rect class={used > 0.9 ? "meter-high" : "meter-used"} width={used * 100} height="4" rx="2" />
      </svg>
    </Tile>
  );
}

/** What sensors that are away keep reserved is missing to the others. */
function Held({ limit }: { limit: number }) {
  const held = heldAway(sensors.value);
  if (held === 0) return null;
  const title = `${count(held)} of ${count(limit)} channels are held by sensors that are offline: start them, or revoke those that do not come back`;
  return (
    <a class="tile-note held" href="/sensors" title={title}>
      {count(held)} held offline
    </a>
  );
}

/** How many calls fell into each band; a band opens its calls. */
function Quality({ mos }: { mos: Stats["mos"] }) {
  const scored = BANDS.filter(({ band }) => band !== "none");
  const total = scored.reduce((sum, { band }) => sum + mos[band], 0);
  let x = 0;
  return (
    <div class="tile tile-quality">
      <span class="tile-name">Quality of {plural(total, "scored call")}</span>
      <svg class="band-bar" viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true">
        <rect class="meter-all" width="100" height="6" />
        {total > 0 &&
          scored.map(({ band }) => {
            const width = (mos[band] / total) * 100;
            const rect = <rect key={band} class={`fill-${band}`} x={x} width={width} height="6" />;
            x += width;
            return rect;
          })}
      </svg>
      <ul class="band-counts">
        {BANDS.map(({ band, word, range }) => (
          <li key={band} title={range}>
            <BandLink band={band}>
              <BandShape band={band} />
              <span class="band-word">{word}</span> <strong>{count(mos[band])}</strong>
            </BandLink>
          </li>
        ))}
      </ul>
    </div>
  );
}

function BandLink({ band, children }: { band: Band; children: preact.ComponentChildren }) {
  return <a href={address("/calls", withParam(query.value, "band", band))}>{children}</a>;
}

function Hours({ stats }: { stats: Stats }) {
  const hours = useMemo(() => stats.by_hour, [JSON.stringify(stats.by_hour)]);
  const choose = (from: Date, to: Date) => navigate(address("/calls", withRange(query.value, from, to)));
  return <HourChart hours={hours} choose={choose} />;
}
