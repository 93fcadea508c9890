// The GUI with made-up data, for working on it and for the browser tests:
//   node dev-server.mjs [--port 5173] [--watch] [--empty] [--user] [--every SECONDS] [--still]
//
// Any login and any password but "wrong" are accepted; "slow" as the login answers 429.
// --empty: no sensors and no calls. --user: not an administrator. --still: no new calls.

import { createServer } from "node:http";
import { readFile } from "node:fs/promises";
import { extname, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { buildWeb } from "./build.mjs";
import { answerAlerts, makeAlerts } from "./dev/alerts.mjs";
import { makeCall } from "./dev/calls.mjs";
import { overview } from "./dev/overview.mjs";
import { fitsPeer, makePeers } from "./dev/peers.mjs";
import { random as seeded } from "./dev/random.mjs";
import { fitsRegistration, makeRegistrations } from "./dev/registrations.mjs";
import { fits } from "./dev/search.mjs";
import { makeSensors, makeStrangers, newcomer } from "./dev/sensors.mjs";

const DIST = fileURLToPath(new URL("./dist/", import.meta.url));
const TYPES = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript",
  ".css": "text/css",
  ".svg": "image/svg+xml",
};
const HEADERS = {
  "Content-Security-Policy":
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
  "X-Content-Type-Options": "nosniff",
  "Referrer-Policy": "same-origin",
};
const CHANNELS = 2000;

/** A page of the records that fit, or all of them as CSV. */
function recordPage(name, records, fits, query) {
  const found = records.filter((record) => fits(record, query));
  if (query.get("format") === "csv") {
    return { text: ["id,at,state", ...found.map(({ id, at, state }) => [id, at, state].join(","))].join("\n") };
  }
  const limit = Math.min(Number(query.get("limit") ?? 50), 200);
  const after = query.get("cursor");
  const start = after ? found.findIndex((record) => record.id === after) + 1 : 0;
  const page = found.slice(start, start + limit);
  const next = start + limit < found.length ? page.at(-1).id : null;
  const listed = page.map(({ findings, is_newest, ...rest }) => rest);
  return { body: { [name]: listed, next, partial: false, newest: records[0]?.at ?? null } };
}

