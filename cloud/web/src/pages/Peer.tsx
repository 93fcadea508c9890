// One peer relation: what is worth saying, its figures, and its records so far.

import { api } from "../api.js";
import { Clip } from "../components/Clip.js";
import { Findings } from "../components/Findings.js";
import { To } from "../components/Icon.js";
import { CAUSE, Fact, RecordPage } from "../components/RecordPage.js";
import { PeerMark } from "../components/StateMark.js";
import { Time } from "../components/Time.js";
import { NONE, count, millis, plural } from "../format.js";
import { useLoad } from "../load.js";
import { PEERS, asked, historyQuery, isSame, party } from "../peers.js";
import { listOf } from "../records.js";
import { address, peerPath, query, sensorPath } from "../router.js";
import { useTitle } from "../title.js";
import type { Peer as Data } from "../types.js";

export function Peer({ id }: { id: string }) {
  const { data, error, reload } = useLoad(`peer ${id}`, (signal) => api.peer(id, signal), {
    live: false,
    keep: false,
  });
  useTitle(data ? `${asked(data)} to ${party(data.dst)}` : "Peer");
  return (
    <RecordPage
      what="Peers"
      one="peer"
      back={address("/peers", listOf(PEERS, query.value))}
      error={error}
      reload={reload}
    >
      {data ? <Shown peer={data} /> : null}
    </RecordPage>
  );
}

function Shown({ peer: it }: { peer: Data }) {
  return (
    <article class="call rec-page">
      <header class="call-head">
        <h1>
          <bdi class="clip">{asked(it)}</bdi>
          <span class="clip display muted mono">
            {party(it.src)} <To /> {party(it.dst)}
          </span>
        </h1>
        <dl class="headline">
          <div>
            <dt>State</dt>
            <dd>
              <PeerMark state={it.state} />{" "}
              <span class="muted">
                since <Time at={it.state_at} />
              </span>
            </dd>
          </div>
          <div>
            <dt>Answered</dt>
            <dd>
              {count(it.answered)} of {plural(it.requests, "request")}
            </dd>
          </div>
          <div>
            <dt>Final response</dt>
            <dd>{it.status_code === null ? "no answer" : `${it.status_code} ${it.reason_phrase ?? ""}`}</dd>
          </div>
          <div>
            <dt>Round trip</dt>
            <dd>{millis(it.round_trip_mean_ms)}</dd>
          </div>
        </dl>
      </header>
      <div class="two-columns">
        <div>
          <section class="card" aria-label="What happened">
            <header class="card-head">
              <h2>What happened</h2>
            </header>
            <Findings findings={it.findings ?? []} />
          </section>
          {it.changes.length > 0 && <Changes peer={it} />}
          <History peer={it} />
        </div>
        <div>
          <Facts peer={it} />
        </div>
      </div>
    </article>
  );
}

/** Silence and its end, and the like, within the time that the record tells of. */
const Changes = ({ peer }: { peer: Data }) => (
  <section class="card" aria-label="Changes">
    <header class="card-head">
      <h2>Changes</h2>
      <span class="muted">within this record</span>
    </header>
    <ul class="rec-changes">
      {peer.changes.map(({ at, state }) => (
        <li key={at}>
          <Time at={at} withDay /> <PeerMark state={state} />
        </li>
      ))}
      {peer.changes_omitted > 0 && <li class="muted">and {plural(peer.changes_omitted, "further change")}</li>}
    </ul>
  </section>
);

const CLASSES: [string, string][] = [
  ["2xx", "succeeded"],
  ["3xx", "sent elsewhere"],
  ["4xx", "refused"],
  ["5xx", "failed at the server"],
  ["6xx", "refused everywhere"],
];

