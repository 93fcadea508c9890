// Searches kept under a name: one's own, and those that an administrator keeps for everybody.

import { useState } from "preact/hooks";
import { ApiError, api } from "../api.js";
import { tokenText, tokensOf } from "../filter.js";
import { useLoad } from "../load.js";
import { address, navigate, query } from "../router.js";
import { announce, isAdmin, sensorName } from "../store.js";
import type { SavedSearch } from "../types.js";
import { Icon } from "./Icon.js";
import { Menu } from "./Menu.js";
import { Waiting } from "./Notice.js";

export function SavedSearches() {
  return (
    <Menu name="Saved searches" bare align="end" class="saved" label={<Icon name="bookmark" />}>
      {(close) => <Panel close={close} />}
    </Menu>
  );
}

/** What an address holds of a search: everything but the page of the list. */
function keptQuery(): string {
  const kept = new URLSearchParams(query.value);
  kept.delete("cursor");
  return kept.toString();
}

function Panel({ close }: { close: () => void }) {
  const { data, error, reload } = useLoad("searches", (signal) => api.searches(signal), { live: false });
  const [failed, setFailed] = useState<string | null>(null);
  const attempt = async (work: () => Promise<unknown>, done: string) => {
    try {
      await work();
      setFailed(null);
      announce(done);
      reload();
    } catch (fault) {
      if (!(fault instanceof ApiError)) throw fault;
      setFailed(fault.message);
    }
  };
  const searches = data ?? [];
  return (
    <div class="saved-panel">
      {!data && !error && <Waiting rows={2} />}
      <List
        title="Mine"
        searches={searches.filter((one) => !one.is_common)}
        close={close}
        forget={(id) => attempt(() => api.forgetSearch(id), "Deleted")}
      />
      <List
        title="For everybody"
        searches={searches.filter((one) => one.is_common)}
        close={close}
        {...(isAdmin() ? { forget: (id: string) => attempt(() => api.forgetSearch(id), "Deleted") } : {})}
      />
      {data?.length === 0 && <p class="muted pad">None yet. A search keeps its filters, time and columns.</p>}
      <SaveForm save={(name, common) => attempt(() => api.saveSearch(name, keptQuery(), common), "Saved")} />
      {(failed ?? error) && (
        <p class="saved-error" role="alert">
          {failed ?? error?.message}
        </p>
      )}
    </div>
  );
}

interface ListProps {
  title: string;
  searches: SavedSearch[];
  close: () => void;
  forget?: (id: string) => void;
}

function List({ title, searches, close, forget }: ListProps) {
  if (searches.length === 0) return null;
  return (
    <section aria-label={title}>
      <h2 class="saved-title">{title}</h2>
      <ul class="choices">
        {searches.map(({ id, name, query: kept }) => (
          <li key={id} class="saved-one">
            <button
              type="button"
              aria-pressed={kept === keptQuery()}
              title={sentenceOf(kept)}
              onClick={() => {
                close();
                navigate(address("/calls", kept));
              }}
            >
              <bdi class="clip">{name}</bdi>
            </button>
            {forget && (
              <button
                type="button"
                class="quiet saved-forget"
                aria-label={`Delete ${name}`}
                onClick={() => forget(id)}
              >
                <Icon name="close" />
              </button>
            )}
          </li>
        ))}
      </ul>
    </section>
  );
}

const sentenceOf = (kept: string) =>
  tokensOf(new URLSearchParams(kept))
    .map((token) => tokenText(token, sensorName))
    .join(", ") || "all calls";

function SaveForm({ save }: { save: (name: string, common: boolean) => void }) {
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    const form = event.currentTarget as HTMLFormElement;
    const data = new FormData(form);
    const name = String(data.get("name") ?? "").trim();
    if (!name) return;
    save(name, data.get("common") === "on");
    form.reset();
  };
  return (
    <form class="saved-form" onSubmit={submit}>
      <label>
        <span>Save this search as</span>
        <input name="name" required maxLength={60} autocomplete="off" placeholder={sentenceOf(keptQuery())} />
      </label>
      {isAdmin() && (
        <label class="check">
          <input type="checkbox" name="common" /> for everybody
        </label>
      )}
      <button type="submit" class="primary">
        Save
      </button>
    </form>
  );
}
