// The player in a real browser, by itself.
//
//   node test/player.mjs [--size]      --size prints what the player adds to the GUI
//
// SOUND=FOLDER plays FOLDER/overview and FOLDER/wav, as `store export` writes them, and SHOTS=FOLDER
// takes pictures there.

import assert from "node:assert/strict";
import { build } from "esbuild";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { chromium } from "playwright-core";
import { makeSound } from "../dev/sound.mjs";

const root = fileURLToPath(new URL("../", import.meta.url));
const bundle = (more) =>
  build({
    absWorkingDir: root,
    bundle: true,
    minify: true,
    write: false,
    outdir: "dist",
    format: "esm",
    jsx: "automatic",
    jsxImportSource: "preact",
    logLevel: "warning",
    ...more,
  });

if (process.argv.includes("--size")) {
  const size = ({ outputFiles }) =>
    outputFiles.reduce((sum, { contents }) => sum + gzipSync(contents, { level: 9 }).length, 0);
  const [without, within] = await Promise.all(
    ["", 'export { Player } from "./src/components/Player.js";'].map((player) =>
      bundle({
        stdin: {
          contents: `export * from "preact"; export * from "preact/hooks"; export * from "@preact/signals";
            export * from "./src/components/Notice.js"; export * from "./src/keys.js";
            export * from "./src/format.js"; export * from "./src/store.js"; ${player}`,
          resolveDir: root,
        },
      }),
    ),
  );
  const css = gzipSync(await readFile(`${root}src/styles/player.css`), { level: 9 }).length;
  console.log(`${size(within) - size(without)} bytes of script and ${css} of style, gzip`);
  process.exit(0);
}

const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const { outputFiles } = await bundle({ entryPoints: ["test/player-page.tsx"] });
const file = (ending) => outputFiles.find(({ path }) => path.endsWith(ending)).contents;
const made = makeSound();
const folder = process.env.SOUND;
const sounds = {
  made,
  ...(folder && { real: { overview: await readFile(`${folder}/overview`), wav: await readFile(`${folder}/wav`) } }),
};
/** Of `cut` half of the sound comes, and then nothing more until it is let go. */
let letGo;
const server = createServer((request, response) => {
  const url = new URL(request.url, "http://localhost");
  const [, , name, part] = url.pathname.split("/");
  response.setHeader(
    "Content-Security-Policy",
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
  );
  const answer = (type, body) => response.setHeader("Content-Type", type).end(body);
  if (url.pathname === "/player.js") answer("text/javascript", file(".js"));
  else if (url.pathname === "/player.css") answer("text/css", file(".css"));
  else if (name === "slow" && part === "wav") {
    response.write(made.wav.subarray(0, 44 + 4 * 8000 * 3));
    letGo = () => response.end(made.wav.subarray(44 + 4 * 8000 * 3));
  } else if (name === "broken" && part === "wav") {
    response.setHeader("Content-Length", made.wav.length);
    response.write(made.wav.subarray(0, 100_000), () => setTimeout(() => response.destroy(), 50));
  } else if (part) answer("application/octet-stream", (sounds[name] ?? made)[part]);
  else if (url.pathname === "/") {
    answer(
      "text/html",
      `<!doctype html><html lang="en"><meta name="viewport" content="width=device-width"><title>Player</title>
       <link rel="stylesheet" href="/player.css"><script type="module" src="/player.js"></script>`,
    );
  } else response.writeHead(404).end();
});
await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
const home = `http://127.0.0.1:${server.address().port}`;
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"],
});
const faults = [];

async function open(source, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...options });
  const page = await context.newPage();
  page.on("pageerror", (error) => faults.push(`${source}: ${error.message}`));
  page.on("console", (message) => {
    if (message.type() === "error" && !/Failed to load|ERR_/.test(message.text()))
      faults.push(`${source}: ${message.text()}`);
  });
  await page.goto(`${home}/?source=${encodeURIComponent(source)}`);
  return page;
}

let done = 0;
async function test(name, body) {
  try {
    await body();
    done += 1;
    console.log(`ok   ${name}`);
  } catch (error) {
    faults.push(`${name}: ${error.stack}`);
    console.log(`FAIL ${name}`);
  }
}

const slider = (page) => page.getByRole("slider", { name: "Position in the call" });
const seconds = (page) => slider(page).getAttribute("aria-valuenow").then(Number);
const at = (page, from, to) =>
  page.waitForFunction(
    ([low, high]) => {
      const now = Number(document.querySelector(".wave").getAttribute("aria-valuenow"));
      return now >= low && now <= high;
    },
    [from, to],
  );
