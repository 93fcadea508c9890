// How things stand: a verdict, the figures over time beside those of the time before, the worst.

import { useMemo } from "preact/hooks";
import { api } from "../api.js";
import { drawBands } from "../components/bands.js";
import { Failed, StaleMark, Waiting } from "../components/Notice.js";
import { RangePicker } from "../components/RangePicker.js";
import { type Curve, TimeChart } from "../components/TimeChart.js";
import { Verdict } from "../components/Verdict.js";
import { AddressesCard, NumbersCard, SensorsCard } from "../components/Worst.js";
import { rangeOf, withRange } from "../filter.js";
import { clock, count, day, figure, longDuration, percent, plural, sameDay, share } from "../format.js";
import { useLoad } from "../load.js";
import {
  CALLS,
  LEAST_BEFORE,
  type Change,
  MEASURES,
  type Measure,
  type Overview as OverviewData,
  type Point,
  callsOf,
  changeOf,
  overviewQuery,
} from "../overview.js";
import { address, navigate, query } from "../router.js";
import { now } from "../store.js";
import { useTitle } from "../title.js";

export function Overview() {
  useTitle("Overview");
  const asked = query.value;
  const key = ["range", "from", "to"].map((name) => asked.get(name) ?? "").join(" ");
  const ends = rangeOf(asked, now.value).to !== null;
  const { data, error, reload } = useLoad(
    `overview ${key}`,
    (signal) => api.overview(overviewQuery(asked, new Date()), signal),
    { live: ends ? false : "slow" },
  );
  return (
    <>
      <header class="overview-head">
        <div>
          <h1>Overview</h1>
          {data && <Span overview={data} open={!ends} />}
        </div>
        <RangePicker path="/" />
      </header>
      <StaleMark error={data ? error : null} />
      {data ? <Shown overview={data} /> : error ? <Failed error={error} retry={reload} /> : <Waiting rows={12} />}
    </>
  );
}

/** Which time it is of, and with which it is compared. */
function Span({ overview, open }: { overview: OverviewData; open: boolean }) {
  const [from, to] = [new Date(overview.from), new Date(overview.to)];
  const text = (at: Date) =>
    `${sameDay(at, now.value) ? "" : `${day(at, now.value)} `}${clock(at).slice(0, 5)}`;
  const length = (to.getTime() - from.getTime()) / 1000;
  return (
    <p class="muted">
      {text(from)} – {open ? "now" : text(to)}
      {overview.before && `, compared with the ${lengthText(length)} before`}
    </p>
  );
}

/** Two days and less in hours, as the picker says. Both ends lie on whole five minutes, so some are more. */
function lengthText(seconds: number): string {
  const [hours, days] = [Math.round(seconds / 3600), Math.round(seconds / 86_400)];
  const isNear = (length: number) => Math.abs(seconds - length) <= 600;
  if (hours <= 48 && isNear(hours * 3600)) return plural(hours, "hour");
  return isNear(days * 86_400) ? plural(days, "day") : longDuration(seconds);
}

/** The points of a measure, with those of the time before. */
function curveOf(overview: OverviewData, of: (point: Point) => number | null): Curve {
  const { points, before } = overview;
  const hasBefore = before !== null && before.figures.calls >= LEAST_BEFORE;
  return {
    at: points.map(({ at }) => Date.parse(at) / 1000),
    values: points.map(of),
    before: hasBefore ? points.map((_, index) => valueAt(before.points[index], of)) : [],
  };
}

const valueAt = (point: Point | undefined, of: (point: Point) => number | null) => (point ? of(point) : null);

const choose = (from: Date, to: Date) => navigate(address("/", withRange(query.value, from, to)));

function Shown({ overview }: { overview: OverviewData }) {
  return (
    <div class="overview">
      <Verdict overview={overview} />
      {overview.sensors.total > 0 && <Everything overview={overview} />}
    </div>
  );
}

