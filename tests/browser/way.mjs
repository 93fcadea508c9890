// The way of a person who meets Ringside: log in, add a sensor, watch it come, watch a call come,
// read it. A real browser, the real cloud, a real sensor.
//
//   node way.mjs          (ci/browser builds everything first)
//
// RINGSIDE_SHOTS names a folder for pictures of every page; CHROMIUM another browser.

import assert from "node:assert/strict";
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { chromium } from "playwright-core";
import { analyzed, captureOf, cleanUp, folder, run, sensorConfig, startCloud, startSensor } from "./product.mjs";

const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--ignore-certificate-errors",
];
/** Whatever a person waits for must come within, ms. */
const PATIENCE = 30_000;
const PCAP_HEAD = 24;

const faults = [];
const shots = process.env.RINGSIDE_SHOTS;
if (shots) mkdirSync(shots, { recursive: true });

let context;
let page;

async function step(name, body) {
  const began = Date.now();
  await body();
  console.log(`ok   ${name} (${((Date.now() - began) / 1000).toFixed(1)} s)`);
}

async function picture(name, of = page) {
  if (shots) await of.screenshot({ path: join(shots, `${name}.png`), fullPage: true });
}

/** The same page, dark and on a telephone, and then as it was. */
async function pictures(name, of) {
  await picture(name, of);
  await of.emulateMedia({ colorScheme: "dark" });
  await picture(`${name}-dark`, of);
  await of.emulateMedia({ colorScheme: "light" });
  await of.setViewportSize({ width: 390, height: 844 });
  await of.waitForFunction(() => document.documentElement.scrollWidth <= innerWidth);
  await picture(`${name}-narrow`, of);
  await of.setViewportSize({ width: 1280, height: 900 });
}

/** What happens in a page is complained of, whichever it is. */
function watch(of) {
  of.on("pageerror", (error) => faults.push(error.message));
  of.on("console", (message) => {
    // Whether somebody is logged in is asked before anybody is.
    if (message.type() === "error" && !/status of 401/.test(message.text())) faults.push(message.text());
  });
}

/** The row of a table by its head, its cells' texts. */
const cells = (table, head) =>
  table.locator("tr", { has: page.getByRole("rowheader", { name: head, exact: true }) }).locator("td").allTextContents();

