// Who hears of alerts, and whether the last message was taken.

import { useState } from "preact/hooks";
import { Copy } from "../components/Copy.js";
import { Icon, StepIcon } from "../components/Icon.js";
import { Failed, Notice, StaleMark, Waiting } from "../components/Notice.js";
import { Ago } from "../components/Time.js";
import { count, plural } from "../format.js";
import { useLoad } from "../load.js";
import { alertsApi } from "./api.js";
import { useAttempt } from "./attempt.js";
import { ChannelEditor } from "./ChannelEditor.js";
import { conditionText, tokensOfFilter } from "./measures.js";
import type { Channel, TestResult } from "./types.js";

export function Channels() {
  const { data, error, reload } = useLoad("alert-channels", (signal) => alertsApi.channels(signal));
  const [edited, setEdited] = useState<Channel | "new" | null>(null);
  const [made, setMade] = useState<Channel | null>(null);
  if (!data) return error ? <Failed error={error} retry={reload} /> : <Waiting rows={3} />;
  return (
    <>
      <StaleMark error={error} />
      {made?.secret && (
        <div class="card pad channel-secret" role="status">
          <p>
            <strong>The key of {made.name}’s signatures</strong>, shown this once. The receiver checks{" "}
            <code>Ringside-Signature</code> with it.
          </p>
          <p class="channel-key">
            <code class="mono">{made.secret}</code> <Copy text={made.secret} label="Copy the key" />
          </p>
          <button type="button" onClick={() => setMade(null)}>
            I have it
          </button>
        </div>
      )}
      {data.channels.length === 0 ? (
        <Notice title="Nobody hears of alerts yet">
          <p>
            A channel tells people or programs when an alert opens and when it closes: by e-mail, to a webhook, or to a
            syslog receiver. What happens at once comes in one message.
          </p>
          <p>
            <button type="button" class="primary" onClick={() => setEdited("new")}>
              New channel
            </button>
          </p>
        </Notice>
      ) : (
        <>
          <p class="alerts-add">
            <button type="button" class="primary" onClick={() => setEdited("new")}>
              <Icon name="plus" /> New channel
            </button>
          </p>
          <ul class="rules">
            {data.channels.map((channel) => (
              <Card key={channel.id} channel={channel} edit={() => setEdited(channel)} reload={reload} />
            ))}
          </ul>
          {data.dropped + data.failed > 0 && (
            <p class="muted alerts-lost">
              Never told, over all time: {count(data.failed)} that nobody took for a day, {count(data.dropped)} because
              too many waited.
            </p>
          )}
        </>
      )}
      {edited && (
        <ChannelEditor
          channel={edited === "new" ? null : edited}
          hasMailServer={data.has_mail_server}
          close={() => setEdited(null)}
          done={(channel) => {
            setEdited(null);
            setMade(channel);
            reload();
          }}
        />
      )}
    </>
  );
}

function Card({ channel, edit, reload }: { channel: Channel; edit: () => void; reload: () => void }) {
  const [result, setResult] = useState<TestResult | null>(null);
  const { busy, error, attempt } = useAttempt();
  const test = () =>
    attempt(async () => {
      setResult(null);
      setResult(await alertsApi.testChannel(channel.id));
      reload();
    });
  return (
    <li class={`card rule channel ${channel.is_enabled ? "" : "rule-off"}`}>
      <header>
        <h2 dir="auto">{channel.name}</h2>
        {!channel.is_enabled && <span class="muted">switched off</span>}
        <span class="channel-acts">
          <button type="button" disabled={busy} aria-label={`Send a test to ${channel.name}`} onClick={() => void test()}>
            {busy ? "Sending…" : "Send a test"}
          </button>
          <button type="button" aria-label={`Change ${channel.name}`} onClick={edit}>
            Change
          </button>
        </span>
      </header>
      <p class="channel-where" dir="auto">
        {channel.where}
        {channel.calls !== null && <span class="muted"> · finished calls{wanted(channel.calls)}</span>}
      </p>
      {channel.error && (
        <p class="failure">
          Not taken, <Ago at={channel.tried_at} />: <span dir="auto">{channel.error}</span> It is tried again.
        </p>
      )}
      <p class="muted rule-meta">
        {channel.sent_at ? (
          <>
            Last taken <Ago at={channel.sent_at} />
          </>
        ) : (
          "Nothing was taken yet"
        )}
        {channel.waiting > 0 && ` · ${plural(channel.waiting, "message")} waiting`}
      </p>
      {error && (
        <p class="rule-error" role="alert">
          {error}
        </p>
      )}
      {result && <Steps result={result} />}
    </li>
  );
}

const wanted = (calls: string): string => {
  const conditions = tokensOfFilter(calls).map(conditionText);
  return conditions.length > 0 ? `: ${conditions.join(", ")}` : "";
};

const STEP_WORDS: Record<string, string> = { lookup: "Address", connect: "Connection", login: "Login", send: "Message" };

function Steps({ result }: { result: TestResult }) {
  return (
    <div class="rule-outcome" role="status">
      <p>
        <strong>{result.is_taken ? "The test was taken." : "The test did not get through."}</strong>
      </p>
      <ol class="channel-steps">
        {result.steps.map(({ name, state, sentence }) => (
          <li key={name}>
            <StepIcon state={state} /> <span class="channel-step">{STEP_WORDS[name] ?? name}</span>{" "}
            <span dir="auto">{sentence}</span>
          </li>
        ))}
      </ol>
    </div>
  );
}
