// Small drawings, each a shape of its own so that colour is never the only difference.

import type { Band } from "../quality.js";
import type { SensorState, Severity, StepState } from "../types.js";

const Svg = (props: { class: string; children: preact.ComponentChildren; size?: number }) => (
  <svg
    class={props.class}
    viewBox="0 0 16 16"
    width={props.size ?? 16}
    height={props.size ?? 16}
    aria-hidden="true"
  >
    {props.children}
  </svg>
);

const line = {
  fill: "none",
  stroke: "currentColor",
  "stroke-width": 1.7,
  "stroke-linecap": "round",
  "stroke-linejoin": "round",
} as const;

const CHECK = <path d="M5 8.3 7.2 10.5 11.2 5.8" {...line} />;
const RING = <circle cx="8" cy="8" r="6.2" {...line} />;

const SEVERITY: Record<Severity, preact.JSX.Element> = {
  ok: (
    <>
      {RING}
      {CHECK}
    </>
  ),
  info: (
    <>
      {RING}
      <path d="M8 7.4v3.4M8 5v.1" {...line} />
    </>
  ),
  warning: (
    <>
      <path d="M8 2 14.6 13.4H1.4Z" {...line} />
      <path d="M8 6.4v3M8 11.3v.1" {...line} />
    </>
  ),
  problem: (
    <>
      <path d="M8 .9 15.1 8 8 15.1.9 8Z" fill="currentColor" />
      <path d="M8 4.8v3.7M8 11v.1" class="cut" fill="none" stroke-width="1.8" stroke-linecap="round" />
    </>
  ),
};

export const SEVERITY_WORD: Record<Severity, string> = {
  ok: "OK",
  info: "Note",
  warning: "Warning",
  problem: "Problem",
};

/** A finding's weight; its word is read out. */
export function SeverityIcon({ severity }: { severity: Severity }) {
  return (
    <span class={`sev sev-${severity}`} title={SEVERITY_WORD[severity]}>
      <Svg class="icon">{SEVERITY[severity]}</Svg>
      <span class="hidden">{SEVERITY_WORD[severity]}: </span>
    </span>
  );
}

const BAND: Record<Band, preact.JSX.Element> = {
  excellent: <circle cx="8" cy="8" r="5.6" fill="currentColor" />,
  good: <circle cx="8" cy="8" r="4.4" {...line} stroke-width="2.6" />,
  fair: <path d="M8 2.4 14 13H2Z" fill="currentColor" />,
  degraded: <path d="M8 1.6 14.4 8 8 14.4 1.6 8Z" fill="currentColor" />,
  no_audio: <path d="m3.4 3.4 9.2 9.2m0-9.2-9.2 9.2" {...line} stroke-width="3" />,
  none: <path d="M4 8h8" {...line} />,
};

export const BandShape = ({ band }: { band: Band }) => (
  <Svg class={`band-shape band-${band}`} size={10}>
    {BAND[band]}
  </Svg>
);

const STATE: Record<SensorState, preact.JSX.Element> = {
  online: <circle cx="8" cy="8" r="5.4" fill="currentColor" />,
  offline: <circle cx="8" cy="8" r="4.8" {...line} stroke-width="2.2" />,
  stopped: <rect x="3.6" y="3.6" width="8.8" height="8.8" {...line} stroke-width="2" />,
  refused: <path d="M8 1.4 14.6 8 8 14.6 1.4 8Z" fill="currentColor" />,
  revoked: (
    <>
      <circle cx="8" cy="8" r="5.4" {...line} />
      <path d="m4.4 11.6 7.2-7.2" {...line} />
    </>
  ),
  never: <circle cx="8" cy="8" r="5.2" {...line} stroke-dasharray="1.6 2.6" />,
};

const STATE_WORD: Record<SensorState, string> = {
  online: "Online",
  offline: "Offline",
  stopped: "Stopped",
  refused: "Refused",
  revoked: "Revoked",
  never: "Never connected",
};

export function StateMark({ state }: { state: SensorState }) {
  return (
    <span class={`state state-${state}`}>
      <Svg class="icon" size={12}>
        {STATE[state] ?? STATE.never}
      </Svg>
      {STATE_WORD[state] ?? state}
    </span>
  );
}

const STEP: Record<StepState, preact.JSX.Element> = {
  ok: (
    <>
      <circle cx="8" cy="8" r="7" fill="currentColor" />
      <path
        d="M4.9 8.2 7.1 10.4 11.2 5.8"
        class="cut"
        fill="none"
        stroke-width="1.8"
        stroke-linecap="round"
        stroke-linejoin="round"
      />
    </>
  ),
  failed: (
    <>
      <path d="M8 .9 15.1 8 8 15.1.9 8Z" fill="currentColor" />
      <path
        d="m5.9 5.9 4.2 4.2m0-4.2-4.2 4.2"
        class="cut"
        fill="none"
        stroke-width="1.7"
        stroke-linecap="round"
      />
    </>
  ),
  waiting: <circle cx="8" cy="8" r="6.2" {...line} stroke-dasharray="2 2.9" />,
};

