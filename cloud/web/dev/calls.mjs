// Calls of every kind, in the shape of protocol/src/json.rs.

import { media } from "./media.mjs";

const AGENTS = [
  "Yealink SIP-T54W 96.86.0.100",
  "snomD785/10.1.175.16",
  "Asterisk PBX 20.5.0",
  "FreeSWITCH-mod_sofia/1.10.11",
  "Grandstream GXP2170 1.0.11.79",
  "PolyEdge-E350-UA/8.3.0",
  "OpenSIPS (3.4.2 (x86_64/linux))",
  null,
];
const NAMES = [
  "Reception",
  "Müller, Jana",
  "مركز الاتصال",
  "Sales ☎️ Team Europe, Middle East and a display name that never seems to end",
  "Warehouse",
  "<b>Eve</b>",
  null,
  null,
  null,
  null,
  null,
];
const REJECTIONS = [
  [486, "Busy Here", "info", "The callee was busy."],
  [480, "Temporarily Unavailable", "warning", "The callee is not registered or not reachable."],
  [404, "Not Found", "warning", "The number does not exist."],
  [403, "Forbidden", "problem", "The server does not allow this call: check the account and its rights."],
  [503, "Service Unavailable", "problem", "The server is overloaded or out of service."],
  [488, "Not Acceptable Here", "problem", "The two sides found no common codec or media."],
  [603, "Decline", "info", "The callee declined."],
  [500, "Line trunk-7 is down", "warning", "The call failed with 500 Server Internal Error."],
];
const PBX = {
  "Frankfurt core": "10.20.0.10:5060",
  "Lyon branch": "10.31.4.2:5060",
  "Atelier Zürich 🔔 قاعة": "192.168.7.1:5060",
  "Old lab box": "[2001:db8:6::1]:5060",
};

const iso = (micros) => {
  const whole = Math.floor(micros / 1000);
  return new Date(whole).toISOString().replace("Z", `${String(Math.floor(micros % 1000)).padStart(3, "0")}Z`);
};

const rank = { problem: 3, warning: 2, info: 1, ok: 0 };

