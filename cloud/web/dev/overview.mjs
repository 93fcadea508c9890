// The overview over an array of calls, as cloud/src/routes/overview has it; its verdict is simpler.

const SLOT = 300_000;
const HOUR = 3_600_000;
const FILTERS = {
  failed: {
    answered: "false",
    ended_by: "rejected,timeout",
    flag: "!joined_late",
    status: "!3xx,401,402,407,480,486,487,600,603",
  },
  bad_audio: { band: "no_audio,degraded" },
};
const NO_FAULT = [401, 402, 407, 480, 486, 487, 600, 603];
const iso = (ms) => new Date(ms).toISOString();
const ratio = (part, whole) => (whole > 0 ? Math.round((part / whole) * 1e4) / 1e4 : null);

const isFailed = (call) =>
  call.answered_at === null &&
  ["rejected", "timeout"].includes(call.ended_by) &&
  !NO_FAULT.includes(call.status_code) &&
  Math.floor((call.status_code ?? 0) / 100) !== 3;
const isBad = (call) => ["no_audio", "degraded"].includes(call.band);

function figures(calls) {
  const answered = calls.filter((call) => call.answered_at !== null);
  const scored = calls.filter((call) => call.mos !== null);
  const delays = calls.filter((call) => call.session_request_delay_ms !== null);
  const sum = (of, field) => of.reduce((total, call) => total + (call[field] ?? 0), 0);
  const effective = calls.filter((call) => [480, 486, 600, 603].includes(call.status_code) || call.ended_by === "cancelled");
  return {
    calls: calls.length,
    answered: answered.length,
    asr: ratio(answered.length, calls.length),
    ner: ratio(answered.length + effective.length, calls.length),
    acd_seconds: ratio(sum(answered, "duration_ms") / 1000, answered.length),
    session_request_delay_ms: ratio(sum(delays, "session_request_delay_ms"), delays.length),
    mos_mean: ratio(sum(scored, "mos"), scored.length),
    failed: calls.filter(isFailed).length,
    no_audio: calls.filter(({ band }) => band === "no_audio").length,
    degraded: calls.filter(({ band }) => band === "degraded").length,
  };
}

/** Channels in use, as many times as the few calls need to look like a company's. */
const LIFT = 60;

function part(calls, from, until, point) {
  const found = calls.filter((call) => Date.parse(call.ended_at) >= from && Date.parse(call.ended_at) < until);
  const points = [];
  for (let at = from - (from % point); at < until; at += point) {
    const within = found.filter((call) => Math.floor(Date.parse(call.ended_at) / point) * point === at);
    const busy = within.reduce((total, call) => total + (call.duration_ms ?? 0), 0);
    points.push({
      ...figures(within),
      at: iso(at),
      channels: Math.round(((busy * LIFT) / point) * 10) / 10,
    });
  }
  return { figures: figures(found), points, found };
}

function named(field, calls, namesOf) {
  const list = (test) => {
    const counts = new Map();
    for (const call of calls.filter(test)) {
      for (const name of new Set(namesOf(call))) if (!/^anonymous$|[*,!]/.test(name)) counts.set(name, (counts.get(name) ?? 0) + 1);
    }
    return [...counts]
      .filter(([, count]) => count >= 3)
      .sort((x, y) => y[1] - x[1])
      .slice(0, 10)
      .map(([name, count]) => ({ [field]: name, calls: count }));
  };
  return { failed: list(isFailed), bad_audio: list(isBad) };
}

const host = (address) => address?.replace(/^\[?(.*?)\]?:\d+$/, "$1");

