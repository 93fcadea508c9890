// The GUI in a real browser against the development server: the way a person goes through it.
//
//   node test/browser.mjs [WORD…]     only the tests whose names hold every word
//
// Needs chromium (CHROMIUM names another) and Node 20 for playwright-core.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { readFile } from "node:fs/promises";
import { chromium } from "playwright-core";
import { buildWeb } from "../build.mjs";
import { startDevServer } from "../dev-server.mjs";

const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];
const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

await buildWeb({ quiet: true });
const server = await startDevServer({ every: 0 });
const empty = await startDevServer({ every: 0, empty: true });
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: FLAGS,
});

const chosen = process.argv.slice(2).filter((word) => !word.startsWith("--"));

const home = (of = server) => `http://127.0.0.1:${of.port}`;
const faults = [];
let done = 0;

/** Opens a page; whatever the browser complains about fails the test. */
async function open({ path = "/calls", of = server, loggedIn = true, bypassCSP = false, ...context } = {}) {
  const opened = await browser.newContext({
    viewport: { width: 1280, height: 800 },
    timezoneId: "Europe/Berlin",
    bypassCSP,
    ...context,
  });
  if (loggedIn) await opened.addCookies([{ name: "session", value: "1", url: home(of) }]);
  const page = await opened.newPage();
  page.on("pageerror", (error) => faults.push(`${path}: ${error.message}`));
  page.on("console", (message) => {
    if (message.type() === "error" && !/Failed to load resource/.test(message.text()))
      faults.push(`${path}: ${message.text()}`);
  });
  await page.goto(home(of) + path);
  return page;
}

async function test(name, body) {
  if (!chosen.every((word) => name.includes(word))) return;
  try {
    await body();
    done += 1;
    console.log(`ok   ${name}`);
  } catch (error) {
    faults.push(`${name}: ${error.stack}`);
    console.log(`FAIL ${name}`);
  }
}

/** Nothing is being loaded any more. */
async function settled(page) {
  await page.locator("main").waitFor();
  await page.waitForFunction(() => !document.querySelector("[aria-busy=true]"));
}

const rows = (page) => page.locator(".calls tbody tr");
const onPath = (page, path) => page.waitForFunction((wanted) => location.pathname === wanted, path);
const callOf = (fits) => server.calls.find((call) => fits(call));

await test("a wrong password is told, the right one leads to the wanted page", async () => {
  const page = await open({ path: "/sensors", loggedIn: false });
  await page.getByLabel("Login").fill("anna");
  await page.getByLabel("Password").fill("wrong");
  await page.keyboard.press("Enter");
  await page.getByRole("alert").getByText("do not fit together").waitFor();
  await page.getByLabel("Password").fill("right");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "Sensors", level: 1 }).waitFor();
});

await test("too many attempts: the button counts down", async () => {
  const page = await open({ loggedIn: false });
  await page.getByLabel("Login").fill("slow");
  await page.getByLabel("Password").fill("x");
  await page.keyboard.press("Enter");
  const button = page.getByRole("button", { name: /Wait \d+ s/ });
  await button.waitFor();
  assert.equal(await button.isDisabled(), true);
});

await test("a new call appears by itself, and is held back from a reader", async () => {
  const page = await open();
  await rows(page).first().waitFor();
  const before = await rows(page).first().getAttribute("data-call");
  server.arrive();
  await page.waitForFunction((id) => document.querySelector(".calls tbody tr")?.dataset.call !== id, before);
  assert.equal(await rows(page).nth(1).getAttribute("data-call"), before);

  await page.keyboard.press("j");
  await page.locator("tr.current").waitFor();
  const top = await rows(page).first().getAttribute("data-call");
  server.arrive();
  await page.getByRole("button", { name: "1 new call" }).waitFor();
  server.arrive();
  await page.getByRole("button", { name: "2 new calls" }).waitFor();
  assert.equal(await rows(page).first().getAttribute("data-call"), top);
  await page.getByRole("button", { name: "2 new calls" }).click();
  await page.waitForFunction(
    (id) => document.querySelectorAll(".calls tbody tr")[2]?.dataset.call === id,
    top,
  );
});

await test("typed words become filters in the address, and the address alone restores them", async () => {
  const page = await open();
  await rows(page).first().waitFor();
  await page.keyboard.press("/");
  await page.keyboard.type("status:4xx");
  await page.keyboard.press("Enter");
  await page.waitForURL(/status=4xx/);
  await page.getByText("Status 4xx").waitFor();
  await page.waitForFunction(() =>
    [...document.querySelectorAll(".calls .code")].every((code) => /^4\d\d$/.test(code.textContent)),
  );
  const again = await open({ path: new URL(page.url()).pathname + new URL(page.url()).search });
  await again.getByText("Status 4xx").waitFor();
  await rows(again).first().waitFor();
  assert.equal(await rows(again).count(), await rows(page).count());
  await again.getByRole("button", { name: "Clear" }).click();
  await again.waitForURL((url) => !url.search.includes("status"));
});