/** Starts a server on 127.0.0.1; port 0 takes a free one. */
export async function startDevServer({
  port = 0,
  empty = false,
  role = "admin",
  every = 4,
  calls: howMany = 2000,
} = {}) {
  const random = seeded(7);
  const now = Date.now();
  const sensors = empty ? [] : makeSensors(random, now);
  const strangers = empty ? [] : makeStrangers(random, now);
  const registrations = empty ? [] : makeRegistrations(seeded(11), sensors, now);
  const peers = empty ? [] : makePeers(seeded(13), sensors, now);
  const alerting = makeAlerts(sensors, now);
  const seeing = sensors.filter((sensor) => sensor.last_cdr_at !== null);
  let serial = 1;
  let number = 0;
  let down = false;
  const waiting = new Set();
  const calls = [];

  const add = (endedAt) => {
    const live = seeing.filter((sensor) => sensor.state === "online");
    const from = now - endedAt < 7_400_000 ? live : seeing;
    calls.push(makeCall(random, random.pick(from), endedAt, ++number));
  };
  if (!empty) {
    for (let i = 0; i < howMany; i++) add(pastMoment(random, now));
    calls.sort((x, y) => (x.ended_at < y.ended_at ? 1 : -1));
  }

  const changed = () => {
    serial += 1;
    for (const answer of waiting) answer();
    waiting.clear();
  };
  /** One more call, ended now; what the timer does too. */
  const arrive = () => {
    if (seeing.length === 0) return;
    add(Date.now());
    calls.unshift(calls.pop());
    for (const sensor of sensors) {
      if (sensor.state === "online") sensor.last_seen_at = new Date().toISOString();
    }
    changed();
  };
  const timer = every > 0 ? setInterval(arrive, every * 1000) : null;

  const summary = ({ sip, sip_omitted, streams, streams_omitted, quality_reports, findings, ...rest }) => rest;

  /** Every third call has come through a PBX: another call stands for its second leg. */
  const legsOf = (call) => {
    const index = calls.indexOf(call);
    return index % 3 === 0 && calls[index + 1] ? [summary(calls[index + 1])] : [];
  };

  /** Every eighth call was seen by another sensor, too. */
  const viewsOf = (call) => {
    const other = sensors.find(({ id, state }) => state === "online" && id !== call.sensor?.id);
    if (calls.indexOf(call) % 8 !== 3 || !other) return [];
    const { id, name, id_sensor } = other;
    return [{ id: call.id.replace(/-\d+$/, "-999999"), sensor: { id, name, id_sensor }, is_other_leg: false }];
  };

  const routes = {
    "GET /me": () => me(),
    "POST /logout": () => ({ status: 204, cookie: "session=; Max-Age=0; Path=/" }),
    "GET /sensors": () => ({ body: { sensors } }),
    "GET /strangers": () =>
      role === "admin" ? { body: { strangers } } : error(403, "forbidden", "Only administrators see this."),
    "GET /tokens": () => ({ body: { tokens: enrolment } }),
    "GET /users": () => ({ body: { users } }),
    "POST /users": (_, body) => {
      if (users.some(({ login }) => login === body.login))
        return error(409, "login_taken", `The login ${body.login} is taken: choose another.`);
      users.push({ ...body, is_disabled: false, is_you: false, created_at: new Date().toISOString(), logged_in_at: null });
      return { status: 201, body: { ...users.at(-1), password: "k3v9ad7qm2xw8rtn5pye" } };
    },
    "POST /me/password": (_, body) =>
      body.old === "wrong"
        ? error(422, "wrong_password", "The old password is wrong: write the one that you log in with.")
        : { body: {} },
    "GET /api_tokens": () => ({ body: { api_tokens: apiTokens } }),
    "POST /api_tokens": (_, body) => {
      apiTokens.unshift(makeApiToken(random, body.name, body.days));
      return { status: 201, body: { ...apiTokens[0], token: "rsk-Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4MTIzNDU2Nzg" } };
    },
    "GET /audit": (query) => {
      const kind = query.get("action");
      const who = query.get("who");
      const found = audit.filter(
        (one) => (!who || one.who === who) && (!kind || one.action === kind || one.action.startsWith(`${kind}.`)),
      );
      const start = Number(query.get("cursor") ?? 0);
      const next = start + 12 < found.length ? String(start + 12) : null;
      return { body: { entries: found.slice(start, start + 12), next } };
    },
    "POST /tokens": () => {
      const token = `rs1-${random.hex(64)}`;
      const join = setTimeout(() => {
        sensors.push(newcomer(random, Date.now(), 20 + sensors.length));
        changed();
      }, 6000);
      join.unref();
      return {
        body: {
          token,
          expires_at: new Date(Date.now() + 7 * 86_400_000).toISOString(),
          command: `ringside-sensor enrol --server cloud.example.net:60023 --token ${token}`,
        },
      };
    },
    "GET /packages": () => ({ body: { packages } }),
    "POST /packages": (_, body) => {
      const known = packages.find(({ sha256 }) => sha256 === body.sha256);
      if (known) return { status: 201, body: known };
      if (!body.signature.includes("trusted comment: ringside-sensor"))
        return error(422, "bad_release", "The signature cannot be read: choose the .minisig file that belongs to the archive.");
      const [, version, target] = body.signature.match(/comment: ringside-sensor (\S+) (\S+)/);
      packages.unshift(makePackage(++number, version, target, body.bytes, { received: 0, sha256: body.sha256 }));
      return { status: 201, body: packages[0] };
    },
    "GET /upgrades": () => ({ body: { upgrades } }),
    "POST /upgrades": (_, body) => {
      const chosen = sensors.filter(({ id }) => body.sensors.includes(id));
      const { version } = packages.find(({ id }) => id === body.package);
      const order = (sensor, place) => {
        const state = place === 0 || !body.in_rings ? "offered" : "waiting";
        const changed_at = new Date().toISOString();
        sensor.push = { rollout: number, version, state, percent: null, sentence: "The sensor is told to fetch it.", changed_at };
        return { device: sensor.id, name: sensor.name, ring: place, state, why: null, changed_at };
      };
      upgrades.unshift({
        id: ++number,
        version,
        state: "running",
        ring: 0,
        why: null,
        created_by: "anna@example.net",
        created_at: new Date().toISOString(),
        sensors: chosen.map(order),
      });
      changed();
      return { status: 201, body: upgrades[0] };
    },
    "GET /claims": () => ({ body: { server: "cloud.example.net:60023", cloud_ca: "3f9a".repeat(16) } }),
    "POST /claims": (_, body) =>
      body.code === "7KQX-M2AB"
        ? { body: claim() }
        : error(
            404,
            "not_found",
            "No device waits with this code: read it again, since it changes every hour, and see on the device's status page that it reaches this cloud.",
          ),
    "POST /claims/accept": () => {
      setTimeout(() => {
        sensors.push({ ...newcomer(random, Date.now(), 20 + sensors.length), id: claim().device, name: "shop-12" });
        changed();
      }, 1200).unref();
      return { status: 201, body: claim() };
    },
    "GET /retrieval": () => ({ body: terms }),
    "POST /retrieval": (_, body) => ({ body: Object.assign(terms, body) }),
    "GET /rules": () => ({ body: { rules, sensors: applied() } }),
    "POST /rules": (_, body) => {
      rules.push(asRule(++number, body));
      changed();
      return { body: rules.at(-1) };
    },
    "POST /rules/dry_run": () => {
      const some = calls.slice(0, 20);
      return {
        body: {
          text: "",
          tried: calls.length,
          matched: 12,
          untold: 3,
          bytes: 9_100_000,
          partial: false,
          calls: some.map(({ id, caller, callee, ended_at }) => ({
            id,
            caller: caller.user,
            callee: callee.user,
            ended_at,
          })),
        },
      };
    },
    "GET /calls": (query) => {
      const found = calls.filter((call) => fits(call, query));
      const limit = Math.min(Number(query.get("limit") ?? 50), 500);
      const after = query.get("cursor");
      const start = after ? found.findIndex((call) => call.id === after) + 1 : 0;
      const page = found.slice(start, start + limit);
      if (query.get("format") === "ndjson")
        return { text: found.map((call) => JSON.stringify(summary(call))).join("\n") };
      if (query.get("format") === "csv")
        return {
          text: [
            "id,ended_at,caller,callee,mos",
            ...found.map((c) => [c.id, c.ended_at, c.caller.user, c.callee.user, c.mos ?? ""].join(",")),
          ].join("\n"),
        };
      const next = start + limit < found.length ? page.at(-1).id : null;
      const folds = query.get("views") === "one";
      const listed = page.map((call) => (folds ? { ...summary(call), views: viewsOf(call) } : summary(call)));
      const records = listed.reduce((sum, { views = [] }) => sum + 1 + views.length, 0);
      return { body: { calls: listed, next, records, newest: page[0]?.id ?? null } };
    },
    "GET /searches": () => ({ body: { searches } }),
    "POST /searches": (_, { name, query, is_common = false }) => {
      const at = searches.findIndex((one) => one.name === name && one.is_common === is_common);
      const kept = {
        id: at >= 0 ? searches[at].id : random.hex(16),
        is_common,
        name,
        query,
        created_by: "anna@example.net",
        created_at: new Date().toISOString(),
      };
      searches.splice(at >= 0 ? at : searches.length, at >= 0 ? 1 : 0, kept);
      return { body: kept };
    },
    "GET /live": () => ({ body: inProgress(calls, sensors) }),
    "GET /registrations": (query) => recordPage("registrations", registrations, fitsRegistration, query),
    "GET /peers": (query) => recordPage("peers", peers, fitsPeer, query),
    "GET /overview": (query) => ({ body: overview(calls, sensors, CHANNELS, query) }),
    "GET /stats": (query) => {
      const found = calls.filter((call) => fits(call, query));
      return { body: stats(found, sensors, query) };
    },
  };

  const terms = { asks_reason: false, relay: true, direct: true, live: true, recent_minutes: 10, rights: ["packets", "audio", "live"] };
  const kept = new Set();
  const captures = ({ id, ended_at, sensor }) => ({
    rights: ["packets", "audio"],
    asks_reason: false,
    ways: ["relay", "direct"],
    direct: { address: "192.168.1.5:60443", certificate: Array(32).fill("AB").join(":") },
    keep: kept.has(id)
      ? { state: "kept", who: "anna@example.net", packets: 4100, bytes: 812_000, until: null }
      : {
          state: "none",
          who: null,
          packets: null,
          bytes: null,
          until: Date.parse(ended_at) + 600_000 > Date.now() ? new Date(Date.parse(ended_at) + 600_000).toISOString() : null,
        },
    sensor: { device: sensor.id, name: sensor.name, state: "online", last_seen_at: new Date().toISOString() },
    transfers: [],
  });
  const searches = empty
    ? []
    : [
        ["Bad audio on trunks", "band=no_audio,degraded&address=10.20.0.0/16&range=7d", true],
        ["Busy or declined", "status=486,603", false],
      ].map(([name, query, is_common]) => ({
        id: random.hex(16),
        is_common,
        name,
        query,
        created_by: "anna@example.net",
        created_at: new Date(now - 86_400_000).toISOString(),
      }));
  const shares = [];

  const asRule = (id, { text, sensors = null, is_enabled = true }) => ({
    id,
    name: /^"([^"]*)":/.exec(text)?.[1] ?? "",
    text,
    sensors,
    is_enabled,
    created_by: "anna@example.net",
    created_at: new Date(now - 86_400_000).toISOString(),
    changed_by: "anna@example.net",
    changed_at: new Date(now - 7_200_000).toISOString(),
  });
  const rules = empty
    ? []
    : [
        asRule(1, { text: '"Berlin office": keep sip, rtp, rtcp masking dtmf until 2026-12-31 when caller = +4930*' }),
        asRule(2, { text: '"Bad quality": keep sip, rtp, rtcp at most 200 a day when mos < 3.50 or loss > 5.00% or one_way' }),
        asRule(3, {
          text: 'skip priority 10 when header x-private exists and not (agent contains "sipp" or domain = *.test.example)',
          is_enabled: false,
        }),
      ];
  const users = makeUsers(now);
  const apiTokens = empty ? [] : [makeApiToken(random, "Grafana", 365), makeApiToken(random, "billing export", 30)];
  const enrolment = empty
    ? []
    : [
        {
          id: random.hex(16),
          created_by: "anna@example.net",
          created_at: new Date(now - 3_600_000).toISOString(),
          expires_at: new Date(now + 6.9 * 86_400_000).toISOString(),
        },
      ];
  const audit = makeAudit(now);
  const packages = empty
    ? []
    : [
        makePackage(501, "0.2.0", "aarch64-unknown-linux-musl", 3_145_729, { is_checked: true }),
        makePackage(502, "0.2.0", "x86_64-unknown-linux-musl", 3_401_233, { is_shared: true }),
      ];
  const upgrades = empty ? [] : makeUpgrades(sensors, now);
  const applied = () =>
    sensors
      .filter(({ state }) => state !== "revoked")
      .map(({ id, name, state }) => ({
        device: id,
        name,
        is_applied: state === "online",
        refused: state === "refused" ? [{ rule: 2, why: "at character 60: write a test" }] : [],
      }));

  const me = () => ({
    body: {
      user: { login: "anna@example.net", role, rights: ["packets", "audio", "upgrades"] },
      customer: { name: "Nordwind Telecom" },
      csrf: "made-up-csrf",
      limits: { channels: CHANNELS, retention_days: 25 },
    },
  });

  async function api(request, path, query, loggedIn) {
    if (request.method === "POST" && path === "/login") {
      const { login, password } = JSON.parse(await text(request));
      if (login === "slow")
        return { ...error(429, "too_many_attempts", "Too many attempts: try again in 30 s."), retry: 30 };
      if (!password || password === "wrong")
        return error(401, "wrong_login", "This login and password do not fit together.");
      return { ...me(), cookie: "session=1; HttpOnly; SameSite=Strict; Path=/" };
    }
    if (path === "/shared") {
      const share = shares.find((one) => one.secret === request.headers["x-share"]);
      const call = share && calls.find((one) => one.id === share.call);
      if (!call) return error(404, "not_found", "This link does not open anything: ask whoever sent it for a new one.");
      share.opened += 1;
      share.opened_at = new Date().toISOString();
      return {
        body: { call: { ...call, other_legs: [] }, shared_by: share.created_by, expires_at: share.expires_at, is_masked: false },
      };
    }
    if (!loggedIn) return error(401, "not_logged_in", "Log in first.");
    if (request.method !== "GET" && request.headers["x-csrf-token"] !== "made-up-csrf")
      return error(403, "csrf", "The CSRF token is missing.");
    if (path === "/changes") {
      const since = Number(query.get("since"));
      if (since === serial) {
        await new Promise((resolve) => {
          waiting.add(resolve);
          setTimeout(resolve, Number(query.get("wait") ?? 25) * 1000).unref();
        });
      }
      return { body: { serial } };
    }
    if (path.startsWith("/alert")) {
      const body = request.method === "POST" ? JSON.parse((await text(request)) || "{}") : null;
      const answer = answerAlerts(alerting, sensors, request.method, path, body);
      if (answer && body) changed();
      if (answer) return answer;
    }
    const route = routes[`${request.method} ${path}`];
    if (route) {
      const sent = request.method === "POST" ? await text(request) : "";
      const body = sent ? JSON.parse(sent) : null;
      return route(query, body);
    }
    const [, kind, id, action] = path.split("/");
    if (kind === "captures") {
      const call = calls.find((one) => one.id === id);
      if (action === "keep") kept.add(id);
      return action === "keep" ? { body: { state: "kept", packets: 4100, bytes: 812_000 } } : { body: captures(call) };
    }
    if (kind === "searches" && action === "delete") {
      searches.splice(searches.findIndex((one) => one.id === id), 1);
      return { body: {} };
    }
    if (kind === "calls" && action === "shares") {
      const of = () => shares.filter((one) => one.call === id);
      const shown = ({ secret, call, ...share }) => share;
      if (path.endsWith("/revoke")) {
        shares.splice(shares.findIndex((one) => one.id === path.split("/")[4]), 1);
        return { body: {} };
      }
      if (request.method === "GET") return { body: { may_share: role === "admin", shares: of().map(shown) } };
      const { hours = 24 } = JSON.parse(await text(request));
      const secret = random.hex(32);
      const share = {
        id: random.hex(16),
        created_by: "anna@example.net",
        created_at: new Date().toISOString(),
        expires_at: new Date(Date.now() + hours * 3_600_000).toISOString(),
        is_masked: false,
        opened: 0,
        opened_at: null,
        secret,
        call: id,
      };
      shares.push(share);
      return { body: { ...shown(share), secret, page: `/shared#${secret}` } };
    }
    const person = kind === "users" && users.find(({ login }) => login === decodeURIComponent(id));
    if (person && action === "password") return { body: { password: "k3v9ad7qm2xw8rtn5pye" } };
    if (person) return { body: Object.assign(person, JSON.parse(await text(request))) };
    const tokens = { tokens: enrolment, api_tokens: apiTokens }[kind];
    const token = tokens ? tokens.findIndex((one) => one.id === id) : -1;
    if (token >= 0) {
      tokens.splice(token, 1);
      return { body: {} };
    }
    const upgrade = kind === "upgrades" && upgrades.find((one) => String(one.id) === id);
    if (upgrade) {
      upgrade.state = action === "cancel" ? "cancelled" : "running";
      upgrade.why = null;
      changed();
      return { body: upgrade };
    }
    const place = kind === "packages" ? packages.findIndex((one) => String(one.id) === id) : -1;
    if (place >= 0) {
      if (action === "delete") packages.splice(place, 1);
      else packages[place].received += (await text(request)).length;
      return { body: packages[place] ?? {} };
    }
    const at = kind === "rules" ? rules.findIndex((rule) => rule.id === Number(id)) : -1;
    if (at >= 0) {
      if (action === "delete") rules.splice(at, 1);
      else rules[at] = asRule(Number(id), JSON.parse(await text(request)));
      changed();
      return { body: rules[at] ?? {} };
    }
    const sensor = kind === "sensors" && sensors.find((one) => one.id === id);
    if (sensor && action === "revoke") {
      Object.assign(sensor, { state: "revoked", channels: null });
      changed();
      return { body: {} };
    }
    if (sensor) return { body: sensor };
    const record = { registrations, peers }[kind]?.find((one) => one.id === id);
    if (record) return { body: record };
    const call = kind === "calls" && calls.find((one) => one.id === id);
    if (call) return { body: { ...call, other_legs: legsOf(call) } };
    return error(
      404,
      "not_found",
      kind === "calls" ? "There is no such call, or it is older than 25 days." : "There is no such thing.",
    );
  }

  const server = createServer(async (request, response) => {
    const url = new URL(request.url, "http://localhost");
    for (const [name, value] of Object.entries(HEADERS)) response.setHeader(name, value);
    if (down) return request.socket.destroy();
    if (!url.pathname.startsWith("/api/v1/")) return file(url.pathname, response);
    const loggedIn = /\bsession=1\b/.test(request.headers.cookie ?? "");
    const answer = await api(request, url.pathname.slice(7), url.searchParams, loggedIn);
    if (answer.cookie) response.setHeader("Set-Cookie", answer.cookie);
    if (answer.retry) response.setHeader("Retry-After", String(answer.retry));
    response.writeHead(answer.status ?? 200, {
      "Content-Type": answer.text ? "text/csv" : "application/json",
    });
    response.end(answer.text ?? (answer.body ? JSON.stringify(answer.body) : ""));
  });
  await new Promise((resolve) => server.listen(port, "127.0.0.1", resolve));
  return {
    port: server.address().port,
    arrive,
    calls,
    registrations,
    peers,
    sensors,
    /** From now on connections are broken off, as when the network is away. */
    setDown: (value) => {
      down = value;
      if (value) server.closeAllConnections();
    },
    close: () => {
      if (timer) clearInterval(timer);
      server.closeAllConnections();
      return new Promise((resolve) => server.close(resolve));
    },
  };
}

