// What is worth saying about a call: sentences, each with the figures it rests on.

import type { Finding } from "../types.js";
import { SeverityIcon } from "./Icon.js";

export function Findings({ findings }: { findings: Finding[] }) {
  return (
    <ul class="findings" aria-label="Findings">
      {findings.map(({ severity, sentence, evidence }, index) => (
        <li key={index} class={`finding finding-${severity}`}>
          <SeverityIcon severity={severity} />
          <div>
            <p dir="auto">{sentence}</p>
            {evidence.length > 0 && (
              <ul class="evidence" aria-label="Evidence">
                {evidence.map((item) => (
                  <li key={item}>{item}</li>
                ))}
              </ul>
            )}
          </div>
        </li>
      ))}
    </ul>
  );
}
