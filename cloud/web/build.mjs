// Bundles src/ into dist/: index.html and assets whose names hold a hash of their contents.
//
// Everything that index.html names stands in dist/assets, so a server may let browsers keep that
// folder for ever and must not let them keep index.html.

import { build, context } from "esbuild";
import { readFile, rm, writeFile } from "node:fs/promises";
import { basename } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

const root = fileURLToPath(new URL(".", import.meta.url));

const shared = {
  absWorkingDir: root,
  outdir: "dist/assets",
  entryNames: "[name]-[hash]",
  chunkNames: "[name]-[hash]",
  bundle: true,
  minify: true,
  metafile: true,
  legalComments: "none",
  target: ["chrome123", "firefox121", "safari17.5"],
  logLevel: "warning",
};

/** The application; what it imports late becomes a file of its own. */
const application = {
  ...shared,
  entryPoints: { main: "src/main.tsx", icon: "src/icon.svg" },
  format: "esm",
  splitting: true,
  loader: { ".svg": "copy" },
  jsx: "automatic",
  jsxImportSource: "preact",
};

/** Runs before the first paint, so it is no module. */
const theme = { ...shared, entryPoints: { theme: "src/theme-first.ts" }, format: "iife" };

/** Writes index.html with the names that this build gave. */
async function writeIndex({ outputs }) {
  const names = {};
  for (const [path, output] of Object.entries(outputs)) {
    const name = basename(path);
    if (name.endsWith(".css")) names.css = name;
    else if (output.entryPoint === "src/main.tsx") names.main = name;
    else if (output.entryPoint === "src/theme-first.ts") names.theme = name;
    else if (name.endsWith(".svg")) names.icon = name;
  }
  const template = await readFile(`${root}index.html`, "utf8");
  const page = template.replace(/\{\{(\w+)\}\}/g, (_, key) => `/assets/${names[key]}`);
  await writeFile(`${root}dist/index.html`, page);
}

/** Prints each output's size, plain and compressed. */
async function printSizes({ outputs }) {
  let total = 0;
  for (const path of Object.keys(outputs).sort()) {
    const bytes = await readFile(`${root}${path}`);
    const packed = gzipSync(bytes, { level: 9 }).length;
    total += packed;
    console.log(`${String(bytes.length).padStart(8)}  gzip ${String(packed).padStart(6)}  ${path}`);
  }
  console.log(`${" ".repeat(8)}  gzip ${String(total).padStart(6)}  in all`);
}

/** Builds once; with `watch`, goes on for as long as the process lives. */
export async function buildWeb({ watch = false, quiet = false } = {}) {
  await rm(`${root}dist`, { recursive: true, force: true });
  const first = await build(theme);
  const finish = async ({ outputs }) => {
    const all = { outputs: { ...first.metafile.outputs, ...outputs } };
    await writeIndex(all);
    if (!quiet) await printSizes(all);
  };
  if (!watch) {
    await finish((await build(application)).metafile);
    return;
  }
  const index = {
    name: "index",
    setup: (b) => b.onEnd((result) => (result.metafile ? finish(result.metafile) : undefined)),
  };
  const running = await context({ ...application, minify: false, plugins: [index] });
  await running.watch();
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await buildWeb();