async function way() {
  const cloud = await startCloud("anna");
  context = await chromium.launchPersistentContext(join(folder, "chromium"), {
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: FLAGS,
    ignoreHTTPSErrors: true,
    viewport: { width: 1280, height: 900 },
    timezoneId: "Europe/Berlin",
  });
  context.setDefaultTimeout(PATIENCE);
  page = context.pages()[0] ?? (await context.newPage());
  watch(page);

  await step("a person logs in", async () => {
    await page.goto(cloud.url);
    await picture("login");
    await page.getByLabel("Login").fill("anna");
    await page.getByLabel("Password").fill(cloud.password);
    await page.keyboard.press("Enter");
    await page.getByText("No sensor has joined yet").waitFor();
    await picture("overview-none");
  });

  const config = sensorConfig("Branch office");
  await step("there is no sensor; the page says how to add one, and a token is made", async () => {
    await page.getByRole("link", { name: "Sensors", exact: true }).click();
    await page.getByText("Add one in three steps").waitFor();
    await picture("sensors-none");
    await page.getByRole("button", { name: "Add sensor" }).click();
    const command = await page.locator(".command code").textContent();
    await page.locator(".arrival-waiting").waitFor();
    await picture("sensor-add");
    const [program, ...words] = command.trim().split(" ");
    const said = String(run(program, [...words, "--config", config]));
    assert.match(said, /belongs to Example/);
    await page.getByText("has joined").waitFor();
    await picture("sensor-joined");
  });

  // One call of 35 s with loss, made up, then a real one of six seconds; the second ends now.
  const now = Date.now();
  const long = run("generate", ["--calls", "1", "--seconds", "35", "--loss", "60", "--start", String(Math.floor(now / 1000) - 90)]);
  const pcap = Buffer.concat([long, captureOf("loss").subarray(PCAP_HEAD)]);
  const [longCall, call] = analyzed(pcap);
  const sensor = startSensor(config);

  await step("the tick turns green while one watches", async () => {
    sensor.child.stdin.write(pcap.subarray(0, PCAP_HEAD));
    await page.locator(".arrival-ok").waitFor();
    await page.getByText("Branch office is online").first().waitFor();
    await picture("sensor-online");
    await page.getByRole("link", { name: "Open the sensor" }).click();
    await page.getByRole("heading", { name: "Way to the cloud" }).waitFor();
    await picture("sensor-page");
  });

  await step("a capture rule is made, and the sensor applies it", async () => {
    await page.getByRole("link", { name: "Rules", exact: true }).click();
    await page.getByRole("button", { name: "New rule" }).first().click();
    await page.getByRole("button", { name: "Text", exact: true }).click();
    await page.locator(".rule-text textarea").fill(`"Everything": keep sip, rtp when caller = ${longCall.caller.user}`);
    await picture("rule");
    await page.getByRole("button", { name: "Save" }).click();
    // Rules are applied between two frames: some have to come.
    const frames = setInterval(() => sensor.child.stdin.write(arp(now / 1000 - 95)), 200);
    await page.getByText("Applied on 1 of 1 sensor").waitFor();
    await page.getByLabel("Calls in progress").check();
    await page.getByLabel("Hold calls that no rule keeps").selectOption("10 minutes");
    await sensor.said(/calls that no rule keeps are held for 10 min/);
    clearInterval(frames);
    await pictures("rules", page);
  });

  const rows = page.locator(".calls tbody tr");
  await step("calls appear by themselves while one watches", async () => {
    await page.getByRole("link", { name: "Calls", exact: true }).click();
    await page.getByText("No calls in this range").waitFor();
    await page.evaluate(() => (globalThis.isSamePage = true));
    // The second call is not over for as long as something may follow it.
    sensor.child.stdin.write(pcap.subarray(PCAP_HEAD));
    await rows.first().waitFor();
    assert.equal(await page.evaluate(() => globalThis.isSamePage), true, "the page was loaded anew");
    await picture("calls");
  });

  let relayed;
  await step("the kept call's packets come from the sensor, sealed, and are the capture's", async () => {
    await rows.filter({ hasText: longCall.caller.user }).locator("a").first().click();
    const packets = page.getByRole("region", { name: "Packets" });
    await packets.getByRole("button", { name: "Download PCAP" }).waitFor();
    await picture("packets");
    const begun = page.waitForEvent("download");
    await packets.getByRole("button", { name: "Download PCAP" }).click();
    const download = await begun;
    assert.match(download.suggestedFilename(), /\.pcapng$/);
    await packets.getByText("the cloud could not read it").waitFor();
    await packets.getByText("Signed by the device").waitFor();
    relayed = readFileSync(await download.path());
    const [again] = analyzed(relayed);
    const figures = ({ call_id, streams }) => [call_id, streams.map(({ packets, lost, bytes }) => [packets, lost, bytes])];
    assert.deepEqual(figures(again), figures(longCall));
    await picture("packets-done");
    await packets.getByRole("button", { name: "Listen", exact: true }).click();
    await packets.getByRole("button", { name: "Play", exact: true }).click();
    await packets.getByRole("button", { name: "Pause" }).waitFor();
    // Silence is marked nowhere: noise is spoken from both sides, with its losses.
    await page.waitForFunction(() => document.querySelector(".received")?.value === document.querySelector(".received")?.max);
    await picture("packets-sound");
    await packets.getByRole("button", { name: "Pause" }).click();
    await page.emulateMedia({ colorScheme: "dark" });
    await picture("packets-dark");
    await page.emulateMedia({ colorScheme: "light" });
    await page.setViewportSize({ width: 390, height: 844 });
    await page.waitForFunction(() => document.documentElement.scrollWidth <= innerWidth);
    await picture("packets-narrow");
    await page.setViewportSize({ width: 1280, height: 900 });
  });

  /** Follows a button to the sensor's own page. */
  const follow = async (button) => {
    const opened = context.waitForEvent("page");
    await page.getByRole("region", { name: "Packets" }).getByRole("button", { name: button }).click();
    const direct = await opened;
    watch(direct);
    await direct.setViewportSize({ width: 1280, height: 900 });
    await direct.getByText("nothing of this call passes the cloud").waitFor();
    assert.equal(new URL(direct.url()).hash, "", "the ticket is out of the address");
    return direct;
  };

  await step("the sensor's own page gives the same packets, without the cloud", async () => {
    const direct = await follow("Download directly");
    await page.getByText("packets opened on the sensor's own page").waitFor();
    await picture("packets-direct");
    const begun = direct.waitForEvent("download");
    await direct.getByRole("link", { name: "Download PCAP" }).click();
    const download = await begun;
    assert.match(download.suggestedFilename(), /\.pcapng$/);
    assert.ok(readFileSync(await download.path()).equals(relayed), "another file than by the relay");
    await pictures("direct-packets", direct);
    await direct.close();
  });

  await step("and plays its sound", async () => {
    const direct = await follow("Listen directly");
    await direct.getByText("Caller: PCMA").or(direct.getByText("Caller: PCMU")).waitFor();
    const audio = direct.locator("audio");
    await audio.evaluate((it) => it.play());
    await direct.waitForFunction(() => document.querySelector("audio").currentTime > 0.3);
    // Any part of it can be played.
    await direct.locator("canvas").first().click({ position: { x: 300, y: 20 } });
    await direct.waitForFunction(() => {
      const audio = document.querySelector("audio");
      return audio.currentTime > 5 && !audio.seeking;
    });
    assert.ok((await audio.evaluate((it) => it.duration)) > 34);
    await audio.evaluate((it) => it.pause());
    await direct.getByText(/\d+ marks?$/).click();
    await pictures("direct-sound", direct);
    const begun = direct.waitForEvent("download");
    await direct.getByRole("link", { name: "Download WAV" }).click();
    assert.ok(readFileSync(await (await begun).path()).length > 34 * 8000 * 4);
    await direct.close();
    await page.keyboard.press("Escape");
  });

  await step("a call that no rule keeps is kept just after its end", async () => {
    // Time goes on for the sensor: the call's record is made.
    sensor.child.stdin.write(arp(Date.now() / 1000 + 2));
    // A list in which somebody has chosen a call stands still.
    await page.getByRole("button", { name: "1 new call" }).click();
    await rows.nth(1).waitFor();
    await rows.filter({ hasText: call.caller.user }).locator("a").first().click();
    const packets = page.getByRole("region", { name: "Packets" });
    await packets.getByText("still holds all of it, sealed").waitFor();
    await pictures("keep", page);
    await packets.getByRole("button", { name: "Keep this call" }).click();
    await packets.getByText("after its end").waitFor();
    const begun = page.waitForEvent("download");
    await packets.getByRole("button", { name: "Download PCAP" }).click();
    const [again] = analyzed(readFileSync(await (await begun).path()));
    const figures = ({ call_id, streams }) => [call_id, streams.map(({ packets, lost, bytes }) => [packets, lost, bytes])];
    assert.deepEqual(figures(again), figures(call));
    await picture("kept");
    await page.keyboard.press("Escape");
  });

  await step("a call in progress is listened to", async () => {
    cloud.admin("user", "rights", "anna", "packets,audio,live");
    const begins = Math.floor(Date.now() / 1000) + 4;
    const talk = run("generate", ["--calls", "1", "--seconds", "70", "--seed", "9", "--start", String(begins)]);
    const over = pour(talk, sensor.child.stdin);
    await page.getByRole("link", { name: "In progress", exact: true }).click();
    await page.getByRole("button", { name: "Listen" }).first().waitFor({ timeout: 60_000 });
    await page.getByRole("button", { name: "Listen" }).first().click();
    const live = page.getByRole("region", { name: "Listening" });
    await live.getByText(/Listening for 0:0[3-9]/).waitFor();
    const level = await live.locator("meter").first().evaluate((meter) => meter.value);
    assert.ok(level > 0.5, `the caller speaks at ${level}`);
    await pictures("listen-live", page);
    await live.getByRole("button", { name: "Stop" }).click();
    over();
    await page.getByRole("link", { name: "Calls", exact: true }).click();
  });

  await step("the last call appears when the capture ends", async () => {
    sensor.child.stdin.end();
    await page.getByRole("button", { name: "1 new call" }).click();
    await rows.nth(2).waitFor();
    assert.equal(await sensor.ended, 0, "the sensor ended with every record acknowledged");
  });

  await step("a sensor that is gone says so where its packets were", async () => {
    await rows.filter({ hasText: longCall.caller.user }).last().locator("a").first().click();
    await page.getByText("its packets can be had when it is back").waitFor();
    assert.equal(await page.getByRole("button", { name: "Download PCAP" }).isDisabled(), true);
    // On site it may be there all the same.
    assert.equal(await page.getByRole("button", { name: "Download directly" }).isDisabled(), false);
    await picture("packets-offline");
    await page.keyboard.press("Escape");
    await rows.nth(1).waitFor();
  });

  await step("a call opens; its ladder goes from INVITE to BYE with the packets' times", async () => {
    await rows.filter({ hasText: call.caller.user }).locator("a").first().click();
    await page.locator("svg.ladder").waitFor();
    const labels = await page.locator("svg.ladder .arrow-what").allTextContents();
    assert.deepEqual(labels, call.sip.map(({ method, status_code }) => method ?? String(status_code)));
    assert.equal(labels[0], "INVITE");
    assert.equal(labels.at(-2), "BYE");
    await page.getByRole("button", { name: "Clock" }).click();
    const times = await page.locator("svg.ladder .arrow-time").allTextContents();
    assert.deepEqual(times, call.sip.map(({ at }) => berlin(at)));
    const told = await page.locator(".ladder-card ol li").allTextContents();
    assert.ok(told[0].includes(`INVITE from ${call.src} to ${call.dst}`), told[0]);
    await picture("call");
  });

  await step("the streams' figures are those of analyze", async () => {
    const table = page.locator("table.streams");
    const streams = [...call.streams].sort((a, b) => order(a) - order(b));
    const expected = {
      Received: ({ packets }) => String(packets),
      Expected: (stream) => String(stream.expected),
      Lost: ({ lost, expected: of }) => `${lost} (${((lost / of) * 100).toFixed(2)} %)`,
      Duplicates: ({ duplicates }) => String(duplicates),
      Reordered: ({ reordered }) => String(reordered),
      R: ({ r }) => r.toFixed(1),
      "Jitter, mean": ({ jitter_mean_ms: ms }) => `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`,
      SSRC: ({ ssrc }) => `0x${ssrc.toString(16).toUpperCase()}`,
    };
    for (const [head, figure] of Object.entries(expected)) {
      assert.deepEqual(await cells(table, head), streams.map(figure), head);
    }
    const mos = await cells(table, "MOS, adaptive buffer");
    streams.forEach((stream, index) => assert.ok(mos[index].includes(stream.mos.toFixed(2)), `${mos[index]} is not ${stream.mos}`));
    await page.getByText(call.findings[0].sentence).first().waitFor();
  });

  await step("a longer call has a chart, and its table has every 10 s", async () => {
    await page.keyboard.press("Escape");
    await rows.filter({ hasText: longCall.caller.user }).last().locator("a").first().click();
    await page.locator(".quality-charts canvas").first().waitFor();
    await page.getByText("Table of all 10 s").click();
    const table = page.locator(".quality-charts table");
    const shown = await table.locator("tbody tr").evaluateAll((all) => all.map((row) => [...row.cells].slice(1).map((cell) => cell.textContent)));
    const streams = [...longCall.streams].sort((a, b) => order(a) - order(b));
    const figures = streams[0].intervals.map((_, index) =>
      streams.flatMap(({ intervals }) => {
        const { mos, lost, packets, jitter_ms } = intervals[index];
        return [mos.toFixed(2), ((lost / (lost + packets)) * 100).toFixed(1), jitter_ms.toFixed(1)];
      }),
    );
    assert.ok(figures.length > 3, `${figures.length} intervals`);
    assert.deepEqual(shown, figures);
    await picture("call-long");
  });

  await step("dark where the system is dark, and nothing scrolls sideways on a telephone", async () => {
    const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    const light = await ground();
    await page.emulateMedia({ colorScheme: "dark" });
    assert.notEqual(await ground(), light);
    await picture("call-long-dark");
    for (const [name, path] of [["call", page.url()], ["calls", `${cloud.url}/calls`], ["sensors", `${cloud.url}/sensors`]]) {
      await page.goto(path);
      await page.locator(name === "call" ? "svg.ladder" : name === "calls" ? ".calls tbody tr" : ".sensor-card").first().waitFor();
      await picture(`${name}-dark`);
      await page.setViewportSize({ width: 390, height: 844 });
      await page.waitForFunction(() => document.documentElement.scrollWidth <= innerWidth);
      await picture(`${name}-narrow`);
      await page.setViewportSize({ width: 1280, height: 900 });
    }
  });

  assert.deepEqual(faults, [], "the browser complained");
}