await test("what is no filter is asked about, and the help closes over a result", async () => {
  const page = await open();
  await rows(page).first().waitFor();
  await page.keyboard.press("/");
  await page.keyboard.type("statsu:486");
  await page.keyboard.press("Enter");
  await page.getByText("There is no filter statsu: did you mean status?").first().waitFor();
  assert.equal(new URL(page.url()).search, "");
  await page.keyboard.press("Enter");
  await page.waitForURL(/status=486/);
  await page.locator(".search-panel").waitFor({ state: "detached" });
  await page.waitForFunction(
    () => document.querySelector(".tile-quality + *, .tiles")?.textContent.includes("Calls that fit"),
  );
});

await test("a call that nobody heard is in a band of its own, and its tile leads to it", async () => {
  const page = await open({ path: "/calls?range=25d" });
  await page.getByRole("link", { name: /No audio/ }).click();
  await page.waitForURL(/band=no_audio/);
  await page.getByText("one direction only").first().waitFor();
  await page.waitForFunction(() => !document.querySelector(".calls .band-excellent"));
});

await test("on a telephone the row of pages shows the current one", async () => {
  const page = await open({ path: "/rules", viewport: { width: 390, height: 844 } });
  const current = page.getByRole("navigation", { name: "Main" }).locator("[aria-current]");
  await current.waitFor();
  const inside = await current.evaluate((tab) => {
    const [one, row] = [tab, tab.parentElement].map((it) => it.getBoundingClientRect());
    return one.left >= row.left - 1 && one.right <= row.right + 1;
  });
  assert.equal(inside, true);
});

await test("registrations: failing ones are chosen, searched and opened", async () => {
  const page = await open({ path: "/registrations" });
  const list = page.locator(".regs tbody tr");
  await list.first().waitFor();
  await page.getByRole("button", { name: "Failing", exact: true }).click();
  await page.waitForURL(/state=failing/);
  await page.waitForFunction(() =>
    [...document.querySelectorAll(".regs .state")].every((mark) => mark.textContent === "Failing"),
  );
  await page.keyboard.press("/");
  await page.keyboard.type("status:403");
  await page.keyboard.press("Enter");
  await page.waitForURL(/status=403/);
  await page.waitForFunction(() =>
    [...document.querySelectorAll(".regs .code")].every((code) => code.textContent === "403"),
  );
  await list.first().getByRole("link").click();
  await page.getByText("The registrar refuses the account").first().waitFor();
  await page.getByRole("heading", { name: "Records" }).waitFor();
  await page.keyboard.press("Escape");
  await page.waitForURL(/registrations\?state=failing&status=403/);
  await page.getByRole("button", { name: "Clear" }).click();
  await page.getByRole("button", { name: "Failing first" }).click();
  await page.waitForURL(/order=worst/);
  const first = await list.first().locator(".state").textContent();
  assert.equal(first, "Failing");
  const none = await open({ path: "/registrations", of: empty });
  await none.getByRole("heading", { name: "No registrations yet" }).waitFor();
});

await test("peers: silent ones are chosen, searched and opened", async () => {
  const page = await open({ path: "/peers" });
  const list = page.locator(".peers tbody tr");
  await list.first().waitFor();
  await page.getByRole("button", { name: "Silent", exact: true }).click();
  await page.waitForURL(/state=silent/);
  await page.getByLabel("Method").selectOption("OPTIONS");
  await page.waitForURL(/method=OPTIONS/);
  await page.waitForFunction(() => {
    const texts = (of) => [...document.querySelectorAll(of)].map((one) => one.textContent);
    const states = texts(".peers .state");
    return states.length > 0 && states.every((one) => one === "Silent") && texts(".peers td.c-p-asked").every((one) => one === "OPTIONS");
  });
  await page.keyboard.press("/");
  await page.keyboard.type("dst:198.51.100.6");
  await page.keyboard.press("Enter");
  await page.waitForURL(/dst=198/);
  await page.waitForFunction(() => document.querySelectorAll(".peers tbody tr").length === 1);
  await list.first().getByRole("link").click();
  const finding = await page.getByText("has not answered OPTIONS of 10.20.0.10 since").first().textContent();
  assert.doesNotMatch(finding, /T\d\d:\d\d:\d\dZ/, "moments are the reader's");
  await page.getByRole("heading", { name: "Records" }).waitFor();
  await page.locator(".rec-page table.plain tbody tr").nth(5).waitFor();
  await page.keyboard.press("Escape");
  await page.waitForURL(/peers\?state=silent&method=OPTIONS&dst=198/);
  await page.getByRole("button", { name: "Clear" }).click();
  await page.waitForURL((url) => url.search === "");
  await page.getByRole("button", { name: "Silent first" }).click();
  await page.waitForURL(/order=worst/);
  assert.equal(await list.first().locator(".state").textContent(), "Silent");
  const [csv] = await Promise.all([
    page.waitForEvent("download"),
    page.getByRole("link", { name: "Download these peers as CSV" }).click(),
  ]);
  assert.equal(csv.suggestedFilename(), "peers.csv");
  const none = await open({ path: "/peers", of: empty });
  await none.getByRole("heading", { name: "No peers yet" }).waitFor();
});

