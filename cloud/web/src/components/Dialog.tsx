// A modal dialog: the browser's own, so focus stays inside and Esc closes it.

import { useLayoutEffect, useRef } from "preact/hooks";
import { useKeys } from "../keys.js";
import { Icon } from "./Icon.js";

interface Props {
  title: string;
  close: () => void;
  class?: string;
  /** The title is said, not shown. */
  bare?: boolean;
  children: preact.ComponentChildren;
}

export function Dialog({ title, close, class: extra = "", bare = false, children }: Props) {
  const dialog = useRef<HTMLDialogElement>(null);
  useKeys(title, [], { modal: true });
  // Before the next key is heard: what is typed at once after Ctrl-K belongs to the dialog.
  useLayoutEffect(() => {
    const before = document.activeElement;
    dialog.current?.showModal();
    return () => {
      if (before instanceof HTMLElement) before.focus({ preventScroll: true });
    };
  }, []);
  return (
    <dialog
      ref={dialog}
      class={extra}
      aria-label={title}
      onClose={close}
      onClick={(event) => event.target === dialog.current && close()}
    >
      <div class="dialog-body" tabIndex={-1} autofocus={!bare}>
        {!bare && (
          <header class="dialog-head">
            <h2>{title}</h2>
            <button type="button" class="quiet" aria-label="Close" onClick={close}>
              <Icon name="close" />
            </button>
          </header>
        )}
        {children}
      </div>
    </dialog>
  );
}
