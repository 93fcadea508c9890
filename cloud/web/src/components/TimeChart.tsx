// One measure over time, with the time before as a dashed line; dragging over it chooses a range.

import { useMemo, useState } from "preact/hooks";
import type uPlot from "uplot";
import { clock, day } from "../format.js";
import { now } from "../store.js";
import { Chart, type Columns, type MakeOptions } from "./Chart.js";

export interface Curve {
  /** Beginnings of the points, seconds since the epoch. */
  at: number[];
  values: (number | null)[];
  /** Of the time before, point by point; empty where there is none. */
  before: (number | null)[];
}

interface Props {
  title: string;
  curve: Curve;
  /** Length of a point, seconds. */
  step: number;
  text: (value: number | null) => string;
  bounds: (low: number, high: number) => [number, number];
  kind?: "line" | "bars" | "area";
  height?: number;
  /** Drawn across, where it lies within the axis. */
  limit?: { value: number; text: string } | null;
  /** With more decimals, where the table has them. */
  tableText?: (value: number | null) => string;
  /** Distances of the lines across, where round numbers are not what people read. */
  incrs?: number[];
  /** Draws what lies behind the curve. */
  behind?: (plot: uPlot, colour: (name: string) => string) => void;
  choose: (from: Date, to: Date) => void;
}

/** Hours and minutes; days beyond two of them; midnight reads as its day. */
function labels(plot: uPlot, splits: number[]): string[] {
  const { min, max } = plot.scales["x"] ?? {};
  const days = (max ?? 0) - (min ?? 0) > 2.1 * 86_400;
  return splits.map((seconds) => {
    const at = new Date(seconds * 1000);
    if (at.getHours() === 0 && at.getMinutes() === 0) return day(at, now.value);
    return days ? "" : clock(at).slice(0, 5);
  });
}

const known = (values: (number | null)[]) => values.filter((value) => value !== null);

export function TimeChart(props: Props) {
  const { title, curve, step, text, bounds, kind = "line", height = 104, limit, choose } = props;
  const { tableText, incrs, behind } = props;
  const [hover, setHover] = useState<number | null>(null);
  const end = (curve.at.at(-1) ?? 0) + step;
  const data = useMemo<Columns>(() => {
    // A step is drawn up to the next point: the last one needs its end.
    const close = (values: (number | null)[]) => [...values, kind === "bars" ? null : (values.at(-1) ?? null)];
    const before = curve.at.map((_, index) => curve.before[index] ?? null);
    return [[...curve.at, end], close(curve.values), close(before)];
  }, [curve]);
  const all = [...known(curve.values), ...known(curve.before)];
  const [low, high] = bounds(Math.min(...all, Infinity), Math.max(...all, 0));
  const options: MakeOptions = (plots, colour) => {
    const axis = {
      stroke: colour("muted"),
      font: "11px system-ui, sans-serif",
      ticks: { show: false },
      gap: 4,
    };
    const bars = plots.paths.bars?.({ size: [0.8, 24], align: 1 });
    const stepped = plots.paths.stepped?.({ align: 1 });
    const main = kind === "bars" ? bars : kind === "area" ? stepped : undefined;
    return {
      padding: [8, 20, 0, 0],
      legend: { show: false },
      cursor: {
        y: false,
        sync: { key: "overview" },
        drag: { x: true, y: false, setScale: false },
        points: { show: kind === "line", size: 7 },
      },
      scales: { x: { range: (_, first) => [first, end] }, y: { range: () => [low, high] } },
      axes: [
        { ...axis, size: 22, space: 64, grid: { show: false }, values: labels },
        {
          ...axis,
          size: 44,
          space: 24,
          grid: { stroke: colour("line"), width: 1 },
          ...(incrs ? { incrs } : {}),
          values: (_, splits) => splits.map((value) => text(value).replace(/\.0+(?= |$)/, "")),
        },
      ],
      series: [
        {},
        {
          label: "now",
          stroke: colour(kind === "bars" ? "bar" : "series-0"),
          width: kind === "bars" ? 0 : 1.75,
          points: { show: kind === "line" && alone(curve.values), size: 4 },
          ...(kind === "line" ? {} : { fill: colour(kind === "bars" ? "bar" : "bar-soft") }),
          ...(main ? { paths: main } : {}),
        },
        {
          label: "before",
          stroke: colour("muted"),
          width: 1.25,
          dash: [4, 3],
          points: { show: false },
          ...(stepped && kind !== "line" ? { paths: stepped } : {}),
        },
      ],
      hooks: {
        drawClear: behind ? [(plot) => behind(plot, colour)] : [],
        draw: limit ? [(plot) => drawLimit(plot, limit, colour("bad"))] : [],
        setCursor: [
          (plot) => {
            const index = plot.cursor.idx;
            const inside = (plot.cursor.left ?? -1) >= 0 && index != null;
            setHover(inside ? Math.min(index, curve.at.length - 1) : null);
          },
        ],
        setSelect: [
          (plot) => {
            if (plot.select.width < 4) return;
            const from = plot.posToVal(plot.select.left, "x");
            const to = plot.posToVal(plot.select.left + plot.select.width, "x");
            plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
            choose(new Date(from * 1000), new Date(to * 1000));
          },
        ],
      },
    };
  };
  return (
    <>
      {all.length === 0 ? (
        <p class={`chart-none chart-${height} muted`}>No data in this time.</p>
      ) : (
        <Chart
          data={data}
          options={options}
          height={height}
          version={`${curve.at[0]} ${end} ${low} ${high}`}
          label={`${title} at ${curve.at.length} points in time; the table below has the figures`}
        />
      )}
      <div class="time-foot">
        <CurveTable title={title} curve={curve} text={tableText ?? text} />
        <output class="time-readout">
          {hover !== null && curve.at[hover] !== undefined && (
            <>
              {moment(curve.at[hover])}: <strong>{text(curve.values[hover] ?? null)}</strong>
              {curve.before.length > 0 && `, before ${text(curve.before[hover] ?? null)}`}
            </>
          )}
        </output>
      </div>
    </>
  );
}

