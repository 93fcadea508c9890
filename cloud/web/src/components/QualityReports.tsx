// What the phones themselves reported (RFC 6035), beside our own figures of the same direction.

import { NONE, millis, percent, words } from "../format.js";
import type { Call, QualityReport } from "../types.js";
import { Time } from "./Time.js";

const DIRECTION = {
  caller_to_callee: "Caller → callee",
  callee_to_caller: "Callee → caller",
  unknown: "Direction unknown",
};

/** Our own MOS and loss of the direction that a phone reports about. */
function ours(call: Call, direction: QualityReport["direction"]): { mos: number | null; loss: number | null } {
  const streams = call.streams.filter((stream) => stream.direction === direction && stream.mos !== null);
  const worst = streams.sort((a, b) => (a.mos ?? 5) - (b.mos ?? 5))[0];
  if (!worst) return { mos: null, loss: null };
  return { mos: worst.mos, loss: worst.expected > 0 ? worst.lost / worst.expected : null };
}

export function QualityReports({ call }: { call: Call }) {
  const reports = call.quality_reports ?? [];
  if (reports.length === 0) return null;
  return (
    <section class="card" aria-label="What the phones reported">
      <header class="card-head">
        <h2>What the phones reported</h2>
        <span class="muted">RFC 6035, beside ours</span>
      </header>
      <div class="scroll-x" tabIndex={0} role="group" aria-label="Reports">
        <table class="plain phones">
          <thead>
            <tr>
              <th scope="col">Received</th>
              <th scope="col" class="n" title="Listening quality, as the phone reckons it">
                MOS LQ
              </th>
              <th scope="col" class="n" title="Conversational quality, as the phone reckons it">
                MOS CQ
              </th>
              <th scope="col" class="n">
                Our MOS
              </th>
              <th scope="col" class="n" title="Lost in the network">
                Lost
              </th>
              <th scope="col" class="n">
                Our loss
              </th>
              <th scope="col" class="n" title="Thrown away by the phone's jitter buffer">
                Discarded
              </th>
              <th scope="col" class="n">
                Jitter
              </th>
              <th scope="col" class="n">
                Round trip
              </th>
            </tr>
          </thead>
          <tbody>
            {reports.map((report) => {
              const own = ours(call, report.direction);
              return (
                <tr key={`${report.at} ${report.direction} ${report.kind}`}>
                  <th scope="row">
                    {DIRECTION[report.direction]}{" "}
                    <span class="muted">
                      {report.kind === "session" ? "" : `${words(report.kind)}, `}
                      <Time at={report.at} />
                    </span>
                  </th>
                  <td class="n">{score(report.mos_lq)}</td>
                  <td class="n">{score(report.mos_cq)}</td>
                  <td class="n muted">{score(own.mos)}</td>
                  <td class="n">{percent(report.loss_percent === null ? null : report.loss_percent / 100)}</td>
                  <td class="n muted">{percent(own.loss)}</td>
                  <td class="n">
                    {percent(report.discard_percent === null ? null : report.discard_percent / 100)}
                  </td>
                  <td class="n">{millis(report.jitter_ms)}</td>
                  <td class="n">{millis(report.round_trip_ms)}</td>
                </tr>
              );
            })}
          </tbody>
        </table>
      </div>
    </section>
  );
}

const score = (mos: number | null) => (mos === null ? NONE : mos.toFixed(2));
