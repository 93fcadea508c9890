// The columns of the list of peer relations.

import { count, millis, utc } from "../format.js";
import { asked, party } from "../peers.js";
import { peerPath } from "../router.js";
import type { Peer } from "../types.js";
import { Clip } from "./Clip.js";
import { To } from "./Icon.js";
import { type Column, RecordTable } from "./RecordTable.js";
import { PeerMark } from "./StateMark.js";
import { Time } from "./Time.js";

const COLUMNS: Column<Peer>[] = [
  { name: "p-state", head: "State", cell: (it) => <PeerMark state={it.state} /> },
  {
    name: "p-since",
    head: "Since",
    title: "Since when it has been in this state",
    cell: (it) => <Time at={it.state_at} />,
  },
  { name: "p-asked", head: "Request", cell: (it) => <Clip text={asked(it)} /> },
  {
    name: "p-whom",
    head: "Who asks whom",
    cell: (it) => (
      <span class="clip mono" title={`${it.src} to ${it.dst} over ${it.transport}`}>
        {party(it.src)} <To /> {party(it.dst)}
      </span>
    ),
  },
  {
    name: "p-answered",
    head: "Answered",
    title: "Of the requests since the record before",
    isNumber: true,
    cell: (it) => (
      <span title={`${count(it.unanswered)} not answered, ${count(it.retransmissions)} repeated`}>
        {it.unanswered > 0 ? <strong>{count(it.answered)}</strong> : count(it.answered)}
        <span class="muted"> of {count(it.requests)}</span>
      </span>
    ),
  },
  {
    name: "p-trip",
    head: "Round trip",
    title: "From request to final response, on average",
    isNumber: true,
    cell: (it) => (
      <span title={it.round_trip_max_ms === null ? "" : `${millis(it.round_trip_min_ms)} to ${millis(it.round_trip_max_ms)}`}>
        {millis(it.round_trip_mean_ms)}
      </span>
    ),
  },
  {
    name: "p-last",
    head: "Last request",
    title: "The newest request and the newest final response",
    cell: (it) => (
      <>
        <Time at={it.last_at} />{" "}
        <span
          class="code"
          title={it.reason_phrase ?? (it.answered_at ? `last answer ${utc(new Date(it.answered_at))}` : "no answer")}
        >
          {it.status_code ?? "no answer"}
        </span>
      </>
    ),
  },
];

interface Props {
  peers: Peer[];
  list: URLSearchParams;
}

export const PeersTable = ({ peers, list }: Props) => (
  <RecordTable
    what="Peers"
    one="peer"
    kind="peers"
    records={peers}
    columns={COLUMNS}
    to={(id) => peerPath(id, list)}
  />
);
