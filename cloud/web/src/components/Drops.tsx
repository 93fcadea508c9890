// What was lost before analysis, at three places that must not be mixed up.

import { NONE, count } from "../format.js";
import type { Sensor } from "../types.js";

export const DROPS = [
  {
    name: "Network",
    means: "Frames that the network interface dropped before the kernel saw them.",
    of: (d: NonNullable<Sensor["drops"]>) => d.interface,
  },
  {
    name: "Kernel",
    means: "Frames that the kernel dropped because the capture ring was full.",
    of: (d: NonNullable<Sensor["drops"]>) => d.kernel,
  },
  {
    name: "Sensor",
    means: "RTP and SIP frames that the sensor shed between capture and analysis.",
    of: (d: NonNullable<Sensor["drops"]>) => d.rtp_shed + d.sip_shed,
  },
] as const;

export function Drops({ drops }: { drops: Sensor["drops"] }) {
  return (
    <dl class="drops">
      {DROPS.map(({ name, means, of }) => {
        const lost = drops ? of(drops) : null;
        return (
          <div key={name} class={lost ? "lossy" : ""} title={means}>
            <dt>{name}</dt>
            <dd>{lost === null ? NONE : count(lost)}</dd>
          </div>
        );
      })}
    </dl>
  );
}
