// What the figures say: the worst first and large, what else there is below it.

import { localTimes } from "../format.js";
import type { Overview, OverviewFinding } from "../overview.js";
import { now } from "../store.js";
import { SeverityIcon } from "./Icon.js";

export function Verdict({ overview }: { overview: Overview }) {
  const { verdict, findings } = overview;
  return (
    <section class={`card verdict verdict-${verdict.severity}`} aria-label="Verdict">
      <One finding={verdict} first />
      {findings.length > 0 && (
        <ul class="verdict-others">
          {findings.map((finding) => (
            <li key={finding.sentence}>
              <One finding={finding} />
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}

function One({ finding, first = false }: { finding: OverviewFinding; first?: boolean }) {
  const { severity, sentence, reasons, next } = finding;
  const text = localTimes(sentence, now.value);
  return (
    <div class="verdict-one">
      <SeverityIcon severity={severity} />
      <div class="verdict-text">
        {first ? <h2>{text}</h2> : <p>{text}</p>}
        {reasons.length > 0 && (
          <ul class="verdict-reasons">
            {reasons.map((reason) => (
              <li key={reason}>
                <bdi>{localTimes(reason, now.value)}</bdi>
              </li>
            ))}
          </ul>
        )}
      </div>
      {next && (
        <a class={first ? "button primary" : "button"} href={next.page}>
          {next.text}
        </a>
      )}
    </div>
  );
}