function Facts({ peer: it }: { peer: Data }) {
  const answers = CLASSES.filter(([name]) => (it.answers[name] ?? 0) > 0);
  return (
    <section class="card" aria-label="Facts">
      <header class="card-head">
        <h2>Facts</h2>
      </header>
      <dl class="facts">
        <Fact name="Addresses">
          <Clip text={it.src} mono /> <To /> <Clip text={it.dst} mono />
        </Fact>
        <Fact name="Transport">{it.transport}</Fact>
        {it.vlan !== null && <Fact name="VLAN">{it.vlan}</Fact>}
        {it.event && <Fact name="Event package">{it.event}</Fact>}
        <Fact name="Who asks">
          <Clip text={it.user_agent} />
        </Fact>
        <Fact name="Who is asked">
          <Clip text={it.peer_agent} />
        </Fact>
        <Fact name="First and last">
          <Time at={it.first_at} /> to <Time at={it.last_at} />
        </Fact>
        <Fact name="Last answer">{it.answered_at ? <Time at={it.answered_at} withDay /> : "never seen"}</Fact>
        <Fact name="Answers">
          {answers.length > 0
            ? answers.map(([name, word]) => `${count(it.answers[name])} ${word} (${name})`).join(", ")
            : "none"}
        </Fact>
        <Fact name="Not answered">
          {count(it.unanswered)}
          {it.unanswered_in_a_row > 0 && <span class="muted"> {count(it.unanswered_in_a_row)} in a row</span>}
        </Fact>
        <Fact name="Repeated">{count(it.retransmissions)}</Fact>
        <Fact name="Round trip">
          {it.round_trip_mean_ms === null ? (
            NONE
          ) : (
            <>
              {millis(it.round_trip_mean_ms)}
              <span class="muted">
                {" "}
                {millis(it.round_trip_min_ms)} to {millis(it.round_trip_max_ms)}
              </span>
            </>
          )}
        </Fact>
        <Fact name="Password">{it.has_credentials ? "sent" : "not sent"}</Fact>
        {it.allow_events && <Fact name="Offers instead">{it.allow_events}</Fact>}
        <Fact name="Seen by">
          {it.sensor ? (
            <a href={sensorPath(it.sensor.id)}>
              <Clip text={it.sensor.name} />
            </a>
          ) : (
            NONE
          )}
        </Fact>
      </dl>
    </section>
  );
}

/** Every record of the relation that is kept. */
function History({ peer }: { peer: Data }) {
  const wanted = historyQuery(peer);
  const { data } = useLoad(`history ${wanted}`, (signal) => api.peers(wanted, signal), { live: false });
  const records = (data?.peers ?? []).filter((one) => isSame(peer, one));
  return (
    <section class="card" aria-label="Records">
      <header class="card-head">
        <h2>Records</h2>
        <span class="muted">of this relation</span>
      </header>
      <div class="scroll-x" tabIndex={0} role="group" aria-label="Records of the relation">
        <table class="plain">
          <thead>
            <tr>
              <th scope="col">At</th>
              <th scope="col">State</th>
              <th scope="col">Answer</th>
              <th scope="col" class="n" title="Of the requests since the record before">
                Answered
              </th>
              <th scope="col" class="n">
                Round trip
              </th>
              <th scope="col">Why</th>
            </tr>
          </thead>
          <tbody>
            {records.map((one) => (
              <tr key={one.id}>
                <th scope="row">
                  {one.id === peer.id ? (
                    <strong>
                      <Time at={one.at} withDay />
                    </strong>
                  ) : (
                    <a href={peerPath(one.id, listOf(PEERS, query.value))}>
                      <Time at={one.at} withDay />
                    </a>
                  )}
                </th>
                <td>
                  <PeerMark state={one.state} />
                </td>
                <td>{one.status_code ?? NONE}</td>
                <td class="n">
                  {count(one.answered)} of {count(one.requests)}
                </td>
                <td class="n">{millis(one.round_trip_mean_ms)}</td>
                <td class="muted">{CAUSE[one.cause] ?? one.cause}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {data?.next && <p class="muted pad">Older ones are kept too: the API lists them.</p>}
    </section>
  );
}
