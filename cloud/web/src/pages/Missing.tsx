import { Notice } from "../components/Notice.js";
import { place } from "../router.js";
import { useTitle } from "../title.js";

/** An address that names no page. */
export function Missing() {
  useTitle("Not found");
  return (
    <Notice title="There is no such page" whole>
      <p>
        <code class="clip" title={place.value.path}>
          {place.value.path}
        </code>{" "}
        names nothing here.
      </p>
      <p>
        <a class="button" href="/calls">
          To the calls
        </a>
      </p>
    </Notice>
  );
}
