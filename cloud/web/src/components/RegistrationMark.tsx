// What has become of a registration, by word and by shape.

import { STATES, stateWord } from "../registrations.js";
import type { RegistrationState } from "../types.js";

const line = { fill: "none", stroke: "currentColor", "stroke-width": 1.8, "stroke-linejoin": "round" } as const;

const SHAPE: Record<RegistrationState, preact.JSX.Element> = {
  registered: <circle cx="8" cy="8" r="5.4" fill="currentColor" />,
  failing: <path d="M8 1.4 14.6 8 8 14.6 1.4 8Z" fill="currentColor" />,
  expired: <path d="M8 2.6 14 13H2Z" {...line} />,
  unregistered: (
    <>
      <circle cx="8" cy="8" r="5.4" {...line} />
      <path d="m4.4 11.6 7.2-7.2" {...line} />
    </>
  ),
};

export function RegistrationMark({ state }: { state: RegistrationState }) {
  return (
    <span class={`state reg-${state}`} title={STATES.find((one) => one.state === state)?.means}>
      <svg class="icon" viewBox="0 0 16 16" width="12" height="12" aria-hidden="true">
        {SHAPE[state] ?? SHAPE.unregistered}
      </svg>
      {stateWord(state)}
    </span>
  );
}