await test("alerts: many sensors are one card, it is acknowledged, and it opens the search behind it", async () => {
  const page = await open({ path: "/alerts" });
  const offline = page.locator(".alert-group", { hasText: "Sensor offline" });
  await offline.getByText("2 sensors").waitFor();
  assert.doesNotMatch(await page.locator("main").innerText(), /T\d\d:\d\d:\d\dZ/, "moments are the reader's");
  await page.getByRole("link", { name: /^Alerts/ }).first().getByText("4").waitFor();
  await page.getByRole("button", { name: "Acknowledge Sensor offline" }).click();
  await page.getByLabel("A word for the others (may stay empty)").fill("the site has no power");
  await page.getByRole("dialog").getByRole("button", { name: "Acknowledge" }).click();
  await offline.getByText("the site has no power").first().waitFor();
  await page.locator(".alert-group", { hasText: "Bad quality" }).getByRole("link", { name: "These calls" }).click();
  await page.waitForURL(/calls\?answered=true&band=degraded&sensor=.*from=/);
});

await test("an alert rule is made as a sentence and tried on the last day", async () => {
  const page = await open({ path: "/alerts/rules" });
  await page.getByRole("button", { name: "New rule" }).click();
  await page.getByLabel("Name").fill("Silent calls");
  await page.getByLabel("Calls that are: what is looked at", { exact: true }).selectOption("flag");
  await page.getByLabel("Calls that are: value", { exact: true }).selectOption("silent");
  await page.getByLabel("Threshold").fill("2.5");
  await page.getByText("More than 2.5 % of the calls (answered) that one sensor sees in 15 minutes are: Flag silent.").waitFor();
  await page.getByRole("button", { name: "Try on the last 24 hours" }).click();
  await page.getByText("It would have fired 3 times").waitFor();
  await page.getByLabel("What is measured").selectOption("offline");
  await page.getByRole("dialog").getByText("Sensor not heard of: more than 5 minutes.").waitFor();
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByRole("heading", { name: "Silent calls" }).waitFor();
});

await test("a channel is made, shows its key once, and says how a test went", async () => {
  const page = await open({ path: "/alerts/channels" });
  await page.getByRole("button", { name: "Send a test to Ticket system" }).click();
  await page.getByText("The test did not get through.").waitFor();
  await page.getByRole("button", { name: "New channel" }).click();
  await page.getByRole("button", { name: "Webhook" }).click();
  await page.getByLabel("Name").fill("Chat");
  await page.getByLabel("Address").fill("https://chat.example.net/hook");
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByText("shown this once").waitFor();
  await page.getByRole("button", { name: "I have it" }).click();
  await page.getByRole("heading", { name: "Chat" }).waitFor();
  const none = await open({ path: "/alerts/channels", of: empty });
  await none.getByRole("heading", { name: "Nobody hears of alerts yet" }).waitFor();
});

await test("a silence is made and ended", async () => {
  const page = await open({ path: "/alerts/silences" });
  await page.getByRole("button", { name: "New silence" }).click();
  await page.getByLabel("Rule").selectOption({ label: "Clock is wrong" });
  await page.getByRole("button", { name: "1 day" }).click();
  await page.getByLabel("Why").fill("the time server moves");
  await page.getByRole("dialog").getByRole("button", { name: "Silence" }).click();
  await page.getByText("the time server moves").waitFor();
  await page.getByRole("button", { name: "End now: Clock is wrong" }).click();
  await page.waitForFunction(() => !document.body.innerText.includes("the time server moves"));
});

await test("the form filters too", async () => {
  const page = await open({ path: "/calls?range=25d" });
  await page.getByRole("button", { name: "Filters" }).click();
  await page.getByLabel("Flag").selectOption("one_way");
  await page.getByRole("button", { name: "Apply" }).click();
  await page.waitForURL(/flag=one_way/);
  await page.getByText("One-way audio").first().waitFor();
});

await test("text from the wire stays text", async () => {
  const page = await open({ path: "/calls?range=25d" });
  await page.getByText("<b>Eve</b>").first().waitFor();
  assert.equal(await page.locator(".calls b").count(), 0);
});

