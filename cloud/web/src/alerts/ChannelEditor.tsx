// Makes or changes a channel.

import { useState } from "preact/hooks";
import { Dialog } from "../components/Dialog.js";
import { announce } from "../store.js";
import { alertsApi } from "./api.js";
import { useAttempt } from "./attempt.js";
import { Conditions } from "./Conditions.js";
import { filterOfTokens, tokensOfFilter } from "./measures.js";
import type { Channel, MailServer, Target } from "./types.js";

interface Props {
  /** The one to change; null makes a new one. */
  channel: Channel | null;
  hasMailServer: boolean;
  close: () => void;
  done: (channel: Channel) => void;
}

type Kind = Target["kind"];

const FRESH: Record<Kind, Target> = {
  email: { kind: "email", to: [], server: null },
  webhook: { kind: "webhook", url: "" },
  syslog: { kind: "syslog", host: "", port: 514, transport: "udp", facility: 16 },
};

const FRESH_SERVER: MailServer = { host: "", port: 465, security: "tls", user: "", from: "" };

const KINDS: { kind: Kind; word: string }[] = [
  { kind: "email", word: "E-mail" },
  { kind: "webhook", word: "Webhook" },
  { kind: "syslog", word: "Syslog" },
];

export function ChannelEditor({ channel, hasMailServer, close, done }: Props) {
  const fresh: Target = hasMailServer ? FRESH.email : { kind: "email", to: [], server: FRESH_SERVER };
  const [name, setName] = useState(channel?.name ?? "");
  const [target, setTarget] = useState<Target>(channel?.target ?? fresh);
  const [calls, setCalls] = useState<string | null>(channel?.calls ?? null);
  const [enabled, setEnabled] = useState(channel?.is_enabled ?? true);
  const { busy, error, attempt } = useAttempt();
  const save = () =>
    attempt(async () => {
      const content = { name, target: sent(target), calls: target.kind === "webhook" ? calls : null, is_enabled: enabled };
      const saved = await alertsApi.saveChannel(channel?.id ?? null, content);
      announce("The channel is saved. Send a test to see whether it works.");
      done(saved);
    });
  return (
    <Dialog title={channel ? "Change the channel" : "New channel"} close={close} class="rule-editor alert-editor">
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void save();
        }}
      >
        {!channel && (
          <div class="segments" role="group" aria-label="Kind">
            {KINDS.map(({ kind, word }) => (
              <button
                key={kind}
                type="button"
                aria-pressed={target.kind === kind}
                onClick={() => setTarget(kind === "email" ? fresh : FRESH[kind])}
              >
                {word}
              </button>
            ))}
          </div>
        )}
        <label>
          <span>Name</span>
          <input required maxLength={100} value={name} placeholder="Night shift" onInput={(e) => setName(e.currentTarget.value)} />
        </label>
        {target.kind === "email" && <Email target={target} hasMailServer={hasMailServer} change={setTarget} />}
        {target.kind === "webhook" && (
          <>
            <label>
              <span>Address</span>
              <input
                required
                type="url"
                value={target.url}
                placeholder="https://example.net/hooks/ringside"
                onInput={(e) => setTarget({ ...target, url: e.currentTarget.value })}
              />
            </label>
            <p class="muted alert-hint">
              JSON is posted there, with a time and an HMAC-SHA256 of both. The key is made when you save, and shown once.
            </p>
            <fieldset>
              <legend>What it is told of</legend>
              <select
                aria-label="What it is told of"
                value={calls === null ? "alerts" : "calls"}
                onChange={(e) => setCalls(e.currentTarget.value === "calls" ? "" : null)}
              >
                <option value="alerts">Alerts</option>
                <option value="calls">Every finished call</option>
              </select>
              {calls !== null && (
                <Conditions
                  name="Of which calls"
                  none="Every call."
                  tokens={tokensOfFilter(calls)}
                  change={(tokens) => setCalls(filterOfTokens(tokens))}
                />
              )}
            </fieldset>
          </>
        )}
        {target.kind === "syslog" && <Syslog target={target} change={setTarget} />}
        <label class="check">
          <input type="checkbox" checked={enabled} onChange={(e) => setEnabled(e.currentTarget.checked)} />
          In use
        </label>
        {error && (
          <p class="rule-error" role="alert">
            {error}
          </p>
        )}
        <div class="form-actions">
          <button type="submit" class="primary" disabled={busy}>
            Save
          </button>
          <button type="button" onClick={close}>
            Cancel
          </button>
          {channel && (
            <button
              type="button"
              class="danger rule-delete"
              disabled={busy}
              onClick={() =>
                void attempt(async () => {
                  await alertsApi.deleteChannel(channel.id);
                  done(channel);
                })
              }
            >
              Delete
            </button>
          )}
        </div>
      </form>
    </Dialog>
  );
}

