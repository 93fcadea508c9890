// The status page of a box on a phone: without scripts, light and dark, narrow; a person joins a cloud
// with the PIN and takes the support bundle along. A real browser, the real cloud, a real sensor.
//
//   node status.mjs       (ci/browser builds everything first)
//
// RINGSIDE_SHOTS names a folder for pictures; CHROMIUM another browser.

import assert from "node:assert/strict";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { execFileSync } from "node:child_process";
import { createServer } from "node:net";
import { join } from "node:path";
import { chromium } from "playwright-core";
import { cleanUp, folder, startCloud, startLive, tokenOf } from "./product.mjs";

const FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync"];
const PATIENCE = 30_000;
const PIN = "48151623";
/** WCAG 2.2, 1.4.3. */
const CONTRAST = 4.5;

const SCREENS = {
  phone: { width: 360, height: 740 },
  narrow: { width: 300, height: 600 },
  desktop: { width: 1280, height: 900 },
};

const shots = process.env.RINGSIDE_SHOTS;
if (shots) mkdirSync(shots, { recursive: true });

async function step(name, body) {
  const began = Date.now();
  await body();
  console.log(`ok   ${name} (${((Date.now() - began) / 1000).toFixed(1)} s)`);
}

const freePort = () =>
  new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });

/** Words whose colour is too near to what is behind them, and boxes that are wider than the screen. */
const faultsOfLook = (least) => {
  const rgb = (text) => (text.match(/[\d.]+/g) ?? []).map(Number);
  const light = ([r, g, b]) => {
    const part = (n) => (n / 255 <= 0.03928 ? n / 255 / 12.92 : ((n / 255 + 0.055) / 1.055) ** 2.4);
    return 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
  };
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = rgb(getComputedStyle(at).backgroundColor);
      if (colour.length === 3 || colour[3] > 0) return colour;
    }
    return [255, 255, 255];
  };
  const faults = [];
  for (const element of document.querySelectorAll("body *")) {
    const words = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    if (!words) continue;
    const [a, b] = [light(rgb(getComputedStyle(element).color)), light(behind(element))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < least) faults.push(`${ratio.toFixed(1)}: ${element.textContent.trim().slice(0, 40)}`);
  }
  const { scrollWidth, clientWidth } = document.documentElement;
  if (scrollWidth > clientWidth) faults.push(`${scrollWidth} px wide on ${clientWidth}`);
  for (const target of document.querySelectorAll("a, button, input, summary")) {
    const { height } = target.getBoundingClientRect();
    if (height > 0 && height < 24) faults.push(`${height} px high: ${target.textContent}`);
  }
  return faults;
};

async function way() {
  const cloud = await startCloud("anna");
  writeFileSync(join(folder, "pin"), `${PIN}\n`);
  const sensor = startLive("Box of shop 12", {
    hep: "yes",
    hep_bind_ip: "127.0.0.1",
    hep_bind_port: await freePort(),
    status_bind: "127.0.0.1:0",
    status_pin_file: join(folder, "pin"),
  });
  const [, url] = await sensor.said(/the status page is at (http:\S+)/);
  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: FLAGS });
  const open = async (screen, colorScheme, javaScriptEnabled = false) => {
    const context = await browser.newContext({ viewport: SCREENS[screen], colorScheme, javaScriptEnabled, acceptDownloads: true });
    context.setDefaultTimeout(PATIENCE);
    return context.newPage();
  };

  /** Every look of the page as it is now. */
  const look = async (name) => {
    for (const scheme of ["light", "dark"]) {
      for (const screen of Object.keys(SCREENS)) {
        // The page has no script; this one is the test's.
        const page = await open(screen, scheme, true);
        await page.goto(url);
        assert.deepEqual(await page.evaluate(faultsOfLook, CONTRAST), [], `${name}, ${screen}, ${scheme}`);
        if (shots) await page.screenshot({ path: join(shots, `status-${name}-${screen}-${scheme}.png`), fullPage: true });
        await page.context().close();
      }
    }
  };

  const page = await open("phone", "light");
  await step("without scripts there are five ticks, each with a next step, and counters", async () => {
    await page.goto(url);
    const names = await page.locator(".ticks h2").allTextContents();
    assert.deepEqual(names.map((name) => name.split(" ").slice(0, -1).join(" ")), ["link", "clock", "cloud", "traffic", "first call"]);
    for (const sentence of await page.locator(".ticks p").allTextContents()) assert.match(sentence, /\.$/);
    assert.match(await page.locator(".ticks").textContent(), /enrolment token|ringside-sensor enrol/);
    await page.getByText("All counters since the start").click();
    assert.equal(await page.locator("script").count(), 0);
    await look("alone");
  });

  await step("a wrong PIN changes nothing, and says so", async () => {
    await page.locator(".ticks").getByRole("link", { name: "Join a cloud" }).click();
    await page.getByLabel("Enrolment token").fill(tokenOf(cloud));
    await page.getByLabel("PIN").fill("00000000");
    await page.getByRole("button", { name: "Join" }).click();
    await page.getByRole("alert").waitFor();
    assert.match(await page.getByRole("alert").textContent(), /PIN/);
    if (shots) await page.screenshot({ path: join(shots, "status-wrong-pin.png"), fullPage: true });
  });

  await step("with the PIN the box joins, and the page says to whom", async () => {
    await page.getByLabel("Enrolment token").fill(tokenOf(cloud));
    await page.getByLabel("PIN").fill(PIN);
    await page.getByRole("button", { name: "Join" }).click();
    await page.waitForLoadState();
    // It refreshes itself; without scripts.
    await page.goto(url);
    await page.getByText("of Example, connected since").waitFor();
    await look("joined");
  });

  await step("a broken provisioning file and a failed upgrade are told", async () => {
    mkdirSync(join(folder, "box", "provision"), { recursive: true });
    writeFileSync(join(folder, "box", "provision", "refused"), "line 2: there is no setting adress: there are token, name\n");
    writeFileSync(join(folder, "box", "box-slots"), "A: good\nB: on trial, 2 tries left\n");
    await page.goto(url);
    assert.match(await page.textContent("body"), /ringside\.conf was not taken over.*adress/s);
    assert.match(await page.textContent("body"), /Slot B.*on trial/s);
    await look("trouble");
  });

  await step("the support bundle has no secret and masks numbers", async () => {
    await page.goto(url);
    const downloading = page.waitForEvent("download");
    await page.getByRole("link", { name: "Download support bundle" }).click();
    const path = join(folder, "support.tar.gz");
    await (await downloading).saveAs(path);
    execFileSync("tar", ["-xzf", path, "-C", folder]);
    const held = ["status.json", "configuration.json", "log.txt", "version.txt"].map((name) =>
      readFileSync(join(folder, "ringside-support", name), "utf8"),
    );
    assert.match(held[2], /capturing|status page/);
    assert.doesNotMatch(held[2], /\d{6}/, "what may be a telephone number is in the log");
    assert.ok(!held.join().includes("rs1-") && !held.join().includes(PIN), "a secret is in it");
  });
  await browser.close();
}

try {
  await way();
  console.log("the status page is whole");
} finally {
  cleanUp();
}
