// Listens to a call: both sides as pictures, what happened in them, and the sound as it comes.

import { useEffect, useMemo, useState } from "preact/hooks";
import { clock, plural } from "../format.js";
import { useKeys } from "../keys.js";
import { Playback } from "../playback.js";
import {
  type Mark,
  type Overview,
  type Side,
  type SoundSource,
  markBeside,
  markText,
  position,
  problemSentence,
} from "../sound.js";
import { announce } from "../store.js";
import { Notice, Waiting } from "./Notice.js";
import { Wave } from "./Wave.js";

const SPEEDS = [0.5, 0.75, 1, 1.25, 1.5, 2];
const STEP_MS = 5000;
const SIDES: Side[] = ["caller", "callee"];
const NAMES: Record<Side, string> = { caller: "Caller", callee: "Callee" };

/** Plays what `source` gives for as long as it is shown. */
export function Player({ source }: { source: SoundSource }) {
  const [overview, setOverview] = useState<Overview | null>(null);
  const [error, setError] = useState<string | null>(null);
  useEffect(() => {
    let isGone = false;
    source.overview().then(
      (found) => !isGone && setOverview(found),
      (reason: unknown) => !isGone && setError(reason instanceof Error ? reason.message : String(reason)),
    );
    return () => {
      isGone = true;
    };
  }, [source]);
  if (error !== null) {
    return (
      <Notice title="This call cannot be heard">
        <p>{error}</p>
      </Notice>
    );
  }
  return overview ? <Playing overview={overview} audio={source.audio} /> : <Waiting rows={3} />;
}

interface Heard {
  overview: Overview;
  audio: ReadableStream<Uint8Array>;
}

function Playing({ overview, audio }: Heard) {
  const playback = useMemo(() => new Playback(overview, audio), [overview, audio]);
  useEffect(() => () => playback.close(), [playback]);
  const [showsTones, setShowsTones] = useState(false);
  const state = playback.state.value;
  const isPlaying = state === "playing" || state === "waiting";

  const by = (ms: number) => playback.seek(playback.position.value + ms);
  const toMark = (ahead: boolean) => {
    const mark = markBeside(overview.marks, playback.position.value, ahead);
    if (!mark) return announce(`No mark ${ahead ? "after" : "before"} this`);
    playback.seek(mark.start_ms);
    announce(`${NAMES[mark.side]}: ${markText(mark)}`);
  };
  // A focused button keeps its own space bar.
  const space = (event: KeyboardEvent) => {
    const button = (event.target as Element).closest("button, summary");
    if (button instanceof HTMLElement) button.click();
    else playback.toggle();
  };
  useKeys("Player", [
    { key: " ", does: "Play, pause", run: space },
    { key: "ArrowLeft", does: "5 seconds back", run: () => by(-STEP_MS) },
    { key: "ArrowRight", does: "5 seconds on", run: () => by(STEP_MS) },
    { key: ",", does: "Previous mark", run: () => toMark(false) },
    { key: ".", does: "Next mark", run: () => toMark(true) },
  ]);

  return (
    <div class="player">
      <Wave
        overview={overview}
        at={playback.position}
        received={playback.received}
        seek={(ms) => playback.seek(ms)}
        showsTones={showsTones}
      />
      <div class="player-row">
        <button type="button" class="primary play" onClick={() => playback.toggle()}>
          {isPlaying ? "Pause" : "Play"}
        </button>
        <Clock playback={playback} overview={overview} />
        <span class="player-end">
          <label class="player-speed">
            <span class="hidden">Speed</span>
            <select
              value={playback.speed.value}
              onChange={(event) => playback.setSpeed(Number(event.currentTarget.value))}
            >
              {SPEEDS.map((speed) => (
                <option key={speed} value={speed}>
                  {speed} ×
                </option>
              ))}
            </select>
          </label>
          <button type="button" aria-pressed={showsTones} onClick={() => setShowsTones(!showsTones)}>
            Spectrogram
          </button>
        </span>
      </div>
      {playback.isBroken.value && (
        <p class="player-note" role="alert">
          The connection was lost: what had come until then can be played.
        </p>
      )}
      <div class="player-sides">
        {SIDES.map((side) => (
          <SideRow key={side} side={side} overview={overview} playback={playback} />
        ))}
      </div>
      <Marks overview={overview} seek={(ms) => playback.seek(ms)} />
    </div>
  );
}

