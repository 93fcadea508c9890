// The cloud and the sensor as processes that end with the test, and what they say.

import { spawn, execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../", import.meta.url));
const programs = join(process.env.CARGO_TARGET_DIR ?? join(root, "target"), "debug");

export const folder = mkdtempSync(join(tmpdir(), "ringside-browser-"));
const running = new Set();

/** Runs a program to its end; its standard output. */
export function run(name, args, options = {}) {
  return execFileSync(join(programs, name), args, { maxBuffer: 1 << 26, ...options });
}

/** Starts a program; `said` resolves when its output has a match. */
function start(name, args, options) {
  const child = spawn(join(programs, name), args, options);
  running.add(child);
  let text = "";
  const waiting = new Set();
  const tell = () => waiting.forEach((look) => look());
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (chunk) => {
      text += chunk;
      tell();
    });
  }
  child.on("exit", () => {
    running.delete(child);
    tell();
  });
  const said = (words) =>
    new Promise((resolve, reject) => {
      const look = () => {
        const found = words.exec(text);
        if (found) resolve(found);
        else if (child.exitCode !== null) reject(new Error(`${name} ended with ${child.exitCode}:\n${text}`));
      };
      waiting.add(look);
      look();
    });
  const ended = new Promise((resolve) => child.on("exit", resolve));
  return { child, said, ended };
}

/** A cloud on free ports with a customer and an administrator. */
export async function startCloud(login) {
  const data = join(folder, "cloud");
  const local = "127.0.0.1:0";
  const cloud = start("ringside-cloud", ["serve", "--data", data, "--name", "localhost", "--sensors", local, "--web", local], {
    env: { ...process.env, RINGSIDE_LOG: "warn" },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const [, port] = await cloud.said(/people open .*listening on 127\.0\.0\.1:(\d+)/);
  const admin = (...args) => String(run("ringside-cloud", ["admin", ...args, "--data", data]));
  admin("customer", "add", "Example");
  const [, password] = /^password: (.*)$/m.exec(admin("user", "add", "--customer", "Example", login, "--role", "admin"));
  const [, sensors] = await cloud.said(/sensors connect to .*listening on 127\.0\.0\.1:(\d+)/);
  return { url: `https://localhost:${port}`, password, admin, sensors };
}

/** A new enrolment token. */
export const tokenOf = (cloud) =>
  cloud.admin("token", "new", "--customer", "Example", "--server", `localhost:${cloud.sensors}`).split("\n")[0];

/** A sensor's configuration of its own. */
export function sensorConfig(name) {
  const path = join(folder, "sensor.conf");
  const settings = { name_sensor: name, data_dir: join(folder, "sensor"), direct_bind: "127.0.0.1:0" };
  writeFileSync(path, Object.entries(settings).map(([key, value]) => `${key} = ${value}\n`).join(""));
  return path;
}

/** A sensor that captures from what is written to its standard input. */
export const startSensor = (config) =>
  start("ringside-sensor", ["run", "--config", config, "--read", "-"], { stdio: ["pipe", "pipe", "pipe"] });

/** A sensor that captures, with these settings. */
export function startLive(name, settings) {
  const path = join(folder, "box.conf");
  const lines = Object.entries({ name_sensor: name, data_dir: join(folder, "box"), ...settings });
  writeFileSync(path, lines.map(([key, value]) => `${key} = ${value}\n`).join(""));
  return start("ringside-sensor", ["run", "--config", path], { stdio: ["ignore", "pipe", "pipe"] });
}

/** One of the project's captures as a pcap whose call ends now. */
export const captureOf = (name) =>
  execFileSync("python3", [join(root, "tests/lab/replay.py"), "--once", name], { maxBuffer: 1 << 26 });

/** The calls of a pcap, as `analyze --format json` tells them. */
export function analyzed(pcap) {
  const text = run("ringside-sensor", ["analyze", "--format", "json", "-"], { input: pcap, stdio: ["pipe", "pipe", "ignore"] });
  return String(text).trim().split("\n").map((line) => JSON.parse(line));
}

/** Ends what still runs and takes the folder away. */
export function cleanUp() {
  for (const child of running) child.kill("SIGKILL");
  rmSync(folder, { recursive: true, force: true });
}
