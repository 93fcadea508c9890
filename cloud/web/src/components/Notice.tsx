// What stands where nothing can be shown: empty places, errors, waiting.

import type { ApiError } from "../api.js";

interface NoticeProps {
  title: string;
  /** It is the whole page, and so its title is the page's. */
  whole?: boolean;
  children?: preact.ComponentChildren;
}

export function Notice({ title, whole = false, children }: NoticeProps) {
  return (
    <div class="notice">
      {whole ? <h1>{title}</h1> : <h2>{title}</h2>}
      {children}
    </div>
  );
}

export function Failed({ error, retry }: { error: ApiError; retry: () => void }) {
  const title = error.offline
    ? "No connection to the server"
    : error.status === 400
      ? "This search cannot be read"
      : error.status === 403
        ? "You may not see this"
        : "This could not be loaded";
  return (
    <div class="notice" role="alert">
      <h2>{title}</h2>
      <p>{error.message}</p>
      <p>
        <button type="button" onClick={retry}>
          Try again
        </button>
      </p>
    </div>
  );
}

/** A quiet mark that data on show is older than it should be. */
export function StaleMark({ error }: { error: ApiError | null }) {
  if (!error) return null;
  return <p class="stale">Not refreshed: {error.message}</p>;
}

export const Waiting = ({ rows = 6 }: { rows?: number }) => (
  <div class="skeleton" role="status" aria-busy="true" aria-label="Loading">
    {Array.from({ length: rows }, (_, index) => (
      <div key={index} />
    ))}
  </div>
);
