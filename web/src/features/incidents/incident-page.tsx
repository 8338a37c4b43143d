// An incident: the four answers, the stack trace as a map, the run that is on it, and everything the alert carried.

import { Button, Skeleton } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Link, useParams } from "@tanstack/react-router";
import { type ReactNode, useMemo, useState } from "react";
import { api, ask } from "../../api/client";
import { incidentQuery, keys, runMoves, runQuery } from "../../api/queries";
import type { IncidentDetail, RunDetail } from "../../api/types";
import { useArrived } from "../../app/arrival";
import { useNarrow } from "../../app/media";
import { useWorkspaceOf } from "../../app/workspace";
import { ConfirmButton } from "../../components/confirm-button";
import { type DiffFile, parseDiff } from "../../components/diff/parse";
import { ConfirmItem, DotsMenu } from "../../components/dots-menu";
import { plural } from "../../components/format";
import { Inline, Sentence } from "../../components/inline";
import { MenuItem } from "../../components/menu";
import { ErrorNote, FailureLine } from "../../components/note";
import { Facts, Page, PageHead } from "../../components/page";
import { ProofStrip } from "../../components/proof/strip";
import { StateIcon, StateText, StateWord } from "../../components/state-icon";
import { incidentSaid, runSaid } from "../../components/states";
import { panelProps, Tabs } from "../../components/tabs";
import { Ago, Clock } from "../../components/time/now";
import { LiveLine } from "../runs/live-line";
import { StepsRail } from "../runs/steps-rail";
import { Breadcrumbs, OtherEvents, RequestFacts } from "./alert-parts";
import { type Answer, answers, mayRun } from "./answers";
import css from "./incident-page.module.css";
import { Sparkline } from "./sparkline";
import { StackTrace } from "./stack-trace";

const PARENT = { label: "Incidents", to: "/incidents" } as const;

export default function IncidentPage() {
  const { id } = useParams({ from: "/shell/incidents/$id" });
  const incident = useQuery({
    ...incidentQuery(id),
    // An incident that was just announced may not be written yet.
    retry: 4,
    retryDelay: 700,
  });
  const arrived = useArrived(incident.data);
  if (incident.data && arrived) return <LoadedIncident key={id} incident={incident.data} />;
  return (
    <Page bare title="Incident" here="Incident" parent={PARENT}>
      {incident.error ? (
        <ErrorNote error={incident.error} retry={() => incident.refetch()} />
      ) : (
        <>
          <PageHead>
            <Skeleton width="35%" height={20} mt={4} />
            <Skeleton width="55%" height={14} mt={8} />
          </PageHead>
          <div className={css.answers} aria-busy="true">
            {[0, 1, 2, 3].map((each) => (
              <div key={each} className={css.answer}>
                <Skeleton width={90} height={12} />
                <Skeleton width="80%" height={14} mt={8} />
              </div>
            ))}
          </div>
        </>
      )}
    </Page>
  );
}

