// The same filters as a form, for those who would rather choose than type.

import { FIELDS, type FieldKey, FLAG_NAMES, tokensOf } from "../filter.js";
import { words } from "../format.js";
import { BANDS } from "../quality.js";
import { address, navigate, query } from "../router.js";
import { sensors } from "../store.js";
import { flagInfo } from "../words/flags.js";
import { Icon } from "./Icon.js";
import { Menu } from "./Menu.js";

const ENDED_BY = ["caller", "callee", "cancelled", "rejected", "timeout", "capture_end"];

interface Choice {
  value: string;
  label: string;
}

export function choices(key: FieldKey): Choice[] | null {
  switch (key) {
    case "answered":
      return [
        { value: "true", label: "Answered" },
        { value: "false", label: "Not answered" },
      ];
    case "band":
      return BANDS.map(({ band, word }) => ({ value: band, label: word }));
    case "ended_by":
      return ENDED_BY.map((value) => ({ value, label: words(value) }));
    case "flag":
      return FLAG_NAMES.map((value) => ({ value, label: flagInfo(value).label }));
    case "sensor":
      return sensors.value.map(({ id, name }) => ({ value: id, label: name }));
    default:
      return null;
  }
}

export function FilterForm() {
  const set = tokensOf(query.value).length;
  return (
    <Menu
      name="Filters"
      class="filters"
      align="end"
      label={
        <>
          <Icon name="filter" /> Filters{set > 0 && <span class="badge">{set}</span>}
        </>
      }
    >
      {(close) => <Form close={close} />}
    </Menu>
  );
}

function Form({ close }: { close: () => void }) {
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    const next = new URLSearchParams(query.value);
    next.delete("cursor");
    for (const [key, value] of new FormData(event.currentTarget as HTMLFormElement)) {
      if (typeof value === "string" && value.trim()) next.set(key, value.trim());
      else next.delete(key);
    }
    close();
    navigate(address("/calls", next));
  };
  return (
    <form class="filter-form" onSubmit={submit}>
      {FIELDS.map((field) => (
        <Field key={field.key} name={field.key} label={field.label} hint={field.hint} />
      ))}
      <div class="form-actions">
        <button type="submit" class="primary">
          Apply
        </button>
        <button type="button" onClick={close}>
          Cancel
        </button>
      </div>
    </form>
  );
}

function Field({ name, label, hint }: { name: FieldKey; label: string; hint: string }) {
  const value = query.value.get(name) ?? "";
  const options = choices(name);
  const known = !value || options?.some((option) => option.value === value);
  return (
    <label>
      <span>{label}</span>
      {options ? (
        <select name={name} defaultValue={value}>
          <option value="">any</option>
          {!known && (
            <option value={value} selected>
              {value}
            </option>
          )}
          {options.map((option) => (
            <option key={option.value} value={option.value} selected={option.value === value}>
              {option.label}
            </option>
          ))}
        </select>
      ) : (
        <input name={name} defaultValue={value} placeholder={hint} autocomplete="off" />
      )}
    </label>
  );
}
