// What has become of a registration or a peer relation, by word and by shape.

import * as peers from "../peers.js";
import * as registrations from "../registrations.js";
import type { PeerState, RegistrationState } from "../types.js";

const line = { fill: "none", stroke: "currentColor", "stroke-width": 1.8, "stroke-linejoin": "round" } as const;

const DOT = <circle cx="8" cy="8" r="5.4" fill="currentColor" />;
const DIAMOND = <path d="M8 1.4 14.6 8 8 14.6 1.4 8Z" fill="currentColor" />;
const TRIANGLE = <path d="M8 2.6 14 13H2Z" {...line} />;
const CROSSED = (
  <>
    <circle cx="8" cy="8" r="5.4" {...line} />
    <path d="m4.4 11.6 7.2-7.2" {...line} />
  </>
);

const REGISTRATION: Record<RegistrationState, preact.JSX.Element> = {
  registered: DOT,
  failing: DIAMOND,
  expired: TRIANGLE,
  unregistered: CROSSED,
};

const PEER: Record<PeerState, preact.JSX.Element> = { answering: DOT, silent: DIAMOND, refusing: TRIANGLE };

interface MarkProps {
  state: string;
  shape: preact.JSX.Element;
  word: string;
  means: string | undefined;
}

const Mark = ({ state, shape, word, means }: MarkProps) => (
  <span class={`state rec-${state}`} title={means}>
    <svg class="icon" viewBox="0 0 16 16" width="12" height="12" aria-hidden="true">
      {shape}
    </svg>
    {word}
  </span>
);

export const RegistrationMark = ({ state }: { state: RegistrationState }) => (
  <Mark
    state={state}
    shape={REGISTRATION[state] ?? CROSSED}
    word={registrations.stateWord(state)}
    means={registrations.STATES.find((one) => one.state === state)?.means}
  />
);

export const PeerMark = ({ state }: { state: PeerState }) => (
  <Mark
    state={state}
    shape={PEER[state] ?? CROSSED}
    word={peers.stateWord(state)}
    means={peers.STATES.find((one) => one.state === state)?.means}
  />
);
