// One field for every filter: what is typed becomes a chip, and the chips stand in the address.

import { useRef, useState } from "preact/hooks";
import {
  FIELDS,
  type Token,
  parseLine,
  splitPieces,
  type UnknownField,
  suggest,
  unknownField,
  tokenText,
  tokensOf,
  withTokens,
  withoutField,
  withoutFilters,
} from "../filter.js";
import { useKeys } from "../keys.js";
import { address, navigate, query } from "../router.js";
import { announce, sensorName } from "../store.js";
import { Icon } from "./Icon.js";

const go = (next: URLSearchParams) => navigate(address("/calls", next));

export function SearchBar() {
  const [text, setText] = useState("");
  const [open, setOpen] = useState(false);
  const [at, setAt] = useState(0);
  /** Enter was pressed on something that is no filter: it waits for a choice. */
  const [asking, setAsking] = useState(false);
  const field = useRef<HTMLInputElement>(null);
  const tokens = tokensOf(query.value);

  useKeys("Search", [{ key: "/", does: "Search", run: () => field.current?.focus() }]);

  const pieces = splitPieces(text);
  const unknown = pieces.map(unknownField).find((one) => one !== null) ?? null;
  const choices = choicesOf(pieces, unknown);
  const listed = open && text !== "" && choices.length > 0;
  const shown = open && (choices.length > 0 || text === "");

  const add = (added: Token[]) => {
    if (added.length === 0) return;
    setText("");
    setAt(0);
    setAsking(false);
    setOpen(false);
    go(withTokens(query.value, added));
  };

  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      const step = event.key === "ArrowDown" ? 1 : -1;
      setOpen(true);
      setAsking(true);
      setAt((old) => (asking || !unknown ? old + step + choices.length : old) % Math.max(1, choices.length));
      event.preventDefault();
    } else if (event.key === "Enter") {
      if (unknown && !asking) {
        setOpen(true);
        setAsking(true);
        announce(sayUnknown(unknown));
        return;
      }
      const chosen = choices[at];
      add(chosen ? [chosen] : parseLine(text));
    } else if (event.key === "Escape") {
      if (text) setText("");
      else field.current?.blur();
      setOpen(false);
    } else if (event.key === "Backspace" && text === "") {
      const last = tokens.at(-1);
      if (last) go(withoutField(query.value, last.key));
    }
  };

  return (
    <search class="search">
      <div class="search-box">
        <Icon name="search" />
        <ul class="chips" aria-label="Filters">
          {tokens.map((token) => (
            <li key={token.key} class="chip">
              <span class="clip" title={tokenText(token, sensorName)}>
                {tokenText(token, sensorName)}
              </span>
              <button
                type="button"
                aria-label={`Remove the filter ${tokenText(token, sensorName)}`}
                onClick={() => go(withoutField(query.value, token.key))}
              >
                <Icon name="close" />
              </button>
            </li>
          ))}
        </ul>
        <input
          ref={field}
          type="text"
          role="combobox"
          aria-label="Search calls"
          aria-expanded={listed}
          {...(listed ? { "aria-controls": "search-choices" } : {})}
          aria-autocomplete="list"
          {...(listed && choices[at] ? { "aria-activedescendant": `choice-${at}` } : {})}
          placeholder={
            tokens.length > 0 ? "and …" : "Number, address, Call-ID, status:4xx, mos<3, flag:one_way"
          }
          value={text}
          autocomplete="off"
          spellcheck={false}
          onInput={(event) => {
            setText(event.currentTarget.value);
            setAt(0);
            setAsking(false);
            setOpen(true);
          }}
          onFocus={() => setOpen(true)}
          onClick={() => setOpen(true)}
          onBlur={() => setOpen(false)}
          onKeyDown={onKeyDown}
        />
        {tokens.length > 0 ? (
          <button type="button" class="quiet" onClick={() => go(withoutFilters(query.value))}>
            Clear
          </button>
        ) : (
          <kbd class="wide-only">/</kbd>
        )}
      </div>
      {shown && (
        <div class="search-panel">
          {text === "" ? (
            <SearchHelp />
          ) : (
            <>
              {unknown && <p class="search-unknown">{sayUnknown(unknown)}</p>}
              <ul id="search-choices" role="listbox" aria-label="What it may mean">
                {choices.map((choice, index) => (
                  <li
                    key={choice.key}
                    id={`choice-${index}`}
                    role="option"
                    aria-selected={index === at}
                    onPointerDown={(event) => {
                      event.preventDefault();
                      add([choice]);
                    }}
                  >
                    {tokenText(choice, sensorName)}
                  </li>
                ))}
              </ul>
            </>
          )}
        </div>
      )}
    </search>
  );
}

/** One piece may mean several things; of several, one that is no filter is asked about. */
function choicesOf(pieces: string[], unknown: UnknownField | null): Token[] {
  if (pieces.length === 1 && unknown) {
    const asText: Token = { key: "q", value: pieces[0] ?? "" };
    return unknown.meant ? [unknown.meant, asText] : [asText];
  }
  return pieces.length === 1 ? suggest(pieces[0] ?? "") : [];
}

function sayUnknown({ name, meant }: UnknownField): string {
  const guess = meant ? `: did you mean ${meant.key}?` : ". As text:";
  return `There is no filter ${name}${guess}`;
}

function SearchHelp() {
  return (
    <dl class="search-help">
      {FIELDS.map(({ key, label, hint }) => (
        <div key={key}>
          <dt>
            <code>{key}:</code>
          </dt>
          <dd>
            {label} <span class="muted">{hint}</span>
          </dd>
        </div>
      ))}
      <div>
        <dt>
          <code>*</code>
        </dt>
        <dd>
          any characters <span class="muted">0049* begins, *99 ends, *305* has it in it</span>
        </dd>
      </div>
      <div>
        <dt>
          <code>,</code>
        </dt>
        <dd>
          any of these <span class="muted">status:486,503 caller:0049*,0043*</span>
        </dd>
      </div>
      <div>
        <dt>
          <code>!</code>
        </dt>
        <dd>
          before a value: not <span class="muted">status:!200, caller:!0049*,0043*</span>
        </dd>
      </div>
    </dl>
  );
}
