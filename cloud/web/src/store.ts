// What every page shares: who is logged in, the time, the theme, the sensors, announcements.

import { effect, signal } from "@preact/signals";
import { ApiError, api, setCsrf, whenLoggedOut } from "./api.js";
import { type Theme, applyTheme, storeTheme, storedTheme } from "./theme.js";
import type { Me, Sensor } from "./types.js";

/** Who is logged in; null: nobody; undefined: not asked yet. */
export const session = signal<Me | null | undefined>(undefined);

/** Why the session could not be asked for. */
export const sessionError = signal<ApiError | null>(null);

/** The last known sensors, for names in lists and in the palette. */
export const sensors = signal<Sensor[]>([]);

/** Now, moving in steps that relative times need. */
export const now = signal(new Date());

export const theme = signal<Theme>(storedTheme());

/** What screen readers are told next. */
export const announcement = signal("");

export function announce(text: string): void {
  // The same text twice is announced twice.
  announcement.value = announcement.value === text ? `${text}\u00a0` : text;
}

export const isAdmin = (): boolean => session.value?.user.role === "admin";

/** Whether whoever is logged in may have sensors install a release. */
export const canUpgrade = (): boolean => isAdmin() && session.value?.user.rights.includes("upgrades") === true;

export function setSession(me: Me | null): void {
  setCsrf(me?.csrf ?? "");
  session.value = me;
}

export async function loadSession(): Promise<void> {
  try {
    setSession(await api.me());
    sessionError.value = null;
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    if (error.status === 401) setSession(null);
    else sessionError.value = error;
  }
}

export async function logout(): Promise<void> {
  try {
    await api.logout();
  } finally {
    setSession(null);
  }
}

export async function loadSensors(): Promise<void> {
  try {
    sensors.value = await api.sensors();
  } catch {
    // Names are a convenience: lists go on with ids.
  }
}

export const sensorName = (id: string): string =>
  sensors.value.find((sensor) => sensor.id === id || String(sensor.id_sensor) === id)?.name ?? id;

export function startStore(): void {
  whenLoggedOut(() => setSession(null));
  effect(() => {
    storeTheme(theme.value);
    applyTheme(theme.value);
  });
  setInterval(() => {
    if (!document.hidden) now.value = new Date();
  }, 5000);
}