/** A value with none beside it makes no line: it is shown as a point. */
const alone = (values: (number | null)[]) =>
  values.some((value, index) => value !== null && values[index - 1] == null && values[index + 1] == null);

function moment(seconds: number): string {
  const at = new Date(seconds * 1000);
  return `${day(at, now.value)} ${clock(at).slice(0, 5)}`;
}

function drawLimit(plot: uPlot, limit: { value: number; text: string }, colour: string): void {
  const { ctx, bbox } = plot;
  const y = Math.round(plot.valToPos(limit.value, "y", true));
  if (y < bbox.top || y > bbox.top + bbox.height) return;
  ctx.save();
  ctx.strokeStyle = ctx.fillStyle = colour;
  ctx.lineWidth = 1.5 * devicePixelRatio;
  ctx.setLineDash([6 * devicePixelRatio, 3 * devicePixelRatio]);
  ctx.beginPath();
  ctx.moveTo(bbox.left, y);
  ctx.lineTo(bbox.left + bbox.width, y);
  ctx.stroke();
  ctx.font = `${11 * devicePixelRatio}px system-ui, sans-serif`;
  ctx.textAlign = "right";
  ctx.textBaseline = "top";
  ctx.fillText(limit.text, bbox.left + bbox.width - 4 * devicePixelRatio, y + 3 * devicePixelRatio);
  ctx.restore();
}

interface TableProps {
  title: string;
  curve: Curve;
  text: (value: number | null) => string;
}

/** The same as a table. */
function CurveTable({ title, curve, text }: TableProps) {
  return (
    <details class="as-table">
      <summary>
        Table<span class="hidden"> of {title}</span>
      </summary>
      <div class="scroll-x" tabIndex={0} role="group" aria-label={`${title} as a table`}>
        <table class="plain">
          <thead>
            <tr>
              <th scope="col">From</th>
              <th scope="col" class="n">
                {title}
              </th>
              {curve.before.length > 0 && (
                <th scope="col" class="n">
                  Before
                </th>
              )}
            </tr>
          </thead>
          <tbody>
            {curve.at.map((at, index) => (
              <tr key={at}>
                <th scope="row">{moment(at)}</th>
                <td class="n">{text(curve.values[index] ?? null)}</td>
                {curve.before.length > 0 && <td class="n">{text(curve.before[index] ?? null)}</td>}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </details>
  );
}
