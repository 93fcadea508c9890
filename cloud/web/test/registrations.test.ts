import assert from "node:assert/strict";
import { test } from "node:test";
import { listOf, recordsQuery, typedOf, withTyped, worstFirst } from "../src/records.js";
import { RANK, REGISTRATIONS, contactAddress, historyQuery } from "../src/registrations.js";
import type { Registration } from "../src/types.js";

const one = (id: string, state: Registration["state"]) =>
  ({ id, state, aor: { user: "4711", host: "pbx", display: null }, registrar: "pbx" }) as Registration;

test("what needs somebody comes first, and the rest keeps its order", () => {
  const ordered = worstFirst([one("a", "registered"), one("b", "expired"), one("c", "failing"), one("d", "failing")], RANK);
  assert.deepEqual(ordered.map(({ id }) => id), ["c", "d", "b", "a"]);
});

test("an address of a contact is its host and port", () => {
  assert.equal(contactAddress("sip:4711@192.0.2.1:5060;ob"), "192.0.2.1:5060");
  assert.equal(contactAddress("sips:[2001:db8::1]:5061"), "[2001:db8::1]:5061");
  assert.equal(contactAddress("*"), "*");
});

test("the history asks for one registration, and for no pattern that its texts would make", () => {
  const asked = historyQuery({ ...one("a", "failing"), contact: "sip:4711@192.0.2.1:5060", sensor: null });
  assert.equal(asked.toString(), "history=true&limit=50&user=4711%40pbx&registrar=pbx&contact=*192.0.2.1%3A5060*");
  const star = historyQuery({ ...one("a", "failing"), contact: "*", sensor: null });
  assert.equal(star.has("contact"), false);
});

test("typed words survive the address, and addresses are told from words", () => {
  const next = withTyped(REGISTRATIONS, new URLSearchParams("state=failing&cursor=x"), 'registrar:pbx 192.0.2.1 hall agent:"snom D785"');
  assert.equal(next.toString(), "state=failing&registrar=pbx&address=192.0.2.1&agent=snom+D785&q=hall");
  assert.equal(withTyped(REGISTRATIONS, next, typedOf(REGISTRATIONS, next)).toString(), next.toString());
});

test("the list of an address is asked for with its range", () => {
  const now = new Date("2026-11-24T12:00:00Z");
  const asked = recordsQuery(REGISTRATIONS, new URLSearchParams("state=failing&order=failing&x=y"), now);
  assert.equal(asked.get("from"), "2026-11-23T12:00:00Z");
  assert.deepEqual([asked.get("state"), asked.has("order"), asked.has("x")], ["failing", false, false]);
  assert.equal(listOf(REGISTRATIONS, new URLSearchParams("state=failing&order=failing&x=y")).toString(), "state=failing&order=failing");
});
