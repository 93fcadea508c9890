// Links to this call: made for a time, listed with how often they were opened, and ended.

import { useState } from "preact/hooks";
import { ApiError, api } from "../api.js";
import { plural } from "../format.js";
import { useLoad } from "../load.js";
import { announce, session } from "../store.js";
import type { Call, NewShare } from "../types.js";
import { Copy } from "./Copy.js";
import { Dialog } from "./Dialog.js";
import { Failed, Waiting } from "./Notice.js";
import { Ago, Time } from "./Time.js";

const HOURS = [
  { hours: 1, word: "an hour" },
  { hours: 24, word: "a day" },
  { hours: 24 * 7, word: "a week" },
];

export function ShareCall({ call, close }: { call: Call; close: () => void }) {
  const { data, error, reload } = useLoad(`shares ${call.id}`, (signal) => api.shares(call.id, signal), {
    live: false,
  });
  const [hours, setHours] = useState(24);
  const [made, setMade] = useState<NewShare | null>(null);
  const [failed, setFailed] = useState<ApiError | null>(null);
  const attempt = async (work: () => Promise<void>) => {
    setFailed(null);
    try {
      await work();
      reload();
    } catch (fault) {
      if (!(fault instanceof ApiError)) throw fault;
      setFailed(fault);
    }
  };
  const make = () =>
    attempt(async () => {
      setMade(await api.share(call.id, hours));
      announce("The link is made");
    });
  const end = (id: string) =>
    attempt(async () => {
      await api.endShare(call.id, id);
      if (made?.id === id) setMade(null);
      announce("The link opens nothing more");
    });
  const masked = session.value?.user.rights?.includes("masked");
  return (
    <Dialog title="Share this call" close={close} class="share">
      <p class="muted">
        Whoever has the link sees this call's page without a login: the figures, the ladder and the
        verdict. Never packets or sound, and no other call.
        {masked && " Numbers are masked in it, as they are for you."}
      </p>
      {!data ? (
        error ? (
          <Failed error={error} retry={reload} />
        ) : (
          <Waiting rows={2} />
        )
      ) : data.may_share ? (
        <div class="share-make">
          <div class="segments" role="group" aria-label="It opens for">
            {HOURS.map((one) => (
              <button
                key={one.hours}
                type="button"
                aria-pressed={one.hours === hours}
                onClick={() => setHours(one.hours)}
              >
                {one.word}
              </button>
            ))}
          </div>
          <button type="button" class="primary" onClick={() => void make()}>
            Make a link
          </button>
        </div>
      ) : (
        <p>You do not have the right to share calls: ask an administrator of your organisation.</p>
      )}
      {failed && <p role="alert">{failed.message}</p>}
      {made && (
        <div class="share-made">
          <div class="command">
            <code>{location.origin + made.page}</code>
            <Copy text={location.origin + made.page} label="Copy the link" />
          </div>
          <p class="muted">
            It is shown only here, and opens until <Time at={made.expires_at} withDay />.
          </p>
        </div>
      )}
      {data && data.shares.length > 0 && (
        <section aria-label="Links that open">
          <h3>{plural(data.shares.length, "link opens", "links open")}</h3>
          <ul class="share-list">
            {data.shares.map((share) => (
              <li key={share.id}>
                <span>
                  {share.created_by}, until <Time at={share.expires_at} withDay />
                  {share.is_masked && ", masked"}
                  <span class="muted">
                    {" "}
                    opened {plural(share.opened, "time")}
                    {share.opened_at && (
                      <>
                        , last <Ago at={share.opened_at} />
                      </>
                    )}
                  </span>
                </span>
                {data.may_share && (
                  <button type="button" onClick={() => void end(share.id)}>
                    End it
                  </button>
                )}
              </li>
            ))}
          </ul>
        </section>
      )}
    </Dialog>
  );
}
