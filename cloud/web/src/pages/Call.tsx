// One call: who, how it ended, what is worth saying, the ladder, the streams, the quality.

import { useEffect, useMemo, useState } from "preact/hooks";
import { api } from "../api.js";
import { CallFacts } from "../components/CallFacts.js";
import { Who } from "../components/CallsTable.js";
import { Findings } from "../components/Findings.js";
import { Icon, To } from "../components/Icon.js";
import { Ladder } from "../components/Ladder.js";
import { later } from "../components/Later.js";
import { Legs } from "../components/Legs.js";
import { CallMos } from "../components/Mos.js";
import { Failed, Notice, Waiting } from "../components/Notice.js";
import { QualityCharts } from "../components/QualityCharts.js";
import { QualityReports } from "../components/QualityReports.js";
import { Streams } from "../components/Streams.js";
import { Time } from "../components/Time.js";
import { listQuery } from "../filter.js";
import { count, duration } from "../format.js";
import { useKeys } from "../keys.js";
import { neighbours, selected, showList, shown } from "../list.js";
import { useLoad } from "../load.js";
import { outcome } from "../outcome.js";
import { problems } from "../problems.js";
import { MOS_DEGRADED, MOS_FAIR, MOS_GOOD, mosBasis } from "../quality.js";
import { address, callPath, navigate, query } from "../router.js";
import { announce } from "../store.js";
import { useTitle } from "../title.js";
import type { Call as CallData, Stream } from "../types.js";

/** Few calls are kept, and what fetches them checks signatures and plays sound. */
const ShareCall = later(() => import("../components/ShareCall.js").then((module) => module.ShareCall));
const Packets = later(() => import("../components/Packets.js").then((module) => module.Packets));

export function Call({ id }: { id: string }) {
  const { data, error, reload } = useLoad(`call ${id}`, (signal) => api.call(id, signal), {
    live: false,
    keep: false,
  });
  useTitle(data ? `${data.caller.user || "?"} → ${data.callee.user || "?"}` : "Call");
  const list = listQuery(query.value);
  const text = list.toString();
  // A call that was opened by its address alone still learns its neighbours.
  useEffect(() => showList(list), [text]);
  useEffect(() => {
    selected.value = id;
  }, [id]);

  return (
    <>
      <Walk id={id} list={list} />
      {data ? (
        <CallBody key={id} call={data} />
      ) : error?.status === 404 ? (
        <Notice title="There is no such call" whole>
          <p>{error.message}</p>
          <p>
            <a class="button" href={address("/calls", list)}>
              Back to the calls
            </a>
          </p>
        </Notice>
      ) : error ? (
        <Failed error={error} retry={reload} />
      ) : (
        <Waiting rows={10} />
      )}
    </>
  );
}

/** The way back to the list, and to the calls beside this one. */
function Walk({ id, list }: { id: string; list: URLSearchParams }) {
  const calls = shown.value?.page.calls ?? [];
  const { newer, older, position } = neighbours(calls, id);
  const back = address("/calls", list);
  const to = (other: string | null, direction: string) =>
    other
      ? navigate(callPath(other, list), { replace: true })
      : announce(`No ${direction} call in this list`);
  useKeys("Call", [
    { key: "[", does: "Previous (newer) call of the list", run: () => to(newer, "newer") },
    { key: "]", does: "Next (older) call of the list", run: () => to(older, "older") },
    { key: "Escape", does: "Back to the list", run: () => navigate(back) },
  ]);
  return (
    <nav class="walk" aria-label="Calls of the list">
      <a href={back}>
        <Icon name="left" /> Calls
      </a>
      <span class="walk-end">
        {position !== null && (
          <span class="muted">
            {position} of {count(calls.length)}
            {shown.value?.page.next ? "+" : ""}
          </span>
        )}
        <Step name="Newer call" keyName="[" to={newer && callPath(newer, list)} icon="left" />
        <Step name="Older call" keyName="]" to={older && callPath(older, list)} icon="right" />
      </span>
    </nav>
  );
}

interface StepProps {
  name: string;
  keyName: string;
  to: string | null;
  icon: "left" | "right";
}

function Step({ name, keyName, to, icon }: StepProps) {
  return (
    <button
      type="button"
      aria-label={name}
      title={`${name} (${keyName})`}
      disabled={!to}
      onClick={() => to && navigate(to, { replace: true })}
    >
      <Icon name={icon} />
    </button>
  );
}

/** The caller's direction first, whichever stream began first. */
export function byDirection(streams: Stream[]): Stream[] {
  const order = ["caller_to_callee", "callee_to_caller", "unknown"];
  return [...streams].sort((a, b) => order.indexOf(a.direction) - order.indexOf(b.direction));
}