/** One call that ended at `endedAt` (ms), seen by `sensor`. */
export function makeCall(random, sensor, endedAt, number) {
  const kind = pickKind(random);
  const answered = !["rejected", "cancelled", "unreachable"].includes(kind);
  const setup = random.between(1.5, 14) * 1e6;
  const talk = answered ? Math.min(random.between(4, 80) * Math.exp(random.between(0, 3.2)), 5400) * 1e6 : 0;
  const ring = random.between(0.12, kind === "slow" ? 11 : 1.8) * 1e6;
  const total = answered
    ? setup + ring + talk
    : kind === "unreachable"
      ? 32e6
      : ring + random.between(0.3, 20) * 1e6;
  const first = endedAt * 1000 - Math.floor(total);
  const at = (offset) => iso(first + Math.floor(offset));
  const a = {
    phone: `192.0.2.${random.whole(10, 250)}:${random.pick([5060, 5060, 5062, 40112])}`,
    pbx: PBX[sensor.name] ?? "10.0.0.1:5060",
    trunk: `203.0.113.${random.whole(8, 12)}:5060`,
  };
  if (random.chance(0.05)) a.phone = `[2001:db8:a:${random.hex(4)}::${random.hex(2)}]:5060`;
  const caller = party(random, a.phone);
  const callee = party(random, a.pbx);
  const answerAt = answered ? ring + setup : null;
  const rejection = kind === "rejected" ? random.pick(REJECTIONS) : null;
  const authenticated = random.chance(0.4);
  const sip = ladder({ random, kind, a, ring, answerAt, total, rejection, authenticated, at, first });
  const streams = answered && kind !== "no_media" ? media(random, kind, a, answerAt, total, at) : [];
  const scored = streams.filter((stream) => stream.mos !== null).sort((x, y) => x.mos - y.mos);
  const flags = flagsOf(random, kind, authenticated);
  const findings = findingsOf({ kind, streams, rejection, talk, total, ring, flags });
  const call = {
    id: `${sensor.id}-${"5eed".repeat(8)}-${number}`,
    call_id: random.chance(0.04)
      ? `${random.hex(120)}@a-call-id-without-an-end.example.invalid`
      : `${random.hex(20)}@${a.phone.replace(/:\d+$/, "")}`,
    caller,
    callee,
    request_uri: `sip:${callee.user}@${callee.host}`,
    src: a.phone,
    dst: a.pbx,
    first_at: at(0),
    start_at: kind === "joined_late" ? null : at(0),
    ringing_at: kind === "unreachable" ? null : at(ring),
    answered_at: answered ? at(answerAt) : null,
    ended_at: at(total),
    session_request_delay_ms: kind === "unreachable" ? null : Math.round(ring) / 1000,
    setup_ms: answered && kind !== "joined_late" ? Math.round(answerAt) / 1000 : null,
    duration_ms: answered ? Math.round(talk) / 1000 : null,
    status_code: rejection ? rejection[0] : answered ? 200 : kind === "cancelled" ? 487 : null,
    reason_phrase: rejection
      ? rejection[1]
      : answered
        ? "OK"
        : kind === "cancelled"
          ? "Request Terminated"
          : null,
    q850_cause: rejection && random.chance(0.5) ? 17 : null,
    ended_by: rejection
      ? "rejected"
      : kind === "cancelled"
        ? "cancelled"
        : kind === "unreachable" || kind === "no_bye"
          ? "timeout"
          : random.pick(["caller", "callee"]),
    caller_agent: random.pick(AGENTS),
    callee_agent: random.pick(AGENTS),
    dtmf: random.chance(0.12) ? random.pick(["1", "2#", "0041#", "*21*004930123456#"]) : null,
    flags,
    vlan: random.chance(0.2) ? 210 : null,
    retransmissions: kind === "unreachable" ? 6 : 0,
    legs: random.chance(0.3)
      ? { key: random.hex(16), source: random.pick(["session_id", "header", "number_and_time"]) }
      : null,
    band: bandOf(answered ? flags : [], scored[0]?.mos ?? null),
    mos: scored[0]?.mos ?? null,
    r: scored[0]?.r ?? null,
    mos_fixed_50: scored[0]?.mos_fixed_50 ?? null,
    mos_fixed_200: scored[0]?.mos_fixed_200 ?? null,
    mos_scale: scored[0]?.mos_scale ?? null,
    mos_estimated: scored[0]?.mos_estimated ?? false,
    mos_reason: scored[0] ? null : (streams[0]?.mos_reason ?? "no media"),
    mos_unreliable: flags.includes("capture_loss"),
    sip_dscp: [24, 24],
    sensor: { id: sensor.id, name: sensor.name, id_sensor: sensor.id_sensor },
  };
  return {
    ...call,
    verdict: { severity: findings[0].severity, sentence: findings[0].sentence },
    sip,
    sip_omitted: 0,
    streams,
    streams_omitted: 0,
    quality_reports: reports(random, streams, at(total)),
    findings,
  };
}

/** Some phones report what they received. */
function reports(random, streams, at) {
  if (streams.length === 0 || random.chance(0.6)) return [];
  return streams
    .filter((stream) => stream.mos !== null)
    .map((stream) => ({
      at,
      direction: stream.direction,
      kind: "session",
      mos_lq: Math.min(4.5, Math.round((stream.mos + 0.1) * 100) / 100),
      mos_cq: stream.mos,
      loss_percent: Math.round((stream.lost / Math.max(1, stream.expected)) * 1000) / 10,
      discard_percent: 0.2,
      jitter_ms: Math.round(stream.jitter_mean_ms ?? 0),
      round_trip_ms: 40,
    }));
}

function pickKind(random) {
  const n = random.next();
  const kinds = [
    ["good", 0.52],
    ["rejected", 0.14],
    ["cancelled", 0.1],
    ["lossy", 0.07],
    ["jittery", 0.05],
    ["one_way", 0.025],
    ["no_media", 0.015],
    ["unreachable", 0.02],
    ["slow", 0.02],
    ["silent", 0.01],
    ["no_bye", 0.01],
    ["joined_late", 0.01],
    ["fax", 0.01],
  ];
  let sum = 0;
  for (const [kind, part] of kinds) {
    sum += part;
    if (n < sum) return kind;
  }
  return "good";
}

