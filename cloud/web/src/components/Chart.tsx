// uPlot in a component: fits its box, follows the theme, shares a cursor by `group`.

import { useEffect, useRef, useState } from "preact/hooks";
import type uPlot from "uplot";
import { theme } from "../store.js";

export type Columns = uPlot.AlignedData;
/** Makes options when the chart is drawn: with uPlot itself, and colours as they are then. */
export type MakeOptions = (
  plots: typeof uPlot,
  colour: (name: string) => string,
) => Omit<uPlot.Options, "width" | "height">;

/** uPlot is fetched with the first chart, so that lists need not wait for it. */
let library: typeof uPlot | null = null;

function useLibrary(): { plots: typeof uPlot | null; failed: boolean } {
  const [plots, setPlots] = useState(() => library);
  const [failed, setFailed] = useState(false);
  useEffect(() => {
    if (plots) return;
    import("uplot").then(
      (module) => setPlots(() => (library = module.default)),
      () => setFailed(true),
    );
  }, []);
  return { plots, failed };
}

interface Props {
  data: Columns;
  options: MakeOptions;
  height: number;
  /** What the chart shows, for those who do not see it. */
  label: string;
  /** Redraws with new options when it changes. */
  version?: string;
  /** Where the shared cursor is put, in the x axis' unit. */
  cursor?: number | null;
}

/** The colour that a custom property has now, as canvas understands it. */
function colourOf(probe: HTMLElement, name: string): string {
  probe.style.color = `var(--${name})`;
  return getComputedStyle(probe).color;
}

export function Chart({ data, options, height, label, version = "", cursor = null }: Props) {
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const scheme = theme.value;
  const { plots, failed } = useLibrary();

  useEffect(() => {
    const element = box.current;
    if (!element || !plots) return;
    const make = () => {
      plot.current?.destroy();
      const made = options(plots, (name) => colourOf(element, name));
      element.style.color = "";
      plot.current = new plots({ ...made, width: element.clientWidth, height }, data, element);
    };
    make();
    const resized = new ResizeObserver(() => {
      if (element.clientWidth > 0 && element.clientWidth !== plot.current?.width) {
        plot.current?.setSize({ width: element.clientWidth, height });
      }
    });
    resized.observe(element);
    const system = matchMedia("(prefers-color-scheme: dark)");
    system.addEventListener("change", make);
    return () => {
      system.removeEventListener("change", make);
      resized.disconnect();
      plot.current?.destroy();
      plot.current = null;
    };
  }, [plots, scheme, version, height]);

  useEffect(() => plot.current?.setData(data), [data]);

  useEffect(() => {
    const chart = plot.current;
    if (!chart || cursor === null) return;
    chart.setCursor({ left: chart.valToPos(cursor, "x"), top: 0 });
  }, [plots, cursor, data, version]);

  if (failed) return <p class="muted pad">The chart could not be loaded; the table has its figures.</p>;
  return <div class={`chart chart-${height}`} ref={box} role="img" aria-label={label} />;
}
