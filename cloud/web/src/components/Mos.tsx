// A MOS with its band as shape and word, and where it was taken.

import { NONE } from "../format.js";
import { band, bandWord, mosBasis, noAudio } from "../quality.js";
import type { CallSummary, MosScale } from "../types.js";
import { BandShape } from "./Icon.js";

/** A whole call's: where somebody heard nothing, that is said in the place of a MOS. */
export function CallMos({ call }: { call: Omit<CallSummary, "verdict"> }) {
  if (call.band !== "no_audio") {
    return (
      <Mos
        mos={call.mos}
        scale={call.mos_scale}
        estimated={call.mos_estimated}
        reason={call.mos_reason}
        unreliable={call.mos_unreliable}
      />
    );
  }
  const heard = call.mos === null ? "" : `: MOS ${call.mos.toFixed(2)} of what was heard`;
  return (
    <span class="mos band-no_audio" title={`${bandWord("no_audio")}${heard}`}>
      <BandShape band="no_audio" />
      <span class="mos-word">{noAudio(call.flags)}</span>
    </span>
  );
}

interface Props {
  mos: number | null;
  scale: MosScale | null;
  estimated?: boolean;
  reason?: string | null | undefined;
  buffer?: string;
  /** The sensor itself missed packets. */
  unreliable?: boolean;
}

export function Mos({ mos, scale, estimated = false, reason, buffer, unreliable = false }: Props) {
  const of = band(mos);
  if (mos === null) {
    const why = reason ? `No MOS: ${reason}` : "No MOS";
    return (
      <span class="mos band-none" title={why}>
        {NONE}
        <span class="hidden"> {why}</span>
      </span>
    );
  }
  if (unreliable) {
    return (
      <span class="mos band-none" title="Unreliable: the sensor itself missed packets">
        <span class="mos-figure">{mos.toFixed(2)}</span>
        <span class="mos-word">unreliable</span>
      </span>
    );
  }
  return (
    <span class={`mos band-${of}`} title={`${bandWord(of)}: ${mosBasis(scale, estimated, buffer)}`}>
      <BandShape band={of} />
      <span class="mos-figure">{mos.toFixed(2)}</span>
      <span class="mos-word">{bandWord(of)}</span>
    </span>
  );
}