export const STEP_WORD: Record<StepState, string> = { ok: "done", failed: "failed", waiting: "waiting" };

export function StepIcon({ state }: { state: StepState }) {
  return (
    <span class={`step-icon step-${state}`}>
      <Svg class="icon">{STEP[state] ?? STEP.waiting}</Svg>
    </span>
  );
}

const GLYPHS = {
  search: (
    <>
      <circle cx="7" cy="7" r="4.4" {...line} />
      <path d="m10.4 10.4 3.4 3.4" {...line} />
    </>
  ),
  bookmark: <path d="M4 2.6h8v10.8l-4-3-4 3Z" {...line} />,
  share: <path d="M8 9.6V2.6M5 5.2l3-2.8 3 2.8M3 8.4v5h10v-5" {...line} />,
  close: <path d="m4 4 8 8m0-8-8 8" {...line} />,
  filter: <path d="M2 4h12M4.5 8h7M6.8 12h2.4" {...line} />,
  down: <path d="m4 6.2 4 4 4-4" {...line} />,
  left: <path d="m9.8 3.6-4.4 4.4 4.4 4.4" {...line} />,
  right: <path d="m6.2 3.6 4.4 4.4-4.4 4.4" {...line} />,
  up: <path d="M8 13V3.4M3.8 7.4 8 3.2l4.2 4.2" {...line} />,
  plus: <path d="M8 3v10M3 8h10" {...line} />,
  sun: (
    <>
      <circle cx="8" cy="8" r="3" {...line} />
      <path
        d="M8 1.2v1.6M8 13.2v1.6M1.2 8h1.6M13.2 8h1.6M3.2 3.2l1.1 1.1M11.7 11.7l1.1 1.1M3.2 12.8l1.1-1.1M11.7 4.3l1.1-1.1"
        {...line}
      />
    </>
  ),
  moon: <path d="M13.2 9.8A5.6 5.6 0 0 1 6.2 2.8a5.6 5.6 0 1 0 7 7Z" {...line} />,
  system: (
    <>
      <rect x="1.8" y="2.6" width="12.4" height="8.6" rx="1.2" {...line} />
      <path d="M5.6 13.8h4.8" {...line} />
    </>
  ),
  columns: (
    <>
      <rect x="2" y="3" width="12" height="10" rx="1.2" {...line} />
      <path d="M6 3v10M10 3v10" {...line} />
    </>
  ),
  download: <path d="M8 2.4v7.4M4.8 6.8 8 10l3.2-3.2M2.8 13.4h10.4" {...line} />,
  copy: (
    <>
      <rect x="5.4" y="5.4" width="8" height="8" rx="1.4" {...line} />
      <path d="M10.6 2.6H4A1.4 1.4 0 0 0 2.6 4v6.6" {...line} />
    </>
  ),
  check: CHECK,
  user: (
    <>
      <circle cx="8" cy="5.4" r="2.7" {...line} />
      <path d="M2.8 13.6c.5-2.6 2.6-4 5.2-4s4.7 1.4 5.2 4" {...line} />
    </>
  ),
  phone: (
    <path
      d="M3.2 2.6h2.4l1.2 3-1.6 1.2a8 8 0 0 0 4 4l1.2-1.6 3 1.2v2.4c0 .6-.5 1-1 1A11.2 11.2 0 0 1 2.2 3.6c0-.5.4-1 1-1Z"
      {...line}
    />
  ),
  sensor: (
    <>
      <rect x="2" y="8.4" width="12" height="5" rx="1.2" {...line} />
      <path d="M5 11h.1M8 11h3M4.6 5.8a4.8 4.8 0 0 1 6.8 0M6.4 3.2a8 8 0 0 1 3.2 0" {...line} />
    </>
  ),
  reload: <path d="M13 8a5 5 0 1 1-1.6-3.7M13.2 2.2v2.6h-2.6" {...line} />,
};

export type Glyph = keyof typeof GLYPHS;
/** An arrow that is read out as a word. */
export const To = ({ word = "to" }: { word?: string }) => (
  <span class="to-arrow">
    <span aria-hidden="true">→</span>
    <span class="hidden"> {word} </span>
  </span>
);

export const Icon = ({ name }: { name: Glyph }) => <Svg class="icon">{GLYPHS[name]}</Svg>;
