// Conditions of a filter, one a line, in the words of the search bar.

import { FIELDS, type FieldKey, type Token } from "../filter.js";
import { choices } from "../components/FilterForm.js";
import { Icon } from "../components/Icon.js";

interface Props {
  tokens: Token[];
  change: (tokens: Token[]) => void;
  /** What no condition means. */
  none: string;
  /** For screen readers: which list this is. */
  name: string;
  only?: FieldKey[];
}

export function Conditions({ tokens, change, none, name, only }: Props) {
  const fields = FIELDS.filter(({ key }) => !only || only.includes(key));
  const set = (at: number, part: Partial<Token>) =>
    change(tokens.map((token, i) => (i === at ? { ...token, ...part } : token)));
  const first = fields[0]?.key ?? "number";
  const fresh: Token = only ? { key: first, value: "" } : { key: "band", value: "degraded" };
  return (
    <div class="conditions" role="group" aria-label={name}>
      {tokens.length === 0 && <p class="muted">{none}</p>}
      <ul class="rule-tests">
        {tokens.map((token, at) => (
          <li key={at}>
            <select
              aria-label={`${name}: whether it must hold`}
              value={token.value.startsWith("!") ? "not" : ""}
              onChange={(e) => set(at, { value: (e.currentTarget.value ? "!" : "") + token.value.replace(/^!/, "") })}
            >
              <option value="">if</option>
              <option value="not">if not</option>
            </select>
            <select
              aria-label={`${name}: what is looked at`}
              value={token.key}
              onChange={(e) => {
                const key = e.currentTarget.value as FieldKey;
                set(at, { key, value: choices(key)?.[0]?.value ?? "" });
              }}
            >
              {fields.map(({ key, label }) => (
                <option key={key} value={key}>
                  {label}
                </option>
              ))}
            </select>
            <Value token={token} name={name} change={(value) => set(at, { value })} />
            <button
              type="button"
              class="quiet"
              aria-label={`${name}: remove this condition`}
              onClick={() => change(tokens.filter((_, i) => i !== at))}
            >
              <Icon name="close" />
            </button>
          </li>
        ))}
      </ul>
      <button type="button" class="quiet" onClick={() => change([...tokens, fresh])}>
        <Icon name="plus" /> Add a condition
      </button>
    </div>
  );
}

function Value({ token, name, change }: { token: Token; name: string; change: (value: string) => void }) {
  const not = token.value.startsWith("!") ? "!" : "";
  const plain = token.value.replace(/^!/, "");
  const known = choices(token.key);
  if (!known)
    return (
      <input
        aria-label={`${name}: value`}
        value={plain}
        required
        placeholder={FIELDS.find(({ key }) => key === token.key)?.hint}
        onInput={(e) => change(not + e.currentTarget.value)}
      />
    );
  return (
    <select class="condition-value" aria-label={`${name}: value`} value={plain} onChange={(e) => change(not + e.currentTarget.value)}>
      {!known.some(({ value }) => value === plain) && <option value={plain}>{plain || "choose…"}</option>}
      {known.map(({ value, label }) => (
        <option key={value} value={value}>
          {label}
        </option>
      ))}
    </select>
  );
}
