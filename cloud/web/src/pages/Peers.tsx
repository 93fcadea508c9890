// Who asks whom outside calls, and what becomes of it: the newest of each peer relation.

import { api } from "../api.js";
import { Failed, StaleMark, Waiting } from "../components/Notice.js";
import { PeersTable } from "../components/PeersTable.js";
import { RecordFrame, RecordTools, SelectFilter, isWorstFirst } from "../components/RecordTools.js";
import { useLoad } from "../load.js";
import { METHODS, PEERS, RANK, STATES } from "../peers.js";
import { listOf, recordsQuery, worstFirst } from "../records.js";
import { query } from "../router.js";
import { useTitle } from "../title.js";

export function Peers() {
  useTitle("Peers");
  const list = listOf(PEERS, query.value);
  const { data, error, loading, reload } = useLoad(`peers ${list}`, (signal) =>
    api.peers(recordsQuery(PEERS, list, new Date()), signal),
  );
  const peers = data?.peers ?? [];
  return (
    <>
      <h1 class="hidden">Peers</h1>
      <RecordTools
        list={PEERS}
        what="peers"
        states={STATES}
        placeholder="Address, user, dst:192.0.2.5, event:dialog, status:489"
        worst={{ word: "Silent first", means: "Those that do not answer, or refuse, at the top of each page" }}
      >
        <SelectFilter
          list={PEERS}
          name="method"
          label="Method"
          all="All methods"
          options={METHODS.map(({ method, word }) => ({ value: method, text: word }))}
        />
      </RecordTools>
      {data ? (
        <RecordFrame
          list={PEERS}
          shown={list}
          page={data}
          isEmpty={peers.length === 0}
          loading={loading}
          error={<StaleMark error={error} />}
          what="peers"
          one="peer"
          never={
            <p>
              They appear here as soon as a sensor sees one address ask another outside calls: OPTIONS
              (is it there?), SUBSCRIBE, NOTIFY, MESSAGE, PUBLISH. Of a sensor whose configuration says{" "}
              <code>sip-options = no</code> and the like, those are missing.
            </p>
          }
        >
          <PeersTable peers={isWorstFirst(list) ? worstFirst(peers, RANK) : peers} list={list} />
        </RecordFrame>
      ) : error ? (
        <Failed error={error} retry={reload} />
      ) : (
        <Waiting rows={14} />
      )}
    </>
  );
}
