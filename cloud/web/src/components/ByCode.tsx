// A device that was given no token: its claim code is entered, the device looked at, and accepted.

import { useEffect, useRef, useState } from "preact/hooks";
import { ApiError, api } from "../api.js";
import { now } from "../store.js";
import { relative } from "../format.js";
import type { Claim, ClaimWay } from "../types.js";
import { Clip } from "./Clip.js";
import { Copy } from "./Copy.js";

/** Characters of a code, without the dash. */
const CODE_CHARS = 8;

/** A code as the device shows it, as far as it has been typed. */
export function shaped(typed: string): string {
  const letters = typed
    .toUpperCase()
    .replace(/O/g, "0")
    .replace(/[IL]/g, "1")
    .replace(/[^0-9A-Z]/g, "")
    .slice(0, CODE_CHARS);
  return letters.length > CODE_CHARS / 2 ? `${letters.slice(0, 4)}-${letters.slice(4)}` : letters;
}

/** In groups, as people read it out to each other. */
export const grouped = (digits: string): string => digits.replace(/(.{4})(?=.)/g, "$1 ");

export function ByCode({ arrival }: { arrival: preact.ComponentChildren }) {
  const [code, setCode] = useState("");
  const [found, setFound] = useState<Claim | null>(null);
  const [accepted, setAccepted] = useState(false);
  const [error, setError] = useState<ApiError | null>(null);
  const [busy, setBusy] = useState(false);
  const field = useRef<HTMLInputElement>(null);
  const whole = code.replace("-", "").length === CODE_CHARS;

  const attempt = async (work: () => Promise<void>) => {
    setBusy(true);
    setError(null);
    try {
      await work();
    } catch (failed) {
      if (!(failed instanceof ApiError)) throw failed;
      setError(failed);
    } finally {
      setBusy(false);
    }
  };
  const find = (event: Event) => {
    event.preventDefault();
    void attempt(async () => setFound(await api.findClaim(code)));
  };
  const accept = (claim: Claim) =>
    void attempt(async () => {
      await api.acceptClaim(code, claim.device);
      setAccepted(true);
    });
  const again = () => {
    setFound(null);
    setCode("");
    setError(null);
    field.current?.focus();
  };
  return (
    <ol class="add-steps">
      <li>
        <h3>Read the code off the device</h3>
        <p>
          On its status page press <em>Show the claim code</em> (the PIN is on its label), or run{" "}
          <code>ringside-sensor doctor</code> there as root. The code changes every hour.
        </p>
        <Way />
      </li>
      <li>
        <h3>Enter it, and compare the fingerprint</h3>
        <form class="claim-form" onSubmit={find}>
          <input
            ref={field}
            class="mono claim-code"
            aria-label="Claim code"
            value={code}
            placeholder="7KQX-M2AB"
            autocomplete="off"
            autocapitalize="characters"
            spellcheck={false}
            disabled={accepted}
            onInput={(event) => {
              const typed = shaped(event.currentTarget.value);
              event.currentTarget.value = typed;
              setCode(typed);
              setFound(null);
              setError(null);
            }}
          />
          <button type="submit" class={found ? "" : "primary"} disabled={!whole || busy || accepted}>
            Find
          </button>
        </form>
        {error && (
          <p class="failure" role="alert">
            {error.message}
          </p>
        )}
        {found && <Device claim={found} busy={busy} accepted={accepted} accept={accept} again={again} />}
      </li>
      <li>
        <h3>Wait for it here</h3>
        {accepted ? arrival : <p class="muted">It is online a second or two after you have accepted it.</p>}
      </li>
    </ol>
  );
}

interface DeviceProps {
  claim: Claim;
  busy: boolean;
  accepted: boolean;
  accept: (claim: Claim) => void;
  again: () => void;
}

function Device({ claim, busy, accepted, accept, again }: DeviceProps) {
  const shown = useRef<HTMLDivElement>(null);
  useEffect(() => shown.current?.scrollIntoView({ block: "nearest" }), []);
  return (
    <div class="claim" ref={shown} role="status">
      <h4>
        <Clip text={claim.name} />
      </h4>
      <dl>
        <dt>Fingerprint</dt>
        <dd class="mono">{grouped(claim.device)}</dd>
        <dt>Address</dt>
        <dd class="mono">{claim.address}</dd>
        <dt>Version</dt>
        <dd>
          {claim.software} <span class="muted">{claim.arch}</span>
        </dd>
        <dt>Waits since</dt>
        <dd>{relative(new Date(claim.waiting_since), now.value)}</dd>
      </dl>
      {accepted ? (
        <p class="muted">Accepted.</p>
      ) : (
        <>
          <p class="muted">The device shows the same fingerprint on its status page, and doctor prints it.</p>
          <div class="form-actions">
            <button type="button" class="primary" disabled={busy} onClick={() => accept(claim)}>
              Accept it
            </button>
            <button type="button" onClick={again}>
              That is another one
            </button>
          </div>
        </>
      )}
    </div>
  );
}

/** What a device needs to know of this cloud; one with an image made for it knows already. */
function Way() {
  const [way, setWay] = useState<ClaimWay | null>(null);
  useEffect(() => void api.claimWay().then(setWay, () => {}), []);
  if (!way) return null;
  const ca = way.cloud_ca ? `cloud_ca = ${way.cloud_ca}\n` : "packetbuffer_sender = yes\n";
  const text = `server_destination = ${way.server}\n${ca}`;
  return (
    <details class="claim-way">
      <summary>It shows no code?</summary>
      <p>
        Then it does not know this cloud. Write these lines into its <code>sensor.conf</code> and start it again:
      </p>
      <div class="command">
        <code class="lines">{text}</code>
        <Copy text={text} label="Copy the lines" lines />
      </div>
    </details>
  );
}
