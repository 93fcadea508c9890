// MOS, loss and jitter of each 10 s, one above the other with one cursor.

import { useMemo, useState } from "preact/hooks";
import type uPlot from "uplot";
import { NONE, clock } from "../format.js";
import { INTERVAL_SECONDS, type Timeline, timeline } from "../intervals.js";
import type { Stream } from "../types.js";
import { drawBands } from "./bands.js";
import { Chart, type Columns, type MakeOptions } from "./Chart.js";
import { directionWord, streamCaption } from "./Streams.js";

type Measure = "mos" | "lossPercent" | "jitter";

interface Spec {
  measure: Measure;
  title: string;
  decimals: number;
  unit: string;
  range: (high: number) => [number, number];
}

const SPECS: Spec[] = [
  { measure: "mos", title: "MOS, adaptive jitter buffer", decimals: 2, unit: "", range: () => [1, 4.6] },
  {
    measure: "lossPercent",
    title: "Packets lost, % of each 10 s",
    decimals: 1,
    unit: " %",
    range: (high) => [0, Math.max(2, high * 1.1)],
  },
  {
    measure: "jitter",
    title: "Jitter, ms",
    decimals: 1,
    unit: " ms",
    range: (high) => [0, Math.max(10, high * 1.1)],
  },
];

interface Props {
  streams: Stream[];
  /** Where the shared cursor stands, seconds since the epoch. */
  cursor: number | null;
}

export function QualityCharts({ streams, cursor }: Props) {
  const scored = useMemo(() => streams.filter((stream) => stream.intervals.length > 0), [streams]);
  const line = useMemo(() => timeline(scored), [scored]);
  const [hover, setHover] = useState<number | null>(null);
  if (scored.length === 0) {
    return <p class="muted pad">No figures over time: no stream lasted long enough.</p>;
  }
  if (line.at.length === 1) {
    return (
      <div class="quality-charts">
        <p class="muted">All of it lies within one interval of 10 s.</p>
        <IntervalTable line={line} streams={scored} />
      </div>
    );
  }
  const marked = cursor === null ? null : nearest(line.at, cursor);
  const index = hover ?? marked;
  return (
    <figure class="quality-charts">
      <p class="chart-legend">
        {scored.map((stream, number) => (
          <span key={number} class="legend-item" title={streamCaption(stream)}>
            <span class={`swatch swatch-${streams.indexOf(stream) % 4}`} /> {directionWord(stream)}
          </span>
        ))}
        <output class="readout">
          {index !== null && line.at[index] !== undefined && clock(new Date(line.at[index] * 1000))}
        </output>
      </p>
      {SPECS.map((spec) => (
        <div class="chart-row" key={spec.measure}>
          <h3>
            {spec.title}
            <span class="chart-values">
              {index !== null &&
                scored.map((_, number) => (
                  <span key={number} class={`value-${number % 4}`}>
                    {value(line, spec, number, index)}
                  </span>
                ))}
            </span>
          </h3>
          <Measured spec={spec} line={line} streams={scored} cursor={marked} hover={setHover} />
        </div>
      ))}
      <details class="as-table">
        <summary>Table of all 10 s</summary>
        <IntervalTable line={line} streams={scored} />
      </details>
    </figure>
  );
}

function value(line: Timeline, spec: Spec, stream: number, index: number): string {
  const found = line[spec.measure][stream]?.[index];
  return found == null ? "no data" : found.toFixed(spec.decimals) + spec.unit;
}

/** The slot whose 10 s hold a moment. */
function nearest(at: number[], moment: number): number | null {
  let best: number | null = null;
  at.forEach((time, index) => {
    if (time <= moment + 0.5) best = index;
  });
  return best;
}

interface MeasuredProps {
  spec: Spec;
  line: Timeline;
  streams: Stream[];
  cursor: number | null;
  hover: (index: number | null) => void;
}