await test("older pages have an address of their own", async () => {
  const page = await open({ path: "/calls?range=25d" });
  const first = await rows(page).first().getAttribute("data-call");
  await page.getByRole("link", { name: "Older" }).click();
  await page.waitForURL(/cursor=/);
  await page.waitForFunction((id) => document.querySelector(".calls tbody tr")?.dataset.call !== id, first);
  await page.getByRole("link", { name: "Newest" }).click();
  await page.waitForFunction((id) => document.querySelector(".calls tbody tr")?.dataset.call === id, first);
});

await test("the keyboard opens a call, walks to its neighbour and comes back to its row", async () => {
  const page = await open({ path: "/calls?range=7d" });
  await rows(page).first().waitFor();
  const ids = await rows(page).evaluateAll((all) => all.slice(0, 4).map((row) => row.dataset.call));
  for (const key of ["j", "j", "k", "j"]) await page.keyboard.press(key);
  await page.keyboard.press("Enter");
  await onPath(page, `/calls/${ids[1]}`);
  await page.getByText("2 of 100+").waitFor();
  await page.keyboard.press("]");
  await onPath(page, `/calls/${ids[2]}`);
  await page.keyboard.press("[");
  await onPath(page, `/calls/${ids[1]}`);
  await page.keyboard.press("]");
  await onPath(page, `/calls/${ids[2]}`);
  await page.keyboard.press("Escape");
  await onPath(page, "/calls");
  await page.getByRole("button", { name: "Filters" }).focus();
  await page.keyboard.press("Enter");
  await page.getByRole("button", { name: "Apply" }).waitFor();
  await page.keyboard.press("Escape");
  assert.match(page.url(), /range=7d/);
  await page.waitForFunction((id) => document.querySelector("tr.current")?.dataset.call === id, ids[2]);
});

await test("a call shows its ladder, its figures and its problems", async () => {
  const call = callOf(
    (one) => one.sip.length > 10 && one.streams.length === 2 && one.mos !== null && one.mos < 2.5,
  );
  const page = await open({ path: `/calls/${call.id}?range=25d` });
  await page.locator("svg.ladder").waitFor();
  assert.equal(await page.locator("svg.ladder .arrow").count(), call.sip.length);
  const items = await page.locator(".ladder-card ol li").allTextContents();
  assert.equal(items.length, call.sip.length);
  assert.ok(items[0].includes(`INVITE from ${call.src} to ${call.dst}`), items[0]);
  const times = () => page.locator(".arrow-time").allTextContents();
  const since = await times();
  await page.keyboard.press("w");
  assert.notDeepEqual(await times(), since);
  await page.keyboard.press("w");
  assert.match((await times())[0], /^\d\d:\d\d:\d\d\.\d{3}$/);
  assert.equal(await page.locator(".streams thead th").count(), 3);
  await page.getByText(call.findings[0].sentence).first().waitFor();
  await page.keyboard.press("n");
  await page.locator(".moment").waitFor();
  await page.getByText("Table of all 10 s").click();
  assert.ok((await page.locator(".quality-charts table tbody tr").count()) > 1);
});

await test("what is not known is never shown as 0", async () => {
  const call = callOf((one) => one.streams.length === 0 && one.answered_at === null);
  const page = await open({ path: `/calls/${call.id}?range=25d` });
  await page.locator(".headline").waitFor();
  const text = await page.locator(".headline").innerText();
  assert.match(text, /not answered/);
  assert.match(text, /no media/);
  assert.doesNotMatch(text, /0\.00/);
});

await test("sensors: states, refusal, and why a stranger was refused", async () => {
  const page = await open({ path: "/sensors" });
  await page.getByText("Refused devices").waitFor();
  for (const word of ["Online", "Offline", "Refused", "Revoked", "Never connected"]) {
    await page.locator(".state", { hasText: word }).first().waitFor();
  }
  await page.getByRole("link", { name: "Frankfurt core" }).click();
  await page.getByRole("heading", { name: "Way to the cloud" }).waitFor();
  await page.getByText("Frames that the kernel dropped because the capture ring was full.").first().waitFor();
  await page.keyboard.press("Escape");
  await onPath(page, "/sensors");
});

await test("no sensor: three steps, a command, and a tick that turns green", async () => {
  const page = await open({ path: "/sensors", of: empty });
  await page.getByText("Add one in three steps").waitFor();
  await page.getByRole("button", { name: "Add sensor" }).click();
  await page.getByText("ringside-sensor enrol --server").waitFor();
  await page.locator(".arrival-waiting").waitFor();
  await page.locator(".arrival-ok").waitFor({ timeout: 15_000 });
});

