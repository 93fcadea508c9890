import assert from "node:assert/strict";
import { test } from "node:test";
import { PEERS, RANK, asked, historyQuery, isSame, party } from "../src/peers.js";
import { typedOf, withTyped, worstFirst } from "../src/records.js";
import type { Peer } from "../src/types.js";

const one = (more: Partial<Peer>) =>
  ({
    id: "a",
    method: "OPTIONS",
    event: null,
    from: null,
    to: null,
    state: "answering",
    src: "192.0.2.1:5060",
    dst: "192.0.2.5:5080",
    sensor: null,
    ...more,
  }) as Peer;

test("what is asked is said in short", () => {
  assert.equal(asked(one({})), "OPTIONS");
  assert.equal(asked(one({ method: "SUBSCRIBE", event: "dialog" })), "SUBSCRIBE dialog");
  assert.equal(asked(one({ method: "MESSAGE", from: "201", to: null })), "MESSAGE 201 to ?");
});

test("the port that is everybody's is left out", () => {
  assert.equal(party("192.0.2.1:5060"), "192.0.2.1");
  assert.equal(party("192.0.2.1:5080"), "192.0.2.1:5080");
  assert.equal(party("[2001:db8::1]:5060"), "2001:db8::1");
});

test("silence comes first", () => {
  const peers = [one({ id: "a" }), one({ id: "b", state: "refusing" }), one({ id: "c", state: "silent" })];
  assert.deepEqual(worstFirst(peers, RANK).map(({ id }) => id), ["c", "b", "a"]);
});

test("the history is that of one relation", () => {
  const peer = one({ method: "MESSAGE", from: "201", to: "305" });
  assert.equal(
    historyQuery(peer).toString(),
    "history=true&limit=50&method=MESSAGE&src=192.0.2.1&dst=192.0.2.5&user=305",
  );
  assert.equal(isSame(peer, { ...peer, src: "192.0.2.1:9999" }), true);
  assert.equal(isSame(peer, { ...peer, dst: "192.0.2.5:5060" }), false);
});

test("typed words survive the address", () => {
  const next = withTyped(PEERS, new URLSearchParams("method=OPTIONS&cursor=x"), "192.0.2.1 dst:10.0.0.0/8 trunk");
  assert.equal(next.toString(), "method=OPTIONS&address=192.0.2.1&dst=10.0.0.0%2F8&q=trunk");
  assert.equal(withTyped(PEERS, next, typedOf(PEERS, next)).toString(), next.toString());
});
