// Everything that a sensor counts, grouped in the order of a packet's way, with what it means.

import { bytes, count } from "../format.js";
import { COUNTERS, GROUPS, counterLabel } from "../words/counters.js";

export function Counters({ counters }: { counters: Record<string, number> }) {
  const names = Object.keys(counters);
  const unknown = names.filter((name) => !(name in COUNTERS));
  if (names.length === 0) return null;
  return (
    <section class="card" aria-label="Counters">
      <header class="card-head">
        <h2>Counters</h2>
        <span class="muted">since the sensor's start</span>
      </header>
      <div class="counter-groups">
        {GROUPS.map((group) => (
          <Group
            key={group}
            title={group}
            names={names.filter((name) => COUNTERS[name]?.group === group)}
            counters={counters}
          />
        ))}
        <Group title="Others" names={unknown} counters={counters} />
      </div>
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
