// Ctrl-K: to any page or sensor, or to the calls of whatever was typed.

import { useEffect, useState } from "preact/hooks";
import { parseLine, tokenText, withTokens } from "../filter.js";
import { address, navigate, sensorPath } from "../router.js";
import { type Theme } from "../theme.js";
import { isAdmin, loadSensors, logout, sensors, theme } from "../store.js";
import { Dialog } from "./Dialog.js";
import { type Glyph, Icon } from "./Icon.js";

interface Item {
  icon: Glyph;
  text: string;
  note?: string;
  run: () => void;
}

const THEMES: { theme: Theme; icon: Glyph; text: string }[] = [
  { theme: "light", icon: "sun", text: "Light theme" },
  { theme: "dark", icon: "moon", text: "Dark theme" },
  { theme: "system", icon: "system", text: "Theme of the system" },
];

function everything(): Item[] {
  return [
    { icon: "phone", text: "Overview", note: "page", run: () => navigate("/") },
    { icon: "phone", text: "Calls", note: "page", run: () => navigate("/calls") },
    { icon: "phone", text: "Calls with bad MOS", note: "search", run: () => navigate("/calls?mos_below=3") },
    {
      icon: "phone",
      text: "Calls not answered",
      note: "search",
      run: () => navigate("/calls?answered=false"),
    },
    { icon: "phone", text: "One-way calls", note: "search", run: () => navigate("/calls?flag=one_way") },
    { icon: "phone", text: "Calls in progress", note: "page", run: () => navigate("/live") },
    { icon: "user", text: "Registrations", note: "page", run: () => navigate("/registrations") },
    {
      icon: "user",
      text: "Phones that fail to register",
      note: "search",
      run: () => navigate("/registrations?state=failing"),
    },
    { icon: "phone", text: "Peers", note: "page", run: () => navigate("/peers") },
    {
      icon: "phone",
      text: "Trunks and phones that do not answer OPTIONS",
      note: "search",
      run: () => navigate("/peers?state=silent&method=OPTIONS"),
    },
    {
      icon: "phone",
      text: "MESSAGEs that were not delivered",
      note: "search",
      run: () => navigate("/peers?state=silent,refusing&method=MESSAGE"),
    },
    { icon: "sensor", text: "Sensors", note: "page", run: () => navigate("/sensors") },
    { icon: "filter", text: "Rules", note: "page", run: () => navigate("/rules") },
    { icon: "filter", text: "Alerts", note: "page", run: () => navigate("/alerts") },
    { icon: "filter", text: "Alert rules", note: "page", run: () => navigate("/alerts/rules") },
    ...(isAdmin()
      ? ([
          { icon: "user", text: "Admin", note: "page", run: () => navigate("/admin") },
          { icon: "filter", text: "Audit", note: "page", run: () => navigate("/audit") },
        ] as const)
      : []),
    ...(isAdmin()
      ? [{ icon: "plus" as const, text: "Add a sensor", run: () => navigate("/sensors?add=1") }]
      : []),
    ...sensors.value.map(({ id, name, state }) => ({
      icon: "sensor" as const,
      text: name,
      note: `sensor, ${state}`,
      run: () => navigate(sensorPath(id)),
    })),
    ...THEMES.map((one) => ({ icon: one.icon, text: one.text, run: () => void (theme.value = one.theme) })),
    { icon: "user", text: "Log out", run: () => void logout() },
  ];
}

/** Every word of the query occurs in the text. */
export function matches(text: string, typed: string): boolean {
  const low = text.toLowerCase();
  return typed
    .toLowerCase()
    .split(/\s+/)
    .every((word) => low.includes(word));
}

function searchItem(typed: string): Item[] {
  const tokens = parseLine(typed);
  if (tokens.length === 0) return [];
  const to = address("/calls", withTokens(new URLSearchParams(), tokens));
  const text = tokens.map((token) => tokenText(token)).join(", ");
  return [{ icon: "search", text: `Calls: ${text}`, note: "search", run: () => navigate(to) }];
}

export function Palette({ close }: { close: () => void }) {
  const [typed, setTyped] = useState("");
  const [at, setAt] = useState(0);
  useEffect(() => void loadSensors(), []);
  const found = [
    ...everything().filter(({ text }) => matches(text, typed.trim())),
    ...searchItem(typed.trim()),
  ];
  const choose = (item: Item | undefined) => {
    if (!item) return;
    close();
    item.run();
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      const step = event.key === "ArrowDown" ? 1 : -1;
      setAt((at + step + found.length) % Math.max(1, found.length));
    } else if (event.key === "Enter") {
      event.preventDefault();
      choose(found[at]);
    }
  };
  useEffect(() => document.getElementById(`palette-${at}`)?.scrollIntoView({ block: "nearest" }), [at]);
  return (
    <Dialog title="Go to" close={close} class="palette" bare>
      <input
        role="combobox"
        aria-label="Go to a page, a sensor, or search calls"
        aria-expanded="true"
        aria-controls="palette-items"
        aria-activedescendant={found.length > 0 ? `palette-${at}` : undefined}
        placeholder="Go to a page or sensor, or search calls"
        autocomplete="off"
        spellcheck={false}
        autofocus
        value={typed}
        onInput={(event) => {
          setTyped(event.currentTarget.value);
          setAt(0);
        }}
        onKeyDown={onKeyDown}
      />
      <ul id="palette-items" role="listbox" aria-label="Places">
        {found.map((item, index) => (
          <li
            key={`${item.text} ${item.note}`}
            id={`palette-${index}`}
            role="option"
            aria-selected={index === at}
            onPointerMove={() => setAt(index)}
            onClick={() => choose(item)}
          >
            <Icon name={item.icon} />
            <bdi class="clip">{item.text}</bdi>
            {item.note && <span class="muted">{item.note}</span>}
          </li>
        ))}
      </ul>
    </Dialog>
  );
}