await test("a claim code: a wrong one is told, the right one shows the device, and it comes online", async () => {
  const page = await open({ path: "/sensors?add=1" });
  await page.getByRole("button", { name: "Claim code" }).click();
  const field = page.getByRole("textbox", { name: "Claim code" });
  await field.fill("0000ooil");
  assert.equal(await field.inputValue(), "0000-0011");
  await page.getByRole("button", { name: "Find" }).click();
  await page.getByText("No device waits with this code").waitFor();
  await field.fill("7kqx m2ab");
  await page.keyboard.press("Enter");
  await page.getByText("db3d 69e1").waitFor();
  await page.getByRole("button", { name: "Accept it" }).click();
  await page.locator(".arrival-waiting").waitFor();
  await page.locator(".arrival-ok").waitFor();
  await page.getByRole("link", { name: "Open the sensor" }).click();
  await page.getByRole("heading", { name: "shop-12" }).waitFor();
});

const RELEASE = {
  name: "ringside-sensor-0.3.0-aarch64-unknown-linux-musl.tar.gz",
  mimeType: "application/gzip",
  buffer: Buffer.alloc(120_000, 7),
};
const SIGNATURE = {
  name: `${RELEASE.name}.minisig`,
  mimeType: "text/plain",
  buffer: Buffer.from("untrusted comment: x\nRW\ntrusted comment: ringside-sensor 0.3.0 aarch64-unknown-linux-musl\nx\n"),
};

await test("somebody is added with a password, changed and switched off", async () => {
  const page = await open({ path: "/admin" });
  await page.getByRole("button", { name: "Add somebody" }).click();
  await page.getByLabel("Login").fill("eva@example.net");
  await page.getByRole("checkbox", { name: /Sound/ }).check();
  await page.getByRole("button", { name: "Add", exact: true }).click();
  await page.getByText("k3v9ad7qm2xw8rtn5pye").waitFor();
  await page.getByRole("button", { name: "Done" }).click();
  await page.getByRole("button", { name: "Change eva@example.net" }).click();
  await page.getByRole("button", { name: "Switch the login off" }).click();
  await page.getByRole("row", { name: /eva@example\.net switched off/ }).waitFor();
});

await test("terms, tokens and the audit log have their pages", async () => {
  const page = await open({ path: "/admin/retrieval" });
  const asks = page.getByRole("checkbox", { name: "Ask for a reason" });
  await asks.click();
  await page.waitForFunction(() => !document.querySelector(".terms input")?.checked);
  await page.getByRole("button", { name: "Tokens", exact: true }).click();
  await onPath(page, "/admin/tokens");
  await page.getByRole("button", { name: "New token" }).click();
  await page.getByLabel("What it is for").fill("Grafana");
  await page.getByRole("button", { name: "Make it" }).click();
  await page.getByText("rsk-").waitFor();
  await page.getByRole("button", { name: "Done" }).click();
  await page.getByRole("button", { name: "Take back" }).click();
  await page.getByText("None waits to be used").waitFor();
  await page.getByRole("link", { name: "Audit" }).click();
  await page.getByText("began an upgrade").first().waitFor();
  await page.getByRole("button", { name: "Older ones" }).click();
  await page.getByLabel("What").selectOption("capture");
  await page.waitForFunction(() => location.search === "?action=capture");
  await page.getByText("one-way audio").first().waitFor();
  assert.equal(await page.getByText("began an upgrade").count(), 0);
});

await test("a release is added in pieces, and sensors are told to install it", async () => {
  const page = await open({ path: "/sensors" });
  await page.getByRole("button", { name: "Upgrade…" }).click();
  const files = page.locator("input[type=file]");
  await files.setInputFiles([RELEASE]);
  await page.getByText("Choose two files").waitFor();
  await files.setInputFiles([RELEASE, SIGNATURE]);
  await page.getByRole("radio", { name: /0\.3\.0/ }).waitFor();
  await page.getByText(/All \d+ that are aarch64/).waitFor();
  await page.getByRole("checkbox", { name: /Lyon/ }).uncheck();
  const begin = page.getByRole("button", { name: /^Upgrade \d+ sensors to 0\.3\.0$/ });
  await begin.click();
  await page.getByText(/^0\.3\.0 on \d+ sensors$/).waitFor();
  await page.getByRole("button", { name: "Cancel" }).first().click();
  await page.locator(".upgrade-is-cancelled").waitFor();
});

await test("a sensor is revoked only after a question", async () => {
  const page = await open({ path: "/sensors" });
  await page.getByRole("link", { name: "Porto (spare)" }).click();
  await page.getByRole("button", { name: "Revoke…" }).click();
  await page.getByRole("button", { name: "Keep it" }).click();
  await page.getByRole("button", { name: "Revoke…" }).click();
  await page.getByRole("button", { name: "Revoke", exact: true }).click();
  await page.locator(".page-head .state", { hasText: "Revoked" }).waitFor();
});