function Measured({ spec, line, streams, cursor, hover }: MeasuredProps) {
  const columns = line[spec.measure];
  const end = (line.at.at(-1) ?? 0) + INTERVAL_SECONDS;
  // A step is drawn up to the next point: the last interval needs its end.
  const data = useMemo<Columns>(
    () =>
      spec.measure === "mos"
        ? [line.at, ...columns]
        : [[...line.at, end], ...columns.map((column) => [...column, column.at(-1) ?? null])],
    [line],
  );
  const known = columns.some((column) => column.some((one) => one !== null));
  if (!known) return <p class="muted pad">No data: {reason(spec.measure, streams)}.</p>;
  const options: MakeOptions = (plots, colour) => ({
    padding: [6, 20, 0, 0],
    legend: { show: false },
    cursor: {
      y: false,
      sync: { key: "call" },
      drag: { x: false, y: false },
      points: { size: 7 },
    },
    scales: {
      x: { range: (_, low) => [low, end] },
      y: { range: (_, __, high) => spec.range(high) },
    },
    axes: [
      {
        stroke: colour("muted"),
        font: "11px system-ui, sans-serif",
        size: 24,
        gap: 5,
        space: 72,
        grid: { show: false },
        ticks: { show: false },
        values: clockLabels,
      },
      {
        stroke: colour("muted"),
        font: "11px system-ui, sans-serif",
        size: 34,
        gap: 4,
        space: 22,
        grid: { stroke: colour("line"), width: 1 },
        ticks: { show: false },
      },
    ],
    series: [
      {},
      ...streams.map((_, number): uPlot.Series => ({
        label: String(number),
        stroke: colour(`series-${number % 4}`),
        width: 1.75,
        spanGaps: false,
        points: {
          show: spec.measure === "mos" && line.at.length < 40,
          size: 5,
          fill: colour(`series-${number % 4}`),
          width: 0,
        },
        ...(spec.measure === "mos" ? {} : stepped(plots)),
        ...(number % 2 === 1 ? { dash: [5, 3] } : {}),
      })),
    ],
    hooks: {
      drawClear: spec.measure === "mos" ? [(plot) => drawBands(plot, colour)] : [],
      setCursor: [
        (plot) =>
          plot.cursor.left !== undefined &&
          hover(plot.cursor.left < 0 ? null : within(plot.cursor.idx, line)),
      ],
    },
  });
  return (
    <Chart
      data={data}
      options={options}
      height={spec.measure === "mos" ? 132 : 92}
      version={`${line.at[0]} ${line.at.length}`}
      cursor={cursor === null ? null : (line.at[cursor] ?? null)}
      label={`${spec.title}, over ${line.at.length} intervals; the table below has the figures`}
    />
  );
}

/** The interval at a point of the drawing; the end of the last belongs to it. */
const within = (index: number | null | undefined, line: Timeline) =>
  index == null ? null : Math.min(index, line.at.length - 1);

const stepped = (plots: typeof uPlot) => {
  const paths = plots.paths.stepped?.({ align: 1 });
  return paths ? { paths } : {};
};

const clockLabels = (_: uPlot, splits: number[]) => splits.map((at) => clock(new Date(at * 1000)));

function reason(measure: Measure, streams: Stream[]): string {
  if (measure === "jitter") return "the clock rate of the payload is unknown";
  return streams.find(({ mos_reason }) => mos_reason)?.mos_reason ?? "nothing was measured";
}

function IntervalTable({ line, streams }: { line: Timeline; streams: Stream[] }) {
  const cell = (found: number | null | undefined, decimals: number) =>
    found == null ? NONE : found.toFixed(decimals);
  return (
    <div class="scroll-x" tabIndex={0} role="group" aria-label="Figures of each 10 s">
      <table class="plain">
        <thead>
          <tr>
            <th scope="col" rowSpan={2}>
              From
            </th>
            {streams.map((stream, number) => (
              <th key={number} scope="colgroup" colSpan={3}>
                {directionWord(stream)}
              </th>
            ))}
          </tr>
          <tr>
            {streams.map((_, number) => [
              <th key={`${number}m`} scope="col" class="n">
                MOS
              </th>,
              <th key={`${number}l`} scope="col" class="n">
                Loss, %
              </th>,
              <th key={`${number}j`} scope="col" class="n">
                Jitter, ms
              </th>,
            ])}
          </tr>
        </thead>
        <tbody>
          {line.at.map((at, index) => (
            <tr key={at}>
              <th scope="row">{clock(new Date(at * 1000))}</th>
              {streams.map((_, number) => [
                <td key={`${number}m`} class="n">
                  {cell(line.mos[number]?.[index], 2)}
                </td>,
                <td key={`${number}l`} class="n">
                  {cell(line.lossPercent[number]?.[index], 1)}
                </td>,
                <td key={`${number}j`} class="n">
                  {cell(line.jitter[number]?.[index], 1)}
                </td>,
              ])}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
