// Peer relations of every kind, in the shape of protocol/src/json/peer.rs.

const PBX = "10.20.0.10";
const TRUNKS = ["198.51.100.5", "198.51.100.6", "203.0.113.40", "[2001:db8:7::5]"];
const AGENTS = ["Yealink SIP-T54W 96.86.0.100", "snomD785/10.1.175.16", "PolyEdge-E350-UA/8.3.0", null];

const moment = (at) => `${new Date(at).toISOString().slice(0, 19)}Z`;
const host = (address) => address.replace(/:5060$/, "");

/** What one relation is: [state, status, phrase, severity, sentence]; the sentence is made late. */
const KINDS = {
  answering: (it) => [200, "OK", "ok", `${host(it.dst)} answers ${name(it)} of ${host(it.src)}.`],
  silent: (it) => [
    null,
    null,
    "problem",
    `${host(it.dst)} has not answered ${name(it)} of ${host(it.src)} since ${moment(it.state_at)} (${it.unanswered_in_a_row} requests): check that it is running and reachable, and that no firewall drops SIP.`,
  ],
  refusing: (it) =>
    it.method === "MESSAGE"
      ? [404, "Not Found", "problem", `MESSAGE from ${it.from} to ${it.to} was refused with 404 (Not Found): ${host(it.dst)} does not know ${it.to}: correct the number, or create it there.`]
      : it.method === "OPTIONS"
        ? [503, "Service Unavailable", "problem", `OPTIONS of ${host(it.src)} is refused by ${host(it.dst)} with 503 (Service Unavailable): it is overloaded or out of service, so look at it.`]
        : [489, "Bad Event", "warning", `${name(it)} of ${host(it.src)} is refused by ${host(it.dst)} with 489 (Bad Event): ${host(it.dst)} does not offer ${it.event}, only dialog, presence: switch the subscription off in ${host(it.src)}, or the event package on in ${host(it.dst)}.`],
};

const name = (it) =>
  it.method === "MESSAGE" ? `MESSAGE from ${it.from} to ${it.to}` : it.event ? `${it.method} ${it.event}` : it.method;

