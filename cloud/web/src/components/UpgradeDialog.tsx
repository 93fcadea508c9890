// Has sensors install a release: which one, which sensors, all at once or in rings.

import { useEffect, useRef, useState } from "preact/hooks";
import { ApiError, api } from "../api.js";
import { bytes, plural } from "../format.js";
import { useLoad } from "../load.js";
import { sensors } from "../store.js";
import type { Package, Sensor } from "../types.js";
import { pair, upload } from "../upload.js";
import { Clip } from "./Clip.js";
import { Dialog } from "./Dialog.js";
import { Failed, Waiting } from "./Notice.js";
import { Ago } from "./Time.js";

interface Props {
  /** Chosen from the beginning: the sensor on whose page this was opened. */
  only?: string | undefined;
  close: () => void;
  done: () => void;
}

export function UpgradeDialog({ only, close, done }: Props) {
  const { data, error, reload } = useLoad("packages", (signal) => api.packages(signal));
  const [id, setId] = useState<number | null>(null);
  const [chosen, setChosen] = useState<string[] | null>(only ? [only] : null);
  const [inRings, setInRings] = useState(true);
  const [refused, setRefused] = useState<ApiError | null>(null);
  const [busy, setBusy] = useState(false);

  const whole = data?.filter(({ bytes, received }) => bytes === received) ?? [];
  const release = whole.find((one) => one.id === id) ?? null;
  const fitting = release ? sensors.value.filter((sensor) => fits(sensor, release)) : [];
  const wanted = fitting.filter(({ id }) => chosen === null || chosen.includes(id));

  const begin = async () => {
    if (!release) return;
    setBusy(true);
    setRefused(null);
    try {
      await api.beginUpgrade(
        release.id,
        wanted.map(({ id }) => id),
        inRings && wanted.length > 1,
      );
      done();
    } catch (failed) {
      if (!(failed instanceof ApiError)) throw failed;
      setRefused(failed);
    } finally {
      setBusy(false);
    }
  };
  return (
    <Dialog title="Upgrade sensors" close={close} class="upgrade">
      <ol class="add-steps">
        <li>
          <h3>Choose the release</h3>
          {data ? (
            <Packages packages={data} chosen={id} choose={setId} reload={reload} />
          ) : error ? (
            <Failed error={error} retry={reload} />
          ) : (
            <Waiting rows={2} />
          )}
        </li>
        <li>
          <h3>Choose the sensors</h3>
          {release ? (
            <Whom release={release} chosen={wanted.map(({ id }) => id)} change={setChosen} />
          ) : (
            <p class="muted">Those that it is built for are listed here.</p>
          )}
        </li>
        <li>
          <h3>Begin</h3>
          {wanted.length > 1 && (
            <label class="check">
              <input
                type="checkbox"
                checked={inRings}
                onChange={(event) => setInRings(event.currentTarget.checked)}
              />
              In rings: one, then a tenth, then all; paused when one fails
            </label>
          )}
          <p class="muted">
            Each sensor checks the signature with its own key, tries the release, and goes back to the old one if it
            does not capture or does not reach this cloud. Calls in progress at that moment are cut and become
            records.
          </p>
          {refused && (
            <p class="failure" role="alert">
              {refused.message}
            </p>
          )}
        </li>
      </ol>
      <div class="form-actions">
        <button type="button" class="primary" disabled={busy || wanted.length === 0} onClick={begin}>
          {release && wanted.length > 0
            ? `Upgrade ${plural(wanted.length, "sensor")} to ${release.version}`
            : "Upgrade"}
        </button>
        <button type="button" onClick={close}>
          Cancel
        </button>
      </div>
    </Dialog>
  );
}

/** Whether a sensor's machine is the one that the release is built for. */
const fits = (sensor: Sensor, release: Package): boolean =>
  sensor.state !== "revoked" && sensor.arch === release.arch;

interface PackagesProps {
  packages: Package[];
  chosen: number | null;
  choose: (id: number | null) => void;
  reload: () => void;
}