await test("the palette goes to a sensor and searches", async () => {
  const page = await open();
  await page.getByRole("link", { name: "Sensors", exact: true }).waitFor();
  await page.keyboard.press("Control+k");
  await page.getByRole("option", { name: /Lyon/ }).waitFor();
  await page.keyboard.type("lyon");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "Lyon branch" }).waitFor();
  await page.keyboard.press("Control+k");
  await page.keyboard.type("mos<3");
  await page.keyboard.press("Enter");
  await page.waitForURL(/mos_below=3/);
});

await test("help lists the keys, and Esc closes it", async () => {
  const page = await open();
  await rows(page).first().waitFor();
  await page.keyboard.press("?");
  await page.getByRole("dialog", { name: "Keys" }).getByText("Next call", { exact: true }).waitFor();
  await page.keyboard.press("Escape");
  await page.waitForFunction(() => !document.querySelector("dialog"));
});

await test("the network goes and comes back", async () => {
  const page = await open();
  await page.locator(".hours canvas").waitFor();
  server.setDown(true);
  await page.getByText("Reconnecting…").waitFor();
  server.setDown(false);
  await page.locator(".live-live").waitFor({ timeout: 15_000 });
});

await test("an unknown address and an unknown call say so", async () => {
  const page = await open({ path: "/no/such/page" });
  await page.getByText("There is no such page").waitFor();
  const call = await open({ path: "/calls/abc" });
  await call.getByText("There is no such call").first().waitFor();
});

await test("the theme follows the system, can be chosen, and is remembered", async () => {
  const page = await open({ colorScheme: "dark" });
  const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  await rows(page).first().waitFor();
  assert.equal(await ground(), "rgb(14, 17, 21)");
  await page.getByRole("button", { name: "Account" }).click();
  await page.getByRole("button", { name: "Light" }).click();
  assert.equal(await ground(), "rgb(246, 247, 249)");
  await page.reload();
  assert.equal(await ground(), "rgb(246, 247, 249)");
});

const bad = callOf((one) => one.streams.length === 2 && one.mos !== null && one.mos < 3);
await test("a rule is made as a sentence, tried, changed as text and deleted", async () => {
  const page = await open({ path: "/rules" });
  await page.getByRole("button", { name: "New rule" }).click();
  await page.getByLabel("Name").fill("Trunk");
  await page.getByLabel("What is looked at").selectOption("header");
  await page.getByLabel("Header", { exact: true }).fill("X-Trunk");
  await page.getByLabel("Value").fill("gate-7");
  await page.getByRole("button", { name: "Try on yesterday" }).click();
  await page.getByText("would have been kept").waitFor();
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByText('keep sip, rtp, rtcp when header X-Trunk = "gate-7"').waitFor();

  await page.getByRole("button", { name: "Change Trunk" }).click();
  await page.getByRole("button", { name: "Text" }).click();
  await page.getByRole("textbox", { name: "The rule" }).fill("keep sip when caller = 1 and (callee = 2 or callee = 3)");
  await page.getByRole("button", { name: "Sentence" }).click();
  await page.getByRole("alert").getByText("parentheses").waitFor();
  await page.getByRole("button", { name: "Save" }).click();
  const card = page.locator(".rule", { hasText: "(callee = 2 or callee = 3)" });
  await card.getByRole("button", { name: "Change" }).click();
  await page.getByRole("button", { name: "Delete" }).click();
  await card.waitFor({ state: "detached" });
});

await test("the overview is the first page: a verdict that leads to exactly its calls", async () => {
  const page = await open({ path: "/" });
  await page.getByRole("heading", { name: "Overview", level: 1 }).waitFor();
  const verdict = page.getByRole("region", { name: "Verdict" });
  await verdict.getByRole("heading", { level: 2 }).getByText(/of calls failed/).waitFor();
  const addresses = page.getByRole("region", { name: "Addresses" });
  const worst = addresses.getByRole("listitem").first();
  const told = Number.parseInt(await worst.locator(".worst-count").textContent(), 10);
  await worst.getByRole("link").click();
  await page.waitForURL(/\/calls\?from=.*address=/);
  await rows(page).first().waitFor();
  assert.equal(await rows(page).count(), told);
  await page.goBack();
  await verdict.getByRole("link", { name: "See the calls that failed" }).click();
  await page.waitForURL(/ended_by=rejected/);
});

