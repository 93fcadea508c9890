// The keyboard: pages register what their keys do, and the help overlay lists the same table.

import { useLayoutEffect, useRef } from "preact/hooks";

export interface Key {
  /** As KeyboardEvent.key gives it; "Mod+k" is Ctrl or Command with k. */
  key: string;
  does: string;
  run: (event: KeyboardEvent) => void;
}

interface Layer {
  title: string;
  keys: Key[];
  /** Nothing below it hears a key. */
  modal: boolean;
}

const layers: Layer[] = [];

/** The keys that work now, the newest layer first. */
export const activeLayers = (): Layer[] => [...layers].reverse().filter(({ modal }) => !modal);

const FIELDS = "input, textarea, select, [contenteditable]";

/** Whether a key press belongs to a field and not to the page. */
export function inField(target: EventTarget | null): boolean {
  return target instanceof Element && target.closest(FIELDS) !== null;
}

export function keyName(event: KeyboardEvent): string | null {
  // On many keyboards brackets are typed with Alt or AltGr, which says it is Ctrl and Alt.
  if (event.altKey) return "[]?/".includes(event.key) ? event.key : null;
  if (event.ctrlKey || event.metaKey) return `Mod+${event.key.toLowerCase()}`;
  return event.key;
}

function handle(event: KeyboardEvent): void {
  if (event.defaultPrevented || event.isComposing) return;
  const name = keyName(event);
  if (name === null || (inField(event.target) && !name.startsWith("Mod+"))) return;
  // A focused link or button has its own Enter.
  if (name === "Enter" && (event.target as Element).closest?.("a, button, summary")) return;
  for (const layer of [...layers].reverse()) {
    const key = layer.keys.find((one) => one.key === name);
    if (key) {
      event.preventDefault();
      key.run(event);
      return;
    }
    if (layer.modal) return;
  }
}

export const startKeys = (): void => addEventListener("keydown", handle);

/** Registers a component's keys for as long as it is shown. */
export function useKeys(title: string, keys: Key[], { modal = false } = {}): void {
  const layer = useRef<Layer>({ title, keys, modal });
  layer.current.keys = keys;
  useLayoutEffect(() => {
    const mine = layer.current;
    layers.push(mine);
    return () => {
      layers.splice(layers.indexOf(mine), 1);
    };
  }, []);
}
