// Each RTP stream's figures: streams as columns, so that the two directions stand side by side.

import { NONE, bytes, count, figure, hostPort, millis, percent, share, ssrc } from "../format.js";
import { SCALES } from "../quality.js";
import type { Stream } from "../types.js";
import { Clip } from "./Clip.js";
import { To } from "./Icon.js";
import { Mos } from "./Mos.js";
import { Time } from "./Time.js";

interface RowSpec {
  name: string;
  title?: string;
  value: (stream: Stream) => preact.ComponentChildren;
}

interface GroupSpec {
  name: string;
  rows: RowSpec[];
}

const DIRECTION = {
  caller_to_callee: "Caller → callee",
  callee_to_caller: "Callee → caller",
  unknown: "Direction unknown",
};

export const directionWord = (stream: Stream): string => DIRECTION[stream.direction] ?? DIRECTION.unknown;

const lossOf = ({ lost, expected }: Stream) => share(lost, expected);
const mos = (stream: Stream, value: number | null, buffer: string) => (
  <Mos mos={value} scale={stream.mos_scale} estimated={stream.mos_estimated} reason={stream.mos_reason} buffer={buffer} />
);
const scaleWord = (stream: Stream) => {
  if (!stream.mos_scale) return stream.mos_reason ?? NONE;
  return stream.mos_estimated ? `${SCALES[stream.mos_scale]}, estimated` : SCALES[stream.mos_scale];
};

const marking = (dscp: number) => (dscp === 46 ? "46 (EF)" : String(dscp));
const dscpWord = ({ dscp, dscp_change: change }: Stream) =>
  change
    ? `${marking(change.from)}, after ${millis(change.after_ms)} ${marking(change.to)}`
    : marking(dscp);

const GROUPS: GroupSpec[] = [
  {
    name: "Quality",
    rows: [
      {
        name: "MOS, adaptive buffer",
        title: "As an adaptive jitter buffer of up to 500 ms would play it",
        value: (s) => mos(s, s.mos, "adaptive jitter buffer"),
      },
      { name: "MOS, fixed 50 ms", value: (s) => mos(s, s.mos_fixed_50, "fixed jitter buffer of 50 ms") },
      { name: "MOS, fixed 200 ms", value: (s) => mos(s, s.mos_fixed_200, "fixed jitter buffer of 200 ms") },
      { name: "Scale", title: "Which E-model the MOS is from", value: scaleWord },
      {
        name: "R",
        title: "Transmission rating of the E-model, adaptive buffer",
        value: (s) => figure(s.r, 1),
      },
      {
        name: "Discarded",
        title: "Packets too late for the adaptive, 50 ms and 200 ms buffer",
        value: (s) =>
          `${count(s.discarded)} / ${count(s.discarded_fixed_50)} / ${count(s.discarded_fixed_200)}`,
      },
    ],
  },
  {
    name: "Packets",
    rows: [
      { name: "Received", title: "Packets that came, duplicates included", value: (s) => count(s.packets) },
      {
        name: "Expected",
        title: "From the sequence numbers (RFC 3550 A.3)",
        value: (s) => count(s.expected),
      },
      {
        name: "Lost",
        title: "Sequence numbers that never came",
        value: (s) => `${count(s.lost)} (${percent(lossOf(s), 2)})`,
      },
      {
        name: "Burst ratio",
        title: "G.107 BurstR: above 1 the loss comes in bursts",
        value: (s) => figure(s.burst_r, 2),
      },
      { name: "Duplicates", value: (s) => count(s.duplicates) },
      { name: "Reordered", value: (s) => count(s.reordered) },
      {
        name: "Lost by the capture",
        title: "Lost in seconds in which the sensor itself missed packets",
        value: (s) => (s.capture_lost === null ? "unknown" : count(s.capture_lost)),
      },
      { name: "Lost by the network", value: (s) => count(s.network_lost) },
      { name: "Payload", value: (s) => bytes(s.bytes) },
    ],
  },
  {
    name: "Timing",
    rows: [
      {
        name: "Jitter, mean",
        title: "Interarrival jitter (RFC 3550 A.8)",
        value: (s) => millis(s.jitter_mean_ms),
      },
      { name: "Jitter, greatest", value: (s) => millis(s.jitter_max_ms) },
      { name: "Mean gap", title: "Between two packets' arrivals", value: (s) => millis(s.delta_mean_ms) },
      { name: "Longest gap", title: "Between two packets' arrivals", value: (s) => millis(s.delta_max_ms) },
      {
        name: "Sender's clock",
        title: "Against the sensor's, by the fastest packets of each ten seconds",
        value: (s) => drift(s.drift_ppm),
      },
      { name: "First packet", value: (s) => <Time at={s.first_at} /> },
      { name: "Last packet", value: (s) => <Time at={s.last_at} /> },
    ],
  },
  {
    name: "RTCP, as the receiver reported",
    rows: [
      { name: "Reports", value: (s) => (s.rtcp ? count(s.rtcp.reports) : "none seen") },
      {
        name: "Greatest fraction lost",
        title: "Of any one report",
        value: (s) => percent(s.rtcp?.fraction_lost),
      },
      { name: "Cumulative lost", value: (s) => count(s.rtcp?.cumulative_lost) },
      { name: "Interarrival jitter", value: (s) => millis(s.rtcp?.interarrival_jitter_ms) },
      { name: "Round trip, mean", value: (s) => millis(s.rtcp?.round_trip_ms) },
    ],
  },
  {
    name: "RTCP XR, as the receiver measured",
    rows: [
      { name: "VoIP metrics", value: (s) => (s.voip_metrics ? count(s.voip_metrics.reports) : "none seen") },
      { name: "Loss rate", value: (s) => percent(s.voip_metrics?.loss_rate) },
      { name: "Discarded", value: (s) => percent(s.voip_metrics?.discard_rate) },
      { name: "Round trip", value: (s) => millis(s.voip_metrics?.round_trip_delay_ms) },
      { name: "MOS-LQ", value: (s) => s.voip_metrics?.mos_lq?.toFixed(1) ?? NONE },
      { name: "MOS-CQ", value: (s) => s.voip_metrics?.mos_cq?.toFixed(1) ?? NONE },
    ],
  },
  {
    name: "Sound",
    rows: [
      {
        name: "Speech level",
        title: "Mean of the packets that are not silent; G.711 only",
        value: (s) => (typeof s.level?.speech_dbm0 === "number" ? `${s.level.speech_dbm0} dBm0` : NONE),
      },
      { name: "Not silent", value: (s) => (s.level ? `${s.level.active_percent} %` : NONE) },
      { name: "Packets that clip", value: (s) => (s.level ? count(s.level.clipped_packets) : NONE) },
    ],
  },
  {
    name: "Stream",
    rows: [
      { name: "Codec", value: codec },
      { name: "First in the answer", title: "Where another codec was sent", value: (s) => s.preferred ?? NONE },
      {
        name: "SDP's address",
        title: "Where media came from another host than the SDP says",
        value: (s) => s.described ?? NONE,
      },
      { name: "CNAME", value: (s) => s.cname ?? NONE },
      { name: "Packet time", value: (s) => (s.ptime_ms === null ? NONE : `${s.ptime_ms} ms`) },
      { name: "Payload type", value: (s) => String(s.payload_type) },
      { name: "SSRC", value: (s) => <span class="mono">{ssrc(s.ssrc)}</span> },
      {
        name: "DSCP",
        title: "The mark of most packets; 46 is expedited forwarding",
        value: dscpWord,
      },
    ],
  },
];