/** `count` of them, the newest record first, and an hourly history of each for six hours. */
export function makePeers(random, sensors, now, count = 130) {
  const records = [];
  let number = 0;
  for (let i = 0; i < count; i++) {
    const sensor = random.pick(sensors);
    const phone = random.chance(0.08) ? `[2001:db8:a::${random.hex(2)}]` : `192.0.2.${10 + i}`;
    const method = i < 12 ? "OPTIONS" : random.pick(["OPTIONS", "SUBSCRIBE", "NOTIFY", "MESSAGE", "PUBLISH"]);
    const trunk = i < 4 ? TRUNKS[i] : null;
    const asks = method === "OPTIONS" || method === "NOTIFY" ? PBX : phone;
    const other = trunk ?? (asks === PBX ? phone : PBX);
    const state = i === 1 ? "silent" : random.chance(0.8) ? "answering" : random.pick(["silent", "refusing"]);
    const is_message = method === "MESSAGE";
    const event = { SUBSCRIBE: ["message-summary", "dialog", "presence"], NOTIFY: ["message-summary", "dialog"], PUBLISH: ["presence", "vq-rtcpxr"] }[method];
    const fixed = {
      method,
      event: event ? random.pick(event) : null,
      from: is_message ? String(200 + i) : null,
      to: is_message ? (i % 9 === 0 ? "a-recipient-whose-name-goes-on-and-on" : String(300 + i)) : null,
      src: `${asks}:5060`,
      dst: `${other}:${trunk === TRUNKS[2] ? 5080 : 5060}`,
      transport: random.pick(["UDP", "UDP", "TCP", "TLS"]),
      vlan: null,
      user_agent: asks === PBX ? "Asterisk PBX 20.5.0" : random.pick(AGENTS),
      peer_agent: other === PBX ? "Asterisk PBX 20.5.0" : random.pick(AGENTS),
    };
    const at = now - random.whole(1, 50) * 60_000;
    const since = at - random.whole(60, 40_000) * 1000;
    for (let hour = 0; hour < (i % 5 < 2 ? 6 : 1); hour++) {
      const then = at - hour * 3_600_000;
      const held = hour === 0 ? state : "answering";
      const requests = is_message ? 1 + (i % 3) : random.whole(12, 240);
      const unanswered = held === "silent" ? Math.min(requests, 12 + i) : random.chance(0.05) ? 1 : 0;
      const round = held === "silent" ? null : random.between(2, 60);
      const it = {
        ...fixed,
        state: held,
        state_at: new Date(hour === 0 ? since : since - 86_400_000).toISOString(),
        unanswered_in_a_row: held === "silent" ? unanswered : 0,
      };
      const [code, phrase, severity, sentence] = KINDS[held](it);
      const answered = requests - unanswered;
      const refused = held === "refusing" ? answered : 0;
      records.push({
        id: `${sensor.id}-${"5eed".repeat(8)}-p${++number}`,
        is_newest: hour === 0,
        ...it,
        cause: hour === 0 ? "state" : "hour",
        at: new Date(then).toISOString(),
        first_at: new Date(then - 3_500_000).toISOString(),
        last_at: new Date(then - random.whole(1, 60) * 1000).toISOString(),
        answered_at: new Date(held === "silent" ? since - 30_000 : then - 1000).toISOString(),
        requests,
        answered,
        unanswered,
        retransmissions: unanswered * 6,
        answers: {
          "2xx": answered - refused,
          "3xx": 0,
          "4xx": code === 503 ? 0 : refused,
          "5xx": code === 503 ? refused : 0,
          "6xx": 0,
        },
        status_code: code,
        reason_phrase: phrase,
        has_credentials: false,
        allow_events: code === 489 ? "dialog, presence" : null,
        round_trip_min_ms: round === null ? null : round / 2,
        round_trip_mean_ms: round,
        round_trip_max_ms: round === null ? null : round * 3,
        changes: held === "silent" ? [{ at: new Date(since).toISOString(), state: "silent" }] : [],
        changes_omitted: 0,
        flags: [],
        sensor: { id: sensor.id, name: sensor.name, id_sensor: sensor.id_sensor },
        verdict: { severity, sentence },
        findings: [
          {
            severity,
            sentence,
            evidence: held === "silent" ? [`last answer ${moment(since - 30_000)}`] : [],
          },
        ],
      });
    }
  }
  return records.sort((x, y) => (x.at < y.at ? 1 : -1));
}

/** Whether a record fits all of a query's filters. */
export function fitsPeer(record, query) {
  const any = (value, test) => value.split(",").some(test);
  const glob = (pattern) =>
    new RegExp(`^${pattern.replace(/[.+^${}()|[\]\\?]/g, "\\$&").replace(/\*/g, ".*")}$`, "i");
  const tests = {
    from: (v) => record.at >= v,
    to: (v) => record.at <= v,
    state: (v) => any(v, (one) => one === record.state),
    method: (v) => any(v, (one) => one.toUpperCase() === record.method),
    event: (v) => glob(v).test(record.event ?? ""),
    user: (v) => glob(v).test(record.from ?? "") || glob(v).test(record.to ?? ""),
    address: (v) => record.src.includes(v) || record.dst.includes(v),
    src: (v) => record.src.includes(v),
    dst: (v) => record.dst.includes(v),
    status: (v) => any(v, (one) => (/xx$/.test(one) ? String(record.status_code)[0] === one[0] : String(record.status_code) === one)),
    sensor: (v) => record.sensor.id === v,
    q: (v) =>
      v.toLowerCase().split(/\s+/).every((word) =>
        JSON.stringify([record.method, record.event, record.from, record.to, record.src, record.dst]).toLowerCase().includes(word),
      ),
  };
  if (!record.is_newest && query.get("history") !== "true") return false;
  return Object.entries(tests).every(([key, test]) => !query.get(key) || test(query.get(key)));
}
