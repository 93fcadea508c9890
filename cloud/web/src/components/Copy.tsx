// A button that copies a text and says that it did.

import { useEffect, useState } from "preact/hooks";
import { onOneLine } from "../format.js";
import { announce } from "../store.js";
import { Icon } from "./Icon.js";

interface Props {
  text: string;
  label: string;
  /** The text has lines, which stay. */
  lines?: boolean;
}

export function Copy({ text, label, lines = false }: Props) {
  const [done, setDone] = useState(false);
  useEffect(() => {
    if (!done) return;
    const timer = setTimeout(() => setDone(false), 2000);
    return () => clearTimeout(timer);
  }, [done]);
  const copy = async () => {
    await copyText(lines ? text : onOneLine(text));
    setDone(true);
    announce("Copied");
  };
  return (
    <button type="button" class="quiet copy" title={label} aria-label={label} onClick={copy}>
      <Icon name={done ? "check" : "copy"} />
    </button>
  );
}

/** The clipboard's own interface exists only over HTTPS; a hidden field serves elsewhere. */
export async function copyText(text: string): Promise<void> {
  if (navigator.clipboard) {
    await navigator.clipboard.writeText(text).catch(() => copyByField(text));
  } else {
    copyByField(text);
  }
}

function copyByField(text: string): void {
  const field = document.createElement("textarea");
  field.className = "hidden";
  field.value = text;
  (document.querySelector("dialog[open]") ?? document.body).append(field);
  field.select();
  document.execCommand("copy");
  field.remove();
}