function drift(ppm: number | null): string {
  if (ppm === null) return NONE;
  return ppm === 0 ? "0 ppm" : `${Math.abs(ppm)} ppm ${ppm > 0 ? "slow" : "fast"}`;
}

function codec({ encoding_name, clock_rate }: Stream): string {
  if (!encoding_name) return "unknown";
  return clock_rate ? `${encoding_name}, ${clock_rate / 1000} kHz` : encoding_name;
}

export function Streams({ streams, omitted }: { streams: Stream[]; omitted: number }) {
  return (
    <div class="scroll-x" tabIndex={0} role="group" aria-label="Figures of the streams">
      <table class="streams">
        <thead>
          <tr>
            <th scope="col">
              <span class="hidden">Figure</span>
            </th>
            {streams.map((stream, index) => (
              <th key={index} scope="col">
                <span class={`swatch swatch-${index % 4}`} /> {directionWord(stream)}
                <span class="route">
                  <Clip mono text={stream.src} /> <To /> <Clip mono text={stream.dst} />
                </span>
              </th>
            ))}
          </tr>
        </thead>
        {GROUPS.map(({ name, rows }) => (
          <tbody key={name}>
            <tr class="group">
              <th scope="rowgroup" colSpan={streams.length + 1}>
                {name}
              </th>
            </tr>
            {rows.map((row) => (
              <tr key={row.name}>
                <th scope="row" title={row.title}>
                  {row.name}
                </th>
                {streams.map((stream, index) => (
                  <td key={index}>{row.value(stream)}</td>
                ))}
              </tr>
            ))}
          </tbody>
        ))}
      </table>
      {omitted > 0 && <p class="muted pad">{omitted} further streams did not fit into the record.</p>}
    </div>
  );
}

/** "PCMA between 192.0.2.1 and 10.0.0.1", for captions. */
export const streamCaption = (stream: Stream): string =>
  `${directionWord(stream)}, ${codec(stream)}, ${hostPort(stream.src).host} to ${hostPort(stream.dst).host}`;
