// All incidents: the broken ones first.

import { Button } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { incidentsQuery, runMoves } from "../../api/queries";
import type { Incident, IncidentState } from "../../api/types";
import { useWorkspace } from "../../app/workspace";
import { plural } from "../../components/format";
import { breakable } from "../../components/inline";
import { ListGroup, ListRow, useListKeys } from "../../components/list";
import { Listed } from "../../components/listed";
import { Facts, Page } from "../../components/page";
import { type State, StateWord } from "../../components/state-icon";
import { incidentSaid, runSaid } from "../../components/states";
import { Ago, Clock } from "../../components/time/now";
import css from "./incidents-page.module.css";

const GROUPS: { title: string; state: State; states: IncidentState[] }[] = [
  { title: "Broken", state: "broken", states: ["open", "fixing", "regressed"] },
  { title: "Fix proposed", state: "needs_you", states: ["fix_proposed"] },
  { title: "Resolved", state: "done", states: ["resolved"] },
  { title: "Ignored", state: "unverified", states: ["ignored"] },
];

export default function IncidentsPage() {
  const { uid } = useWorkspace();
  const all = useQuery(incidentsQuery(uid));
  useListKeys();
  return (
    <Page bare title="Incidents" here="Incidents">
      <Listed
        query={all}
        empty="No incident yet. The first event of a connected alert source makes one."
        emptyAction={
          <Button component={Link} to="/alert-sources" search={{ new: true } as never}>
            Connect alerts
          </Button>
        }
      >
        {(incidents) =>
          GROUPS.map(({ title, state, states }) => (
            <Group
              key={title}
              title={title}
              state={state}
              items={incidents.filter((each) => states.includes(each.state))}
            />
          ))
        }
      </Listed>
    </Page>
  );
}

function Group({ title, state, items }: { title: string; state: State; items: Incident[] }) {
  if (items.length === 0) return null;
  return (
    <ListGroup title={title} state={state} count={items.length}>
      {items.map((incident) => (
        <IncidentRow key={incident.id} incident={incident} />
      ))}
    </ListGroup>
  );
}

function IncidentRow({ incident }: { incident: Incident }) {
  const moving = runMoves(incident.run);
  const said = incident.run && moving ? runSaid(incident.run) : incidentSaid(incident);
  return (
    <ListRow
      link={{ to: "/incidents/$id", id: incident.id }}
      title={<code className={css.title}>{incident.title}</code>}
      beneath={
        <Facts small>
          {incident.short_id}
          {[
            plural(incident.times_seen, "time"),
            incident.users_seen > 0 && plural(incident.users_seen, "user"),
          ]
            .filter(Boolean)
            .join(", ")}
          {incident.culprit && <code>{breakable(incident.culprit)}</code>}
          {incident.environment}
        </Facts>
      }
      state={
        <StateWord state={said.state}>
          {said.word} {moving && incident.run?.live_since && <Clock from={incident.run.live_since} />}
        </StateWord>
      }
      age={<Ago at={incident.last_seen} bare />}
    />
  );
}
