// The columns of the list of registrations.

import { NONE, count, hostPort, longDuration, millis } from "../format.js";
import { registrationPath } from "../router.js";
import type { Registration } from "../types.js";
import { Who } from "./CallsTable.js";
import { Clip } from "./Clip.js";
import { type Column, RecordTable } from "./RecordTable.js";
import { RegistrationMark } from "./StateMark.js";
import { Time } from "./Time.js";

const COLUMNS: Column<Registration>[] = [
  { name: "r-state", head: "State", cell: (it) => <RegistrationMark state={it.state} /> },
  { name: "r-who", head: "Who", cell: (it) => <Who party={it.aor} /> },
  {
    name: "r-where",
    head: "From",
    cell: (it) => (
      <span class="clip" title={`${it.src} over ${it.transport}, contact ${it.contact}`}>
        <span class="mono">{hostPort(it.src).host}</span> <span class="muted">{it.transport}</span>
      </span>
    ),
  },
  { name: "r-registrar", head: "Registrar", cell: (it) => <Clip text={it.registrar} /> },
  {
    name: "r-expiry",
    head: "Expiry",
    title: "The time that the registrar grants at once",
    cell: (it) =>
      it.expires_granted_s === null ? (
        <span class="none" title="The registrar has granted nothing">
          {NONE}
        </span>
      ) : (
        longDuration(it.expires_granted_s)
      ),
  },
  {
    name: "r-last",
    head: "Last attempt",
    title: "The newest attempt and its final response",
    cell: (it) => (
      <>
        <Time at={it.last_attempt_at} />{" "}
        <span class="code" title={it.reason_phrase ?? "no answer"}>
          {it.status_code ?? "no answer"}
        </span>
      </>
    ),
  },
  {
    name: "r-failures",
    head: "Failed",
    title: "Attempts that failed since the last that succeeded",
    isNumber: true,
    cell: (it) =>
      it.failures_in_a_row > 0 ? (
        <strong>{count(it.failures_in_a_row)}</strong>
      ) : it.failures > 0 ? (
        <span title="Failed since the record before, and then succeeded">{count(it.failures)}</span>
      ) : (
        <span class="none">0</span>
      ),
  },
  {
    name: "r-trip",
    head: "Round trip",
    title: "From REGISTER to the final response",
    isNumber: true,
    cell: (it) => millis(it.round_trip_ms),
  },
];

interface Props {
  registrations: Registration[];
  list: URLSearchParams;
}

export const RegistrationsTable = ({ registrations, list }: Props) => (
  <RecordTable
    what="Registrations"
    one="registration"
    kind="regs"
    records={registrations}
    columns={COLUMNS}
    to={(id) => registrationPath(id, list)}
  />
);
