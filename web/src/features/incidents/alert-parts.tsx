// What the alert carried beside the stack trace: breadcrumbs counted back from the crash, the request, tags, and the
// other events of the incident.

import { useState } from "react";
import type { Alert, Breadcrumb, IncidentDetail } from "../../api/types";
import { plural } from "../../components/format";
import { breakable } from "../../components/inline";
import { secondsBefore } from "../../components/time/format";
import { Ago } from "../../components/time/now";
import { Fact } from "../runs/facts";
import css from "./incident-page.module.css";

const EVENTS_SHOWN = 10;

export function Breadcrumbs({ alert }: { alert: Alert }) {
  const thrown = alert.exceptions.at(-1);
  const newestFirst = [...alert.breadcrumbs].reverse();
  return (
    <section aria-label="Breadcrumbs" className={css.crumbs}>
      <div className={css.partHead}>
        <h2>Breadcrumbs</h2>
        <span className={css.muted}>counted back from the crash</span>
      </div>
      {newestFirst.length === 0 ? (
        <p className={css.none}>The alert carries no breadcrumbs.</p>
      ) : (
        <ol>
          {thrown && (
            <li className={css.crumb} data-crash>
              <span className={css.when}>0.000 s</span>
              <span className={css.category}>exception</span>
              <code className={css.message}>
                {thrown.kind}
                {thrown.value && `: ${thrown.value}`}
              </code>
            </li>
          )}
          {newestFirst.map((crumb, index) => (
            <li key={index} className={css.crumb}>
              <span className={css.when}>{secondsBefore(crumb.at, alert.at)}</span>
              <span className={css.category}>{crumb.category ?? crumb.level ?? ""}</span>
              <code className={css.message}>{crumbText(crumb)}</code>
            </li>
          ))}
        </ol>
      )}
    </section>
  );
}

function crumbText(crumb: Breadcrumb): string {
  const data = crumb.data ?? {};
  const {
    method,
    url,
    status_code: status,
  } = data as { method?: unknown; url?: unknown; status_code?: unknown };
  const http = [method, url, status]
    .filter((part) => part !== undefined && part !== null && part !== "")
    .join(" ");
  if (crumb.message)
    return http && !crumb.message.includes(String(url ?? "")) ? `${crumb.message} ${http}` : crumb.message;
  if (http) return http;
  return Object.keys(data).length > 0 ? JSON.stringify(data) : "";
}

export function RequestFacts({ alert }: { alert: Alert }) {
  const { request } = alert;
  return (
    <section className={css.section} aria-label="Request and tags">
      {request && (
        <>
          <h2>Request</h2>
          <code className={css.url}>
            {request.method} {breakable(request.url ?? "")}
            {request.query && `?${request.query}`}
          </code>
          <dl className={css.facts}>
            {request.headers.map(([name = "", value = ""], index) => (
              <Fact key={`${name}-${index}`} name={name}>
                <code>{value}</code>
              </Fact>
            ))}
          </dl>
          {request.data !== null && request.data !== undefined && request.data !== "" && (
            // biome-ignore lint/a11y/noNoninteractiveTabindex: a block that scrolls must be reachable by keyboard.
            <pre className={css.data} tabIndex={0}>
              {typeof request.data === "string" ? request.data : JSON.stringify(request.data, null, 2)}
            </pre>
          )}
        </>
      )}
      <h2>{request ? "Tags" : "Facts and tags"}</h2>
      <dl className={css.facts}>
        {alert.server_name && <Fact name="server">{alert.server_name}</Fact>}
        {alert.tags.map(([name = "", value = ""], index) => (
          <Fact key={`${name}-${index}`} name={name}>
            <code>{breakable(value)}</code>
          </Fact>
        ))}
        {Object.entries(alert.user ?? {}).map(([name, value]) => (
          <Fact key={name} name={`user ${name}`}>
            <code>{String(value)}</code>
          </Fact>
        ))}
        <Fact name="event">
          <code>{alert.event_id.slice(0, 12)}</code>
        </Fact>
      </dl>
      {alert.url && /^https?:\/\//.test(alert.url) && (
        <a href={alert.url} target="_blank" rel="noreferrer">
          Open where it came from
        </a>
      )}
    </section>
  );
}

export function OtherEvents({ incident }: { incident: IncidentDetail }) {
  const [all, setAll] = useState(false);
  const { events } = incident;
  if (events.length === 0) return null;
  return (
    <section aria-label="Events" className={css.events}>
      <div className={css.partHead}>
        <h2>Events</h2>
        <span className={css.muted}>{plural(incident.times_seen, "event")} in all</span>
      </div>
      <ul>
        {(all ? events : events.slice(0, EVENTS_SHOWN)).map((event) => (
          <li key={event.id} className={css.event}>
            <span className={css.when}>
              <Ago at={event.at} />
            </span>
            <code className={css.message}>{event.title}</code>
            <span className={css.muted}>{[event.release, event.environment].filter(Boolean).join(", ")}</span>
          </li>
        ))}
      </ul>
      {!all && events.length > EVENTS_SHOWN && (
        <button type="button" className={css.showAll} onClick={() => setAll(true)}>
          Show all {events.length}
        </button>
      )}
    </section>
  );
}
