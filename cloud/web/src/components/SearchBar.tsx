// One field for every filter: what is typed becomes a chip, and the chips stand in the address.

import { useRef, useState } from "preact/hooks";
import {
  FIELDS,
  type Token,
  parseLine,
  splitPieces,
  suggest,
  tokenText,
  tokensOf,
  withTokens,
  withoutField,
  withoutFilters,
} from "../filter.js";
import { useKeys } from "../keys.js";
import { address, navigate, query } from "../router.js";
import { sensorName } from "../store.js";
import { Icon } from "./Icon.js";

const go = (next: URLSearchParams) => navigate(address("/calls", next));

export function SearchBar() {
  const [text, setText] = useState("");
  const [open, setOpen] = useState(false);
  const [at, setAt] = useState(0);
  const field = useRef<HTMLInputElement>(null);
  const tokens = tokensOf(query.value);

  useKeys("Search", [{ key: "/", does: "Search", run: () => field.current?.focus() }]);

  const pieces = splitPieces(text);
  const choices = pieces.length === 1 ? suggest(pieces[0] ?? "") : [];
  const listed = open && text !== "" && choices.length > 0;
  const shown = open && (choices.length > 0 || text === "");

  const add = (added: Token[]) => {
    if (added.length === 0) return;
    setText("");
    setAt(0);
    go(withTokens(query.value, added));
  };

  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      const step = event.key === "ArrowDown" ? 1 : -1;
      setOpen(true);
      setAt((old) => (old + step + choices.length) % Math.max(1, choices.length));
      event.preventDefault();
    } else if (event.key === "Enter") {
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
            setOpen(true);
          }}
          onFocus={() => setOpen(true)}
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
          )}
        </div>
      )}
    </search>
  );
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
          <code>!</code>
        </dt>
        <dd>
          before a value: not <span class="muted">status:!200, caller:!0049*</span>
        </dd>
      </div>
    </dl>
  );
}