/** Everything about a call; `shared`: for somebody who has no more than a link to it. */
export function CallBody({ call: given, shared = false }: { call: CallData; shared?: boolean }) {
  const call = useMemo(() => ({ ...given, streams: byDirection(given.streams) }), [given]);
  const moments = useMemo(() => problems(call), [call]);
  const [at, setAt] = useState<number | null>(null);
  const [sipMark, setSipMark] = useState<number | null>(null);
  const moment = at === null ? null : (moments[at] ?? null);
  const markedSip = moment?.where.kind === "sip" ? moment.where.index : sipMark;
  const cursor = moment
    ? moment.at / 1000
    : sipMark === null
      ? null
      : Date.parse(call.sip[sipMark]?.at ?? "") / 1000;

  const next = () => {
    if (moments.length === 0) {
      announce("No moment of this call stands out");
      return;
    }
    const index = at === null ? 0 : (at + 1) % moments.length;
    setAt(index);
    setSipMark(null);
    const found = moments[index];
    if (found) announce(found.sentence);
    if (found?.where.kind === "interval") {
      document.getElementById("media")?.scrollIntoView({ block: "nearest" });
    }
  };
  const jump = (section: string) => document.getElementById(section)?.scrollIntoView({ block: "start" });
  useKeys("Call", [
    { key: "n", does: "Next moment at which something went wrong", run: next },
    { key: "m", does: "To the media", run: () => jump("media") },
    { key: "x", does: "To the other legs", run: () => jump("legs") },
    { key: "s", does: "To the SIP ladder", run: () => jump("ladder") },
  ]);

  return (
    <article class="call">
      <CallHead call={call} shared={shared} />
      <div class="two-columns call-columns">
        <div>
          <section class="card" aria-label="What happened">
            <header class="card-head">
              <h2>What happened</h2>
              {moments.length > 0 && (
                <button type="button" class="quiet" onClick={next} title="Next problem (n)">
                  {at === null ? "Step through" : `${at + 1} of ${moments.length}`} <kbd>n</kbd>
                </button>
              )}
            </header>
            <Findings findings={call.findings} />
            {moment && (
              <p class="moment">
                <Time at={new Date(moment.at).toISOString()} /> {moment.sentence}
              </p>
            )}
          </section>
          {!shared && <Packets call={call} />}
          <Legs call={call} />
          {call.streams.length > 0 ? (
            <section class="card" aria-label="Streams">
              <header class="card-head">
                <h2>Streams</h2>
              </header>
              <Streams streams={call.streams} omitted={call.streams_omitted} />
            </section>
          ) : (
            <CallFacts call={call} />
          )}
        </div>
        <div>
          <Ladder
            events={call.sip}
            omitted={call.sip_omitted}
            marked={markedSip}
            mark={(index) => {
              setAt(null);
              setSipMark(index === sipMark ? null : index);
            }}
          />
          <Quality call={call} cursor={cursor} />
          <QualityReports call={call} />
          {call.streams.length > 0 && <CallFacts call={call} />}
        </div>
      </div>
    </article>
  );
}

function CallHead({ call, shared }: { call: CallData; shared: boolean }) {
  const ended = outcome(call);
  const [sharing, setSharing] = useState(false);
  return (
    <header class="call-head">
      <h1>
        <Who party={call.caller} />
        <To word="called" />
        <Who party={call.callee} />
      </h1>
      {!shared && (
        <button type="button" class="call-share" onClick={() => setSharing(true)}>
          <Icon name="share" /> Share
        </button>
      )}
      {sharing && <ShareCall call={call} close={() => setSharing(false)} />}
      <dl class="headline">
        <div>
          <dt>Ended</dt>
          <dd>
            <Time at={call.ended_at} withDay />
          </dd>
        </div>
        <div>
          <dt>Outcome</dt>
          <dd>
            {ended.code !== null && <span class="code">{ended.code}</span>} {ended.text}
          </dd>
        </div>
        <div>
          <dt>Duration</dt>
          <dd>{call.duration_ms === null ? "not answered" : duration(call.duration_ms)}</dd>
        </div>
        <div>
          <dt>MOS, worse direction</dt>
          <dd>
            <CallMos call={call} /> <span class="muted">{mosNote(call)}</span>
          </dd>
        </div>
      </dl>
    </header>
  );
}

function mosNote(call: CallData): string | null {
  if (call.band === "no_audio") {
    return call.mos === null ? null : `MOS ${call.mos.toFixed(2)} of what was heard`;
  }
  return call.mos === null ? call.mos_reason : mosBasis(call.mos_scale, call.mos_estimated);
}

const BANDS_OF_MOS = `excellent above ${MOS_GOOD.toFixed(1)}, fair from ${MOS_FAIR.toFixed(1)} down, degraded at ${MOS_DEGRADED.toFixed(1)} and below`;

function Quality({ call, cursor }: { call: CallData; cursor: number | null }) {
  return (
    <section class="card" id="media" aria-label="Quality over time">
      <header class="card-head">
        <h2>Quality over time</h2>
        {call.streams.length > 0 && <span class="muted">{BANDS_OF_MOS}</span>}
      </header>
      {call.streams.length > 0 ? (
        <QualityCharts streams={call.streams} cursor={cursor} />
      ) : (
        <p class="muted pad">
          {call.answered_at
            ? "No RTP packet of this call was seen."
            : "The call was not answered, and no RTP packet was seen."}
        </p>
      )}
    </section>
  );
}