function makeUsers(now) {
  const user = (login, role, rights, more = {}) => ({
    login,
    role,
    rights,
    is_disabled: false,
    is_you: false,
    created_at: new Date(now - 90 * 86_400_000).toISOString(),
    logged_in_at: new Date(now - 3_600_000).toISOString(),
    ...more,
  });
  return [
    user("anna@example.net", "admin", ["packets", "audio", "upgrades"], { is_you: true }),
    user("ben.the-technician-with-a-very-long-name@subsidiary.example.net", "viewer", ["packets"]),
    user("carla@example.net", "viewer", [], { logged_in_at: null }),
    user("dmitri@example.net", "admin", ["packets", "audio", "live"], { is_disabled: true }),
  ];
}

const makeApiToken = (random, name, days) => ({
  id: random.hex(16),
  name,
  created_by: "anna@example.net",
  created_at: new Date(Date.now() - 7_200_000).toISOString(),
  expires_at: new Date(Date.now() + days * 86_400_000).toISOString(),
});

/** Thirty entries, one of each kind that there is. */
function makeAudit(now) {
  const entries = [
    ["anna@example.net", "login", "198.51.100.20"],
    ["anna@example.net", "upgrade.begin", "0.2.0 to 4 sensors"],
    ["anna@example.net", "package.add", "0.2.0 aarch64-unknown-linux-musl"],
    ["ben@example.net", "capture.packets", "db3d69e1214f8a0c77aa10b2c3d4e5f6-00112233445566778899aabbccddeeff-4711 on Frankfurt core, encrypted relay: ticket 20931, one-way audio"],
    ["ben@example.net", "login_failed", "203.0.113.9"],
    ["anna@example.net", "sensor.claim", "shop-12 (db3d69e1214f8a0c77aa10b2c3d4e5f6)"],
    ["device db3d69e1214f8a0c77aa10b2c3d4e5f6", "sensor.enrol", "Lyon branch"],
    ["anna@example.net", "user.rights", "ben@example.net: viewer, packets"],
    ["anna@example.net", "rule.add", '"Bad quality": keep sip, rtp when mos < 3.50'],
    ["anna@example.net", "customer.retrieval", "a reason is asked for; encrypted relay allowed"],
  ];
  return Array.from({ length: 30 }, (_, index) => {
    const [who, action, detail] = entries[index % entries.length];
    return { at: new Date(now - index * 1_700_000).toISOString(), who, action, detail };
  });
}

