// Bundles the unit tests and runs them under node:test.

import { build } from "esbuild";
import { spawnSync } from "node:child_process";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../", import.meta.url));
const names = (await readdir(`${root}test`)).filter((name) => name.endsWith(".test.ts"));
const out = await mkdtemp(`${tmpdir()}/ringside-web-`);
try {
  await build({
    absWorkingDir: root,
    entryPoints: names.map((name) => `test/${name}`),
    outdir: out,
    outExtension: { ".js": ".mjs" },
    bundle: true,
    platform: "node",
    format: "esm",
    jsx: "automatic",
    jsxImportSource: "preact",
    logLevel: "warning",
  });
  const tests = (await readdir(out)).filter((name) => name.endsWith(".mjs")).map((name) => `${out}/${name}`);
  const env = { ...process.env, TZ: "Europe/Berlin" };
  const { status } = spawnSync(process.execPath, ["--test", "--test-reporter=dot", ...tests], {
    cwd: root,
    stdio: "inherit",
    env,
  });
  process.exitCode = status ?? 1;
} finally {
  await rm(out, { recursive: true, force: true });
}
