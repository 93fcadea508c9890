// One registration: what is worth saying, its facts, and its records so far.

import { api } from "../api.js";
import { Clip } from "../components/Clip.js";
import { Copy } from "../components/Copy.js";
import { Findings } from "../components/Findings.js";
import { To } from "../components/Icon.js";
import { CAUSE, Fact, RecordPage } from "../components/RecordPage.js";
import { RegistrationMark } from "../components/StateMark.js";
import { Time } from "../components/Time.js";
import { NONE, count, longDuration, millis } from "../format.js";
import { useLoad } from "../load.js";
import { listOf } from "../records.js";
import { REGISTRATIONS, contactAddress, historyQuery } from "../registrations.js";
import { address, query, registrationPath, sensorPath } from "../router.js";
import { useTitle } from "../title.js";
import type { Registration as Data } from "../types.js";

export function Registration({ id }: { id: string }) {
  const { data, error, reload } = useLoad(
    `registration ${id}`,
    (signal) => api.registration(id, signal),
    { live: false, keep: false },
  );
  useTitle(data ? `Registration of ${data.aor.user || data.aor.host}` : "Registration");
  return (
    <RecordPage
      what="Registrations"
      one="registration"
      back={address("/registrations", listOf(REGISTRATIONS, query.value))}
      error={error}
      reload={reload}
    >
      {data ? <Shown registration={data} /> : null}
    </RecordPage>
  );
}

function Shown({ registration: it }: { registration: Data }) {
  return (
    <article class="call rec-page">
      <header class="call-head">
        <h1>
          <bdi class="clip">{it.aor.user ? `${it.aor.user}@${it.aor.host}` : it.aor.host}</bdi>
          {it.aor.display && <bdi class="clip display muted">{it.aor.display}</bdi>}
        </h1>
        <dl class="headline">
          <div>
            <dt>State</dt>
            <dd>
              <RegistrationMark state={it.state} />{" "}
              <span class="muted">for {longDuration(it.state_seconds)}</span>
            </dd>
          </div>
          <div>
            <dt>Last attempt</dt>
            <dd>
              <Time at={it.last_attempt_at} withDay />
            </dd>
          </div>
          <div>
            <dt>Final response</dt>
            <dd>{it.status_code === null ? "no answer" : `${it.status_code} ${it.reason_phrase ?? ""}`}</dd>
          </div>
          <div>
            <dt>Failed in a row</dt>
            <dd>{count(it.failures_in_a_row)}</dd>
          </div>
        </dl>
      </header>
      <div class="two-columns">
        <div>
          <section class="card" aria-label="What happened">
            <header class="card-head">
              <h2>What happened</h2>
            </header>
            <Findings findings={it.findings ?? []} />
          </section>
          <History registration={it} />
        </div>
        <div>
          <Facts registration={it} />
        </div>
      </div>
    </article>
  );
}

function Facts({ registration: it }: { registration: Data }) {
  return (
    <section class="card" aria-label="Facts">
      <header class="card-head">
        <h2>Facts</h2>
      </header>
      <dl class="facts">
        <Fact name="Contact">
          <Clip text={it.contact} mono /> <Copy text={it.contact} label="Copy the contact" />
        </Fact>
        <Fact name="Registrar">
          <Clip text={it.registrar} />
        </Fact>
        <Fact name="Addresses">
          <Clip text={it.src} mono /> <To /> <Clip text={it.dst} mono />
        </Fact>
        <Fact name="Transport">{it.transport}</Fact>
        {it.vlan !== null && <Fact name="VLAN">{it.vlan}</Fact>}
        <Fact name="Phone">
          <Clip text={it.user_agent} />
        </Fact>
        <Fact name="Registrar's agent">
          <Clip text={it.registrar_agent} />
        </Fact>
        <Fact name="Expiry asked">{longDuration(it.expires_asked_s)}</Fact>
        <Fact name="Expiry granted">{longDuration(it.expires_granted_s)}</Fact>
        {it.min_expires_s !== null && (
          <Fact name="Least expiry">{longDuration(it.min_expires_s)}</Fact>
        )}
        <Fact name="Holds until">
          {it.expires_at ? <Time at={it.expires_at} withDay /> : NONE}
        </Fact>
        <Fact name="Password">
          {it.is_challenged
            ? it.has_credentials
              ? "asked for and sent"
              : "asked for, none sent"
            : it.has_credentials
              ? "sent"
              : "not asked for"}
        </Fact>
        <Fact name="Round trip">
          {millis(it.round_trip_ms)}
          {it.round_trip_max_ms !== null && (
            <span class="muted"> at most {millis(it.round_trip_max_ms)}</span>
          )}
        </Fact>
        <Fact name="Since the record before">
          {count(it.granted)} succeeded, {count(it.failures)} failed, {count(it.retransmissions)} repeated
        </Fact>
        <Fact name="Call-ID">
          <Clip text={it.call_id} mono /> <Copy text={it.call_id} label="Copy the Call-ID" />
        </Fact>
        <Fact name="Seen by">
          {it.sensor ? (
            <a href={sensorPath(it.sensor.id)}>
              <Clip text={it.sensor.name} />
            </a>
          ) : (
            NONE
          )}
        </Fact>
      </dl>
    </section>
  );
}

/** Every record of the registration that is kept. */
function History({ registration }: { registration: Data }) {
  const asked = historyQuery(registration);
  const { data } = useLoad(`history ${asked}`, (signal) => api.registrations(asked, signal), {
    live: false,
  });
  const records = data?.registrations ?? [];
  return (
    <section class="card" aria-label="Records">
      <header class="card-head">
        <h2>Records</h2>
        <span class="muted">of contact {contactAddress(registration.contact)}</span>
      </header>
      <div class="scroll-x" tabIndex={0} role="group" aria-label="Records of the registration">
        <table class="plain">
          <thead>
            <tr>
              <th scope="col">At</th>
              <th scope="col">State</th>
              <th scope="col">Answer</th>
              <th scope="col" class="n" title="Succeeded and failed since the record before">
                OK / failed
              </th>
              <th scope="col" class="n">
                Round trip
              </th>
              <th scope="col">Why</th>
            </tr>
          </thead>
          <tbody>
            {records.map((one) => (
              <tr key={one.id}>
                <th scope="row">
                  {one.id === registration.id ? (
                    <strong>
                      <Time at={one.at} withDay />
                    </strong>
                  ) : (
                    <a href={registrationPath(one.id, listOf(REGISTRATIONS, query.value))}>
                      <Time at={one.at} withDay />
                    </a>
                  )}
                </th>
                <td>
                  <RegistrationMark state={one.state} />
                </td>
                <td>{one.status_code ?? NONE}</td>
                <td class="n">
                  {count(one.granted)} / {count(one.failures)}
                </td>
                <td class="n">{millis(one.round_trip_ms)}</td>
                <td class="muted">{CAUSE[one.cause] ?? one.cause}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {data?.next && <p class="muted pad">Older ones are kept too: the API lists them.</p>}
    </section>
  );
}