const makePackage = (id, version, target, bytes, more) => ({
  id,
  version,
  target,
  arch: target.split("-")[0],
  bytes,
  received: bytes,
  piece_bytes: 49_152,
  is_checked: false,
  is_shared: false,
  uploaded_by: "anna@example.net",
  uploaded_at: new Date(Date.now() - 5_400_000).toISOString(),
  ...more,
});

/** One that is paused, since its first sensor went back. */
function makeUpgrades(sensors, now) {
  const order = (sensor, ring, state, why = null) => ({
    device: sensor.id,
    name: sensor.name,
    ring,
    state,
    why,
    changed_at: new Date(now - 60_000).toISOString(),
  });
  return [
    {
      id: 2,
      version: "0.2.0",
      state: "paused",
      ring: 1,
      why: "1 sensor did not take it: see why, and let it go on or cancel it.",
      created_by: "anna@example.net",
      created_at: new Date(now - 900_000).toISOString(),
      sensors: [
        order(sensors[2], 0, "done"),
        order(sensors[3], 1, "rolled_back", "it did not reach the cloud: tcp: 203.0.113.20:60023 did not answer within 10 s"),
        order(sensors[1], 1, "downloading"),
        order(sensors[0], 2, "waiting"),
      ],
    },
  ];
}

/** A device that waits with the code 7KQX-M2AB. */
const claim = () => ({
  device: "db3d69e1214f8a0c77aa10b2c3d4e5f6",
  name: "shop-12",
  address: "198.51.100.7",
  software: "0.1.0",
  target: "aarch64-unknown-linux-musl",
  arch: "aarch64",
  waiting_since: new Date(Date.now() - 130_000).toISOString(),
  code_ends_at: new Date(Math.ceil(Date.now() / 3_600_000) * 3_600_000).toISOString(),
});

