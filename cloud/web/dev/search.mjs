// The API's filters over an array, as the server applies them to its tables.

const glob = (pattern) =>
  new RegExp(`^${pattern.replace(/[.+^${}()|[\]\\?]/g, "\\$&").replace(/\*/g, ".*")}$`, "i");

/** A leading `!` turns a test round. */
function negatable(value, test) {
  return value.startsWith("!") ? !test(value.slice(1)) : test(value);
}

// A star at the end is a prefix; "0049*30" has a literal star only when the whole number has it.
const numberIs = (pattern) => {
  const match = glob(pattern);
  return (user) => user === pattern || match.test(user);
};

function inNetwork(address, network) {
  const host = address?.replace(/^\[?(.*?)\]?:\d+$/, "$1") ?? "";
  const [base, bits] = network.split("/");
  if (bits === undefined || base.includes(":")) return host === base;
  const number = (ip) => ip.split(".").reduce((sum, part) => sum * 256 + Number(part), 0);
  if (host.includes(":")) return false;
  const size = 2 ** (32 - Number(bits));
  return Math.floor(number(host) / size) === Math.floor(number(base) / size);
}

function statusIs(code, pattern) {
  return pattern
    .split(",")
    .some((one) =>
      /^\dxx$/i.test(one) ? Math.floor((code ?? 0) / 100) === Number(one[0]) : code === Number(one),
    );
}

/** Whether a call fits all of a query's filters. */
export function fits(call, query) {
  const tests = {
    number: (v) => negatable(v, (p) => numberIs(p)(call.caller.user) || numberIs(p)(call.callee.user)),
    caller: (v) => negatable(v, (p) => numberIs(p)(call.caller.user)),
    callee: (v) => negatable(v, (p) => numberIs(p)(call.callee.user)),
    address: (v) =>
      negatable(v, (p) =>
        [call.src, call.dst, ...call.sip.flatMap((m) => [m.src, m.dst])].some((a) => inNetwork(a, p)),
      ),
    call_id: (v) => negatable(v, (p) => call.call_id === p || glob(p).test(call.call_id)),
    from: (v) => call.ended_at >= v,
    to: (v) => call.ended_at <= v,
    status: (v) => negatable(v, (p) => statusIs(call.status_code, p)),
    ended_by: (v) => negatable(v, (p) => p.split(",").includes(call.ended_by)),
    band: (v) =>
      negatable(
        v,
        (p) =>
          (call.answered_at !== null || call.band !== null) && p.split(",").includes(call.band ?? "none"),
      ),
    mos_below: (v) => call.mos !== null && call.mos <= Number(v),
    mos_above: (v) => call.mos !== null && call.mos >= Number(v),
    flag: (v) => negatable(v, (p) => call.flags.includes(p)),
    answered: (v) => (call.answered_at !== null) === (v === "true"),
    sensor: (v) => negatable(v, (p) => call.sensor.id === p || String(call.sensor.id_sensor) === p),
    min_duration: (v) => (call.duration_ms ?? -1) >= Number(v) * 1000,
    q: (v) =>
      JSON.stringify([call.caller, call.callee, call.call_id]).toLowerCase().includes(v.toLowerCase()),
  };
  return Object.entries(tests).every(([key, test]) => !query.get(key) || test(query.get(key)));
}
