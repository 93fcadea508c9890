// What is worth saying about a call: sentences, each with the figures it rests on.

import { localTimes } from "../format.js";
import { now } from "../store.js";
import type { Finding } from "../types.js";
import { SeverityIcon } from "./Icon.js";

export function Findings({ findings }: { findings: Finding[] }) {
  return (
    <ul class="findings" aria-label="Findings">
      {findings.map(({ severity, sentence, evidence }, index) => (
        <li key={index} class={`finding finding-${severity}`}>
          <SeverityIcon severity={severity} />
          <div>
            <p dir="auto">{localTimes(sentence, now.value)}</p>
            {evidence.length > 0 && (
              <ul class="evidence" aria-label="Evidence">
                {evidence.map((item) => (
                  <li key={item}>{localTimes(item, now.value)}</li>
                ))}
              </ul>
            )}
          </div>
        </li>
      ))}
    </ul>
  );
}
