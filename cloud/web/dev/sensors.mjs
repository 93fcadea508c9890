// Six sensors, one for each state that the pages show (two are online).

const STEPS = ["lookup", "tcp", "tls", "clock", "version", "enrolment", "sensor_id", "accepted"];

const OK_SENTENCE = {
  lookup: "cloud.example.net is 203.0.113.20.",
  tcp: "203.0.113.20 accepts connections on port 60023.",
  tls: "The certificate is signed by the authority that this sensor trusts.",
  clock: "The two clocks differ by less than a second.",
  version: "Both speak protocol 1.",
  enrolment: "The device is known.",
  sensor_id: "The number is its own.",
  accepted: "The cloud has opened a session.",
};

/** The steps up to a failing one. */
export function steps(failing, sentence) {
  let state = "ok";
  return STEPS.map((name) => {
    if (name === failing) {
      state = "waiting";
      return { name, state: "failed", sentence };
    }
    return { name, state, sentence: state === "ok" ? OK_SENTENCE[name] : null };
  });
}

const ticks = (...states) => {
  const ok = [
    "The interface has a link.",
    "The two clocks differ by 12 ms.",
    "The sensor is connected.",
    "SIP and RTP are seen.",
    "The first call has been recorded.",
  ];
  const todo = [
    "Plug the mirror port's cable in.",
    "Set the clock by NTP.",
    "The sensor is not connected: see the failing step below.",
    "No SIP was seen: check that the mirror port copies the PBX's port.",
    "No call yet: make a test call through the monitored PBX.",
  ];
  return ["link", "clock", "cloud", "traffic", "first_call"].map((name, i) => ({
    name,
    state: states[i],
    sentence: states[i] === "ok" ? ok[i] : todo[i],
  }));
};

const counters = (scale, more = {}) => ({
  frames_seen: Math.round(812_345_678 * scale),
  bytes_seen: Math.round(180_345_678_901 * scale),
  kernel_dropped: 0,
  interface_dropped: 0,
  rtp_shed: 0,
  sip_shed: 0,
  not_ip: 12_331,
  other_protocol: 88_120,
  fragments: 4_120,
  fragments_timed_out: 3,
  sip_messages: Math.round(2_345_678 * scale),
  sip_keep_alive: 91_222,
  sip_outside_calls: 612_334,
  rtp_packets: Math.round(780_123_456 * scale),
  rtp_unclaimed: 1_204,
  rtcp_packets: Math.round(3_123_456 * scale),
  calls_started: Math.round(81_234 * scale),
  calls_ended: Math.round(81_190 * scale),
  cdrs_stored: Math.round(81_190 * scale),
  cdrs_acknowledged: Math.round(81_188 * scale),
  ...more,
});

