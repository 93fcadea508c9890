// The other legs of a call: through a B2BUA, or by a transfer.

import { duration, sameDay } from "../format.js";
import { outcome } from "../outcome.js";
import { callPath } from "../router.js";
import type { Call, CallSummary } from "../types.js";
import { Who } from "./CallsTable.js";
import { SeverityIcon, To } from "./Icon.js";
import { CallMos } from "./Mos.js";
import { Time } from "./Time.js";

const SOURCE: Record<string, string> = {
  session_id: "by Session-ID",
  header: "by a header that names the other Call-ID",
  replaces: "by a transfer (Replaces)",
  number_and_time: "by number, time and address",
  media: "by the address that both offer for media",
};

export function Legs({ call }: { call: Call }) {
  const others = call.other_legs ?? [];
  if (others.length === 0) return null;
  const views = others.some((leg) => isView(leg, call));
  const source = (call.legs ?? others.find((leg) => leg.legs)?.legs)?.source ?? "";
  return (
    <section class="card" id="legs" aria-label="Other legs">
      <header class="card-head">
        <h2>{views ? "Other views of this call" : "Other legs of this call"}</h2>
        <span class="muted">{SOURCE[source] ?? ""}</span>
      </header>
      <ul class="legs">
        {others.map((leg) => (
          <Leg key={leg.id} leg={leg} call={call} />
        ))}
      </ul>
    </section>
  );
}

/** The same SIP dialog, as another sensor saw it. */
const isView = (leg: CallSummary, call: Call) =>
  leg.call_id === call.call_id && leg.sensor?.id !== call.sensor?.id;

function Leg({ leg, call }: { leg: CallSummary; call: Call }) {
  const ended = outcome(leg);
  const withDay = !sameDay(new Date(leg.ended_at), new Date(call.ended_at));
  return (
    <li>
      <SeverityIcon severity={leg.verdict.severity} />
      <div>
        <a class="leg-who" href={callPath(leg.id)}>
          <Who party={leg.caller} /> <To word="called" /> <Who party={leg.callee} />
        </a>
        <p class="muted">
          <span class="mono">{leg.src}</span> <To /> <span class="mono">{leg.dst}</span>
          {leg.sensor && leg.sensor.id !== call.sensor?.id && ` · ${leg.sensor.name ?? "another sensor"}`}
          {isView(leg, call) ? " · the same leg" : " · another leg"}
        </p>
        <p>
          {ended.code !== null && <span class="code">{ended.code}</span>} {ended.text}
          {leg.duration_ms !== null && `, ${duration(leg.duration_ms)}`}, ended{" "}
          <Time at={leg.ended_at} withDay={withDay} />
        </p>
      </div>
      <CallMos call={leg} />
    </li>
  );
}
