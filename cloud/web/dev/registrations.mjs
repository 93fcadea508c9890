// Registrations of every kind, in the shape of protocol/src/json/registration.rs.

const AGENTS = ["Yealink SIP-T54W 96.86.0.100", "snomD785/10.1.175.16", "PolyEdge-E350-UA/8.3.0", null];
const NAMES = ["Reception", "Müller, Jana", "مركز الاتصال", "A display name that never seems to end, for a door", null];

const KINDS = [
  ["registered", 200, "OK", "ok", "Registered for 10 min at a time."],
  ["failing", 401, "Unauthorized", "problem", "The password is wrong: give the phone and the registrar the same password for USER."],
  ["failing", 403, "Forbidden", "problem", "The registrar refuses the account: the password of USER is wrong, or the account is locked or may not be used from this address."],
  ["failing", null, null, "problem", "The registrar does not answer: check that 10.20.0.10:5060 is running and reachable from the phone, and that no firewall drops SIP."],
  ["expired", 200, "OK", "warning", "The phone did not register again before its time was over: it is switched off, has lost its network, or what lies between keeps its packets back. Calls to it fail."],
  ["unregistered", 200, "OK", "info", "The phone logged out: it asked the registrar to forget it."],
];

/** `count` of them, the newest record first, and an hourly history of each for six hours. */
export function makeRegistrations(random, sensors, now, count = 140) {
  const records = [];
  let number = 0;
  for (let i = 0; i < count; i++) {
    const sensor = random.pick(sensors);
    const kind = KINDS[random.chance(0.72) ? 0 : random.whole(1, 5)];
    const [state, code, phrase, severity, sentence] = kind;
    const user = random.chance(0.8) ? String(4700 + i) : `door-${random.hex(3)}`;
    const host = random.chance(0.08) ? "[2001:db8:a::17]" : `192.0.2.${random.whole(10, 250)}`;
    const at = now - random.whole(1, 50) * 60_000;
    const failing = state === "failing";
    for (let hour = 0; hour < (i % 5 === 0 ? 6 : 1); hour++) {
      const then = at - hour * 3_600_000;
      const failures = failing ? random.whole(1, 240) : random.chance(0.06) ? 2 : 0;
      const round = code === null ? null : random.between(3, failing ? 40 : 90);
      const said = sentence.replaceAll("USER", user);
      records.push({
        id: `${sensor.id}-${"5eed".repeat(8)}-r${++number}`,
        is_newest: hour === 0,
        state,
        state_seconds: random.whole(60, 400_000),
        cause: hour === 0 ? "state" : "hour",
        at: new Date(then).toISOString(),
        last_attempt_at: new Date(then - random.whole(0, 300_000)).toISOString(),
        aor: { user, host: "pbx.example.net", display: random.pick(NAMES) },
        registrar: "pbx.example.net",
        contact: `sip:${user}@${host}:5060`,
        user_agent: random.pick(AGENTS),
        registrar_agent: "Asterisk PBX 20.5.0",
        call_id: `${random.hex(16)}@${host}`,
        transport: random.pick(["UDP", "UDP", "TCP", "TLS", "WS"]),
        src: `${host}:5060`,
        dst: "10.20.0.10:5060",
        vlan: null,
        expires_asked_s: 3600,
        expires_granted_s: failing ? null : 600,
        expires_at: failing ? null : new Date(then + 600_000).toISOString(),
        min_expires_s: null,
        granted_seconds_ago: failing ? null : 60,
        status_code: code,
        reason_phrase: phrase,
        is_challenged: true,
        has_credentials: true,
        is_wrong_password: code === 401 || code === 403,
        round_trip_ms: round,
        round_trip_max_ms: round,
        granted: failing ? 0 : 6,
        failures,
        failures_in_a_row: failing ? failures : 0,
        retransmissions: code === null ? 9 : 0,
        flags: [],
        sensor: { id: sensor.id, name: sensor.name, id_sensor: sensor.id_sensor },
        verdict: { severity, sentence: said },
        findings: [
          {
            severity,
            sentence: said,
            evidence: failing ? [`final response ${code ?? "none"} ${phrase ?? ""}`.trim(), `${failures} failed attempts in a row`] : [],
          },
        ],
      });
    }
  }
  return records.sort((x, y) => (x.at < y.at ? 1 : -1));
}

const glob = (pattern) =>
  new RegExp(`^${pattern.replace(/[.+^${}()|[\]\\?]/g, "\\$&").replace(/\*/g, ".*")}$`, "i");

/** Whether a record fits all of a query's filters. */
export function fitsRegistration(record, query) {
  const any = (value, test) => value.split(",").some(test);
  const tests = {
    from: (v) => record.at >= v,
    to: (v) => record.at <= v,
    state: (v) => any(v, (one) => one === record.state),
    user: (v) => any(v, (one) => glob(one).test(record.aor.user) || glob(one).test(`${record.aor.user}@${record.aor.host}`)),
    registrar: (v) => glob(v).test(record.registrar),
    contact: (v) => glob(v).test(record.contact),
    address: (v) => record.src.includes(v) || record.dst.includes(v),
    agent: (v) => glob(v).test(record.user_agent ?? ""),
    status: (v) => any(v, (one) => (/xx$/.test(one) ? String(record.status_code)[0] === one[0] : String(record.status_code) === one)),
    sensor: (v) => record.sensor.id === v,
    q: (v) =>
      v.toLowerCase().split(/\s+/).every((word) =>
        [record.aor.user, record.aor.host, record.contact, record.user_agent ?? ""].join(" ").toLowerCase().includes(word),
      ),
  };
  if (!record.is_newest && query.get("history") !== "true") return false;
  return Object.entries(tests).every(([key, test]) => !query.get(key) || test(query.get(key)));
}
