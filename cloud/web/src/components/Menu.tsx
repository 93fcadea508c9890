// A button with a panel below it; Esc or a click elsewhere closes it.

import { useEffect, useRef, useState } from "preact/hooks";

interface Props {
  label: preact.ComponentChildren;
  name: string;
  /** The label is a drawing only, so the name is what is read out. */
  bare?: boolean;
  class?: string;
  align?: "start" | "end";
  children: (close: () => void) => preact.ComponentChildren;
}

export function Menu({ label, name, bare = false, class: extra = "", align = "start", children }: Props) {
  const [open, setOpen] = useState(false);
  const root = useRef<HTMLDivElement>(null);
  const button = useRef<HTMLButtonElement>(null);
  useEffect(() => {
    if (!open) return;
    const away = (event: Event) => {
      if (!root.current?.contains(event.target as Node)) setOpen(false);
    };
    const escape = (event: KeyboardEvent) => {
      if (event.key !== "Escape") return;
      event.preventDefault();
      setOpen(false);
      button.current?.focus();
    };
    document.addEventListener("pointerdown", away);
    document.addEventListener("focusin", away);
    document.addEventListener("keydown", escape, true);
    return () => {
      document.removeEventListener("pointerdown", away);
      document.removeEventListener("focusin", away);
      document.removeEventListener("keydown", escape, true);
    };
  }, [open]);
  return (
    <div class={`menu ${extra}`} ref={root}>
      <button
        type="button"
        ref={button}
        aria-expanded={open}
        aria-label={bare ? name : undefined}
        title={name}
        onClick={() => setOpen(!open)}
      >
        {label}
      </button>
      {open && <div class={`menu-panel ${align}`}>{children(() => setOpen(false))}</div>}
    </div>
  );
}
