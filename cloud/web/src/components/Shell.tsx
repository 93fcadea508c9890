// The frame around every page: where one can go, whether data is live, who is logged in.

import { useEffect, useRef, useState } from "preact/hooks";
import { alertCount } from "../alerts/count.js";
import { useKeys } from "../keys.js";
import { live } from "../live.js";
import { page, place } from "../router.js";
import { announcement, isAdmin, logout, session, theme } from "../store.js";
import type { Theme } from "../theme.js";
import { Help } from "./Help.js";
import { Icon } from "./Icon.js";
import { later } from "./Later.js";
import { Wordmark } from "./Logo.js";
import { Menu } from "./Menu.js";
import { Palette } from "./Palette.js";

const OwnPassword = later(() => import("./OwnPassword.js").then((module) => module.OwnPassword));

type Overlay = "help" | "palette" | "password" | null;

export function Shell({ children }: { children: preact.ComponentChildren }) {
  const [overlay, setOverlay] = useState<Overlay>(null);
  const close = () => setOverlay(null);
  useKeys("Everywhere", [
    { key: "?", does: "These keys", run: () => setOverlay("help") },
    { key: "Mod+k", does: "Go to a page or sensor", run: () => setOverlay("palette") },
  ]);
  useEffect(() => {
    // The link or row that had the focus is gone: the keyboard goes on from the page's beginning.
    const main = document.getElementById("main");
    if (document.activeElement === document.body) main?.focus({ preventScroll: true });
    // On a telephone the row of pages scrolls: the present one is in sight.
    document.querySelector(".bar [aria-current]")?.scrollIntoView({ inline: "center", block: "nearest" });
  }, [place.value.path]);
  return (
    <>
      <a class="skip" href="#main">
        Skip to the content
      </a>
      <header class="bar">
        <a class="home" href="/" aria-label="Ringside, overview">
          <Wordmark />
        </a>
        <Tabs>
          <Tab name="overview" to="/">
            Overview
          </Tab>
          <Tab name="calls" to="/calls">
            Calls
          </Tab>
          <Tab name="live" to="/live">
            In progress
          </Tab>
          <Tab name="registrations" to="/registrations">
            Registrations
          </Tab>
          <Tab name="peers" to="/peers">
            Peers
          </Tab>
          <Tab name="sensors" to="/sensors">
            Sensors
          </Tab>
          <Tab name="rules" to="/rules">
            Rules
          </Tab>
          <Tab name="alerts" to="/alerts">
            Alerts
            <AlertBadge />
          </Tab>
          {isAdmin() && (
            <Tab name="admin" to="/admin">
              Admin
            </Tab>
          )}
          {isAdmin() && (
            <Tab name="audit" to="/audit">
              Audit
            </Tab>
          )}
        </Tabs>
        <div class="bar-end">
          <LiveMark />
          <button
            type="button"
            class="quiet go-to"
            onClick={() => setOverlay("palette")}
            title="Go to (Ctrl K)"
          >
            <Icon name="search" /> <span class="wide-only">Go to</span> <kbd class="wide-only">Ctrl K</kbd>
          </button>
          <button
            type="button"
            class="quiet wide-only"
            onClick={() => setOverlay("help")}
            title="Keys (?)"
            aria-label="Keys"
          >
            <kbd>?</kbd>
          </button>
          <UserMenu changePassword={() => setOverlay("password")} />
        </div>
      </header>
      <main id="main" tabIndex={-1}>
        {children}
      </main>
      <div class="hidden" role="status" aria-live="polite">
        {announcement.value}
      </div>
      {overlay === "help" && <Help close={close} />}
      {overlay === "palette" && <Palette close={close} />}
      {overlay === "password" && <OwnPassword close={close} />}
    </>
  );
}

/** The row of pages. Where it is wider than the window it scrolls: to the current page, and with a hint. */
function Tabs({ children }: { children: preact.ComponentChildren }) {
  const row = useRef<HTMLElement>(null);
  const hint = () => {
    const nav = row.current;
    if (!nav) return;
    nav.classList.toggle("more-before", nav.scrollLeft > 4);
    nav.classList.toggle("more-after", nav.scrollLeft + nav.clientWidth < nav.scrollWidth - 4);
  };
  useEffect(() => {
    const nav = row.current;
    const current = nav?.querySelector<HTMLElement>("[aria-current]");
    if (nav && current) nav.scrollLeft = current.offsetLeft - (nav.clientWidth - current.offsetWidth) / 2;
    hint();
  }, [page.value.name, alertCount.value.open]);
  useEffect(() => {
    addEventListener("resize", hint);
    return () => removeEventListener("resize", hint);
  }, []);
  return (
    <nav aria-label="Main" ref={row} onScroll={hint}>
      {children}
    </nav>
  );
}

function Tab({
  name,
  to,
  children,
}: {
  name: "overview" | "calls" | "live" | "registrations" | "peers" | "sensors" | "rules" | "alerts" | "admin" | "audit";
  to: string;
  children: preact.ComponentChildren;
}) {
  const current = page.value.name === name || page.value.name === name.slice(0, -1);
  return (
    <a href={to} {...(current ? { "aria-current": "page" as const } : {})}>
      {children}
    </a>
  );
}

/** How many alerts are open; one that nobody has seen yet is coloured by how bad it is. */
function AlertBadge() {
  const { open, unseen, worst } = alertCount.value;
  if (open === 0) return null;
  return (
    <span class={`badge ${unseen > 0 ? `badge-${worst}` : ""}`} title={`${open} open, ${unseen} not seen yet`}>
      {open}
      <span class="hidden"> open</span>
    </span>
  );
}

function LiveMark() {
  const words = { live: "Live", reconnecting: "Reconnecting…", paused: "Paused" };
  const state = live.value;
  return (
    <span
      class={`live live-${state}`}
      title={state === "live" ? "New calls appear by themselves" : "What is shown may be older than it looks"}
    >
      <span class="live-dot" /> <span class={state === "live" ? "wide-only" : ""}>{words[state]}</span>
    </span>
  );
}

const THEMES: { value: Theme; text: string; icon: "sun" | "moon" | "system" }[] = [
  { value: "light", text: "Light", icon: "sun" },
  { value: "dark", text: "Dark", icon: "moon" },
  { value: "system", text: "System", icon: "system" },
];

function UserMenu({ changePassword }: { changePassword: () => void }) {
  const me = session.value;
  return (
    <Menu name="Account" bare align="end" class="user" label={<Icon name="user" />}>
      {(close) => (
        <>
          <p class="menu-who">
            <strong class="clip" title={me?.user.login}>
              {me?.user.login}
            </strong>
            <span class="muted clip">
              {me?.customer.name} · {me?.user.role}
            </span>
          </p>
          <div class="segments" role="group" aria-label="Theme">
            {THEMES.map(({ value, text, icon }) => (
              <button
                key={value}
                type="button"
                aria-pressed={theme.value === value}
                onClick={() => (theme.value = value)}
              >
                <Icon name={icon} /> {text}
              </button>
            ))}
          </div>
          <ul class="choices">
            <li>
              <button
                type="button"
                onClick={() => {
                  close();
                  changePassword();
                }}
              >
                Change password…
              </button>
            </li>
            <li>
              <button
                type="button"
                onClick={() => {
                  close();
                  void logout();
                }}
              >
                Log out
              </button>
            </li>
          </ul>
        </>
      )}
    </Menu>
  );
}