export function makeSensors(random, now) {
  const ago = (seconds) => new Date(now - seconds * 1000).toISOString();
  const base = (id_sensor, name, more) => ({
    id: random.hex(32),
    id_sensor,
    name,
    state: "online",
    software: "0.1.0",
    target: "aarch64-unknown-linux-musl",
    arch: "aarch64",
    commit: "e8cade8",
    address: "198.51.100.7",
    enrolled_at: ago(40 * 86400),
    accepted_at: ago(3 * 86400),
    last_seen_at: ago(4),
    last_cdr_at: ago(31),
    uptime_seconds: 3 * 86400 + 5 * 3600,
    channels: 0,
    lease: { channels: 400, reserved: 400 },
    outbox: { cdrs: 0, bytes: 0, limit_bytes: 64 * 2 ** 20 },
    memory_bytes: 96 * 2 ** 20,
    clock_offset_ms: 12,
    interfaces: [{ name: "eth1", frames: 812_345_678, kernel_dropped: 0, fault: null }],
    counters: counters(1),
    drops: { kernel: 0, interface: 0, rtp_shed: 0, sip_shed: 0, total: 0 },
    failure: null,
    notices: [],
    push: null,
    steps: steps(),
    ticks: ticks("ok", "ok", "ok", "ok", "ok"),
    ...more,
  });
  const lookup =
    "There is no server named cluod.example.net: correct server_destination, or have the name added to DNS.";
  const taken =
    'id_sensor 3 already belongs to "Lyon branch": choose another number, or remove that sensor in the cloud first.';
  return [
    base(1, "Frankfurt core", {
      arch: "x86_64",
      target: "x86_64-unknown-linux-musl",
      channels: 212,
      lease: { channels: 1200, reserved: 1200 },
      interfaces: [
        { name: "enp3s0f0", frames: 1_612_345_678, kernel_dropped: 1_204, fault: null },
        { name: "enp3s0f1", frames: 1_598_123_001, kernel_dropped: 0, fault: null },
      ],
      counters: counters(4, { kernel_dropped: 1_204, interface_dropped: 87, rtp_shed: 3_310 }),
      drops: { kernel: 1_204, interface: 87, rtp_shed: 3_310, sip_shed: 0, total: 4_601 },
      memory_bytes: 412 * 2 ** 20,
    }),
    base(3, "Lyon branch", {
      reported: {
        at: ago(3 * 86400 + 900),
        step: "tcp",
        code: "port_closed",
        sentence: "203.0.113.20:60023 refuses the connection: check that ringside-cloud runs there.",
      },
      push: {
        rollout: 2,
        version: "0.2.0",
        state: "downloading",
        percent: 62,
        sentence: "The sensor has 62 % of it.",
        changed_at: ago(3),
      },
      channels: 17,
      address: "2001:db8:51::7",
      uptime_seconds: 640,
      notices: [
        {
          at: ago(95),
          code: "cdrs_refused",
          count: 12,
          sentence:
            "12 records of this sensor were refused (streams of a call: 300, and a sensor makes at most 16): upgrade the cloud if it is older than the sensor; otherwise the sensor is faulty, or is not the one that you installed.",
        },
      ],
    }),
    base(4, "Atelier Zürich 🔔 قاعة", {
      state: "offline",
      last_seen_at: ago(7_420),
      last_cdr_at: ago(7_511),
      uptime_seconds: null,
      channels: null,
      outbox: { cdrs: 214, bytes: 181_244, limit_bytes: 64 * 2 ** 20 },
      clock_offset_ms: -240,
      steps: steps(
        "tcp",
        "203.0.113.20:60023 did not answer within 10 s: have the firewall let this machine open outgoing TCP connections to port 60023.",
      ),
      failure: {
        at: ago(7_300),
        step: "tcp",
        code: "port_filtered",
        sentence:
          "203.0.113.20:60023 did not answer within 10 s: have the firewall let this machine open outgoing TCP connections to port 60023.",
      },
      ticks: ticks("ok", "ok", "failed", "ok", "ok"),
    }),
    base(5, "Warehouse Rotterdam-Maasvlakte, second floor, rack 14, behind the very long name", {
      state: "refused",
      accepted_at: null,
      last_seen_at: ago(35),
      last_cdr_at: null,
      channels: null,
      lease: null,
      counters: {},
      drops: null,
      outbox: null,
      memory_bytes: null,
      uptime_seconds: null,
      clock_offset_ms: null,
      interfaces: [],
      steps: steps("sensor_id", taken),
      failure: { at: ago(35), step: "sensor_id", code: "id_taken", sentence: taken },
      ticks: ticks("ok", "ok", "failed", "waiting", "waiting"),
    }),
    base(6, "Old lab box", {
      state: "revoked",
      software: "0.0.9",
      last_seen_at: ago(12 * 86400),
      last_cdr_at: ago(12 * 86400 + 900),
      channels: null,
      lease: null,
      uptime_seconds: null,
      failure: {
        at: ago(11 * 86400),
        step: "enrolment",
        code: "revoked",
        sentence: "This device was revoked in the cloud: enrol it with a new token if it should join again.",
      },
      steps: steps(
        "enrolment",
        "This device was revoked in the cloud: enrol it with a new token if it should join again.",
      ),
      ticks: ticks("ok", "ok", "failed", "waiting", "ok"),
    }),
    base(7, "Porto (spare)", {
      state: "never",
      software: null,
      target: null,
      arch: null,
      commit: null,
      address: null,
      accepted_at: null,
      last_seen_at: null,
      last_cdr_at: null,
      uptime_seconds: null,
      channels: null,
      lease: null,
      outbox: null,
      memory_bytes: null,
      clock_offset_ms: null,
      interfaces: [],
      counters: {},
      drops: null,
      steps: STEPS.map((name) => ({ name, state: "waiting", sentence: name === "lookup" ? lookup : null })),
      ticks: ticks("waiting", "waiting", "waiting", "waiting", "waiting"),
    }),
  ];
}

/** What appears after a token was used. */
export function newcomer(random, now, number) {
  return {
    ...makeSensors(random, now)[1],
    id: random.hex(32),
    id_sensor: number,
    name: `box-${random.hex(4)}`,
    enrolled_at: new Date(now).toISOString(),
    accepted_at: new Date(now).toISOString(),
    last_seen_at: new Date(now).toISOString(),
    last_cdr_at: null,
    uptime_seconds: 12,
    channels: 0,
    ticks: ticks("ok", "ok", "ok", "waiting", "waiting"),
  };
}

export function makeStrangers(random, now) {
  const ago = (seconds) => new Date(now - seconds * 1000).toISOString();
  return [
    {
      device: random.hex(32),
      name: "ringside-box-8f21",
      address: "198.51.100.93",
      software: "0.1.0",
      target: "aarch64-unknown-linux-musl",
      at: ago(220),
      failure: {
        step: "enrolment",
        code: "token_expired",
        sentence: "This enrolment token expired at 2026-11-20T09:00:00Z: make a new one under Sensors, Add.",
      },
    },
    {
      device: random.hex(32),
      name: "pbx2",
      address: "203.0.113.54",
      software: "0.1.0",
      target: "x86_64-unknown-linux-musl",
      at: ago(5_400),
      failure: {
        step: "clock",
        code: "clock_skew",
        sentence:
          "This sensor's clock says 1970-01-01T00:03:12Z and the cloud's says 2026-11-24T03:20:00Z: set the sensor's clock (NTP) to within 300 s.",
      },
    },
  ];
}
