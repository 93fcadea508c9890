// Made-up alerts, rules, channels and silences, and the routes that answer about them.

const MINUTE = 60_000;

export function makeAlerts(sensors, now) {
  const ago = (minutes) => new Date(now - minutes * MINUTE).toISOString();
  const utc = (minutes) => `${ago(minutes).slice(0, 16)}:00Z`;
  const ref = ({ id, name, id_sensor }) => ({ id, name, id_sensor });
  let number = 0;
  const rule = (ready, name, measure, threshold, severity, more = {}) => ({
    id: ++number,
    ready,
    name,
    measure,
    filter: "",
    among: "",
    side: "above",
    threshold,
    least: 0,
    window_minutes: 15,
    bad_windows: 1,
    of_windows: 1,
    by_sensor: true,
    severity,
    channels: null,
    is_enabled: true,
    changed_by: ready ? "" : "anna@example.net",
    changed_at: ago(3000),
    ...more,
  });
  const among = "answered=true";
  const rules = [
    rule("bad_quality", "Bad quality", "share", 5, "warning", { filter: "band=degraded", among, least: 20 }),
    rule("no_audio", "One-way or no audio", "share", 5, "critical", { filter: "band=no_audio", among, least: 20 }),
    rule("asr_low", "Few calls are answered", "asr", 20, "warning", {
      side: "below",
      least: 50,
      window_minutes: 30,
      by_sensor: false,
    }),
    rule("server_errors", "Calls fail with server errors", "share", 10, "critical", { filter: "status=5xx", least: 20 }),
    rule("one_direction", "Mirror port shows one direction only", "share", 50, "warning", {
      filter: "flag=unseen_media",
      among,
      least: 10,
      window_minutes: 30,
    }),
    rule(null, "Calls abroad at night", "calls", 20, "info", {
      filter: "callee=%2B49*%2C00*&answered=true",
      by_sensor: false,
      window_minutes: 60,
      bad_windows: 2,
      of_windows: 3,
      channels: [1],
      is_enabled: false,
    }),
    rule("offline", "Sensor offline", "offline", 5, "critical"),
    rule("capture_drops", "Capture drops packets", "capture_drops", 0.1, "warning"),
    rule("mirror_silent", "Mirror port is silent", "mirror_silent", 10, "critical"),
    rule("capture_fault", "Capture does not work", "capture_fault", 0, "critical"),
    rule("clock", "Clock is wrong", "clock", 5, "warning"),
    rule("outbox", "Outbox nearly full", "outbox", 80, "warning"),
    rule("version", "Version is behind", "version", 0, "info"),
    rule("channels", "Near the limit of channels", "channels", 90, "warning", { by_sensor: false }),
    rule("certificate", "Certificate expires", "certificate", 14, "critical", { side: "below", by_sensor: false }),
  ];
  const of = (ready) => rules.find((one) => one.ready === ready);
  const alert = (ready, sensor, sentence, opened, more = {}) => ({
    id: ++number,
    rule: of(ready).id,
    name: of(ready).name,
    state: "open",
    severity: of(ready).severity,
    sensor: sensor ? ref(sensor) : null,
    sentence,
    value: 1,
    link: of(ready).measure === "share" ? `/calls?answered=true&${of(ready).filter}${sensor ? `&sensor=${sensor.id}` : ""}&from=${utc(opened + 15)}` : sensor ? `/sensors/${sensor.id}` : "/sensors",
    opened_at: ago(opened),
    closed_at: null,
    why_closed: null,
    acknowledged_at: null,
    acknowledged_by: null,
    note: null,
    is_silenced: false,
    ...more,
  });
  const closed = (minutes) => ({ state: "closed", closed_at: ago(minutes), why_closed: "It is well again." });
  const [first, second, third, fourth] = sensors;
  const alerts = {
    open: first
      ? [
          alert("offline", third, `Not heard of for 26 min, more than 5 min. Last heard of at ${utc(26)}.`, 21),
          alert("offline", fourth, `Not heard of for 24 min, more than 5 min. Last heard of at ${utc(24)}.`, 19),
          alert(
            "bad_quality",
            first,
            `Share of calls 11.2 % (18 of 161 calls) from ${utc(62)} to ${utc(47)}, more than 5.0 %.`,
            47,
            {
              state: "acknowledged",
              acknowledged_at: ago(40),
              acknowledged_by: "anna@example.net",
              note: "The carrier is told: ticket 4711.",
            },
          ),
          alert("version", second, "It runs 0.0.9, this service is 0.1.0.", 2900, { is_silenced: true }),
        ]
      : [],
    past: first
      ? [
          alert("no_audio", second, `Share of calls 7.5 % (9 of 120 calls) from ${utc(320)} to ${utc(305)}, more than 5.0 %.`, 305, closed(262)),
          alert("capture_drops", first, `Frames dropped before analysis 0.4 %, more than 0.1 %. 812 of 203411 frames were dropped since ${utc(1500)}.`, 1490, closed(1440)),
          alert("channels", null, "Calls in progress, of the limit 93 %, more than 90 %. 1860 of 2000 channels are in use.", 2890, closed(2860)),
        ]
      : [],
  };
  const channels = first
    ? [
        channel(1, "Night shift", { kind: "email", to: ["noc@example.net", "anna@example.net"], server: null }, "e-mail to noc@example.net, anna@example.net", {
          sent_at: ago(18),
          tried_at: ago(18),
        }),
        channel(2, "Ticket system", { kind: "webhook", url: "https://tickets.example.net/hooks/ringside" }, "webhook at https://tickets.example.net", {
          tried_at: ago(4),
          error: "It answered 503 Service Unavailable, not 2xx.",
          waiting: 3,
        }),
        channel(3, "Billing", { kind: "webhook", url: "https://billing.example.net/calls" }, "webhook at https://billing.example.net", {
          calls: "answered=true",
          sent_at: ago(1),
          tried_at: ago(1),
        }),
        channel(4, "Log server", { kind: "syslog", host: "logs.example.net", port: 514, transport: "udp", facility: 16 }, "syslog to logs.example.net:514"),
      ]
    : [];
  function channel(id, name, target, where, more = {}) {
    return {
      id,
      name,
      kind: target.kind,
      where,
      target,
      calls: null,
      is_enabled: true,
      changed_by: "anna@example.net",
      changed_at: ago(3000),
      tried_at: null,
      sent_at: null,
      error: null,
      waiting: 0,
      ...more,
    };
  }
  const silences = first
    ? [
        {
          id: 1,
          rule: of("version").id,
          sensor: ref(second),
          until: ago(-2000),
          reason: "It is replaced next week.",
          created_by: "anna@example.net",
          created_at: ago(2880),
        },
      ]
    : [];
  return { rules, alerts, channels, silences, next: () => ++number, ref, ago };
}