function LoadedIncident({ incident }: { incident: IncidentDetail }) {
  useWorkspaceOf(incident);
  const narrow = useNarrow();
  const run = useQuery({ ...runQuery(incident.run?.id ?? ""), enabled: incident.run !== null });
  const files = useMemo(() => parseDiff(run.data?.diff ?? ""), [run.data?.diff]);
  const acts = useIncidentActs(incident);
  const said = incidentSaid(incident);
  const trace = <StackTrace alert={incident.alert} files={files} />;
  const crumbs = <Breadcrumbs alert={incident.alert} />;
  const request = <RequestFacts alert={incident.alert} />;
  const events = (
    <>
      {narrow && <Sparkline incident={incident} />}
      <OtherEvents incident={incident} />
    </>
  );
  const runPart = <RunPart incident={incident} run={run.data} acts={acts} />;
  const isOver = incident.state === "resolved";
  return (
    <Page
      title={`${incident.short_id} ${incident.title}`}
      here={incident.short_id}
      parent={PARENT}
      actions={
        <>
          {!isOver && incident.state !== "ignored" && (
            <ConfirmButton
              label="Ignore"
              sure="Only count it from now on"
              size="sm"
              onConfirm={() => acts.ignore.mutate()}
              loading={acts.ignore.isPending}
            />
          )}
          {!isOver && (
            <Button onClick={() => acts.resolve.mutate()} loading={acts.resolve.isPending}>
              Resolve
            </Button>
          )}
        </>
      }
      phoneActions={
        !isOver && (
          <DotsMenu>
            <MenuItem onClick={() => acts.resolve.mutate()}>Resolve</MenuItem>
            {incident.state !== "ignored" && (
              <ConfirmItem
                label="Ignore"
                sure="Only count it from now on"
                onConfirm={() => acts.ignore.mutate()}
              />
            )}
          </DotsMenu>
        )
      }
    >
      <PageHead aside={!narrow && <Sparkline incident={incident} />}>
        <h1 className={css.title}>
          <StateIcon state={said.state} size={20} />
          <code>{incident.title}</code>
        </h1>
        <Facts>
          <StateText state={said.state}>{said.word}</StateText>
          <strong className={css.figure}>{plural(incident.times_seen, "time")}</strong>
          {incident.users_seen > 0 && (
            <strong className={css.figure}>{plural(incident.users_seen, "user")}</strong>
          )}
          <span>
            first seen <Ago at={incident.first_seen} />
          </span>
          {!narrow && incident.source.name}
          {incident.release}
          {incident.environment}
        </Facts>
        <FailureLine error={acts.resolve.error ?? acts.ignore.error} />
      </PageHead>
      <FourAnswers incident={incident} run={run.data} files={files} />
      {narrow ? (
        <NarrowBody
          parts={{ stack: trace, run: runPart, breadcrumbs: crumbs, request, events }}
          incident={incident}
        />
      ) : (
        <div className={css.columns}>
          <div className={css.left}>
            {trace}
            {crumbs}
            {events}
          </div>
          <aside className={css.right} aria-label="Run and request">
            {runPart}
            {/* What stands below the run waits for it, and does not jump. */}
            {(!incident.run || !run.isPending) && request}
          </aside>
        </div>
      )}
    </Page>
  );
}

type PartId = "stack" | "run" | "breadcrumbs" | "request" | "events";

function NarrowBody({ parts, incident }: { parts: Record<PartId, ReactNode>; incident: IncidentDetail }) {
  const [tab, setTab] = useState<PartId>("stack");
  return (
    <>
      <Tabs
        label="Parts of the incident"
        value={tab}
        onChange={setTab}
        tabs={[
          { id: "stack", label: "Stack" },
          { id: "run", label: "Run", count: incident.run?.number },
          { id: "breadcrumbs", label: "Breadcrumbs", count: incident.alert.breadcrumbs.length },
          { id: "request", label: "Request" },
          { id: "events", label: "Events", count: incident.events.length },
        ]}
      />
      <div {...panelProps(tab)}>{parts[tab]}</div>
    </>
  );
}

function FourAnswers({
  incident,
  run,
  files,
}: {
  incident: IncidentDetail;
  run: RunDetail | undefined;
  files: DiffFile[];
}) {
  const said = answers(incident, run, files);
  return (
    <dl className={css.answers}>
      <AnswerCell question="What broke" short="Broke" answer={said.broke} />
      <AnswerCell
        question="Is it being fixed"
        short="Fix"
        answer={said.fix}
        aside={
          runMoves(incident.run) && incident.run?.live_since ? (
            <code className={css.clock}>
              <Clock from={incident.run.live_since} />
            </code>
          ) : null
        }
      />
      <AnswerCell question="Can I trust the fix" short="Trust" answer={said.trust} />
      <AnswerCell question="What must I do" short="You" answer={said.you} />
    </dl>
  );
}

interface CellProps {
  question: string;
  short: string;
  answer: Answer;
  aside?: ReactNode;
}

