// A component that is fetched when it is first shown, so that nobody waits for what he does not open.

import type { ComponentChild, FunctionComponent } from "preact";
import { useEffect, useState } from "preact/hooks";
import { Notice, Waiting } from "./Notice.js";

/** The component that `load` brings. While it is on its way rows wait in its place. */
export function later<Props extends object>(
  load: () => Promise<FunctionComponent<Props>>,
): (props: Props) => ComponentChild {
  let found: FunctionComponent<Props> | null = null;
  return function Later(props: Props) {
    const [Shown, show] = useState(() => found);
    const [failed, setFailed] = useState(false);
    useEffect(() => {
      if (Shown) return;
      load().then(
        (component) => {
          found = component;
          show(() => component);
        },
        () => setFailed(true),
      );
    }, []);
    if (Shown) return <Shown {...props} />;
    if (!failed) return <Waiting rows={3} />;
    return (
      <Notice title="This part of the page could not be loaded">
        <p>The connection may be gone, or the page older than the server.</p>
        <p>
          <button type="button" onClick={() => location.reload()}>
            Load again
          </button>
        </p>
      </Notice>
    );
  };
}
