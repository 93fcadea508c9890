// Starts everything: router, keys, live changes, and the page that the address names.

import { effect } from "@preact/signals";
import { render } from "preact";
import { useEffect, useErrorBoundary } from "preact/hooks";
import { startAlertCount } from "./alerts/count.js";
import { later } from "./components/Later.js";
import { Failed, Notice, Waiting } from "./components/Notice.js";
import { Shell } from "./components/Shell.js";
import { startKeys } from "./keys.js";
import { forgetList } from "./list.js";
import { startLive } from "./live.js";
import { Call } from "./pages/Call.js";
import { Calls } from "./pages/Calls.js";
import { Live } from "./pages/Live.js";
import { Login } from "./pages/Login.js";
import { Missing } from "./pages/Missing.js";
import { Peer } from "./pages/Peer.js";
import { Peers } from "./pages/Peers.js";
import { Registration } from "./pages/Registration.js";
import { Registrations } from "./pages/Registrations.js";
import { Sensor } from "./pages/Sensor.js";
import { Sensors } from "./pages/Sensors.js";
import { page, place, startRouter } from "./router.js";
import { loadSensors, loadSession, session, sessionError, startStore } from "./store.js";
import "./styles/index.css";

/** It is most of the charts that only it has. */
const Overview = later(() => import("./pages/Overview.js").then((module) => module.Overview));
const Shared = later(() => import("./pages/Shared.js").then((module) => module.Shared));
const Admin = later(() => import("./pages/Admin.js").then((module) => module.Admin));
const Audit = later(() => import("./pages/Audit.js").then((module) => module.Audit));
const Alerts = later(() => import("./pages/Alerts.js").then((module) => module.Alerts));
const Rules = later(() => import("./pages/Rules.js").then((module) => module.Rules));

function App() {
  if (place.value.path === "/shared") return <Shared />;
  const me = session.value;
  if (me === undefined) {
    const error = sessionError.value;
    return (
      <main id="main">
        {error ? <Failed error={error} retry={() => void loadSession()} /> : <Waiting rows={3} />}
      </main>
    );
  }
  if (me === null) return <Login />;
  return (
    <Shell>
      <CurrentPage />
    </Shell>
  );
}

/** The page, or a notice where an answer that nobody expected broke it. */
function CurrentPage() {
  const [error, reset] = useErrorBoundary((fault) => console.error(fault));
  const path = place.value.path;
  useEffect(() => reset(), [path]);
  if (!error) return <NamedPage />;
  return (
    <Notice title="This page could not be shown" whole>
      <p>The server's answer is not what this page expects. Load it again; it may be an older version.</p>
      <p>
        <button type="button" onClick={() => location.reload()}>
          Load again
        </button>
      </p>
    </Notice>
  );
}

function NamedPage() {
  const shown = page.value;
  switch (shown.name) {
    case "overview":
      return <Overview />;
    case "calls":
      return <Calls />;
    case "call":
      return <Call id={shown.id} />;
    case "live":
      return <Live />;
    case "registrations":
      return <Registrations />;
    case "registration":
      return <Registration key={shown.id} id={shown.id} />;
    case "peers":
      return <Peers />;
    case "peer":
      return <Peer key={shown.id} id={shown.id} />;
    case "sensors":
      return <Sensors />;
    case "sensor":
      return <Sensor key={shown.id} id={shown.id} />;
    case "rules":
      return <Rules />;
    case "admin":
      return <Admin part={shown.part} />;
    case "audit":
      return <Audit />;
    case "alerts":
      return <Alerts tab={shown.tab} />;
    case "missing":
      return <Missing />;
  }
}

startStore();
startRouter();
startKeys();
startLive();
startAlertCount();
effect(() => {
  if (session.value) void loadSensors();
  else forgetList();
});
void loadSession();

const root = document.getElementById("app");
if (root) render(<App />, root);