export function overview(calls, sensors, limit, query) {
  const now = Date.now();
  const until = Math.ceil(Math.min(Date.parse(query.get("to") ?? iso(now)), now) / SLOT) * SLOT;
  const asked = query.get("from") ? Date.parse(query.get("from")) : until - 24 * HOUR;
  const from = Math.max(Math.floor(asked / SLOT) * SLOT, now - 25 * 24 * HOUR);
  const length = until - from;
  const point = [[8, SLOT], [48, HOUR / 2], [192, 2 * HOUR], [Infinity, 6 * HOUR]].find(([most]) => length <= most * HOUR)[1];
  const hasBefore = from - length >= now - 25 * 24 * HOUR;
  const present = part(calls, from, until, point);
  const past = hasBefore ? part(calls, from - length, from, point) : null;
  const there = sensors.filter(({ state }) => state !== "revoked");
  const online = there.filter(({ state }) => state === "online");
  const ref = ({ id, name, id_sensor }) => ({ id, name, id_sensor });
  const of = (list, sensor) => list.filter((call) => call.sensor?.id === sensor.id);
  const busiest = present.points.reduce((most, one) => (one.channels > (most?.channels ?? 0) ? one : most), null);
  return {
    from: iso(from),
    to: iso(until),
    ...verdict(present.figures, past?.figures ?? null, there, { from: iso(from), to: iso(until) }),
    figures: present.figures,
    channels: {
      now: online.length > 0 ? online.reduce((sum, { channels }) => sum + (channels ?? 0), 0) : null,
      limit,
      busiest: busiest && { at: busiest.at, channels: busiest.channels },
    },
    point_seconds: point / 1000,
    points: present.points,
    before: past && { from: iso(from - length), figures: past.figures, points: past.points },
    hours: { from: iso(Math.floor(from / HOUR) * HOUR), to: iso(Math.ceil(until / HOUR) * HOUR) },
    filters: FILTERS,
    sensors: {
      total: there.length,
      online: online.length,
      away: there
        .filter(({ state }) => state !== "online")
        .map((sensor) => ({ sensor: ref(sensor), state: sensor.state, heard_at: sensor.last_seen_at })),
      worst: there
        .map((sensor) => ({
          sensor: ref(sensor),
          figures: figures(of(present.found, sensor)),
          before: past && figures(of(past.found, sensor)),
        }))
        .filter((one) => one.figures.calls >= 20),
    },
    numbers: named("number", present.found, (call) => [call.caller.user, call.callee.user]),
    addresses: named("address", present.found, (call) => [call.src, call.dst].map(host)),
  };
}

function verdict(now, before, sensors, { from, to }) {
  const percent = (share) => `${(share * 100).toFixed(1)} %`;
  const page = (filter) => `/calls?${new URLSearchParams({ from: `${from.slice(0, 19)}Z`, to: `${to.slice(0, 19)}Z`, ...filter })}`;
  if (sensors.length === 0) {
    return {
      verdict: {
        severity: "info",
        sentence: "No sensor has joined yet, so there is nothing to show.",
        reasons: ["A sensor sits where the calls are: at the PBX or on a mirror port."],
        next: { text: "Add a sensor", page: "/sensors?add=1" },
      },
      findings: [],
    };
  }
  const found = [];
  const failed = now.failed / now.calls;
  if (now.calls >= 50 && failed >= 0.05) {
    const after = before?.calls >= 50 ? `, after ${percent(before.failed / before.calls)} in the time before` : "";
    found.push({
      severity: failed >= 0.1 ? "problem" : "warning",
      sentence: `${percent(failed)} of calls failed (${now.calls} calls in all)${after}.`,
      reasons: [`worst at ${sensors[0].name}: ${percent(failed * 1.7)} (${now.failed} calls)`],
      next: { text: "See the calls that failed", page: page(FILTERS.failed) },
    });
  }
  const bad = (now.no_audio + now.degraded) / now.answered;
  if (now.answered >= 50 && bad >= 0.05) {
    found.push({
      severity: "warning",
      sentence: `${percent(bad)} of calls sounded bad (${now.answered} calls in all).`,
      reasons: [`${now.no_audio} without sound in a direction, ${now.degraded} with a MOS of 3.0 or less`],
      next: { text: "See the calls that sounded bad", page: page(FILTERS.bad_audio) },
    });
  }
  const away = sensors.filter(({ state }) => ["offline", "refused", "stopped"].includes(state));
  if (away.length > 0) {
    found.push({
      severity: "warning",
      sentence: `${away.length} of ${sensors.length} sensors are not connected: their records come when they are back.`,
      reasons: away.map(({ name, state }) => `${name}: ${state}`),
      next: { text: "Look at the sensors", page: "/sensors" },
    });
  }
  if (found.length === 0) {
    found.push({ severity: "ok", sentence: `All is well: nothing stands out in ${now.calls} calls.`, reasons: [], next: null });
  }
  return { verdict: found[0], findings: found.slice(1) };
}
