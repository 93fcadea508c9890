// The address holds everything that a page shows, so that it can be sent to a colleague.

import { computed, signal } from "@preact/signals";

/** The parts of the page of alerts; the first is the alerts themselves. */
export type AlertTab = "" | "rules" | "channels" | "silences";

export type Page =
  | { name: "overview" }
  | { name: "calls" }
  | { name: "call"; id: string }
  | { name: "live" }
  | { name: "registrations" }
  | { name: "registration"; id: string }
  | { name: "peers" }
  | { name: "peer"; id: string }
  | { name: "sensors" }
  | { name: "sensor"; id: string }
  | { name: "rules" }
  | { name: "admin"; part: AdminPart }
  | { name: "audit" }
  | { name: "alerts"; tab: AlertTab }
  | { name: "missing" };

export const ADMIN_PARTS = ["people", "retrieval", "tokens"] as const;

export type AdminPart = (typeof ADMIN_PARTS)[number];

/** Which page a path names. */
export function parsePath(path: string): Page {
  const [, first = "", second, ...rest] = path.replace(/\/+$/, "").split("/");
  if (rest.length > 0) return { name: "missing" };
  const id = second === undefined ? undefined : decode(second);
  if (id === null) return { name: "missing" };
  if (first === "" && id === undefined) return { name: "overview" };
  if (first === "calls") return id ? { name: "call", id } : { name: "calls" };
  if (first === "live" && id === undefined) return { name: "live" };
  if (first === "registrations") return id ? { name: "registration", id } : { name: "registrations" };
  if (first === "peers") return id ? { name: "peer", id } : { name: "peers" };
  if (first === "sensors") return id ? { name: "sensor", id } : { name: "sensors" };
  if (first === "rules" && id === undefined) return { name: "rules" };
  if (first === "audit" && id === undefined) return { name: "audit" };
  if (first === "admin") {
    const part = ADMIN_PARTS.find((one) => one === (id ?? "people"));
    return part ? { name: "admin", part } : { name: "missing" };
  }
  if (first === "alerts" && ["", "rules", "channels", "silences"].includes(id ?? ""))
    return { name: "alerts", tab: (id ?? "") as AlertTab };
  return { name: "missing" };
}

function decode(part: string): string | null {
  try {
    return decodeURIComponent(part);
  } catch {
    return null;
  }
}

/** A path and its query as one address; empty queries leave no question mark. */
export function address(path: string, query?: URLSearchParams | string): string {
  const text = query?.toString() ?? "";
  return text ? `${path}?${text}` : path;
}

export const callPath = (id: string, query?: URLSearchParams) =>
  address(`/calls/${encodeURIComponent(id)}`, query);
export const registrationPath = (id: string, query?: URLSearchParams) =>
  address(`/registrations/${encodeURIComponent(id)}`, query);
export const peerPath = (id: string, query?: URLSearchParams) =>
  address(`/peers/${encodeURIComponent(id)}`, query);
export const sensorPath = (id: string) => `/sensors/${encodeURIComponent(id)}`;

interface Place {
  path: string;
  search: string;
}

const inBrowser = typeof location !== "undefined";
const here = (): Place =>
  inBrowser ? { path: location.pathname, search: location.search } : { path: "/", search: "" };

export const place = signal<Place>(here());
export const page = computed(() => parsePath(place.value.path));
export const query = computed(() => new URLSearchParams(place.value.search));

/** Goes to an address of this application; `replace` leaves no step to go back to. */
export function navigate(to: string, { replace = false, keepScroll = false } = {}): void {
  if (to === location.pathname + location.search) return;
  if (replace) history.replaceState(history.state, "", to);
  else history.pushState(null, "", to);
  place.value = here();
  if (!keepScroll && !replace) scrollTo(0, 0);
}

/** Lets links within the application change the page without loading it anew. */
export function startRouter(): void {
  addEventListener("popstate", () => (place.value = here()));
  document.addEventListener("click", (event) => {
    if (event.defaultPrevented || event.button !== 0) return;
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    const link = (event.target as Element).closest("a");
    if (!link || link.target || link.hasAttribute("download")) return;
    if (link.origin !== location.origin || link.pathname.startsWith("/api/")) return;
    event.preventDefault();
    if (link.hash && link.pathname === location.pathname) {
      document.querySelector(link.hash)?.scrollIntoView();
      return;
    }
    navigate(link.pathname + link.search);
  });
}