/** Some time in the last 25 days, a third of them today, most in working hours. */
function pastMoment(random, now) {
  for (;;) {
    const days = random.chance(0.4) ? 1 : 25;
    const at = now - 60_000 - random.whole(0, days * 86_400_000);
    const hour = new Date(at).getHours();
    const busy =
      0.12 + 0.88 * Math.exp(-(((hour - 10.5) / 3.2) ** 2)) + 0.6 * Math.exp(-(((hour - 15) / 2.2) ** 2));
    const weekend = [0, 6].includes(new Date(at).getDay()) ? 0.25 : 1;
    if (random.chance(busy * weekend)) return at;
  }
}

const error = (status, code, message) => ({ status, body: { error: { code, message } } });

async function text(request) {
  let body = "";
  for await (const chunk of request) body += chunk;
  return body;
}

async function file(path, response) {
  const known = /^\/assets\//.test(path) ? normalize(path).slice(1) : "index.html";
  try {
    const body = await readFile(DIST + known);
    const cache = known === "index.html" ? "no-cache" : "public, max-age=31536000, immutable";
    response.writeHead(200, {
      "Content-Type": TYPES[extname(known)] ?? "application/octet-stream",
      "Cache-Control": cache,
    });
    response.end(body);
  } catch {
    response.writeHead(404);
    response.end();
  }
}

