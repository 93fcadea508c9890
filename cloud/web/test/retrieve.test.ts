import assert from "node:assert/strict";
import { test } from "node:test";
import {
  Arriving,
  BadTransfer,
  ForgedTransfer,
  Frames,
  agree,
  derive,
  fingerprintOf,
  fromHex,
  isSigned,
  makeHalf,
  readOpening,
  resumeProof,
  toHex,
  transcript,
} from "../src/sealed.js";

/** The same vector stands in sensor/src/retrieval/seal.rs. */
const RESUME = "790c5c48067dd1b41094dead83e8c5045b55c849041cbdfedb46caa0265129da";
const FRAMES =
  "00000017d9ce98c3343fdd43201aabe2f9cb9695cf6c1df937918e00000017177f71bc295044d3d5855db9a05def0381afadcd21fc7a";

const bytes = (text: string) => new TextEncoder().encode(text) as Uint8Array<ArrayBuffer>;
const stream = (...parts: Uint8Array<ArrayBuffer>[]) =>
  new Arriving(
    new ReadableStream<Uint8Array>({
      start(controller) {
        for (const part of parts) controller.enqueue(part);
        controller.close();
      },
    }).getReader(),
  );

test("keys and frames are those of the sensor", async () => {
  const keys = await derive(new Uint8Array(32).fill(7), bytes("said"));
  const proof = new Uint8Array(await crypto.subtle.sign("HMAC", keys.resume, bytes("x")));
  const raw = await crypto.subtle.importKey("raw", fromHex(RESUME), { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  assert.deepEqual(proof, new Uint8Array(await crypto.subtle.sign("HMAC", raw, bytes("x"))));
  const whole = fromHex(FRAMES);
  for (const cut of [1, 5, 30, whole.length]) {
    const parts = Array.from({ length: Math.ceil(whole.length / cut) }, (_, at) => whole.slice(at * cut, (at + 1) * cut));
    const frames = new Frames(stream(...parts), keys.frames);
    for (const _ of [0, 1]) {
      const { kind, bytes: data } = await frames.next();
      assert.equal(kind, 1);
      assert.equal(new TextDecoder().decode(data), "packet");
    }
    assert.equal(await frames.isOver(), true);
  }
});

test("a changed, repeated or missing frame is noticed", async () => {
  const keys = await derive(new Uint8Array(32).fill(7), bytes("said"));
  const whole = fromHex(FRAMES);
  const changed = whole.slice();
  changed[10] = (changed[10] ?? 0) ^ 1;
  await assert.rejects(new Frames(stream(changed), keys.frames).next(), ForgedTransfer);
  const second = whole.slice(whole.length / 2);
  await assert.rejects(new Frames(stream(second), keys.frames).next(), ForgedTransfer);
  await assert.rejects(new Frames(stream(whole.slice(0, 20)), keys.frames).next(), BadTransfer);
  await assert.rejects(new Frames(stream(fromHex("7fffffff00")), keys.frames).next(), BadTransfer);
});

test("both sides agree, and only on what both have said", async () => {
  const [browser, sensor] = [await makeHalf(), await makeHalf()];
  const ticket = bytes("ticket");
  const said = { ticket, transfer: new Uint8Array(16), offset: 0, browserKey: browser.public, sensorKey: sensor.public };
  const mine = await agree(browser, said);
  const other = await crypto.subtle.importKey("raw", browser.public, { name: "ECDH", namedCurve: "P-256" }, false, []);
  const shared = await crypto.subtle.deriveBits({ name: "ECDH", public: other }, sensor.secret, 256);
  const word = async ({ resume }: { resume: CryptoKey }) => toHex(await resumeProof(resume, browser.public, 7));
  assert.equal(await word(await derive(new Uint8Array(shared), transcript(said))), await word(mine));
  const another = await derive(new Uint8Array(shared), transcript({ ...said, offset: 1 }));
  assert.equal((await word(another)) === (await word(mine)), false);
});

test("a device's signature is checked, and its fingerprint is the call's", async () => {
  const pair = (await crypto.subtle.generateKey("Ed25519", true, ["sign", "verify"])) as CryptoKeyPair;
  const deviceKey = new Uint8Array(await crypto.subtle.exportKey("raw", pair.publicKey));
  const half = await makeHalf();
  const said = { ticket: bytes("t"), transfer: new Uint8Array(16), offset: 5, browserKey: half.public, sensorKey: half.public };
  const text = new Uint8Array([...bytes("ringside retrieval v1\0"), 0, 0, 0, 1, ...bytes("t"), ...said.transfer, 0, 0, 0, 0, 0, 0, 0, 5, ...half.public, ...half.public]);
  const signature = new Uint8Array(await crypto.subtle.sign("Ed25519", pair.privateKey, text));
  const raw = new Uint8Array([...fromHex("5253727401"), ...half.public, ...deviceKey, ...signature]);
  const opening = readOpening(raw);
  assert.equal(await isSigned(opening, said), true);
  assert.equal(await isSigned(opening, { ...said, offset: 6 }), false);
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", deviceKey));
  assert.equal(await fingerprintOf(deviceKey), toHex(hash).slice(0, 32));
  assert.throws(() => readOpening(raw.slice(1)), BadTransfer);
});
