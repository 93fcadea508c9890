// One call for whoever has its link, without a login.

import { useEffect, useState } from "preact/hooks";
import { ApiError, api } from "../api.js";
import { Wordmark } from "../components/Logo.js";
import { Notice, Waiting } from "../components/Notice.js";
import { Time } from "../components/Time.js";
import { useTitle } from "../title.js";
import type { SharedCall } from "../types.js";
import { CallBody } from "./Call.js";

export function Shared() {
  const [found, setFound] = useState<SharedCall | null>(null);
  const [error, setError] = useState<ApiError | null>(null);
  useTitle("A shared call");
  useEffect(() => {
    // What stands after the # is never sent: it goes in a header that no proxy logs.
    api.shared(location.hash.slice(1)).then(setFound, (fault: unknown) => {
      if (!(fault instanceof ApiError)) throw fault;
      setError(fault);
    });
  }, []);
  return (
    <>
      <header class="bar">
        <span class="home">
          <Wordmark />
        </span>
      </header>
      <main id="main" tabIndex={-1}>
        {found ? (
          <>
            <p class="shared-note">
              Shared by {found.shared_by} until <Time at={found.expires_at} withDay />, to be read only.
              {found.is_masked && " Numbers are masked."}
            </p>
            <CallBody call={found.call} shared />
          </>
        ) : error ? (
          <Notice title="This link does not open" whole>
            <p>{error.message}</p>
          </Notice>
        ) : (
          <Waiting rows={10} />
        )}
      </main>
    </>
  );
}
