// The bands of MOS behind a chart.

import type uPlot from "uplot";
import { MOS_DEGRADED, MOS_FAIR } from "../quality.js";

/** Shades what is fair and what is degraded. */
export function drawBands(plot: uPlot, colour: (name: string) => string): void {
  const { ctx, bbox } = plot;
  const y = (mos: number) => plot.valToPos(mos, "y", true);
  const shade = (low: number, high: number, fill: string) => {
    ctx.fillStyle = fill;
    ctx.fillRect(bbox.left, y(high), bbox.width, y(low) - y(high));
  };
  ctx.save();
  shade(MOS_DEGRADED, MOS_FAIR, colour("fair-wash"));
  shade(1, MOS_DEGRADED, colour("bad-wash"));
  ctx.restore();
}
