// The page's title, which tabs and screen readers show.

import { useEffect } from "preact/hooks";
import { announce } from "./store.js";

let told: string | null = null;

export function useTitle(title: string): void {
  useEffect(() => {
    document.title = `${title} · Ringside`;
    // The browser tells the first title itself.
    if (told !== null && told !== title) announce(title);
    told = title;
  }, [title]);
}
