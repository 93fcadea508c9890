// The same calls as a file, however many: they are streamed.

import { api } from "../api.js";
import { Icon } from "./Icon.js";
import { Menu } from "./Menu.js";

const FORMATS = [
  { format: "csv", name: "CSV", note: "for spreadsheets" },
  { format: "ndjson", name: "NDJSON", note: "an object a line, for programs" },
] as const;

export function ExportMenu({ query }: { query: URLSearchParams }) {
  return (
    <Menu name="Download these calls" bare align="end" class="wide-only" label={<Icon name="download" />}>
      {(close) => (
        <ul class="choices">
          {FORMATS.map(({ format, name, note }) => (
            <li key={format}>
              <a
                class="choice"
                href={api.exportAddress(query, format)}
                download={`calls.${format}`}
                onClick={close}
              >
                {name} <span class="muted">{note}</span>
              </a>
            </li>
          ))}
        </ul>
      )}
    </Menu>
  );
}
