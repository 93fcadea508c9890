// How bad an alert is, by shape and by word.

import { severityWord } from "./measures.js";
import type { Severity } from "./types.js";

const SHAPE: Record<Severity, preact.JSX.Element> = {
  critical: <path d="M8 1.4 14.6 8 8 14.6 1.4 8Z" fill="currentColor" />,
  warning: <path d="M8 2.4 14 13H2Z" fill="currentColor" />,
  info: <circle cx="8" cy="8" r="4.6" fill="none" stroke="currentColor" stroke-width="2.2" />,
};

export function SeverityMark({ severity }: { severity: Severity }) {
  return (
    <span class={`severity severity-${severity}`}>
      <svg class="icon" viewBox="0 0 16 16" width="12" height="12" aria-hidden="true">
        {SHAPE[severity]}
      </svg>
      {severityWord(severity)}
    </span>
  );
}