function Everything({ overview }: { overview: OverviewData }) {
  return (
    <>
      <div class="overview-charts">
        <ChannelsCard overview={overview} />
        <MeasureCard overview={overview} measure={CALLS} href={callsOf(overview)} kind="bars" height={132} />
        {MEASURES.map((measure) => (
          <MeasureCard key={measure.key} overview={overview} measure={measure} />
        ))}
      </div>
      <p class="overview-key muted">
        <span class="key-line" aria-hidden="true" /> this time
        {overview.before && (
          <>
            <span class="key-line key-before" aria-hidden="true" /> the time before
          </>
        )}
        <span class="wide-only">Drag over a chart to choose a time. Each sensor's view of a call is a record of its own and counts.</span>
      </p>
      <div class="overview-worst">
        <SensorsCard overview={overview} />
        <NumbersCard overview={overview} />
        <AddressesCard overview={overview} />
      </div>
    </>
  );
}

function ChannelsCard({ overview }: { overview: OverviewData }) {
  const { now: used, limit, busiest } = overview.channels;
  const curve = useMemo(() => curveOf(overview, ({ channels }) => channels), [overview]);
  const high = Math.max(busiest?.channels ?? 0, used ?? 0, 4);
  // A limit that is far away would press the curve flat.
  const near = high >= limit * 0.3;
  const bounds = (_: number, most: number): [number, number] => [
    0,
    near ? Math.max(limit * 1.08, most * 1.05) : Math.max(4, most * 1.15),
  ];
  return (
    <section class="card time-card channels-card" aria-label="Channels">
      <header class="time-head">
        <h2 title="Calls in progress over all sensors, against the limit">Channels</h2>
        <span class="time-value">{count(used)}</span>
        <span class="muted">
          {used === null ? "no sensor is there to tell" : "now"}, of {count(limit)}
        </span>
        {busiest && (
          <span class="time-note muted">
            most {figure(busiest.channels, 0)} ({percent(share(busiest.channels, limit), 0)}) at{" "}
            {clock(new Date(busiest.at)).slice(0, 5)}
            {!sameDay(new Date(busiest.at), now.value) && `, ${day(new Date(busiest.at), now.value)}`}
          </span>
        )}
      </header>
      <TimeChart
        title="Channels"
        curve={curve}
        step={overview.point_seconds}
        text={(value) => figure(value, 0)}
        bounds={bounds}
        kind="area"
        height={132}
        limit={near ? { value: limit, text: `limit ${count(limit)}` } : null}
        tableText={(value) => figure(value, 1)}
        choose={choose}
      />
    </section>
  );
}

interface MeasureProps {
  overview: OverviewData;
  measure: Measure;
  href?: string;
  kind?: "line" | "bars";
  height?: number;
}

function MeasureCard({ overview, measure, href, kind = "line", height = 104 }: MeasureProps) {
  const curve = useMemo(
    () => curveOf(overview, (point) => (point.calls === 0 && measure !== CALLS ? null : measure.of(point))),
    [overview],
  );
  const value = measure.text(measure.of(overview.figures));
  const before = overview.before?.figures ?? null;
  const old = before && before.calls >= LEAST_BEFORE ? `before: ${measure.text(measure.of(before))}` : undefined;
  return (
    <section class="card time-card" aria-label={measure.title}>
      <header class="time-head">
        <h2 title={measure.means}>{measure.title}</h2>
        <span class="time-value">{href ? <a href={href}>{value}</a> : value}</span>
        <Delta change={changeOf(measure, overview.figures, before)} title={old} />
      </header>
      <TimeChart
        title={measure.title}
        curve={curve}
        step={overview.point_seconds}
        text={measure.text}
        bounds={measure.bounds}
        kind={kind}
        height={height}
        {...(measure.incrs ? { incrs: measure.incrs } : {})}
        {...(measure.key === "mos" ? { behind: drawBands } : {})}
        choose={choose}
      />
    </section>
  );
}

const ARROW = { up: "▲", down: "▼", same: "" };
const WORD = { up: "up by ", down: "down by ", same: "" };

function Delta({ change, title }: { change: Change | null; title: string | undefined }) {
  if (!change) return null;
  return (
    <span class={`delta delta-${change.weight}`} title={title}>
      <span aria-hidden="true">{ARROW[change.arrow]}</span>
      <span class="hidden">{WORD[change.arrow]}</span> {change.text}
      {change.weight !== "neutral" && <span class="hidden"> ({change.weight})</span>}
    </span>
  );
}
