// The technician's five ticks, and the handshake's eight steps.

import { localTimes } from "../format.js";
import { now } from "../store.js";
import type { Step } from "../types.js";
import { STEP_WORD, StepIcon } from "./Icon.js";

const TICK_NAMES: Record<string, string> = {
  link: "Link",
  clock: "Clock",
  cloud: "Cloud",
  traffic: "Traffic",
  first_call: "First call",
};

/** A step by the name that log, doctor and status page give it. */
export const StepName = ({ name }: { name: string }) => <code>{name}</code>;

/** Five small ticks in a row; the sentence is in the title. */
export function TickRow({ ticks }: { ticks: Step[] }) {
  return (
    <ul class="ticks" aria-label="Ticks">
      {ticks.map(({ name, state, sentence }) => (
        <li
          key={name}
          class={`tick tick-${state}`}
          title={sentence ? localTimes(sentence, now.value) : STEP_WORD[state]}
        >
          <StepIcon state={state} />
          <span>{TICK_NAMES[name] ?? name}</span>
          <span class="hidden">{STEP_WORD[state]}</span>
        </li>
      ))}
    </ul>
  );
}

/** Steps one below the other, each with its sentence. */
export function StepList({ steps, ticks = false }: { steps: Step[]; ticks?: boolean }) {
  return (
    <ol class="steps">
      {steps.map(({ name, state, sentence }) => (
        <li key={name} class={`step step-row-${state}`}>
          <StepIcon state={state} />
          <span class="step-name">
            {ticks ? (TICK_NAMES[name] ?? name) : <StepName name={name} />}
            <span class="hidden"> {STEP_WORD[state]}</span>
          </span>
          {sentence && (
            <span class="step-sentence" dir="auto">
              {localTimes(sentence, now.value)}
            </span>
          )}
        </li>
      ))}
    </ol>
  );
}

export const TickList = ({ ticks }: { ticks: Step[] }) => <StepList steps={ticks} ticks />;