/** Where the playhead is, and what the clock said then. */
function Clock({ playback, overview }: { playback: Playback; overview: Overview }) {
  const ms = playback.position.value;
  const moment = new Date(overview.started_at / 1000 + ms);
  return (
    <span class="player-clock">
      <b>{position(ms)}</b> / {position(overview.duration_ms)}{" "}
      <span class="muted">
        {clock(moment)}
        {playback.state.value === "waiting" && ", waiting for the sensor"}
      </span>
    </span>
  );
}

function SideRow({ side, overview, playback }: { side: Side; overview: Overview; playback: Playback }) {
  const { encodings, lost, problem, is_heard } = overview.sides[side === "caller" ? 0 : 1];
  const other: Side = side === "caller" ? "callee" : "caller";
  const levels = playback.levels.value;
  const level = levels[side];
  const isAlone = level > 0 && levels[other] === 0;
  const encoding = overview.marks.find((mark) => mark.side === side && mark.kind === "no_decoder")?.text;
  return (
    <fieldset class="player-side">
      <legend>
        <span class={`side-mark side-${side}`} aria-hidden="true" />
        {NAMES[side]} <span class="muted">{side === "caller" ? "left" : "right"}</span>
      </legend>
      <p class="muted">
        {is_heard
          ? [encodings.join(", "), lost > 0 ? `${plural(lost, "packet")} lost` : "nothing lost"].join(", ")
          : problem
            ? problemSentence(problem, encoding)
            : "No RTP came from here."}
      </p>
      {is_heard && (
        <div class="player-level">
          <input
            type="range"
            min="0"
            max="2"
            step="0.05"
            value={level}
            aria-label={`${NAMES[side]}'s level`}
            onInput={(event) => playback.setLevel(side, Number(event.currentTarget.value))}
          />
          <button
            type="button"
            class="quiet"
            aria-pressed={level === 0}
            onClick={() => playback.setLevel(side, level === 0 ? 1 : 0)}
          >
            Mute
          </button>
          <button
            type="button"
            class="quiet"
            aria-pressed={isAlone}
            onClick={() => {
              playback.setLevel(side, level || 1);
              playback.setLevel(other, isAlone ? 1 : 0);
            }}
          >
            Only this
          </button>
        </div>
      )}
    </fieldset>
  );
}

const SHOWN = 200;

function Marks({ overview, seek }: { overview: Overview; seek: (ms: number) => void }) {
  const { marks } = overview;
  if (marks.length === 0) return null;
  return (
    <details class="as-table player-marks">
      <summary>{plural(marks.length, "mark")}</summary>
      <ol>
        {marks.slice(0, SHOWN).map((mark, index) => (
          <li key={index}>
            <button type="button" class="quiet" onClick={() => seek(mark.start_ms)}>
              {position(mark.start_ms)}
            </button>{" "}
            {NAMES[mark.side]}: {markText(mark)}
            {lasting(mark)}
          </li>
        ))}
      </ol>
      {marks.length > SHOWN && <p class="muted">The first {SHOWN} are shown.</p>}
    </details>
  );
}

function lasting({ kind, start_ms, end_ms }: Mark): string {
  const ms = end_ms - start_ms;
  if (kind === "codec" || kind === "reordered" || kind === "dtmf" || ms < 1) return "";
  return ms < 1000 ? `, ${ms} ms` : `, ${(ms / 1000).toFixed(1)} s`;
}
