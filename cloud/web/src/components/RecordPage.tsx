// The frame of a page about one registration or one peer relation.

import type { ApiError } from "../api.js";
import { useKeys } from "../keys.js";
import { navigate } from "../router.js";
import { Icon } from "./Icon.js";
import { Failed, Notice, Waiting } from "./Notice.js";

interface Props {
  /** What it is one of, as its list is called: "Registrations". */
  what: string;
  one: string;
  /** The list that one came from. */
  back: string;
  error: ApiError | null;
  reload: () => void;
  /** Null until it is loaded. */
  children: preact.ComponentChildren;
}

export function RecordPage({ what, one, back, error, reload, children }: Props) {
  useKeys(what, [{ key: "Escape", does: "Back to the list", run: () => navigate(back) }]);
  return (
    <>
      <nav class="walk" aria-label={what}>
        <a href={back}>
          <Icon name="left" /> {what}
        </a>
      </nav>
      {children ??
        (error?.status === 404 ? (
          <Notice title={`There is no such ${one}`} whole>
            <p>{error.message}</p>
            <p>
              <a class="button" href={back}>
                Back to the list
              </a>
            </p>
          </Notice>
        ) : error ? (
          <Failed error={error} retry={reload} />
        ) : (
          <Waiting rows={8} />
        ))}
    </>
  );
}

/** A fact of a record's list of facts. */
export const Fact = ({ name, children }: { name: string; children: preact.ComponentChildren }) => (
  <div>
    <dt>{name}</dt>
    <dd>{children}</dd>
  </div>
);

/** Why a record was made. */
export const CAUSE: Record<string, string> = {
  state: "changed",
  facts: "other facts",
  hour: "hourly",
  capture_end: "capture ended",
};
