// A page with nothing but a player, for test/player.mjs: ?source names what it plays.

import { render } from "preact";
import { Player } from "../src/components/Player.js";
import { startKeys } from "../src/keys.js";
import { SoundError, type SoundSource, parseOverview } from "../src/sound.js";
import "../src/styles/index.css";

const name = new URLSearchParams(location.search).get("source") ?? "made";

function source(): SoundSource {
  const problem = /^problem:(.*)$/.exec(name)?.[1];
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
  return {
    async overview() {
      if (problem) throw new SoundError(problem, "G729");
      const response = await fetch(`/sound/${name}/overview`);
      const overview = parseOverview(new Uint8Array(await response.arrayBuffer()));
      void fetch(`/sound/${name}/wav`).then(({ body }) => body?.pipeTo(writable)).catch(() => undefined);
      return overview;
    },
    audio: readable,
  };
}

startKeys();
render(
  <main>
    <h1>Player</h1>
    <section class="card" aria-label="Sound">
      <Player source={source()} />
    </section>
  </main>,
  document.body,
);