function party(random, address) {
  const user = random.pick([
    () => `0049${random.whole(30, 89)}${random.whole(100000, 99999999)}`,
    () => String(random.whole(100, 399)),
    () => `+33${random.whole(100000000, 799999999)}`,
    () => `0049*${random.whole(10, 99)}`,
    () => "anonymous",
    () => `${random.pick(["anna", "jo", "support"])}.${random.hex(3)}`,
  ])();
  return { user, host: address.replace(/:5060$/, ""), display: random.pick(NAMES) };
}

function ladder({ random, kind, a, ring, answerAt, total, rejection, authenticated, at }) {
  const list = [];
  const add = (offset, src, dst, what, cseq) =>
    list.push({
      offset,
      src,
      dst,
      cseq,
      ...(typeof what === "number" ? { status_code: what } : { method: what }),
    });
  let t = 0;
  let n = 1;
  if (kind !== "joined_late") {
    add(0, a.phone, a.pbx, "INVITE", "1 INVITE");
    if (kind === "unreachable") {
      for (let i = 0, wait = 0.5e6, when = 0.5e6; i < 6; i++, wait *= 2, when += wait)
        add(when, a.phone, a.pbx, "INVITE", "1 INVITE");
    } else {
      if (authenticated) {
        add(2_100, a.pbx, a.phone, 407, "1 INVITE");
        add(3_900, a.phone, a.pbx, "ACK", "1 ACK");
        add(9_400, a.phone, a.pbx, "INVITE", "2 INVITE");
        t = 9_400;
        n = 2;
      }
      add(t + 1_300, a.pbx, a.phone, 100, `${n} INVITE`);
      add(t + 4_800, a.pbx, a.trunk, "INVITE", "102 INVITE");
      add(t + 22_000, a.trunk, a.pbx, 100, "102 INVITE");
      if (rejection) {
        add(ring, a.trunk, a.pbx, rejection[0], "102 INVITE");
        add(ring + 900, a.pbx, a.trunk, "ACK", "102 ACK");
        add(ring + 2_000, a.pbx, a.phone, rejection[0], `${n} INVITE`);
        add(ring + 9_000, a.phone, a.pbx, "ACK", `${n} ACK`);
      } else {
        add(ring, a.trunk, a.pbx, 180, "102 INVITE");
        add(ring + 1_900, a.pbx, a.phone, 180, `${n} INVITE`);
      }
      if (kind === "cancelled") {
        add(total - 20_000, a.phone, a.pbx, "CANCEL", `${n} CANCEL`);
        add(total - 18_900, a.pbx, a.phone, 200, `${n} CANCEL`);
        add(total - 17_000, a.pbx, a.trunk, "CANCEL", "102 CANCEL");
        add(total - 4_000, a.trunk, a.pbx, 487, "102 INVITE");
        add(total - 900, a.pbx, a.phone, 487, `${n} INVITE`);
        add(total, a.phone, a.pbx, "ACK", `${n} ACK`);
      }
      if (answerAt !== null) {
        add(answerAt - 2_000, a.trunk, a.pbx, 200, "102 INVITE");
        add(answerAt, a.pbx, a.phone, 200, `${n} INVITE`);
        add(answerAt + 12_000, a.phone, a.pbx, "ACK", `${n} ACK`);
        add(answerAt + 13_000, a.pbx, a.trunk, "ACK", "102 ACK");
      }
    }
  }
  if (answerAt !== null && kind !== "no_bye") {
    add(total - 31_000, a.phone, a.pbx, "BYE", `${n + 1} BYE`);
    add(total - 30_000, a.pbx, a.phone, 200, `${n + 1} BYE`);
    add(total - 28_000, a.pbx, a.trunk, "BYE", "103 BYE");
    add(total, a.trunk, a.pbx, 200, "103 BYE");
  }
  void random;
  list.sort((x, y) => x.offset - y.offset);
  return list.map(({ offset, ...event }) => ({ at: at(offset), ...event }));
}

