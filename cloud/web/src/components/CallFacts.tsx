// Who, when and how: a call's facts as a list of terms.

import { NONE, duration, millis, words } from "../format.js";
import { sensorPath } from "../router.js";
import type { Call } from "../types.js";
import { Clip } from "./Clip.js";
import { Copy } from "./Copy.js";
import { To } from "./Icon.js";
import { Flag } from "./CallsTable.js";
import { Time } from "./Time.js";

export function CallFacts({ call }: { call: Call }) {
  return (
    <section class="card" aria-label="Facts">
      <header class="card-head">
        <h2>Facts</h2>
      </header>
      <dl class="facts">
        <Fact name="Started">
          {call.start_at ? <Time at={call.start_at} withDay /> : "before the capture began"}
        </Fact>
        <Fact
          name="First answer"
          title="From INVITE to the first provisional response other than 100, or the final one (RFC 6076)"
        >
          {millis(call.session_request_delay_ms)}
        </Fact>
        <Fact name="Ringing">{call.ringing_at ? <Time at={call.ringing_at} /> : NONE}</Fact>
        <Fact name="Answered">{call.answered_at ? <Time at={call.answered_at} /> : "not answered"}</Fact>
        <Fact name="Set-up" title="From INVITE to 200">
          {duration(call.setup_ms)}
        </Fact>
        <Fact name="Ended">
          <Time at={call.ended_at} withDay />
        </Fact>
        <Fact name="Ended by">{words(call.ended_by)}</Fact>
        <Fact name="Final response">{finalResponse(call)}</Fact>
        {call.q850_cause !== null && <Fact name="Q.850 cause">{call.q850_cause}</Fact>}
        <Fact name="From">
          <Clip text={`${call.caller.user}@${call.caller.host}`} mono />
        </Fact>
        <Fact name="To">
          <Clip text={`${call.callee.user}@${call.callee.host}`} mono />
        </Fact>
        <Fact name="Request-URI">
          <Clip text={call.request_uri} mono />
        </Fact>
        <Fact name="Addresses">
          <Clip text={call.src} mono /> <To /> <Clip text={call.dst} mono />
        </Fact>
        <Fact name="Caller's agent">
          <Clip text={call.caller_agent} />
        </Fact>
        <Fact name="Callee's agent">
          <Clip text={call.callee_agent} />
        </Fact>
        {call.dtmf && (
          <Fact name="DTMF">
            <span class="mono">{call.dtmf}</span>
          </Fact>
        )}
        {call.vlan !== null && <Fact name="VLAN">{call.vlan}</Fact>}
        <Fact name="Retransmissions">{call.retransmissions}</Fact>
        <Fact name="Flags">
          {call.flags.length === 0 ? "none" : call.flags.map((flag) => <Flag key={flag} name={flag} />)}
        </Fact>
        <Fact name="Call-ID">
          <Clip text={call.call_id} mono /> <Copy text={call.call_id} label="Copy the Call-ID" />
        </Fact>
        <Fact name="Seen by">
          {call.sensor ? (
            <a href={sensorPath(call.sensor.id)}>
              <Clip text={call.sensor.name} />
            </a>
          ) : (
            NONE
          )}
        </Fact>
      </dl>
    </section>
  );
}

function finalResponse({ status_code, reason_phrase }: Call) {
  if (status_code === null) return "none";
  return <Clip text={`${status_code} ${reason_phrase ?? ""}`.trim()} />;
}

interface FactProps {
  name: string;
  title?: string;
  children: preact.ComponentChildren;
}

const Fact = ({ name, title, children }: FactProps) => (
  <div>
    <dt title={title}>{name}</dt>
    <dd>{children}</dd>
  </div>
);