/** A pcap record of a frame that is no call. */
function arp(seconds) {
  const record = Buffer.alloc(16 + 42);
  record.writeUInt32LE(Math.floor(seconds), 0);
  record.writeUInt32LE(42, 8);
  record.writeUInt32LE(42, 12);
  record.fill(0xff, 16, 22);
  record.writeUInt16BE(0x0806, 28);
  return record;
}

/** Writes a pcap's records as their time comes; what is called ends that. */
function pour(pcap, to) {
  let at = PCAP_HEAD;
  const write = (until) => {
    const from = at;
    while (at < pcap.length && pcap.readUInt32LE(at) + pcap.readUInt32LE(at + 4) / 1e6 <= until) {
      at += 16 + pcap.readUInt32LE(at + 8);
    }
    if (at > from) to.write(pcap.subarray(from, at));
  };
  const timer = setInterval(() => write(Date.now() / 1000), 50);
  return () => clearInterval(timer);
}

/** The caller's direction stands first. */
const order = ({ direction }) => ["caller_to_callee", "callee_to_caller"].indexOf(direction);

/** An RFC 3339 time as the ladder's clock has it in the browser's zone. */
function berlin(at) {
  const text = new Date(at).toLocaleTimeString("de-DE", { timeZone: "Europe/Berlin", fractionalSecondDigits: 3, hour: "2-digit", minute: "2-digit", second: "2-digit" });
  return text.replace(",", ".");
}

let code = 0;
try {
  await way();
  console.log("the whole way is there");
} catch (error) {
  code = 1;
  console.error(error);
  if (faults.length > 0) console.error(`The browser complained:\n${faults.join("\n")}`);
  await picture("failure").catch(() => {});
} finally {
  await context?.close();
  cleanUp();
}
process.exit(code);
