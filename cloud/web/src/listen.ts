// A call's sound from its sensor, as the player takes it: the overview first, then the WAV as it comes.

import { ApiError } from "./api.js";
import { type Options, retrieve } from "./retrieve.js";
import { type Overview, SoundError, type SoundSource, parseOverview } from "./sound.js";

/** Refusals that the player has words of its own for. */
const SOUNDLESS = ["encrypted", "headers_only", "no_media", "no_decoder", "let_go"];

/** A source that can be left. */
export interface CallSound extends SoundSource {
  close: () => void;
}

/** Begins to fetch a call's sound; what is not read yet lets the sensor wait. */
export function soundOf(call: string, options: Pick<Options, "reason"> = {}): CallSound {
  const abort = new AbortController();
  let tell: (overview: Overview) => void = () => {};
  let fail: (error: unknown) => void = () => {};
  const overview = new Promise<Overview>((resolve, reject) => {
    tell = resolve;
    fail = reject;
  });
  // Whoever plays asks for it later, or never.
  overview.catch(() => {});
  const pieces = retrieve(call, "audio", {
    ...options,
    signal: abort.signal,
    onBeside: (bytes) => tell(parseOverview(bytes)),
  });
  const audio = new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        const { done, value } = await pieces.next();
        if (done) {
          // Where no overview came, none will.
          fail(new SoundError("no_media"));
          controller.close();
        } else {
          controller.enqueue(value);
        }
      } catch (error) {
        fail(inWords(error));
        controller.error(error);
      }
    },
    cancel() {
      abort.abort();
    },
  });
  return { overview: () => overview, audio, close: () => abort.abort() };
}

function inWords(error: unknown): unknown {
  return error instanceof ApiError && SOUNDLESS.includes(error.code) ? new SoundError(error.code) : error;
}
