// Who is registered where, and why a phone is not: the newest of each registration.

import { api } from "../api.js";
import { Failed, StaleMark, Waiting } from "../components/Notice.js";
import { RecordFrame, RecordTools, isWorstFirst } from "../components/RecordTools.js";
import { RegistrationsTable } from "../components/RegistrationsTable.js";
import { useLoad } from "../load.js";
import { listOf, recordsQuery, worstFirst } from "../records.js";
import { RANK, REGISTRATIONS, STATES } from "../registrations.js";
import { query } from "../router.js";
import { useTitle } from "../title.js";

export function Registrations() {
  useTitle("Registrations");
  const list = listOf(REGISTRATIONS, query.value);
  const { data, error, loading, reload } = useLoad(`registrations ${list}`, (signal) =>
    api.registrations(recordsQuery(REGISTRATIONS, list, new Date()), signal),
  );
  const registrations = data?.registrations ?? [];
  return (
    <>
      <h1 class="hidden">Registrations</h1>
      <RecordTools
        list={REGISTRATIONS}
        what="registrations"
        states={STATES}
        placeholder="User, phone, address, registrar:pbx.example, status:403"
        worst={{ word: "Failing first", means: "Those that fail at the top of each page" }}
      />
      {data ? (
        <RecordFrame
          list={REGISTRATIONS}
          shown={list}
          page={data}
          isEmpty={registrations.length === 0}
          loading={loading}
          error={<StaleMark error={error} />}
          what="registrations"
          one="registration"
          never={
            <p>
              They appear here as soon as a sensor sees a phone register (REGISTER). A sensor whose
              configuration says <code>sip-register = no</code> does not look for them.
            </p>
          }
        >
          <RegistrationsTable
            registrations={isWorstFirst(list) ? worstFirst(registrations, RANK) : registrations}
            list={list}
          />
        </RecordFrame>
      ) : error ? (
        <Failed error={error} retry={reload} />
      ) : (
        <Waiting rows={14} />
      )}
    </>
  );
}
