// What every key does now, from the same table that handles them.

import { activeLayers } from "../keys.js";
import { BANDS } from "../quality.js";
import { Dialog } from "./Dialog.js";
import { BandShape } from "./Icon.js";

const SHOWN: Record<string, string> = { Escape: "Esc", "Mod+k": "Ctrl K" };

export function Help({ close }: { close: () => void }) {
  const seen = new Set<string>();
  const rows = activeLayers()
    .flatMap(({ keys }) => keys)
    .filter(({ key }) => !seen.has(key) && seen.add(key));
  return (
    <Dialog title="Keys" close={close} class="help">
      <dl class="keys">
        {rows.map(({ key, does }) => (
          <div key={key}>
            <dt>
              <kbd>{SHOWN[key] ?? key}</kbd>
            </dt>
            <dd>{does}</dd>
          </div>
        ))}
      </dl>
      <h3>MOS</h3>
      <ul class="legend">
        {BANDS.map(({ band, word, range }) => (
          <li key={band}>
            <BandShape band={band} /> {word}: <span class="muted">{range}</span>
          </li>
        ))}
      </ul>
      <p class="muted">
        Computed by the E-model (ITU-T G.107, wideband G.107.1) from what arrived at the sensor, as an
        adaptive jitter buffer would have played it. Of two directions the worse one counts.
      </p>
    </Dialog>
  );
}