function AnswerCell({ question, short, answer, aside }: CellProps) {
  const { link } = answer;
  const text = <Inline text={answer.text} />;
  const linked = link ? (
    <Link to={link.to} params={{ id: link.id }} className={css.cellLink}>
      {text}
    </Link>
  ) : (
    text
  );
  return (
    <div className={css.answer}>
      <dt>
        <span className={css.long}>{question}</span>
        <span className={css.short} aria-hidden="true">
          {short}
        </span>
      </dt>
      <dd>
        <span className={css.text}>
          {answer.said ? <StateWord state={answer.said.state}>{linked}</StateWord> : linked}
        </span>
        {(answer.beneath || aside) && (
          <span className={css.beneath}>
            <Inline text={answer.beneath} /> {aside}
          </span>
        )}
      </dd>
    </div>
  );
}

type Acts = ReturnType<typeof useIncidentActs>;

function useIncidentActs(incident: IncidentDetail) {
  const queries = useQueryClient();
  const path = { params: { path: { id: incident.id } } };
  const refresh = () => {
    for (const key of [keys.incidents, keys.inbox, keys.runs])
      void queries.invalidateQueries({ queryKey: key });
  };
  const start = useMutation({
    mutationFn: () => ask(api.POST("/api/incidents/{id}/run/", path)),
    onSettled: refresh,
  });
  const resolve = useMutation({
    mutationFn: () => ask(api.POST("/api/incidents/{id}/resolve/", path)),
    onSettled: refresh,
  });
  const ignore = useMutation({
    mutationFn: () => ask(api.POST("/api/incidents/{id}/ignore/", path)),
    onSettled: refresh,
  });
  return { start, resolve, ignore };
}

function RunPart({
  incident,
  run,
  acts,
}: {
  incident: IncidentDetail;
  run: RunDetail | undefined;
  acts: Acts;
}) {
  const summary = incident.run;
  const obstacle = incident.run_obstacle;
  const canRun = mayRun(incident);
  if (!summary) {
    const noRun = canRun ? "One starts shortly." : "Nothing works on it.";
    return (
      <section className={css.section} aria-label="Run">
        <h2>No run</h2>
        <p className={css.muted}>
          <Sentence text={obstacle?.detail ?? incident.no_run_reason ?? noRun} />
        </p>
        {canRun && !obstacle && (
          <div>
            <Button variant="filled" onClick={() => acts.start.mutate()} loading={acts.start.isPending}>
              {incident.no_run_reason ? "Run anyway" : "Run now"}
            </Button>
          </div>
        )}
        <FailureLine error={acts.start.error} />
      </section>
    );
  }
  const said = runSaid(summary);
  const moving = runMoves(summary);
  return (
    <>
      <section className={css.section} aria-label={`Run ${summary.number}`}>
        <div className={css.sectionHead}>
          <h2>Run {summary.number}</h2>
          <span className={css.muted}>{summary.executor}</span>
          <Link to="/runs/$id" params={{ id: summary.id }} className={css.openRun}>
            Open run
          </Link>
        </div>
        {moving && summary.live_line ? (
          <div className={css.live}>
            <StateIcon state="working" size={14} label="working" />
            <LiveLine run={summary} brief />
          </div>
        ) : (
          <StateWord state={said.state}>{said.word}</StateWord>
        )}
        {run && <StepsRail steps={run.steps} compact />}
        {canRun &&
          (obstacle ? (
            <p className={css.muted}>
              <Sentence text={obstacle.detail} />
            </p>
          ) : (
            <div>
              <Button onClick={() => acts.start.mutate()} loading={acts.start.isPending}>
                Run again
              </Button>
              <FailureLine error={acts.start.error} />
            </div>
          ))}
        {incident.runs.length > 1 && (
          <p className={css.muted}>
            Earlier:{" "}
            {incident.runs
              .filter((each) => each.id !== summary.id)
              .map((each, index) => (
                <span key={each.id}>
                  {index > 0 && ", "}
                  <Link to="/runs/$id" params={{ id: each.id }}>
                    run {each.number}
                  </Link>{" "}
                  {runSaid(each).word.toLowerCase()}
                </span>
              ))}
          </p>
        )}
      </section>
      {run && (
        <div className={css.section}>
          <ProofStrip
            proof={run}
            proving={run.step === "prove" && moving}
            brief={run.verdict === null}
            bundleName={`run-${run.number}.dsse.json`}
          />
        </div>
      )}
    </>
  );
}
