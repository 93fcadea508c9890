// Makes or changes a capture rule: as a sentence, or as text; tried on yesterday's calls.

import { useEffect, useRef, useState } from "preact/hooks";
import { ApiError, api } from "../api.js";
import { bytes, count, plural } from "../format.js";
import { callPath } from "../router.js";
import { KINDS, type Kind, type Op, type Sentence, type Test, fromText, newSentence, newTest, toText } from "../rule.js";
import { announce, sensors } from "../store.js";
import type { DryRun, Rule } from "../types.js";
import { Dialog } from "./Dialog.js";
import { Icon } from "./Icon.js";

interface Props {
  /** The one to change; null makes a new one. */
  rule: Rule | null;
  close: () => void;
  done: () => void;
}

export function RuleEditor({ rule, close, done }: Props) {
  const [sentence, setSentence] = useState<Sentence | null>(rule ? fromText(rule.text) : newSentence());
  const [text, setText] = useState(rule?.text ?? "");
  const [asText, setAsText] = useState(sentence === null);
  const [chosen, setChosen] = useState<string[] | null>(rule?.sensors ?? null);
  const [enabled, setEnabled] = useState(rule?.is_enabled ?? true);
  const [error, setError] = useState<string | null>(null);
  const [tried, setTried] = useState<DryRun | null>(null);
  const [busy, setBusy] = useState(false);

  const written = () => (asText || !sentence ? text : toText(sentence));
  const attempt = async (work: () => Promise<void>) => {
    setBusy(true);
    setError(null);
    try {
      await work();
    } catch (failed) {
      if (!(failed instanceof ApiError)) throw failed;
      setError(failed.message);
    } finally {
      setBusy(false);
    }
  };
  const save = () =>
    attempt(async () => {
      await api.saveRule(rule?.id ?? null, { text: written(), sensors: chosen, is_enabled: enabled });
      announce("The rule is saved; sensors are told.");
      done();
    });
  const remove = (id: number) =>
    attempt(async () => {
      await api.deleteRule(id);
      done();
    });
  const tryIt = () => attempt(async () => setTried(await api.dryRun(written())));
  const showText = () => {
    if (sentence) setText(toText(sentence));
    setAsText(true);
  };
  const showSentence = () => {
    const read = text.trim() === "" ? newSentence() : fromText(text);
    if (!read) {
      setError("The builder cannot show this text: it has parentheses, or mixes “and” and “or”.");
      return;
    }
    setError(null);
    setSentence(read);
    setAsText(false);
  };

  return (
    <Dialog title={rule ? "Change the rule" : "New rule"} close={close} class="rule-editor">
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void save();
        }}
      >
        <div class="segments" role="group" aria-label="Form">
          <button type="button" aria-pressed={!asText} onClick={showSentence}>
            Sentence
          </button>
          <button type="button" aria-pressed={asText} onClick={showText}>
            Text
          </button>
        </div>
        {asText || !sentence ? (
          <label class="rule-text">
            <span>The rule</span>
            <textarea
              rows={6}
              maxLength={2048}
              spellcheck={false}
              value={text}
              placeholder='"Berlin": keep sip, rtp, rtcp when caller = +4930* and not (agent contains "sipp" or one_way)'
              onInput={(event) => setText(event.currentTarget.value)}
            />
          </label>
        ) : (
          <SentenceForm sentence={sentence} change={(part) => setSentence({ ...sentence, ...part })} />
        )}
        <Whom chosen={chosen} change={setChosen} />
        <label class="check">
          <input type="checkbox" checked={enabled} onChange={(event) => setEnabled(event.currentTarget.checked)} />
          In force
        </label>
        {error && (
          <p class="rule-error" role="alert">
            {error}
          </p>
        )}
        {tried && <Outcome tried={tried} />}
        <div class="form-actions">
          <button type="submit" class="primary" disabled={busy}>
            Save
          </button>
          <button type="button" disabled={busy} onClick={() => void tryIt()}>
            Try on yesterday’s calls
          </button>
          {rule && (
            <button type="button" class="danger rule-delete" disabled={busy} onClick={() => void remove(rule.id)}>
              Delete
            </button>
          )}
        </div>
      </form>
    </Dialog>
  );
}