/** As if some of the newest calls were still in progress. */
function inProgress(calls, sensors) {
  const bands = (of) => ({
    excellent: of.filter(({ mos }) => mos > 4.2).length,
    good: of.filter(({ mos }) => mos > 3.6 && mos <= 4.2).length,
    fair: of.filter(({ mos }) => mos > 3 && mos <= 3.6).length,
    degraded: of.filter(({ mos }) => mos <= 3).length,
    unrated: Math.ceil(of.length / 8),
  });
  const bySensor = sensors
    .filter(({ state }) => state === "online")
    .map((sensor) => {
      const mine = calls.filter((call) => call.sensor?.id === sensor.id && call.mos !== null).slice(0, 30);
      const worst = [...mine].sort((a, b) => a.mos - b.mos).slice(0, 5);
      return {
        ...bands(mine),
        sensor: { id: sensor.id, name: sensor.name, id_sensor: sensor.id_sensor },
        at: new Date().toISOString(),
        channels: sensor.channels,
        calls: worst.map((call) => ({
          id: call.id,
          caller: call.caller.user,
          caller_display: call.caller.display,
          callee: call.callee.user,
          callee_display: call.callee.display,
          first_at: call.first_at,
          answered_at: call.answered_at,
          mos: call.mos,
          expected: call.streams[0]?.expected ?? 0,
          lost: call.streams[0]?.lost ?? 0,
          jitter_max_ms: call.streams[0]?.jitter_max_ms ?? null,
          mos_unreliable: call.mos_unreliable,
        })),
      };
    });
  const sum = (field) => bySensor.reduce((total, one) => total + one[field], 0);
  return {
    excellent: sum("excellent"),
    good: sum("good"),
    fair: sum("fair"),
    degraded: sum("degraded"),
    unrated: sum("unrated"),
    sensors: bySensor,
  };
}

