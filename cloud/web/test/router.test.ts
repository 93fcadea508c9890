import assert from "node:assert/strict";
import { test } from "node:test";
import { address, callPath, parsePath } from "../src/router.js";

test("every page has its path", () => {
  assert.deepEqual(parsePath("/"), { name: "overview" });
  assert.deepEqual(parsePath("/calls"), { name: "calls" });
  assert.deepEqual(parsePath("/calls/"), { name: "calls" });
  assert.deepEqual(parsePath("/calls/ab-cd-1"), { name: "call", id: "ab-cd-1" });
  assert.deepEqual(parsePath("/live"), { name: "live" });
  assert.deepEqual(parsePath("/registrations"), { name: "registrations" });
  assert.deepEqual(parsePath("/registrations/ab-1"), { name: "registration", id: "ab-1" });
  assert.deepEqual(parsePath("/peers"), { name: "peers" });
  assert.deepEqual(parsePath("/peers/ab-1"), { name: "peer", id: "ab-1" });
  assert.deepEqual(parsePath("/sensors"), { name: "sensors" });
  assert.deepEqual(parsePath("/rules"), { name: "rules" });
  assert.deepEqual(parsePath("/alerts"), { name: "alerts", tab: "" });
  assert.deepEqual(parsePath("/alerts/channels"), { name: "alerts", tab: "channels" });
  assert.deepEqual(parsePath("/sensors/x%20y"), { name: "sensor", id: "x y" });
});

test("other paths are missing pages", () => {
  for (const path of ["/x", "/live/x", "/calls/a/b", "/sensors/%E0%A4%A", "/x/calls", "/alerts/x"]) {
    assert.deepEqual(parsePath(path), { name: "missing" }, path);
  }
});

test("a call's address survives odd ids and keeps its list", () => {
  const path = callPath("a/b?c", new URLSearchParams("flag=nat"));
  assert.equal(path, "/calls/a%2Fb%3Fc?flag=nat");
  assert.deepEqual(parsePath(path.split("?")[0] ?? ""), { name: "call", id: "a/b?c" });
  assert.equal(address("/calls", new URLSearchParams()), "/calls");
});
