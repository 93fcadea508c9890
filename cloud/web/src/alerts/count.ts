// How many alerts are open: for the bar of every page.

import { effect, signal } from "@preact/signals";
import { request } from "../api.js";
import { slowChanges } from "../live.js";
import { session } from "../store.js";

export interface AlertCount {
  open: number;
  /** Open ones that nobody has acknowledged. */
  unseen: number;
  worst: "info" | "warning" | "critical" | null;
}

export const alertCount = signal<AlertCount>({ open: 0, unseen: 0, worst: null });

export async function countAlerts(): Promise<void> {
  try {
    alertCount.value = await request<AlertCount>("/alerts/count");
  } catch {
    // The count is a convenience: the page of alerts says what is wrong.
  }
}

export function startAlertCount(): void {
  effect(() => {
    slowChanges.value;
    if (session.value) void countAlerts();
    else alertCount.value = { open: 0, unseen: 0, worst: null };
  });
}