function SentenceForm({ sentence, change }: { sentence: Sentence; change: (part: Partial<Sentence>) => void }) {
  const { skips, tests, join } = sentence;
  const setTest = (at: number, part: Partial<Test>) =>
    change({ tests: tests.map((test, i) => (i === at ? { ...test, ...part } : test)) });
  return (
    <>
      <label>
        <span>Name</span>
        <input maxLength={100} value={sentence.name} onInput={(e) => change({ name: e.currentTarget.value })} />
      </label>
      <fieldset class="rule-what">
        <legend>What happens</legend>
        <select
          aria-label="What happens"
          value={skips ? "skip" : "keep"}
          onChange={(e) => change({ skips: e.currentTarget.value === "skip" })}
        >
          <option value="keep">Keep packets</option>
          <option value="skip">Keep nothing, whatever later rules say</option>
        </select>
        {!skips && (
          <div class="rule-parts">
            <Check is={sentence.sip} set={(sip) => change({ sip })} text="SIP" />
            <Check is={sentence.rtcp} set={(rtcp) => change({ rtcp })} text="RTCP" />
            <select
              aria-label="RTP"
              value={sentence.rtp}
              onChange={(e) => change({ rtp: e.currentTarget.value as Sentence["rtp"] })}
            >
              <option value="whole">RTP with speech</option>
              <option value="headers">RTP headers only</option>
              <option value="nothing">No RTP</option>
            </select>
            <Check is={sentence.masks} set={(masks) => change({ masks })} text="Mask digits" />
          </div>
        )}
      </fieldset>
      <fieldset>
        <legend>
          When{" "}
          {tests.length > 1 && (
            <select
              class="rule-join"
              aria-label="How many must hold"
              value={join}
              onChange={(e) => change({ join: e.currentTarget.value as Sentence["join"] })}
            >
              <option value="and">all of these hold</option>
              <option value="or">one of these holds</option>
            </select>
          )}
        </legend>
        {tests.length === 0 && <p class="muted">Every call.</p>}
        <ul class="rule-tests">
          {tests.map((test, at) => (
            <li key={at}>
              <TestForm test={test} change={(part) => setTest(at, part)} />
              <button
                type="button"
                class="quiet"
                aria-label="Remove this condition"
                onClick={() => change({ tests: tests.filter((_, i) => i !== at) })}
              >
                <Icon name="close" />
              </button>
            </li>
          ))}
        </ul>
        <button type="button" class="quiet" onClick={() => change({ tests: [...tests, newTest()] })}>
          <Icon name="plus" /> Add a condition
        </button>
      </fieldset>
      <div class="rule-bounds">
        <label>
          <span>Until, that day included</span>
          <input type="date" value={sentence.until} onInput={(e) => change({ until: e.currentTarget.value })} />
        </label>
        {!skips && (
          <label>
            <span>Calls a day, at most</span>
            <input
              inputMode="numeric"
              value={sentence.aDay}
              placeholder="any number"
              onInput={(e) => change({ aDay: e.currentTarget.value })}
            />
          </label>
        )}
        <label>
          <span>Priority, higher first</span>
          <input
            inputMode="numeric"
            value={sentence.priority}
            placeholder="0"
            onInput={(e) => change({ priority: e.currentTarget.value })}
          />
        </label>
      </div>
    </>
  );
}

function TestForm({ test, change }: { test: Test; change: (part: Partial<Test>) => void }) {
  const hint = KINDS.find(({ kind }) => kind === test.kind)?.hint ?? "";
  const hasOp = test.kind === "header" || test.kind === "agent";
  const hasValue = test.kind !== "one_way" && !(hasOp && test.op === "exists");
  const setKind = (kind: Kind) => change({ kind, op: kind === "agent" ? "contains" : "=" });
  return (
    <>
      <select
        aria-label="Whether it must hold"
        class="rule-not"
        value={test.negated ? "not" : ""}
        onChange={(e) => change({ negated: e.currentTarget.value === "not" })}
      >
        <option value="">if</option>
        <option value="not">if not</option>
      </select>
      <select aria-label="What is looked at" value={test.kind} onChange={(e) => setKind(e.currentTarget.value as Kind)}>
        {KINDS.map(({ kind, label }) => (
          <option key={kind} value={kind}>
            {label}
          </option>
        ))}
      </select>
      {test.kind === "header" && (
        <input
          aria-label="Header"
          value={test.name}
          placeholder="X-Trunk"
          onInput={(e) => change({ name: e.currentTarget.value })}
        />
      )}
      {hasOp && (
        <select aria-label="Comparison" value={test.op} onChange={(e) => change({ op: e.currentTarget.value as Op })}>
          {test.kind === "header" && <option value="exists">exists</option>}
          <option value="=">is</option>
          <option value="contains">contains</option>
          <option value="~">matches (regular expression)</option>
        </select>
      )}
      {hasValue && (
        <input
          aria-label="Value"
          value={test.value}
          placeholder={hint}
          onInput={(e) => change({ value: e.currentTarget.value })}
        />
      )}
    </>
  );
}

function Check({ is, set, text }: { is: boolean; set: (is: boolean) => void; text: string }) {
  return (
    <label class="check">
      <input type="checkbox" checked={is} onChange={(event) => set(event.currentTarget.checked)} />
      {text}
    </label>
  );
}

function Whom({ chosen, change }: { chosen: string[] | null; change: (chosen: string[] | null) => void }) {
  const known = sensors.value.filter(({ state }) => state !== "revoked");
  const flip = (id: string, is: boolean) =>
    change(is ? [...(chosen ?? []), id] : (chosen ?? []).filter((one) => one !== id));
  return (
    <fieldset>
      <legend>On</legend>
      <select
        aria-label="On which sensors"
        value={chosen ? "some" : "all"}
        onChange={(event) => change(event.currentTarget.value === "all" ? null : [])}
      >
        <option value="all">All sensors</option>
        <option value="some">Some sensors</option>
      </select>
      {chosen && (
        <div class="rule-parts">
          {known.map(({ id, name }) => (
            <Check key={id} is={chosen.includes(id)} set={(is) => flip(id, is)} text={name} />
          ))}
        </div>
      )}
    </fieldset>
  );
}

function Outcome({ tried }: { tried: DryRun }) {
  const shown = useRef<HTMLDivElement>(null);
  // On a small screen it would stand below what is seen.
  useEffect(() => shown.current?.scrollIntoView({ block: "nearest" }), [tried]);
  return (
    <div class="rule-outcome" role="status" ref={shown}>
      <p>
        <strong>{count(tried.matched)}</strong> of {plural(tried.tried, "call")} of yesterday would have been kept,
        about {bytes(tried.bytes)}.
        {tried.untold > 0 && ` ${count(tried.untold)} more depend on headers, which records do not have.`}
        {tried.partial && " Only the newest were tried."}
      </p>
      {tried.calls.length > 0 && (
        <ul>
          {tried.calls.map(({ id, caller, callee }) => (
            <li key={id}>
              <a href={callPath(id)} target="_blank" rel="noreferrer">
                {caller || "?"} to {callee || "?"}
              </a>
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}