function stats(found, sensors, query) {
  const answered = found.filter((call) => call.answered_at !== null);
  const mos = { excellent: 0, good: 0, fair: 0, degraded: 0, no_audio: 0, none: 0 };
  const hours = new Map();
  for (const call of found) {
    if (call.answered_at || call.band) mos[call.band ?? "none"] += 1;
    const at = `${call.ended_at.slice(0, 13)}:00:00Z`;
    const hour = hours.get(at) ?? { at, calls: 0, answered: 0, sum: 0, scored: 0 };
    hour.calls += 1;
    if (call.answered_at) hour.answered += 1;
    if (call.mos !== null) {
      hour.sum += call.mos;
      hour.scored += 1;
    }
    hours.set(at, hour);
  }
  void query;
  const by_hour = [...hours.values()]
    .sort((x, y) => (x.at < y.at ? -1 : 1))
    .map(({ sum, scored, ...hour }) => ({
      ...hour,
      mos_mean: scored ? Math.round((sum / scored) * 100) / 100 : null,
    }));
  return {
    channels: { now: sensors.reduce((sum, sensor) => sum + (sensor.channels ?? 0), 0), limit: CHANNELS },
    calls: found.length,
    answered: answered.length,
    asr: found.length ? answered.length / found.length : null,
    acd_seconds: answered.length
      ? answered.reduce((sum, call) => sum + call.duration_ms / 1000, 0) / answered.length
      : null,
    mos,
    by_hour,
    sensors: { online: sensors.filter((sensor) => sensor.state === "online").length, total: sensors.length },
  };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const has = (flag) => process.argv.includes(flag);
  const value = (flag, otherwise) =>
    has(flag) ? Number(process.argv[process.argv.indexOf(flag) + 1]) : otherwise;
  await buildWeb({ watch: has("--watch"), quiet: true });
  const { port } = await startDevServer({
    port: value("--port", 5173),
    empty: has("--empty"),
    role: has("--user") ? "user" : "admin",
    every: has("--still") ? 0 : value("--every", 4),
  });
  console.log(`http://127.0.0.1:${port}/`);
}