await test("the overview's charts: dragged over they choose a time, and each is a table too", async () => {
  const page = await open({ path: "/?range=7d" });
  const card = page.getByRole("region", { name: "NER" });
  await card.locator("canvas").waitFor();
  await card.getByText("Table").click();
  const cells = card.locator("tbody tr");
  assert.ok((await cells.count()) > 80);
  await card.getByText("Table").click();
  const box = await page.getByRole("region", { name: "Calls" }).locator(".u-over").boundingBox();
  await page.mouse.move(box.x + box.width * 0.5, box.y + 30);
  await page.getByRole("region", { name: "NER" }).locator(".time-readout", { hasText: ":" }).waitFor();
  await page.mouse.down();
  await page.mouse.move(box.x + box.width * 0.8, box.y + 30, { steps: 4 });
  await page.mouse.up();
  await page.waitForURL(/from=.*to=/);
  await page.getByRole("heading", { name: "Overview", level: 1 }).waitFor();
});

await test("without a sensor the overview says what to do and shows no empty charts", async () => {
  // One of its own: another test adds a sensor to the empty one.
  const none = await startDevServer({ every: 0, empty: true });
  const page = await open({ path: "/", of: none });
  await page.getByRole("link", { name: "Add a sensor" }).waitFor();
  assert.equal(await page.locator(".time-card").count(), 0);
  await page.context().close();
  await none.close();
});

await test("a search is kept with its columns, found again, and deleted", async () => {
  const page = await open({ path: "/calls?status=486&range=7d" });
  await rows(page).first().waitFor();
  await page.getByRole("button", { name: "Columns" }).click();
  await page.getByLabel("Caller's phone").check();
  await page.waitForURL(/show=caller_agent/);
  await page.getByRole("columnheader", { name: "Caller's phone" }).waitFor();
  await page.keyboard.press("Escape");
  await page.getByRole("button", { name: "Saved searches" }).click();
  await page.getByLabel("Save this search as").fill("Busy week");
  await page.getByRole("button", { name: "Save", exact: true }).click();
  await page.getByRole("button", { name: "Busy week", exact: true }).waitFor();
  await page.goto(`${home()}/calls`);
  await page.getByRole("button", { name: "Saved searches" }).click();
  await page.getByRole("button", { name: "Busy week", exact: true }).click();
  await page.waitForURL(/status=486.*range=7d.*show=caller_agent/);
  await page.getByRole("columnheader", { name: "Caller's phone" }).waitFor();
  await page.getByRole("button", { name: "Saved searches" }).click();
  await page.getByRole("button", { name: "Delete Busy week" }).click();
  await page.getByRole("button", { name: "Busy week", exact: true }).waitFor({ state: "detached" });
});

await test("values of a field make a list, and a chip says what stars and networks mean", async () => {
  const page = await open();
  await rows(page).first().waitFor();
  for (const typed of ["status:486", "status:503", "address:10.20.0.0/16", "number:!0049*"]) {
    await page.getByLabel("Search calls").fill(typed);
    await page.keyboard.press("Enter");
    await page.locator(".search-panel").waitFor({ state: "detached" });
  }
  await page.getByText("Status 486 or 503").waitFor();
  await page.getByText("Address in 10.20.0.0/16").waitFor();
  await page.getByText("Number not beginning with 0049").waitFor();
  await page.waitForFunction(() =>
    [...document.querySelectorAll(".calls .code")].every((code) => /^(486|503)$/.test(code.textContent)),
  );
});

await test("a call that two sensors saw is one row, and the list shows every record if asked", async () => {
  const page = await open();
  await rows(page).first().waitFor();
  await page.locator(".calls .views").first().waitFor();
  await page.getByText(/\d+ calls of \d+ records on this page/).waitFor();
  await page.getByRole("link", { name: "Show every record" }).click();
  await page.waitForURL(/views=each/);
  await page.getByText("Every record is a row").waitFor();
  await page.waitForFunction(() => !document.querySelector(".calls .views"));
});

await test("the list is downloaded as CSV and as NDJSON", async () => {
  const page = await open({ path: "/calls?status=486" });
  await rows(page).first().waitFor();
  await page.getByRole("button", { name: "Download these calls" }).click();
  const lines = {};
  for (const name of ["CSV", "NDJSON"]) {
    const address = await page.getByRole("link", { name }).last().getAttribute("href");
    assert.match(address, new RegExp(`status=486.*format=${name.toLowerCase()}`));
    const answer = await page.request.get(home() + address);
    lines[name] = (await answer.text()).trim().split("\n");
  }
  assert.equal(lines.CSV.length, lines.NDJSON.length + 1);
  assert.equal(JSON.parse(lines.NDJSON[0]).status_code, 486);
});