/** What `METHOD /path` answers, or null where it is no address of alerts. */
export function answerAlerts(made, sensors, method, path, body) {
  const { rules, alerts, channels, silences } = made;
  const [, list, id, action] = path.split("/");
  const stamp = { changed_by: "anna@example.net", changed_at: new Date().toISOString() };
  const put = (all, item) => {
    const at = all.findIndex((one) => one.id === item.id);
    if (at >= 0) all[at] = item;
    else all.push(item);
    return { body: item, status: at >= 0 ? 200 : 201 };
  };
  const remove = (all) => {
    all.splice(all.findIndex((one) => one.id === Number(id)), 1);
    return { body: {} };
  };
  if (list === "alerts" && id === "count") {
    const unseen = alerts.open.filter(({ state }) => state === "open");
    const rank = ["critical", "warning", "info"];
    const worst = rank.find((one) => alerts.open.some(({ severity }) => severity === one)) ?? null;
    return { body: { open: alerts.open.length, unseen: unseen.length, worst } };
  }
  if (list === "alerts" && action === "acknowledge") {
    const alert = alerts.open.find((one) => one.id === Number(id));
    Object.assign(alert, {
      state: "acknowledged",
      acknowledged_at: new Date().toISOString(),
      acknowledged_by: "anna@example.net",
      note: body.note ?? null,
    });
    return { body: alert };
  }
  if (list === "alerts") return { body: alerts };
  if (list === "alert_rules") {
    if (method === "GET") return { body: { rules } };
    if (id === "dry_run") return { body: trial(made, sensors) };
    if (action === "delete") return remove(rules);
    return put(rules, { id: id ? Number(id) : made.next(), ready: null, ...body, ...stamp });
  }
  if (list === "alert_channels") {
    if (method === "GET") return { body: { channels, has_mail_server: true, dropped: 0, failed: 2 } };
    if (action === "delete") return remove(channels);
    if (action === "test") {
      const [host, ok] = Number(id) === 2 ? ["tickets.example.net", false] : ["mail.example.net", true];
      return {
        body: {
          is_taken: ok,
          steps: [
            { name: "lookup", state: "ok", sentence: `${host} is 198.51.100.7:443.` },
            ok
              ? { name: "send", state: "ok", sentence: "Taken for noc@example.net: 250 2.0.0 Ok: queued as 4F2A1" }
              : { name: "send", state: "failed", sentence: "It answered 503 Service Unavailable, not 2xx." },
          ],
        },
      };
    }
    const old = channels.find((one) => one.id === Number(id));
    const fresh = { tried_at: null, sent_at: null, error: null, waiting: 0 };
    const where = { email: "e-mail", webhook: "webhook", syslog: "syslog" }[body.target.kind];
    const secret = body.target.kind === "webhook" && !old ? { secret: "kfd83JdEw0-made-up-sk2_gRk1XbM93ldzQq" } : {};
    return put(channels, { ...fresh, ...old, id: old?.id ?? made.next(), kind: body.target.kind, where, ...body, ...stamp, ...secret });
  }
  if (list === "alert_silences") {
    if (method === "GET") return { body: { silences } };
    if (action === "delete") return remove(silences);
    const sensor = sensors.find((one) => one.id === body.sensor);
    for (const alert of alerts.open)
      if ((!body.rule || alert.rule === body.rule) && (!sensor || alert.sensor?.id === sensor.id)) alert.is_silenced = true;
    return put(silences, {
      id: made.next(),
      rule: body.rule,
      sensor: sensor ? made.ref(sensor) : null,
      until: body.until,
      reason: body.reason,
      created_by: "anna@example.net",
      created_at: new Date().toISOString(),
    });
  }
  return null;
}

function trial({ ago, ref }, sensors) {
  const utc = (minutes) => `${ago(minutes).slice(0, 16)}:00Z`;
  return {
    is_told: true,
    fired: 3,
    from: ago(1440),
    to: ago(0),
    partial: false,
    present: `Share of calls 2.1 % (3 of 143 calls) from ${utc(15)} to ${utc(0)}, more than 5.0 %.`,
    alerts: [95, 700, 1210].map((minutes) => ({
      sensor: sensors[0] ? ref(sensors[0]) : null,
      opened_at: ago(minutes),
      closed_at: ago(minutes - 30),
      sentence: "Share of calls 6.2 %.",
      link: `/calls?answered=true&band=degraded&from=${utc(minutes + 15)}&to=${utc(minutes - 30)}`,
    })),
  };
}