/** What the server takes: it says whether there is a password, and takes one. */
function sent(target: Target): Target {
  if (target.kind !== "email" || !target.server) return target;
  const { has_password, ...server } = target.server;
  return { ...target, server };
}

type EmailTarget = Extract<Target, { kind: "email" }>;

interface EmailProps {
  target: EmailTarget;
  hasMailServer: boolean;
  change: (target: EmailTarget) => void;
}

function Email({ target, hasMailServer, change }: EmailProps) {
  const [to, setTo] = useState(target.to.join(", "));
  return (
    <>
      <label>
        <span>To (up to 10 addresses, with commas between)</span>
        <input
          required
          value={to}
          placeholder="noc@example.net"
          onInput={(e) => {
            setTo(e.currentTarget.value);
            const all = e.currentTarget.value.split(/[,;\s]+/).filter(Boolean);
            change({ ...target, to: all });
          }}
        />
      </label>
      {hasMailServer && (
        <fieldset>
          <legend>Sent by</legend>
          <select
            aria-label="Sent by"
            value={target.server ? "own" : "service"}
            onChange={(e) => change({ ...target, server: e.currentTarget.value === "own" ? FRESH_SERVER : null })}
          >
            <option value="service">The mail server of this service</option>
            <option value="own">Your own mail server</option>
          </select>
        </fieldset>
      )}
      {target.server && <Server server={target.server} change={(server) => change({ ...target, server })} />}
    </>
  );
}

const SECURITY: { security: MailServer["security"]; word: string; port: number }[] = [
  { security: "tls", word: "TLS", port: 465 },
  { security: "starttls", word: "STARTTLS", port: 587 },
  { security: "none", word: "none (own network only)", port: 25 },
];

function Server({ server, change }: { server: MailServer; change: (server: MailServer) => void }) {
  const set = (part: Partial<MailServer>) => change({ ...server, ...part });
  return (
    <fieldset class="mail-server">
      <legend>Your mail server</legend>
      <div class="alert-pair">
        <label>
          <span>Host</span>
          <input required value={server.host} placeholder="mail.example.net" onInput={(e) => set({ host: e.currentTarget.value })} />
        </label>
        <label>
          <span>Port</span>
          <input
            required
            type="number"
            min={1}
            max={65535}
            value={server.port}
            onInput={(e) => set({ port: Number(e.currentTarget.value) })}
          />
        </label>
        <label>
          <span>Encryption</span>
          <select
            value={server.security}
            onChange={(e) => {
              const chosen = SECURITY.find(({ security }) => security === e.currentTarget.value);
              if (chosen) set({ security: chosen.security, port: chosen.port });
            }}
          >
            {SECURITY.map(({ security, word }) => (
              <option key={security} value={security}>
                {word}
              </option>
            ))}
          </select>
        </label>
        <label>
          <span>Sender</span>
          <input
            required
            type="email"
            value={server.from}
            placeholder="ringside@example.net"
            onInput={(e) => set({ from: e.currentTarget.value })}
          />
        </label>
        <label>
          <span>User (may stay empty)</span>
          <input autocomplete="off" value={server.user} onInput={(e) => set({ user: e.currentTarget.value })} />
        </label>
        <label>
          <span>Password</span>
          <input
            type="password"
            autocomplete="new-password"
            value={server.password ?? ""}
            placeholder={server.has_password ? "unchanged" : ""}
            onInput={(e) => set({ password: e.currentTarget.value })}
          />
        </label>
      </div>
    </fieldset>
  );
}

type SyslogTarget = Extract<Target, { kind: "syslog" }>;

function Syslog({ target, change }: { target: SyslogTarget; change: (target: SyslogTarget) => void }) {
  const set = (part: Partial<SyslogTarget>) => change({ ...target, ...part });
  return (
    <div class="alert-pair">
      <label>
        <span>Host</span>
        <input required value={target.host} placeholder="logs.example.net" onInput={(e) => set({ host: e.currentTarget.value })} />
      </label>
      <label>
        <span>Port</span>
        <input
          required
          type="number"
          min={1}
          max={65535}
          value={target.port}
          onInput={(e) => set({ port: Number(e.currentTarget.value) })}
        />
      </label>
      <label>
        <span>Transport</span>
        <select value={target.transport} onChange={(e) => set({ transport: e.currentTarget.value as "udp" | "tcp" })}>
          <option value="udp">UDP</option>
          <option value="tcp">TCP</option>
        </select>
      </label>
      <label>
        <span>Facility</span>
        <select value={target.facility} onChange={(e) => set({ facility: Number(e.currentTarget.value) })}>
          {[...new Set([1, 3, 16, 17, 18, 19, 20, 21, 22, 23, target.facility])].map((facility) => (
            <option key={facility} value={facility}>
              {facility >= 16 ? `local${facility - 16}` : ({ 1: "user", 3: "daemon" }[facility] ?? facility)}
            </option>
          ))}
        </select>
      </label>
    </div>
  );
}
