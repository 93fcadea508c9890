// The SIP ladder: drawn as SVG, and the same as an ordered list for those who do not see it.

import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { useKeys } from "../keys.js";
import {
  type Arrow,
  GEOMETRY,
  type Layout,
  TIME_MODES,
  type TimeMode,
  layout,
  sentence,
  timeText,
} from "../ladder.js";
import type { SipEvent } from "../types.js";
import { usualReason } from "../words/reasons.js";

const MODE_WORD: Record<TimeMode, string> = {
  since_first: "Since first",
  since_previous: "Since previous",
  clock: "Clock",
};

interface Props {
  events: SipEvent[];
  omitted: number;
  /** The event that the shared cursor stands on. */
  marked: number | null;
  mark: (index: number) => void;
}

export function Ladder({ events, omitted, marked, mark }: Props) {
  const [mode, setMode] = useState<TimeMode>("since_first");
  const box = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(640);
  useEffect(() => {
    const element = box.current;
    if (!element) return;
    const watch = new ResizeObserver(() => setWidth(element.clientWidth));
    watch.observe(element);
    return () => watch.disconnect();
  }, []);
  useKeys("SIP ladder", [
    {
      key: "w",
      does: "Ladder times: since first, since previous, clock",
      run: () => setMode((old) => TIME_MODES[(TIME_MODES.indexOf(old) + 1) % 3] ?? "clock"),
    },
  ]);
  const placed = useMemo(() => layout(events, width), [events, width]);
  useEffect(() => {
    if (marked === null) return;
    box.current?.querySelector(`[data-arrow="${marked}"]`)?.scrollIntoView({ block: "nearest" });
  }, [marked]);

  return (
    <section class="card ladder-card" id="ladder" aria-label="SIP ladder">
      <header class="card-head">
        <h2>SIP</h2>
        <div class="segments" role="group" aria-label="Times">
          {TIME_MODES.map((one) => (
            <button key={one} type="button" aria-pressed={one === mode} onClick={() => setMode(one)}>
              {MODE_WORD[one]}
            </button>
          ))}
        </div>
      </header>
      {events.length === 0 ? (
        <p class="muted pad">No SIP message of this call was seen.</p>
      ) : (
        <div
          class="scroll-x ladder-box"
          ref={box}
          tabIndex={0}
          role="group"
          aria-label="Ladder, scrolls sideways"
        >
          <Drawing placed={placed} mode={mode} marked={marked} mark={mark} />
        </div>
      )}
      <ol class="hidden">
        {placed.arrows.map((arrow) => (
          <li key={arrow.index}>
            {timeText(arrow, mode)}: {sentence(arrow, placed.lifelines, phrase(arrow))}
          </li>
        ))}
      </ol>
      {omitted > 0 && <p class="muted pad">{omitted} further messages did not fit into the record.</p>}
    </section>
  );
}

const phrase = ({ label }: Arrow) => (/^\d/.test(label) ? usualReason(Number(label)) : "");

interface DrawingProps {
  placed: Layout;
  mode: TimeMode;
  marked: number | null;
  mark: (index: number) => void;
}

function Drawing({ placed, mode, marked, mark }: DrawingProps) {
  const { lifelines, arrows, width, height } = placed;
  return (
    <svg class="ladder" width={width} height={height} viewBox={`0 0 ${width} ${height}`} aria-hidden="true">
      {lifelines.map(({ address, host, port, x }) => (
        <g key={address}>
          <title>{address}</title>
          <text class="lifeline-host" x={x} y="18" text-anchor="middle">
            {short(host)}
          </text>
          <text class="lifeline-port" x={x} y="33" text-anchor="middle">
            {port && `:${port}`}
          </text>
          <line class="lifeline" x1={x} x2={x} y1={GEOMETRY.top - 6} y2={height - 6} />
        </g>
      ))}
      {arrows.map((arrow) => (
        <ArrowRow
          key={arrow.index}
          arrow={arrow}
          placed={placed}
          mode={mode}
          marked={arrow.index === marked}
          mark={mark}
        />
      ))}
    </svg>
  );
}

/** An address that does not fit its lifeline loses its middle. */
const short = (host: string) => (host.length > 22 ? `${host.slice(0, 10)}…${host.slice(-9)}` : host);

interface RowProps {
  arrow: Arrow;
  placed: Layout;
  mode: TimeMode;
  marked: boolean;
  mark: (index: number) => void;
}

function ArrowRow({ arrow, placed, mode, marked, mark }: RowProps) {
  const { y, kind, label, cseq, repeated } = arrow;
  const from = placed.lifelines[arrow.from]?.x ?? 0;
  const to = placed.lifelines[arrow.to]?.x ?? 0;
  const right = to >= from;
  const tip = right ? to - 1 : to + 1;
  const back = right ? tip - 7 : tip + 7;
  const narrow = Math.abs(to - from) < 150;
  const text = narrow && phrase(arrow).length > 12 ? "" : phrase(arrow);
  const middle = (from + to) / 2;
  return (
    <g
      class={`arrow arrow-${kind} ${marked ? "marked" : ""}`}
      data-arrow={arrow.index}
      onClick={() => mark(arrow.index)}
    >
      <title>{`${label} ${phrase(arrow)} · CSeq ${cseq}${repeated ? " · repeated" : ""}`}</title>
      <rect
        class="arrow-row"
        x="0"
        y={y - GEOMETRY.row + 9}
        width={placed.width}
        height={GEOMETRY.row}
        rx="4"
      />
      <text class="arrow-time" x={GEOMETRY.left - 12} y={y + 3} text-anchor="end">
        {timeText(arrow, mode)}
      </text>
      {from === to ? (
        <path class="arrow-line" d={`M${from} ${y - 6}h26v10h-24`} />
      ) : (
        <line
          class="arrow-line"
          x1={from}
          x2={back}
          y1={y}
          y2={y}
          stroke-dasharray={repeated ? "4 3" : undefined}
        />
      )}
      <path class="arrow-tip" d={`M${tip} ${y}L${back} ${y - 4}V${y + 4}Z`} />
      <text
        class="arrow-label"
        x={from === to ? from + 32 : middle}
        y={y - 5}
        text-anchor={from === to ? "start" : "middle"}
      >
        <tspan class="arrow-what">{label}</tspan>
        {text && ` ${text}`}
        {repeated && <tspan class="arrow-repeated"> repeated</tspan>}
      </text>
    </g>
  );
}