const button = (page, name) => page.getByRole("button", { name, exact: true });

await test("space plays and pauses, arrows and dots move the playhead", async () => {
  const page = await open("made");
  await button(page, "Play").waitFor();
  await page.keyboard.press(" ");
  await at(page, 1, 4);
  await page.keyboard.press(" ");
  await button(page, "Play").waitFor();
  const paused = await seconds(page);
  await page.keyboard.press("ArrowRight");
  await at(page, paused + 4, paused + 6);
  await page.keyboard.press(".");
  await at(page, 8, 9);
  await page.keyboard.press(",");
  await at(page, 4, 5);
  await page.keyboard.press("ArrowLeft");
  await at(page, 0, 0);
  await page.context().close();
});

await test("a click in the wave goes there, and the end pauses", async () => {
  const page = await open("made");
  const box = await slider(page).boundingBox();
  await page.mouse.click(box.x + box.width * 0.95, box.y + 30);
  await at(page, 18, 20);
  await button(page, "Play").click();
  await button(page, "Pause").waitFor();
  await button(page, "Play").waitFor();
  await at(page, 20, 20);
  await page.context().close();
});

await test("twice the speed passes twice the call", async () => {
  const page = await open("made");
  await page.getByLabel("Speed").selectOption("2");
  await button(page, "Play").click();
  await at(page, 1, 3);
  const begun = Date.now();
  const from = await seconds(page);
  await at(page, from + 4, from + 9);
  assert.ok(Date.now() - begun < 3600, "four seconds took less than four");
  await page.context().close();
});

await test("what has not come yet is waited for, and played when it comes", async () => {
  const page = await open("slow");
  await button(page, "Play").click();
  await page.getByText("waiting for the sensor").waitFor();
  assert.ok((await seconds(page)) <= 3);
  letGo();
  await at(page, 4, 20);
  await page.context().close();
});

await test("a lost connection is told, and what had come plays", async () => {
  const page = await open("broken");
  await page.getByRole("alert").getByText("connection was lost").waitFor();
  await button(page, "Play").click();
  await at(page, 2, 4);
  await button(page, "Play").waitFor();
  await page.context().close();
});

await test("mute, only this, marks and spectrogram", async () => {
  const page = await open("made");
  await page.getByRole("group", { name: /Callee/ }).getByRole("button", { name: "Mute" }).click();
  assert.equal(await page.getByLabel("Callee's level").inputValue(), "0");
  assert.equal(
    await page.getByRole("group", { name: /Caller/ }).getByRole("button", { name: "Only this" }).getAttribute("aria-pressed"),
    "true",
  );
  await page.getByText("6 marks").click();
  await page.getByRole("listitem").filter({ hasText: "Lost: 25 packets, 500 ms" }).getByRole("button").click();
  await at(page, 4, 5);
  await button(page, "Spectrogram").click();
  await page.locator("canvas.wave-tall").waitFor();
  await page.context().close();
});

await test("what cannot be heard says why", async () => {
  for (const [word, text] of [
    ["encrypted", "no key that opens it"],
    ["no_decoder", "no decoder for G729"],
    ["let_go", "let it go"],
  ]) {
    const page = await open(`problem:${word}`);
    await page.getByRole("heading", { name: "This call cannot be heard" }).waitFor();
    await page.getByText(text).waitFor();
    await page.context().close();
  }
});

await test("it can be used by everybody, and fits a telephone", async () => {
  for (const [name, options] of [
    ["light", { colorScheme: "light" }],
    ["dark", { colorScheme: "dark" }],
    ["narrow", { colorScheme: "light", viewport: { width: 390, height: 844 } }],
  ]) {
    for (const source of Object.keys(sounds)) {
      const page = await open(source, { ...options, bypassCSP: true });
      await button(page, "Spectrogram").click();
      await page.locator("summary").click();
      await page.addScriptTag({ content: axe });
      const { violations } = await page.evaluate(() => window.axe.run());
      assert.deepEqual(
        violations.map(({ id, nodes }) => `${name} ${id}: ${nodes[0].html}`),
        [],
      );
      const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      assert.ok(overflow <= 0, `${name}: ${overflow} pixels too wide`);
      if (process.env.SHOTS) await page.screenshot({ path: `${process.env.SHOTS}/${source}-${name}.png`, fullPage: true });
      await page.context().close();
    }
  }
});

await browser.close();
server.close();
for (const fault of faults) console.error(fault);
console.log(`${done} passed, ${faults.length} failed`);
process.exitCode = faults.length === 0 ? 0 : 1;