await test("a call is shared by a link that opens it without a login, until it is ended", async () => {
  const page = await open({ path: `/calls/${bad.id}` });
  await page.getByRole("button", { name: "Share" }).click();
  await page.getByRole("button", { name: "an hour" }).click();
  await page.getByRole("button", { name: "Make a link" }).click();
  const link = await page.locator(".share-made code").textContent();
  const guest = await open({ path: new URL(link).pathname + new URL(link).hash, loggedIn: false });
  await guest.getByText("Shared by anna@example.net").waitFor();
  await guest.getByRole("heading", { name: "What happened" }).waitFor();
  await guest.getByRole("heading", { name: "SIP", exact: true }).waitFor();
  assert.equal(await guest.getByRole("button", { name: "Share" }).count(), 0);
  assert.equal(await guest.getByRole("link", { name: "Calls" }).count(), 0);
  await page.getByRole("button", { name: "End it" }).click();
  await page.getByText("Links that open").waitFor({ state: "detached" });
  await guest.reload();
  await guest.getByRole("heading", { name: "This link does not open" }).waitFor();
});

const PLACES = [
  "/",
  "/?range=25d",
  "/calls?range=25d",
  `/calls/${bad.id}?range=25d`,
  "/live",
  "/sensors",
  `/sensors/${server.sensors[0].id}`,
  `/sensors/${server.sensors[3].id}`,
  "/rules",
  "/admin",
  "/admin/retrieval",
  "/admin/tokens",
  "/audit",
  "/alerts",
  "/alerts/rules",
  "/alerts/channels",
  "/alerts/silences",
  "/registrations?order=worst",
  `/registrations/${server.registrations[0].id}`,
  "/peers?order=worst",
  `/peers/${server.peers.find(({ state }) => state === "silent").id}`,
  "/nowhere",
  "/calls?number=99999999",
  "/calls?show=src,dst,pdd,setup,caller_agent,call_id&range=7d",
  "/shared#nothing",
];

await test("nothing scrolls sideways at 390 px", async () => {
  for (const path of PLACES) {
    const page = await open({ path, viewport: { width: 390, height: 844 } });
    await settled(page);
    const { over, widest } = await page.evaluate(() => {
      const ends = [...document.querySelectorAll("body *")]
        .map((element) => ({ element, right: element.getBoundingClientRect().right }))
        .sort((a, b) => b.right - a.right);
      return {
        over: document.documentElement.scrollWidth - innerWidth,
        widest: ends.slice(0, 3).map(({ element, right }) => `${right} ${element.outerHTML.slice(0, 120)}`),
      };
    });
    assert.ok(over <= 0, `${path}: ${over} px too wide: ${widest.join(" | ")}`);
    await page.context().close();
  }
});

for (const colorScheme of ["light", "dark"]) {
  await test(`accessibility (axe), ${colorScheme}`, async () => {
    const places = [
      ...PLACES.map((path) => ({ path })),
      { path: "/calls", loggedIn: false },
      { path: "/", of: empty },
      { path: "/sensors", of: empty },
      { path: "/rules", of: empty },
      { path: "/rules", click: "Change Bad quality" },
      { path: "/admin", click: "Change carla@example.net" },
      { path: "/sensors", click: "Upgrade…" },
      { path: "/sensors", click: "Add sensor" },
      { path: "/alerts", of: empty },
      { path: "/alerts", click: "Acknowledge Sensor offline" },
      { path: "/alerts/rules", click: "Change Bad quality" },
      { path: "/alerts/channels", of: empty },
      { path: "/alerts/channels", click: "Change Night shift" },
      { path: "/alerts/channels", click: "Send a test to Ticket system" },
      { path: "/alerts/silences", click: "New silence" },
      { path: "/calls", key: "?" },
      { path: "/calls", key: "Control+k" },
      { path: "/calls", key: "/" },
      { path: "/sensors?add=1" },
      { path: "/calls", click: "Saved searches" },
      { path: "/calls", click: "Columns" },
      { path: `/calls/${bad.id}`, click: "Share" },
    ];
    const found = [];
    for (const { key, click, ...place } of places) {
      const page = await open({ ...place, colorScheme, bypassCSP: true, reducedMotion: "reduce" });
      await settled(page);
      if (key) await page.keyboard.press(key);
      if (click) await page.getByRole("button", { name: click }).click();
      await page.evaluate(axe);
      const { violations } = await page.evaluate(() =>
        globalThis.axe.run(document, {
          runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"],
        }),
      );
      const told = violations.map(
        ({ id, nodes }) =>
          `${id}: ${nodes
            .slice(0, 3)
            .map(({ html, failureSummary }) => `${html.slice(0, 200)} ${failureSummary}`)
            .join(" | ")}`,
      );
      found.push(...told.map((text) => `${place.path} ${key ?? ""} ${text}`));
      await page.context().close();
    }
    assert.deepEqual(found, []);
  });
}

await browser.close();
await server.close();
await empty.close();
if (faults.length > 0) {
  console.error(faults.join("\n"));
  process.exit(1);
}
console.log(`${done} browser tests passed`);