function flagsOf(random, kind, authenticated) {
  const flags = [];
  if (["one_way", "no_media", "silent", "fax", "joined_late"].includes(kind)) flags.push(kind);
  if (random.chance(0.12)) flags.push("nat");
  if (random.chance(0.06)) flags.push("on_hold");
  if (random.chance(0.04)) flags.push("transferred");
  if (random.chance(0.08)) flags.push("encrypted");
  if (random.chance(0.1)) flags.push("early_media");
  if (authenticated) flags.push("authenticated");
  return flags;
}

function findingsOf({ kind, streams, rejection, talk, total, ring, flags }) {
  const found = [];
  const add = (severity, sentence, evidence = []) => found.push({ severity, sentence, evidence });
  if (kind === "no_media")
    add(
      "problem",
      "The call was answered, and no audio was seen in either direction: check that the mirror port carries the media, and that a firewall does not block RTP.",
      [`0 RTP packets in ${seconds(talk)}`],
    );
  if (kind === "one_way")
    add("problem", "One-way audio: the caller heard nothing. Check NAT and firewall on the silent path.", [
      `only ${arrow(streams[0])}`,
    ]);
  if (kind === "silent") add("warning", "Audio packets flowed, but nobody spoke.");
  if (flags.includes("nat"))
    add("info", "Media came from another address than its SDP said: a NAT lies between.");
  for (const s of streams) {
    const loss = s.lost / s.expected;
    if (s.mos === null || (s.mos > 3.6 && loss < 0.01)) continue;
    const evidence = [`MOS ${s.mos.toFixed(2)}`];
    if (loss >= 0.01)
      evidence.push(
        `${s.lost} of ${s.expected} packets lost (${(loss * 100).toFixed(1)} %${s.burst_r >= 1.5 ? ", in bursts" : ""})`,
      );
    if (s.jitter_max_ms >= 30) evidence.push(`jitter up to ${Math.floor(s.jitter_max_ms)} ms`);
    if (s.delta_max_ms >= 1000) evidence.push(`a gap of ${seconds(s.delta_max_ms * 1000)}`);
    if (s.discarded) evidence.push(`${s.discarded} packets too late for the jitter buffer`);
    const [severity, word] =
      s.mos <= 3 ? ["problem", "degraded"] : s.mos <= 3.6 ? ["warning", "fair"] : ["info", "still good"];
    add(severity, `Quality of ${arrow(s)} was ${word}.`, evidence);
  }
  if (kind === "slow" && ring > 8e6)
    add("warning", "The caller waited long for a first answer.", [
      `${seconds(ring)} from INVITE to ringing or final response`,
    ]);
  if (kind === "unreachable") {
    add("problem", "Nobody answered the INVITE: check that the destination is reachable.", [
      "32 s without a final response",
    ]);
    add(
      "warning",
      "SIP messages had to be repeated: packets of the signalling path are lost or answered late.",
      ["6 retransmissions"],
    );
  } else if (rejection) add(rejection[2], rejection[3], [`final response ${rejection[0]} ${rejection[1]}`]);
  else if (kind === "cancelled") add("info", `The caller gave up after ${seconds(total)}.`);
  else if (kind === "no_bye") add("warning", `No BYE was seen: the media stopped after ${seconds(talk)}.`);
  else add("ok", `The caller hung up after ${seconds(talk)}.`);
  return found.sort((x, y) => rank[y.severity] - rank[x.severity]);
}

/** As protocol/src/band.rs has it. */
function bandOf(flags, mos) {
  if (["one_way", "no_media", "silent"].some((flag) => flags.includes(flag))) return "no_audio";
  if (mos === null) return null;
  return mos <= 3 ? "degraded" : mos <= 3.6 ? "fair" : mos <= 4.2 ? "good" : "excellent";
}

const arrow = (s) => `${s.direction.replace(/_/g, " ")} (${s.src} to ${s.dst})`;

function seconds(micros) {
  const ms = Math.floor(micros / 1000);
  if (ms < 10_000) return `${Math.floor(ms / 1000)}.${Math.floor((ms % 1000) / 100)} s`;
  if (ms < 120_000) return `${Math.floor(ms / 1000)} s`;
  return `${Math.floor(ms / 60_000)} min ${Math.floor(ms / 1000) % 60} s`;
}
