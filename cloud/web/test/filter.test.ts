import assert from "node:assert/strict";
import { test } from "node:test";
import {
  callsQuery,
  listQuery,
  parseLine,
  parseToken,
  rangeOf,
  statsQuery,
  suggest,
  tokenText,
  tokensOf,
  unknownField,
  withNamedRange,
  withRange,
  withTokens,
} from "../src/filter.js";

const NOW = new Date("2026-11-24T12:00:00Z");
const query = (text: string) => new URLSearchParams(text);

test("a pair names its field, synonyms included", () => {
  assert.deepEqual(parseToken("caller:0049*"), { key: "caller", value: "0049*" });
  assert.deepEqual(parseToken("From:100"), { key: "caller", value: "100" });
  assert.deepEqual(parseToken("ip:10.0.0.0/8"), { key: "address", value: "10.0.0.0/8" });
  assert.equal(parseToken("nonsense:1"), null);
  assert.equal(parseToken("caller:"), null);
});

test("what is written like a filter and is none is told, with what was meant", () => {
  assert.deepEqual(unknownField("statsu:486"), {
    name: "statsu",
    meant: { key: "status", value: "486" },
  });
  assert.deepEqual(unknownField("bogus:xx"), { name: "bogus", meant: null });
  for (const fine of ["status:486", "plain", "sip:100", "fe80::1", '"bogus:xx"', "192.0.2.1:5060", "a1:b"]) {
    assert.equal(unknownField(fine), null, fine);
  }
});

test("figures are asked for with the filters of the list", () => {
  const asked = query("status=486&band=fair&hide=mos&cursor=x");
  const figures = statsQuery(asked, NOW);
  assert.deepEqual([...figures.keys()].sort(), ["band", "from", "status"]);
});

test("a mark before a field or a value negates", () => {
  assert.deepEqual(parseToken("-flag:nat"), { key: "flag", value: "!nat" });
  assert.deepEqual(parseToken("!status:200"), { key: "status", value: "!200" });
  assert.deepEqual(parseToken("status:!4xx"), { key: "status", value: "!4xx" });
  assert.deepEqual(parseToken("!status:!200"), { key: "status", value: "!200" });
});

test("mos compares, with point or comma", () => {
  assert.deepEqual(parseToken("mos<3"), { key: "mos_below", value: "3" });
  assert.deepEqual(parseToken("MOS >= 4,2"), { key: "mos_above", value: "4.2" });
});

test("a plain word means what it looks like", () => {
  const first = (text: string) => suggest(text)[0];
  assert.deepEqual(first("+4930123"), { key: "number", value: "+4930123" });
  assert.deepEqual(first("0049*"), { key: "number", value: "0049*" });
  assert.deepEqual(first("192.0.2.1"), { key: "address", value: "192.0.2.1" });
  assert.deepEqual(first("10.0.0.0/8"), { key: "address", value: "10.0.0.0/8" });
  assert.deepEqual(first("192.0.2.1:5060"), { key: "address", value: "192.0.2.1" });
  assert.deepEqual(first("[2001:db8::1]:5060"), { key: "address", value: "2001:db8::1" });
  assert.deepEqual(first("2001:db8::1"), { key: "address", value: "2001:db8::1" });
  assert.deepEqual(first("abc@host"), { key: "call_id", value: "abc@host" });
  assert.deepEqual(first("4xx"), { key: "status", value: "4xx" });
  assert.deepEqual(first("one-way"), { key: "flag", value: "one_way" });
  assert.deepEqual(first("Müller"), { key: "q", value: "Müller" });
  assert.deepEqual(suggest("  "), []);
});

test("three digits may also be a status", () => {
  assert.deepEqual(
    suggest("486").map(({ key }) => key),
    ["number", "caller", "callee", "status", "q"],
  );
});

test("quotes keep spaces together", () => {
  assert.deepEqual(parseLine('status:486 "Jana M"'), [
    { key: "status", value: "486" },
    { key: "q", value: "Jana M" },
  ]);
  assert.deepEqual(parseLine('q:"a b" 100'), [
    { key: "q", value: "a b" },
    { key: "number", value: "100" },
  ]);
});

test("values of one field collect, others replace, and the first page is shown", () => {
  const once = withTokens(query("status=486&caller=1&cursor=x"), [
    { key: "status", value: "503" },
    { key: "caller", value: "2" },
  ]);
  assert.equal(once.get("status"), "486,503");
  assert.equal(once.get("caller"), "1,2");
  assert.equal(withTokens(query("flag=nat"), [{ key: "flag", value: "fax" }]).get("flag"), "fax");
  assert.equal(withTokens(query("status=!486"), [{ key: "status", value: "!487,503" }]).get("status"), "!486,487,503");
  assert.equal(once.has("cursor"), false);
  assert.equal(withTokens(once, [{ key: "status", value: "!200" }]).get("status"), "!200");
});

test("the range is the last day unless the address says otherwise", () => {
  assert.equal(rangeOf(query(""), NOW).from.toISOString(), "2026-11-23T12:00:00.000Z");
  assert.equal(rangeOf(query("range=1h"), NOW).from.toISOString(), "2026-11-24T11:00:00.000Z");
  assert.equal(rangeOf(query("range=bogus"), NOW).key, "24h");
  const fixed = rangeOf(query("from=2026-11-01T00:00:00Z&to=2026-11-02T00:00:00Z"), NOW);
  assert.equal(fixed.key, null);
  assert.equal(fixed.to?.toISOString(), "2026-11-02T00:00:00.000Z");
  assert.equal(rangeOf(query("from=nonsense"), NOW).key, "24h");
});

test("a fixed range and a named one replace each other", () => {
  const fixed = withRange(query("range=7d&cursor=x"), new Date("2026-11-01T00:00:00Z"), null);
  assert.equal(fixed.toString(), "from=2026-11-01T00%3A00%3A00Z");
  assert.equal(withNamedRange(fixed, "24h").toString(), "");
  assert.equal(withNamedRange(fixed, "7d").toString(), "range=7d");
});

test("the API is asked with its own names and nothing else", () => {
  const asked = callsQuery(query("flag=nat&range=1h&hide=mos&cursor=c&evil=1"), NOW, 50);
  assert.equal(asked.toString(), "from=2026-11-24T11%3A00%3A00Z&flag=nat&limit=50&views=one&cursor=c");
});

test("a call's address keeps its list", () => {
  assert.equal(listQuery(query("flag=nat&x=1&range=7d")).toString(), "flag=nat&range=7d");
});

test("chips read as sentences", () => {
  const text = (search: string) => tokensOf(query(search)).map((token) => tokenText(token, () => "Lyon"));
  assert.deepEqual(text("answered=false&mos_below=3"), ["not answered", "MOS ≤ 3"]);
  assert.deepEqual(text("status=!4xx"), ["Status not 4xx"]);
  assert.deepEqual(text("status=486,503"), ["Status 486 or 503"]);
  assert.deepEqual(text("number=0049*,*99"), ["Number beginning with 0049 or ending in 99"]);
  assert.deepEqual(text("caller=!*30*&callee=12*34"), ["From not with 30 in it", "To 12*34"]);
  assert.deepEqual(text("address=!10.0.0.0/8,192.0.2.1"), ["Address not in 10.0.0.0/8 or 192.0.2.1"]);
  assert.deepEqual(text("flag=one_way&sensor=ab"), ["Flag one way", "Sensor Lyon"]);
});