function Packages({ packages, chosen, choose, reload }: PackagesProps) {
  const [share, setShare] = useState<number | null>(null);
  const [error, setError] = useState<string | null>(null);
  const field = useRef<HTMLInputElement>(null);
  const take = async (files: File[]) => {
    setError(null);
    const both = pair(files);
    if (!both) {
      setError("Choose two files: the archive (.tar.gz) and its signature (.minisig).");
      return;
    }
    setShare(0);
    try {
      const added = await upload(both.archive, await both.signature.text(), setShare);
      choose(added.id);
    } catch (failed) {
      if (!(failed instanceof ApiError)) throw failed;
      setError(failed.message);
    } finally {
      setShare(null);
      reload();
    }
  };
  const remove = (id: number) =>
    api.deletePackage(id).then(
      () => {
        if (chosen === id) choose(null);
        reload();
      },
      (failed: unknown) => {
        if (failed instanceof ApiError) setError(failed.message);
        else throw failed;
      },
    );
  return (
    <>
      {packages.length > 0 && (
        <ul class="packages">
          {packages.map((one) => (
            <PackageRow
              key={one.id}
              one={one}
              chosen={chosen === one.id}
              choose={() => choose(one.id)}
              remove={() => void remove(one.id)}
            />
          ))}
        </ul>
      )}
      {share === null ? (
        <p class="package-add">
          <input
            ref={field}
            class="hidden"
            type="file"
            multiple
            aria-label="Archive and signature"
            tabIndex={-1}
            onChange={(event) => {
              const files = Array.from(event.currentTarget.files ?? []);
              event.currentTarget.value = "";
              if (files.length > 0) void take(files);
            }}
          />
          <button type="button" onClick={() => field.current?.click()}>
            Add a release…
          </button>
          <span class="muted">the archive and its .minisig, both at once</span>
        </p>
      ) : (
        <p class="package-add" role="status">
          <progress max={1} value={share} aria-label="Sent" /> {Math.floor(share * 100)} %
        </p>
      )}
      {error && (
        <p class="failure" role="alert">
          {error}
        </p>
      )}
    </>
  );
}

interface RowProps {
  one: Package;
  chosen: boolean;
  choose: () => void;
  remove: () => void;
}

function PackageRow({ one, chosen, choose, remove }: RowProps) {
  const isWhole = one.received === one.bytes;
  const checked = one.is_checked ? "signature checked" : "signature is checked by the sensors";
  return (
    <li>
      <label class="check">
        <input type="radio" name="package" checked={chosen} disabled={!isWhole} onChange={choose} />
        <span class="package-name">
          <strong>{one.version}</strong> <span class="muted">{one.arch}</span>
          <span class="muted package-about">
            {isWhole
              ? `${bytes(one.bytes)}, ${checked}, by ${one.is_shared ? "the operator" : one.uploaded_by}, `
              : `${bytes(one.received)} of ${bytes(one.bytes)} are here: add it again to go on, `}
            <Ago at={one.uploaded_at} />
          </span>
        </span>
      </label>
      {!one.is_shared && (
        <button type="button" class="quiet" aria-label={`Delete ${one.version} ${one.arch}`} onClick={remove}>
          Delete
        </button>
      )}
    </li>
  );
}

interface WhomProps {
  release: Package;
  chosen: string[];
  change: (chosen: string[]) => void;
}

function Whom({ release, chosen, change }: WhomProps) {
  const fitting = sensors.value
    .filter((sensor) => fits(sensor, release))
    .sort((a, b) => a.name.localeCompare(b.name));
  const others = sensors.value.filter((one) => one.state !== "revoked" && !fits(one, release)).length;
  const list = useRef<HTMLUListElement>(null);
  useEffect(() => list.current?.scrollIntoView({ block: "nearest" }), [release.id]);
  if (fitting.length === 0) return <p class="muted">None of your sensors is {release.arch}.</p>;
  const all = fitting.length === chosen.length;
  return (
    <>
      <label class="check">
        <input
          type="checkbox"
          checked={all}
          onChange={() => change(all ? [] : fitting.map(({ id }) => id))}
        />
        All {fitting.length} that are {release.arch}
        {others > 0 && <span class="muted">({others} are not)</span>}
      </label>
      <ul class="whom" ref={list}>
        {fitting.map(({ id, name, software, state }) => (
          <li key={id}>
            <label class="check">
              <input
                type="checkbox"
                checked={chosen.includes(id)}
                onChange={(event) =>
                  change(event.currentTarget.checked ? [...chosen, id] : chosen.filter((one) => one !== id))
                }
              />
              <Clip text={name} />
              <span class="muted">
                {software ?? ""}
                {state !== "online" && ", when it is back"}
              </span>
            </label>
          </li>
        ))}
      </ul>
    </>
  );
}
