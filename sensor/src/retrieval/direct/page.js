// The sensor's own page: takes the ticket out of its address, and shows a call's sound.
"use strict";

const find = (selector) => document.querySelector(selector);
const says = find("#says");

/** Posts the ticket, which no other server has seen: it stood behind the #. */
async function enter(ticket) {
  // It is of no use twice: neither the history nor a bookmark is to have it.
  history.replaceState(null, "", "/");
  says.textContent = "The sensor checks what the cloud has given you…";
  const answer = await fetch("/session", { method: "POST", body: ticket });
  const said = await answer.json();
  if (answer.ok) {
    location.replace(said.page);
  } else {
    find("#title").textContent = "This call is not opened";
    says.textContent = said.sentence;
    says.setAttribute("role", "alert");
    says.className = "notice failed";
  }
}

/** What a sensor sends as overview; docs/audio.md describes it. */
function parse(buffer) {
  const length = new DataView(buffer).getUint32(0, true);
  const head = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
  const peaks = [0, 1].map((side) => new Int8Array(buffer, 4 + length + side * 3 * head.buckets, 3 * head.buckets));
  return { ...head, peaks };
}

/** 0:07.3, 1:02:07.3 */
function position(ms) {
  const two = (n) => String(n).padStart(2, "0");
  const tenths = Math.max(0, Math.floor(ms / 100));
  const [h, m, s] = [Math.floor(tenths / 36000), Math.floor(tenths / 600) % 60, Math.floor(tenths / 10) % 60];
  return `${h > 0 ? `${h}:${two(m)}` : m}:${two(s)}.${tenths % 10}`;
}

const KINDS = {
  loss: "lost",
  reordered: "reordered",
  silence: "silence",
  codec: "encoding",
  dtmf: "digit",
  hold: "hold",
  encrypted: "encrypted",
  no_decoder: "no decoder",
  headers_only: "headers only",
};

const SIDES = ["caller", "callee"];

function markText({ kind, side, count, text, start_ms, end_ms }) {
  const packets = count && ["loss", "reordered"].includes(kind) ? ` ${count} ${count === 1 ? "packet" : "packets"}` : "";
  const lasts = ["codec", "dtmf", "reordered"].includes(kind) || end_ms - start_ms < 100 ? "" : `, ${((end_ms - start_ms) / 1000).toFixed(1)} s`;
  return `${side === "caller" ? "Caller" : "Callee"}: ${KINDS[kind] ?? kind}${packets}${text ? ` ${text}` : ""}${lasts}`;
}

/** Draws one side: extremes pale, loudness strong, what was played in colour; losses above all. */
function draw(canvas, overview, side, ms) {
  const style = getComputedStyle(document.documentElement);
  const color = (name) => style.getPropertyValue(name).trim();
  const scale = devicePixelRatio || 1;
  const [width, height] = [canvas.clientWidth, canvas.clientHeight];
  canvas.width = width * scale;
  canvas.height = height * scale;
  const to = canvas.getContext("2d");
  to.scale(scale, scale);
  const at = (time) => (time / Math.max(1, overview.duration_ms)) * width;
  const bars = (kinds, fill, alpha) => {
    to.fillStyle = color(fill);
    to.globalAlpha = alpha;
    for (const mark of overview.marks) {
      if (mark.side !== SIDES[side] || !kinds.includes(mark.kind)) continue;
      to.fillRect(at(mark.start_ms), 0, Math.max(1, at(mark.end_ms) - at(mark.start_ms)), height);
    }
    to.globalAlpha = 1;
  };
  bars(["silence", "hold"], "--line", 0.7);
  const peaks = overview.peaks[side];
  const y = (value) => (height / 2) * (1 - value / 128);
  const step = Math.max(1, width / overview.buckets);
  for (let bucket = 0; bucket < overview.buckets; bucket++) {
    const x = (bucket / overview.buckets) * width;
    const [low, high, rms] = [peaks[3 * bucket], peaks[3 * bucket + 1], (peaks[3 * bucket + 2] & 255) / 2];
    to.fillStyle = color(x < at(ms) ? "--accent" : "--muted");
    to.globalAlpha = 0.4;
    to.fillRect(x, y(high), step, Math.max(1, y(low) - y(high)));
    to.globalAlpha = 1;
    to.fillRect(x, y(rms), step, Math.max(1, y(-rms) - y(rms)));
  }
  bars(["loss"], "--failed", 0.75);
  to.fillStyle = color("--text");
  to.fillRect(Math.min(width - 2, at(ms)), 0, 2, height);
}

async function listen(base) {
  const answer = await fetch(`${base}/overview`);
  if (!answer.ok) {
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    says.textContent = page.querySelector("main > p")?.textContent ?? "This call cannot be heard.";
    says.setAttribute("role", "alert");
    return;
  }
  const overview = parse(await answer.arrayBuffer());
  const audio = find("#audio");
  const canvases = [...document.querySelectorAll("canvas")];
  const redraw = () => canvases.forEach((canvas, side) => draw(canvas, overview, side, audio.currentTime * 1000));
  const seek = (ms) => {
    audio.currentTime = ms / 1000;
    redraw();
  };
  audio.src = `${base}/sound.wav`;
  audio.preload = "metadata";
  for (const id of ["#waves", "#audio", "#files"]) find(id).hidden = false;
  find("#files a").href = `${base}/sound.wav`;
  says.textContent = overview.sides
    .map(({ encodings, lost, is_heard, problem }, side) => {
      const who = side === 0 ? "Caller" : "Callee";
      if (!is_heard) return `${who}: ${problem ? (KINDS[problem] ?? problem) : "no RTP came from here"}.`;
      return `${who}: ${encodings.join(", ")}, ${lost === 0 ? "nothing" : lost} lost.`;
    })
    .join(" ");
  for (const canvas of canvases) {
    canvas.addEventListener("click", ({ offsetX }) => seek((offsetX / canvas.clientWidth) * overview.duration_ms));
  }
  const marks = find("#marks");
  marks.hidden = overview.marks.length === 0;
  marks.querySelector("summary").textContent = `${overview.marks.length} ${overview.marks.length === 1 ? "mark" : "marks"}`;
  for (const mark of overview.marks.slice(0, 200)) {
    const [item, button] = [document.createElement("li"), document.createElement("button")];
    button.type = "button";
    button.textContent = position(mark.start_ms);
    button.addEventListener("click", () => seek(mark.start_ms));
    item.append(button, markText(mark));
    marks.querySelector("ol").append(item);
  }
  audio.addEventListener("timeupdate", redraw);
  audio.addEventListener("seeked", redraw);
  audio.addEventListener("error", () => {
    says.textContent = "The sound broke off: the sensor is busy, or this page was open for too long. Load it again.";
  });
  addEventListener("resize", redraw);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  addEventListener("keydown", (event) => {
    if (event.key !== " " || event.target.closest("button, a, audio, summary")) return;
    event.preventDefault();
    if (audio.paused) void audio.play();
    else audio.pause();
  });
  redraw();
}

for (const time of document.querySelectorAll("time")) {
  time.textContent = new Date(time.dateTime).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "medium" });
}
const base = /^\/call\/[0-9a-f]+/.exec(location.pathname)?.[0];
const ticket = location.hash.slice(1);
if (base && find("#sound")) void listen(base);
else if (!base && ticket) void enter(ticket).catch(() => (says.textContent = "The sensor cannot be reached: load the page again from the cloud."));
