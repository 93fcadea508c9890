// Everything that a sensor counts, grouped in the order of a packet's way, with what it means.

import { useState } from "preact/hooks";
import { bytes, count } from "../format.js";
import { COUNTERS, GROUPS, counterLabel } from "../words/counters.js";

/** The counters that are there, in their own order; those that this GUI does not know come last. */
export function orderedCounters(counters: Record<string, number>): string[] {
  const known = Object.keys(COUNTERS).filter((name) => name in counters);
  return [...known, ...Object.keys(counters).filter((name) => !(name in COUNTERS))];
}

export function Counters({ counters }: { counters: Record<string, number> }) {
  const [all, setAll] = useState(false);
  const names = orderedCounters(counters);
  const zero = names.filter((name) => counters[name] === 0);
  const shown = all ? names : names.filter((name) => counters[name] !== 0);
  if (names.length === 0) return null;
  return (
    <section class="card" aria-label="Counters">
      <header class="card-head">
        <h2>Counters</h2>
        <span class="muted">since the sensor's start</span>
        {zero.length > 0 && (
          <button type="button" class="quiet" aria-pressed={all} onClick={() => setAll(!all)}>
            {all ? "Hide those at 0" : `Show the ${zero.length} at 0`}
          </button>
        )}
      </header>
      <div class="counter-groups">
        {GROUPS.map((group) => (
          <Group
            key={group}
            title={group}
            names={shown.filter((name) => COUNTERS[name]?.group === group)}
            counters={counters}
          />
        ))}
        <Group title="Others" names={shown.filter((name) => !(name in COUNTERS))} counters={counters} />
      </div>
      {shown.length === 0 && <p class="muted pad">All of them are at 0.</p>}
    </section>
  );
}

interface GroupProps {
  title: string;
  names: string[];
  counters: Record<string, number>;
}

function Group({ title, names, counters }: GroupProps) {
  if (names.length === 0) return null;
  return (
    <table class="counters">
      <caption>{title}</caption>
      <tbody>
        {names.map((name) => {
          const value = counters[name] ?? 0;
          const about = COUNTERS[name];
          return (
            <tr key={name} class={about?.loss && value > 0 ? "lossy" : ""}>
              <th scope="row" title={name}>
                {counterLabel(name)}
                {about && <span class="means">{about.means}</span>}
              </th>
              <td class="n">{name.includes("bytes") ? bytes(value) : count(value)}</td>
            </tr>
          );
        })}
      </tbody>
    </table>
  );
}
