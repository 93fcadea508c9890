// What is wrong now, what was, and who hears of it.

import { alertCount } from "../alerts/count.js";
import { Channels } from "../alerts/Channels.js";
import { OpenAlerts } from "../alerts/OpenAlerts.js";
import { Rules } from "../alerts/Rules.js";
import { Silences } from "../alerts/Silences.js";
import type { AlertTab } from "../router.js";
import { isAdmin } from "../store.js";
import { useTitle } from "../title.js";

const TABS: { tab: AlertTab; word: string; admin?: true }[] = [
  { tab: "", word: "Alerts" },
  { tab: "rules", word: "Rules" },
  { tab: "channels", word: "Channels", admin: true },
  { tab: "silences", word: "Silences" },
];

export function Alerts({ tab }: { tab: AlertTab }) {
  useTitle("Alerts");
  return (
    <>
      <header class="page-head alerts-head">
        <h1>Alerts</h1>
        <nav class="alert-tabs" aria-label="Alerts">
          {TABS.filter(({ admin }) => !admin || isAdmin()).map((one) => (
            <a
              key={one.tab}
              href={one.tab ? `/alerts/${one.tab}` : "/alerts"}
              {...(one.tab === tab ? { "aria-current": "page" as const } : {})}
            >
              {one.word}
              {one.tab === "" && alertCount.value.open > 0 && <span class="badge">{alertCount.value.open}</span>}
            </a>
          ))}
        </nav>
      </header>
      {tab === "" && <OpenAlerts />}
      {tab === "rules" && <Rules />}
      {tab === "channels" && <Channels />}
      {tab === "silences" && <Silences />}
    </>
  );
}
