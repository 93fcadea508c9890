// Calls an hour as bars, the answered ones within them; dragging over it chooses a range.

import { useMemo } from "preact/hooks";
import type uPlot from "uplot";
import { clock, count, day, percent, plural, share } from "../format.js";
import { now } from "../store.js";
import type { Hour } from "../types.js";
import { Chart, type Columns, type MakeOptions } from "./Chart.js";

const HOUR = 3600;

interface Props {
  hours: Hour[];
  choose: (from: Date, to: Date) => void;
}

interface Bar {
  at: number;
  calls: number;
  answered: number;
  mosMean: number | null;
}

/** Hours without a call are hours with 0 calls: the bars then stand where they belong. */
export function filled(hours: Hour[]): Bar[] {
  const known = hours.map((hour) => ({ ...hour, time: Date.parse(hour.at) / 1000 }));
  const byTime = new Map(known.map((hour) => [hour.time, hour]));
  const [first, last] = [known[0]?.time, known.at(-1)?.time];
  if (first === undefined || last === undefined) return [];
  const all = [];
  for (let at = first; at <= last; at += HOUR) {
    const hour = byTime.get(at);
    all.push({ at, calls: hour?.calls ?? 0, answered: hour?.answered ?? 0, mosMean: hour?.mos_mean ?? null });
  }
  return all;
}

export function HourChart({ hours, choose }: Props) {
  const all = useMemo(() => filled(hours), [hours]);
  const data = useMemo<Columns>(
    () => [all.map((h) => h.at), all.map((h) => h.calls), all.map((h) => h.answered)],
    [all],
  );
  const options: MakeOptions = (plots, colour) => {
    const bars = plots.paths.bars?.({ size: [0.78, 28], align: 1 });
    const axis = {
      stroke: colour("muted"),
      font: "11px system-ui, sans-serif",
      grid: { stroke: colour("line"), width: 1 },
      ticks: { show: false },
    };
    const series = (label: string, fill: string): uPlot.Series => ({
      label,
      fill,
      stroke: fill,
      width: 0,
      points: { show: false },
      ...(bars ? { paths: bars } : {}),
    });
    return {
      padding: [6, 16, 0, 0],
      legend: { show: false },
      cursor: {
        points: { show: false },
        y: false,
        drag: { x: true, y: false, setScale: false },
      },
      scales: {
        x: { range: (_, low, high) => [low, high + HOUR] },
        y: { range: (_, __, high) => [0, Math.max(4, high * 1.05)] },
      },
      axes: [
        { ...axis, size: 24, gap: 4, grid: { show: false }, space: 64, values: labels },
        {
          ...axis,
          size: 34,
          gap: 4,
          space: 26,
          incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000],
        },
      ],
      series: [{}, series("calls", colour("bar-soft")), series("answered", colour("bar"))],
      hooks: {
        setSelect: [
          (plot) => {
            if (plot.select.width < 4) return;
            const from = plot.posToVal(plot.select.left, "x");
            const to = plot.posToVal(plot.select.left + plot.select.width, "x");
            plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
            choose(new Date(from * 1000), new Date(to * 1000));
          },
        ],
        setCursor: [(plot) => showHour(plot, all)],
      },
    };
  };
  if (all.length === 0) return <p class="hours muted">No call in this range.</p>;
  return (
    <figure class="hours">
      <figcaption>
        <span>Calls an hour</span>
        <span class="key key-answered">answered</span>
        <span class="key key-not">not answered</span>
        <span class="drag-hint wide-only">drag to choose hours</span>
        <output class="readout" />
      </figcaption>
      <Chart
        data={data}
        options={options}
        height={104}
        version={String(all.length)}
        label={`Calls an hour over ${all.length} hours; the table below has the figures`}
      />
      <details class="as-table">
        <summary>Table</summary>
        <HourTable hours={hours} />
      </details>
    </figure>
  );
}

/** Hours within two days, days beyond; midnight reads as its day. */
function labels(plot: uPlot, splits: number[]): string[] {
  const { min, max } = plot.scales["x"] ?? {};
  const days = (max ?? 0) - (min ?? 0) > 50 * HOUR;
  return splits.map((seconds) => {
    const at = new Date(seconds * 1000);
    if (at.getHours() === 0) return day(at, now.value);
    return days ? "" : clock(at).slice(0, 5);
  });
}

function showHour(plot: uPlot, all: Bar[]): void {
  const readout = plot.root.closest("figure")?.querySelector(".readout");
  const hour = plot.cursor.idx == null ? undefined : all[plot.cursor.idx];
  if (!readout) return;
  readout.textContent = hour ? hourSentence(hour) : "";
}

function hourSentence({ at, calls, answered, mosMean }: Bar): string {
  const asr = percent(share(answered, calls), 0);
  const mos = mosMean === null ? "" : `, mean MOS ${mosMean.toFixed(2)}`;
  return `${hourText(at)}: ${plural(calls, "call")}, ${count(answered)} answered (${asr})${mos}`;
}

function hourText(seconds: number): string {
  const at = new Date(seconds * 1000);
  const two = (n: number) => String(n).padStart(2, "0");
  return `${day(at, now.value)} ${two(at.getHours())}:00 – ${two((at.getHours() + 1) % 24)}:00`;
}

function HourTable({ hours }: { hours: Hour[] }) {
  return (
    <div class="scroll-x">
      <table class="plain">
        <thead>
          <tr>
            <th scope="col">Hour</th>
            <th scope="col" class="n">
              Calls
            </th>
            <th scope="col" class="n">
              Answered
            </th>
            <th scope="col" class="n">
              Mean MOS
            </th>
          </tr>
        </thead>
        <tbody>
          {hours.map((hour) => (
            <tr key={hour.at}>
              <th scope="row">{hourText(Date.parse(hour.at) / 1000)}</th>
              <td class="n">{count(hour.calls)}</td>
              <td class="n">{count(hour.answered)}</td>
              <td class="n">{hour.mos_mean === null ? "–" : hour.mos_mean.toFixed(2)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
